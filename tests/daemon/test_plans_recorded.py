"""Recorded answers: the same command again ends without a second write, once; and undo."""

import asyncio
import json

import pytest

from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.carrying import NotSent
from meshmesh_daemon.usecases.plans_views import OWNER_ID
from meshmesh_storage.plan_records import HeldRequest, ItemStatus, PlanStatus, Result
from meshmesh_storage.records import Client
from support.clock import settle, until
from support.floor import ACME
from support.plans import ACCOUNT, Planner, answer, create, rename, write
from support.presence import GIVEN


async def again(planner: Planner, client: Client, request: HeldRequest) -> Result | None:
    """The answer to the same request."""
    return await planner.plans.recorded(client, ACME.id, request)


async def claim(planner: Planner, client: Client, request: HeldRequest) -> Result | None:
    """The answer to a request right before it leaves in Build Mode."""
    return await planner.plans.claim(client, ACME.id, request)


async def test_an_answer_is_given_once(planner: Planner) -> None:
    """The client's same request gets what Salesforce answered; the next one is a new item."""
    client = await planner.client()
    held = await planner.hold(client, create())
    await planner.run(held.plan.id)
    first, second = await again(planner, client, create()), await again(planner, client, create())

    assert first is not None
    assert (first.status, json.loads(first.body)["success"]) == (201, True)
    assert second is None
    assert (await planner.hold(client, create())).item_id != held.item_id


async def test_two_twins_have_an_answer_each(planner: Planner) -> None:
    """Two creates that were wanted are two answers, the older first."""
    client = await planner.client()
    for _ in range(2):
        await planner.run((await planner.hold(client, create())).plan.id)
    bodies = [await again(planner, client, create()) for _ in range(3)]
    ids = [json.loads(one.body)["id"] for one in bodies if one]

    assert len(set(ids)) == 2
    assert bodies[2] is None


async def test_build_mode_sends_nothing_beside_its_twin_that_is_under_way(planner: Planner) -> None:
    """Approved, with Build Mode besides, and on its way: the same request waits for that answer and has it."""
    client, planner.carrier.gate = await planner.client(), asyncio.Event()
    held = await planner.hold(client, create())
    await planner.plans.approve(held.plan.id, None, GIVEN, 1800)
    asking = asyncio.ensure_future(again(planner, client, create()))
    await until(lambda: bool(planner.carrier.carried))
    await settle()
    waited = not asking.done()
    planner.carrier.gate.set()
    answered = await asking

    assert waited
    assert answered is not None
    assert answered.status == 201


async def test_what_is_under_way_for_too_long_is_said(planner: Planner) -> None:
    """Nobody waits for ever, and a service that ends lets everybody go: a refusal, and nothing is sent."""
    client, planner.carrier.gate = await planner.client(), asyncio.Event()
    held = await planner.hold(client, create())
    await planner.plans.approve(held.plan.id, None, GIVEN, 1800)
    asking = asyncio.ensure_future(again(planner, client, create()))
    await until(lambda: bool(planner.carrier.carried))
    await planner.floor.clock.advance(61)
    with pytest.raises(Problem, match="under way") as refused:
        await asking
    planner.carrier.gate.set()

    assert refused.value.status == 403


async def test_what_is_sent_in_build_mode_is_taken_out_of_its_plan(planner: Planner) -> None:
    """A held twin never runs, on disk too; another item waits on, and the last one to go takes the plan with it."""
    client = await planner.client()
    held = await planner.hold(client, create())
    await planner.hold(client, create("kept"))
    assert await claim(planner, client, create()) is None
    first = await planner.plans.get(held.plan.id, None)
    later = planner.again()
    await later.load()
    reread = await later.get(held.plan.id, None)
    await later.close()
    assert await claim(planner, client, create("kept")) is None
    last = await planner.plans.get(held.plan.id, None)
    with pytest.raises(Problem, match="withdrawn already"):
        await planner.plans.approve(held.plan.id, None, GIVEN)

    assert [item.status for item in first.plan.items] == [ItemStatus.REJECTED, ItemStatus.HELD]
    assert (first.status, last.status) == (PlanStatus.HELD, PlanStatus.WITHDRAWN)
    assert reread.plan == first.plan
    assert await again(planner, client, create()) is None
    assert planner.carrier.carried == []


async def test_one_request_takes_one_twin_out(planner: Planner) -> None:
    """Two creates that were handed in are two: sent once, one of them still waits."""
    client = await planner.client()
    twins = [(create(), verdict_of(create()))] * 2
    plan = await planner.plans.submit(client, planner.floor.desk().stored, twins, reason=None)
    assert await claim(planner, client, create()) is None
    items = (await planner.plans.get(plan.id, None)).plan.items

    assert [item.status for item in items] == [ItemStatus.REJECTED, ItemStatus.HELD]


async def test_what_was_held_back_is_taken_out_too(planner: Planner) -> None:
    """A stale item could be approved again: sent by the program itself, it can not."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    planner.carrier.touch(ACCOUNT, Name="Else")
    await planner.run(held.plan.id)
    assert (await planner.item(held)).status is ItemStatus.STALE
    assert await claim(planner, client, rename()) is None

    assert (await planner.item(held)).status is ItemStatus.REJECTED
    with pytest.raises(Problem, match="partly done already"):
        await planner.plans.approve(held.plan.id, None, GIVEN)


async def test_a_twin_that_is_approved_meanwhile_is_waited_for(planner: Planner) -> None:
    """The owner's yes came first: the request is not sent beside it, and has its answer."""
    client, planner.carrier.gate = await planner.client(), asyncio.Event()
    held = await planner.hold(client, create())
    await planner.plans.approve(held.plan.id, None, GIVEN)
    claiming = asyncio.ensure_future(claim(planner, client, create()))
    await until(lambda: bool(planner.carrier.carried))
    await settle()
    planner.carrier.gate.set()
    claimed = await claiming

    assert claimed is not None
    assert (claimed.status, len(planner.carrier.carried)) == (201, 1)


async def test_what_may_have_a_twin_is_known_by_its_address(planner: Planner) -> None:
    """While something is held, or its answer not given, for that client, connection, method and target; not later."""
    client, other = await planner.client(), await planner.client(name="other")
    held = await planner.hold(client, create())

    def possible(whose: Client, target: str = create().target, connection: str = ACME.id, method: str = "POST") -> bool:
        return planner.plans.twins_are_possible(whose, connection, method, target)

    assert possible(client)
    assert not possible(other)
    assert not possible(client, rename().target)
    assert not possible(client, connection="c9")
    assert not possible(client, method="PATCH")
    await planner.run(held.plan.id)
    assert possible(client)
    await again(planner, client, create())
    assert not possible(client)


async def test_nobody_else_gets_it(planner: Planner) -> None:
    """Another client, another body or another connection has no answer; asking does not spend it."""
    client, other = await planner.client(), await planner.client(name="other")
    await planner.run((await planner.hold(client, create())).plan.id)

    assert await again(planner, other, create()) is None
    assert await again(planner, client, create("else")) is None
    assert await planner.plans.recorded(client, "c9", create()) is None
    assert await again(planner, client, create()) is not None


async def test_an_answer_lasts_a_quarter_of_an_hour(planner: Planner) -> None:
    """Then the same request is a new item, and the bytes are gone from the vault with the next look."""
    client = await planner.client()
    held = await planner.hold(client, create())
    await planner.run(held.plan.id)
    await planner.floor.clock.advance(15 * 60)

    assert await again(planner, client, create()) is None
    seen = await planner.plans.get(held.plan.id, None)
    assert (seen.status, seen.plan.items[0].answered) == (PlanStatus.DONE, 201)


async def test_a_spent_answer_stays_spent(planner: Planner) -> None:
    """A restart gives no answer a second time, and one that was not given yet is still there."""
    client = await planner.client()
    await planner.run((await planner.hold(client, create("spent"))).plan.id)
    await planner.run((await planner.hold(client, create("kept"))).plan.id)
    await again(planner, client, create("spent"))
    later = planner.again()
    await later.load()
    found = [await later.recorded(client, ACME.id, create(name)) for name in ("spent", "kept")]
    await later.close()

    assert [one is not None for one in found] == [False, True]


async def test_what_never_left_has_no_answer(planner: Planner) -> None:
    """A request that was not sent is simply asked again."""
    client = await planner.client()
    planner.carrier.says = [NotSent(Problem(503, "offline", "away"))]
    await planner.run((await planner.hold(client, create())).plan.id)

    assert await again(planner, client, create()) is None


async def test_a_refusal_of_salesforces_is_an_answer_too(planner: Planner) -> None:
    """The client sees the error that its request got."""
    client = await planner.client()
    planner.carrier.says = [answer(400, [{"errorCode": "X", "message": "no"}])]
    await planner.run((await planner.hold(client, create())).plan.id)
    got = await again(planner, client, create())

    assert got is not None
    assert got.status == 400


async def test_a_rejection_reaches_who_only_runs_the_command_again(planner: Planner) -> None:
    """Once, in Salesforce's shape, with the owner's words; after that the request is held anew."""
    client = await planner.client()
    held = await planner.hold(client, create())
    await planner.plans.reject(held.plan.id, "ask Bea first")
    got = await again(planner, client, create())

    assert got is not None
    assert got.status == 403
    assert "ask Bea first" in json.loads(got.body)[0]["message"]
    assert await again(planner, client, create()) is None


async def test_who_waited_takes_the_answer(planner: Planner) -> None:
    """A waiting call's answer is spent with it; another client may not take it."""
    client, other = await planner.client(), await planner.client(name="other")
    held = await planner.hold(client, create())
    await planner.run(held.plan.id)
    with pytest.raises(Problem) as foreign:
        await planner.plans.take(other, held.plan.id, held.item_id)

    assert foreign.value.status == 404
    assert await planner.plans.take(client, held.plan.id, held.item_id) is not None
    assert await planner.plans.take(client, held.plan.id, held.item_id) is None
    assert await again(planner, client, create()) is None


async def test_undo_puts_old_values_back_and_removes_what_was_made(planner: Planner) -> None:
    """It is a plan of the owner's like any, the last change first; approved, all is as it was."""
    client = await planner.client()
    before = {key: row["Name"] for key, row in planner.carrier.accounts.items()}
    held = await planner.hold(client, rename())
    await planner.hold(client, create())
    await planner.run(held.plan.id)
    undo = await planner.plans.undo(held.plan.id)

    assert (undo.plan.client_id, undo.plan.undoes, undo.status) == (OWNER_ID, held.plan.id, PlanStatus.HELD)
    assert [item.method for item in undo.plan.items] == ["DELETE", "PATCH"]
    assert (await planner.run(undo.id)).status is PlanStatus.DONE
    assert {key: row["Name"] for key, row in planner.carrier.accounts.items()} == before


async def test_an_undo_is_not_the_clients(planner: Planner) -> None:
    """The client neither sees it nor joins it."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    await planner.run(held.plan.id)
    undo = await planner.plans.undo(held.plan.id)
    with pytest.raises(Problem) as problem:
        await planner.plans.get(undo.id, client.id)

    assert problem.value.status == 404


@pytest.mark.parametrize(
    ("request_", "why"),
    [
        (write("DELETE", f"/sobjects/Account/{ACCOUNT}"), "Recycle Bin"),
        (
            HeldRequest(
                method="GET",
                target="/services/data/v66.0/tooling/executeAnonymous?anonymousBody=x",
                headers=(),
                body=b"",
            ),
            "code that ran",
        ),
    ],
)
async def test_what_has_no_undo_says_so(planner: Planner, request_: HeldRequest, why: str) -> None:
    """A delete and Apex: 409 `no_undo` with the reason."""
    planner.carrier.says = [Result(status=204, headers=(), body=b"")]
    held = await planner.hold(await planner.client(), request_)
    await planner.run(held.plan.id)
    with pytest.raises(Problem) as problem:
        await planner.plans.undo(held.plan.id)

    assert (problem.value.status, problem.value.code) == (409, "no_undo")
    assert why in problem.value.detail


async def test_what_was_not_carried_out_has_nothing_to_undo(planner: Planner) -> None:
    """A plan that waits, or was rejected, is no reason for another one."""
    held = await planner.hold(await planner.client(), rename())
    with pytest.raises(Problem) as waiting:
        await planner.plans.undo(held.plan.id)
    await planner.plans.reject(held.plan.id, None)
    with pytest.raises(Problem) as rejected:
        await planner.plans.undo(held.plan.id)

    assert (waiting.value.code, rejected.value.code) == ("no_undo", "no_undo")
    assert (await planner.item(held)).status is ItemStatus.REJECTED
