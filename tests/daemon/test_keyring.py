"""The laws of the keyring: a real one or none, never a prompt, and whatever it does, an answer in time."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from meshmesh_daemon.adapters import keyring as adapter
from meshmesh_daemon.adapters.key_sources import KeySources, PassphraseMissing
from meshmesh_daemon.adapters.keyring import NoKeyring, SystemKeyring
from meshmesh_storage.credential import NAME as CREDENTIAL
from meshmesh_storage.errors import KeyLocked, KeyUnavailable
from meshmesh_storage.keyring_key import KeyringKey
from meshmesh_storage.keys import KeyFile
from support.keyring import GnomeKeyring, gnome_keyring


@pytest.fixture(scope="module")
def real() -> Iterator[GnomeKeyring]:
    """A gnome-keyring whose login keyring exists and is open."""
    with tempfile.TemporaryDirectory(prefix="kr") as folder, gnome_keyring(Path(folder)) as session:
        session.unlocked()
        yield session


@pytest.fixture(autouse=True)
def at_the_session(real: GnomeKeyring, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """This process finds that session, and settings of the library that are the test's own."""
    for name, value in real.environ.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))


def asking() -> list[str]:
    """The processes of ours that ask a keyring now."""
    found: list[str] = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has just ended
            parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
            if int(parent) == os.getpid():
                found.append((folder / "cmdline").read_text())
    return [line for line in found if "keyring_apart" in line]


async def test_what_is_kept_is_found_and_forgotten() -> None:
    """A key lives under its own name, and another name has none."""
    source = KeyringKey(SystemKeyring())
    key = await source.create()
    name = str(source.note["name"])

    assert await KeyringKey(SystemKeyring(), name).load() == key
    assert await KeyringKey(SystemKeyring(), "another").load() is None
    await source.forget()
    assert await KeyringKey(SystemKeyring(), name).load() is None


async def test_two_keys_never_share_a_place() -> None:
    """A new key is not written over an old one, so whatever is cut half way, the old vault opens."""
    first, second = KeyringKey(SystemKeyring()), KeyringKey(SystemKeyring())
    keys = [await first.create(), await second.create()]

    assert [await first.load(), await second.load()] == keys


async def test_a_text_that_is_no_key_is_said() -> None:
    """What somebody else put there is not taken for a key, and not repeated."""
    await SystemKeyring().put("strange", "not a key of ours")
    with pytest.raises(KeyUnavailable) as refused:
        await KeyringKey(SystemKeyring(), "strange").load()
    assert "not a key of ours" not in str(refused.value)


@pytest.mark.parametrize("backend", ["null", "fail", "chainer"])
async def test_what_only_looks_like_a_keyring_is_refused(backend: str, real: GnomeKeyring, tmp_path: Path) -> None:
    """Somebody's own choice of a backend that keeps nothing, or of any beside the list, is no keyring; a real one is not taken instead."""
    config = tmp_path / "python_keyring" / "keyringrc.cfg"
    config.parent.mkdir()
    name = f"keyring.backends.{backend}." + ("ChainerBackend" if backend == "chainer" else "Keyring")
    config.write_text(f"[backend]\ndefault-keyring={name}\n")

    with pytest.raises(NoKeyring):
        await SystemKeyring().check()
    with pytest.raises(NoKeyring):
        await KeyringKey(SystemKeyring()).create()


async def test_no_bus_is_no_keyring(monkeypatch: pytest.MonkeyPatch) -> None:
    """A server without a desktop is told at once that there is none."""
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nowhere/bus")
    with pytest.raises(NoKeyring):
        await SystemKeyring().check()


async def test_a_frozen_keyring_is_waited_for_within_bounds(
    real: GnomeKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service that takes calls and never answers costs seconds, and what waited for it is gone then."""
    monkeypatch.setattr(adapter, "CALL_SECONDS", 0.3)
    monkeypatch.setattr(adapter, "LIMIT_SECONDS", 3.0)
    real.freeze()
    try:
        with pytest.raises(KeyUnavailable, match="does not answer"):
            await SystemKeyring().check()
        monkeypatch.setattr(adapter, "CALL_SECONDS", 60.0)
        with pytest.raises(KeyUnavailable, match="does not answer"):
            await KeyringKey(SystemKeyring(), "any").load()
        assert not asking()
    finally:
        real.end()
        real.unlocked()


@pytest.mark.parametrize("program", ["pass", "print('noise')", "import os; os.abort()"])
async def test_an_answer_that_is_none_is_a_refusal(program: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever becomes of the process that asks: an error of ours, with a next step."""
    monkeypatch.setattr(adapter, "_PROGRAM", ("-c", program))
    with pytest.raises(KeyUnavailable, match="without an answer"):
        await SystemKeyring().get("any")


async def test_a_locked_keyring_says_so_and_nobody_is_asked(real: GnomeKeyring) -> None:
    """It is another state than none at all: the key is there, and waits for the person."""
    source = KeyringKey(SystemKeyring())
    key = await source.create()
    real.end()
    real.locked()
    try:
        with pytest.raises(KeyLocked):
            await source.load()
        with pytest.raises(KeyLocked):
            await KeyringKey(SystemKeyring()).create()
    finally:
        real.end()
        real.unlocked()
    assert await source.load() == key


async def test_a_keyring_that_is_away_is_no_lost_key(real: GnomeKeyring) -> None:
    """Without its service there is no keyring; with it, the key is where it was."""
    source = KeyringKey(SystemKeyring())
    key = await source.create()
    real.end()
    try:
        with pytest.raises(NoKeyring):
            await source.load()
    finally:
        real.unlocked()
    assert await source.load() == key


# --- Which source ----------------------------------------------------------------------------------------------------


def sources(home: Path, *, wanted: str = "auto", apart: bool = False, credential: bool = False) -> KeySources:
    """What a service with a home would choose from."""
    (home / "config").mkdir(mode=0o700, exist_ok=True)
    folder = home / "credentials"
    if credential:
        folder.mkdir(exist_ok=True)
        (folder / CREDENTIAL).write_bytes(b"K" * 32)
    return KeySources(wanted=wanted, config=home / "config", credentials=str(folder), apart=apart)


@pytest.mark.parametrize(
    ("wanted", "apart", "credential", "chosen"),
    [
        ("auto", False, True, "keyring"),
        ("auto", True, True, "credential"),
        ("auto", True, False, "file"),
        ("file", False, True, "file"),
        ("credential", False, True, "credential"),
        ("keyring", True, False, "keyring"),
    ],
)
async def test_a_new_vault_gets_the_best_source_or_the_one_that_was_set(
    wanted: str, apart: bool, credential: bool, chosen: str, tmp_path: Path
) -> None:
    """The keyring, then a credential, then a file; an instance apart takes the keyring only if it is told to."""
    found = await sources(tmp_path, wanted=wanted, apart=apart, credential=credential).first(None)

    assert found.kind == chosen


async def test_without_a_keyring_the_next_one_is_taken(real: GnomeKeyring, tmp_path: Path) -> None:
    """None on this machine: a file. Locked: that is said, and nothing else is taken behind the person's back."""
    real.end()
    try:
        assert (await sources(tmp_path).first(None)).kind == "file"
        with pytest.raises(NoKeyring):
            await sources(tmp_path, wanted="keyring").first(None)
        real.locked()
        with pytest.raises(KeyLocked):
            await sources(tmp_path).first(None)
    finally:
        real.end()
        real.unlocked()


async def test_a_key_without_a_vault_is_kept(tmp_path: Path) -> None:
    """A crash between key and vault left it, or a person put it there for a vault that is to come."""
    key = await KeyFile(tmp_path / "config" / "master.key").create()
    found = await sources(tmp_path).first(None)

    assert (found.kind, await found.load()) == ("file", key)


async def test_a_passphrase_that_was_not_chosen_is_said(tmp_path: Path) -> None:
    """No other source is taken in its place."""
    with pytest.raises(PassphraseMissing):
        await sources(tmp_path, wanted="passphrase").first(None)
    assert (await sources(tmp_path, wanted="passphrase").first("chosen now")).kind == "passphrase"


@pytest.mark.parametrize("note", [{"kind": "moon"}, {}, {"kind": None}])
async def test_a_source_that_is_not_known_is_not_guessed(note: dict[str, object], tmp_path: Path) -> None:
    """A later version may have more of them."""
    with pytest.raises(KeyUnavailable, match="does not know"):
        sources(tmp_path).remembered(note, None)


async def test_a_key_file_that_holds_no_key_makes_room_for_a_restored_vault(tmp_path: Path) -> None:
    """It is moved aside, never written over; a key that is there is used."""
    chosen = sources(tmp_path, wanted="file")
    path = tmp_path / "config" / "master.key"
    path.touch(0o600)
    path.write_bytes(b"scribble")
    restored = await chosen.for_restored({"kind": "file"}, "the backup's")

    assert await restored.load() is None
    assert (tmp_path / "config" / "master.key.damaged").read_bytes() == b"scribble"
    key = await restored.create()
    assert await (await chosen.for_restored(None, "the backup's")).load() == key
