"""Connections lie in the vault until somebody asks for one; then they come onto their desks."""

import asyncio
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core import watching
from meshmesh_daemon.usecases.desks import SLICE
from meshmesh_daemon.usecases.watcher import Watcher
from meshmesh_storage import rekeying
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.errors import VaultClosed, VaultTampered
from meshmesh_storage.records import Connection, Reason, Session, Status
from meshmesh_storage.vault import FILE_NAME
from support.clock import START, FakeClock, settle, until
from support.floor import ACME, APP, FIRST, Floor, build
from support.outside import FakeOutside, tokens

NAMES = ("acme", "globex", "initech")


@pytest.fixture
async def begun(tmp_path: Path) -> AsyncGenerator[Floor]:
    """A floor that was begun on a vault with three connections, one of which is ill."""
    clock, outside = FakeClock(), FakeOutside()
    first = await build(tmp_path, clock=clock, outside=outside)
    for name in NAMES:
        await first.connections.put(replace(ACME, id=f"id of {name}", name=name), APP)
    ill = replace(ACME, id="id of globex", name="globex", generation=2, status=Status.NEEDS_YOU)
    await first.connections.put(replace(ill, reason=Reason.SESSION_EXPIRED), APP)
    await first.close()
    floor = await build(tmp_path, clock=clock, outside=outside)
    yield floor
    await floor.close()


def opened(floor: Floor) -> set[str]:
    """The connections that were looked at."""
    return {desk.stored.name for desk in floor.desks.opened}


async def test_a_start_opens_none_of_them(begun: Floor) -> None:
    """How they are is known all the same, and which names are taken."""
    assert sorted(begun.connections.statuses) == [Status.CONNECTED, Status.CONNECTED, Status.NEEDS_YOU]
    assert [name for name in (*NAMES, "hooli") if name in begun.connections.names] == list(NAMES)
    assert opened(begun) == set()


async def test_one_that_is_asked_for_is_opened_alone(begun: Floor) -> None:
    """By its name, by its id, for its token."""
    assert await begun.token(name="initech") == FIRST.access_token
    assert opened(begun) == {"initech"}
    assert await begun.connections.by_id("id of acme") == replace(ACME, id="id of acme")
    assert opened(begun) == {"initech", "acme"}
    assert await begun.connections.by_name("hooli") is None


async def test_a_list_opens_all(begun: Floor) -> None:
    """Nothing of them is missing in it."""
    assert sorted(one.name for one in await begun.connections.all()) == list(NAMES)
    assert opened(begun) == set(NAMES)


async def test_a_list_of_many_does_not_hold_the_loop(begun: Floor) -> None:
    """Others get their turn in between."""
    for number in range(300):
        await begun.connections.put(replace(ACME, id=str(number), name=f"n{number}"), APP)
    await begun.connections.close()
    begun.desks = type(begun.desks)()
    again = type(begun.connections)(
        desks=begun.desks, sessions=begun.sessions, vault=begun.vault, outside=begun.outside, clock=begun.clock
    )
    await again.load()
    task = asyncio.create_task(again.all())
    seen = {0}
    while not task.done():
        await asyncio.sleep(0)
        seen.add(len(opened(begun)))

    assert len(await task) == 303
    assert max(after - before for before, after in pairwise(sorted(seen))) <= SLICE


async def test_a_name_that_changes_or_goes_is_free(begun: Floor) -> None:
    """Whether it was looked up before or not."""
    await begun.connections.rename("id of acme", "umbrella")
    begun.outside.others["/services/oauth2/revoke"] = tokens("none")
    await begun.connections.disconnect("id of initech")

    assert [name for name in (*NAMES, "umbrella") if name in begun.connections.names] == ["globex", "umbrella"]


async def test_another_data_key_leaves_none_behind(begun: Floor, tmp_path: Path) -> None:
    """What nobody has asked for is sealed anew where it lies, and opens with the new key."""
    await rekeying.add_data_key(begun.vault, now=START)
    rows = await ActivityLog.open(tmp_path / "data", begun.vault.sealer)
    try:
        await rekeying.reseal(begun.vault, rows)
    finally:
        await rows.close()

    assert opened(begun) == set()
    assert await begun.token() == FIRST.access_token


async def test_behind_a_closed_vault_none_is_opened(begun: Floor) -> None:
    """And that is not told as damage."""
    await begun.vault.close()
    with pytest.raises(VaultClosed):
        await begun.token()


async def test_one_that_nobody_looks_at_is_cared_for_in_time(begun: Floor) -> None:
    """The watcher leaves it sealed until it is due."""
    begun.outside.token_answers = [tokens("00Dx!2", "r2"), tokens("00Dx!3", "r3")]
    watcher = Watcher(desks=begun.desks, sessions=begun.sessions, connections=begun.connections, clock=begun.clock)
    task = asyncio.create_task(watcher.run())
    await settle()
    await begun.clock.advance(3600)
    assert opened(begun) == set()

    await begun.clock.advance(24 * 3600)
    await begun.clock.advance(60)
    await until(lambda: len(begun.outside.refreshes()) == 2)
    assert opened(begun) == {"acme", "initech"}
    task.cancel()


async def test_two_that_ask_at_once_get_one_desk(begun: Floor) -> None:
    """By whichever name or id; what is under way on it is under way for both."""
    found = await asyncio.gather(*(begun.desks.named("acme") for _ in range(5)), begun.desks.get("id of acme"))
    assert len({id(desk) for desk in found}) == 1


async def test_one_that_goes_while_it_is_asked_for_is_gone(begun: Floor) -> None:
    """Who asked first comes away with nothing, not with a desk that nobody keeps in step."""
    begun.outside.others["/services/oauth2/revoke"] = tokens("none")
    asking = asyncio.create_task(begun.desks.get("id of acme"))
    await begun.connections.disconnect("id of acme")

    desk = await asking
    assert desk is None or not begun.desks.has(desk)
    assert await begun.desks.get("id of acme") is None
    assert "acme" not in begun.connections.names


async def test_one_that_cannot_be_read_keeps_nobody_from_the_others(begun: Floor, tmp_path: Path) -> None:
    """It is told as what it is, and for the lock of the vault it counts as one that matters."""
    with closing(sqlite3.connect(tmp_path / "data" / FILE_NAME, isolation_level=None)) as db:
        db.execute("UPDATE connections SET status = 'blocked' WHERE id = 'id of acme'")
    with pytest.raises(VaultTampered):
        await begun.token()
    assert await begun.token(name="initech") == FIRST.access_token
    assert await begun.connections.have_serious()


async def test_a_vault_that_cannot_be_read_is_looked_at_again(begun: Floor, tmp_path: Path) -> None:
    """The watcher goes on when it can be."""
    begun.outside.token_answers = [tokens("00Dx!2", "r2"), tokens("00Dx!3", "r3")]
    path = tmp_path / "data" / FILE_NAME
    change = "UPDATE connections SET status = '{}' WHERE id = 'id of acme'"
    watcher = Watcher(desks=begun.desks, sessions=begun.sessions, connections=begun.connections, clock=begun.clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute(change.format("blocked"))
        task = asyncio.create_task(watcher.run())
        await settle()
        await begun.clock.advance(25 * 3600)
        assert not task.done()
        db.execute(change.format("connected"))
    for _ in range(3):
        await begun.clock.advance(60)
    await until(lambda: len(begun.outside.refreshes()) == 2)
    task.cancel()


async def test_one_that_nobody_asked_for_is_found_beside_its_siblings(begun: Floor) -> None:
    """How many sign-ins a user and app have does not hang on which of them are open."""
    one = await begun.connections.by_name("acme")
    assert one is not None
    assert await begun.connections.approvals_like(one) == len(NAMES)


HOURS = st.integers(-50, 50).map(lambda hours: timedelta(hours=hours))


def connection(
    *, status: Status, issued: timedelta, expires: timedelta | None, used: timedelta | None, number: int
) -> Connection:
    """With its times as distances from the start; its end is one from its issue."""
    begun = START + issued
    session = Session(
        access_token="t", token_type="Bearer", issued_at=begun, expires_at=begun + expires if expires else None
    )
    last = START + used if used else None
    return replace(ACME, id=str(number), status=status, session=session, last_used_at=last)


CONNECTIONS = st.builds(
    connection,
    status=st.sampled_from([Status.CONNECTED, Status.BLOCKED, Status.NEEDS_YOU]),
    issued=HOURS,
    expires=st.none() | HOURS,
    used=st.none() | HOURS,
    number=st.integers(0, 99),
)


@given(one=CONNECTIONS, minutes=st.integers(0, 6000))
def test_one_that_rests_is_never_due(one: Connection, minutes: int) -> None:
    """Whatever its times are."""
    assert one.session is not None
    now = START + timedelta(minutes=minutes)
    if now < watching.rests_until(one):
        assert not watching.is_due(one, looked_at=one.session.issued_at, now=now)
