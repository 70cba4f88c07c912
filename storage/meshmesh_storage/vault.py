"""Open, lock, transactions: nothing else.

Invariants: a wrong key writes nothing; a new key is never made over an old vault; rows and their digest change in one
transaction; after a COMMIT that failed nothing is believed; one writer at a time; what another program wrote is held
against the digest before it is believed.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage import database, first_layout, founding, header, restored, schema
from meshmesh_storage.ailing import Ailing
from meshmesh_storage.digest import Ledger, Value, table_digest
from meshmesh_storage.errors import (
    KeyUnavailable,
    VaultClosed,
    VaultCorrupt,
    VaultError,
    VaultTampered,
    VaultUnwritable,
)
from meshmesh_storage.header import Header
from meshmesh_storage.keys import KeySource
from meshmesh_storage.paths import draft, private_file, private_folder
from meshmesh_storage.sealing import SealBroken, Sealer, VaultKeys
from meshmesh_storage.transaction import Transaction
from meshmesh_storage.unbroken import to_the_end

FILE_NAME = "vault.db"


class Vault(Ailing):
    """An open vault. Made by `Vault.open`.

    `trouble` is what the disk last refused, until it takes a write again; None while all is well.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, folder: Path) -> None:
        super().__init__()
        self._db = db
        self._keys = keys
        self._folder = folder
        self._lock = asyncio.Lock()
        self._closed = False
        self._ledger = Ledger()
        self._checked_at: object = None  # SQLite's data_version: another number means that somebody else wrote
        self._files: database.Identity | None = None

    @classmethod
    async def open(cls, folder: Path, source: KeySource, *, now: datetime) -> "Vault":
        """Open the vault in a folder, or make it there.

        Args:
            folder: the private folder that is the vault's own.
            source: gives the master key.
            now: the time, for what is made.

        Raises:
            VaultError: each case with its next step. Unsafe paths, a missing or wrong key, a newer format and a file
                that is no vault are found before a byte is written.
        """
        path = folder / FILE_NAME
        try:
            found = await cls.look(folder)
            key = await source.load()
            if key is None and found is not None:
                raise KeyUnavailable(
                    f"There is a vault in {folder}, and its key is missing.",
                    "Put the key back where it was. A new key cannot open an old vault.",
                )
            key = key or await source.create()
            if found is None:
                await to_the_end(asyncio.to_thread(founding.found, path, key, source.note, now))
                found = await asyncio.to_thread(header.read, path)
            keys = found.unlock(key, folder)
            await asyncio.to_thread(draft, path)  # a crash right after the naming leaves the other name
            return await cls._unlocked(path, found, keys, now)
        except (OSError, sqlite3.Error) as error:
            raise _unreachable(error, folder) from None

    @classmethod
    async def look(cls, folder: Path) -> Header | None:
        """The head of the vault in a folder, for which no key is needed; None where there is no vault.

        Args:
            folder: the vault's own; it is made where it is missing. A restore that was cut half way is brought to its end.

        Raises:
            VaultError: as `open`, as far as it does not concern the key.
        """
        try:
            return await to_the_end(asyncio.to_thread(_inspect, folder, folder / FILE_NAME))
        except (OSError, sqlite3.Error) as error:
            raise _unreachable(error, folder) from None

    @classmethod
    async def _unlocked(cls, path: Path, found: Header, keys: VaultKeys, now: datetime) -> "Vault":
        db = await database.connect(path)
        try:
            vault = cls(db, keys, path.parent)
            await vault._migrate(found, now)
            vault._files = await asyncio.to_thread(database.identity, path)
        except BaseException:
            await database.close(db)
            raise
        return vault

    async def _migrate(self, found: Header, now: datetime) -> None:
        """The first look at the digests, and an older format brought up to date if they are right."""
        async with self._begun():
            if found.is_first:
                await self._convert(now)
            for migration in schema.MIGRATIONS[found.version :]:
                for statement in migration:
                    await self._db.execute_fetchall(statement)
            await self._check_what_others_wrote()
            if found.version < schema.LATEST:
                await self._db.execute_fetchall(f"PRAGMA user_version = {schema.LATEST}")
            await self._db.execute_fetchall("COMMIT")

    async def _convert(self, now: datetime) -> None:
        try:
            whole = await first_layout.convert(self._db, self._keys, now)
        except SealBroken:
            whole = False
        if not whole:
            raise self._tampered("The vault")

    async def close(self) -> None:
        """Close the file, after a transaction that is under way, and forget the keys."""
        await to_the_end(self._close())

    async def _close(self) -> None:
        async with self._lock:
            if not self._closed:
                self._closed = True
                await self._db.close()
                self._keys.forget()

    @property
    def sealer(self) -> Sealer:
        """Seals what stands beside the vault in a file of its own."""
        return self._keys.sealer

    @property
    def keys(self) -> VaultKeys:
        """The keys, for who wraps them anew."""
        return self._keys

    @property
    def written(self) -> int:
        """The digest's version: it grows with each transaction that changes a row."""
        return self._ledger.version

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """One transaction: all of it on disk when the block ends, or nothing of it.

        Cancelled before its end, it is undone; cancelled while it commits, it is committed first.

        Raises:
            VaultUnwritable: the disk did not take it, or another program holds the vault; nothing was changed.
            VaultTampered: another program has written to the vault what it cannot have written.
            VaultCorrupt: SQLite cannot read the file any more.
        """
        async with self._begun():
            await self._check_what_others_wrote()
            tx = Transaction(self._db, self._keys, self._ledger)
            try:
                yield tx
                await to_the_end(self._commit(tx))
            finally:
                tx.end()

    @asynccontextmanager
    async def _begun(self) -> AsyncGenerator[None, None]:
        """SQLite's own transaction, whose COMMIT is the block's business, and its errors in our words."""
        async with self._lock:
            self._refuse_if_closed()
            try:
                await self._check_place()
                await self._db.execute_fetchall("BEGIN IMMEDIATE")
                yield
            except BaseException as error:
                await to_the_end(self._rollback())
                if database.is_of_the_disk(error):
                    self.trouble = database.in_our_words(error, self._folder)
                    raise self.trouble from None
                if isinstance(error, VaultTampered | VaultCorrupt):
                    self.trouble = error
                raise

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise VaultClosed("The vault is closed.", "Unlock it: meshmesh unlock")

    async def _check_place(self) -> None:
        """SQLite would go on for ever in files that have lost their names, and all of it would be lost at the end."""
        if self._files is None or self._files == await asyncio.to_thread(database.identity, self._folder / FILE_NAME):
            return
        self.trouble = VaultUnwritable(
            f"The files of the vault in {self._folder} were taken away, or replaced, while the service runs.",
            "Put the disk or the files back, then start the service again.",
        )
        raise self.trouble

    async def _rollback(self) -> None:
        # A cancelled statement still runs in SQLite's thread; what is sent now runs after it, also after a late BEGIN.
        with suppress(sqlite3.OperationalError):  # no transaction: BEGIN failed, or SQLite has undone it by itself
            await self._db.execute_fetchall("ROLLBACK")

    async def _commit(self, tx: Transaction) -> None:
        if not tx.sound:
            raise VaultUnwritable(
                "A write to the vault was interrupted; all that went with it was undone.", "Try again."
            )
        ledger = await tx.write_ledger()
        await self._db.execute_fetchall("COMMIT")
        if ledger.version > self._ledger.version:
            self.trouble = None
        self._ledger = ledger

    async def try_again(self) -> None:
        """Look whether trouble is over: a write that changes nothing but the digest's seal.

        Raises:
            VaultError: it is not.
        """
        async with self.transaction() as tx:
            tx.touch()

    async def copy_to(self, path: Path) -> None:
        """Copy the database as it is at one moment, while it is in use; the copy is as sealed as it is.

        Args:
            path: an empty private file.

        Raises:
            VaultError: it cannot be read, or the copy not written.
        """
        async with self._lock:
            self._refuse_if_closed()
            try:
                await to_the_end(database.copy(self._db, path))
            except sqlite3.Error as error:
                raise database.in_our_words(error, path.parent) from None

    async def purge(self) -> None:
        """Bring deleted secrets out of the write-ahead log too (secure_delete overwrote them in the pages).

        Raises:
            VaultUnwritable: another program reads an old state; the log still holds them.
        """
        async with self._lock:
            self._refuse_if_closed()
            try:
                busy = await database.value(self._db, "PRAGMA wal_checkpoint(TRUNCATE)")
            except sqlite3.Error as error:
                raise database.in_our_words(error, self._folder) from None
            if busy:
                raise database.held(self._folder)

    async def verify(self) -> None:
        """Hold every table against its sealed digest.

        Raises:
            VaultTampered: a row was changed, put back or taken away behind our back; the table is named.
        """
        self._checked_at = None
        async with self.transaction():
            pass

    async def _check_what_others_wrote(self) -> None:
        at = await database.value(self._db, "PRAGMA data_version")
        if at == self._checked_at:
            return
        whole = await database.value(self._db, "PRAGMA integrity_check(1)")
        if whole != "ok":  # a damaged index would hide rows from look-ups, and the digest reads past it
            raise database.damaged(self._folder, str(whole))
        layout = set(await self._fetch(schema.LAYOUT))
        if layout != await asyncio.to_thread(schema.layout):
            raise self._tampered("The layout of the vault")
        ledger = self._opened(await self._fetch("SELECT version, sealed FROM digest"))
        for table in schema.TABLES:
            rows = await self._fetch(f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608 - our own names
            digest = await asyncio.to_thread(table_digest, self._keys.lookup.digest_key, table.name, rows)
            if digest != ledger.of(table.name):
                raise self._tampered(f"The table {table.name!r} of the vault")
        self._ledger = ledger
        self._checked_at = at

    def _opened(self, rows: list[tuple[Value, ...]]) -> Ledger:
        """The ledger as it is stored; an older one than we have seen was put back."""
        try:
            ((version, sealed),) = rows
            ledger = Ledger.open(self._keys.sealer, cast("int", version), cast("bytes", sealed))
        except (SealBroken, ValueError):
            raise self._tampered("The digest of the vault") from None
        if ledger.version < self._ledger.version:
            raise self._tampered("The digest of the vault")
        return ledger

    async def _fetch(self, statement: str) -> list[tuple[Value, ...]]:
        return [tuple(row) for row in await self._db.execute_fetchall(statement)]

    def _tampered(self, what: str) -> VaultTampered:
        return VaultTampered(f"{what} was changed, or damaged, outside MeshMesh.", database.restore(self._folder))


def _inspect(folder: Path, path: Path) -> Header | None:
    """The header of the vault in a private folder, or None where there is no vault. Nothing of it is written."""
    private_folder(folder)
    restored.finish(folder)
    for suffix in ("", *database.SIDE_FILES):
        private_file(path.with_name(path.name + suffix))
    if path.exists():
        return header.read(path)
    if any(path.with_name(path.name + suffix).exists() for suffix in database.SIDE_FILES):
        raise database.damaged(folder, f"its log is there, {path.name} is not")
    return None


def _unreachable(error: OSError | sqlite3.Error, folder: Path) -> VaultError:
    if isinstance(error, sqlite3.Error):
        return database.in_our_words(error, folder)
    return VaultUnwritable(
        f"The vault in {folder} cannot be reached ({error.strerror}).",
        f"Look at the disk space and rights of {folder}.",
    )
