"""A person must be there before power is widened outside the demo org, by whichever door."""

import asyncio
from dataclasses import dataclass, replace

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_daemon.usecases.terminal import OwnTerminal
from meshmesh_storage.records import Environment, Kind, Mode
from support.clock import settle
from support.floor import ACME, APP, Floor
from support.presence import FakeScreen, presence

PROGRAM = NewClient(name="nightly.py", kind="script")
READ = WantedGrant(connection="acme", mode=Mode.READ)
BUILD = WantedGrant(connection="acme", mode=Mode.BUILD)
DEMO = WantedGrant(connection="demo", mode=Mode.BUILD, raw_token=True)
PIN = "correct horse"


@dataclass
class Desk:
    """Access behind presence."""

    floor: Floor
    screen: FakeScreen
    pins: Pins
    access: Access

    async def refused(self, consent: Consent, *wanted: WantedGrant) -> Problem:
        """The refusal of a new client."""
        with pytest.raises(Problem) as caught:
            await self.access.admit(PROGRAM, wanted or (READ,), consent)
        return caught.value


@pytest.fixture
async def desk(floor: Floor) -> Desk:
    """The connections `acme` (production) and `demo`."""
    demo = replace(ACME, id="d1", name="demo", kind=Kind.DEMO, environment=Environment.DEMO)
    await floor.connections.put(demo, APP)
    screen, pins = FakeScreen(), Pins(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    access = Access(
        desks=floor.desks,
        vault=floor.vault,
        processes=Processes(),
        presence=presence(floor, screen, pins),
        activity=floor.activity,
        clock=floor.clock,
    )
    return Desk(floor, screen, pins, access)


async def test_without_any_way_a_pin_is_asked_for(desk: Desk) -> None:
    """Neither PIN nor notification service: the first such act says how to set a PIN, and nothing is changed."""
    problem = await desk.refused(Consent())

    assert (problem.status, problem.code, problem.members["ways"]) == (403, "presence_required", [])
    assert problem.next_step is not None
    assert problem.next_step.command == "meshmesh pin"
    assert desk.access.all() == []


@pytest.mark.parametrize(
    ("pin", "buttons", "step"),
    [
        (True, False, "Type the approval PIN"),
        (False, True, "Press Approve in the notification"),
        (True, True, "Type the approval PIN, or press Approve in the notification"),
    ],
)
async def test_the_step_names_only_ways_that_there_are(desk: Desk, pin: bool, buttons: bool, step: str) -> None:
    """Nobody is sent to a notification that no service draws."""
    desk.screen.has_buttons = buttons
    if pin:
        await desk.pins.put("4711", None)
    problem = await desk.refused(Consent())

    assert problem.next_step is not None
    assert problem.next_step.label == step


async def test_the_demo_org_asks_for_nobody(desk: Desk) -> None:
    """The demo org's grants need no person, the token included."""
    client, _ = await desk.access.admit(PROGRAM, [DEMO], Consent())

    assert client.grants[0].raw_token
    assert desk.screen.shown == []


async def test_the_pin_is_a_person(desk: Desk) -> None:
    """The right PIN lets it pass; a wrong one, or none, does not."""
    await desk.pins.put(PIN, None)

    assert (await desk.refused(Consent())).members["ways"] == ["pin"]
    assert (await desk.refused(Consent(pin="wrong"))).code == "presence_required"
    client, _ = await desk.access.admit(PROGRAM, [READ], Consent(pin=PIN))
    assert client.grants[0].mode is Mode.READ


@pytest.mark.parametrize(("presses", "code"), [("deny", "not_allowed"), ("close", "not_allowed"), ("x", "not_allowed")])
async def test_any_other_button_is_a_no(desk: Desk, presses: str, code: str) -> None:
    """Deny, closing the bubble, and whatever else: nothing is given."""
    desk.screen.has_buttons, desk.screen.presses = True, presses

    assert (await desk.refused(Consent(wait=30))).code == code
    assert desk.access.all() == []


async def test_the_button_is_a_person(desk: Desk) -> None:
    """Approve lets it pass; the bubble says who, what and PRODUCTION, a click on its body is no answer, and it goes."""
    desk.screen.has_buttons, desk.screen.presses = True, "approve"
    await desk.access.admit(PROGRAM, [BUILD], Consent(wait=30))
    (notice,) = desk.screen.shown

    assert "nightly.py" in notice.title
    assert "acme (PRODUCTION): build" in notice.lines[0]
    assert notice.click is None
    assert desk.screen.withdrawn == [notice.key]


async def test_nobody_at_the_screen_is_no_person(desk: Desk) -> None:
    """When the time is over the bubble goes, and the request is refused with the ways."""
    desk.screen.has_buttons = True
    asking = asyncio.create_task(desk.refused(Consent(wait=30)))
    await settle()
    await desk.floor.clock.advance(31)
    problem = await asking

    assert problem.members["ways"] == ["notification"]
    assert len(desk.screen.withdrawn) == 1


async def test_narrowing_is_free_and_widening_is_not(desk: Desk) -> None:
    """A client's mode may be lowered without a person, and not raised again."""
    await desk.pins.put(PIN, None)
    client, _ = await desk.access.admit(PROGRAM, [BUILD], Consent(pin=PIN))
    await desk.access.regrant(client.id, [READ], Consent())
    with pytest.raises(Problem, match="person"):
        await desk.access.regrant(client.id, [BUILD], Consent())
    with pytest.raises(Problem, match="person"):
        await desk.access.extend(client.id, replace(BUILD, raw_token=True), Consent())

    assert desk.access.get(client.id).grants[0].mode is Mode.READ


async def test_five_wrong_pins_and_the_right_one_must_wait(desk: Desk) -> None:
    """After five wrong tries even the right PIN does not count for a while; the count is on disk."""
    await desk.pins.put(PIN, None)
    for _ in range(5):
        await desk.refused(Consent(pin="wrong"))
    problem = await desk.refused(Consent(pin=PIN))
    again = Pins(vault=desk.floor.vault, activity=desk.floor.activity, clock=desk.floor.clock)
    await again.load()

    assert (problem.status, problem.code) == (429, "rate_limited")
    with pytest.raises(Problem, match="Too many"):
        await again.check(PIN)
    await desk.floor.clock.advance(31)
    await again.check(PIN)


async def test_a_pin_is_changed_by_whoever_knows_it(desk: Desk) -> None:
    """A second PIN needs the first; a short or long one is none."""
    await desk.pins.put(PIN, None)
    for wish in (("new pin", None), ("new pin", "wrong")):
        with pytest.raises(Problem):
            await desk.pins.put(*wish)
    for text in ("abc", "x" * 65):
        with pytest.raises(Problem, match="4 to 64"):
            await desk.pins.put(text, PIN)
    await desk.pins.put("new pin", PIN)

    await desk.pins.check("new pin")
    with pytest.raises(Problem):
        await desk.pins.check(PIN)


async def test_the_terminal_is_asked_once_in_twelve_hours(desk: Desk) -> None:
    """The owner's own terminal is a client like any other: asked, remembered, listed, limited, revoked."""
    await desk.pins.put(PIN, None)
    terminal, acme = OwnTerminal(desk.access), desk.floor.desk().stored
    with pytest.raises(Problem, match="person"):
        await terminal.allow(acme, mode=Mode.BUILD, raw_token=True, consent=Consent())
    await terminal.allow(acme, mode=Mode.BUILD, raw_token=True, consent=Consent(pin=PIN))
    await terminal.allow(acme, mode=Mode.BUILD, raw_token=True, consent=Consent())

    assert [client.name for client in desk.access.all()] == ["terminal"]
    await desk.floor.clock.advance(12 * 3600)
    with pytest.raises(Problem, match="person"):
        await terminal.allow(acme, mode=Mode.READ, raw_token=False, consent=Consent())


async def test_a_limited_terminal_lends_no_more_than_it_has(desk: Desk) -> None:
    """Where the owner has limited the terminal, neither the token nor a wider mode comes out of it."""
    terminal, acme = OwnTerminal(desk.access), desk.floor.desk().stored
    await terminal.allow(acme, mode=Mode.READ, raw_token=False, consent=Consent(given=True))
    await desk.access.regrant("terminal", [replace(READ, expires_in=60)], Consent())

    await terminal.allow(acme, mode=Mode.READ, raw_token=False, consent=Consent())
    for mode, raw_token in ((Mode.READ, True), (Mode.PLAN, False)):
        with pytest.raises(Problem) as caught:
            await terminal.allow(acme, mode=mode, raw_token=raw_token, consent=Consent())
        assert caught.value.code == "not_allowed"


async def test_a_revoked_terminal_is_asked_again(desk: Desk) -> None:
    """Revoking the terminal takes away what it was allowed."""
    terminal, acme = OwnTerminal(desk.access), desk.floor.desk().stored
    await terminal.allow(acme, mode=Mode.READ, raw_token=False, consent=Consent(given=True))
    await desk.access.revoke("terminal")

    with pytest.raises(Problem, match="person"):
        await terminal.allow(acme, mode=Mode.READ, raw_token=False, consent=Consent())


async def test_the_pin_leaves_its_traces(desk: Desk) -> None:
    """Set, changed and locked are told, each once and without the PIN."""
    await desk.pins.put(PIN, None)
    await desk.pins.put("new pin", PIN)
    for _ in range(5):
        await desk.refused(Consent(pin="wrong"))
    rows = [row.entry for row in await desk.floor.activity.page(after=0, limit=100) if row.entry]
    told = [row for row in rows if row.action.startswith("pin.")]

    assert [(row.action, row.actor.id) for row in told] == [
        ("pin.set", "owner"),
        ("pin.changed", "owner"),
        ("pin.locked", "service"),
    ]
    assert not [row for row in told if PIN in row.detail or "new pin" in row.detail]
