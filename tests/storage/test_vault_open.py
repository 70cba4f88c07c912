"""The laws of opening: a vault is made whole, opens with its own key only, and a refusal changes nothing on disk."""

import asyncio
import base64
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from meshmesh_storage import apps, database, fingerprint, schema
from meshmesh_storage.errors import (
    KeyUnavailable,
    SchemaTooNew,
    UnsafePath,
    VaultCorrupt,
    VaultError,
    VaultTampered,
    VaultUnwritable,
    WrongKey,
)
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App
from meshmesh_storage.vault import FILE_NAME, Vault
from support.vaults import NOW, Open

SUFFIXES = ("", *database.SIDE_FILES)
Scene = dict[str, tuple[bytes, int, int]]


async def furnished(opened: Open, home: Path, *, crashed: bool) -> None:
    """A vault with a row in it; `crashed` leaves the log, the index and all that a kill leaves."""
    vault = await opened()
    async with vault.transaction() as tx:
        await apps.put(tx, App(id="a1", client_id="client", created_at=NOW))
    if crashed:
        shutil.copytree(home / "vault", home / "as it was")
    await vault.close()
    if crashed:
        shutil.rmtree(home / "vault")
        (home / "as it was").rename(home / "vault")
        assert (home / "vault" / f"{FILE_NAME}-wal").stat().st_size > 0


def scene(home: Path) -> Scene:
    """Every file: its bytes, its mode and when it was written."""
    return {
        str(path.relative_to(home)): (path.read_bytes(), path.stat().st_mode, path.stat().st_mtime_ns)
        for path in home.rglob("*")
        if path.is_file() and not path.is_symlink()
    }


def wrong_key(home: Path) -> None:
    """Another vault's key."""
    (home / "keys" / "vault.key").write_bytes(base64.b64encode(bytes(32)))


def no_key(home: Path) -> None:
    """The key is lost."""
    (home / "keys" / "vault.key").unlink()


def broken_key(home: Path) -> None:
    """A key file that holds no key."""
    (home / "keys" / "vault.key").write_bytes(b"half a k")


def too_new(home: Path) -> None:
    """A newer version wrote the vault: byte 60 of an SQLite file is the user version."""
    overwrite(home, 60, (99).to_bytes(4, "big"))


def not_ours(home: Path) -> None:
    """Byte 68 of an SQLite file is the application id."""
    overwrite(home, 68, bytes(4))


def no_format(home: Path) -> None:
    """Format 0 with tables in it: no vault of ours ever was like that."""
    overwrite(home, 60, bytes(4))


def not_sqlite(home: Path) -> None:
    """The magic is gone."""
    overwrite(home, 0, b"no database!")


def empty(home: Path) -> None:
    """A file of no bytes: never a trace of our own crash."""
    os.truncate(home / "vault" / FILE_NAME, 0)


def overwrite(home: Path, at: int, content: bytes) -> None:
    """Write into the file behind SQLite's back; its log would cover that up, so it goes."""
    for suffix in ("-wal", "-shm"):
        (home / "vault" / f"{FILE_NAME}{suffix}").unlink(missing_ok=True)
    with (home / "vault" / FILE_NAME).open("r+b") as file:
        file.seek(at)
        file.write(content)


REFUSALS: list[tuple[Callable[[Path], None], type[VaultError]]] = [
    (wrong_key, WrongKey),
    (no_key, KeyUnavailable),
    (broken_key, KeyUnavailable),
    (too_new, SchemaTooNew),
    (not_ours, VaultCorrupt),
    (no_format, VaultCorrupt),
    (not_sqlite, VaultCorrupt),
    (empty, VaultCorrupt),
]


@pytest.mark.parametrize("crashed", [False, True])
@pytest.mark.parametrize(("spoil", "error"), REFUSALS)
async def test_a_refusal_changes_no_byte(
    spoil: Callable[[Path], None], error: type[VaultError], crashed: bool, opened: Open, tmp_path: Path
) -> None:
    """Every file, log and index included, is as it was, and no key is made; also where a crash left a log behind."""
    await furnished(opened, tmp_path, crashed=crashed)
    spoil(tmp_path)
    before = scene(tmp_path)

    with pytest.raises(error) as refused:
        await opened()
    assert scene(tmp_path) == before
    assert refused.value.next_step


async def test_the_right_key_opens_again_after_a_wrong_one(opened: Open, tmp_path: Path) -> None:
    """A wrong key costs nothing: with the right one everything is there."""
    await furnished(opened, tmp_path, crashed=True)
    key = (tmp_path / "keys" / "vault.key").read_bytes()
    wrong_key(tmp_path)
    with pytest.raises(WrongKey):
        await opened()
    (tmp_path / "keys" / "vault.key").write_bytes(key)

    vault = await opened()
    async with vault.transaction() as tx:
        assert [app.id for app in await apps.load_all(tx)] == ["a1"]
    await vault.close()


async def test_a_key_without_a_vault_begins_a_vault(opened: Open, tmp_path: Path) -> None:
    """The key is made first, so a crash between the two leaves just this; the key is kept."""
    key = await KeyFile(tmp_path / "keys" / "vault.key").create()
    await furnished(opened, tmp_path, crashed=False)

    assert await KeyFile(tmp_path / "keys" / "vault.key").load() == key
    await (await opened()).close()


async def test_the_key_is_on_disk_before_the_vault(tmp_path: Path) -> None:
    """A vault never stands there whose key could still be lost."""

    class Watched(KeyFile):
        """A key file that looks at the vault's folder when it is asked for a new key."""

        async def create(self) -> bytes:
            """The vault must not be there yet."""
            assert not any((tmp_path / "vault").iterdir())
            return await super().create()

    vault = await Vault.open(tmp_path / "vault", Watched(tmp_path / "keys" / "vault.key"), now=NOW)
    await vault.close()


async def test_a_crash_while_a_vault_is_made_leaves_nothing_in_the_way(opened: Open, tmp_path: Path) -> None:
    """Half-made files have another name; they are cleared away and the vault is made."""
    (tmp_path / "vault").mkdir(mode=0o700)
    for suffix in SUFFIXES:
        (tmp_path / "vault" / f"{FILE_NAME}.new{suffix}").write_bytes(b"half made")
    await furnished(opened, tmp_path, crashed=False)

    assert {path.name for path in (tmp_path / "vault").iterdir()} == {FILE_NAME, fingerprint.FILE_NAME}


async def test_a_copy_that_a_crash_left_behind_is_cleared_away(opened: Open, tmp_path: Path) -> None:
    """The copy that is read after a crash does not stay, even if the reader was killed over it."""
    await furnished(opened, tmp_path, crashed=True)
    (tmp_path / "vault" / f"{FILE_NAME}.look").mkdir()
    (tmp_path / "vault" / f"{FILE_NAME}.look" / FILE_NAME).write_bytes(b"old copy")
    await (await opened()).close()

    assert {path.name for path in (tmp_path / "vault").iterdir()} == {FILE_NAME, fingerprint.FILE_NAME}


async def test_a_log_without_its_vault_is_not_begun_over(opened: Open, tmp_path: Path) -> None:
    """SQLite would play an old log into a new file."""
    await furnished(opened, tmp_path, crashed=True)
    (tmp_path / "vault" / FILE_NAME).unlink()
    before = scene(tmp_path)

    with pytest.raises(VaultCorrupt):
        await opened()
    assert scene(tmp_path) == before


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("harm", ["link", "mode", "owner", "folder"])
async def test_an_unsafe_vault_file_is_refused(suffix: str, harm: str, opened: Open, tmp_path: Path) -> None:
    """The database, its log, its index and its journal: a link, a wider mode, another owner, a folder."""
    await furnished(opened, tmp_path, crashed=True)
    path = tmp_path / "vault" / f"{FILE_NAME}{suffix}"
    if harm == "owner" and os.geteuid() != 0:
        pytest.skip("only root can give a file away")
    path.touch(0o600)
    match harm:
        case "link":
            path.rename(tmp_path / "real")
            path.symlink_to(tmp_path / "real")
        case "mode":
            path.chmod(0o640)
        case "owner":
            os.chown(path, 4242, -1)
        case _:
            path.unlink()
            path.mkdir(mode=0o700)
    before = scene(tmp_path)

    with pytest.raises(UnsafePath) as refused:
        await opened()
    assert str(path) in refused.value.next_step
    assert scene(tmp_path) == before


async def test_an_open_folder_is_refused(opened: Open, tmp_path: Path) -> None:
    """The vault's folder is the owner's alone."""
    await furnished(opened, tmp_path, crashed=False)
    (tmp_path / "vault").chmod(0o755)

    with pytest.raises(UnsafePath, match="open to other users"):
        await opened()


async def test_damage_in_any_page_is_noticed(opened: Open, tmp_path: Path) -> None:
    """A page of noise in place of any page in use is refused by name, and never read as if it were right."""
    await furnished(opened, tmp_path, crashed=False)
    whole = (tmp_path / "vault" / FILE_NAME).read_bytes()
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME)) as db:
        (page,) = db.execute("PRAGMA page_size").fetchone()
    for number in range(len(whole) // page):
        (tmp_path / "vault" / FILE_NAME).write_bytes(
            whole[: number * page] + b"\xa5" * page + whole[(number + 1) * page :]
        )
        with pytest.raises((VaultCorrupt, VaultTampered)):
            await opened()


async def test_keys_that_are_damaged_are_not_called_a_wrong_key(opened: Open, tmp_path: Path) -> None:
    """The key check still says that the key is right, so a person does not look for another."""
    await furnished(opened, tmp_path, crashed=False)
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute("UPDATE keys SET wrapped = zeroblob(60) WHERE id = 1")

    with pytest.raises(VaultCorrupt, match="keys are not whole"):
        await opened()


async def test_the_promises_about_the_disk_are_kept_by_sqlite(opened: Open, tmp_path: Path) -> None:
    """The settings are asked back: a write-ahead log, synced at each commit, deleted bytes overwritten."""
    await furnished(opened, tmp_path, crashed=False)
    db = await database.connect(tmp_path / "vault" / FILE_NAME)
    wanted = {"journal_mode": "wal", "synchronous": 2, "fullfsync": 1, "secure_delete": 1, "temp_store": 2}
    wanted |= {"cache_size": -256}  # of a large vault no second copy stays in memory
    found = {name: await database.value(db, f"PRAGMA {name}") for name in wanted}
    await db.close()

    assert found == wanted


async def test_a_setting_that_does_not_take_is_said(tmp_path: Path) -> None:
    """A database in memory cannot have a log, as some network file systems cannot; no promise is made then."""
    with pytest.raises(VaultUnwritable, match="journal_mode"):
        await database.connect(tmp_path / ":memory:", options="mode=memory")


async def test_sqlite_is_not_let_make_a_vault(tmp_path: Path) -> None:
    """A vault that vanished between check and open is an error, not a new and empty one."""
    before = set(threading.enumerate())
    with pytest.raises(sqlite3.OperationalError):
        await database.connect(tmp_path / FILE_NAME)
    assert not any(tmp_path.iterdir())
    while any("_connection_worker" in thread.name for thread in set(threading.enumerate()) - before):
        await asyncio.sleep(0)  # aiosqlite does not wait for its thread here, and the thread needs the loop once more


async def test_an_older_format_is_brought_up_to_date(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Migrations are applied once, in order, and the rows are as they were."""
    await furnished(opened, tmp_path, crashed=False)
    later = "CREATE TABLE later (id TEXT PRIMARY KEY) STRICT"
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, (later,)))
    monkeypatch.setattr(schema, "LATEST", schema.LATEST + 1)
    for _ in range(2):
        vault = await opened()
        async with vault.transaction() as tx:
            assert [app.id for app in await apps.load_all(tx)] == ["a1"]
        await vault.close()

    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.LATEST,)
        assert db.execute("SELECT count(*) FROM later").fetchone() == (0,)


async def test_a_vault_that_was_tampered_with_is_not_migrated(
    opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at the digests and the migration are one transaction."""
    await furnished(opened, tmp_path, crashed=False)
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute("DELETE FROM apps")
    monkeypatch.setattr(schema, "MIGRATIONS", (*schema.MIGRATIONS, ("CREATE TABLE later (id TEXT) STRICT",)))
    monkeypatch.setattr(schema, "LATEST", schema.LATEST + 1)

    with pytest.raises(VaultTampered):
        await opened()
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (schema.LATEST - 1,)
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'later'").fetchone() == (0,)


async def test_a_closed_vault_says_so(opened: Open, tmp_path: Path) -> None:
    """Closing twice is fine; using it afterwards is a typed refusal; on disk only the file and its fingerprint are left."""
    vault = await opened()
    await vault.close()
    await vault.close()

    with pytest.raises(VaultUnwritable, match="closed"):
        async with vault.transaction():
            pass
    with pytest.raises(VaultUnwritable, match="closed"):
        await vault.purge()
    assert {path.name for path in (tmp_path / "vault").iterdir()} == {FILE_NAME, fingerprint.FILE_NAME}
