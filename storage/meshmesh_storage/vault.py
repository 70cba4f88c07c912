"""Open, lock, transactions: nothing else.

Invariants: a wrong key writes nothing; a new key is never made over an old vault; rows and their digest change in one
transaction; after a COMMIT that failed nothing is believed; one writer at a time; what another program wrote is held
against the digest before it is believed.
"""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator, Generator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

import aiosqlite

from meshmesh_storage import database, first_layout, founding, header, looking, schema
from meshmesh_storage.ailing import Ailing
from meshmesh_storage.digest import Ledger
from meshmesh_storage.errors import (
    KeyUnavailable,
    VaultCorrupt,
    VaultError,
    VaultTampered,
    VaultUnwritable,
    closed,
)
from meshmesh_storage.fingerprint import Fingerprint
from meshmesh_storage.group import Group
from meshmesh_storage.header import Header
from meshmesh_storage.keys import KeySource
from meshmesh_storage.known import Known
from meshmesh_storage.paths import draft
from meshmesh_storage.proving import Fetch, Proof, tampered
from meshmesh_storage.schema import Table
from meshmesh_storage.sealing import SealBroken, Sealer, VaultKeys
from meshmesh_storage.statements import Statement, Values, select
from meshmesh_storage.transaction import Row, Transaction, changed, open_row
from meshmesh_storage.unbroken import to_the_end

FILE_NAME = "vault.db"
_BEGIN: Statement = ("BEGIN IMMEDIATE", ())
_LOOK: Statement = (f"SELECT data_version, {database.PLACE} FROM pragma_data_version", ())  # noqa: S608 - our own name


class Vault(Ailing):
    """An open vault. Made by `Vault.open`.

    `trouble` is what the disk last refused, until it takes a write again; None while all is well.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, folder: Path) -> None:
        super().__init__()
        self._db = db
        self._keys = keys
        self._folder = folder
        self._turn = asyncio.Lock()
        self._closed = False
        self._group: Group | None = None
        self._commits: set[asyncio.Task[None]] = set()
        self._known = Known(Ledger())
        self._checked_at: object = None  # SQLite's data_version: another number means that somebody else wrote
        self._files: object = None
        self._fetch: Fetch = partial(database.fetch, db)
        self._fingerprint = Fingerprint(folder / FILE_NAME, keys)

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
            raise looking.unreachable(error, folder) from None

    @classmethod
    async def look(cls, folder: Path) -> Header | None:
        """The head of the vault in a folder, for which no key is needed; None where there is no vault.

        Args:
            folder: the vault's own; it is made where it is missing. A restore that was cut half way is brought to its end.

        Raises:
            VaultError: as `open`, as far as it does not concern the key.
        """
        return await looking.look(folder, folder / FILE_NAME)

    @classmethod
    async def _unlocked(cls, path: Path, found: Header, keys: VaultKeys, now: datetime) -> "Vault":
        db = await database.connect(path)
        vault = cls(db, keys, path.parent)
        try:
            await vault._migrate(found, now)
            vault._files = await database.watch_place(db, path)
        except BaseException:
            await database.close(db)
            vault._fingerprint.let_go()
            raise
        return vault

    async def _migrate(self, found: Header, now: datetime) -> None:
        """The first look at the digests, and an older format brought up to date if they are right."""
        with self._in_our_words():
            await self._db.execute_fetchall("BEGIN IMMEDIATE")
            if found.is_first:
                await self._convert(now)
            for migration in schema.MIGRATIONS[found.version :]:
                for statement in migration:
                    await self._db.execute_fetchall(statement)
            at = await database.value(self._db, "PRAGMA data_version")
            if found.is_latest:
                await self._believe(found.written, at)
            await self._check_what_others_wrote(at)
            if found.version < schema.LATEST:
                await self._db.execute_fetchall(f"PRAGMA user_version = {schema.LATEST}")
            await self._db.execute_fetchall("COMMIT")

    async def _believe(self, written: int, at: object) -> None:
        """Spare the first look at the digests, where the file is the one that was proven when it was closed."""
        known = await to_the_end(self._fingerprint.believed(self._fetch, written))
        if known is not None:
            self._known, self._checked_at = known, at

    async def _convert(self, now: datetime) -> None:
        try:
            whole = await first_layout.convert(self._db, self._keys, now)
        except SealBroken:
            whole = False
        if not whole:
            raise tampered("The vault", self._folder)

    async def close(self) -> None:
        """Close the file, after the transactions that are under way, keep its fingerprint, and forget the keys."""
        await to_the_end(self._close())

    async def _close(self) -> None:
        async with self._turn:
            await self._commit()
            if not self._closed:
                self._closed = True
                try:
                    await self._db.close()
                    await self._fingerprint.renew(self._known)
                finally:
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
        """The digest's version: it grows with each commit that changes a row."""
        return self._known.ledger.version

    def outlined(self, table: Table) -> Iterator[tuple[str, Values]]:
        """The id and the plain columns of every row that is on disk, without a look into the file."""
        return self._known.plain(table)

    async def look_up(self, table: Table, ids: Sequence[str]) -> list[Row]:
        """Rows as they are on disk, read without a transaction: also while another program writes.

        Not to be called inside a transaction's block, which it would wait for.

        Args:
            table: the table.
            ids: of the rows; those that are not there are left out.

        Raises:
            VaultTampered: a row is not the one that is known.
            VaultCorrupt: SQLite cannot read the file any more.
            VaultClosed: the keys are forgotten.
        """
        async with self._turn:
            await self._commit()
            self._refuse_if_closed()
            known = {row_id: outline for row_id in ids if (outline := self._known.outline(table, row_id))}
            with self._in_our_words():
                found = await to_the_end(database.run(self._db, [select(table, list(known))]))
            if len(found) != len(known):
                raise changed(table)
            return [open_row(self._keys, table, values, known[str(values[0])]) for values in found]

    @asynccontextmanager
    async def transaction(self, *, together: bool = False) -> AsyncGenerator[Transaction, None]:
        """One transaction: all of it on disk when the block ends, or nothing of it.

        Blocks run one after the other, and what follows a block runs before the next one begins, so that who keeps what is
        stored in memory too may change it there. Cancelled before its end, a block is undone; cancelled while it waits for
        the commit, it is committed first.

        Args:
            together: the next block may begin before this one is on disk, if they wait for one commit: for who only goes
                by what the transaction itself reads. What a block reads may then be undone as long as it has not ended:
                nothing may leave it before that.

        Raises:
            VaultUnwritable: the disk did not take it, or another program holds the vault; nothing was changed.
            VaultTampered: another program has written to the vault what it cannot have written.
            VaultCorrupt: SQLite cannot read the file any more.
        """
        async with self._turn:
            self._refuse_if_closed()
            is_first = self._group is None
            try:
                group = await self._joined()
                async with self._block(group) as tx:
                    yield tx
                if group.is_full or not together:
                    await self._commit()
            finally:
                if is_first and self._group is not None:
                    self._commit_behind_those_who_wait(self._group)
        await to_the_end(group.end)

    async def _joined(self) -> Group:
        if self._group is None:
            return await to_the_end(self._begun())
        return self._group

    async def _begun(self) -> Group:
        """SQLite's own transaction, in which nobody else can write, on what is proven."""
        with self._in_our_words():
            try:
                ((data_version, files),) = await database.run(self._db, [_BEGIN, _LOOK])
                self._check_place(files)
                await self._check_what_others_wrote(data_version)
            except BaseException:
                await self._rollback()
                raise
        self._group = Group(self._db, self._keys, self._known)
        return self._group

    @asynccontextmanager
    async def _block(self, group: Group) -> AsyncGenerator[Transaction, None]:
        try:
            with self._in_our_words():
                async with group.block() as tx:
                    yield tx
        except BaseException as error:
            if not group.sound:
                await to_the_end(self._give_up(group, error))
            raise

    def _commit_behind_those_who_wait(self, group: Group) -> None:
        async def commit() -> None:
            async with self._turn:
                if self._group is group:
                    await self._commit()

        task = asyncio.create_task(commit())
        self._commits.add(task)
        task.add_done_callback(self._commits.discard)

    async def _commit(self) -> None:
        """Bring the open group to disk, if there is one, whoever is cancelled; who is in it hears how that went."""
        if self._group is not None:
            await to_the_end(self._committed(self._group))

    async def _committed(self, group: Group) -> None:
        try:
            with self._in_our_words():
                await group.commit()
        except BaseException as error:  # noqa: BLE001 - told to everybody whom it concerns
            self._checked_at = None
            await self._give_up(group, error)
            return
        self._group = None
        if group.changed:
            self.trouble = None
        group.end.set_result(None)

    async def _give_up(self, group: Group, error: BaseException) -> None:
        await self._rollback()
        self._group = None
        group.fail(error)

    @contextmanager
    def _in_our_words(self) -> Generator[None, None, None]:
        """SQLite's errors as ours; trouble is noted."""
        try:
            yield
        except (sqlite3.Error, VaultTampered, VaultCorrupt) as error:
            told = database.in_our_words(error, self._folder) if database.is_of_the_disk(error) else error
            if isinstance(told, VaultError):
                self.trouble = told
            if told is error:
                raise
            raise told from None

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise closed()

    def _check_place(self, files: object) -> None:
        """SQLite would go on for ever in files that have lost their names, and all of it would be lost at the end."""
        if files != self._files:
            self.trouble = VaultUnwritable(
                f"The files of the vault in {self._folder} were taken away, or replaced, while the service runs.",
                "Put the disk or the files back, then start the service again.",
            )
            raise self.trouble

    async def _rollback(self) -> None:
        with suppress(sqlite3.OperationalError):  # no transaction: BEGIN failed, or SQLite has undone it by itself
            await self._db.execute_fetchall("ROLLBACK")

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
        async with self._turn:
            await self._commit()
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
        async with self._turn:
            await self._commit()
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
        async with self._turn:
            await self._commit()
            self._checked_at = None
        async with self.transaction():
            pass

    async def _check_what_others_wrote(self, at: object) -> None:
        if at != self._checked_at:
            self._known = await Proof(self._fetch, self._keys, self._folder).of_all(self._known.ledger)
            self._checked_at = at
