"""Open, lock, transactions: nothing else.

Invariants: a wrong key writes nothing; a new key is never made over an old vault; rows and their digest change in one
transaction; after a COMMIT that failed nothing is believed; one writer at a time.
"""

import asyncio
import os
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage import schema
from meshmesh_storage.digest import Digest, Value, row_mac
from meshmesh_storage.errors import (
    KeyUnavailable,
    SchemaTooNew,
    VaultCorrupt,
    VaultTampered,
    VaultUnwritable,
    WrongKey,
)
from meshmesh_storage.keys import KeySource
from meshmesh_storage.paths import create_private_file, private_file, private_folder
from meshmesh_storage.sealing import Place, SealBroken, Sealer, key_check, unwrap, wrap
from meshmesh_storage.transaction import Transaction

FILE_NAME = "vault.db"
_PRAGMAS = (
    "PRAGMA journal_mode = WAL",
    "PRAGMA synchronous = FULL",  # a rotated refresh token is on disk before its access token leaves
    "PRAGMA secure_delete = ON",
    "PRAGMA temp_store = MEMORY",
    "PRAGMA foreign_keys = ON",
)
_BUSY_SECONDS = 5.0
_RESTORE = "Put back a backup, or move the folder away and start anew: mv {0} {0}.old"


class Vault:
    """An open vault. Made by `Vault.open`."""

    def __init__(self, db: aiosqlite.Connection, sealer: Sealer, folder: Path) -> None:
        self._db = db
        self._sealer = sealer
        self._folder = folder
        self._lock = asyncio.Lock()
        self._digest_key = sealer.derive("digest")
        self._digests: dict[str, tuple[int, Digest]] = {}

    @classmethod
    async def open(cls, folder: Path, source: KeySource, *, now: datetime) -> "Vault":
        """Open the vault in a folder, or make it there.

        Args:
            folder: the private folder that is the vault's own.
            source: gives the master key.
            now: the time, for what is made.

        Raises:
            VaultError: each case with its next step; nothing on disk was changed.
        """
        path = folder / FILE_NAME
        await asyncio.to_thread(_check_files, folder, path)
        fresh = not path.exists() or path.stat().st_size == 0
        key = await source.load()
        if key is None:
            if not fresh:
                raise KeyUnavailable(
                    f"There is a vault in {folder}, and its key is missing.",
                    "Put the key back where it was. A new key cannot open an old vault.",
                )
            key = await source.create()
        if not path.exists():
            await asyncio.to_thread(create_private_file, path, b"")
        return await cls._open_file(folder, path, key, now)

    @classmethod
    async def _open_file(cls, folder: Path, path: Path, key: bytes, now: datetime) -> "Vault":
        db = await aiosqlite.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            version = await _version(db, folder)
            if version == 0:
                await _prepare(db)
                await _create(db, key, now)
            sealer = await _sealer(db, key, folder)
            if version != 0:
                await _prepare(db)
            vault = cls(db, sealer, folder)
            await vault.verify()
        except sqlite3.DatabaseError as error:
            await db.close()
            raise VaultCorrupt(
                f"The vault in {folder} is damaged ({type(error).__name__}).", _RESTORE.format(folder)
            ) from None
        except BaseException:
            await db.close()
            raise
        return vault

    async def close(self) -> None:
        """Close the file. The data keys are forgotten with this object."""
        await self._db.close()

    @asynccontextmanager
    async def transaction(self) -> AsyncGenerator[Transaction, None]:
        """One transaction: all of it on disk when the block ends, or nothing of it.

        Raises:
            VaultUnwritable: the disk did not take it; nothing was changed.
        """
        async with self._lock:
            try:
                await self._db.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise self._unwritable(error) from None
            tx = Transaction(self._db, self._sealer, self._digest_key, dict(self._digests))
            try:
                yield tx
            except BaseException:
                await self._rollback()
                raise
            ending = asyncio.ensure_future(self._commit(tx))
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                await ending  # a commit that has begun is never left half way
                raise

    async def _commit(self, tx: Transaction) -> None:
        try:
            await tx.write_digests()
            await self._db.execute("COMMIT")
        except sqlite3.Error as error:
            await self._rollback()
            raise self._unwritable(error) from None
        self._digests = tx.digests

    async def _rollback(self) -> None:
        if self._db.in_transaction:
            await self._db.execute("ROLLBACK")

    def _unwritable(self, error: sqlite3.Error) -> VaultUnwritable:
        return VaultUnwritable(
            f"The vault could not be written ({type(error).__name__}: {error}).",
            f"Look at the disk space and rights of {self._folder}.",
        )

    async def purge(self) -> None:
        """Bring deleted secrets out of the write-ahead log too (secure_delete overwrote them in the pages)."""
        async with self._lock:
            await self._db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    async def verify(self) -> None:
        """Hold every table against its sealed digest.

        Raises:
            VaultTampered: a row was changed, put back or taken away behind our back; the table is named.
        """
        stored = {
            str(row[0]): (cast("int", row[1]), cast("bytes", row[2]))
            for row in await self._db.execute_fetchall("SELECT id, version, sealed FROM digests")
        }
        for table in schema.TABLES:
            columns = ", ".join(table.columns)
            rows = await self._db.execute_fetchall(f"SELECT {columns} FROM {table.name}")  # noqa: S608 - our own names
            actual = Digest()
            for row in rows:
                actual = actual.add(row_mac(self._digest_key, table.name, cast("tuple[Value, ...]", tuple(row))))
            version, sealed = stored.get(table.name, (0, b""))
            if self._open_digest(table.name, version, sealed) != actual:
                raise VaultTampered(
                    f"The table {table.name!r} of the vault was changed by somebody else than MeshMesh.",
                    _RESTORE.format(self._folder),
                )
            self._digests[table.name] = (version, actual)

    def _open_digest(self, table: str, version: int, sealed: bytes) -> Digest | None:
        if not sealed:
            return Digest() if version == 0 else None
        try:
            return Digest.from_bytes(self._sealer.open(sealed, Place("digests", table, "sealed", version)))
        except SealBroken:
            return None


def _check_files(folder: Path, path: Path) -> None:
    private_folder(folder)
    for name in (path.name, f"{path.name}-wal", f"{path.name}-shm"):
        private_file(folder / name)


async def _version(db: aiosqlite.Connection, folder: Path) -> int:
    application = await _number(db, "PRAGMA application_id")
    version = await _number(db, "PRAGMA user_version")
    tables = await _number(db, "SELECT count(*) FROM sqlite_master")
    if version == 0 and tables == 0:
        return 0
    if application != schema.APPLICATION_ID:
        raise VaultCorrupt(f"The database in {folder} is not a vault of MeshMesh's.", _RESTORE.format(folder))
    if version > schema.LATEST:
        raise SchemaTooNew(
            f"A newer MeshMesh wrote this vault (format {version}, known here: {schema.LATEST}).",
            "Install that version again.",
        )
    return version


async def _number(db: aiosqlite.Connection, statement: str) -> int:
    rows = list(await db.execute_fetchall(statement))
    return int(rows[0][0])


async def _prepare(db: aiosqlite.Connection) -> None:
    for pragma in _PRAGMAS:
        await db.execute_fetchall(pragma)


async def _create(db: aiosqlite.Connection, key: bytes, now: datetime) -> None:
    vault_id = os.urandom(16)
    await db.execute("BEGIN IMMEDIATE")
    for migration in schema.MIGRATIONS:
        for statement in migration:
            await db.execute(statement)
    await db.executemany(
        "INSERT INTO meta VALUES (?, ?)", [("vault_id", vault_id), ("key_check", key_check(key, vault_id))]
    )
    wrapped = wrap(key, 1, vault_id, os.urandom(32))
    await db.execute("INSERT INTO data_keys VALUES (1, ?, ?)", (wrapped, now.isoformat()))
    await db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    await db.execute(f"PRAGMA user_version = {schema.LATEST}")
    await db.execute("COMMIT")


async def _sealer(db: aiosqlite.Connection, key: bytes, folder: Path) -> Sealer:
    meta = {str(row[0]): bytes(row[1]) for row in await db.execute_fetchall("SELECT key, value FROM meta")}
    vault_id = meta.get("vault_id", b"")
    if key_check(key, vault_id) != meta.get("key_check"):
        raise WrongKey(
            f"The key does not belong to the vault in {folder}. Nothing was changed.",
            "Put the right key back, or restore the vault that belongs to this key.",
        )
    try:
        keys = {
            int(row[0]): unwrap(key, int(row[0]), vault_id, bytes(row[1]))
            for row in await db.execute_fetchall("SELECT id, wrapped FROM data_keys")
        }
    except SealBroken:
        keys = {}
    if not keys:
        raise VaultCorrupt(f"The data keys of the vault in {folder} are damaged.", _RESTORE.format(folder))
    return Sealer(keys, max(keys))
