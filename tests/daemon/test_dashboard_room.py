"""Launch codes and sessions of the dashboard: once, for a minute; half an hour idle, twelve hours in all."""

import asyncio

import pytest

from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.dashboard import MAX_CODES, MAX_SESSIONS, WRONG_A_MINUTE, Dashboard
from support.clock import FakeClock, settle

MINUTE, HOUR = 60.0, 3600.0


@pytest.fixture
def clock() -> FakeClock:
    """The time."""
    return FakeClock()


@pytest.fixture
def dashboard(clock: FakeClock) -> Dashboard:
    """A dashboard that nobody has opened."""
    return Dashboard(clock)


def refused(dashboard: Dashboard, code: str) -> int:
    """The status of a refusal."""
    with pytest.raises(Problem) as caught:
        dashboard.begin(code)
    return caught.value.status


async def test_a_code_lives_a_minute(dashboard: Dashboard, clock: FakeClock) -> None:
    """It opens until its sixtieth second, and is gone (410) from then on."""
    early, late = dashboard.launch(), dashboard.launch()
    await clock.advance(59)
    assert dashboard.admits(dashboard.begin(early.secret).secret)
    await clock.advance(1)

    assert refused(dashboard, late.secret) == 410
    assert (late.expires_at - clock.now()).total_seconds() == 0


def test_a_code_works_once(dashboard: Dashboard) -> None:
    """The second use is 410, and opens nothing."""
    code = dashboard.launch().secret
    session = dashboard.begin(code).secret

    assert refused(dashboard, code) == 410
    assert dashboard.admits(session)


@pytest.mark.parametrize("code", ["", "x", "\udcff", "A" * 43])
def test_an_unknown_code_is_told_from_an_old_one(dashboard: Dashboard, code: str) -> None:
    """What never was a code is 401."""
    assert refused(dashboard, code) == 401


async def test_an_old_code_is_forgotten(dashboard: Dashboard, clock: FakeClock) -> None:
    """Ten minutes later the next launch clears it away: it is 401 then."""
    code = dashboard.launch().secret
    await clock.advance(10 * MINUTE)
    dashboard.launch()

    assert refused(dashboard, code) == 401


async def test_a_session_ends_when_it_is_not_used(dashboard: Dashboard, clock: FakeClock) -> None:
    """Each use gives it another half hour; without one it is over, and a use does not bring it back."""
    session = dashboard.begin(dashboard.launch().secret).secret
    for _ in range(3):
        await clock.advance(30 * MINUTE - 1)
        assert dashboard.admits(session)
    await clock.advance(30 * MINUTE)

    assert not dashboard.admits(session)
    assert not dashboard.admits(session)


async def test_a_session_ends_after_twelve_hours(dashboard: Dashboard, clock: FakeClock) -> None:
    """However busy it is."""
    begun = dashboard.begin(dashboard.launch().secret)
    for _ in range(12 * 3 - 1):
        await clock.advance(20 * MINUTE)
        assert dashboard.admits(begun.secret)
    await clock.advance(20 * MINUTE)

    assert not dashboard.admits(begun.secret)
    assert begun.expires_at == clock.now()


def test_neither_clock_alone_keeps_a_session(clock: FakeClock, dashboard: Dashboard) -> None:
    """A machine that slept has a monotonic clock that stood still: the wall clock ends the session then."""
    session = dashboard.begin(dashboard.launch().secret).secret
    clock.jump(31 * MINUTE)

    assert not dashboard.admits(session)


async def test_a_wall_clock_that_is_set_back_prolongs_nothing(clock: FakeClock, dashboard: Dashboard) -> None:
    """The monotonic clock ends the session then."""
    session = dashboard.begin(dashboard.launch().secret).secret
    clock.jump(-HOUR)
    await clock.advance(30 * MINUTE)

    assert not dashboard.admits(session)


async def test_wrong_codes_are_limited_and_right_ones_are_not(dashboard: Dashboard, clock: FakeClock) -> None:
    """After ten wrong ones in a minute it is 429; a right code opens all the same."""
    code = dashboard.launch().secret
    assert [refused(dashboard, "x") for _ in range(WRONG_A_MINUTE + 1)] == [401] * WRONG_A_MINUTE + [429]
    assert dashboard.admits(dashboard.begin(code).secret)
    await clock.advance(MINUTE)

    assert refused(dashboard, "x") == 401


def test_what_is_kept_is_bounded(dashboard: Dashboard) -> None:
    """The oldest code and the oldest session give way."""
    codes = [dashboard.launch().secret for _ in range(MAX_CODES + 1)]
    assert refused(dashboard, codes[0]) == 401
    sessions = [dashboard.begin(code).secret for code in codes[1 : MAX_SESSIONS + 2]]

    assert [dashboard.admits(session) for session in sessions] == [False] + [True] * MAX_SESSIONS


def test_a_session_is_no_code_and_a_code_no_session(dashboard: Dashboard) -> None:
    """Neither passes for the other, and a restarted service knows neither."""
    code = dashboard.launch().secret
    assert not dashboard.admits(code)
    session = dashboard.begin(code).secret

    assert refused(dashboard, session) == 401
    assert not Dashboard(FakeClock()).admits(session)


def test_secrets_do_not_show(dashboard: Dashboard) -> None:
    """Neither in a repr nor in what is kept."""
    launch = dashboard.launch()
    begun = dashboard.begin(launch.secret)

    assert launch.secret not in repr(launch)
    assert not [secret for secret in (launch.secret, begun.secret) if secret in repr(vars(dashboard))]


async def waits(dashboard: Dashboard, session: str) -> asyncio.Task[None]:
    """Somebody who waits for the end of a session."""
    waiting = asyncio.create_task(dashboard.ended(session))
    await settle()
    return waiting


async def test_who_waits_for_a_sessions_end_learns_it(dashboard: Dashboard, clock: FakeClock) -> None:
    """Waiting is no use: half an hour after the last real one it is over, on either clock."""
    session = dashboard.begin(dashboard.launch().secret).secret
    waiting = await waits(dashboard, session)
    await clock.advance(20 * MINUTE)
    dashboard.admits(session)
    await clock.advance(29 * MINUTE)
    assert not waiting.done()
    await clock.advance(MINUTE)
    assert waiting.done()
    asleep = dashboard.begin(dashboard.launch().secret).secret
    waiting = await waits(dashboard, asleep)
    clock.jump(31 * MINUTE)
    await clock.advance(MINUTE)

    assert waiting.done()
    assert (await waits(dashboard, "nonsense")).done()


async def test_all_sessions_end_at_once(dashboard: Dashboard) -> None:
    """With the lock, say: no session, no code, and nobody waits any longer."""
    code, session = dashboard.launch().secret, dashboard.begin(dashboard.launch().secret).secret
    waiting = await waits(dashboard, session)
    dashboard.end_all()
    await settle()

    assert waiting.done()
    assert not dashboard.admits(session)
    assert refused(dashboard, code) == 401
