"""The laws of the rooms' life, without doors: what keeps a vault closed is said, not touched, and noticed when it is over."""

import asyncio
import base64
import os
import sqlite3
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from meshmesh_bridge.api.status import status_document
from meshmesh_bridge.house import House
from meshmesh_bridge.rooms import furnished
from meshmesh_daemon.adapters.notifications import Heard, NoScreen, Notifications, Pressed
from meshmesh_daemon.core.activity import OWNER
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.settings import Settings, VaultSettings
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage import apps, backup_file, connections, passphrase, rekeying
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.passphrase import PassphraseKey
from meshmesh_storage.vault import Vault
from support.clock import START, FakeClock
from support.floor import ACME, APP
from support.full_vault import WEAK
from support.vaults import paths_of

QUIET = Settings(demo_enabled=False, notifications_enabled=False)
NOBODY = Consent()


@asynccontextmanager
async def standing(
    home: Path, settings: Settings = QUIET, screen: Notifications | None = None
) -> AsyncGenerator[House, None]:
    """A house on a home, without doors."""
    clock = FakeClock()
    house = House(
        settings=settings,
        clock=clock,
        started_at=clock.now(),
        pid=os.getpid(),
        socket_path="",
        port=1717,
        screen=screen or NoScreen(),
    )
    async with furnished(house, paths_of(home)):
        house.ready = True
        yield house


def status(house: House) -> dict[str, object]:
    """What its owner sees."""
    return status_document(house, [])


async def let_time_pass(house: House, seconds: float) -> None:
    """So much time; what it sets off has begun."""
    assert isinstance(house.clock, FakeClock)
    await asyncio.sleep(0)  # whoever is about to sleep does
    await house.clock.advance(seconds)


async def becomes(house: House, vault: str, *, patience: float = 5.0) -> bool:
    """Whether the vault gets into a state soon: what goes by way of the disk's threads takes real time."""
    for _ in range(int(patience / 0.005)):
        if status(house)["vault"] == vault:
            return True
        await asyncio.sleep(0.005)
    return False


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of its own, whose passphrases cost next to nothing."""
    monkeypatch.setenv("MESHMESH_HOME", "/nowhere")
    monkeypatch.setattr(passphrase, "PassphraseKey", partial(PassphraseKey, cost=WEAK))


@pytest.fixture
async def home(tmp_path: Path) -> Path:
    """A home whose vault was made and closed."""
    async with standing(tmp_path):
        pass
    return tmp_path


def another_key(home: Path) -> None:
    """A key of another vault."""
    (home / "config" / "master.key").write_bytes(base64.b64encode(b"k" * 32))


def no_key(home: Path) -> None:
    """The key file is lost."""
    (home / "config" / "master.key").unlink()


def broken_page(home: Path) -> None:
    """A page of the database is noise."""
    with (home / "data" / "vault.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096)


def newer_program(home: Path) -> None:
    """A later version wrote it, and the person went back to this one."""
    with closing(sqlite3.connect(home / "data" / "vault.db", isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 999")


def disk_away(home: Path) -> None:
    """The disk is not mounted: an empty folder stands in its place."""
    for file in (home / "data").iterdir():
        file.unlink()


def log_alone(home: Path) -> None:
    """The database is gone, and its log is there."""
    (home / "data" / "vault.db").rename(home / "data" / "vault.db-wal")


def broken_activity(home: Path) -> None:
    """The activity is noise."""
    (home / "data" / "activity.db").write_bytes(b"noise" * 4096)


DAYS: list[tuple[Callable[[Path], None], str, str]] = [
    (another_key, "does not belong to the vault", "right key"),
    (no_key, "key is missing", "A new key cannot open an old vault"),
    (broken_page, "damaged", "Put back a backup"),
    (newer_program, "A newer MeshMesh wrote this vault", "Install that version again"),
    (disk_away, "is not there any more", "restore a backup"),
    (log_alone, "damaged", "Put back a backup"),
    (broken_activity, "activity", "Put a backup back"),
]


@pytest.mark.parametrize(("harm", "detail", "step"), DAYS, ids=lambda value: getattr(value, "__name__", ""))
async def test_a_vault_that_does_not_open_is_told_and_not_touched(
    harm: Callable[[Path], None], detail: str, step: str, home: Path
) -> None:
    """The status has the sentence and the next step, callers get the same, no byte changes, and nothing new is begun."""
    harm(home)
    before = {path: path.read_bytes() for path in (home / "data").iterdir()}
    async with standing(home) as house:
        told = status(house)
        with pytest.raises(Problem) as refused:
            _ = house.rooms
        await let_time_pass(house, 30)

    assert told["vault"] == "trouble"
    assert detail in str(told["detail"])
    assert step in str(told["next"])
    assert (refused.value.status, refused.value.code, refused.value.detail) == (503, "vault_trouble", told["detail"])
    assert {path: path.read_bytes() for path in (home / "data").iterdir()} == before


async def test_a_disk_that_comes_back_is_noticed(home: Path) -> None:
    """Mounted after us, or plugged in again: the rooms open by themselves."""
    (home / "data").rename(home / "unplugged")
    async with standing(home) as house:
        assert status(house)["vault"] == "trouble"
        (home / "data").rmdir()
        (home / "unplugged").rename(home / "data")
        await let_time_pass(house, 6)
        assert await becomes(house, "unlocked")


async def test_files_that_are_taken_away_while_it_runs_are_missed(home: Path) -> None:
    """SQLite would write on into files without a name, and all of it would be lost at the end; put back, all is well."""
    async with standing(home) as house:
        (home / "data" / "vault.db").rename(home / "data" / "elsewhere")
        with pytest.raises(Exception, match="taken away"):
            await house.rooms.pins.put("a pin", None)
        assert status(house)["vault"] == "trouble"
        assert "taken away" in str(status(house)["detail"])
        (home / "data" / "elsewhere").rename(home / "data" / "vault.db")
        await let_time_pass(house, 11)
        assert await becomes(house, "unlocked")


async def test_a_lost_log_is_missed(home: Path) -> None:
    """The log holds what was written last; a service that runs notices that it has lost its name."""
    async with standing(home) as house:
        (home / "data" / "vault.db-wal").unlink()
        with pytest.raises(Exception, match="taken away"):
            await house.rooms.pins.put("a pin", None)
        assert status(house)["vault"] == "trouble"


async def test_a_clock_that_was_set_back_harms_nothing(home: Path) -> None:
    """Rows and digests are counted, not timed: a day that comes twice is written, proven, and opened again."""
    async with standing(home) as house:
        assert isinstance(house.clock, FakeClock)
        house.clock.jump(-400 * 24 * 3600)
        await house.rooms.pins.put("a pin", None)
        await house.rooms.strongbox.rotate()
        assert (await house.rooms.activity.verify()).whole
    async with standing(home) as house:
        assert status(house)["vault"] == "unlocked"
        assert house.rooms.pins.is_set


# --- Locked at login -----------------------------------------------------------------------------------------------

BY_PASSPHRASE = replace(QUIET, vault=VaultSettings(key="passphrase"))


async def test_a_passphrase_is_chosen_before_there_is_a_vault(tmp_path: Path) -> None:
    """Where it is to be a passphrase, nothing is made under another key; afterwards only the passphrase opens it, at each start."""
    async with standing(tmp_path, BY_PASSPHRASE) as house:
        assert status(house)["vault"] == "locked"
        assert not list((tmp_path / "data").iterdir())
        assert house.keeping is not None
        await house.keeping.choose_passphrase("open sesame")
        assert (status(house)["vault"], status(house)["key"]) == ("unlocked", "passphrase")
        assert not (tmp_path / "config" / "master.key").exists()
    async with standing(tmp_path, BY_PASSPHRASE) as house:
        assert house.keeping is not None
        assert status(house)["vault"] == "locked"
        with pytest.raises(Problem) as refused:
            await house.keeping.choose_passphrase("another one")
        assert refused.value.code != "internal"
        await house.keeping.unlock("open sesame", NOBODY)
        assert status(house)["vault"] == "unlocked"


async def test_wrong_passphrases_make_one_wait_longer_and_longer(tmp_path: Path) -> None:
    """Five tries, then a wait that doubles; a right one does not count while one must wait, and ends it afterwards."""
    async with standing(tmp_path, BY_PASSPHRASE) as house:
        keeping = house.keeping
        assert keeping is not None
        await keeping.choose_passphrase("open sesame")
        await keeping.lock(OWNER)
        codes: list[str] = []
        for typed in (*["a wrong one"] * 5, "open sesame"):
            with pytest.raises(Problem) as refused:
                await keeping.unlock(typed, NOBODY)
            codes.append(refused.value.code)
        await let_time_pass(house, 31)
        await keeping.unlock("open sesame", NOBODY)

    assert codes == ["presence_required"] * 5 + ["rate_limited"]


async def test_an_idle_house_locks_itself(tmp_path: Path) -> None:
    """After so long without a caller; a caller in between begins the time anew."""
    settings = replace(BY_PASSPHRASE, vault=VaultSettings(key="passphrase", lock_after_seconds=60))
    async with standing(tmp_path, settings) as house:
        assert house.keeping is not None
        await house.keeping.choose_passphrase("open sesame")
        await let_time_pass(house, 50)
        house.used_at = house.clock.monotonic()  # as every admitted caller does
        await let_time_pass(house, 50)
        assert status(house)["vault"] == "unlocked"
        await let_time_pass(house, 15)
        assert await becomes(house, "locked")


@pytest.mark.parametrize("settings", [QUIET, BY_PASSPHRASE], ids=["open", "locked"])
async def test_who_is_idle_sleeps(settings: Settings, tmp_path: Path) -> None:
    """Nobody looks again and again: in ten minutes the watcher wakes ten times, and while the vault is locked not even it does."""
    async with standing(tmp_path, settings) as house:
        assert isinstance(house.clock, FakeClock)
        await let_time_pass(house, 60)
        before = house.clock.naps
        await let_time_pass(house, 600)

        assert house.clock.naps - before == (10 if house.rooms_if_open else 0)


async def test_a_person_s_lock_holds_though_the_disk_was_away_before(home: Path) -> None:
    """What opened by itself once, after trouble, does not undo what its owner does later."""
    (home / "data").rename(home / "unplugged")
    async with standing(home) as house:
        (home / "data").rmdir()
        (home / "unplugged").rename(home / "data")
        await let_time_pass(house, 6)
        assert await becomes(house, "unlocked")
        assert house.keeping is not None
        await house.keeping.lock(OWNER)
        await let_time_pass(house, 60)

        assert status(house)["vault"] == "locked"


async def test_an_instance_apart_leaves_the_keyring_alone(home: Path) -> None:
    """With a home of its own it takes the key file; a vault whose key is in the keyring says what is missing."""
    assert (home / "config" / "master.key").is_file()
    with closing(sqlite3.connect(home / "data" / "vault.db", isolation_level=None)) as db:
        note = b'{"kind":"keyring","name":"vault 00"}'
        db.execute("UPDATE meta SET value = ? WHERE key = 'key_source'", (note,))
    async with standing(home) as house:
        told = status(house)

    assert told["vault"] == "trouble"
    assert "does not touch your keyring" in str(told["detail"])
    assert 'key = "keyring"' in str(told["next"])


async def test_a_restore_that_is_refused_leaves_the_rooms_open(home: Path) -> None:
    """Nothing is closed before all was checked."""
    async with standing(home) as house:
        (home / "no backup").write_bytes(b"meshmesh-backup\n and noise" * 9)
        rooms = house.rooms
        assert house.keeping is not None
        for file in (home / "no backup", home / "nothing"):
            with pytest.raises(Problem) as refused:
                await house.keeping.restore(file, "any passphrase", force=True)
            assert refused.value.status == 422
        assert house.rooms is rooms


async def test_a_backup_is_put_back_while_the_house_stands(serious: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused over what has changed since; forced, the rooms open with what was backed up, and the other vault lies aside."""
    monkeypatch.setattr(backup_file, "STRONG", WEAK)
    async with standing(serious) as house:
        assert house.keeping is not None
        made = await house.rooms.strongbox.backup(serious / "backup", "the backup's")
        await house.rooms.connections.rename(ACME.id, "other")
        with pytest.raises(Problem) as refused:
            await house.keeping.restore(serious / "backup", "the backup's", force=False)
        assert (refused.value.status, refused.value.code) == (409, "backup_older")
        assert [one.name for one in await house.rooms.connections.all()] == ["other"]
        restored = await house.keeping.restore(serious / "backup", "the backup's", force=True)
        assert [one.name for one in await house.rooms.connections.all()] == ["acme"]
        assert (made.connections, restored.connections) == (("acme",), ("acme",))
        assert restored.aside is not None
        assert "may be dead" in restored.notes[0]
        told = await house.rooms.activity.page(after=0, limit=100)
        assert told[-1].entry is not None
        assert told[-1].entry.action == "vault.restored"


async def test_a_rotation_that_a_crash_cut_goes_on_at_the_start(serious: Path) -> None:
    """Nobody has to remember it."""
    vault = await Vault.open(serious / "data", KeyFile(serious / "config" / "master.key"), now=START)
    await rekeying.add_data_key(vault, now=START)
    await vault.close()
    async with standing(serious):
        for _ in range(400):
            header = await Vault.look(serious / "data")
            if header is not None and set(header.wrapped) == {0, 2}:
                return
            await asyncio.sleep(0.01)
    raise AssertionError("the old data key is still there")


# --- The screen ----------------------------------------------------------------------------------------------------


class Screen:
    """A screen with buttons, and what is on it."""

    has_buttons = True

    def __init__(self) -> None:
        self.shown: dict[str, Notice] = {}
        self.ever: list[str] = []
        self._heard: dict[str, Heard] = {}

    def show(self, notice: Notice, heard: Heard) -> None:
        """Put it there."""
        self.shown[notice.key] = notice
        self.ever.append(notice.title)
        self._heard[notice.key] = heard

    def withdraw(self, key: str) -> None:
        """Take it off."""
        self.shown.pop(key, None)

    def press(self, button: str) -> None:
        """The person presses a button of the one notice."""
        ((key, _),) = self.shown.items()
        self._heard[key](Pressed(key, button))


async def test_locked_at_login_is_told_once(tmp_path: Path) -> None:
    """One notice, with the way out, until it is open; a lock by its owner is no news to them."""
    screen = Screen()
    async with standing(tmp_path, BY_PASSPHRASE) as house:
        assert house.keeping is not None
        await house.keeping.choose_passphrase("open sesame")
    async with standing(tmp_path, BY_PASSPHRASE, screen) as house:
        keeping = house.keeping
        assert keeping is not None
        (notice,) = screen.shown.values()
        assert (notice.title, notice.command) == ("MeshMesh is locked", "meshmesh unlock")
        await let_time_pass(house, 60)
        await keeping.unlock("open sesame", NOBODY)
        assert screen.shown == {}
        await keeping.lock(OWNER)
        assert screen.ever == ["MeshMesh is locked"]


@pytest.fixture
async def serious(home: Path) -> Path:
    """A home with a connection that is not the demo, and without a PIN."""
    vault = await Vault.open(home / "data", KeyFile(home / "config" / "master.key"), now=START)
    async with vault.transaction() as tx:
        await apps.put(tx, APP)
        await connections.insert(tx, ACME)
    await vault.close()
    return home


async def test_the_button_unlocks(serious: Path) -> None:
    """Without patience the refusal names the button; with it, Approve opens and Deny does not."""
    screen = Screen()
    async with standing(serious, QUIET, screen) as house:
        keeping = house.keeping
        assert keeping is not None
        await keeping.lock(OWNER)
        screen.shown.clear()
        with pytest.raises(Problem) as refused:
            await keeping.unlock(None, NOBODY)
        assert refused.value.members == {"ways": ["notification"]}
        for button, state in (("deny", "locked"), ("approve", "unlocked")):
            asked = asyncio.create_task(keeping.unlock(None, Consent(wait=30)))
            while not screen.shown:
                await asyncio.sleep(0.001)
            screen.press(button)
            await asyncio.wait({asked})
            assert (asked.exception() is None) == (state == "unlocked")
            assert status(house)["vault"] == state


async def test_a_stored_key_that_was_locked_does_not_open_by_itself(serious: Path) -> None:
    """What is tried again after trouble is nothing that a person has locked."""
    async with standing(serious, QUIET, Screen()) as house:
        assert house.keeping is not None
        await house.keeping.lock(OWNER)
        await let_time_pass(house, 120)
        assert not await becomes(house, "unlocked", patience=0.2)
