"""The laws of backups: whole and proven when they have their name, refused for the smallest harm, and never over a newer vault."""

import asyncio
import hashlib
import io
import json
import os
import shutil
import stat
import struct
from contextlib import suppress
from pathlib import Path
from typing import TypedDict

import pytest

from meshmesh_storage import backup, backup_file, fingerprint, restored, unpacking
from meshmesh_storage.backup_file import PIECE, Cipher, Head
from meshmesh_storage.errors import BackupBroken, BackupOlder, KeyUnavailable
from meshmesh_storage.passphrase import PassphraseKey, derive_key
from meshmesh_storage.unpacking import Contents
from meshmesh_storage.vault import FILE_NAME, Vault
from support.full_vault import NOW, WEAK, FullVault, entry, full_vault, key_file

PASSPHRASE = "the backup's passphrase"


@pytest.fixture(autouse=True)
def weak(monkeypatch: pytest.MonkeyPatch) -> None:
    """A try costs next to nothing here; what a real one costs, a vector and the constant say."""
    monkeypatch.setattr(backup_file, "STRONG", WEAK)


async def written(it: FullVault, home: Path) -> Path:
    """A backup of a vault, in its home."""
    path = home / "backup"
    await backup.write(it.vault, it.rows, path, PASSPHRASE, folder=home / "vault", now=NOW)
    return path


async def put_back(
    home: Path, file: Path, *, force: bool = False, passphrase: str = PASSPHRASE
) -> tuple[Contents, Path]:
    """Restore a backup into a home whose vault is closed."""

    async def stop() -> None:
        """It is closed already."""

    return await unpacking.restore(
        file,
        passphrase,
        home / "vault",
        key_file(home),
        present=await Vault.look(home / "vault"),
        force=force,
        now=NOW,
        stop=stop,
    )


def files(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, by name."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- Writing -------------------------------------------------------------------------------------------------------


async def test_a_backup_is_private_and_leaves_nothing_else(tmp_path: Path) -> None:
    """0600, one file, no copy beside the vault; and no name, no token of what is in it stands there in the clear."""
    async with full_vault(tmp_path) as it:
        await it.fill()
        before = set(os.listdir(tmp_path / "vault"))
        path = await written(it, tmp_path)

        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert set(os.listdir(tmp_path / "vault")) == before
        assert {one.name for one in tmp_path.iterdir()} == {"vault", "keys", "backup"}
        await it.check()
    raw = path.read_bytes()
    assert not [word for word in (b"acme", b"SQLite", b"vault.db", b"refresh-1", b"row 1") if word in raw]


async def test_a_backup_is_of_one_moment_while_all_goes_on(tmp_path: Path) -> None:
    """What is written meanwhile is in it or not, and what is in it is whole; nobody waits for its end."""
    async with full_vault(tmp_path) as it:
        await it.fill(rows=500)

        async def live() -> None:
            for number in range(10):
                await it.rows.append([entry(number)])
                async with it.vault.transaction() as tx:
                    tx.touch()

        path, _ = await asyncio.gather(written(it, tmp_path), live())
        async with unpacking.unpacked(path, PASSPHRASE, tmp_path / "vault") as (contents, _):
            assert 500 <= contents.rows <= 510
            assert contents.remark is None


async def test_nothing_is_written_over(tmp_path: Path) -> None:
    """A file that is there stays, whatever it is."""
    async with full_vault(tmp_path) as it:
        await it.fill()
        (tmp_path / "backup").write_text("something of mine")
        with pytest.raises(FileExistsError):
            await written(it, tmp_path)
    assert (tmp_path / "backup").read_text() == "something of mine"


async def test_a_backup_that_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk, say: no half file, no copies, and the vault goes on."""

    def refuse(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    async with full_vault(tmp_path) as it:
        await it.fill()
        monkeypatch.setattr(backup_file, "write", refuse)
        with pytest.raises(OSError, match="No space"):
            await written(it, tmp_path)
        await it.check()
    assert {one.name for one in tmp_path.iterdir()} == {"vault", "keys"}
    assert set(os.listdir(tmp_path / "vault")) == {FILE_NAME, fingerprint.FILE_NAME, "activity.db"}


# --- Restoring -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("elsewhere", [False, True], ids=["here", "another machine"])
async def test_what_was_backed_up_is_there_again(elsewhere: bool, tmp_path: Path) -> None:
    """On the same machine or another one, under that one's key; the vault that was there is moved aside, whole."""
    async with full_vault(tmp_path / "old") as it:
        await it.fill()
        path = await written(it, tmp_path / "old")
    home = tmp_path / ("new" if elsewhere else "old")
    home.mkdir(exist_ok=True)
    if not elsewhere:
        (home / "vault" / "activity.db-tail").touch(mode=0o600)  # as after a crash
    before = {} if elsewhere else files(home / "vault")
    contents, aside = await put_back(home, path)

    assert (contents.connections, contents.rows, contents.remark) == (("acme", "globex"), 3, None)
    assert (files(aside) if aside.exists() else {}) == before
    async with full_vault(home) as it:
        await it.check()
        await it.rows.append([entry(4)])
        await it.check(rows=4)


async def test_a_backup_of_a_rotated_vault_holds_its_keys(tmp_path: Path) -> None:
    """A rotation that is under way has two data keys, and the backup has both."""
    from meshmesh_storage import rekeying

    async with full_vault(tmp_path) as it:
        await it.fill()
        await rekeying.add_data_key(it.vault, now=NOW)
        path = await written(it, tmp_path)
    await put_back(tmp_path, path)
    async with full_vault(tmp_path) as it:
        assert rekeying.is_pending(it.vault)
        await it.check()


async def test_a_newer_vault_is_not_replaced_unasked(tmp_path: Path) -> None:
    """It has changed since; only who says so gets the older one."""
    async with full_vault(tmp_path) as it:
        await it.fill()
        path = await written(it, tmp_path)
        await it.vault.try_again()
    before = files(tmp_path / "vault")
    with pytest.raises(BackupOlder, match="has changed since"):
        await put_back(tmp_path, path)

    assert files(tmp_path / "vault") == before
    _, aside = await put_back(tmp_path, path, force=True)
    assert files(aside) == before


async def test_another_vault_is_not_replaced_unasked(tmp_path: Path) -> None:
    """Two machines are two vaults."""
    async with full_vault(tmp_path / "one") as it:
        await it.fill()
        path = await written(it, tmp_path / "one")
    async with full_vault(tmp_path / "two") as it:
        await it.fill()
    with pytest.raises(BackupOlder, match="another vault"):
        await put_back(tmp_path / "two", path)


async def test_a_key_that_cannot_be_had_changes_nothing(tmp_path: Path) -> None:
    """The restored vault gets its key before anything is moved."""
    async with full_vault(tmp_path) as it:
        await it.fill()
        path = await written(it, tmp_path)
    (tmp_path / "keys" / "master.key").write_bytes(b"no key")
    before = files(tmp_path)
    with pytest.raises(KeyUnavailable):
        await put_back(tmp_path, path)
    assert files(tmp_path) == before


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of a small vault, to be harmed in copies."""
    home = tmp_path_factory.mktemp("small")

    async def make() -> None:
        async with full_vault(home) as it:
            await it.fill()
            await written(it, home)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(backup_file, "STRONG", WEAK)
        asyncio.run(make())
    return home / "backup"


def sized(raw: bytes, size: int) -> bytes:
    """Cut, or followed by noise."""
    return raw[:size] if size <= len(raw) else raw + b"\0" * (size - len(raw))


def flipped(raw: bytes, at: int) -> bytes:
    """One bit is another."""
    return raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :]


@pytest.mark.parametrize("place", [0.0, 0.001, 0.3, 0.6, 0.99999])
@pytest.mark.parametrize("harm", ["flipped", "cut", "grown"])
async def test_a_harmed_backup_is_refused(harm: str, place: float, small: Path, tmp_path: Path) -> None:
    """One bit anywhere, a cut anywhere, anything behind its end: nothing of it is believed, and nothing changes."""
    raw = small.read_bytes()
    at = int(len(raw) * place)
    spoilt = {"flipped": flipped(raw, at), "cut": sized(raw, at), "grown": sized(raw, len(raw) + 1 + at % 100)}[harm]
    (tmp_path / "spoilt").write_bytes(spoilt)
    (tmp_path / "vault").mkdir(mode=0o700)

    with pytest.raises(BackupBroken):
        await put_back(tmp_path, tmp_path / "spoilt")
    assert files(tmp_path / "vault") == {}


async def test_pieces_cannot_change_places(small: Path, tmp_path: Path) -> None:
    """Each is bound to its number; and a whole piece left out at the end is missed, though the rest is whole."""
    raw = small.read_bytes()
    head = 16 + 16 + 16
    first, second = raw[head:][: PIECE + 16], raw[head + PIECE + 16 :][: PIECE + 16]
    (tmp_path / "vault").mkdir(mode=0o700)
    for spoilt in (raw[:head] + second + first + raw[head + 2 * (PIECE + 16) :], raw[: head + PIECE + 16]):
        (tmp_path / "spoilt").write_bytes(spoilt)
        with pytest.raises(BackupBroken):
            await put_back(tmp_path, tmp_path / "spoilt")


async def test_another_passphrase_opens_nothing(small: Path, tmp_path: Path) -> None:
    """The first piece tells, before anything is unpacked."""
    (tmp_path / "vault").mkdir(mode=0o700)
    with pytest.raises(BackupBroken, match="passphrase"):
        await put_back(tmp_path, small, passphrase="another passphrase")
    assert os.listdir(tmp_path / "vault") == []


def test_a_head_that_asks_for_too_much_is_refused() -> None:
    """A file from elsewhere does not make us take all the memory that there is."""
    for memory_kib, iterations, lanes in ((1 << 31, 1, 1), (64, 1 << 20, 1), (1 << 20, 1, 200), (1, 1, 1)):
        raw = backup_file.MAGIC + struct.pack(">IIII", 1, memory_kib, iterations, lanes) + bytes(16)
        with pytest.raises(BackupBroken):
            list(backup_file.read(io.BytesIO(raw + bytes(16)), PASSPHRASE))


# --- A crash in the middle -----------------------------------------------------------------------------------------


class Killed(Exception):
    """The end, at a step of the test's choice."""


@pytest.mark.parametrize("step", range(1, 7))
async def test_a_restore_that_is_cut_comes_to_one_end(
    step: int, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed at any renaming: the next opening finds the old vault, or the restored one with the old one aside; never none."""
    async with full_vault(tmp_path) as it:
        await it.fill(names=("old",))
    renames = iter(range(1, step))
    real = Path.rename

    def rename(path: Path, target: Path) -> Path:
        if next(renames, None) is None:
            raise Killed
        return real(path, target)

    with monkeypatch.context() as cut:
        cut.setattr(Path, "rename", rename)
        with suppress(Killed):
            await put_back(tmp_path, small, force=True)
    async with full_vault(tmp_path) as it:
        names = await it.names()
        await it.check()
    assert names == (["old"] if step == 1 else ["acme", "globex"])
    if step > 1:
        (aside,) = (path for path in (tmp_path / "vault").iterdir() if path.name.startswith("replaced-"))
        assert {path.name for path in aside.iterdir()} >= {FILE_NAME, "activity.db"}
        assert not (tmp_path / "vault" / restored.READY).exists()


# --- The format ----------------------------------------------------------------------------------------------------


class Sealed(TypedDict):
    """A content and the pieces that it becomes."""

    content: str
    sealed: str


class Long(TypedDict):
    """A content of several pieces, told by its rule."""

    bytes: int
    sealed_sha256: str


class Vector(TypedDict):
    """backup-v1.json, made after the document."""

    passphrase: str
    head: str
    stretched: str
    files: list[Sealed]
    long: Long


VECTOR: Vector = json.loads((Path(__file__).with_name("vectors") / "backup-v1.json").read_text())
HEAD = bytes.fromhex(VECTOR["head"])


def sealed(content: bytes) -> bytes:
    """The file that a content becomes under the vector's head."""
    file = io.BytesIO()
    head = Head.from_bytes(HEAD)
    backup_file.write(file, [content[:7], content[7:]], Cipher(head, VECTOR["passphrase"]))
    return file.getvalue()


def test_the_passphrase_is_stretched_as_written_down() -> None:
    """Argon2id with the head's numbers."""
    head = Head.from_bytes(HEAD)

    assert derive_key(VECTOR["passphrase"], head.salt, head.cost).hex() == VECTOR["stretched"]


@pytest.mark.parametrize("vector", VECTOR["files"])
def test_small_backups_both_ways(vector: Sealed) -> None:
    """The one piece opens, and the same head seals to the same bytes."""
    raw, content = HEAD + bytes.fromhex(vector["sealed"]), bytes.fromhex(vector["content"])

    assert b"".join(backup_file.read(io.BytesIO(raw), VECTOR["passphrase"])) == content
    assert sealed(content) == raw


def test_a_backup_of_several_pieces_both_ways() -> None:
    """Pieces are numbered, and the last one is marked."""
    content = b"".join(hashlib.sha256(struct.pack(">I", number)).digest() for number in range(4099))
    raw = sealed(content)

    assert len(content) == VECTOR["long"]["bytes"]
    assert hashlib.sha256(raw[len(HEAD) :]).hexdigest() == VECTOR["long"]["sealed_sha256"]
    assert b"".join(backup_file.read(io.BytesIO(raw), VECTOR["passphrase"])) == content


def test_a_real_backup_is_not_cheap_to_guess() -> None:
    """256 MiB a try; the floor is 64."""
    from meshmesh_storage import passphrase

    assert passphrase.STRONG.memory_kib >= 64 * 1024
    assert PassphraseKey("any").cost == passphrase.STRONG


async def test_a_vault_that_was_found_ends_in_the_backup_as_it_is(tmp_path: Path) -> None:
    """An empty vault can be backed up too, and opens."""
    async with full_vault(tmp_path) as it:
        path = await written(it, tmp_path)
    shutil.rmtree(tmp_path / "vault")
    (tmp_path / "vault").mkdir(mode=0o700)
    await put_back(tmp_path, path)
    async with full_vault(tmp_path) as it:
        assert await it.names() == []
