"""The laws of a transaction: all of it or nothing, whoever cancels, and never a digest that does not fit."""

import asyncio
import sqlite3
from contextlib import closing, suppress
from pathlib import Path

import pytest

from meshmesh_storage import apps, database
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.records import App
from meshmesh_storage.schema import APPS
from meshmesh_storage.transaction import Transaction
from meshmesh_storage.vault import FILE_NAME, Vault
from support.vaults import NOW, Open


def app(app_id: str, client_id: str = "", secret: str = "") -> App:
    """An app with a client id of its own."""
    return App(id=app_id, client_id=client_id or f"client {app_id}", client_secret=secret or None, created_at=NOW)


async def secrets(vault: Vault) -> dict[str, str | None]:
    """Every app's secret, by its id."""
    async with vault.transaction() as tx:
        return {one.id: one.client_secret for one in await apps.load_all(tx)}


async def ticks(count: int) -> None:
    """Let the loop go round."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_what_was_committed_is_there_after_reopening(opened: Open) -> None:
    """Insert, replace and delete survive, and the digest fits them."""
    vault = await opened()
    async with vault.transaction() as tx:
        for name in ("a", "b", "c"):
            await apps.put(tx, app(name, secret="old"))
    async with vault.transaction() as tx:
        await apps.put(tx, app("b", secret="new"))
        assert await tx.remove(APPS, "c")
        assert not await tx.remove(APPS, "nowhere")
    await vault.close()

    assert await secrets(await opened()) == {"a": "old", "b": "new"}


async def test_versions_grow_with_each_write(opened: Open) -> None:
    """The version is part of the seal, so it must move on with every write of a row."""
    vault = await opened()
    seen: list[int] = []
    for _ in range(3):
        async with vault.transaction() as tx:
            await apps.put(tx, app("a"))
            row = await tx.row(APPS, "a")
            assert row is not None
            seen.append(row.version)

    assert seen == [1, 2, 3]


async def test_an_exception_undoes_all_of_it(opened: Open) -> None:
    """Nothing of a block that failed is believed, in memory or on disk."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("a", secret="old"))

    async def change() -> None:
        async with vault.transaction() as tx:
            await apps.put(tx, app("a", secret="new"))
            await apps.put(tx, app("b"))
            raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        await change()
    await vault.verify()
    assert await secrets(vault) == {"a": "old"}


@pytest.mark.parametrize("patience", [0, 1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233, 377])
async def test_cancelled_anywhere_it_is_all_or_nothing(patience: int, opened: Open) -> None:
    """Two rows that belong together are both new or both old, and the next transaction works."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("a", secret="old"))
        await apps.put(tx, app("b", secret="old"))

    async def change() -> None:
        async with vault.transaction() as tx:
            await apps.put(tx, app("a", secret="new"))
            await apps.put(tx, app("b", secret="new"))

    task = asyncio.create_task(change())
    await ticks(patience)
    for _ in range(3):
        task.cancel()
        await ticks(2)
    await asyncio.wait({task})

    await vault.verify()
    assert await secrets(vault) in ({"a": "old", "b": "old"}, {"a": "new", "b": "new"})
    async with vault.transaction() as tx:
        await apps.put(tx, app("a", secret="later"))
    assert (await secrets(vault))["a"] == "later"


async def test_cancelled_while_it_begins_it_leaves_no_transaction_open(opened: Open, tmp_path: Path) -> None:
    """SQLite's thread begins after the caller has gone; that late BEGIN is undone."""
    vault = await opened()
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        task = asyncio.create_task(secrets(vault))
        await ticks(50)
        task.cancel()
        await ticks(2)
        holder.execute("ROLLBACK")
    with pytest.raises(asyncio.CancelledError):
        await task

    assert await secrets(vault) == {}


async def test_a_commit_that_has_begun_is_not_stopped(opened: Open) -> None:
    """Cancelled at the commit, again and again, it is committed, and then the caller hears of the cancellation."""
    vault = await opened()

    async def change() -> None:
        async with vault.transaction() as tx:
            await apps.put(tx, app("a"))
            task = asyncio.current_task()
            assert task is not None
            for turn in range(4):
                asyncio.get_running_loop().call_later(turn / 10_000, task.cancel)
            task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.create_task(change())

    assert list(await secrets(vault)) == ["a"]
    await vault.verify()


@pytest.mark.parametrize("patience", [0, 1, 2, 5, 20])
async def test_a_write_that_is_cancelled_is_whole_or_not_there(patience: int, opened: Open) -> None:
    """A block that swallows the cancellation of a write commits no row that the digest does not know."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("before"))
        write = asyncio.create_task(apps.put(tx, app("a")))
        await ticks(patience)
        write.cancel()
        await asyncio.wait({write})

    await vault.verify()
    assert set(await secrets(vault)) - {"a"} == {"before"}


async def test_a_statement_that_failed_spoils_the_transaction(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody can swallow that SQLite did not do what it was told, and then commit the rest."""
    vault = await opened()

    async def refuse(*_arguments: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    async def change() -> None:
        async with vault.transaction() as tx:
            await apps.put(tx, app("a"))
            with monkeypatch.context() as cut:
                cut.setattr(database, "run", refuse)
                with suppress(sqlite3.OperationalError):
                    await apps.put(tx, app("b"))

    with pytest.raises(VaultUnwritable, match="interrupted"):
        await change()
    await vault.verify()
    assert await secrets(vault) == {}


async def test_a_conflict_leaves_the_transaction_whole(opened: Open) -> None:
    """A unique value that is taken changes no row and no digest; the block may go on and commit."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("a", "taken", "old"))
        await apps.put(tx, app("b", "free", "old"))
    async with vault.transaction() as tx:
        for newcomer in ("b", "c"):
            with pytest.raises(sqlite3.IntegrityError):
                await apps.put(tx, app(newcomer, "taken", "new"))
        await apps.put(tx, app("d"))

    await vault.verify()
    assert await secrets(vault) == {"a": "old", "b": "old", "d": None}


async def test_writes_inside_one_transaction_take_turns(opened: Open) -> None:
    """Many writes of one row at once would take its old MAC out of the digest many times."""
    vault = await opened()
    async with vault.transaction() as tx:
        await asyncio.gather(*(apps.put(tx, app("a", secret=str(number))) for number in range(8)))
        await asyncio.gather(tx.remove(APPS, "a"), apps.put(tx, app("b")), tx.remove(APPS, "a"))

    await vault.verify()
    assert await secrets(vault) == {"b": None}


async def test_transactions_take_turns(opened: Open) -> None:
    """Each sees what the one before it committed."""
    vault = await opened()

    async def count_up() -> None:
        async with vault.transaction() as tx:
            found = await apps.load_all(tx)
            await apps.put(tx, app("counter", secret=str(int(found[0].client_secret or 0) + 1 if found else 1)))

    await asyncio.gather(*(count_up() for _ in range(10)))

    assert await secrets(vault) == {"counter": "10"}


async def test_a_transaction_ends_with_its_block(opened: Open) -> None:
    """What is kept of it cannot write afterwards: such a write would be outside of BEGIN and of the digest."""
    vault = await opened()
    kept: list[Transaction] = []
    async with vault.transaction() as tx:
        kept.append(tx)
    with pytest.raises(RuntimeError, match="has ended"):
        await apps.put(kept[0], app("a"))

    assert await secrets(vault) == {}


async def test_two_vaults_on_one_file_believe_each_other(opened: Open) -> None:
    """A second writer with the key is followed: its digest fits, and neither undoes the other's rows."""
    one, other = await opened(), await opened()
    for number, vault in enumerate((one, other, one, other)):
        async with vault.transaction() as tx:
            await apps.put(tx, app(str(number)))

    assert list(await secrets(one)) == list(await secrets(other)) == ["0", "1", "2", "3"]


async def test_a_vault_that_another_program_holds_is_said(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not "damaged": the next step is to find the holder. Afterwards all is well."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    vault = await opened()
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        for refused in (secrets(vault), opened()):
            with pytest.raises(VaultUnwritable, match="Another program holds the vault"):
                await refused
        holder.execute("ROLLBACK")

    assert await secrets(vault) == {}


async def test_a_purge_that_cannot_be_whole_is_said(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While another program reads an old state, the log keeps it; once it has gone the purge works."""
    monkeypatch.setattr(database, "BUSY_SECONDS", 0.01)
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("a"))
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM apps").fetchall()
        async with vault.transaction() as tx:
            await apps.put(tx, app("b"))
        with pytest.raises(VaultUnwritable, match="Another program holds the vault"):
            await vault.purge()
        reader.execute("COMMIT")
    await vault.purge()

    assert (tmp_path / "vault" / f"{FILE_NAME}-wal").stat().st_size == 0


async def test_a_row_shows_no_secret_in_its_repr(opened: Open) -> None:
    """A row may stand in a traceback."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, app("a", secret="s3cret"))
        assert "s3cret" not in repr(await tx.rows(APPS))
