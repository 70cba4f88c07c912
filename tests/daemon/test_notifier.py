"""The notifier: what reaches the screen and when, and what becomes of a pressed button."""

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field, replace

import pytest

from meshmesh_daemon.core.notices import ABANDONED_SECONDS, LOOK, RECONNECT, SNOOZE, SNOOZE_SECONDS
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.attempts import SignInView
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.notifier import GATHER_SECONDS, Notifier
from meshmesh_daemon.usecases.waiting import WAITING_SECONDS, Waiting
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.records import Connection, Reason, Status
from support.clock import START, FakeClock, settle
from support.floor import ACME
from support.screen import FakeBrowser, Screen

SIGN_IN = "https://login.salesforce.com/services/oauth2/authorize?state=x"
KEY = f"connection:{ACME.id}"
ILL = replace(ACME, status=Status.NEEDS_YOU, reason=Reason.REFRESH_TOKEN_REVOKED, detail="It was revoked.")
BLOCKED = replace(ACME, status=Status.BLOCKED, reason=Reason.IP_RESTRICTED, detail="The address is not allowed.")


@dataclass
class Room:
    """A notifier among fakes."""

    clock: FakeClock = field(default_factory=FakeClock)
    desks: Desks = field(default_factory=Desks)
    screen: Screen = field(default_factory=Screen)
    browser: FakeBrowser = field(default_factory=FakeBrowser)
    begun: list[str] = field(default_factory=list[str])
    refusal: Exception | None = None
    gate: asyncio.Event | None = None
    authorize_url: str | None = SIGN_IN

    def __post_init__(self) -> None:
        self.waiting = Waiting(self.clock)
        self.notifier = Notifier(
            desks=self.desks,
            notifications=self.screen,
            browser=self.browser,
            waiting=self.waiting,
            reconnect=self.reconnect,
            clock=self.clock,
            base="http://localhost:1717",
        )

    async def reconnect(self, connection: Connection) -> SignInView:
        """As `SignIns.begin_reconnect`."""
        self.begun.append(connection.name)
        if self.gate is not None:
            await self.gate.wait()
        if self.refusal is not None:
            raise self.refusal
        return SignInView(id="s1", status="waiting", authorize_url=self.authorize_url, expires_at=START)

    async def place(self, *connections: Connection) -> None:
        """Connections change, and the moment of gathering goes by."""
        for connection in connections:
            self.desks.place(connection)
        await self.pass_by()

    async def pass_by(self, seconds: float = GATHER_SECONDS) -> None:
        """Time passes."""
        await settle()
        await self.clock.advance(seconds)


@pytest.fixture
async def room() -> AsyncGenerator[Room, None]:
    """A started notifier and one healthy connection."""
    made = Room()
    made.desks.place(ACME)
    made.notifier.start()
    await settle()
    yield made
    await made.notifier.close()


async def test_a_failure_is_shown_once_and_withdrawn_on_recovery(room: Room) -> None:
    """Raised when it falls ill, not again while it stays so, and gone when it is well, whoever mended it."""
    await room.place(ILL)
    await room.place(replace(ILL, generation=2))
    await room.place(replace(ACME, generation=3))

    assert room.screen.told == ["acme (PRODUCTION): please sign in again", f"- {KEY}"]


async def test_a_moment_is_waited_before_anything_is_shown(room: Room) -> None:
    """What falls together is told together, and what mends itself at once is not told."""
    room.desks.place(ILL)
    await room.pass_by(GATHER_SECONDS - 0.1)
    early = list(room.screen.told)
    room.desks.place(ACME)
    await room.pass_by()

    assert (early, room.screen.told) == ([], [])


async def test_many_at_once_are_one_digest(room: Room) -> None:
    """Seven connections that fall together make one bubble."""
    await room.place(*(replace(ILL, id=f"c{number}", name=f"org-{number}") for number in range(7)))

    assert room.screen.told == ["7 connections need you"]


async def test_what_is_ill_at_the_start_is_shown_once() -> None:
    """The service was not there when it happened, or has been started again."""
    room = Room()
    room.desks.place(ILL)
    room.notifier.start()
    await room.pass_by()
    await room.pass_by()
    await room.notifier.close()

    assert room.screen.told == ["acme (PRODUCTION): please sign in again"]


async def test_disconnecting_withdraws(room: Room) -> None:
    """Nothing is said of a connection that is not there any more."""
    await room.place(ILL)
    room.desks.remove(ACME.id)
    await room.pass_by()

    assert room.screen.open == {}


async def test_reconnect_begins_the_sign_in_and_opens_it(room: Room) -> None:
    """One press, one attempt, one browser; the bubble stays until the connection is well."""
    await room.place(ILL)
    before = list(room.browser.opened)
    await room.screen.press(RECONNECT)

    assert before == []
    assert (room.begun, room.browser.opened) == (["acme"], [SIGN_IN])
    assert KEY in room.screen.open
    await room.place(replace(ACME, generation=2))
    assert room.screen.open == {}


async def test_an_impatient_person_opens_one_browser(room: Room) -> None:
    """A second press while the first is on its way is the first; a later one begins anew."""
    room.gate = asyncio.Event()
    await room.place(ILL)
    await room.screen.press(RECONNECT)
    await room.screen.press(RECONNECT)
    room.gate.set()
    await settle()
    assert room.browser.opened == [SIGN_IN]
    await room.screen.press(RECONNECT)

    assert room.browser.opened == [SIGN_IN, SIGN_IN]


async def test_an_app_that_needs_no_browser_opens_none(room: Room) -> None:
    """The client credentials flow is done when it has begun."""
    room.authorize_url = None
    await room.place(ILL)
    await room.screen.press(RECONNECT)

    assert room.browser.opened == []
    assert KEY in room.screen.open


async def test_a_sign_in_that_was_given_up_is_shown_again(room: Room) -> None:
    """The service closed the bubble with the press: it comes back when the attempt is over, if nothing has recovered."""
    await room.place(ILL)
    await room.screen.press(RECONNECT, closes=True)
    await room.pass_by(ABANDONED_SECONDS - 1)
    early = dict(room.screen.open)
    await room.pass_by(2)

    assert early == {}
    assert KEY in room.screen.open


async def test_a_closed_notice_stays_closed(room: Room) -> None:
    """The person has read it."""
    await room.place(ILL)
    await room.screen.close()
    await room.place(replace(ILL, generation=2))
    await room.pass_by(24 * 3600)

    assert room.screen.open == {}


@pytest.mark.parametrize("closes", [False, True])
@pytest.mark.parametrize(
    ("refusal", "sentence"),
    [
        (Problem(409, "not_allowed", "Another port."), "Another port. Run: meshmesh reconnect acme"),
        (VaultUnwritable("The disk is full.", "Make room."), "The disk is full. Make room."),
        (None, "No browser could be opened. Run: meshmesh reconnect acme"),
    ],
)
async def test_a_press_that_does_not_work_says_so(
    room: Room, refusal: Exception | None, sentence: str, closes: bool
) -> None:
    """The bubble comes back with what went wrong and the way without it."""
    room.refusal, room.browser.there = refusal, False
    await room.place(ILL)
    await room.screen.press(RECONNECT, closes=closes)
    await room.pass_by()

    assert room.screen.open[KEY].lines == ("Acme: It was revoked.", sentence)


@pytest.mark.parametrize("there", [True, False])
async def test_what_is_blocked_leads_to_its_page(room: Room, there: bool) -> None:
    """Signing in again does not mend what an admin has to; where there is no browser the address is shown."""
    room.browser.there = there
    await room.place(BLOCKED)
    await room.screen.press(LOOK)
    await room.pass_by()
    address = f"http://localhost:1717/r/{ACME.id}"
    remark = () if there else (f"No browser could be opened. Look at {address}",)

    assert (room.browser.opened, room.begun) == ([address], [])
    assert room.screen.open[KEY].lines == ("Acme: The address is not allowed.", *remark)


async def test_a_snooze_is_an_hour(room: Room) -> None:
    """It goes at once and comes back by itself."""
    await room.place(ILL)
    await room.screen.press(SNOOZE)
    gone = dict(room.screen.open)
    await room.pass_by(SNOOZE_SECONDS - 1)
    early = dict(room.screen.open)
    await room.pass_by(2)

    assert (gone, early) == ({}, {})
    assert KEY in room.screen.open
    assert room.browser.opened == []


async def test_a_press_after_it_is_over_does_no_harm(room: Room) -> None:
    """An old bubble's button begins nothing, whatever it says."""
    await room.place(ILL)
    await room.place(replace(ACME, generation=2))
    for button in (RECONNECT, LOOK, SNOOZE):
        await room.screen.press(button)

    assert (room.begun, room.browser.opened, room.screen.open) == ([], [], {})


async def test_who_is_waiting_is_said(room: Room) -> None:
    """A program that is refused appears in the bubble that stands, once."""
    await room.place(ILL)
    room.waiting.note(ACME.id, "nightly.py")
    room.waiting.note(ACME.id, "nightly.py")
    await room.pass_by()

    assert len(room.screen.told) == 2
    assert room.screen.open[KEY].lines == ("Acme: It was revoked.", "nightly.py is waiting.")


async def test_who_was_refused_long_ago_is_not_waiting(room: Room) -> None:
    """And who waited for an earlier trouble does not wait for this one."""
    room.waiting.note(ACME.id, "old.py")
    await room.clock.advance(WAITING_SECONDS)
    room.waiting.note(ACME.id, "new.py")
    now = room.waiting.names(ACME.id)
    await room.place(replace(ACME, generation=2))

    assert now == ("new.py",)
    assert room.waiting.names(ACME.id) == ()


async def test_the_log_says_it_without_names(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """Without a screen the log has a line for it; logs are kept in the clear, so that it names nobody."""
    await room.place(ILL)
    await room.place(replace(ILL, generation=2))
    lines = [record.getMessage() for record in caplog.records if record.name == "meshmesh.notifier"]

    assert lines == ["a connection needs you. Next: meshmesh status"]
