"""The law of threads: each open database has one, the interpreter waits for it at its end, and so none is ever left over.

However an opening or a closing is cancelled or fails, at whichever statement, no thread is left when it has ended.
"""

import asyncio
import sqlite3
import threading
from collections.abc import Awaitable, Callable, Iterable
from pathlib import Path

import aiosqlite
import pytest

from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.vault import Vault
from support.full_vault import NOW, full_vault, key_file

STATEMENTS = range(1, 40, 3)
Row = Iterable[sqlite3.Row]


def workers() -> set[threading.Thread]:
    """The threads of databases that are open."""
    return {thread for thread in threading.enumerate() if "_connection_worker" in thread.name}


async def none_left(before: set[threading.Thread]) -> bool:
    """Whether every thread beside those from before has ended; one that was told to needs a moment."""
    for _ in range(200):
        if not workers() - before:
            return True
        await asyncio.sleep(0.01)
    return False


async def vault_of(home: Path) -> Vault:
    """The vault, as a service opens it."""
    return await Vault.open(home / "vault", key_file(home), now=NOW)


async def activity_of(home: Path) -> ActivityLog:
    """The activity; the vault is open only meanwhile."""
    vault = await vault_of(home)
    try:
        return await ActivityLog.open(home / "vault", vault.sealer)
    finally:
        await vault.close()


Opening = Callable[[Path], Awaitable[Vault | ActivityLog]]


@pytest.mark.parametrize("how", ["cancelled", "failed"])
@pytest.mark.parametrize("statement", STATEMENTS)
@pytest.mark.parametrize("opening", [vault_of, activity_of])
async def test_an_opening_that_does_not_end_well_leaves_no_thread(
    opening: Opening, statement: int, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cancelled, or refused by the disk, at any statement."""
    before = workers()
    left = iter(range(1, statement))
    real = aiosqlite.Connection.execute_fetchall

    async def fetch(db: aiosqlite.Connection, sql: str, parameters: Iterable[object] | None = None) -> Row:
        if next(left, None) is None:
            if how == "failed":
                raise sqlite3.OperationalError("disk I/O error")
            if not task.cancelling():
                task.cancel()
        return await real(db, sql, parameters)

    async def open_it() -> None:
        opened = await opening(tmp_path)
        await opened.close()

    monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", fetch)
    task = asyncio.ensure_future(open_it())
    await asyncio.wait({task})
    task.exception() if not task.cancelled() else None

    assert await none_left(before)


@pytest.mark.parametrize("times", [1, 2, 5])
async def test_a_closing_that_is_cancelled_closes(times: int, tmp_path: Path) -> None:
    """Also while it waits for its turn, and however often."""
    before = workers()
    async with full_vault(tmp_path) as it:
        await it.fill()
        busy = asyncio.ensure_future(it.names())
        for closing in (it.rows.close, it.vault.close):
            task = asyncio.ensure_future(closing())
            for _ in range(times):
                await asyncio.sleep(0)
                task.cancel()
            await asyncio.wait({task})
        await asyncio.wait({busy})
        assert await none_left(before)
        busy.exception() if not busy.cancelled() else None


@pytest.mark.parametrize("turns", range(0, 60, 7))
async def test_an_opening_that_is_given_up_at_any_turn_leaves_no_thread(turns: int, tmp_path: Path) -> None:
    """The loop's turns fall elsewhere each time; none of them is a bad one."""
    before = workers()
    task = asyncio.ensure_future(vault_of(tmp_path))
    for _ in range(turns):
        await asyncio.sleep(0.0005)
    task.cancel()
    await asyncio.wait({task})
    if not task.cancelled() and task.exception() is None:
        await task.result().close()

    assert await none_left(before)
