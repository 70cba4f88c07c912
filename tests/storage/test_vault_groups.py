"""The laws of transactions that are committed together: each is all or nothing, and none ends before its COMMIT."""

import asyncio
import random
import sqlite3

import pytest

from meshmesh_storage import apps
from meshmesh_storage.errors import VaultClosed, VaultUnwritable
from meshmesh_storage.group import MOST_BLOCKS, Group
from meshmesh_storage.records import App
from meshmesh_storage.schema import APPS
from meshmesh_storage.transaction import Transaction
from meshmesh_storage.vault import Vault
from support.vaults import NOW, Open, Statements

CROWD = 40


def app(app_id: str, secret: str | None = None) -> App:
    """An app with a client id of its own."""
    return App(id=app_id, client_id=f"client {app_id}", client_secret=secret, created_at=NOW)


async def put(vault: Vault, *made: App) -> None:
    """A transaction that writes some apps."""
    async with vault.transaction(together=True) as tx:
        for one in made:
            await apps.put(tx, one)


async def secrets(vault: Vault) -> dict[str, str | None]:
    """Every app's secret, by its id."""
    async with vault.transaction(together=True) as tx:
        return {one.id: one.client_secret for one in await apps.load_all(tx)}


async def test_a_crowd_shares_its_commits(opened: Open, asked: Statements) -> None:
    """Forty transactions that change rows cost a handful of statements."""
    vault = await opened()
    await put(vault, *(app(str(number), "old") for number in range(CROWD)))
    asked.clear()
    await asyncio.gather(*(put(vault, app(str(number), "new")) for number in range(CROWD)))

    assert asked.count("COMMIT") <= 2
    assert len(asked) < CROWD / 2
    assert set((await secrets(vault)).values()) == {"new"}
    await vault.verify()


async def test_what_follows_a_transaction_runs_before_the_next_one(opened: Open) -> None:
    """So who reads memory in a transaction, and changes it after, loses nothing, beside those who share commits too."""
    vault, kept = await opened(), [0]

    async def count() -> None:
        async with vault.transaction() as tx:
            following = kept[0] + 1
            await apps.put(tx, app("counter", str(following)))
        kept[0] = following

    beside = (put(vault, app(str(number), "new")) for number in range(CROWD))
    await asyncio.gather(*(work for pair in zip((count() for _ in range(CROWD)), beside, strict=True) for work in pair))

    assert kept[0] == CROWD
    assert (await secrets(vault))["counter"] == str(CROWD)
    await vault.verify()


async def test_a_group_does_not_grow_for_ever(opened: Open, asked: Statements) -> None:
    """The first one does not wait on an endless queue."""
    vault = await opened()
    asked.clear()
    await asyncio.gather(*(put(vault) for _ in range(3 * MOST_BLOCKS)))

    assert asked.count("COMMIT") >= 3


async def test_nobody_goes_on_before_the_commit(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the first of a group, and not the one that only reads what another one wrote."""
    vault = await opened()
    real, may_commit = Group.commit, asyncio.Event()

    async def commit(group: Group) -> None:
        await may_commit.wait()
        await real(group)

    monkeypatch.setattr(Group, "commit", commit)
    writing = asyncio.create_task(put(vault, app("a", "new")))
    reading = asyncio.create_task(secrets(vault))
    done, _ = await asyncio.wait({writing, reading}, timeout=0.05)
    assert not done

    may_commit.set()
    await writing
    assert await reading == {"a": "new"}


async def test_a_commit_that_fails_fails_all_of_them(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the group is believed afterwards, in memory or on disk, and the next one works."""
    vault = await opened()
    await put(vault, *(app(str(number), "old") for number in range(CROWD)))

    async def refuse(_group: Group) -> None:
        error = sqlite3.OperationalError("disk I/O error")
        error.sqlite_errorcode = sqlite3.SQLITE_IOERR
        raise error

    with monkeypatch.context() as cut:
        cut.setattr(Group, "commit", refuse)
        changes = [put(vault, app(str(number), "new")) for number in range(CROWD)]
        ends = await asyncio.gather(*changes, return_exceptions=True)
    assert {type(end) for end in ends} == {VaultUnwritable}
    assert vault.trouble is not None

    assert set((await secrets(vault)).values()) == {"old"}
    await put(vault, app("0", "later"))
    await vault.verify()
    assert (await secrets(vault))["0"] == "later"
    assert vault.trouble is None


@pytest.mark.parametrize("told", [False, True], ids=["in memory", "told to SQLite"])
async def test_a_block_that_fails_takes_back_its_own_changes_only(told: bool, opened: Open) -> None:
    """Those before and after it in the group are committed, whatever SQLite has heard of by then."""
    vault = await opened()
    await put(vault, app("a", "old"), app("b", "old"))

    async def fail() -> None:
        async with vault.transaction(together=True) as tx:
            await apps.put(tx, app("a", "bad"))
            await apps.put(tx, app("c", "bad"))
            await tx.remove(APPS, "b")
            if told:
                assert len(await tx.rows(APPS)) == 2
            raise RuntimeError("of the caller")

    before = asyncio.create_task(put(vault, app("a", "new")))
    failing = asyncio.create_task(fail())
    after = asyncio.create_task(put(vault, app("d", "new")))
    await asyncio.wait({before, failing, after})

    assert isinstance(failing.exception(), RuntimeError)
    assert await secrets(vault) == {"a": "new", "b": "old", "d": "new"}
    await vault.verify()


@pytest.mark.parametrize("which", [0, 1, CROWD - 1])
async def test_one_that_is_cancelled_in_the_queue_costs_the_others_nothing(which: int, opened: Open) -> None:
    """The first, one in the middle, the last: all others are committed."""
    vault = await opened()
    tasks = [asyncio.create_task(put(vault, app(str(number)))) for number in range(CROWD)]
    await asyncio.sleep(0)
    tasks[which].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

    assert tasks[which].cancelled()
    assert len(await secrets(vault)) in (CROWD - 1, CROWD)
    assert not [task for task in tasks if not task.cancelled() and task.exception()]
    await vault.verify()


async def test_closing_commits_what_has_ended_and_refuses_the_rest(opened: Open) -> None:
    """Whoever was told nothing is told that the vault is closed; whoever was told that it is done finds it done."""
    vault = await opened()
    tasks = [asyncio.create_task(put(vault, app(str(number)))) for number in range(CROWD)]
    await asyncio.sleep(0.001)
    await vault.close()
    ends = await asyncio.gather(*tasks, return_exceptions=True)
    kept = {str(number) for number, end in enumerate(ends) if end is None}

    assert {type(end) for end in ends} <= {type(None), VaultClosed}
    assert set(await secrets(await opened())) == kept


async def test_a_copy_holds_whole_transactions_only(opened: Open) -> None:
    """What waits for its commit is committed before a copy, or a purge, is made."""
    vault = await opened()
    await put(vault, app("a"))
    await asyncio.gather(
        put(vault, app("b")), vault.purge(), put(vault, app("c")), vault.verify(), put(vault, app("d"))
    )

    assert len(await secrets(vault)) == 4


@pytest.mark.parametrize("seed", range(6))
async def test_any_crowd_leaves_what_it_was_told(seed: int, opened: Open) -> None:
    """Writes, reads, failures and cancellations in any order: each block is whole or not there, and the digest fits."""
    vault, chance = await opened(), random.Random(seed)  # noqa: S311 - which order, not which key

    async def block(number: int) -> None:
        async with vault.transaction(together=True) as tx:
            for part in ("left", "right"):
                await apps.put(tx, app(f"{part} {number}", str(number)))
                await wander(tx)
            if number % 5 == 0:
                raise RuntimeError("of the caller")

    async def wander(tx: Transaction) -> None:
        match chance.randrange(4):
            case 0:
                await tx.rows(APPS)
            case 1:
                await asyncio.sleep(0.0005)
            case 2:
                await apps.put(tx, app("shared", str(chance.random())))
            case _:
                await tx.remove(APPS, "shared")

    tasks = [asyncio.create_task(block(number)) for number in range(CROWD)]
    while not all(task.done() for task in tasks):
        await asyncio.sleep(0.001)
        if chance.random() < 0.3:
            chance.choice(tasks).cancel()
    found = await secrets(vault)
    await vault.verify()

    for number, task in enumerate(tasks):
        whole = {f"left {number}", f"right {number}"}
        there = whole & set(found)
        assert there in (set(), whole)
        if not task.cancelled():
            assert there == (set() if task.exception() else whole)
