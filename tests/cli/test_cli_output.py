"""Plain text for a terminal."""

from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh.cli.output import ago, columns, table, until, wrapped
from meshmesh.cli.report import printable, three_lines
from meshmesh.exits import Exit
from meshmesh.failures import Failure

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("", "never"), ("nonsense", "never"), ("2026-11-25T11:59:31Z", "just now"), ("2026-11-25T12:05:00Z", "just now"),
        ("2026-11-25T11:58:00Z", "2 min ago"), ("2026-11-25T09:00:00Z", "3 h ago"), ("2026-11-24T11:00:00Z", "yesterday"),
        ("2026-11-20T11:00:00Z", "5 days ago"), ("2026-08-01T11:00:00Z", "01 Aug 2026"),
    ],
)  # fmt: skip
def test_times_read_as_people_say_them(then: str, words: str) -> None:
    """The past in the largest fitting unit; what is no time is never."""
    assert ago(then, NOW) == words


@pytest.mark.parametrize(
    ("then", "words"),
    [
        ("", ""), ("2026-11-25T12:00:00Z", "over"), ("2026-11-25T12:09:01Z", "10 min"), ("2026-11-25T15:59:00Z", "3 h"),
        ("2026-11-30T12:00:00Z", "5 days"),
    ],
)  # fmt: skip
def test_what_is_left_is_rounded_to_what_matters(then: str, words: str) -> None:
    """Minutes round up, so that nothing that still lives has 0 left."""
    assert until(then, NOW) == words


@given(
    rows=st.lists(st.tuples(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60)), max_size=5),
    width=st.integers(30, 100),
)
@settings(max_examples=50)
def test_a_table_fits_and_is_aligned(rows: list[tuple[str, str, str]], width: int) -> None:
    """No line is wider than asked for, no cell adds a line, and every cell begins where its heading does."""
    lines = table(("ONE", "TWO", "THREE"), rows, width)

    assert len(lines) == len(rows) + 1
    assert all(columns(line) <= width for line in lines)
    start = lines[0].index("TWO")
    assert all(up_to(line, start).endswith("  ") or columns(line) < start for line in lines)


def up_to(line: str, column: int) -> str:
    """The part of a line that stands before a column."""
    return next((line[:end] for end in range(len(line)) if columns(line[:end]) == column), line)


def test_wide_letters_take_two_columns() -> None:
    """Japanese, and marks that combine, leave the next column where it is; what is cut ends in dots."""
    rows = [("\u6771\u4eac\u55b6\u696d\u90e8\u9580", "a"), ("Jose\u0301", "b"), ("plain", "c")]

    assert [
        columns(line[: line.index(mark)]) for line, mark in zip(table(("N", "M"), rows, None)[1:], "abc", strict=True)
    ] == [14] * 3
    assert table(("N",), [rows[0][:1]], 9) == ["N", "\u6771\u4eac\u55b6..."]


def test_what_folds_is_not_cut() -> None:
    """The last column goes on below itself, and the lines still fit."""
    lines = table(("A", "B"), [("x", "one two three four"), ("y", "")], 12, folds=True)

    assert lines == ["A  B", "x  one two", "   three", "   four", "y"]


def test_a_wrapped_text_keeps_its_words() -> None:
    """A path or an option is never broken; without a width nothing is."""
    text = "a key file, /a/path/that/is-rather-long/master.key; whoever"

    assert wrapped(text, 10, 40) == ["a key file,", "/a/path/that/is-rather-long/master.key;", "whoever"]
    assert wrapped(text, 10, None) == [text]


def test_a_pipe_gets_everything() -> None:
    """Without a width nothing is cut."""
    assert table(("A", "B"), [("x" * 200, "y")], None)[1] == "x" * 200 + "  y"


def test_nobody_else_drives_the_terminal() -> None:
    """Control characters of a name or a sentence do not reach the terminal."""
    failure = Failure("No \x1b[31m.", "why\r\nnot", "next\x07", Exit.USAGE)

    assert printable("a\x1b[2Jb\x9bc") == "a [2Jb c"
    assert three_lines(failure).count("\n") == 3
    assert not [letter for letter in three_lines(failure) if letter != "\n" and not letter.isprintable()]
