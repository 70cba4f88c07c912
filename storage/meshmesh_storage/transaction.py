"""Rows of sealed tables inside one transaction: read, put, remove; each keeps the table's digest right.

A write is kept in a layer over what is known, and SQLite hears of it before the next read, or at the commit, together
with all others; one that gives a unique column another value is made at once, since only SQLite knows who else has it.

Invariant: a row and its digest change in one step without an await between, and a statement that was sent is waited
for, whoever is cancelled. A digest that went astray would lock its owner out.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import aiosqlite

from meshmesh_storage import database
from meshmesh_storage.digest import Value, row_mac
from meshmesh_storage.errors import VaultTampered, closed
from meshmesh_storage.known import Layer, Outline
from meshmesh_storage.schema import Table
from meshmesh_storage.sealing import HEAD_BYTES, Place, SealBroken, VaultKeys
from meshmesh_storage.statements import Statement, Values, put
from meshmesh_storage.unbroken import to_the_end

Json = dict[str, object]
_MARK: Statement = ("SAVEPOINT block", ())
_BACK: tuple[Statement, ...] = (("ROLLBACK TO block", ()), ("RELEASE block", ()))


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands, its sealed columns opened."""

    id: str
    version: int
    plain: Mapping[str, Value]
    opened: Mapping[str, bytes | None] = field(repr=False)

    def document(self, column: str) -> Json:
        """A sealed column that holds a JSON object."""
        text = (self.opened[column] or b"{}").decode()  # in bytes, json would search for the encoding
        value: Json = json.loads(text)
        return value

    def text(self, column: str) -> str | None:
        """A sealed column that holds text, or None."""
        value = self.opened[column]
        return None if value is None else value.decode()


class Transaction:
    """What a block of `Vault.transaction` works with, and only that block.

    Args:
        db: the open database, inside BEGIN.
        keys: seal, open and find.
        below: what the transactions before it changed that are committed with it.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, below: Layer) -> None:
        self._db = db
        self._keys = keys
        self._below = below
        self.layer = Layer(below)
        self.sound = True  # whether SQLite did all that it was told to do
        self._marked = False  # whether SQLite can go back to the beginning of this block
        self._ended = False
        self._turn = asyncio.Lock()  # what is read at once with a write comes before it or after it

    def end(self) -> None:
        """No statement after this: outside of BEGIN it would change rows without their digest."""
        self._ended = True

    async def undo(self) -> None:
        """Take back what SQLite was told in this block, and nothing else."""
        if self._marked and self.sound:
            await self._told(*_BACK)

    def index(self, purpose: str, text: str) -> bytes:
        """The keyed hash that a sealed name is found by."""
        return self._keys.lookup.index(purpose, text)

    def plain(self, table: Table, row_id: str) -> Mapping[str, Value] | None:
        """A row's plain columns, without a look into the file; None where there is no such row."""
        outline = self.layer.outline(table, row_id)
        return None if outline is None else dict(zip(table.plain, outline.plain, strict=True))

    async def rows(self, table: Table, where: Mapping[str, Value] | None = None) -> list[Row]:
        """Rows whose plain columns (or id) equal the given values.

        Raises:
            VaultTampered: a sealed column does not open where it stands.
        """
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - our own names
        if where:
            statement += " WHERE " + " AND ".join(f"{column} = ?" for column in where)
        found = await self._run(statement, tuple(where.values()) if where else ())
        return [open_row(self._keys, table, values, self.layer.outline(table, str(values[0]))) for values in found]

    async def row(self, table: Table, row_id: str) -> Row | None:
        """One row by its id."""
        return next(iter(await self.rows(table, {"id": row_id})), None)

    async def holds(self, table: Table) -> bool:
        """Whether there is any row in a table; none is opened."""
        return bool(await self._run(f"SELECT 1 FROM {table.name} LIMIT 1", ()))  # noqa: S608 - our own names

    async def put(
        self, table: Table, row_id: str, plain: Mapping[str, Value], sealed: Mapping[str, bytes | None]
    ) -> None:
        """Insert a row, or replace it under the next version.

        Raises:
            sqlite3.IntegrityError: a unique column is taken by another row; nothing was changed.
        """
        async with self._turn:
            self._refuse_if_ended()
            old = self.layer.outline(table, row_id)
            version = old.version + 1 if old else 1
            values = (row_id, version, *(plain[column] for column in table.plain))
            values += tuple(self._sealed(table, row_id, version, column, sealed[column]) for column in table.sealed)
            mac = row_mac(self._keys.lookup.digest_key, table.name, values)
            new = Outline(version, values[2 : 2 + len(table.plain)], mac)
            if table.unique and (old is None or old.plain[: table.unique] != new.plain[: table.unique]):
                await to_the_end(self._put_now(table, values, new))
            else:
                self.layer.tell_later(table, row_id, values)
                self.layer.note(table, row_id, new)

    async def _put_now(self, table: Table, values: Values, outline: Outline) -> None:
        await self._told()
        try:
            await self._told(put(table, [values]))
        except sqlite3.IntegrityError:
            self.sound = True  # SQLite undid the one statement
            raise
        self.layer.note(table, cast("str", values[0]), outline)

    async def remove(self, table: Table, row_id: str) -> bool:
        """Delete a row.

        Returns:
            Whether it was there.
        """
        async with self._turn:
            self._refuse_if_ended()
            is_there = self.layer.outline(table, row_id) is not None
            if is_there:
                self.layer.tell_later(table, row_id, None)
                self.layer.note(table, row_id, None)
            return is_there

    async def reseal(self, table: Table, most: int) -> int:
        """Seal anew what stands under an older data key.

        Args:
            table: the table.
            most: how many rows at most.

        Returns:
            How many rows were sealed anew; fewer than `most` means that no older one is left in the table.
        """
        heads = ", ".join(["id", *(f"substr({column}, 1, {HEAD_BYTES})" for column in table.sealed)])
        old = [
            cast("str", row_id)
            for row_id, *sealed in await self._run(f"SELECT {heads} FROM {table.name}", ())  # noqa: S608 - our own names
            if any(isinstance(head, bytes) and self._keys.sealer.needs_reseal(head) for head in sealed)
        ][:most]
        for row_id in old:
            row = await self.row(table, row_id)
            if row is not None:
                await self.put(table, row_id, row.plain, row.opened)
        return len(old)

    async def rekey(self, statements: Iterable[Statement]) -> None:
        """Change the wrapped keys, which are under no digest: each of them is sealed by itself."""
        async with self._turn:
            self._refuse_if_ended()
            self.touch()
            await to_the_end(self._told(*statements))

    async def key_ids(self) -> list[int]:
        """The ids of the wrapped keys."""
        return [cast("int", row[0]) for row in await self._run("SELECT id FROM keys ORDER BY id", ())]

    def touch(self) -> None:
        """Seal the digest anew at the end, though no row changed."""
        self.layer.changed = True

    async def _run(self, statement: str, parameters: Sequence[Value]) -> list[Values]:
        async with self._turn:
            self._refuse_if_ended()
            return await to_the_end(self._told((statement, parameters)))

    def _refuse_if_ended(self) -> None:
        if self._ended:
            raise RuntimeError("this transaction has ended")

    async def _told(self, *last: Statement) -> list[Values]:
        """Tell SQLite what it has not been told of, and then something more.

        Returns:
            What the last statement gives.
        """
        untold = self._below.take_untold()
        if not self._marked:
            untold.append(_MARK)
        untold += self.layer.take_untold()
        self._marked, self.sound = True, False
        rows = await database.run(self._db, [*untold, *last])
        self.sound = True
        return rows

    def _sealed(self, table: Table, row_id: str, version: int, column: str, value: bytes | None) -> bytes | None:
        return None if value is None else self._keys.sealer.seal(value, Place(table.name, row_id, column, version))


def open_row(keys: VaultKeys, table: Table, values: Values, outline: Outline | None) -> Row:
    """A row with its sealed columns opened.

    Args:
        keys: the vault's.
        table: the row's.
        values: every column's value, as it is stored.
        outline: what is known of the row.

    Raises:
        VaultTampered: the row is not the one that is known, or a sealed column does not open where it stands.
        VaultClosed: the keys are forgotten.
    """
    if keys.are_forgotten:
        raise closed()
    if outline is None or row_mac(keys.lookup.digest_key, table.name, values) != outline.mac:
        raise changed(table)
    named = dict(zip(table.columns, values, strict=True))
    row_id, version = cast("str", named["id"]), cast("int", named["version"])
    opened: dict[str, bytes | None] = {}
    for column in table.sealed:
        value = cast("bytes | None", named[column])
        try:
            opened[column] = (
                None if value is None else keys.sealer.open(value, Place(table.name, row_id, column, version))
            )
        except SealBroken:
            raise changed(table) from None
    return Row(row_id, version, {column: named[column] for column in table.plain}, opened)


def changed(table: Table) -> VaultTampered:
    """The refusal of a row that is not as we wrote it."""
    return VaultTampered(
        f"A row of the table {table.name!r} was changed, or damaged, outside MeshMesh.",
        "Put back a backup of the vault.",
    )
