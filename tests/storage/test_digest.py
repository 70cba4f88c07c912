"""The laws of the digest: it depends on the rows and on nothing else, and no change of a row leaves it as it was."""

from hypothesis import given
from hypothesis import strategies as st

from meshmesh_storage.digest import Digest, Ledger, Value, row_mac, table_digest

KEY = bytes(range(32))
macs = st.integers(min_value=0, max_value=(1 << 256) - 1)
values = st.one_of(
    st.none(), st.integers(min_value=-(1 << 63), max_value=(1 << 63) - 1), st.text(max_size=5), st.binary(max_size=5)
)
rows = st.lists(st.tuples(values, values), max_size=6)


def summed(*numbers: int) -> Digest:
    """The digest of MACs, added in this order."""
    digest = Digest()
    for number in numbers:
        digest = digest.add(number)
    return digest


@given(st.lists(macs, max_size=8))
def test_the_order_of_rows_does_not_matter(numbers: list[int]) -> None:
    """Adding commutes, so the digest of a table is one whatever order SQLite gives its rows in."""
    assert summed(*numbers) == summed(*sorted(numbers))


@given(macs, macs, macs)
def test_taking_away_undoes_adding(first: int, second: int, third: int) -> None:
    """Add and subtract are each other's inverse, in any order."""
    assert summed(first, second, third).subtract(second) == summed(first, third)
    assert summed(first).subtract(second).add(second) == summed(first)


@given(rows, rows)
def test_other_rows_have_another_digest(one: list[tuple[Value, ...]], other: list[tuple[Value, ...]]) -> None:
    """Equal digests mean equal rows (as a bag); types count, so the text '1' is not the number 1."""
    same = sorted(map(repr, one)) == sorted(map(repr, other))

    assert (table_digest(KEY, "t", one) == table_digest(KEY, "t", other)) == same


def test_where_a_value_ends_counts() -> None:
    """Bytes that move from one column to the next, another table or another key give another MAC."""
    seen = {
        row_mac(KEY, "t", ["ab", "c"]),
        row_mac(KEY, "t", ["a", "bc"]),
        row_mac(KEY, "t", [b"ab", "c"]),
        row_mac(KEY, "t", ["ab", "c", None]),
        row_mac(KEY, "u", ["ab", "c"]),
        row_mac(KEY[::-1], "t", ["ab", "c"]),
    }

    assert len(seen) == 6


@given(
    st.dictionaries(st.text(max_size=5), st.builds(Digest, total=macs, count=st.integers(0, 99))), st.integers(0, 99)
)
def test_a_ledger_survives_its_bytes(digests: dict[str, Digest], version: int) -> None:
    """What is written is what is read."""
    ledger = Ledger(version, digests)

    assert Ledger.from_bytes(version, ledger.to_bytes()) == ledger


def test_a_table_without_an_entry_is_empty() -> None:
    """A table that a later format adds begins with the digest of no rows."""
    assert Ledger().of("new") == table_digest(KEY, "new", [])
