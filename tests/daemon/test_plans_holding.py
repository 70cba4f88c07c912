"""Holding: a request becomes an item of a plan, and nothing else happens."""

import asyncio

import pytest

from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.plan_fields import UNREAD
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases import plans_holding
from meshmesh_daemon.usecases.carrying import NotSent, Unknown
from meshmesh_storage.plan_records import ItemStatus, PlanStatus
from support.clock import settle
from support.floor import ACME
from support.plans import ACCOUNT, OTHER, RULES, Planner, create, rename, write
from support.presence import GIVEN


async def test_a_held_request_is_an_item_with_before_and_after(planner: Planner) -> None:
    """It keeps its hash, says what it would do in words, and shows the old value beside the new one."""
    held = await planner.hold(await planner.client(), rename())
    item = await planner.item(held)
    (change,) = item.changes

    assert (held.plan.status, item.status, item.sha256) == (PlanStatus.HELD, ItemStatus.HELD, rename().sha256)
    assert (change.record, change.field, change.before, change.after) == (ACCOUNT, "Name", "Old", "New")
    assert (item.note, "Account" in item.summary) == (None, True)
    assert planner.carrier.carried == []


async def test_the_bytes_are_kept_as_they_came(planner: Planner) -> None:
    """Another life of the service sends the same bytes, header by header."""
    held = await planner.hold(await planner.client(), rename("Ümlaut\\n"))
    again = planner.again()
    await again.load()
    await again.approve(held.plan.id, None, GIVEN)
    await again.wait(held.plan.id, None, 60)
    await again.close()

    assert planner.carrier.carried == [rename("Ümlaut\\n")]


async def test_requests_that_come_together_are_one_plan(planner: Planner) -> None:
    """What comes within the quiet time joins; after it, a new plan begins."""
    client = await planner.client()
    first = await planner.hold(client, create("a"))
    await planner.floor.clock.advance(RULES.quiet_seconds)
    second = await planner.hold(client, create("b"))
    await planner.floor.clock.advance(RULES.quiet_seconds + 1)
    third = await planner.hold(client, create("c"))

    assert first.plan.id == second.plan.id != third.plan.id
    assert [item.id for item in second.plan.plan.items] == [first.item_id, second.item_id]


async def test_a_client_can_name_its_plan(planner: Planner) -> None:
    """Under the name of its own open plan a request joins that one, however late."""
    client = await planner.client()
    first = await planner.hold(client, create("a"))
    await planner.floor.clock.advance(60)
    second = await planner.hold(client, create("b"), group=first.plan.id)

    assert second.plan.id == first.plan.id


async def test_a_name_that_is_not_an_own_open_plan_is_refused(planner: Planner) -> None:
    """Another client's plan is 404 like one that is not there; a decided one is 409."""
    client, other = await planner.client(), await planner.client(name="other")
    plan = (await planner.hold(client, create("a"))).plan
    assert await refused(planner, other, plan.id) == (404, "not_found")
    assert await refused(planner, client, "pl-none") == (404, "not_found")
    await planner.plans.reject(plan.id, None)

    assert await refused(planner, client, plan.id) == (409, "already_decided")


async def refused(planner: Planner, client: object, group: str) -> tuple[int, str]:
    """The refusal of a request that names a plan."""
    found = next(one for one in planner.access.all() if one == client)
    with pytest.raises(Problem) as problem:
        await planner.hold(found, create("x"), group=group)
    return problem.value.status, problem.value.code


async def test_the_same_request_joins_its_item(planner: Planner) -> None:
    """While it waits, running the command again asks nobody twice, not even at the same moment."""
    client = await planner.client()
    one, two = await asyncio.gather(planner.hold(client, rename()), planner.hold(client, rename()))
    await planner.floor.clock.advance(60)
    three = await planner.hold(client, rename())

    assert one.item_id == two.item_id == three.item_id
    assert len(three.plan.plan.items) == 1


async def test_another_clients_same_request_is_its_own(planner: Planner) -> None:
    """Two programs that want the same are asked about one by one."""
    one = await planner.hold(await planner.client(), rename())
    two = await planner.hold(await planner.client(name="other"), rename())

    assert one.plan.id != two.plan.id


async def test_what_is_handed_in_together_is_one_plan_twins_too(planner: Planner) -> None:
    """Two intended creates are two items; nothing joins such a plan by itself; the reason is the client's words."""
    client = await planner.client()
    requests = [(create(), verdict_of(create())), (create(), verdict_of(create()))]
    plan = (await planner.plans.submit(client, ACME, requests, reason="two of them")).plan
    later = await planner.hold(client, create("other"))

    assert ([item.sha256 for item in plan.items], plan.reason) == ([create().sha256] * 2, "two of them")
    assert later.plan.id != plan.id


async def test_a_plan_handed_in_twice_under_one_key_is_one(planner: Planner) -> None:
    """An answer that was lost on the way does not make a second plan; another key does."""
    client = await planner.client()
    requests = [(create(), verdict_of(create()))]
    ids = [(await planner.plans.submit(client, ACME, requests, reason=None, key=key)).id for key in ("k", "k", "l")]

    assert ids[0] == ids[1] != ids[2]


async def test_a_key_stands_for_what_was_handed_in_under_it(planner: Planner) -> None:
    """Other requests under a key that was used are refused, and never taken for held; a plan that grew is still it."""
    client = await planner.client()
    first, other = create("first"), create("other")
    made = await planner.plans.submit(client, ACME, [(first, verdict_of(first))], reason=None, key="k")
    await planner.hold(client, other, group=made.id)
    with pytest.raises(Problem, match="other requests") as refused:
        await planner.plans.submit(client, ACME, [(other, verdict_of(other))], reason=None, key="k")
    again = await planner.plans.submit(client, ACME, [(first, verdict_of(first))], reason=None, key="k")

    assert (refused.value.status, again.id) == (422, made.id)


@pytest.mark.parametrize("trouble", [NotSent(Problem(503, "offline", "away")), None])
async def test_old_values_that_cannot_be_read_are_said_so(planner: Planner, trouble: Exception | None) -> None:
    """Whether the org is away or the record is not there: it is held all the same, with a note."""
    planner.carrier.read_says = trouble
    planner.carrier.accounts.clear()
    item = await planner.item(await planner.hold(await planner.client(), rename()))

    assert (item.note, item.changes[0].before, item.changes[0].after) == (UNREAD, None, "New")


async def test_a_read_that_hangs_holds_nobody_up(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """The item is there without its old values."""
    monkeypatch.setattr("meshmesh_daemon.usecases.plans_reading.READ_SECONDS", 0.01)
    planner.carrier.read_gate = asyncio.Event()

    assert (await planner.item(await planner.hold(await planner.client(), rename()))).note == UNREAD


async def test_many_records_are_read_in_one_call(planner: Planner) -> None:
    """A collection of updates is one read, and each field stands under its record."""
    records = [{"attributes": {"type": "Account"}, "id": one, "Name": "New"} for one in (ACCOUNT, OTHER)]
    held = await planner.hold(await planner.client(), write("PATCH", "/composite/sobjects", {"records": records}))
    item = await planner.item(held)

    assert len(planner.carrier.reads) == 1
    assert {(change.record, change.before) for change in item.changes if change.field == "Name"} == {
        (ACCOUNT, "Old"),
        (OTHER, "Old"),
    }


async def test_a_delete_shows_what_would_go(planner: Planner) -> None:
    """Each field of the record stands there with nothing after it."""
    held = await planner.hold(await planner.client(), write("DELETE", f"/sobjects/Account/{ACCOUNT}"))
    item = await planner.item(held)

    assert [(change.field, change.before, change.after) for change in item.changes] == [("Name", "Old", None)]


async def test_a_client_has_so_many_open_plans(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is 429 with when to come back; a decision makes room, and another client has its own."""
    monkeypatch.setattr(plans_holding, "MOST_OPEN", 2)
    client = await planner.client()
    ids: list[str] = []
    for name in ("a", "b"):
        ids.append((await planner.hold(client, create(name))).plan.id)
        await planner.floor.clock.advance(60)
    with pytest.raises(Problem) as problem:
        await planner.hold(client, create("c"))
    await planner.hold(await planner.client(name="other"), create("c"))
    await planner.plans.reject(ids[0], None)

    assert (problem.value.status, problem.value.retry_after) == (429, RULES.expire_seconds - 120)
    assert (await planner.hold(client, create("c"))).plan.is_open


@pytest.mark.parametrize(("items", "size"), [(1, 10**6), (10**6, 40)])
async def test_a_plan_has_a_size(planner: Planner, monkeypatch: pytest.MonkeyPatch, items: int, size: int) -> None:
    """A full plan takes no more under its name (413), and without a name the next one begins."""
    monkeypatch.setattr(plans_holding, "MOST_ITEMS", items)
    monkeypatch.setattr(plans_holding, "MOST_BYTES", size)
    client = await planner.client()
    first = await planner.hold(client, create("a" * 10))
    with pytest.raises(Problem) as problem:
        await planner.hold(client, create("b" * 10), group=first.plan.id)
    second = await planner.hold(client, create("b" * 10))

    assert problem.value.status == 413
    assert second.plan.id != first.plan.id


async def test_a_request_that_is_too_long_is_refused(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """No plan takes it: 413, and nothing is kept."""
    monkeypatch.setattr(plans_holding, "MOST_BYTES", 10)
    client = await planner.client()
    with pytest.raises(Problem) as problem:
        await planner.hold(client, create())

    assert problem.value.status == 413
    assert planner.plans.live() == []


async def test_what_may_have_run_is_said_when_it_is_asked_again(planner: Planner) -> None:
    """After an unknown end the same request is a new item, whose note warns of the first."""
    client = await planner.client()
    first = await planner.hold(client, create())
    planner.carrier.says = [Unknown("The line broke.")]
    await planner.run(first.plan.id)
    await settle()
    second = await planner.hold(client, create())
    item = await planner.item(second)

    assert second.item_id != first.item_id
    assert item.note is not None
    assert first.plan.id in item.note
