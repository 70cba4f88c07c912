"""What happens to plans by itself, and what is told of them."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest

from meshmesh_daemon.core.events import EventName
from meshmesh_daemon.core.plan_notice import REJECT, REVIEW
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.events import Event
from meshmesh_daemon.usecases.plans_telling import PlansTelling
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage import plans
from meshmesh_storage.plan_records import PlanStatus
from support.clock import settle, until
from support.plans import RULES, Planner, create, rename

DAY = 24 * 3600


class FakeBrowser:
    """Remembers what it was to open."""

    def __init__(self) -> None:
        self.opened: list[str] = []

    async def open(self, address: str) -> bool:
        """As `Browser.open`."""
        self.opened.append(address)
        return True


def telling(planner: Planner, events: list[Event], browser: FakeBrowser | None = None) -> PlansTelling:
    """Telling of the plans, begun."""
    made = PlansTelling(
        plans=planner.plans,
        publish=events.append,
        activity=planner.floor.activity,
        desks=planner.floor.desks,
        screen=planner.screen,
        browser=browser or FakeBrowser(),
        base="http://localhost:1717",
    )
    made.start()
    return made


@asynccontextmanager
async def kept(planner: Planner) -> AsyncGenerator[None, None]:
    """The plans are looked after while the block lasts."""
    keeping = asyncio.ensure_future(planner.plans.keep())
    try:
        yield
    finally:
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)


async def test_a_plan_expires_by_itself(planner: Planner) -> None:
    """Nobody has to look: soon after its time it is over, and that is told."""
    events: list[Event] = []
    told = telling(planner, events)
    async with kept(planner):
        held = await planner.hold(await planner.client(), rename())
        await planner.floor.clock.advance(RULES.expire_seconds + 30)
        await until(lambda: len(events) == 2)
    await told.close()

    assert [event.name for event in events] == [EventName.PLAN_CREATED, EventName.PLAN_DECIDED]
    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.EXPIRED


async def test_bytes_go_first_and_plans_later(planner: Planner) -> None:
    """A quarter of an hour after its end a plan has no bytes left; a month later it is not there."""
    held = await planner.hold(await planner.client(), create())
    await planner.run(held.plan.id)
    await planner.floor.clock.advance(15 * 60)
    async with kept(planner):
        await until(lambda: planner.plans.live() == [])
    async with planner.floor.vault.transaction() as tx:
        left = await plans.request_of(tx, held.item_id), await plans.result_of(tx, held.item_id)
    seen = await planner.plans.get(held.plan.id, None)
    await planner.floor.clock.advance(RULES.keep_days * DAY)
    async with kept(planner):
        async with asyncio.timeout(20):
            while (await planner.plans.page(None, waiting=False, after=None))[0]:
                await settle()

    assert (left, seen.status) == ((None, None), PlanStatus.DONE)
    with pytest.raises(Problem) as gone:
        await planner.plans.get(held.plan.id, None)
    assert gone.value.status == 404


async def test_a_list_has_pages(planner: Planner) -> None:
    """Newest first, each plan once, a client's own only; without those that are over where that is asked for."""
    client, other = await planner.client(), await planner.client(name="other")
    ids: list[str] = []
    for name in "abc":
        ids.insert(0, (await planner.hold(client, create(name))).plan.id)
        await planner.floor.clock.advance(60)
    await planner.hold(other, create())
    await planner.plans.reject(ids[0], None)
    first, after = await planner.plans.page(client.id, waiting=False, after=None, limit=2)
    second, end = await planner.plans.page(client.id, waiting=False, after=after, limit=2)
    waiting, _ = await planner.plans.page(client.id, waiting=True, after=None)
    everybody, _ = await planner.plans.page(None, waiting=False, after=None)

    assert [view.id for view in (*first, *second)] == ids
    assert (end, [view.id for view in waiting], len(everybody)) == (None, ids[1:], 4)


async def test_events_tell_a_plan_from_its_making_to_its_end(planner: Planner) -> None:
    """Created, decided, done: each for the plan's client, with the plan as it is then."""
    events: list[Event] = []
    told = telling(planner, events)
    client = await planner.client()
    held = await planner.hold(client, create())
    await planner.run(held.plan.id)
    await told.close()
    subjects = [event.subject for event in events]

    assert [event.name for event in events] == [EventName.PLAN_CREATED, EventName.PLAN_DECIDED, EventName.PLAN_DONE]
    assert {event.client_id for event in events} == {client.id}
    assert [one.status for one in subjects if isinstance(one, PlanView)] == [
        PlanStatus.HELD,
        PlanStatus.APPROVED,
        PlanStatus.DONE,
    ]


async def test_events_tell_that_a_plan_grew(planner: Planner) -> None:
    """Whoever looks at an open plan learns of each item that joins it; the same request twice is no news."""
    events: list[Event] = []
    told = telling(planner, events)
    client = await planner.client()
    for name in ("a", "b", "b"):
        await planner.hold(client, create(name))
    await told.close()
    sizes = [len(event.subject.plan.items) for event in events if isinstance(event.subject, PlanView)]

    assert [event.name for event in events] == [EventName.PLAN_CREATED, EventName.PLAN_UPDATED]
    assert ({event.client_id for event in events}, sizes) == ({client.id}, [1, 2])


async def test_a_bubble_a_plan_and_none_when_it_is_decided(planner: Planner) -> None:
    """It names the program and the org, grows in place, and leaves with the decision."""
    told = telling(planner, [])
    client = await planner.client()
    held = await planner.hold(client, create("a"))
    await planner.hold(client, create("b"))
    await planner.plans.reject(held.plan.id, None)
    await told.close()
    shown = planner.screen.shown

    assert {notice.key for notice in shown} == {f"plan:{held.plan.id}"}
    assert (shown[-1].title, len(shown[0].lines), len(shown[-1].lines)) == ("agent wants to change acme", 1, 2)
    assert [button.key for button in shown[-1].buttons] == [REVIEW, REJECT]
    assert planner.screen.withdrawn == [f"plan:{held.plan.id}"]


async def test_many_plans_are_one_bubble_more(planner: Planner) -> None:
    """Three are shown, and how many more there are."""
    told = telling(planner, [])
    client = await planner.client()
    for name in "abcde":
        await planner.hold(client, create(name))
        await planner.floor.clock.advance(60)
    await told.close()

    assert len({notice.key for notice in planner.screen.shown}) == 4
    assert planner.screen.shown[-1].title == "2 more plans wait for you"


async def test_the_buttons_do_what_they_say(planner: Planner) -> None:
    """Review opens the plan's page; Reject rejects it, and needs nobody's PIN."""
    browser = FakeBrowser()
    told = telling(planner, [], browser)
    held = await planner.hold(await planner.client(), create())
    planner.screen.answer(REVIEW)
    await until(lambda: bool(browser.opened))
    planner.screen.answer(REJECT)
    await settle()
    await told.close()

    assert browser.opened == [f"http://localhost:1717/plans/{held.plan.id}"]
    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.REJECTED
    assert planner.carrier.carried == []


async def test_what_waits_is_shown_at_the_next_start(planner: Planner) -> None:
    """A service that begins again puts its plans on the screen again."""
    held = await planner.hold(await planner.client(), create())
    told = telling(planner, [])
    await told.close()

    assert [notice.key for notice in planner.screen.shown] == [f"plan:{held.plan.id}"]
    assert held.plan.plan.expires_at - held.plan.plan.created_at == timedelta(seconds=RULES.expire_seconds)
