"""What is known of every row without reading it: its version, its plain columns and its MAC.

A write needs the old row's MAC, to take it out of the table's digest, and its version; remembered, they cost no look
into the file. They are true as long as nobody else writes, which is looked at before each group of transactions.

`Known` is of what is on disk and proven. What a transaction changes lies in a `Layer` over it, and that of a group of
transactions in one between the two; so whatever fails is forgotten by dropping its layer.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from meshmesh_storage.digest import Digest, Ledger, Value, macs_to_bytes
from meshmesh_storage.schema import CONNECTIONS, TABLES, Table
from meshmesh_storage.statements import Statement, Values, statements


class Outline(NamedTuple):
    """A row, as far as it is known."""

    version: int
    plain: Values
    mac: int


class Below(Protocol):
    """What a layer lies on."""

    def outline(self, table: Table, row_id: str) -> Outline | None:
        """A row, or None where there is none."""
        ...

    def digest(self, table: Table) -> Digest:
        """A table's digest."""
        ...


class Known:
    """What is on disk.

    Args:
        ledger: the digests, and their version.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._rows: dict[str, dict[str, tuple[int, Values, int]]] = {table.name: {} for table in TABLES}  # as Outline

    def learn(self, table: Table, rows: list[Values], macs: list[int]) -> None:
        """Some rows of a table were read.

        Args:
            table: the table.
            rows: what was read. What stands behind the plain columns is not kept, and need not be there.
            macs: of the rows.
        """
        if rows:
            ids, versions, *others = zip(*rows, strict=True)  # by columns: a start waits for this
            plain = zip(*_kept(table, others), strict=True) if table.plain else [()] * len(rows)
            self._rows[table.name].update(zip(ids, zip(versions, plain, macs, strict=True), strict=True))

    def macs(self) -> bytes:
        """The MACs of the connections, in the order in which they were read."""
        return macs_to_bytes(mac for _, _, mac in self._rows[CONNECTIONS.name].values())

    def outline(self, table: Table, row_id: str) -> Outline | None:
        """A row, or None where there is none."""
        found = self._rows[table.name].get(row_id)
        return None if found is None else Outline(*found)

    def plain(self, table: Table) -> Iterator[tuple[str, Values]]:
        """Every row's id and plain columns, in the order in which they were read."""
        return ((row_id, plain) for row_id, (_, plain, _) in self._rows[table.name].items())

    def digest(self, table: Table) -> Digest:
        """A table's digest."""
        return self.ledger.of(table.name)

    def take(self, layer: "Layer", ledger: Ledger) -> None:
        """What a layer changed is on disk now, under a ledger."""
        self.ledger = ledger
        for (table, row_id), outline in layer.outlines.items():
            if outline is None:
                self._rows[table.name].pop(row_id, None)
            else:
                self._rows[table.name][row_id] = outline


class Layer:
    """Rows that are changed and not on disk yet, and which of them SQLite has not been told of.

    Args:
        below: what they are changed from.
    """

    def __init__(self, below: Below) -> None:
        self._below = below
        self._digests: dict[str, Digest] = {}
        self._untold: dict[tuple[Table, str], Values | None] = {}
        self.outlines: dict[tuple[Table, str], Outline | None] = {}
        self.changed = False

    def outline(self, table: Table, row_id: str) -> Outline | None:
        """A row, or None where there is none."""
        key = (table, row_id)
        return self.outlines[key] if key in self.outlines else self._below.outline(table, row_id)

    def digest(self, table: Table) -> Digest:
        """A table's digest."""
        return self._digests[table.name] if table.name in self._digests else self._below.digest(table)

    @property
    def digests(self) -> Mapping[str, Digest]:
        """Those that changed, by table."""
        return self._digests

    def note(self, table: Table, row_id: str, outline: Outline | None) -> None:
        """A row is so from now on, or is gone; its table's digest follows."""
        digest, old = self.digest(table), self.outline(table, row_id)
        if old is not None:
            digest = digest.subtract(old.mac)
        if outline is not None:
            digest = digest.add(outline.mac)
        self._digests[table.name] = digest
        self.outlines[table, row_id] = outline
        self.changed = True

    def tell_later(self, table: Table, row_id: str, values: Values | None) -> None:
        """SQLite is to be told of a row's values, or that it is gone."""
        self._untold[table, row_id] = values

    def take_untold(self) -> list[Statement]:
        """The statements that tell SQLite what it has not been told of; they are about to be run."""
        untold, self._untold = self._untold, {}
        return statements(untold) if untold else []

    def merge(self, above: "Layer") -> None:
        """What a layer over this one changed is good."""
        self._digests.update(above.digests)
        self._untold.update(above._untold)
        self.outlines.update(above.outlines)
        self.changed = self.changed or above.changed


def _kept(table: Table, columns: Sequence[Iterable[Value]]) -> Iterator[Iterable[Value]]:
    """A table's plain columns; of those whose values come again and again, one copy of each value."""
    for number, column in enumerate(columns[: len(table.plain)]):
        known: dict[Value, Value] = {}
        yield column if number < table.unique else [known.setdefault(value, value) for value in column]
