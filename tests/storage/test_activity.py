"""The laws of the activity: nothing reported is lost, nothing is changed unseen, nothing stands in clear."""

import asyncio
import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_storage.activity import FILE_NAME, ActivityLog
from meshmesh_storage.activity_file import FORMAT
from meshmesh_storage.activity_rows import Actor, ActorKind, Ends, Entry, Link, open_row
from meshmesh_storage.errors import SchemaTooNew, UnsafePath, VaultCorrupt, VaultTampered, VaultUnwritable
from meshmesh_storage.sealing import Sealer

NOW = datetime(2026, 1, 2, 3, 4, 5, 678_000, tzinfo=UTC)
SEALER = Sealer({1: bytes(range(32))}, 1)
AGENT = Actor(ActorKind.CLIENT, "c1", "Claude Code")
CHILD = Path(__file__).with_name("activity_child.py")
PLANTED = "CANARY-7f3a"
Open = Callable[[], Awaitable[ActivityLog]]


def entry(detail: str = "Access token handed out.", *, at: datetime = NOW, connection: str | None = "acme") -> Entry:
    """Something that happened."""
    return Entry(at=at, actor=AGENT, action="token.given", connection=connection, outcome="done", detail=detail)


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Open]:
    """Opens the activity of the test's folder, or begins it; what is still open at the end is closed."""
    logs: list[ActivityLog] = []

    async def open_log() -> ActivityLog:
        logs.append(await ActivityLog.open(tmp_path, SEALER))
        return logs[-1]

    yield open_log
    for log in logs:
        await log.close()


@pytest.fixture
async def ten(opened: Open) -> ActivityLog:
    """An activity with ten rows, in groups of several sizes."""
    log = await opened()
    for size in (1, 3, 6):
        await log.append([entry(f"Number {size}.") for _ in range(size)])
    return log


def by_hand(folder: Path, *statements: str) -> None:
    """Change the file in SQLite's own tool."""
    with closing(sqlite3.connect(folder / FILE_NAME, isolation_level=None)) as db:
        for statement in statements:
            db.execute(statement)


def stored(folder: Path) -> dict[int, bytes]:
    """Every row of the file, as another program reads it."""
    with closing(sqlite3.connect(folder / FILE_NAME)) as db:
        return dict(db.execute("SELECT seq, sealed FROM activity"))


async def test_rows_come_back_in_order_and_as_they_were_told(opened: Open) -> None:
    """Numbers from 1 without a gap, over groups and over a restart; pages begin behind `after`."""
    log = await opened()
    told = [entry(f"Number {number}.") for number in range(5)]
    await log.append(told[:2])
    await log.close()
    log = await opened()
    await log.append(told[2:])

    rows = await log.page(0, 100)
    assert [row.seq for row in rows] == [1, 2, 3, 4, 5]
    assert [row.entry for row in rows] == told
    assert [row.seq for row in await log.page(2, 2)] == [3, 4]
    assert await log.page(5, 100) == []
    assert log.last == 5


async def test_whoever_has_an_export_can_prove_it_without_a_key(ten: ActivityLog) -> None:
    """Each hash is SHA-256 over the one before and the row's JSON: sorted keys, no blanks, ASCII."""
    before = bytes(32)
    for row in await ten.page(0, 100):
        assert row.entry is not None
        text = json.dumps(row.entry.document(row.seq), sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(before + text.encode()).digest()

        assert row.hash == before


async def test_what_was_written_is_whole(ten: ActivityLog, opened: Open) -> None:
    """A chain that nobody touched proves itself, open, after a restart, and empty."""
    verdict = await ten.verify()
    await ten.close()

    assert (verdict.whole, verdict.rows) == (True, 10)
    assert verdict.detail == "All 10 rows (1 to 10) are there and as they were written."
    assert (await (await opened()).verify()).whole


async def test_an_activity_without_rows_is_whole(opened: Open) -> None:
    """Nothing to prove is no reason to complain."""
    assert (await (await opened()).verify()).detail == "There is nothing to prove yet."


ATTACKS: dict[str, tuple[tuple[str, ...], int]] = {
    "a row changed": (("UPDATE activity SET sealed = randomblob(length(sealed)) WHERE seq = 4",), 4),
    "a row emptied": (("UPDATE activity SET sealed = x'' WHERE seq = 1",), 1),
    "a row removed": (("DELETE FROM activity WHERE seq = 5",), 5),
    "the first rows removed": (("DELETE FROM activity WHERE seq IN (1, 2)",), 1),
    "the tail cut off": (("DELETE FROM activity WHERE seq > 7",), 8),
    "the last row cut off": (("DELETE FROM activity WHERE seq = 10",), 10),
    "all rows removed": (("DELETE FROM activity WHERE seq > 0",), 1),
    "two rows swapped": (
        (
            "UPDATE activity SET seq = 99 WHERE seq = 3",
            "UPDATE activity SET seq = 3 WHERE seq = 6",
            "UPDATE activity SET seq = 6 WHERE seq = 99",
        ),
        3,
    ),
    "a row copied over another": (
        ("UPDATE activity SET sealed = (SELECT sealed FROM activity WHERE seq = 2) WHERE seq = 8",),
        8,
    ),
    "a row put behind the end": (("INSERT INTO activity SELECT 11, sealed FROM activity WHERE seq = 10",), 11),
    "a row put before the beginning": (("INSERT INTO activity SELECT -3, sealed FROM activity WHERE seq = 1",), -3),
    "the ends changed": (("UPDATE activity SET sealed = randomblob(90) WHERE seq = 0",), 0),
    "the ends taken away": (("DELETE FROM activity WHERE seq = 0",), 0),
    "everything removed": (("DELETE FROM activity",), 1),
}


@pytest.mark.parametrize("attack", ATTACKS)
async def test_each_attack_is_named_by_its_first_row(attack: str, ten: ActivityLog, tmp_path: Path) -> None:
    """While the service runs, `verify` says which row is the first that is wrong or missing."""
    statements, bad_row = ATTACKS[attack]
    by_hand(tmp_path, *statements)

    verdict = await ten.verify()
    assert (verdict.whole, verdict.bad_row) == (False, bad_row)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_an_attack_is_still_told_after_a_restart_and_later_rows(
    attack: str, ten: ActivityLog, opened: Open, tmp_path: Path
) -> None:
    """Done while no service runs, and buried under new rows: recording goes on, and the proof still fails."""
    await ten.close()
    by_hand(tmp_path, *ATTACKS[attack][0])
    log = await opened()
    await log.append([entry(), entry()])
    await log.append([entry()])

    assert not (await log.verify()).whole
    assert [row.entry for row in await log.page(log.last - 3, 3)] == [entry()] * 3
    await log.close()
    assert not (await (await opened()).verify()).whole


async def test_a_row_of_a_later_end_put_back_is_told(ten: ActivityLog, opened: Open, tmp_path: Path) -> None:
    """The tail cut off together with an old copy of the ends, as far as the running service remembers more."""
    old = stored(tmp_path)[0]
    await ten.append([entry(), entry()])
    by_hand(
        tmp_path, "DELETE FROM activity WHERE seq > 10", f"UPDATE activity SET sealed = x'{old.hex()}' WHERE seq = 0"
    )

    verdict = await ten.verify()
    assert verdict.bad_row == 11
    assert verdict.detail == "Rows 11 to 12 are missing. The end was cut off."


async def test_old_rows_of_another_history_do_not_fit(ten: ActivityLog, opened: Open, tmp_path: Path) -> None:
    """A row that once stood at a number does not pass for the one that stands there now."""
    was = stored(tmp_path)
    await ten.close()
    by_hand(tmp_path, "DELETE FROM activity WHERE seq > 5")
    five = open_row(SEALER, 5, was[5]).link
    ends = Ends(last=five).seal(SEALER)
    by_hand(tmp_path, f"UPDATE activity SET sealed = x'{ends.hex()}' WHERE seq = 0")
    log = await opened()
    await log.append([entry(f"Another {number}.") for number in range(3)])
    assert (await log.verify()).whole
    by_hand(tmp_path, f"UPDATE activity SET sealed = x'{was[7].hex()}' WHERE seq = 7")

    assert (await log.verify()).bad_row == 7


def strike(folder: Path, data: st.DataObject) -> int:
    """One attack on the rows of a file; gives the row that is the first to be wrong."""
    rows = stored(folder)
    seq = data.draw(st.integers(1, max(rows)), label="row")
    match data.draw(st.sampled_from(["change", "remove", "cut", "insert", "swap"]), label="attack"):
        case "change":
            changed = bytearray(rows[seq])
            changed[data.draw(st.integers(0, len(changed) - 1), label="byte")] ^= data.draw(st.integers(1, 255))
            by_hand(folder, f"UPDATE activity SET sealed = x'{changed.hex()}' WHERE seq = {seq}")
        case "remove":
            by_hand(folder, f"DELETE FROM activity WHERE seq = {seq}")
        case "cut":
            by_hand(folder, f"DELETE FROM activity WHERE seq >= {seq}")
        case "insert":
            by_hand(
                folder,
                f"UPDATE activity SET seq = -seq - 1 WHERE seq >= {seq}",
                "UPDATE activity SET seq = -seq WHERE seq < 0",
                f"INSERT INTO activity SELECT {seq}, sealed FROM activity WHERE seq = {seq - 1}",
            )
        case _:
            other = data.draw(st.integers(0, max(rows)).filter(lambda one: one != seq), label="other")
            for target, source in ((seq, other), (other, seq)):
                by_hand(folder, f"UPDATE activity SET sealed = x'{rows[source].hex()}' WHERE seq = {target}")
            return min(seq, other) or seq
    return seq


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(1, 5), min_size=1, max_size=5), data=st.data())
async def test_any_change_of_any_row_is_named(sizes: list[int], data: st.DataObject) -> None:
    """Whatever the history: a row changed in any byte, removed, moved or put in is the one that `verify` names."""
    with tempfile.TemporaryDirectory() as name:
        log = await ActivityLog.open(Path(name), SEALER)
        try:
            for size in sizes:
                await log.append([entry(f"Of {size}.")] * size)
            assert (await log.verify()).whole
            wrong = strike(Path(name), data)
            assert (await log.verify()).bad_row == wrong
        finally:
            await log.close()


async def test_a_number_that_somebody_took_costs_one_try(ten: ActivityLog, tmp_path: Path) -> None:
    """A row put in our way is never overwritten: the write is refused whole, and the next one goes round it."""
    by_hand(tmp_path, "INSERT INTO activity VALUES (12, x'00')")
    with pytest.raises(VaultUnwritable, match="Another program"):
        await ten.append([entry(), entry(), entry()])
    assert sorted(stored(tmp_path)) == [*range(11), 12]
    await ten.append([entry()])

    assert stored(tmp_path)[12] == b"\0"
    assert ten.last == 13
    assert (await ten.verify()).bad_row == 11


async def test_a_writer_who_is_cancelled_leaves_no_doubt(ten: ActivityLog) -> None:
    """Whether its row was written or not, the next one goes on from what the file holds."""
    for _ in range(5):
        writing = asyncio.create_task(ten.append([entry()]))
        await asyncio.sleep(0)
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)

        verdict = await ten.verify()
        assert verdict.whole, verdict.detail
        assert verdict.rows == ten.last
        await ten.append([entry()])

    assert (await ten.verify()).rows == ten.last >= 15


async def test_pruning_keeps_the_proof(opened: Open) -> None:
    """What is too old, or too much, goes from the old end; the rest still proves itself, also after a restart."""
    log = await opened()
    await log.append([entry(at=NOW + timedelta(days=day)) for day in range(20)])
    more = await log.prune(NOW + timedelta(days=5), 1000)

    assert not more
    assert [row.seq for row in await log.page(0, 100)] == list(range(6, 21))
    assert (await log.verify()).detail == "All 15 rows (6 to 20) are there and as they were written."
    await log.prune(NOW, 4)
    assert [row.seq for row in await log.page(0, 100)] == [17, 18, 19, 20]
    await log.append([entry(at=NOW + timedelta(days=30))])
    await log.prune(NOW + timedelta(days=40), 1000)
    await log.close()
    log = await opened()
    assert await log.page(0, 100) == []
    assert (await log.verify()).whole
    await log.append([entry()])
    assert [row.seq for row in await log.page(0, 100)] == [22]
    assert (await log.verify()).whole


async def test_pruning_never_hides_damage(ten: ActivityLog, tmp_path: Path) -> None:
    """A row that is not proven stays, and so does all that follows it."""
    by_hand(tmp_path, "UPDATE activity SET sealed = x'00' WHERE seq = 4")
    await ten.prune(NOW + timedelta(days=1), 0)

    assert [row.seq for row in await ten.page(0, 100)] == [4, 5, 6, 7, 8, 9, 10]
    assert (await ten.verify()).bad_row == 4


async def test_a_pruned_row_cannot_be_put_back(ten: ActivityLog, tmp_path: Path) -> None:
    """It stands before the beginning."""
    old = stored(tmp_path)[3]
    await ten.prune(NOW, 5)
    by_hand(tmp_path, f"INSERT INTO activity VALUES (3, x'{old.hex()}')")

    assert (await ten.verify()).bad_row == 3


async def test_a_row_that_does_not_open_is_shown_without_its_entry(ten: ActivityLog, tmp_path: Path) -> None:
    """Looking goes on around damage."""
    by_hand(tmp_path, "UPDATE activity SET sealed = x'00' WHERE seq = 2")

    assert [row.entry is None for row in await ten.page(0, 3)] == [False, True, False]


async def test_nothing_stands_in_clear(opened: Open, tmp_path: Path) -> None:
    """No name and no detail in the database, its log or its index; not even a hash that could be guessed at."""
    log = await opened()
    planted = Entry(
        at=NOW,
        actor=Actor(ActorKind.CLIENT, PLANTED, PLANTED),
        action="token.given",
        connection=PLANTED,
        outcome="done",
        detail=PLANTED,
    )
    await log.append([planted] * 3)
    (first, *_) = await log.page(0, 1)
    assert log.put(planted)
    on_disk = [path.read_bytes() for path in tmp_path.iterdir()]
    await log.close()
    on_disk += [path.read_bytes() for path in tmp_path.iterdir()]

    for content in on_disk:
        for secret in (PLANTED.encode(), PLANTED.encode().hex().encode(), b"token.given", first.hash):
            assert secret not in content


async def test_the_files_are_private(ten: ActivityLog, tmp_path: Path) -> None:
    """0600, the log, the index and the tail too; a file that others may read is refused."""
    names = {f"{FILE_NAME}{suffix}" for suffix in ("", "-wal", "-shm", "-tail")}
    assert {path.name for path in tmp_path.iterdir()} == names
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}
    await ten.close()
    for name in (FILE_NAME, f"{FILE_NAME}-tail"):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(0o644)
        with pytest.raises(UnsafePath):
            await ActivityLog.open(tmp_path, SEALER)
        (tmp_path / name).chmod(0o600)


async def test_it_is_synced_by_the_log_only(ten: ActivityLog) -> None:
    """WAL with synchronous=NORMAL: no fsync stands between a program and its token."""
    async with ten._db.execute("PRAGMA synchronous") as cursor:  # pyright: ignore[reportPrivateUsage]
        assert await cursor.fetchone() == (1,)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("PRAGMA application_id = 7", VaultCorrupt),
        (f"PRAGMA user_version = {FORMAT + 1}", SchemaTooNew),
        ("CREATE TRIGGER t AFTER INSERT ON activity BEGIN DELETE FROM activity WHERE seq = 1; END", VaultTampered),
    ],
)
async def test_a_file_that_is_not_ours_is_refused(
    statement: str, error: type[Exception], ten: ActivityLog, tmp_path: Path
) -> None:
    """Another program's, a newer format's, or one with a trigger in it; nothing is written."""
    await ten.close()
    by_hand(tmp_path, statement)
    with pytest.raises(error):
        await ActivityLog.open(tmp_path, SEALER)


async def test_a_file_of_garbage_is_refused_with_the_next_step(tmp_path: Path) -> None:
    """What is no database at all is damage, and the way out keeps it."""
    (tmp_path / FILE_NAME).write_bytes(b"garbage" * 1000)
    (tmp_path / FILE_NAME).chmod(0o600)
    with pytest.raises(VaultCorrupt) as refused:
        await ActivityLog.open(tmp_path, SEALER)

    assert "mv " in refused.value.next_step


async def test_a_log_without_its_database_is_damage(ten: ActivityLog, opened: Open, tmp_path: Path) -> None:
    """A crash never leaves that: somebody took the file away."""
    await ten.close()
    (tmp_path / FILE_NAME).rename(tmp_path / f"{FILE_NAME}-wal")
    with pytest.raises(VaultCorrupt):
        await opened()


async def test_a_file_that_was_never_filled_is_begun(opened: Open, tmp_path: Path) -> None:
    """A crash right after the file was made is no damage."""
    (tmp_path / FILE_NAME).touch(mode=0o600)
    log = await opened()
    await log.append([entry()])

    assert (await log.verify()).rows == 1


async def test_damage_below_the_rows_is_said(ten: ActivityLog, opened: Open, tmp_path: Path) -> None:
    """Pages overwritten on disk end in a sentence of ours, not in a traceback."""
    for _ in range(30):
        await ten.append([entry("x" * 250) for _ in range(20)])
    await ten.close()
    file = tmp_path / FILE_NAME
    raw = bytearray(file.read_bytes())
    raw[3 * 4096 :] = os.urandom(len(raw) - 3 * 4096)
    file.write_bytes(raw)
    with pytest.raises(VaultCorrupt):
        await (await opened()).verify()


async def test_a_closed_activity_takes_nothing(ten: ActivityLog) -> None:
    """The refusal is ours."""
    await ten.close()
    with pytest.raises(VaultUnwritable):
        await ten.append([entry()])
    with pytest.raises(VaultUnwritable):
        await ten.verify()


async def test_sigkill_loses_no_row_that_was_reported(opened: Open, tmp_path: Path) -> None:
    """Killed at several moments, over and over on one file: all that was reported is there, and proves itself."""
    reported = 0
    for lines in (1, 2, 5, 17, 40):
        with subprocess.Popen([sys.executable, str(CHILD), str(tmp_path)], stdout=subprocess.PIPE, text=True) as child:
            assert child.stdout is not None
            said = [child.stdout.readline() for _ in range(lines)]
            child.kill()
            said += child.stdout.readlines()
        assert child.returncode == -signal.SIGKILL
        reported = max(reported, *(int(line) for line in said if line.endswith("\n")))
        log = await opened()
        assert log.last >= reported
        verdict = await log.verify()
        assert (verdict.whole, verdict.rows) == (True, log.last)
        await log.close()
    assert reported > 100


TEXT = st.text(max_size=40)


@given(
    at=st.datetimes(timezones=st.just(UTC)),
    kind=st.sampled_from(ActorKind),
    words=st.tuples(TEXT, TEXT, TEXT, TEXT),
    connection=st.none() | TEXT,
    seq=st.integers(1, 2**53),
)
def test_an_entry_survives_its_bytes(
    at: datetime, kind: ActorKind, words: tuple[str, str, str, str], connection: str | None, seq: int
) -> None:
    """Whatever text: the bytes are ASCII, one form only, and give the entry again, to the millisecond."""
    name, action, outcome, detail = words
    at = at.replace(microsecond=at.microsecond // 1000 * 1000)
    told = Entry(
        at=at, actor=Actor(kind, name, name), action=action, connection=connection, outcome=outcome, detail=detail
    )
    raw = told.to_bytes(seq)

    assert raw.isascii()
    assert Entry.from_bytes(raw) == told
    assert Entry.from_bytes(raw).to_bytes(seq) == raw


def test_the_chain_of_the_format_page() -> None:
    """The example in FORMAT.md: one row, its bytes, its hash."""
    told = Entry(
        at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
        actor=Actor(ActorKind.OWNER, "owner", "owner"),
        action="client.revoked",
        connection=None,
        outcome="done",
        detail="Claude Code is out.",
    )
    page = (Path(__file__).parents[2] / "storage" / "FORMAT.md").read_text()
    raw = told.to_bytes(1)

    assert raw.decode() in page.replace("\n    ", "")
    assert Link(0, bytes(32)).follow(raw).hex() in page
