"""Rows of sealed tables inside one transaction: read, put, remove; each keeps the table's digest right."""

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from typing import cast

import aiosqlite

from meshmesh_storage.digest import Digest, Value, row_mac
from meshmesh_storage.errors import VaultTampered
from meshmesh_storage.schema import Table
from meshmesh_storage.sealing import Place, SealBroken, Sealer

Json = dict[str, object]


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands, its sealed columns opened."""

    id: str
    version: int
    plain: Mapping[str, Value]
    opened: Mapping[str, bytes | None]

    def document(self, column: str) -> Json:
        """A sealed column that holds a JSON object."""
        value: Json = json.loads(self.opened[column] or b"{}")
        return value

    def text(self, column: str) -> str | None:
        """A sealed column that holds text, or None."""
        value = self.opened[column]
        return None if value is None else value.decode()


class Transaction:
    """What a block of `Vault.transaction` works with.

    Args:
        db: the open database, inside BEGIN.
        sealer: seals and opens.
        digest_key: key of the row MACs.
        digests: version and digest of each table; changed here, believed by the vault after COMMIT.
    """

    def __init__(
        self,
        db: aiosqlite.Connection,
        sealer: Sealer,
        digest_key: bytes,
        digests: dict[str, tuple[int, Digest]],
    ) -> None:
        self._db = db
        self._sealer = sealer
        self._digest_key = digest_key
        self.digests = digests
        self._touched: set[str] = set()

    def index(self, purpose: str, text: str) -> bytes:
        """The keyed hash that a sealed name is found by."""
        return self._sealer.index(purpose, text)

    async def rows(self, table: Table, where: Mapping[str, Value] | None = None) -> list[Row]:
        """Rows whose plain columns (or id) equal the given values.

        Raises:
            VaultTampered: a sealed column does not open where it stands.
        """
        condition = " AND ".join(f"{column} = ?" for column in where or {})
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name}"  # noqa: S608 - our own names
        if condition:
            statement += f" WHERE {condition}"
        found = await self._db.execute_fetchall(statement, tuple((where or {}).values()))
        return [self._row(table, cast("tuple[Value, ...]", tuple(row))) for row in found]

    async def row(self, table: Table, row_id: str) -> Row | None:
        """One row by its id."""
        return next(iter(await self.rows(table, {"id": row_id})), None)

    async def put(
        self, table: Table, row_id: str, plain: Mapping[str, Value], sealed: Mapping[str, bytes | None]
    ) -> None:
        """Insert a row, or replace it under the next version.

        Raises:
            sqlite3.IntegrityError: a unique column is taken by another row.
        """
        old = await self._take_out(table, row_id)
        version = old + 1
        values: list[Value] = [row_id, version, *(plain[column] for column in table.plain)]
        for column in table.sealed:
            value = sealed[column]
            place = Place(table.name, row_id, column, version)
            values.append(None if value is None else self._sealer.seal(value, place))
        marks = ", ".join("?" * len(values))
        columns = ", ".join(table.columns)
        verb = "INSERT" if old == 0 else "REPLACE"
        if old:
            await self._refuse_conflicts(table, row_id, plain)
        await self._db.execute(f"{verb} INTO {table.name} ({columns}) VALUES ({marks})", values)
        self._change(table, add=row_mac(self._digest_key, table.name, values))

    async def _refuse_conflicts(self, table: Table, row_id: str, plain: Mapping[str, Value]) -> None:
        """REPLACE would delete another row that holds the same unique value; that is a conflict, not a wish."""
        for column in table.plain:
            if column.endswith("_index"):
                statement = f"SELECT 1 FROM {table.name} WHERE {column} = ? AND id != ?"  # noqa: S608 - our own names
                if list(await self._db.execute_fetchall(statement, (plain[column], row_id))):
                    raise sqlite3.IntegrityError(f"UNIQUE constraint failed: {table.name}.{column}")

    async def remove(self, table: Table, row_id: str) -> bool:
        """Delete a row.

        Returns:
            Whether it was there.
        """
        if await self._take_out(table, row_id) == 0:
            return False
        await self._db.execute(f"DELETE FROM {table.name} WHERE id = ?", (row_id,))  # noqa: S608 - our own names
        return True

    async def write_digests(self) -> None:
        """Seal the digests of the tables that changed; the vault calls it before COMMIT."""
        for name in self._touched:
            version, digest = self.digests[name]
            version += 1
            sealed = self._sealer.seal(digest.to_bytes(), Place("digests", name, "sealed", version))
            await self._db.execute("REPLACE INTO digests VALUES (?, ?, ?)", (name, version, sealed))
            self.digests[name] = (version, digest)
        self._touched.clear()

    async def _take_out(self, table: Table, row_id: str) -> int:
        """Take a row out of the digest; gives its version, 0 where there is none."""
        statement = f"SELECT {', '.join(table.columns)} FROM {table.name} WHERE id = ?"  # noqa: S608 - our own names
        found = list(await self._db.execute_fetchall(statement, (row_id,)))
        if not found:
            return 0
        values = cast("tuple[Value, ...]", tuple(found[0]))
        self._row(table, values)  # a row that does not open is not silently replaced
        self._change(table, subtract=row_mac(self._digest_key, table.name, values))
        return cast("int", values[1])

    def _change(self, table: Table, *, add: int | None = None, subtract: int | None = None) -> None:
        version, digest = self.digests.get(table.name, (0, Digest()))
        digest = digest.subtract(subtract) if subtract is not None else digest
        self.digests[table.name] = (version, digest.add(add) if add is not None else digest)
        self._touched.add(table.name)

    def _row(self, table: Table, values: tuple[Value, ...]) -> Row:
        named = dict(zip(table.columns, values, strict=True))
        row_id, version = cast("str", named["id"]), cast("int", named["version"])
        opened: dict[str, bytes | None] = {}
        for column in table.sealed:
            value = cast("bytes | None", named[column])
            try:
                place = Place(table.name, row_id, column, version)
                opened[column] = None if value is None else self._sealer.open(value, place)
            except SealBroken:
                raise VaultTampered(
                    f"A row of the table {table.name!r} was changed by somebody else than MeshMesh.",
                    "Put back a backup of the vault.",
                ) from None
        return Row(row_id, version, {column: named[column] for column in table.plain}, opened)
