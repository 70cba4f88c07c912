"""Connections lie sealed on their desks until somebody looks at one."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core import watching
from meshmesh_daemon.usecases.watcher import Watcher
from meshmesh_storage import rekeying
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.errors import VaultClosed
from meshmesh_storage.records import Connection, Reason, Session, Status
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
    return {desk.stored.name for desk in floor.desks if desk.is_open}


async def test_a_start_opens_none_of_them(begun: Floor) -> None:
    """How they are is known all the same, and which names are taken."""
    assert sorted(begun.connections.statuses) == [Status.CONNECTED, Status.CONNECTED, Status.NEEDS_YOU]
    assert [name for name in (*NAMES, "hooli") if name in begun.connections.names] == list(NAMES)
    assert opened(begun) == set()


async def test_one_that_is_asked_for_is_opened_alone(begun: Floor) -> None:
    """By its name, by its id, for its token."""
    assert await begun.token(name="initech") == FIRST.access_token
    assert opened(begun) == {"initech"}
    assert begun.connections.by_id("id of acme") == replace(ACME, id="id of acme")
    assert opened(begun) == {"initech", "acme"}
    assert begun.connections.by_name("hooli") is None


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
    await asyncio.sleep(0)

    assert 0 < len(opened(begun)) < 300
    assert len(await task) == 303


async def test_a_name_that_changes_or_goes_is_free(begun: Floor) -> None:
    """Whether it was looked up before or not."""
    await begun.connections.rename("id of acme", "umbrella")
    begun.outside.others["/services/oauth2/revoke"] = tokens("none")
    await begun.connections.disconnect("id of initech")

    assert [name for name in (*NAMES, "umbrella") if name in begun.connections.names] == ["globex", "umbrella"]


async def test_another_data_key_leaves_none_behind(begun: Floor, tmp_path: Path) -> None:
    """What lies sealed under the old key is opened before that key is forgotten."""
    await rekeying.add_data_key(begun.vault, now=START)
    rows = await ActivityLog.open(tmp_path / "data", begun.vault.sealer)
    try:
        await rekeying.reseal(begun.vault, rows)
    finally:
        await rows.close()

    assert await begun.token() == FIRST.access_token
    assert opened(begun) == set(NAMES)


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
    await until(lambda: len(begun.outside.refreshes()) == 2)
    assert opened(begun) == {"acme", "initech"}
    task.cancel()


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
