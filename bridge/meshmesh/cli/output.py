"""Plain text for a terminal: tables, times, words. Values in, lines out.

There is no colour: what a colour would say is a word already, so that pipes, screen readers and `NO_COLOR` get the same.
"""

import shutil
import sys
import unicodedata
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from meshmesh.cli.report import printable

_GAP = "  "
_CUT = "..."
_LEAST = 8
_LEAST_OF_LAST = 16  # an id of ours
_DAYS_IN_WORDS = 30


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, folds: bool = False
) -> list[str]:
    """Aligned columns with a line of headings.

    Args:
        headings: one a column.
        rows: the cells, as many as headings.
        width: the most characters a line may have, or None; the last column gives way, then the widest ones.
        folds: whether the last column goes on in further lines, where it would be cut.
    """
    lines = [tuple(headings), *(tuple(printable(cell) for cell in row) for row in rows)]
    widths = [max(columns(line[index]) for line in lines) for index in range(len(headings))]
    while width and sum(widths) + len(_GAP) * (len(widths) - 1) > width and max(widths) > _LEAST:
        widths[-1 if widths[-1] > _LEAST_OF_LAST else widths.index(max(widths))] -= 1
    if not folds:
        return [_row(line, widths) for line in lines]
    return [
        _row((*(line[:-1] if not number else [""] * (len(widths) - 1)), part), widths)
        for line in lines
        for number, part in enumerate(_folded(line[-1], widths[-1]))
    ]


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    return _GAP.join(_fitted(cell, size) for cell, size in zip(cells, widths, strict=True)).rstrip()


def _folded(cell: str, size: int) -> list[str]:
    import textwrap

    return textwrap.wrap(cell, size, break_on_hyphens=False) or [""]


def columns(text: str) -> int:
    """How many columns of a terminal a text takes (Unicode's East Asian Width; a combining mark takes none)."""
    return len(text) if text.isascii() else sum(_columns(letter) for letter in text)


def _columns(letter: str) -> int:
    if unicodedata.combining(letter):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in {"W", "F"} else 1


def _fitted(cell: str, size: int) -> str:
    """A cell as wide as its column: filled up, or cut, which three dots say."""
    if columns(cell) > size:
        kept = ""
        for letter in cell:
            if columns(kept + letter) > size - len(_CUT):
                break
            kept += letter
        cell = kept + _CUT
    return cell + " " * (size - columns(cell))


def wrapped(text: str, indent: int, width: int | None) -> list[str]:
    """A text in lines that fit behind an indentation; words stay whole, so that a command or a path can be copied.

    Args:
        text: one sentence or more.
        indent: columns that are taken in front of each line.
        width: the most columns of a line, or None for no limit.
    """
    if width is None:
        return [text]
    import textwrap

    room = max(width - indent, _LEAST)
    return textwrap.wrap(text, room, break_long_words=False, break_on_hyphens=False) or [""]


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
