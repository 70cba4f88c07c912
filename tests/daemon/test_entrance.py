"""The dashboard's own door: it opens for a person who is seen, and asks nobody twice."""

import asyncio

import pytest

from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.dashboard import Dashboard
from meshmesh_daemon.usecases.entrance import QUIET, Entrance
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import APPROVE, DENY, Consent
from support.clock import settle
from support.floor import Floor
from support.presence import FakeScreen, presence

PIN = "correct horse"
WAITS = Consent(wait=50.0)


@pytest.fixture
def dashboard(floor: Floor) -> Dashboard:
    """A dashboard that nobody has opened."""
    return Dashboard(floor.clock)


def entrance(floor: Floor, dashboard: Dashboard, screen: FakeScreen, pins: Pins | None = None) -> Entrance:
    """Its door, before a screen."""
    return Entrance(dashboard=dashboard, presence=presence(floor, screen, pins), clock=floor.clock)


async def refused(door: Entrance, consent: Consent) -> Problem:
    """How somebody is refused."""
    with pytest.raises(Problem) as caught:
        await door.enter(42, consent)
    return caught.value


async def test_the_button_opens_it_and_shows_the_pages_number(floor: Floor, dashboard: Dashboard) -> None:
    """The person compares two numbers; the session is live."""
    screen = FakeScreen(has_buttons=True, presses=APPROVE)
    begun = await entrance(floor, dashboard, screen).enter(42, WAITS)

    assert dashboard.admits(begun.secret)
    assert "The page shows the number 42." in screen.shown[0].lines


async def test_after_a_no_nobody_is_asked_for_a_while(floor: Floor, dashboard: Dashboard) -> None:
    """A program that goes on knocking is answered without a notification; the PIN still opens."""
    screen = FakeScreen(has_buttons=True, presses=DENY)
    pins = Pins(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    await pins.put(PIN, None)
    door = entrance(floor, dashboard, screen, pins)

    assert (await refused(door, WAITS)).code == "not_allowed"
    again = await refused(door, WAITS)
    assert (again.status, len(screen.shown)) == (429, 1)
    assert again.retry_after is not None
    assert dashboard.admits((await door.enter(None, Consent(pin=PIN))).secret)
    await floor.clock.advance(QUIET.total_seconds())
    screen.presses = APPROVE
    assert dashboard.admits((await door.enter(42, WAITS)).secret)


async def test_one_is_asked_at_a_time(floor: Floor, dashboard: Dashboard) -> None:
    """A second knock puts no second notification on the screen, and does not disturb the first."""
    screen = FakeScreen(has_buttons=True)
    door = entrance(floor, dashboard, screen)
    first = asyncio.create_task(door.enter(42, WAITS))
    await settle()

    assert (await refused(door, WAITS)).status == 429
    screen.answer(APPROVE)
    assert dashboard.admits((await first).secret)
    assert len(screen.shown) == 1


@pytest.mark.parametrize("consent", [Consent(), WAITS, Consent(pin="wrong")], ids=["nothing", "no screen", "wrong PIN"])
async def test_without_a_person_it_stays_closed(floor: Floor, dashboard: Dashboard, consent: Consent) -> None:
    """The refusal names the ways that there are; no session is made."""
    pins = Pins(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    await pins.put(PIN, None)
    problem = await refused(entrance(floor, dashboard, FakeScreen(), pins), consent)

    assert (problem.code, problem.members["ways"]) == ("presence_required", ["pin"])
    assert dashboard.open_sessions == 0


async def test_every_session_can_be_ended(floor: Floor, dashboard: Dashboard) -> None:
    """None is left, however it was opened."""
    screen = FakeScreen(has_buttons=True, presses=APPROVE)
    begun = await entrance(floor, dashboard, screen).enter(42, WAITS)
    dashboard.end_all()

    assert not dashboard.admits(begun.secret)
    assert dashboard.open_sessions == 0
