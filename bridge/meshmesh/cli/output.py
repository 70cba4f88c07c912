"""Plain text for a terminal: tables, times, words. Values in, lines out."""

import shutil
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from meshmesh.cli.report import printable

_GAP = "  "
_LEAST = 8
_LEAST_OF_LAST = 16  # an id of ours
_DAYS_IN_WORDS = 30


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None) -> list[str]:
    """Aligned columns with a line of headings.

    Args:
        headings: one a column.
        rows: the cells, as many as headings.
        width: the most characters a line may have, or None; the last column gives way, then the widest ones.
    """
    lines = [tuple(headings), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(len(line[index]) for line in lines) for index in range(len(headings))]
    while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _LEAST:
        widths[-1 if widths[-1] > _LEAST_OF_LAST else widths.index(max(widths))] -= 1
    return [
        _GAP.join(_cut(cell, size).ljust(size) for cell, size in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]


def _cut(cell: str, size: int) -> str:
    return cell if len(cell) <= size else cell[: size - 3] + "..."


def terminal_width(environ: Mapping[str, str]) -> int | None:
    """How wide lines may be: `COLUMNS`, else the terminal's width, else (a pipe) as wide as they are."""
    if environ.get("COLUMNS", "").isdigit():
        return int(environ["COLUMNS"])
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def status_word(status: str) -> str:
    """A status as people read it."""
    return status.replace("_", " ")


def kind_word(kind: str) -> str:
    """The kind of an org; production stands out without colour."""
    return kind.upper() if kind == "production" else kind


def moment(text: str) -> datetime | None:
    """A time of the API (RFC 3339 in UTC with `Z`), or None for "" and for what is no time."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None


def ago(text: str, now: datetime) -> str:
    """How long ago a time of the API was; "never" for none."""
    then = moment(text)
    if then is None:
        return "never"
    passed = now - then
    if passed < timedelta(minutes=1):
        return "just now"
    if passed < timedelta(hours=1):
        return f"{passed // timedelta(minutes=1)} min ago"
    if passed < timedelta(days=1):
        return f"{passed // timedelta(hours=1)} h ago"
    if passed < timedelta(days=_DAYS_IN_WORDS):
        days = passed.days
        return "yesterday" if days == 1 else f"{days} days ago"
    return then.strftime("%d %b %Y")


def until(text: str, now: datetime) -> str:
    """How long until a time of the API; "" for none."""
    then = moment(text)
    if then is None:
        return ""
    left = then - now
    if left <= timedelta():
        return "over"
    if left < timedelta(hours=1):
        return f"{-(-left // timedelta(minutes=1))} min"
    return f"{left // timedelta(hours=1)} h" if left < timedelta(days=2) else f"{left.days} days"
