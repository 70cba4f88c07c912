"""The law of a transaction that SQLite has undone by itself: nothing that was meant for it is kept."""

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import aiosqlite
import pytest

from meshmesh_storage import database
from meshmesh_storage.statements import Statement

BEGIN: Statement = ("BEGIN IMMEDIATE", ())
UNDONE: Statement = ("INSERT OR ROLLBACK INTO things VALUES (1, 'again')", ())  # as a full disk does it, in the middle


@pytest.fixture
async def db(tmp_path: Path) -> AsyncIterator[aiosqlite.Connection]:
    """A table with one row, and a transaction that has added another."""
    (tmp_path / "db").touch()
    opened = await database.connect(tmp_path / "db")
    await opened.execute_fetchall("CREATE TABLE things (id INTEGER PRIMARY KEY, what TEXT)")
    await opened.execute_fetchall("INSERT INTO things VALUES (1, 'first')")
    await database.run(opened, [BEGIN, ("INSERT INTO things VALUES (2, 'second')", ())])
    yield opened
    await database.close(opened)


async def things(db: aiosqlite.Connection) -> list[object]:
    """What is there."""
    return [row[1] for row in await db.execute_fetchall("SELECT * FROM things ORDER BY id")]


@pytest.mark.parametrize(
    "left_over",
    [
        "INSERT INTO things VALUES (3, 'third')",
        "UPDATE things SET what = 'changed'",
        "SAVEPOINT block",
        "RELEASE block",
        "COMMIT",
        "SELECT * FROM things",
    ],
)
async def test_what_stands_in_line_behind_it_is_not_run(db: aiosqlite.Connection, left_over: str) -> None:
    """Whatever it is: the first error is told, and the file is as it was before the transaction."""
    with pytest.raises(sqlite3.IntegrityError):
        await database.run(db, [UNDONE, (left_over, ()), ("INSERT INTO things VALUES (4, 'fourth')", ())])
    with pytest.raises(sqlite3.OperationalError, match="was undone") as refused:
        await db.execute_fetchall(left_over)
    with pytest.raises(sqlite3.OperationalError, match="was undone"):
        await db.executemany("INSERT INTO things VALUES (?, ?)", [(5, "fifth")])
    assert refused.value.sqlite_errorcode == sqlite3.SQLITE_ABORT
    with pytest.raises(sqlite3.OperationalError, match="no transaction"):
        await db.execute_fetchall("ROLLBACK")

    assert await things(db) == ["first"]


async def test_the_next_transaction_stands(db: aiosqlite.Connection) -> None:
    """It is begun as if nothing had been, with or without a ROLLBACK before."""
    with pytest.raises(sqlite3.IntegrityError):
        await database.run(db, [UNDONE])
    await database.run(db, [BEGIN, ("INSERT INTO things VALUES (2, 'other')", ())])
    await db.execute_fetchall("COMMIT")
    await db.execute_fetchall("INSERT INTO things VALUES (3, 'alone')")

    assert await things(db) == ["first", "other", "alone"]


async def test_an_error_that_undoes_nothing_ends_nothing(db: aiosqlite.Connection) -> None:
    """The transaction stands, and goes on."""
    with pytest.raises(sqlite3.IntegrityError):
        await database.run(db, [("INSERT INTO things VALUES (1, 'again')", ())])
    await db.execute_fetchall("COMMIT")

    assert await things(db) == ["first", "second"]
