"""Holding a whole vault against its sealed digest: what another program wrote is proven before it is believed."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import cast

from meshmesh_storage import database, schema
from meshmesh_storage.digest import MODULUS, Digest, Ledger, RowMacs, macs_from_bytes
from meshmesh_storage.errors import VaultTampered
from meshmesh_storage.known import Known
from meshmesh_storage.schema import CONNECTIONS, Table
from meshmesh_storage.sealing import SealBroken, VaultKeys
from meshmesh_storage.statements import Values

Fetch = Callable[[str], Awaitable[list[Values]]]
_Part = tuple[list[Values], Iterable[int]]  # rows, and their MACs
_AT_ONCE = 500  # whole rows in memory, however many there are


class Proof:
    """Proves a vault.

    Args:
        fetch: gives the rows of a statement; between two of them nobody else writes.
        keys: the vault's.
        folder: to say where it is.
    """

    def __init__(self, fetch: Fetch, keys: VaultKeys, folder: Path) -> None:
        self._fetch = fetch
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
        ((whole,),) = await self._fetch("PRAGMA integrity_check(1)")
        if whole != "ok":  # a damaged index would hide rows from look-ups, and the digest reads past it
            raise database.damaged(self._folder, str(whole))
        layout = set(await self._fetch(schema.LAYOUT))
        if layout != await asyncio.to_thread(schema.layout):
            raise self._tampered("The layout of the vault")
        return await self._learned(before)

    async def of_same(self, macs: bytes) -> Known:
        """A vault that is said to be, byte for byte, one that was proven: its connections are not held against their MACs yet.

        Args:
            macs: of its connections, as `Known.macs` gave them.

        Raises:
            VaultTampered: another table is not as its digest says, or these are not the MACs.
            ValueError: as `macs_from_bytes`.
        """
        return await self._learned(Ledger(), macs)

    async def _learned(self, before: Ledger, macs: bytes | None = None) -> Known:
        """What is known of every table; of the connections, where their MACs are given, sealed columns are not even read."""
        ledger = self._opened(await self._fetch("SELECT version, sealed FROM digest"), before)
        known = Known(ledger)
        for table in schema.TABLES:
            digest = Digest()
            parts = self._whole(table) if macs is None or table is not CONNECTIONS else self._outlines(table, macs)
            async for part in parts:
                digest = await asyncio.to_thread(_learn, known, table, part, digest)
            if digest != known.digest(table):
                raise self._tampered(f"The table {table.name!r} of the vault")
        return known

    async def _outlines(self, table: Table, macs: bytes) -> AsyncGenerator[_Part, None]:
        """The clear columns of every row, at once: they are short, and a start waits for each hop to SQLite's thread."""
        rows = await self._fetch(f"SELECT {', '.join(table.clear)} FROM {table.name} ORDER BY rowid")  # noqa: S608 - our own names
        yield rows, macs_from_bytes(macs)

    async def _whole(self, table: Table) -> AsyncGenerator[_Part, None]:
        """Every row in the order of its rowid, which stands behind its columns; some at a time."""
        mac_of = RowMacs(self._keys.lookup.digest_key, table.name)
        statement, where = f"SELECT {', '.join(table.columns)}, rowid FROM {table.name}", ""  # noqa: S608 - our own names
        while rows := await self._fetch(f"{statement}{where} ORDER BY rowid LIMIT {_AT_ONCE}"):
            yield rows, (mac_of(row[:-1]) for row in rows)
            if len(rows) < _AT_ONCE:
                return
            where = f" WHERE rowid > {cast('int', rows[-1][-1])}"

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

    def _tampered(self, what: str) -> VaultTampered:
        return tampered(what, self._folder)


def tampered(what: str, folder: Path) -> VaultTampered:
    """The refusal of what was changed behind our back."""
    return VaultTampered(f"{what} was changed, or damaged, outside MeshMesh.", database.restore(folder))


def _learn(known: Known, table: Table, part: _Part, before: Digest) -> Digest:
    """The digest of a table with these rows in it; what is known of them is taken in."""
    rows, macs = part[0], list(part[1])
    known.learn(table, rows, macs)
    return Digest((before.total + sum(macs)) % MODULUS, before.count + len(macs))
