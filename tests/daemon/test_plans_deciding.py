"""Deciding on plans: the owner once and with presence, the client only to take its own back."""

import asyncio
import os
from dataclasses import replace

import pytest

from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.plan_notice import notices
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import EXEC, NewClient, WantedGrant
from meshmesh_daemon.usecases.presence import APPROVE, Consent
from meshmesh_storage.plan_records import ItemStatus, PlanStatus
from meshmesh_storage.records import Client, Environment, Kind, Mode, Reason, Status
from support.clock import settle, until
from support.floor import ACME, APP
from support.plans import ACCOUNT, PLAN_ACME, RULES, Planner, create, make_plans, rename, write
from support.presence import GIVEN

NOBODY = Consent()
COMMAND = "c0" * 32


async def test_outside_the_demo_an_approval_needs_a_person(planner: Planner) -> None:
    """Without one it is 403 `presence_required`, and the plan waits as before; nothing has left."""
    held = await planner.hold(await planner.client(), rename())
    with pytest.raises(Problem) as problem:
        await planner.plans.approve(held.plan.id, None, NOBODY)
    await settle()

    assert (problem.value.status, problem.value.code) == (403, "presence_required")
    assert (await planner.item(held)).status is ItemStatus.HELD
    assert planner.carrier.carried == []


async def test_the_button_is_a_person(planner: Planner) -> None:
    """The question names the program, the org and what would happen; its Approve lets the plan run."""
    planner.screen.has_buttons, planner.screen.presses = True, APPROVE
    held = await planner.hold(await planner.client(), rename())
    await planner.plans.approve(held.plan.id, None, Consent(wait=10))
    plan = await planner.plans.wait(held.plan.id, None, 60)
    (notice,) = planner.screen.shown

    assert plan.status is PlanStatus.DONE
    assert notice.title == "Let agent change acme (PRODUCTION)?"
    assert any("Account" in line for line in notice.lines)


async def test_one_delete_does_not_hide_behind_many_creates(planner: Planner) -> None:
    """Where not all can be told, what could do most harm is told first, in the question and in the bubble; it runs in its turn."""
    planner.screen.has_buttons, planner.screen.presses = True, APPROVE
    client = await planner.client()
    requests = [*(create(name) for name in "abcdef"), write("DELETE", f"/sobjects/Account/{ACCOUNT}")]
    judged = [(request, verdict_of(request)) for request in requests]
    plan = (await planner.plans.submit(client, ACME, judged, reason=None)).plan
    (bubble,) = notices([plan], {plan.connection_id: "acme"}, "http://localhost:1717")
    await planner.plans.approve(plan.id, None, Consent(wait=10))
    await planner.plans.wait(plan.id, None, 60)

    assert bubble.lines[0] == planner.screen.shown[0].lines[0] == "Delete 1 Account"
    assert planner.carrier.carried[-1].method == "DELETE"


async def test_what_is_added_while_a_person_is_asked_does_not_run(planner: Planner) -> None:
    """A yes is for what was there when the question was put."""
    planner.screen.has_buttons = True
    client = await planner.client()
    held = await planner.hold(client, create("asked about"))
    approving = asyncio.ensure_future(planner.plans.approve(held.plan.id, None, Consent(wait=10)))
    await until(lambda: bool(planner.screen.shown))
    late = await planner.hold(client, create("slipped in"), group=held.plan.id)
    await planner.floor.clock.advance(1)
    planner.screen.answer(APPROVE)
    await approving
    await planner.plans.wait(held.plan.id, None, 60)

    assert late.plan.id == held.plan.id
    assert planner.carrier.carried == [create("asked about")]
    assert (await planner.item(late)).status is ItemStatus.REJECTED


async def test_the_demo_org_asks_for_nobody(planner: Planner) -> None:
    """There an approval alone is enough."""
    demo = replace(ACME, id="d1", name="demo", kind=Kind.DEMO, environment=Environment.DEMO)
    await planner.floor.connections.put(demo, APP)
    client = await planner.client(WantedGrant(connection="demo", mode=Mode.PLAN))
    held = await planner.plans.submit(client, demo, [(create(), verdict_of(create()))], reason=None)
    await planner.plans.approve(held.id, None, NOBODY)

    assert (await planner.plans.wait(held.id, None, 60)).status is PlanStatus.DONE


async def test_some_items_can_be_approved(planner: Planner) -> None:
    """What is not named is rejected, and only what is named runs."""
    client = await planner.client()
    first = await planner.hold(client, create("a"))
    second = await planner.hold(client, create("b"))
    plan = await planner.run(first.plan.id, [second.item_id])

    assert [item.status for item in plan.plan.items] == [ItemStatus.REJECTED, ItemStatus.DONE]
    assert planner.carrier.carried == [create("b")]


async def test_a_rejection_brings_its_reason(planner: Planner) -> None:
    """The client finds the owner's words in the plan, and nothing was sent."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    await planner.plans.reject(held.plan.id, "not the partner accounts")
    seen = await planner.plans.get(held.plan.id, client.id)

    assert (seen.status, seen.plan.rejection) == (PlanStatus.REJECTED, "not the partner accounts")
    assert "not the partner accounts" in (seen.plan.items[0].note or "")
    assert planner.carrier.carried == []


async def test_a_plan_expires(planner: Planner) -> None:
    """After its time nothing has happened, and it can neither be approved nor rejected."""
    held = await planner.hold(await planner.client(), rename())
    await planner.floor.clock.advance(RULES.expire_seconds)
    seen = await planner.plans.get(held.plan.id, None)

    assert (seen.status, seen.plan.items[0].status) == (PlanStatus.EXPIRED, ItemStatus.REJECTED)
    for act in (planner.plans.approve(held.plan.id, None, GIVEN), planner.plans.reject(held.plan.id, None)):
        with pytest.raises(Problem) as problem:
            await act
        assert problem.value.status == 410


async def test_a_client_takes_back_its_own_only(planner: Planner) -> None:
    """Another client's plan is 404; its own is withdrawn, once."""
    client, other = await planner.client(), await planner.client(name="other")
    held = await planner.hold(client, rename())
    with pytest.raises(Problem) as foreign:
        await planner.plans.withdraw(held.plan.id, other.id)
    withdrawn = await planner.plans.withdraw(held.plan.id, client.id)
    with pytest.raises(Problem) as again:
        await planner.plans.withdraw(held.plan.id, client.id)

    assert (foreign.value.status, withdrawn.status, again.value.status) == (404, PlanStatus.WITHDRAWN, 409)


async def test_waiting_ends_with_the_decision(planner: Planner) -> None:
    """Who waits is answered when it was rejected, when its own time is over, or when the service ends."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    waits = [asyncio.ensure_future(planner.plans.wait(held.plan.id, client.id, seconds)) for seconds in (10, 500)]
    await settle()
    await planner.floor.clock.advance(10)
    early = await waits[0]
    await planner.plans.reject(held.plan.id, None)

    assert (early.status, (await waits[1]).status) == (PlanStatus.HELD, PlanStatus.REJECTED)
    last = await planner.hold(client, create())
    waiting = asyncio.ensure_future(planner.plans.wait(last.plan.id, client.id, 500))
    await settle()
    await planner.plans.close()
    assert (await waiting).status is PlanStatus.HELD


@pytest.mark.parametrize("gone", ["client", "grant", "connection"])
async def test_plans_go_with_whose_they_are(planner: Planner, gone: str) -> None:
    """A client that is revoked, or loses its grant, and a connection that is deleted take their open plans with them."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    if gone == "client":
        await planner.access.revoke(client.id)
    elif gone == "grant":
        await planner.access.regrant(client.id, [], GIVEN)
    else:
        planner.floor.desks.remove(ACME.id)
    async with asyncio.timeout(10):
        while (await planner.plans.get(held.plan.id, None)).status is PlanStatus.HELD:
            await asyncio.sleep(0.01)

    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.WITHDRAWN


async def test_the_plan_of_a_command_outlives_it(planner: Planner) -> None:
    """A client that ends with its process leaves its plans to the next run of the whole same command, and to no other."""

    async def begun(sha256: str | None, *grants: WantedGrant) -> Client:
        new = NewClient(name="sf", kind=EXEC, pid=os.getpid(), command_sha256=sha256)
        return (await planner.access.admit(new, grants, GIVEN))[0]

    first = await begun(COMMAND, PLAN_ACME)
    held = await planner.hold(first, create())
    beside = await begun(COMMAND, PLAN_ACME)
    with pytest.raises(Problem):
        await planner.plans.get(held.plan.id, beside.id)
    await planner.access.revoke(first.id)
    await settle()
    joined = await planner.hold(beside, create())

    assert joined.item_id == held.item_id
    assert [view.id for view in (await planner.plans.page(beside.id, waiting=True, after=None))[0]] == [held.plan.id]
    others = [await begun("0" * 64, PLAN_ACME), await begun(None, PLAN_ACME), await begun(COMMAND)]
    for stranger in (*others, await planner.client(name="sf")):
        with pytest.raises(Problem):
            await planner.plans.get(held.plan.id, stranger.id)
    assert (await planner.run(held.plan.id)).status is PlanStatus.DONE
    assert await planner.plans.recorded(others[0], ACME.id, create()) is None
    assert await planner.plans.recorded(beside, ACME.id, create()) is not None


async def test_a_plan_of_a_process_without_a_command_ends_with_it(planner: Planner) -> None:
    """Where nobody told which command it is, nobody can run it again: another of that name inherits nothing."""
    new = NewClient(name="sf", kind=EXEC, pid=os.getpid())
    first, _ = await planner.access.admit(new, [PLAN_ACME], GIVEN)
    held = await planner.hold(first, create())
    await planner.access.revoke(first.id)
    await settle()
    second, _ = await planner.access.admit(new, [PLAN_ACME], GIVEN)

    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.WITHDRAWN
    assert (await planner.plans.page(second.id, waiting=False, after=None))[0] == []


@pytest.mark.parametrize("status", [Status.NEEDS_YOU, Status.BLOCKED])
async def test_a_connection_that_needs_somebody_uses_no_plan_up(planner: Planner, status: Status) -> None:
    """The yes is refused with the connection's reason before anybody is asked; the plan waits, and runs once mended."""
    held = await planner.hold(await planner.client(), rename())
    desk = planner.floor.desk()
    well = desk.stored
    desk.stored = replace(well, status=status, reason=Reason.SESSION_EXPIRED, detail="It has ended.")
    with pytest.raises(Problem) as refused:
        await planner.plans.approve(held.plan.id, None, NOBODY)
    waiting = (await planner.plans.get(held.plan.id, None)).status
    desk.stored = well

    assert (refused.value.status, refused.value.code) == (409, "reconnect_required")
    assert refused.value.members == {"reason": "session_expired", "connection": "acme"}
    assert waiting is PlanStatus.HELD
    assert (await planner.run(held.plan.id)).status is PlanStatus.DONE


async def test_a_connection_that_fails_while_a_person_is_asked_uses_no_plan_up(planner: Planner) -> None:
    """The connection is looked at again after the answer, which may take a minute."""
    planner.screen.has_buttons = True
    held = await planner.hold(await planner.client(), rename())
    asking = asyncio.ensure_future(planner.plans.approve(held.plan.id, None, Consent(wait=10)))
    await until(lambda: bool(planner.screen.shown))
    desk = planner.floor.desk()
    desk.stored = replace(desk.stored, status=Status.NEEDS_YOU, reason=Reason.SESSION_EXPIRED)
    planner.screen.answer(APPROVE)
    with pytest.raises(Problem, match="needs you"):
        await asking

    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.HELD


async def test_a_change_of_mode_keeps_open_plans(planner: Planner) -> None:
    """Build and back, and the plan still waits."""
    client = await planner.client()
    held = await planner.hold(client, rename())
    for mode in (Mode.BUILD, Mode.PLAN):
        await planner.access.regrant(client.id, [replace(PLAN_ACME, mode=mode)], GIVEN)
    await settle()

    assert (await planner.plans.get(held.plan.id, None)).status is PlanStatus.HELD


async def test_build_comes_with_the_approval_and_ends_by_itself(planner: Planner) -> None:
    """For so many seconds the program is in Build Mode; then it has what it had before, after a restart too."""
    client = await planner.client(replace(PLAN_ACME, expires_in=7200))
    held = await planner.hold(client, rename())
    await planner.plans.approve(held.plan.id, None, GIVEN, 1800)

    def mode() -> Mode | None:
        grant = planner.access.grant_for(planner.access.get(client.id), ACME.id)
        return grant.mode if grant else None

    assert mode() is Mode.BUILD
    await planner.access.load()
    await planner.floor.clock.advance(1799)
    assert mode() is Mode.BUILD
    await planner.floor.clock.advance(1)
    assert mode() is Mode.PLAN
    await planner.floor.clock.advance(5400)
    assert mode() is None


async def test_a_decision_outlives_the_one_who_made_it(planner: Planner) -> None:
    """A caller that goes away while its yes is written has still said yes; memory and disk agree."""
    held = await planner.hold(await planner.client(), rename())
    deciding = asyncio.ensure_future(planner.plans.approve(held.plan.id, None, GIVEN))
    await asyncio.sleep(0)
    deciding.cancel()
    await asyncio.gather(deciding, return_exceptions=True)
    await settle()
    again = make_plans(planner.floor, planner.access, planner.carrier, planner.screen)
    await again.load()
    seen, stored = await planner.plans.get(held.plan.id, None), await again.get(held.plan.id, None)
    await again.close()

    assert seen.status is stored.status


@pytest.mark.parametrize("after", range(1, 9))
async def test_what_was_approved_runs_though_the_one_who_approved_it_is_gone(planner: Planner, after: int) -> None:
    """At whatever moment a caller goes away: either nothing was decided, or the plan runs to its end."""
    held = await planner.hold(await planner.client(), create())
    deciding = asyncio.ensure_future(planner.plans.approve(held.plan.id, None, GIVEN))
    for _ in range(after * after):
        await asyncio.sleep(0)
    deciding.cancel()
    await asyncio.gather(deciding, return_exceptions=True)
    await settle()
    seen = await planner.plans.get(held.plan.id, None)
    if seen.status is not PlanStatus.HELD:
        seen = await planner.plans.wait(held.plan.id, None, 60)

    assert (seen.status, len(planner.carrier.carried)) in {(PlanStatus.HELD, 0), (PlanStatus.DONE, 1)}
