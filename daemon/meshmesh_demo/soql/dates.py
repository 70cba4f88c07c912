"""What a date literal stands for: the days from its first to its last, in UTC."""

from datetime import UTC, date, datetime, timedelta

from meshmesh_demo.errors import refuse
from meshmesh_demo.soql.tree import Literal

MONTHS = 12
_FAR = 40_000  # days; N words beyond it would leave the calendar


def span(literal: Literal, today: date) -> tuple[date, date]:
    """First and last day of a date word.

    Args:
        literal: of kind `word`.
        today: the org's day.
    """
    day = timedelta(days=1)
    match literal.text:
        case "TODAY":
            return today, today
        case "YESTERDAY":
            return today - day, today - day
        case "TOMORROW":
            return today + day, today + day
        case "LAST_90_DAYS":
            return today - 90 * day, today
        case "NEXT_90_DAYS":
            return today + day, today + 90 * day
        case _:
            return _period_span(literal, today)


def _period_span(literal: Literal, today: date) -> tuple[date, date]:
    when, _, unit = literal.text.replace("FISCAL_", "").partition("_")  # this org's fiscal year begins in January
    if unit.startswith("N_"):
        return _n_span(when, unit[2:], literal.number, today)
    shift = {"LAST": -1, "THIS": 0, "NEXT": 1}[when]
    return _period(unit, today, shift), _period(unit, today, shift + 1) - timedelta(days=1)


def _n_span(when: str, unit: str, number: int, today: date) -> tuple[date, date]:
    day = timedelta(days=1)
    if number > _FAR:
        raise refuse("MALFORMED_QUERY", "unexpected token: the number of a date literal is too large")
    if unit == "DAYS":
        return (today - number * day, today) if when == "LAST" else (today + day, today + number * day)
    period = unit.removesuffix("S")
    if number * {"WEEK": 7, "MONTH": 31, "QUARTER": 92, "YEAR": 366}[period] > _FAR:
        raise refuse("MALFORMED_QUERY", "unexpected token: the number of a date literal is too large")
    if when == "LAST":
        return _period(period, today, -number), _period(period, today, 0) - day
    return _period(period, today, 1), _period(period, today, number + 1) - day


def _period(unit: str, today: date, shift: int) -> date:
    """The first day of the week (from Sunday), month, quarter or year, `shift` periods from now."""
    if unit == "WEEK":
        return today - timedelta(days=(today.weekday() + 1) % 7) + timedelta(weeks=shift)
    months = {"MONTH": 1, "QUARTER": 3, "YEAR": MONTHS}[unit]
    start = today.year * MONTHS + (today.month - 1) // months * months + shift * months
    return date(start // MONTHS, start % MONTHS + 1, 1)


def moment(text: str) -> datetime:
    """A stored or written datetime, aware, in UTC.

    Raises:
        SalesforceError: MALFORMED_QUERY for a day that is not in the calendar.
    """
    try:
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise refuse("MALFORMED_QUERY", f"line 1: '{text}' is not a valid datetime") from None


def day_of(text: str) -> date:
    """A stored or written date.

    Raises:
        SalesforceError: MALFORMED_QUERY for a day that is not in the calendar.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise refuse("MALFORMED_QUERY", f"line 1: '{text}' is not a valid date") from None
