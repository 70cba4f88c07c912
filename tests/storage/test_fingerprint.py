"""The laws of the fingerprint: it spares the proof of what was proven, and nothing that was changed is ever believed for it."""

import asyncio
import hashlib
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_storage import apps, clients, connections, fingerprint, rekeying, rotations
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.errors import UnsafePath, VaultCorrupt, VaultError, VaultTampered
from meshmesh_storage.fingerprint import Fingerprint
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App, Client, Connection, Grant, Mode, RotationIntent, Status
from meshmesh_storage.vault import FILE_NAME, Vault
from support.floor import ACME
from support.vaults import NOW, Open, Statements

NAMES = ("acme", "globex", "initech")


def was_proven(asked: Statements) -> bool:
    """Whether all of the vault was proven since the last look."""
    found = any("integrity_check" in statement for statement in asked)
    asked.clear()
    return found


def named(name: str) -> Connection:
    """A connection."""
    return replace(ACME, id=f"id of {name}", name=name)


async def furnish(vault: Vault) -> None:
    """Something in several tables."""
    grants = (Grant(connection_id="c1", mode=Mode.BUILD),)
    program = Client(
        id="p1", name="agent", kind="cli", token_hash=bytes(32), created_at=NOW, expires_at=None, grants=grants
    )
    async with vault.transaction() as tx:
        await apps.put(tx, App(id="a1", client_id="one", client_secret="secret", created_at=NOW))
        await clients.put(tx, program)
        for name in NAMES:
            await connections.insert(tx, named(name))
        await rotations.begin(tx, RotationIntent(connection_id="id of acme", generation=1, sent_at=NOW))


async def furnished(opened: Open) -> None:
    """A vault with something in it, closed."""
    vault = await opened()
    await furnish(vault)
    await vault.close()


def print_of(home: Path) -> Path:
    """The fingerprint of a home's vault."""
    return home / "vault" / fingerprint.FILE_NAME


async def test_what_was_closed_well_is_not_proven_again(opened: Open, asked: Statements, tmp_path: Path) -> None:
    """However often; all of it is there, and a fingerprint that goes on fitting is not written again."""
    await furnished(opened)
    made = print_of(tmp_path).stat()
    assert made.st_mode & 0o777 == 0o600
    was_proven(asked)
    for _ in range(2):
        vault = await opened()
        assert not was_proven(asked)
        async with vault.transaction() as tx:
            assert sorted(one.name for one in await connections.load_all(tx)) == list(NAMES)
            assert len(await clients.load_all(tx)) == 1
        await vault.close()
    still = print_of(tmp_path).stat()
    assert (still.st_ino, still.st_mtime_ns) == (made.st_ino, made.st_mtime_ns)


async def test_what_is_proven_on_demand_is_proven(opened: Open, asked: Statements) -> None:
    """Who asks for the proof gets it, fingerprint or not."""
    await furnished(opened)
    vault = await opened()
    was_proven(asked)
    await vault.verify()
    assert was_proven(asked)


async def test_writes_after_such_an_opening_keep_the_digest_right(
    opened: Open, asked: Statements, tmp_path: Path
) -> None:
    """Rows that were read and not reckoned are changed, taken away and added to; the whole proof finds nothing wrong."""
    await furnished(opened)
    was_proven(asked)
    vault = await opened()
    assert not was_proven(asked)
    async with vault.transaction() as tx:
        changed = replace(named("acme"), generation=2, status=Status.BLOCKED)
        await connections.update(tx, changed, expected_generation=1)
        await connections.delete(tx, "id of globex")
        await connections.insert(tx, named("hooli"))
        await connections.rename(tx, "id of initech", "initrode")
        await apps.put(tx, App(id="a1", client_id="one", client_secret="another", created_at=NOW))
        await clients.delete(tx, "p1")
    await vault.close()
    print_of(tmp_path).unlink()

    vault = await opened()
    assert was_proven(asked)
    async with vault.transaction() as tx:
        assert sorted(one.name for one in await connections.load_all(tx)) == ["acme", "hooli", "initrode"]


# --- A hand in the file --------------------------------------------------------------------------------------------


def by_sql(statement: str) -> Callable[[Path], None]:
    """Somebody with SQLite's own tool."""

    def change(path: Path) -> None:
        with closing(sqlite3.connect(path, isolation_level=None)) as db:
            db.execute(statement)

    return change


def damage_an_index(path: Path) -> None:
    """The index that names are found by holds noise."""
    with closing(sqlite3.connect(path)) as db:
        (size,) = db.execute("PRAGMA page_size").fetchone()
        (root,) = db.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'sqlite_autoindex_connections_2'"
        ).fetchone()
    raw = bytearray(path.read_bytes())
    raw[root * size - 40 : root * size] = bytes(40)
    path.write_bytes(raw)


HANDS: dict[str, Callable[[Path], None]] = {
    "a status changed": by_sql("UPDATE connections SET status = 'needs_you' WHERE id = 'id of acme'"),
    "a generation changed": by_sql("UPDATE connections SET generation = 7"),
    "a row taken away": by_sql("DELETE FROM clients"),
    "a connection taken away": by_sql("DELETE FROM connections WHERE id = 'id of acme'"),
    "a trigger": by_sql("CREATE TRIGGER t AFTER INSERT ON clients BEGIN DELETE FROM clients; END"),
    "an index damaged": damage_an_index,
}


@pytest.mark.parametrize("hand", HANDS.values(), ids=HANDS)
async def test_what_was_changed_between_is_found(hand: Callable[[Path], None], opened: Open, tmp_path: Path) -> None:
    """As it was before there were fingerprints; and each time."""
    await furnished(opened)
    hand(tmp_path / "vault" / FILE_NAME)
    for _ in range(2):
        with pytest.raises((VaultTampered, VaultCorrupt)):
            await opened()


async def test_an_old_row_put_back_is_found(opened: Open, tmp_path: Path) -> None:
    """Also together with the fingerprint of that time."""
    await furnished(opened)
    path = tmp_path / "vault" / FILE_NAME
    old_print = print_of(tmp_path).read_bytes()
    with closing(sqlite3.connect(path)) as db:
        old = db.execute("SELECT * FROM connections WHERE id = 'id of acme'").fetchone()
    vault = await opened()
    async with vault.transaction() as tx:
        await connections.update(tx, replace(named("acme"), generation=2), expected_generation=1)
    await vault.close()
    with closing(sqlite3.connect(path)) as db:
        db.execute("DELETE FROM connections WHERE id = 'id of acme'")
        db.execute(f"INSERT INTO connections VALUES ({','.join('?' * len(old))})", old)
        db.commit()
    for content in (print_of(tmp_path).read_bytes(), old_print):
        print_of(tmp_path).write_bytes(content)
        with pytest.raises(VaultTampered, match="'connections'"):
            await opened()


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a vault that was closed well, to be harmed in copies."""
    home = tmp_path_factory.mktemp("closed")

    async def make() -> None:
        vault = await Vault.open(home / "vault", KeyFile(home / "keys" / "vault.key"), now=NOW)
        await furnish(vault)
        await vault.close()

    asyncio.run(make())
    return home


async def outcome(home: Path) -> str:
    """How an opening ends."""
    try:
        vault = await Vault.open(home / "vault", KeyFile(home / "keys" / "vault.key"), now=NOW)
    except VaultError as error:
        return f"{type(error).__name__}: {error}".replace(str(home), "")
    await vault.close()
    return "open"


@settings(max_examples=40, deadline=None)
@given(data=st.data())
async def test_a_changed_byte_ends_as_if_there_were_no_fingerprint(closed: Path, data: st.DataObject) -> None:
    """Any byte of the file: what is refused without a fingerprint is refused with it, in the same words."""
    size = (closed / "vault" / FILE_NAME).stat().st_size
    at = data.draw(st.integers(0, size - 1))
    change = data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as name:
        ends: list[str] = []
        for has_print in (True, False):
            home = Path(name) / str(has_print)
            shutil.copytree(closed, home)
            raw = bytearray((home / "vault" / FILE_NAME).read_bytes())
            raw[at] ^= change
            (home / "vault" / FILE_NAME).write_bytes(raw)
            if not has_print:
                print_of(home).unlink()
            ends.append(await outcome(home))
    assert ends[0] == ends[1]


async def test_what_was_changed_while_it_was_open_is_not_covered_up(opened: Open, tmp_path: Path) -> None:
    """Behind SQLite's back, with a write after it: the end of the service does not vouch for what it finds there."""
    await furnished(opened)
    vault = await opened()
    await vault.purge()
    path = tmp_path / "vault" / FILE_NAME
    raw = path.read_bytes()
    assert raw.count(b"a1connected") >= len(NAMES)
    with path.open("r+b") as file:
        file.seek(raw.index(b"a1connected") + 2)
        file.write(b"needs_you")
    await vault.try_again()
    await vault.close()

    with pytest.raises(VaultTampered, match="'connections'"):
        await opened()


@pytest.mark.parametrize("table", ["connections", "clients"])
async def test_what_was_changed_while_it_was_hashed_is_not_believed(
    table: str, opened: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hand that shows SQLite another row than the hash: a program's is found at once, a connection's when it is opened."""
    await furnished(opened)
    path = tmp_path / "vault" / FILE_NAME
    hashed = hashlib.sha256(path.read_bytes()).digest()
    by_sql("UPDATE connections SET generation = 7" if table == "connections" else "DELETE FROM clients")(path)

    def as_it_was(_: Fingerprint) -> bytes:
        return hashed

    monkeypatch.setattr(Fingerprint, "_hash", as_it_was)
    if table == "clients":
        with pytest.raises(VaultTampered, match="'clients'"):
            await opened()
        return
    vault = await opened()
    found = connections.unopened(vault)
    assert len(found) == len(NAMES)
    for one in found:
        with pytest.raises(VaultTampered, match="'connections'"):
            await connections.look_up(vault, [one.id])


# --- Fingerprints that are none ------------------------------------------------------------------------------------


PRINTS: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda _: b"",
    "noise": lambda whole: b"\xa5" * len(whole),
    "cut short": lambda whole: whole[:-1],
    "a byte changed": lambda whole: whole[:40] + bytes([whole[40] ^ 1]) + whole[41:],
    "something added": lambda whole: whole + b"\0",
}


@pytest.mark.parametrize("harm", PRINTS.values(), ids=PRINTS)
async def test_a_damaged_fingerprint_is_as_none(
    harm: Callable[[bytes], bytes], opened: Open, asked: Statements, tmp_path: Path
) -> None:
    """All is proven, nothing is said, and the next end makes a good one."""
    await furnished(opened)
    print_of(tmp_path).write_bytes(harm(print_of(tmp_path).read_bytes()))
    was_proven(asked)
    await (await opened()).close()
    assert was_proven(asked)
    await (await opened()).close()
    assert not was_proven(asked)


async def test_the_fingerprint_of_another_vault_or_time_is_as_none(
    opened: Open, asked: Statements, tmp_path: Path
) -> None:
    """Another vault's does not open; an older one fits no more."""
    await furnished(opened)
    older = print_of(tmp_path).read_bytes()
    other = await Vault.open(tmp_path / "other" / "vault", KeyFile(tmp_path / "keys" / "other.key"), now=NOW)
    await furnish(other)
    await other.close()
    vault = await opened()
    await vault.try_again()
    await vault.close()
    for content in (older, print_of(tmp_path / "other").read_bytes()):
        print_of(tmp_path).write_bytes(content)
        was_proven(asked)
        await (await opened()).close()
        assert was_proven(asked)


async def test_after_a_kill_all_is_proven(opened: Open, asked: Statements, tmp_path: Path) -> None:
    """What was written is in the log, so the file is not all there is; an older fingerprint beside it changes nothing."""
    await furnished(opened)
    vault = await opened()
    await vault.try_again()
    shutil.copytree(tmp_path / "vault", tmp_path / "as it was")
    await vault.close()
    shutil.rmtree(tmp_path / "vault")
    (tmp_path / "as it was").rename(tmp_path / "vault")
    assert print_of(tmp_path).exists()
    was_proven(asked)
    await (await opened()).close()
    assert was_proven(asked)


async def test_a_fingerprint_that_others_may_read_is_refused(opened: Open, tmp_path: Path) -> None:
    """It is a file of the vault's like the others."""
    await furnished(opened)
    print_of(tmp_path).chmod(0o644)
    with pytest.raises(UnsafePath, match=fingerprint.FILE_NAME):
        await opened()


async def test_a_full_disk_costs_the_fingerprint_only(
    opened: Open, asked: Statements, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of a service is no place for an error about a saving."""

    def refuse(_path: Path, _content: bytes) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(fingerprint, "create_private_file", refuse)
        await furnished(opened)
    assert not print_of(tmp_path).exists()
    was_proven(asked)
    await (await opened()).close()
    assert was_proven(asked)


async def test_other_keys_make_another_fingerprint(opened: Open, asked: Statements, tmp_path: Path) -> None:
    """A new data key, or a new master key: the fingerprint before it is worth nothing, that after it is."""
    await furnished(opened)
    before = print_of(tmp_path).read_bytes()
    vault = await opened()
    activity = await ActivityLog.open(tmp_path / "vault", vault.sealer)
    await rekeying.add_data_key(vault, now=NOW)
    await rekeying.reseal(vault, activity)
    await activity.close()
    await vault.close()
    after = print_of(tmp_path).read_bytes()
    for content, proves in ((before, True), (after, False)):
        print_of(tmp_path).write_bytes(content)
        was_proven(asked)
        await (await opened()).close()
        assert was_proven(asked) == proves
    source = KeyFile(tmp_path / "keys" / "second.key")
    vault = await opened()
    await rekeying.move(vault, source)
    await vault.close()
    was_proven(asked)
    vault = await Vault.open(tmp_path / "vault", source, now=NOW)
    await vault.close()
    assert not was_proven(asked)


async def test_another_program_does_not_take_the_log_away(opened: Open, tmp_path: Path) -> None:
    """Who reads the vault meanwhile and ends is not the last one: our lock on the file outlives the look at it."""
    await furnished(opened)
    vault = await opened()
    await vault.try_again()
    log = tmp_path / "vault" / f"{FILE_NAME}-wal"
    assert log.stat().st_size
    reader = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT 1 FROM meta'); db.close()"
    subprocess.run([sys.executable, "-I", "-c", reader, str(tmp_path / "vault" / FILE_NAME)], check=True)

    assert log.stat().st_size
    await vault.try_again()
