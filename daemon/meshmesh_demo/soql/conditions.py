"""WHERE and HAVING: a condition and a way to read values, to true or false. Strings mind no case, as in Salesforce."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

from meshmesh_demo.errors import refuse
from meshmesh_demo.ids import normal
from meshmesh_demo.model import Value
from meshmesh_demo.soql.dates import day_of, moment, span
from meshmesh_demo.soql.tree import Call, Comparison, Condition, Junction, Literal, Membership, Negation, Path, Query

Read = Callable[[Path | Call], tuple[Value, str]]  # the value of an operand, and its field's type
Key = tuple[float, str]  # compares as a value of any one type; numbers and times are in front, text behind
_LEAST = 1e-6  # the org keeps no smaller part of a second
_TIMES = {"date", "datetime"}
_NUMBERS = {"int", "double", "currency", "percent"}
_IDS = {"id", "reference"}
_TEXTS = {"string", "picklist", "email", "phone", "url", "textarea"}
_WILD = {"%": ".*", "_": "."}
Select = Callable[[Query], set[str]]  # the values that a semi-join gives


class Judge:
    """Judges one condition for one record.

    Args:
        read: an operand's value and type.
        select: a sub-select's values.
        today: the org's day.
    """

    def __init__(self, read: Read, select: Select, today: date) -> None:
        self._read = read
        self._select = select
        self._today = today

    def holds(self, condition: Condition) -> bool:
        """Whether the condition holds."""
        if isinstance(condition, Junction):
            parts = (self.holds(part) for part in condition.parts)
            return all(parts) if condition.word == "AND" else any(parts)
        if isinstance(condition, Negation):
            return not self.holds(condition.part)
        if isinstance(condition, Membership):
            return self._member(condition)
        return self._compares(condition)

    def check(self, condition: Condition) -> None:
        """Refuse operands that are not there and values that do not fit them, whatever the records are.

        Raises:
            SalesforceError: INVALID_FIELD and its like.
        """
        match condition:
            case Junction():
                for part in condition.parts:
                    self.check(part)
            case Negation():
                self.check(condition.part)
            case Membership():
                _, kind = self._read(condition.left)
                if isinstance(condition.values, Query):
                    self._select(condition.values)
                else:
                    self._check_values(kind, condition.values)
            case Comparison():
                _, kind = self._read(condition.left)
                if condition.operator == "LIKE" and (condition.value.kind != "string" or kind not in _TEXTS):
                    raise refuse("INVALID_QUERY_FILTER_OPERATOR", "invalid operator on field: LIKE")
                if condition.operator != "LIKE":
                    self._check_values(kind, (condition.value,))

    def _check_values(self, kind: str, literals: tuple[Literal, ...]) -> None:
        for literal in literals:
            if literal.kind != "null":
                self._bounds(kind, literal)

    def _member(self, condition: Membership) -> bool:
        value, kind = self._read(condition.left)
        if isinstance(condition.values, Query):
            found = isinstance(value, str) and value in self._select(condition.values)
        else:
            found = any(self._equal(value, kind, literal) for literal in condition.values)
        return found != condition.negated

    def _compares(self, condition: Comparison) -> bool:
        value, kind = self._read(condition.left)
        if condition.operator == "LIKE":
            return isinstance(value, str) and bool(_pattern(condition.value.text).fullmatch(value))
        if condition.operator in {"=", "!="}:
            return self._equal(value, kind, condition.value) == (condition.operator == "=")
        if value is None or condition.value.kind == "null":
            return False
        low, high = self._bounds(kind, condition.value)
        actual = _key(value, kind)
        match condition.operator:
            case "<":
                return actual < low
            case "<=":
                return actual <= high
            case ">":
                return actual > high
            case _:
                return actual >= low

    def _equal(self, value: Value, kind: str, literal: Literal) -> bool:
        if literal.kind == "null":
            return value is None
        if value is None:
            return literal.kind == "string" and not literal.text  # '' and null are one to Salesforce
        low, high = self._bounds(kind, literal)
        return low <= _key(value, kind) <= high

    def _bounds(self, kind: str, literal: Literal) -> tuple[Key, Key]:
        """The least and greatest value that a literal stands for, in the field's type."""
        if kind in _TIMES and literal.kind in {"date", "datetime", "word"}:
            return self._time_bounds(kind, literal)
        wanted = "number" if kind in _NUMBERS else "boolean" if kind == "boolean" else "string"
        if kind in _TIMES or literal.kind != wanted:
            raise _wrong_type(kind)
        if wanted == "number":
            return (float(literal.text), ""), (float(literal.text), "")
        if wanted == "boolean":
            return (float(literal.text == "TRUE"), ""), (float(literal.text == "TRUE"), "")
        if kind not in _IDS:
            return (0.0, literal.text.casefold()), (0.0, literal.text.casefold())
        found = normal(literal.text)
        if found is None and literal.text:
            raise refuse("INVALID_QUERY_FILTER_OPERATOR", f"invalid ID field: {literal.text}")
        return (0.0, found or ""), (0.0, found or "")

    def _time_bounds(self, kind: str, literal: Literal) -> tuple[Key, Key]:
        if literal.kind == "word":
            first, last = span(literal, self._today)
        elif literal.kind == "date":
            first = last = day_of(literal.text)
        else:
            exact = moment(literal.text)
            if kind == "datetime":
                return (exact.timestamp(), ""), (exact.timestamp(), "")
            first = last = exact.date()
        if kind == "date":
            return (float(first.toordinal()), ""), (float(last.toordinal()), "")
        start, end = _midnight(first).timestamp(), (_midnight(last) + timedelta(days=1)).timestamp()
        return (start, ""), (end - _LEAST, "")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _key(value: str | int | float | bool, kind: str) -> Key:
    """A value that compares as its field's type does."""
    if not isinstance(value, str):
        return float(value), ""
    if kind == "datetime":
        return moment(value).timestamp(), ""
    if kind == "date":
        return float(day_of(value).toordinal()), ""
    return 0.0, value if kind in _IDS else value.casefold()


@lru_cache(maxsize=256)
def _pattern(like: str) -> "re.Pattern[str]":
    parts = (match.group() for match in re.finditer(r"\\[%_]|.", like, flags=re.DOTALL))
    text = "".join(_WILD.get(part) or re.escape(part[-1]) for part in parts)
    return re.compile(re.sub(r"(?:\.\*)+", ".*", text), re.IGNORECASE | re.DOTALL)


def _wrong_type(kind: str) -> Exception:
    quoted = "should be enclosed in quotes" if kind in _TEXTS | _IDS else "should not be enclosed in quotes"
    return refuse("INVALID_FIELD", f"value of filter criterion must be of type {kind} and {quoted}")
