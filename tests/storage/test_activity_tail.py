"""The laws of rows that are written beside the database: each is there once, in its place, after whatever happens."""

import asyncio
import os
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_storage.activity import FILE_NAME, ActivityLog
from meshmesh_storage.activity_rows import Actor, ActorKind, Ends, Entry, Link
from meshmesh_storage.activity_tail import SIZE, Tail
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.sealing import Place, Sealer
from support.small_files import files_of_at_most

KEY = bytes(range(32))
SEALER = Sealer({1: KEY}, 1)
TAIL = f"{FILE_NAME}-tail"


def entry(detail: str) -> Entry:
    """Something that happened."""
    actor = Actor(ActorKind.CLIENT, "c1", "agent")
    at = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    return Entry(at=at, actor=actor, action="token.given", connection="acme", outcome="done", detail=detail)


@asynccontextmanager
async def opened(folder: Path) -> AsyncGenerator[ActivityLog]:
    """The activity of a folder; closed at the end."""
    log = await ActivityLog.open(folder, SEALER)
    try:
        yield log
    finally:
        await log.close()


async def told(log: ActivityLog) -> list[str]:
    """The sentence of every row, of a chain that holds."""
    verdict = await log.verify()
    assert verdict.whole, verdict.detail
    rows = await log.page(0, 10_000)
    assert [row.seq for row in rows] == list(range(1, verdict.rows + 1))
    return [row.entry.detail for row in rows if row.entry]


def put_back(folder: Path, content: bytes) -> None:
    """The tail as it was once, or as somebody wishes it to be."""
    (folder / TAIL).write_bytes(content)
    (folder / TAIL).chmod(0o600)


def crashed(folder: Path) -> bytes:
    """The tail as a process leaves it that is killed now."""
    return (folder / TAIL).read_bytes()


async def test_rows_keep_their_order_whichever_way_they_came(tmp_path: Path) -> None:
    """One after the other, alone or in groups, over a restart."""
    async with opened(tmp_path) as log:
        assert log.put(entry("1"))
        assert log.put(entry("2"))
        assert (log.last, log.waiting) == (2, 2)
        await log.append([entry("3"), entry("4")])
        assert (log.last, log.waiting) == (4, 0)
        assert log.put(entry("5"))
    async with opened(tmp_path) as log:
        assert log.waiting == 0
        assert log.put(entry("6"))
        assert await told(log) == list("123456")


async def test_what_was_written_is_there_after_a_crash(tmp_path: Path) -> None:
    """Nobody closed anything, and nothing was moved: the next one finds it, and the one after that finds it once."""
    async with opened(tmp_path) as log:
        await log.append([entry("1")])
        assert log.put(entry("2"))
        assert log.put(entry("3"))
        left = crashed(tmp_path)
        await log.append([])
        assert crashed(tmp_path) == bytes(SIZE)
    assert not (tmp_path / TAIL).exists()
    async with opened(tmp_path) as before:
        assert await told(before) == ["1", "2", "3"]  # taken over
    put_back(tmp_path, left)  # killed between the commit and what follows it; or put back by hand
    async with opened(tmp_path) as log:
        assert log.waiting == 0
        assert log.put(entry("4"))
        assert await told(log) == ["1", "2", "3", "4"]


async def killed_with(folder: Path, *details: str) -> bytes:
    """A folder whose database has a first row, and whose tail has some; gives the tail."""
    async with opened(folder) as log:
        await log.append([entry("first")])
    async with opened(folder) as log:
        for detail in details:
            assert log.put(entry(detail))
        left = crashed(folder)
        for file in folder.glob("*"):
            (folder / f"{file.name}.kept").write_bytes(file.read_bytes())
    for file in folder.glob("*.kept"):
        file.replace(file.with_suffix(""))
    for file in folder.glob("*"):
        file.chmod(0o600)
    return left


@settings(max_examples=60, deadline=None)
@given(data=st.data())
async def test_whatever_is_done_to_the_file_the_chain_holds(data: st.DataObject) -> None:
    """Cut anywhere, or changed in any byte: what stands before that place is there, and nothing else."""
    details = [str(number) for number in range(4)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        left = bytearray(await killed_with(folder, *details))
        used = len(details) * (12 + int.from_bytes(left[:4], "big"))
        at = data.draw(st.integers(0, used - 1), label="at")
        if data.draw(st.booleans(), label="cut"):
            left[at:] = bytes(len(left) - at)
        else:
            left[at] ^= data.draw(st.integers(1, 255), label="change")
        put_back(folder, bytes(left))
        async with opened(folder) as log:
            assert log.put(entry("last"))
            found = await told(log)

    assert found[0] == "first"
    assert found[-1] == "last"
    assert found[1:-1] == details[: len(found) - 2]
    assert len(found) - 2 == 4 * at // used


async def test_there_is_room_for_some_only(tmp_path: Path) -> None:
    """When it is full the database takes all, and there is room again."""
    async with opened(tmp_path) as log:
        count = 0
        while log.put(entry(str(count))):
            count += 1
        assert 100 < count == log.waiting
        assert os.stat(tmp_path / TAIL).st_size == SIZE
        await log.append([entry(str(count))])
        assert log.put(entry(str(count + 1)))
        assert await told(log) == [str(number) for number in range(count + 2)]


async def test_nothing_overtakes_a_group_that_is_being_written(tmp_path: Path) -> None:
    """Who comes meanwhile takes the way behind it."""
    async with opened(tmp_path) as log:
        writing = asyncio.create_task(log.append([entry("1")]))
        await asyncio.sleep(0)
        assert not log.put(entry("2"))
        await writing
        assert log.put(entry("2"))
    assert not log.put(entry("3"))


async def test_a_writer_who_is_cancelled_doubles_nothing(tmp_path: Path) -> None:
    """What waited is in the database or still waits, never both."""
    async with opened(tmp_path) as log:
        for number in range(8):
            assert log.put(entry(str(number)))
            writing = asyncio.create_task(log.append([]))
            for _ in range(number % 4):
                await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

        assert await told(log) == [str(number) for number in range(8)]


async def test_a_full_disk_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """What cannot be written is refused on both ways; what was written before stays."""
    async with opened(tmp_path) as log:
        with files_of_at_most(64):
            assert not log.put(entry("cut off"))
        assert log.put(entry("1"))
        with files_of_at_most(64):
            assert not log.put(entry("2"))
            with pytest.raises(VaultUnwritable):
                await log.append([entry("2")])
        assert await told(log) == ["1"]
        assert log.put(entry("3"))
        assert await told(log) == ["1", "3"]


async def test_a_writer_who_is_cancelled_on_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """What the database did not take still waits."""
    async with opened(tmp_path) as log:
        assert log.put(entry("1"))
        with files_of_at_most(64):
            writing = asyncio.create_task(log.append([]))
            await asyncio.sleep(0)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)
        assert log.waiting == 1
        assert await told(log) == ["1"]


async def test_a_copy_has_what_waits(tmp_path: Path) -> None:
    """A backup lacks nothing that was told before it."""
    copy = tmp_path / "copy"
    copy.mkdir()
    async with opened(tmp_path) as log:
        assert log.put(entry("1"))
        (copy / FILE_NAME).touch(mode=0o600)
        await log.copy_to(copy / FILE_NAME)
    async with opened(copy) as log:
        assert await told(log) == ["1"]


async def test_a_disk_without_room_for_the_file_is_borne(tmp_path: Path) -> None:
    """Then every row goes straight into the database."""
    async with opened(tmp_path):
        pass
    with files_of_at_most(0):
        tail = Tail.open(tmp_path / TAIL, SEALER, 0)
    try:
        assert not tail.put(entry("1"))
    finally:
        tail.close()


async def test_a_row_of_another_key_is_nothing(tmp_path: Path) -> None:
    """A tail that came from another vault says nothing about this one."""
    await killed_with(tmp_path, "1", "2")
    left = crashed(tmp_path)
    (tmp_path / TAIL).unlink()
    other = tmp_path / "other"
    other.mkdir()
    async with opened(other) as log:
        await log.append([entry("first")])
    put_back(other, left)
    log = await ActivityLog.open(other, Sealer({1: KEY[::-1]}, 1))
    waiting = log.waiting
    await log.close()

    assert waiting == 0


async def test_nothing_under_an_older_key_stays(tmp_path: Path) -> None:
    """A rotation takes over what waits, and leaves no byte of it in the file."""
    sealer = Sealer({1: KEY}, 1)
    log = await ActivityLog.open(tmp_path, sealer)
    try:
        assert log.put(entry("1"))
        sealer.adopt(2, KEY[::-1])
        place: int | None = 0
        while place is not None:
            place = await log.reseal(place)
        sealer.keep_only_current()
        assert crashed(tmp_path) == bytes(SIZE)
        assert log.put(entry("2"))
        assert await told(log) == ["1", "2"]
    finally:
        await log.close()


def test_ends_without_a_tail_are_those_of_the_first_programs() -> None:
    """They go on at its beginning."""
    said = '{"first":[0,"' + "00" * 32 + '"],"last":[3,"' + "ab" * 32 + '"],"lost":null}'
    sealed = SEALER.seal(said.encode(), Place("activity", "0", "sealed", 1))

    assert Ends.open(SEALER, sealed) == Ends(last=Link(3, b"\xab" * 32))
