"""The laws of reading single connections: outside of transactions, proven one by one, nothing kept of the others."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from meshmesh_storage import connections
from meshmesh_storage.errors import VaultClosed, VaultError, VaultTampered
from meshmesh_storage.records import Connection, Status
from meshmesh_storage.vault import FILE_NAME, Vault
from support.floor import ACME
from support.vaults import Open, Statements

NAMES = ("acme", "globex", "initech")


def named(name: str) -> Connection:
    """A connection."""
    return replace(ACME, id=f"id of {name}", name=name)


async def furnished(opened: Open) -> Vault:
    """A vault with three connections that was closed and is open again."""
    vault = await opened()
    async with vault.transaction() as tx:
        for name in NAMES:
            await connections.insert(tx, named(name))
    await vault.close()
    return await opened()


async def names_in(vault: Vault, *names: str) -> list[str]:
    """The names that are found under the ids of names."""
    return sorted(one.name for one in await connections.look_up(vault, [f"id of {name}" for name in names]))


async def renaming(vault: Vault) -> asyncio.Task[None]:
    """A transaction that has begun, and that gives `acme` the name `umbrella`; others may be committed with it."""
    begun = asyncio.Event()

    async def change() -> None:
        async with vault.transaction(together=True) as tx:
            begun.set()
            await asyncio.sleep(0)
            await connections.rename(tx, "id of acme", "umbrella")

    changing = asyncio.create_task(change())
    await begun.wait()
    return changing


def by_hand(folder: Path, statement: str) -> None:
    """Change the vault behind its back."""
    with closing(sqlite3.connect(folder / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute(statement)


async def test_those_that_are_there_are_found(opened: Open) -> None:
    """In one statement; the others are left out, and none of them is no question at all."""
    vault = await furnished(opened)
    assert await names_in(vault, "globex", "hooli", "acme") == ["acme", "globex"]
    assert await connections.look_up(vault, []) == []


async def test_a_start_reads_no_sealed_column_of_them(opened: Open, asked: Statements) -> None:
    """What stands beside the seals is all that it needs."""
    vault = await furnished(opened)
    await vault.close()
    asked.clear()
    await opened()
    read = [one for one in asked if "FROM connections" in one]
    assert read
    assert not any("session" in one or "profile" in one for one in read)


async def test_it_is_known_unopened_how_they_are(opened: Open) -> None:
    """Their states and apps; a change is told of too."""
    vault = await furnished(opened)
    async with vault.transaction() as tx:
        blocked = replace(named("acme"), generation=2, status=Status.BLOCKED)
        await connections.update(tx, blocked, expected_generation=1)
    found = {one.id: (one.status, one.app_id) for one in connections.unopened(vault)}
    assert found["id of acme"] == (Status.BLOCKED, ACME.app_id)
    assert found["id of globex"] == (Status.CONNECTED, ACME.app_id)


async def test_another_program_that_writes_is_not_waited_for(opened: Open, tmp_path: Path) -> None:
    """What is on disk can be read all the same."""
    vault = await furnished(opened)
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        async with asyncio.timeout(4):  # SQLite would wait for five seconds
            assert await names_in(vault, "acme") == ["acme"]


async def test_what_was_begun_before_it_is_seen(opened: Open) -> None:
    """It comes between two transactions, also where they are committed together."""
    vault = await furnished(opened)
    changing = await renaming(vault)
    assert await names_in(vault, "acme") == ["umbrella"]
    await changing


@pytest.mark.parametrize("moments", range(0, 40, 3))
async def test_one_who_goes_away_costs_nobody_a_write(opened: Open, moments: int) -> None:
    """Whoever comes first brings to disk what was begun before it, and is not what that hangs on."""
    vault = await furnished(opened)
    changing = await renaming(vault)
    looking = asyncio.create_task(names_in(vault, "acme"))
    for _ in range(moments):
        await asyncio.sleep(0.0002)
    looking.cancel()
    with suppress(asyncio.CancelledError):
        await looking

    await changing
    assert await names_in(vault, "acme") == ["umbrella"]


async def test_what_was_undone_is_not_seen(opened: Open) -> None:
    """Nor is it held against a row that it was undone."""
    vault = await furnished(opened)
    with suppress(ZeroDivisionError):
        async with vault.transaction() as tx:
            await connections.rename(tx, "id of acme", "umbrella")
            raise ZeroDivisionError
    assert await names_in(vault, "acme") == ["acme"]


HANDS = {
    "a clear column": "UPDATE connections SET status = 'blocked' WHERE id = 'id of acme'",
    "a sealed column": "UPDATE connections SET refresh = NULL WHERE id = 'id of acme'",
    "another's column": "UPDATE connections SET session = (SELECT session FROM connections WHERE id = 'id of globex')"
    " WHERE id = 'id of acme'",
    "all of it": "DELETE FROM connections WHERE id = 'id of acme'",
}


@pytest.mark.parametrize("statement", HANDS.values(), ids=HANDS)
async def test_a_row_that_a_hand_touched_is_refused(opened: Open, tmp_path: Path, statement: str) -> None:
    """That one, and whatever is asked for together with it; the rest opens."""
    vault = await furnished(opened)
    by_hand(tmp_path, statement)
    for names in (["acme"], ["globex", "acme"]):
        with pytest.raises(VaultTampered, match="'connections'"):
            await names_in(vault, *names)
    assert await names_in(vault, "globex", "initech") == ["globex", "initech"]


async def test_a_row_that_a_hand_added_is_not_there(opened: Open, tmp_path: Path) -> None:
    """It was never ours."""
    vault = await furnished(opened)
    by_hand(
        tmp_path,
        "INSERT INTO connections SELECT 'id of hooli', version, x'00', app_id, generation, status, profile, session,"
        " refresh FROM connections WHERE id = 'id of acme'",
    )
    assert await names_in(vault, "hooli", "acme") == ["acme"]


async def test_a_closed_vault_gives_none(opened: Open) -> None:
    """And says that it is closed."""
    vault = await furnished(opened)
    await vault.close()
    with pytest.raises(VaultClosed):
        await names_in(vault, "acme")


async def test_a_file_that_cannot_be_read_is_told_as_that(opened: Open, tmp_path: Path) -> None:
    """In our words, and it is known to be in trouble."""
    vault = await furnished(opened)
    by_hand(tmp_path, "DROP TABLE connections")
    with pytest.raises(VaultError):
        await names_in(vault, "acme")
    assert vault.trouble is not None
