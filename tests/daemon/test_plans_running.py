"""Running: exactly what was approved, in order, each once, and not what has changed since."""

import asyncio
from dataclasses import replace

import pytest

from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases import plans_running
from meshmesh_daemon.usecases.carrying import NotSent, Unknown
from meshmesh_storage import plans
from meshmesh_storage.activity_rows import Row
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.plan_records import ItemStatus, Plan, PlanStatus, Result
from meshmesh_storage.records import Mode
from meshmesh_storage.transaction import Transaction
from support.clock import settle, until
from support.floor import ACME
from support.plans import ACCOUNT, OTHER, PLAN_ACME, RULES, Planner, answer, create, rename, write
from support.presence import GIVEN

AWAY = NotSent(Problem(503, "offline", "Salesforce is away."))
REFUSED = answer(400, [{"errorCode": "REQUIRED_FIELD_MISSING", "message": "Name"}])


async def test_items_run_in_the_order_of_the_plan(planner: Planner) -> None:
    """One after the other, and the plan is done when the last one is."""
    client = await planner.client()
    requests = [create("a"), create("b"), create("c")]
    held = [await planner.hold(client, request) for request in requests]
    plan = await planner.run(held[0].plan.id)

    assert planner.carrier.carried == requests
    assert (plan.status, {item.status for item in plan.plan.items}) == (PlanStatus.DONE, {ItemStatus.DONE})
    assert [plan.results[one.item_id].status for one in held] == [201, 201, 201]


@pytest.mark.parametrize(
    ("said", "status", "note"),
    [
        (REFUSED, ItemStatus.FAILED, "Salesforce answered 400."),
        (AWAY, ItemStatus.FAILED, "It was not sent: Salesforce is away."),
        (Unknown("The line broke."), ItemStatus.UNKNOWN, "The line broke."),
        (RuntimeError("a bug"), ItemStatus.UNKNOWN, "Whether it was carried out is not known."),
    ],
)
async def test_after_what_did_not_end_well_nothing_more_runs(
    planner: Planner, said: Exception, status: ItemStatus, note: str
) -> None:
    """The rest is rejected and says why; the plan is partly done."""
    planner.carrier.says = [answer(201, {"id": ACCOUNT, "success": True}), said]
    client = await planner.client()
    held = [await planner.hold(client, create(name)) for name in "abc"]
    plan = (await planner.run(held[0].plan.id)).plan

    assert [item.status for item in plan.items] == [ItemStatus.DONE, status, ItemStatus.REJECTED]
    assert (plan.status, plan.items[1].note) == (PlanStatus.PARTLY_DONE, note)
    assert len(planner.carrier.carried) == 2


async def test_parts_that_failed_are_counted(planner: Planner) -> None:
    """A collection that answers 200 and did half of it has failed, and its note says how much."""
    records = [{"attributes": {"type": "Account"}, "Name": name} for name in "ab"]
    planner.carrier.says = [
        answer(200, [{"id": ACCOUNT, "success": True, "errors": None}, {"success": False, "errors": ["x"]}])
    ]
    held = await planner.hold(await planner.client(), write("POST", "/composite/sobjects", {"records": records}))
    await planner.run(held.plan.id)
    item = await planner.item(held)

    assert (item.status, item.note) == (ItemStatus.FAILED, "Salesforce refused 1 of its 2 parts.")
    assert [touch.done for touch in item.touches] == [True, False]


async def test_what_has_changed_since_is_held_back(planner: Planner) -> None:
    """The record is named, the others run, and the item shows what is there now."""
    client = await planner.client()
    stale, fresh = await planner.hold(client, rename()), await planner.hold(client, rename(record=OTHER))
    planner.carrier.touch(ACCOUNT, Name="Somebody was here")
    plan = (await planner.run(stale.plan.id)).plan
    item = await planner.item(stale)

    assert (plan.status, (await planner.item(fresh)).status) == (PlanStatus.PARTLY_DONE, ItemStatus.DONE)
    assert item.status is ItemStatus.STALE
    assert ACCOUNT in (item.note or "")
    assert item.changes[0].before == "Somebody was here"
    assert planner.carrier.carried == [rename(record=OTHER)]


async def test_what_was_held_back_runs_when_it_is_approved_again(planner: Planner) -> None:
    """The owner has seen it as it is now; if it changes once more, it is held back once more."""
    held = await planner.hold(await planner.client(), rename())
    for name in ("one", "two"):
        planner.carrier.touch(ACCOUNT, Name=name)
        assert (await planner.run(held.plan.id)).plan.items[0].status is ItemStatus.STALE
    plan = await planner.run(held.plan.id)

    assert (plan.status, planner.carrier.carried) == (PlanStatus.DONE, [rename()])


async def test_a_record_that_is_gone_is_held_back(planner: Planner) -> None:
    """What cannot be read any more counts as changed."""
    held = await planner.hold(await planner.client(), rename())
    del planner.carrier.accounts[ACCOUNT]

    assert (await planner.run(held.plan.id)).plan.items[0].status is ItemStatus.STALE


async def test_a_plan_may_change_a_record_twice(planner: Planner) -> None:
    """What an earlier item of the same plan did to a record holds no later one back."""
    client = await planner.client()
    held = [await planner.hold(client, rename(name)) for name in ("one", "two")]

    assert (await planner.run(held[0].plan.id)).status is PlanStatus.DONE
    assert planner.carrier.accounts[ACCOUNT]["Name"] == "two"


@pytest.mark.parametrize("what", ["org", "grant"])
async def test_what_is_not_what_it_was_is_not_run(planner: Planner, what: str) -> None:
    """A connection that leads to another org, or a program that may only read by now: approved, and not run."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    if what == "org":
        planner.floor.desks.place(replace(ACME, org_id="00D000000000099AAA", generation=2))
    else:
        await planner.access.regrant(client.id, [replace(PLAN_ACME, mode=Mode.READ)], GIVEN)
    plan = await planner.run(held.plan.id)

    assert (plan.status, plan.plan.items[0].status) == (PlanStatus.PARTLY_DONE, ItemStatus.REJECTED)
    assert planner.carrier.carried == []


async def test_running_is_on_disk_before_a_byte_leaves(planner: Planner) -> None:
    """A service that dies while a request is on its way finds it `unknown`, and never sends it again."""
    held = [await planner.hold(client, create(name)) for client in [await planner.client()] for name in "ab"]
    planner.carrier.gate = asyncio.Event()
    await planner.plans.approve(held[0].plan.id, None, GIVEN)
    await until(lambda: bool(planner.carrier.carried))
    again = planner.again()
    await again.load()
    again.resume()
    plan = await again.wait(held[0].plan.id, None, 60)
    await again.close()
    planner.carrier.gate.set()

    assert [item.status for item in plan.plan.items] == [ItemStatus.UNKNOWN, ItemStatus.REJECTED]
    assert plan.status is PlanStatus.PARTLY_DONE
    assert planner.carrier.carried == [create("a")]


@pytest.mark.parametrize(("seconds", "runs"), [(0, True), (RULES.expire_seconds, False)])
async def test_what_was_approved_and_had_not_begun_runs_after_a_restart(
    planner: Planner, monkeypatch: pytest.MonkeyPatch, seconds: int, runs: bool
) -> None:
    """The yes is on disk, the bytes too; a service that begins again sends them once, and not after the plan's time."""
    monkeypatch.setattr(plans_running, "END_SECONDS", 0)
    held = await planner.hold(await planner.client(), rename())
    planner.carrier.read_gate = asyncio.Event()
    await planner.plans.approve(held.plan.id, None, GIVEN)
    await until(lambda: len(planner.carrier.reads) == 2)
    await planner.plans.close()
    planner.carrier.read_gate = None
    await planner.floor.clock.advance(seconds)
    assert planner.carrier.carried == []
    again = planner.again()
    await again.load()
    again.resume()
    plan = await again.wait(held.plan.id, None, 60)
    await again.close()

    assert planner.carrier.carried == [rename()] * runs
    assert plan.status is (PlanStatus.DONE if runs else PlanStatus.PARTLY_DONE)


async def test_a_long_answer_is_not_kept(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its status is, and the note says that it was too long."""
    monkeypatch.setattr(plans_running, "MOST_ANSWER", 10)
    held = await planner.hold(await planner.client(), create())
    plan = await planner.run(held.plan.id)
    result = plan.results[held.item_id]

    assert (plan.status, result.status, result.body) == (PlanStatus.DONE, 201, b"")
    assert "too long" in (plan.plan.items[0].note or "")


async def test_a_full_disk_loses_no_answer(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """How an item ended is written again until the vault takes it; the request is not sent again for that."""
    whole, full = plans.put_result, [True]

    async def put_result(tx: Transaction, item_id: str, result: Result) -> None:
        if full:
            raise VaultUnwritable("The disk is full.", "Make room.")
        await whole(tx, item_id, result)

    monkeypatch.setattr(plans, "put_result", put_result)
    held = await planner.hold(await planner.client(), create())
    await planner.plans.approve(held.plan.id, None, GIVEN)
    await until(lambda: bool(planner.carrier.carried))
    await settle()
    stuck = (await planner.item(held)).status
    full.clear()
    await planner.floor.clock.advance(plans_running.AGAIN_SECONDS)
    plan = await planner.plans.wait(held.plan.id, None, 60)

    assert (stuck, plan.status, plan.results[held.item_id].status) == (ItemStatus.RUNNING, PlanStatus.DONE, 201)
    assert len(planner.carrier.carried) == 1


async def test_what_cannot_be_journalled_is_not_sent(planner: Planner, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where `running` does not reach the disk, no byte leaves, and the item says why."""
    held = await planner.hold(await planner.client(), create())
    whole, full = plans.put, [True]

    async def put(tx: Transaction, plan: Plan, *, live: bool) -> None:
        if full and plan.status is PlanStatus.RUNNING:
            full.clear()
            raise VaultUnwritable("The disk is full.", "Make room.")
        await whole(tx, plan, live=live)

    monkeypatch.setattr(plans, "put", put)
    plan = await planner.run(held.plan.id)

    assert (plan.plan.items[0].status, planner.carrier.carried) == (ItemStatus.REJECTED, [])
    assert "The disk is full." in (plan.plan.items[0].note or "")


async def test_the_activity_tells_all_of_it(planner: Planner) -> None:
    """Held, approved, sent, answered: each by whom it was, the sending before the answer."""
    held = await planner.hold(await planner.client(), create())
    await planner.run(held.plan.id)
    rows: list[Row] = await planner.floor.activity.page(after=0, limit=100)
    told = [(row.entry.actor.name, row.entry.action) for row in rows if row.entry]

    assert [one for one in told if one[1].startswith(("plan.", "write."))] == [
        ("owner", "plan.approved"),
        ("agent", "write.sent"),
        ("agent", "write.answered"),
    ]
