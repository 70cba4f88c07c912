"""SOQL by laws: no text makes it fall over, and its WHERE agrees with plain Python."""

import contextlib
from collections.abc import Callable
from datetime import date

from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_demo import ids
from meshmesh_demo.errors import SalesforceError
from meshmesh_demo.model import OBJECTS, Record
from meshmesh_demo.soql.evaluate import run

TODAY = date(2026, 11, 25)
WORDS = (
    "SELECT", "FROM", "WHERE", "Account", "Contact", "Id", "Name", "Owner.Name", "COUNT", "(", ")", ",", "=", "!=", "LIKE",
    "IN", "NOT", "AND", "OR", "'x'", "'", "\\", "5", "null", "TODAY", "LAST_N_DAYS", ":", "GROUP", "BY", "HAVING", "ORDER",
    "LIMIT", "OFFSET", "FIELDS", "ALL", "2026-01-01", "2026-13-01", "9" * 5000, "Contacts", "NULLS", "FIRST", "FOR", "VIEW",
)  # fmt: skip
EMPTY: dict[str, dict[str, Record]] = {name: {} for name in OBJECTS}


@given(
    st.one_of(
        st.text(max_size=80),
        st.lists(st.sampled_from(WORDS), max_size=25).map(" ".join),
        st.lists(st.sampled_from(WORDS), max_size=15).map(
            lambda words: "SELECT Id FROM Account WHERE " + " ".join(words)
        ),
    )
)
@settings(max_examples=400, deadline=None)
def test_no_text_makes_it_fall_over(text: str) -> None:
    """Whatever is asked is answered, or refused as Salesforce refuses."""
    with contextlib.suppress(SalesforceError):
        run(EMPTY, text, version="v66.0", today=TODAY)


texts = st.text(alphabet="aAbB%_' \\", max_size=4)
rows = st.lists(st.tuples(st.none() | texts.filter(bool), st.none() | st.integers(-5, 5)), max_size=6)
Test = Callable[[str | None, int | None], bool]


def quoted(text: str) -> str:
    """A SOQL text."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def number_test(operator: str, number: int) -> tuple[str, Test]:
    """A comparison of the number, in SOQL and in Python."""
    compare: dict[str, Test] = {
        "=": lambda _text, own: own == number,
        "!=": lambda _text, own: own != number,
        "<": lambda _text, own: own is not None and own < number,
        "<=": lambda _text, own: own is not None and own <= number,
        ">": lambda _text, own: own is not None and own > number,
        ">=": lambda _text, own: own is not None and own >= number,
    }
    return f"AnnualRevenue {operator} {number}", compare[operator]


def text_test(text: str) -> tuple[str, Test]:
    """An equality of the text; an empty text is null."""
    return f"Name = {quoted(text)}", lambda own, _number: (own or "").casefold() == text.casefold()


def starts_test(text: str) -> tuple[str, Test]:
    """A LIKE with one wildcard at the end."""
    plain = text.replace("\\", "").replace("%", "").replace("_", "")
    return (
        f"Name LIKE {quoted(plain + '%')}",
        lambda own, _number: own is not None and own.lower().startswith(plain.lower()),
    )


def joined(word: str, parts: list[tuple[str, Test]]) -> tuple[str, Test]:
    """AND or OR of several, in brackets."""
    join = all if word == "AND" else any
    return (
        "(" + f" {word} ".join(text for text, _ in parts) + ")",
        lambda own, number: join([test(own, number) for _, test in parts]),
    )


def negated(part: tuple[str, Test]) -> tuple[str, Test]:
    """NOT of one."""
    return f"(NOT {part[0]})", lambda own, number: not part[1](own, number)


leaves = st.one_of(
    st.builds(number_test, st.sampled_from(("=", "!=", "<", "<=", ">", ">=")), st.integers(-5, 5)),
    st.builds(text_test, texts),
    st.builds(starts_test, texts),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(joined, st.sampled_from(("AND", "OR")), st.lists(inner, min_size=2, max_size=3)),
        st.builds(negated, inner),
    ),
    max_leaves=6,
)


@given(rows=rows, condition=conditions)
@settings(max_examples=200, deadline=None)
def test_where_agrees_with_plain_python(rows: list[tuple[str | None, int | None]], condition: tuple[str, Test]) -> None:
    """A condition keeps the rows that the same condition in Python keeps, in their order."""
    text, test = condition
    table: dict[str, Record] = {
        ids.make("001", index): {
            "Id": ids.make("001", index),
            "IsDeleted": False,
            "Name": name,
            "AnnualRevenue": number,
        }
        for index, (name, number) in enumerate(rows)
    }
    found = run(EMPTY | {"Account": table}, f"SELECT Id FROM Account WHERE {text}", version="v66.0", today=TODAY)

    expected = [ids.make("001", index) for index, (name, number) in enumerate(rows) if test(name, number)]
    assert [one["Id"] for one in found.records] == expected


@given(st.integers(0, 62**10 - 1))
@settings(max_examples=200)
def test_ids_read_back(number: int) -> None:
    """18 characters come from 15 and go back to them; the checksum is of upper case letters."""
    made = ids.make("001", number)

    assert len(made) == 18
    assert ids.normal(made[:15]) == ids.normal(made) == made


def test_the_checksum_is_salesforces() -> None:
    """A well-known id."""
    assert ids.to18("00D000000000062") == "00D000000000062EAA"
