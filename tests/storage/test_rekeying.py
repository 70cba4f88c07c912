"""The laws of other keys: what was sealed opens before, between and after, and an old key opens nothing in the end."""

import asyncio
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from meshmesh_storage import rekeying
from meshmesh_storage.credential import NAME, CredentialKey
from meshmesh_storage.errors import KeyUnavailable, VaultUnwritable, WrongKey
from meshmesh_storage.group import Group
from meshmesh_storage.keys import KeyFile, KeySource
from meshmesh_storage.passphrase import PassphraseKey
from meshmesh_storage.vault import FILE_NAME, Vault
from support.full_vault import NOW, WEAK, entry, full_vault, key_file


def key_ids_on_disk(home: Path) -> set[int]:
    """The ids of the data keys that anything in the vault's files is sealed with."""
    ids: set[int] = set()
    for file, table, columns in (
        (FILE_NAME, "connections", ("profile", "session", "refresh")),
        (FILE_NAME, "apps", ("profile", "secret")),
        (FILE_NAME, "pins", ("profile",)),
        (FILE_NAME, "digest", ("sealed",)),
        ("activity.db", "activity", ("sealed",)),
    ):
        with closing(sqlite3.connect(home / "vault" / file)) as db:
            for row in db.execute(f"SELECT {', '.join(columns)} FROM {table}"):
                ids |= {int.from_bytes(value[1:5], "big") for value in row if value is not None}
    return ids


def wrapped_ids(home: Path) -> list[int]:
    """The ids of the keys that the vault holds."""
    with closing(sqlite3.connect(home / "vault" / FILE_NAME)) as db:
        return [row[0] for row in db.execute("SELECT id FROM keys ORDER BY id")]


async def test_everything_is_sealed_anew_and_the_old_key_is_gone(tmp_path: Path) -> None:
    """After a rotation nothing on disk stands under the old data key, which is not kept; everything opens as before."""
    async with full_vault(tmp_path) as it:
        await it.fill(rows=2500)
        await rekeying.add_data_key(it.vault, now=NOW)
        await rekeying.reseal(it.vault, it.rows)
        assert not rekeying.is_pending(it.vault)
        await it.check(rows=2500)
        await it.rows.append([entry(1)])

    assert key_ids_on_disk(tmp_path) == {2}
    assert wrapped_ids(tmp_path) == [0, 2]
    async with full_vault(tmp_path) as it:
        await it.check(rows=2501)


class Cut(Exception):
    """The test's own accident."""


@pytest.mark.parametrize("step", range(1, 9))
async def test_a_rotation_that_is_cut_goes_on(step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever step is the last one, the vault opens, says that something is left, and goes on to the same end."""
    async with full_vault(tmp_path) as it:
        await it.fill(names=tuple(f"org{number}" for number in range(5)))
        await rekeying.add_data_key(it.vault, now=NOW)
        monkeypatch.setattr(rekeying, "ROWS_AT_ONCE", 2)
        steps = iter(range(1, step + 1))
        real, real_rows = Vault.transaction, it.rows.reseal

        def transaction(vault: Vault) -> object:
            count()
            return real(vault)

        async def reseal(after: int) -> int | None:
            count()
            return await real_rows(after)

        def count() -> None:
            if next(steps, None) is None:
                raise Cut

        with monkeypatch.context() as cut:
            cut.setattr(Vault, "transaction", transaction)
            cut.setattr(it.rows, "reseal", reseal)
            with pytest.raises(Cut):
                await rekeying.reseal(it.vault, it.rows)

    async with full_vault(tmp_path) as it:
        await it.check()
        assert rekeying.is_pending(it.vault)
        await rekeying.reseal(it.vault, it.rows)
        await it.check()
    assert key_ids_on_disk(tmp_path) == {2}


async def test_others_read_and_write_while_it_goes_on(tmp_path: Path) -> None:
    """A rotation takes turns with everybody else, and a row written meanwhile is whole."""
    async with full_vault(tmp_path) as it:
        await it.fill(rows=1500)
        await rekeying.add_data_key(it.vault, now=NOW)

        async def live() -> None:
            for number in range(20):
                await it.names()
                await it.rows.append([entry(number)])

        await asyncio.gather(rekeying.reseal(it.vault, it.rows), live())
        await it.check(rows=1520)
    assert key_ids_on_disk(tmp_path) == {2}


async def test_a_damaged_row_of_the_activity_stays_where_it_is(tmp_path: Path) -> None:
    """A rotation does not mend, and does not stop at, what does not open: the proof names it afterwards as before."""
    async with full_vault(tmp_path) as it:
        await it.fill(rows=3)
    with closing(sqlite3.connect(tmp_path / "vault" / "activity.db", isolation_level=None)) as db:
        db.execute("UPDATE activity SET sealed = zeroblob(60) WHERE seq = 2")
    async with full_vault(tmp_path) as it:
        await rekeying.add_data_key(it.vault, now=NOW)
        await rekeying.reseal(it.vault, it.rows)
        assert (await it.rows.verify()).bad_row == 2


# --- The master key ------------------------------------------------------------------------------------------------


class Places:
    """One source of each kind that needs no desktop."""

    def __init__(self, home: Path) -> None:
        (home / "credentials").mkdir()
        (home / "credentials" / NAME).write_bytes(b"K" * 32)
        self.file = key_file(home)
        self.credential = CredentialKey(home / "credentials")
        self.passphrase = PassphraseKey("open sesame", cost=WEAK)

    def again(self, kind: str) -> KeySource:
        """A source as the next start makes it."""
        if kind == "passphrase":
            return PassphraseKey("open sesame", self.passphrase.note)
        return self.file if kind == "file" else self.credential


@pytest.fixture
def places(tmp_path: Path) -> Places:
    """Where a key can be."""
    return Places(tmp_path)


@pytest.mark.parametrize("path", [("passphrase", "credential", "file"), ("credential", "passphrase", "file")])
async def test_the_key_moves_and_the_old_one_opens_nothing(
    path: tuple[str, ...], places: Places, tmp_path: Path
) -> None:
    """From source to source, with the vault open all the while; each time the key before it is another's."""
    async with full_vault(tmp_path) as it:
        await it.fill()
    old: KeySource = places.file
    for kind in path:
        sources: dict[str, KeySource] = {"passphrase": places.passphrase, "credential": places.credential}
        target = sources.get(kind, places.file)
        async with full_vault(tmp_path, old) as it:
            before = await old.load()
            await rekeying.move(it.vault, target)
            await it.check()
        await old.forget() if isinstance(old, KeyFile) else None
        old = places.again(kind)
        header = await Vault.look(tmp_path / "vault")
        assert header is not None
        assert header.note["kind"] == kind
        async with full_vault(tmp_path, old) as it:
            await it.check()
        assert before is not None
        with pytest.raises(WrongKey):
            header.unlock(before, tmp_path)


async def test_a_move_to_where_no_key_can_be_changes_nothing(tmp_path: Path) -> None:
    """A source that refuses leaves the vault under its key."""
    async with full_vault(tmp_path) as it:
        await it.fill()
        with pytest.raises(KeyUnavailable, match="no credential"):
            await rekeying.move(it.vault, CredentialKey(None))
    async with full_vault(tmp_path) as it:
        await it.check()


async def test_a_move_that_the_disk_refuses_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The key check, the note and every wrapped key change in one transaction, or none of them."""
    async with full_vault(tmp_path) as it:
        await it.fill()

        async def refuse(*_arguments: object) -> None:
            raise VaultUnwritable("full", "empty it")

        with monkeypatch.context() as cut:
            cut.setattr(Group, "commit", refuse)
            with pytest.raises(VaultUnwritable):
                await rekeying.move(it.vault, PassphraseKey("open sesame", cost=WEAK))
    async with full_vault(tmp_path) as it:
        await it.check()


async def test_a_passphrase_is_the_same_however_it_is_spelt(places: Places, tmp_path: Path) -> None:
    """Unicode has two spellings of the same letter, and keyboards differ."""
    composed, apart = PassphraseKey("caf\u00e9 au lait", cost=WEAK), "cafe\u0301 au lait"
    key = await composed.create()

    assert await PassphraseKey(apart, composed.note).load() == key
    assert await PassphraseKey("cafe au lait", composed.note).load() != key


@pytest.mark.parametrize(
    "harm",
    [
        {"salt": 5},
        {"memory_kib": 1 << 30},
        {"memory_kib": True},
        {"iterations": 0},
        {"iterations": 10**6},
        {"lanes": 99},
    ],
)
async def test_a_note_that_asks_for_too_much_is_refused(harm: dict[str, object]) -> None:
    """The cost of a try is read from a file in the clear; nobody makes us take all the memory there is."""
    source = PassphraseKey("open sesame", cost=WEAK)
    await source.create()
    with pytest.raises(KeyUnavailable):
        await PassphraseKey("open sesame", {**source.note, **harm}).load()


@pytest.mark.parametrize(
    ("content", "key"),
    [(b"S" * 32, b"S" * 32), (b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE=\n", b"A" * 32), (b"short", None)],
)
async def test_a_credential_is_raw_or_base64(content: bytes, key: bytes | None, tmp_path: Path) -> None:
    """32 bytes as they are, or as `openssl rand -base64 32` prints them; anything else is named and not taken."""
    (tmp_path / NAME).write_bytes(content)
    if key is not None:
        assert await CredentialKey(tmp_path).load() == key
        return
    with pytest.raises(KeyUnavailable) as refused:
        await CredentialKey(tmp_path).load()
    assert "short" not in str(refused.value)
