"""What the org keeps: records in memory, every change on disk before it is answered; OAuth's tables beside them.

The demo is small, so SOQL runs over memory and changing a record is a plain assignment; SQLite is what survives a
kill. Invariants: memory changes inside a transaction only; a transaction that fails leaves both as they were; one that
ends well is on disk (synchronous = FULL) before its block is left.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import aiosqlite

from meshmesh_demo import ids, model
from meshmesh_demo.errors import not_found
from meshmesh_demo.model import Record, SObject
from meshmesh_demo.seed import seed

Tables = dict[str, dict[str, Record]]
SqlValue = str | int | float | bytes | None

_SCHEMA = """
CREATE TABLE IF NOT EXISTS records (id TEXT PRIMARY KEY, object TEXT NOT NULL, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS apps (client_id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS grants (
    id TEXT PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scope TEXT NOT NULL, flow TEXT NOT NULL,
    created_at REAL NOT NULL, used_at REAL NOT NULL, revoked_reason TEXT) STRICT;
CREATE TABLE IF NOT EXISTS codes (
    hash BLOB PRIMARY KEY, client_id TEXT NOT NULL, user_id TEXT NOT NULL, scope TEXT NOT NULL,
    redirect_uri TEXT NOT NULL, challenge TEXT, expires_at REAL NOT NULL, used INTEGER NOT NULL DEFAULT 0,
    grant_id TEXT) STRICT;
CREATE TABLE IF NOT EXISTS refresh_tokens (
    hash BLOB PRIMARY KEY, grant_id TEXT NOT NULL, used INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE IF NOT EXISTS access_tokens (
    hash BLOB PRIMARY KEY, grant_id TEXT NOT NULL, issued_at REAL NOT NULL, expires_at REAL NOT NULL) STRICT;
"""


@dataclass(slots=True)
class _Change:
    """One assignment, and what it replaced."""

    object: str
    id: str
    before: Record | None
    is_write: bool


@dataclass(slots=True)
class _Unit:
    """What the transaction at hand changed so far, in order."""

    changes: list[_Change] = field(default_factory=list[_Change])


class Store:
    """The open store. Made by `Store.open`."""

    def __init__(self, db: aiosqlite.Connection, clock: Callable[[], datetime]) -> None:
        self.clock = clock
        self.tables: Tables = {name: {} for name in model.OBJECTS}
        self._db = db
        self._lock = asyncio.Lock()
        self._inside: ContextVar[_Unit | None] = ContextVar("inside", default=None)

    @classmethod
    async def open(cls, folder: Path, *, clock: Callable[[], datetime]) -> "Store":
        """Open the org's data, seeded at the first start.

        Args:
            folder: made 0700 where it is missing.
            clock: gives the aware time in UTC.
        """
        path = folder / "org.db"
        await asyncio.to_thread(_prepare, folder, path)
        db = await aiosqlite.connect(path, isolation_level=None)
        try:
            await db.execute_fetchall("PRAGMA journal_mode = WAL")
            await db.execute_fetchall("PRAGMA synchronous = FULL")
            await db.executescript(_SCHEMA)
            store = cls(db, clock)
            await store._load()
            if not store.tables["Organization"]:
                await store.reset()
        except BaseException:
            await db.close()  # its thread would keep the process from ending
            raise
        return store

    async def close(self) -> None:
        """Close the file."""
        await self._db.close()

    async def _load(self) -> None:
        rows = await self.rows("SELECT id, object, body FROM records")
        for table in self.tables.values():
            table.clear()
        for row in rows:
            self.tables[str(row["object"])][str(row["id"])] = json.loads(str(row["body"]))

    async def reset(self) -> None:
        """The data as at the first start, and the count of writes at nought; grants and apps stay."""
        org_id = self.org_id if self.tables["Organization"] else ids.random_id("00D")
        records = [
            (str(record["Id"]), name, json.dumps(record))
            for name, rows in seed(self.clock(), org_id).items()
            for record in rows
        ]
        async with self.transaction():
            await self._db.execute("DELETE FROM records")
            await self._db.executemany("INSERT INTO records VALUES (?, ?, ?)", records)
            await self._db.execute("REPLACE INTO facts VALUES ('writes', 0)")
            await self._load()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[None, None]:
        """All or nothing, on disk and in memory; one inside another is a savepoint of the records in it."""
        outer = self._inside.get()
        if outer is not None:
            mark = len(outer.changes)
            try:
                yield
            except BaseException:
                self._undo(outer, mark)
                raise
            return
        async with self._lock:
            unit = _Unit()
            token = self._inside.set(unit)
            await self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
                await self._flush(unit)
                await self._db.execute("COMMIT")
            except BaseException:
                self._undo(unit, 0)
                if self._db.in_transaction:
                    await self._db.execute("ROLLBACK")
                raise
            finally:
                self._inside.reset(token)

    def put(self, name: str, record: Record, *, is_write: bool = True) -> None:
        """Keep a record, new or changed.

        Args:
            name: its object's.
            record: all of it.
            is_write: whether a visitor changed it, which counts; a lever does not.

        Raises:
            RuntimeError: outside a transaction.
        """
        unit = self._inside.get()
        if unit is None:
            raise RuntimeError("records change inside a transaction only")
        record_id = str(record["Id"])
        unit.changes.append(_Change(name, record_id, self.tables[name].get(record_id), is_write))
        self.tables[name][record_id] = record

    def _undo(self, unit: _Unit, mark: int) -> None:
        while len(unit.changes) > mark:
            change = unit.changes.pop()
            if change.before is None:
                self.tables[change.object].pop(change.id, None)
            else:
                self.tables[change.object][change.id] = change.before

    async def _flush(self, unit: _Unit) -> None:
        changed = {change.id: change.object for change in unit.changes}
        rows = [(key, name, json.dumps(self.tables[name][key])) for key, name in changed.items()]
        await self._db.executemany("REPLACE INTO records VALUES (?, ?, ?)", rows)
        await self.count_writes(sum(change.is_write for change in unit.changes))

    async def count_writes(self, number: int = 1) -> None:
        """Writes more; the count survives a restart, so that tests can hold the org's visitors to it."""
        await self._db.execute("UPDATE facts SET value = value + ? WHERE name = 'writes'", (number,))

    async def writes(self) -> int:
        """Changes of records since the last reset."""
        rows = await self.rows("SELECT value FROM facts WHERE name = 'writes'")
        return int(rows[0]["value"] or 0)

    async def execute(self, statement: str, values: tuple[SqlValue, ...] = ()) -> int:
        """Run a statement of OAuth's tables inside a transaction.

        Returns:
            How many rows it changed.
        """
        if self._inside.get() is None:
            raise RuntimeError("tables change inside a transaction only")
        async with self._db.execute(statement, values) as cursor:
            return cursor.rowcount

    async def rows(self, statement: str, values: tuple[SqlValue, ...] = ()) -> list[dict[str, SqlValue]]:
        """The rows of a SELECT, as mappings of column names."""
        async with self._db.execute(statement, values) as cursor:
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in await cursor.fetchall()]

    @property
    def organization(self) -> Record:
        """The org's own record."""
        return next(iter(self.tables["Organization"].values()))

    @property
    def org_id(self) -> str:
        """The org's 18-character id."""
        return str(self.organization["Id"])

    def visible(self) -> Tables:
        """The tables of objects that are not switched off."""
        hidden = set(str(self.organization.get("_hidden") or "").split(","))
        return {name: table for name, table in self.tables.items() if name not in hidden}

    def sobject(self, name: str) -> SObject:
        """An object by its name in any case.

        Raises:
            SalesforceError: 404 NOT_FOUND where there is none, or it is switched off.
        """
        sobject = model.find(name)
        if sobject is None or sobject.name not in self.visible():
            raise not_found()
        return sobject

    def find_record(self, record_id: str) -> tuple[str, Record] | None:
        """A record of any object by its 18-character id, with the object's name."""
        for name, table in self.tables.items():
            if record_id in table:
                return name, table[record_id]
        return None


def _prepare(folder: Path, path: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600))
