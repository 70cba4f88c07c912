"""The doorbell: what reaches the screen of those who ask, and what becomes of a pressed button."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.knocking import DENY, FLOOD, MANY, REVIEW
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.access_requests import LIFETIME as WISH_LIFETIME
from meshmesh_daemon.usecases.access_requests import AccessRequests, Wish
from meshmesh_daemon.usecases.doorbell import GATHER_SECONDS, Doorbell
from meshmesh_daemon.usecases.pairings import LIFETIME, Asking, Pairings, Seen, Want
from meshmesh_daemon.usecases.refusals import Refusals
from meshmesh_storage.records import Client, Mode
from support.clock import settle
from support.floor import Floor
from support.presence import GIVEN, access_of
from support.screen import FakeBrowser, Screen

PAGE = "http://localhost:1717/pair"
READ = WantedGrant(connection="acme", mode=Mode.READ)
WISH = Wish(purpose="count the accounts", mode=Mode.BUILD, raw_token=True)


@dataclass
class House:
    """A doorbell on the floor."""

    floor: Floor
    access: Access
    pairings: Pairings
    requests: AccessRequests
    screen: Screen
    browser: FakeBrowser

    async def ask(self, pid: int = 1, name: str = "tool", *, seen: Seen | None = None) -> str:
        """A program asks to be paired; its code."""
        want = Want(connection="acme", mode=Mode.PLAN, raw_token=True, purpose=None)
        seen = seen or Seen(uid=1000, pid=pid, exe="/usr/bin/tool", parent="/bin/zsh")
        begun = self.pairings.ask(Asking(name=name, kind="agent", wants=(want,), seen=seen))
        await self.pass_by()
        return begun.user_code

    async def client(self) -> Client:
        """A paired program."""
        return (await self.access.admit(NewClient(name="agent", kind="agent"), [], GIVEN))[0]

    async def pass_by(self, seconds: float = GATHER_SECONDS) -> None:
        """Time passes."""
        await settle()
        await self.floor.clock.advance(seconds)

    @property
    def titles(self) -> list[str]:
        """What stands on the screen."""
        return [notice.title for notice in self.screen.open.values()]


@pytest.fixture
async def house(floor: Floor) -> AsyncGenerator[House, None]:
    """A started doorbell."""
    processes, screen, browser = Processes(), Screen(), FakeBrowser()
    access = access_of(floor, processes)
    refusals = Refusals(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    pairings = Pairings(access=access, refusals=refusals, activity=floor.activity, clock=floor.clock)
    requests = AccessRequests(access=access, activity=floor.activity, clock=floor.clock)
    doorbell = Doorbell(
        access=access,
        pairings=pairings,
        requests=requests,
        notifications=screen,
        browser=browser,
        clock=floor.clock,
        base="http://localhost:1717",
    )
    doorbell.start()
    yield House(floor, access, pairings, requests, screen, browser)
    await doorbell.close()
    requests.close()
    await processes.close()


async def test_a_program_that_asks_is_told(house: House) -> None:
    """What it says and what is seen stand apart; the buttons look and deny, and none of them approves."""
    code = await house.ask()
    (notice,) = house.screen.open.values()

    assert notice.title == "A program wants to use MeshMesh"
    assert notice.lines == (
        "It says: tool",
        "We see: /usr/bin/tool, started by /bin/zsh",
        "It asks for: acme (plan) with its access token",
    )
    assert [button.key for button in notice.buttons] == [REVIEW, DENY]
    assert (notice.click, notice.link, notice.command) == (REVIEW, PAGE, "meshmesh requests")
    assert code not in str(notice.lines)


async def test_a_wish_is_told(house: House) -> None:
    """Who asks, in which mode, and its purpose as its own words; Review leads to the requests."""
    house.requests.ask(await house.client(), WISH)
    await house.pass_by()
    (notice,) = house.screen.open.values()
    await house.screen.press(REVIEW)

    assert house.browser.opened == ["http://localhost:1717/requests"]
    assert notice.title == "agent asks for a connection"
    assert notice.lines == ("Mode: build, and the access token itself", 'It says: "count the accounts"')


async def test_texts_of_others_cannot_disguise_anything(house: House) -> None:
    """A name with line ends, marks that turn the direction, or no end is shown as plain text of bearable length."""
    await house.ask(name="Chrome\u202e\u200b" + "x" * 79)
    (notice,) = house.screen.open.values()

    assert notice.lines[0].startswith("It says: Chromexxx")
    assert len(notice.lines[0]) < 80
    assert "\u202e" not in notice.lines[0]


async def test_review_opens_the_page(house: House) -> None:
    """The button leads to where requests are decided, without a code in the address; the request stays open."""
    code = await house.ask()
    await house.screen.press(REVIEW)

    assert house.browser.opened == [PAGE]
    assert [view.user_code for view in house.pairings.waiting()] == [code]


async def test_deny_denies_that_one(house: House) -> None:
    """The other one stays; its own bubble goes."""
    first, second = await house.ask(1), await house.ask(2)
    await house.screen.press(DENY, f"pairing:{first}")
    await house.pass_by()

    assert [view.user_code for view in house.pairings.waiting()] == [second]
    assert list(house.screen.open) == [f"pairing:{second}"]


async def test_a_wish_is_denied_too(house: House) -> None:
    """The waiting program learns it."""
    client = await house.client()
    asked = house.requests.ask(client, WISH)
    await house.pass_by()
    await house.screen.press(DENY)
    await house.pass_by()

    assert house.requests.get(asked.id, client.id).status == "denied"
    assert house.titles == []


@pytest.mark.parametrize("closes", [False, True])
async def test_a_late_press_changes_nothing(house: House, closes: bool) -> None:
    """What was decided a moment before stays decided."""
    code = await house.ask()
    await house.pairings.approve(code, [READ], GIVEN)
    await house.screen.press(DENY, closes=closes)

    assert [client.name for client in house.access.all()] == ["tool"]


async def test_the_bubble_goes_with_the_request(house: House) -> None:
    """Decided elsewhere, replaced, expired, or its client revoked: it leaves the screen."""
    code = await house.ask()
    await house.pairings.approve(code, [READ], GIVEN)
    await house.pass_by()
    assert house.titles == []
    await house.ask()
    await house.ask()
    assert len(house.titles) == 1
    await house.pass_by(LIFETIME.total_seconds())
    assert house.titles == []
    client = await house.client()
    house.requests.ask(client, WISH)
    await house.pass_by()
    await house.access.revoke(client.id)
    await house.pass_by()
    assert house.titles == []
    house.requests.ask(await house.client(), WISH)
    await house.pass_by(WISH_LIFETIME.total_seconds() + GATHER_SECONDS)
    assert house.titles == []


async def test_what_was_closed_is_not_shown_again(house: House) -> None:
    """Once a request, whatever comes after it."""
    await house.ask(1)
    await house.screen.close()
    await house.ask(2)

    assert len(house.screen.open) == 1
    assert house.screen.told == ["A program wants to use MeshMesh"] * 2


async def test_a_flood_is_one_bubble(house: House) -> None:
    """From three at once on there is one, which is drawn once and stays closed when it is closed."""
    for pid in range(MANY - 1):
        await house.ask(pid)
    for pid in range(MANY, 15):
        await house.ask(pid)
    told = len(house.screen.told)
    (notice,) = house.screen.open.values()

    assert notice.key == FLOOD
    assert [button.key for button in notice.buttons] == [REVIEW]
    assert house.screen.told.count(notice.title) == 1
    await house.screen.close()
    await house.ask(20)
    assert len(house.screen.told) == told
    await house.pass_by(LIFETIME.total_seconds())
    await house.ask(21)
    assert house.titles == ["A program wants to use MeshMesh"]


async def test_without_a_browser_the_log_says_how(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """Review on a machine that opens nothing."""
    house.browser.there = False
    await house.ask()
    await house.screen.press(REVIEW)

    assert "no browser could be opened. Next: meshmesh requests" in caplog.messages
