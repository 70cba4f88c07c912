"""SQLite as the vault wants it: its settings, held to what they really became, and its errors in our words."""

import asyncio
import shlex
import sqlite3
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage.errors import VaultCorrupt, VaultError, VaultUnwritable
from meshmesh_storage.statements import Statement, Values
from meshmesh_storage.unbroken import to_the_end

SIDE_FILES = ("-wal", "-shm", "-journal")
BUSY_SECONDS = 5.0
_ENDINGS = {"ROLLBACK", "BEGIN IMMEDIATE"}  # of a transaction that is no more
PLACE = "files_of_this_database()"
_PRAGMAS = (
    ("journal_mode", "wal"),
    ("synchronous", 2),  # FULL: a rotated refresh token is on disk before its access token leaves
    ("fullfsync", 1),  # macOS: through the drive's own cache too
    ("secure_delete", 1),  # ON; FAST leaves old bytes on the free list
    ("temp_store", 2),  # memory
    ("cache_size", -256),  # KiB: the system has the file's pages already, and a second copy of them would stay for good
    ("trusted_schema", 0),
    ("cell_size_check", 1),
)


class _Careful(sqlite3.Connection):
    """Runs nothing that was meant for a transaction which SQLite has undone by itself, as it does on a full disk.

    Statements may stand in line behind the one that failed. Outside of the transaction each of them would be committed
    alone: rows without their digest, or a digest without its rows.
    """

    _is_begun = False

    def execute(self, sql: str, parameters: object = (), /) -> sqlite3.Cursor:
        self._refuse_what_is_left_over(sql)
        cursor = super().execute(sql, parameters)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
        self._is_begun = self.in_transaction
        return cursor

    def executemany(self, sql: str, parameters: Iterable[object], /) -> sqlite3.Cursor:
        self._refuse_what_is_left_over(sql)
        return super().executemany(sql, parameters)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]

    def _refuse_what_is_left_over(self, sql: str) -> None:
        if sql in _ENDINGS:
            self._is_begun = False
        elif self._is_begun and not self.in_transaction:
            error = sqlite3.OperationalError("the transaction was undone")
            error.sqlite_errorcode = sqlite3.SQLITE_ABORT
            raise error


async def connect(path: Path, options: str = "mode=rw") -> aiosqlite.Connection:
    """An open database that is there already; SQLite is not let make one.

    Args:
        path: the file.
        options: SQLite's, in its URI.

    Raises:
        sqlite3.Error: it cannot be opened.
        VaultUnwritable: a setting did not take, so a promise about what is on disk would not hold.
    """
    opened: list[aiosqlite.Connection] = []
    try:
        await to_the_end(_open(path, options, opened))
    except BaseException:
        await close(*opened)  # also where it was opened and its opener cancelled meanwhile
        raise
    return opened[0]


async def close(*databases: aiosqlite.Connection) -> None:
    """Close, whatever becomes of who waits for it: the interpreter waits at its end for the thread of an open one."""
    for db in databases:
        await to_the_end(db.close())


async def _open(path: Path, options: str, opened: list[aiosqlite.Connection]) -> None:
    db = await aiosqlite.connect(
        uri(path, options), uri=True, isolation_level=None, timeout=BUSY_SECONDS, factory=_Careful
    )
    opened.append(db)
    await _set_up(db, path)


async def copy(db: aiosqlite.Connection, path: Path) -> None:
    """A copy of a database as it is at one moment, in one file without a log, on disk when this returns.

    Args:
        db: open, outside of a transaction.
        path: an empty private file.
    """
    target = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        await db.backup(target)
        await asyncio.to_thread(_without_log, target)
    finally:
        target.close()


def _without_log(db: sqlite3.Connection) -> None:
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA journal_mode = DELETE")


async def watch_place(db: aiosqlite.Connection, path: Path) -> object:
    """Teach a database the function `PLACE`: which files its names lead to at that moment, as one value to compare.

    It is asked inside SQLite, where it costs no hop of its own to a thread.

    Args:
        db: open.
        path: its file.

    Returns:
        What it gives now.
    """
    await db.create_function(  # pyright: ignore[reportUnknownMemberType]
        PLACE.removesuffix("()"), 0, lambda: _identity(path)
    )
    return await value(db, f"SELECT {PLACE}")


def _identity(path: Path) -> str:
    """Of the database and its log: device and inode, or None for one that is not there."""
    found: list[tuple[int, int] | None] = []
    for name in (path, path.with_name(f"{path.name}-wal")):
        try:
            stat = name.stat()
        except OSError:
            found.append(None)
        else:
            found.append((stat.st_dev, stat.st_ino))
    return repr(found)


def uri(path: Path, options: str) -> str:
    """SQLite's name for a file, with options of the opening."""
    return f"{path.absolute().as_uri()}?{options}"


async def _set_up(db: aiosqlite.Connection, path: Path) -> None:
    for name, wanted in _PRAGMAS:
        await db.execute_fetchall(f"PRAGMA {name} = {wanted}")
        if await value(db, f"PRAGMA {name}") != wanted:
            raise VaultUnwritable(
                f"SQLite does not take the setting {name} = {wanted} for {path}.",
                "Put the vault on a local disk (network file systems and some containers' volumes do not do).",
            )


async def run(db: aiosqlite.Connection, statements: Sequence[Statement]) -> list[Values]:
    """Statements one after the other, in one hop to SQLite's thread and back.

    Behind one that fails the others run too, as long as the transaction stands.

    Args:
        db: open.
        statements: none of which may be a COMMIT, since that would keep what came before a failure.

    Returns:
        What the last one gives.

    Raises:
        sqlite3.Error: of the first one that failed.
    """
    calls = [db.execute_fetchall(statement, parameters) for statement, parameters in statements]
    results = await asyncio.gather(*calls, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [tuple(row) for row in cast("Iterable[sqlite3.Row]", results[-1])] if results else []


async def fetch(db: aiosqlite.Connection, statement: str) -> list[Values]:
    """The rows that a statement gives."""
    return await run(db, [(statement, ())])


async def value(db: aiosqlite.Connection, statement: str) -> object:
    """The one value that a statement gives."""
    (row,) = await db.execute_fetchall(statement)
    return row[0]


def is_of_the_disk(error: BaseException) -> bool:
    """Whether an error tells of the file or the disk: no conflict of values, no wrong use of SQLite."""
    return type(error) in {sqlite3.OperationalError, sqlite3.DatabaseError}


def in_our_words(error: BaseException, folder: Path) -> VaultError:
    """An error of SQLite's that `is_of_the_disk`, with the next step that fits it."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)  # none where text is no UTF-8 any more
    primary = code & 0xFF
    if primary in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return damaged(folder, str(error))
    if primary in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}:
        return held(folder)
    return VaultUnwritable(
        f"The vault could not be written ({type(error).__name__}: {error}).",
        f"Look at the disk space and rights of {folder}.",
    )


def held(folder: Path) -> VaultUnwritable:
    """The refusal while another program reads or writes the vault."""
    return VaultUnwritable(
        f"Another program holds the vault in {folder}.", f"Find it and end it: fuser -v {shlex.quote(str(folder))}/*"
    )


def damaged(folder: Path, what: str) -> VaultCorrupt:
    """The refusal of a vault that is damaged, or is none."""
    return VaultCorrupt(f"The vault in {folder} is damaged: {what}.", restore(folder))


def restore(folder: Path) -> str:
    """The next step where only a backup, or a new start, helps."""
    name = shlex.quote(str(folder))
    return f"Put back a backup, or move the folder away and start anew: mv {name} {name}.old"
