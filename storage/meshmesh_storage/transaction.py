"""Rows of sealed tables inside one transaction: read, put, remove; each keeps the table's digest right.

Invariant: the digest is changed after the row is, in one step without an await between, and a write whose end is not
known (cancelled, disk full) spoils the whole transaction. A digest that went astray would lock its owner out.
"""

import asyncio
import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import cast

import aiosqlite

from meshmesh_storage.digest import Digest, Ledger, Value, row_mac
from meshmesh_storage.errors import VaultTampered
from meshmesh_storage.schema import Table
from meshmesh_storage.sealing import HEAD_BYTES, Place, SealBroken, VaultKeys

Json = dict[str, object]
Values = tuple[Value, ...]


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
        ledger: the digests at the beginning.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, ledger: Ledger) -> None:
        self._db = db
        self._keys = keys
        self._before = ledger
        self._digests = dict(ledger.digests)
        self._changed = False
        self._spoilt = False
        self._ended = False
        self._turn = asyncio.Lock()  # two writes of one row at once would take its old MAC out twice

    @property
    def sound(self) -> bool:
        """Whether every write in it is known to have ended."""
        return not self._spoilt

    def end(self) -> None:
        """No statement after this: outside of BEGIN it would change rows without their digest."""
        self._ended = True

    def index(self, purpose: str, text: str) -> bytes:
        """The keyed hash that a sealed name is found by."""
        return self._keys.lookup.index(purpose, text)

    async def rows(self, table: Table, where: Mapping[str, Value] | None = None) -> list[Row]:
        """Rows whose plain columns (or id) equal the given values.

        Raises:
            VaultTampered: a sealed column does not open where it stands.
        """
        condition = " AND ".join(f"{column} = ?" for column in where or {})
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - our own names
        if condition:
            statement += f" WHERE {condition}"
        found = await self._run(statement, tuple((where or {}).values()))
        return [self._row(table, values) for values in found]

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
            old = await self._stored(table, row_id)
            version = cast("int", old[1]) + 1 if old else 1
            values = (row_id, version, *(plain[column] for column in table.plain))
            values += tuple(self._sealed(table, row_id, version, column, sealed[column]) for column in table.sealed)
            if old:
                columns = ", ".join(f"{column} = ?" for column in table.columns)
                statement = f"UPDATE {table.name} SET {columns} WHERE id = ?"  # noqa: S608 - our own names
                await self._write(statement, (*values, row_id), table, gone=old, come=values)
            else:
                marks = ", ".join("?" * len(values))
                statement = f"INSERT INTO {table.name} ({', '.join(table.columns)}) VALUES ({marks})"  # noqa: S608
                await self._write(statement, values, table, come=values)

    async def remove(self, table: Table, row_id: str) -> bool:
        """Delete a row.

        Returns:
            Whether it was there.
        """
        async with self._turn:
            old = await self._stored(table, row_id)
            if old:
                statement = f"DELETE FROM {table.name} WHERE id = ?"  # noqa: S608 - our own names
                await self._write(statement, (row_id,), table, gone=old)
            return old is not None

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

    async def rekey(self, statements: Iterable[tuple[str, Sequence[Value]]]) -> None:
        """Change the wrapped keys, which are under no digest: each of them is sealed by itself."""
        self._changed = True
        spoilt, self._spoilt = self._spoilt, True
        for statement, parameters in statements:
            await self._run(statement, parameters)
        self._spoilt = spoilt

    async def key_ids(self) -> list[int]:
        """The ids of the wrapped keys."""
        return [cast("int", row[0]) for row in await self._run("SELECT id FROM keys ORDER BY id", ())]

    def touch(self) -> None:
        """Seal the digest anew at the end, though no row changed."""
        self._changed = True

    async def write_ledger(self) -> Ledger:
        """Seal the digests if a row changed; the vault calls it before COMMIT.

        Returns:
            The ledger to believe once the COMMIT is done.
        """
        if not self._changed:
            return self._before
        ledger = Ledger(self._before.version + 1, self._digests)
        sealed = ledger.seal(self._keys.sealer)
        await self._run("UPDATE digest SET version = ?, sealed = ?", (ledger.version, sealed))
        return ledger

    async def _run(self, statement: str, parameters: Sequence[Value]) -> list[Values]:
        if self._ended:
            raise RuntimeError("this transaction has ended")
        return [tuple(row) for row in await self._db.execute_fetchall(statement, parameters)]

    async def _write(
        self,
        statement: str,
        parameters: Sequence[Value],
        table: Table,
        *,
        gone: Values | None = None,
        come: Values | None = None,
    ) -> None:
        spoilt, self._spoilt = self._spoilt, True
        try:
            await self._run(statement, parameters)
        except sqlite3.IntegrityError:
            self._spoilt = spoilt  # SQLite undid the one statement
            raise
        digest = self._digests.get(table.name, Digest())
        if gone:
            digest = digest.subtract(row_mac(self._keys.lookup.digest_key, table.name, gone))
        if come:
            digest = digest.add(row_mac(self._keys.lookup.digest_key, table.name, come))
        self._digests[table.name] = digest
        self._changed = True
        self._spoilt = spoilt

    async def _stored(self, table: Table, row_id: str) -> Values | None:
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE id = ?"  # noqa: S608 - our own names
        found = await self._run(statement, (row_id,))
        return found[0] if found else None

    def _sealed(self, table: Table, row_id: str, version: int, column: str, value: bytes | None) -> bytes | None:
        return None if value is None else self._keys.sealer.seal(value, Place(table.name, row_id, column, version))

    def _row(self, table: Table, values: Values) -> Row:
        named = dict(zip(table.columns, values, strict=True))
        row_id, version = cast("str", named["id"]), cast("int", named["version"])
        opened: dict[str, bytes | None] = {}
        for column in table.sealed:
            value = cast("bytes | None", named[column])
            try:
                place = Place(table.name, row_id, column, version)
                opened[column] = None if value is None else self._keys.sealer.open(value, place)
            except SealBroken:
                raise VaultTampered(
                    f"A row of the table {table.name!r} was changed, or damaged, outside MeshMesh.",
                    "Put back a backup of the vault.",
                ) from None
        return Row(row_id, version, {column: named[column] for column in table.plain}, opened)
