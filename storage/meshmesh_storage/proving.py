"""Holding a whole vault against its sealed digest: what another program wrote is proven before it is believed."""

import asyncio
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage import database, schema
from meshmesh_storage.digest import MODULUS, Digest, Ledger, RowMacs
from meshmesh_storage.errors import VaultTampered
from meshmesh_storage.known import Known, Outline
from meshmesh_storage.schema import Table
from meshmesh_storage.sealing import SealBroken, VaultKeys
from meshmesh_storage.statements import Values


class Proof:
    """Proves the vault of a folder.

    Args:
        db: open, inside BEGIN.
        keys: the vault's.
        folder: to say where it is.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, folder: Path) -> None:
        self._db = db
        self._keys = keys
        self._folder = folder

    async def of_all(self, before: Ledger) -> Known:
        """Every row of every table, the layout and the indexes.

        Args:
            before: the ledger that was believed until now.

        Raises:
            VaultTampered: a row was changed, put back or taken away behind our back; the table is named.
            VaultCorrupt: SQLite finds the file damaged.
        """
        whole = await database.value(self._db, "PRAGMA integrity_check(1)")
        if whole != "ok":  # a damaged index would hide rows from look-ups, and the digest reads past it
            raise database.damaged(self._folder, str(whole))
        layout = set(await self._fetch(schema.LAYOUT))
        if layout != await asyncio.to_thread(schema.layout):
            raise self._tampered("The layout of the vault")
        ledger = self._opened(await self._fetch("SELECT version, sealed FROM digest"), before)
        known = Known(ledger)
        for table in schema.TABLES:
            rows = await self._fetch(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608 - our own names
            outlines = await asyncio.to_thread(_outlines, self._keys.lookup.digest_key, table, rows)
            if Digest(sum(one.mac for one in outlines.values()) % MODULUS, len(rows)) != ledger.of(table.name):
                raise self._tampered(f"The table {table.name!r} of the vault")
            known.learn(table, outlines, rows)
        return known

    def _opened(self, rows: list[Values], before: Ledger) -> Ledger:
        """The ledger as it is stored; an older one than we have seen was put back."""
        try:
            ((version, sealed),) = rows
            ledger = Ledger.open(self._keys.sealer, cast("int", version), cast("bytes", sealed))
        except (SealBroken, ValueError):
            raise self._tampered("The digest of the vault") from None
        if ledger.version < before.version:
            raise self._tampered("The digest of the vault")
        return ledger

    async def _fetch(self, statement: str) -> list[Values]:
        return await database.run(self._db, [(statement, ())])

    def _tampered(self, what: str) -> VaultTampered:
        return tampered(what, self._folder)


def tampered(what: str, folder: Path) -> VaultTampered:
    """The refusal of what was changed behind our back."""
    return VaultTampered(f"{what} was changed, or damaged, outside MeshMesh.", database.restore(folder))


def _outlines(key: bytes, table: Table, rows: list[Values]) -> dict[str, Outline]:
    mac_of, end = RowMacs(key, table.name), 2 + len(table.plain)
    return {cast("str", values[0]): Outline(cast("int", values[1]), values[2:end], mac_of(values)) for values in rows}
