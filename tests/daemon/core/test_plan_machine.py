"""The state machine of a plan: whatever happens in whatever order, nothing runs twice, and nothing that was not approved."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage.plan_records import Item, ItemStatus, Plan, PlanStatus
from support.clock import START

LIFETIME = timedelta(minutes=15)
OVER = frozenset({PlanStatus.REJECTED, PlanStatus.EXPIRED, PlanStatus.WITHDRAWN})


def item(number: int, status: ItemStatus = ItemStatus.HELD) -> Item:
    """An item of a plan."""
    return Item(
        id=f"it-{number}", method="POST", target="/services/x", sha256=str(number), size=1, summary="x", status=status
    )


def plan(*statuses: ItemStatus, status: PlanStatus = PlanStatus.HELD) -> Plan:
    """A plan of items."""
    held = statuses or (ItemStatus.HELD, ItemStatus.HELD)
    return Plan(
        id="pl-1",
        client_id="c",
        client_name="agent",
        connection_id="o",
        org_id="org",
        user_id="user",
        reason=None,
        created_at=START,
        grown_at=START,
        expires_at=START + LIFETIME,
        items=tuple(item(number, one) for number, one in enumerate(held)),
        status=status,
    )


@dataclass
class World:
    """A plan, the time, and which items have left the house."""

    plan: Plan
    now: datetime = START
    sent: list[str] = field(default_factory=list[str])
    asked: set[str] = field(default_factory=set[str])
    gone: set[str] = field(default_factory=set[str])

    def do(self, verb: str, number: int) -> None:
        """One step, possible or not; what is not possible changes nothing."""
        before = self.plan
        item_id = f"it-{number}"
        try:
            self.plan = self.step(verb, item_id)
        except (Problem, ValueError):
            assert self.plan is before

    def step(self, verb: str, item_id: str) -> Plan:
        """The plan after a step."""
        match verb:
            case "wait":
                self.now += timedelta(minutes=6)
                return steps.expire(self.plan, self.now)
            case "approve all":
                return self.approved(None)
            case "approve one":
                return self.approved([item_id])
            case "reject":
                return steps.reject(self.plan, None, self.now)
            case "withdraw":
                return steps.withdraw(self.plan, self.now)
            case "take out":
                after = steps.take_out(self.plan, item_id, self.now)
                self.gone |= {item_id} if after != self.plan else set()
                return after
            case "add":
                return steps.add(self.plan, [item(len(self.plan.items))], self.now)
            case "begin":
                begun = steps.begin(self.plan, item_id)
                assert item_id not in self.gone
                self.sent.append(item_id)
                return begun
            case "hold back":
                return steps.hold_back(
                    self.plan, item_id, self.now, note="moved", changes=(), touches=(), lifetime=LIFETIME
                )
            case "restart":
                return steps.after_restart(self.plan, self.now)
            case _:
                return steps.end(self.plan, item_id, ItemStatus(verb), self.now)

    def approved(self, chosen: list[str] | None) -> Plan:
        """The plan after the owner's yes."""
        after = steps.approve(self.plan, chosen, self.now)
        self.asked |= {one.id for one in after.items if one.status is ItemStatus.HELD}
        return after


VERBS = ["wait", "approve all", "approve one", "reject", "withdraw", "add", "begin", "hold back", "restart", "take out"]
STEPS = st.tuples(st.sampled_from([*VERBS, "done", "failed", "unknown", "begin", "done"]), st.integers(0, 3))


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_nothing_runs_twice_or_unasked(path: list[tuple[str, int]]) -> None:
    """No item is sent twice, none that the owner did not approve, none of a plan that was rejected or is over."""
    world = World(plan())
    for verb, number in path:
        was_over = world.plan.status in OVER
        count = len(world.sent)
        world.do(verb, number)
        assert not (was_over and (len(world.sent) > count or world.plan.status not in OVER))
        assert sum(one.status is ItemStatus.RUNNING for one in world.plan.items) <= 1

    assert len(world.sent) == len(set(world.sent))
    assert set(world.sent) <= world.asked


@settings(max_examples=150, deadline=None)
@given(st.lists(STEPS, max_size=25))
def test_every_plan_that_ended_is_settled(path: list[tuple[str, int]]) -> None:
    """A plan with an end has no item that could still begin, and one without an end has one that waits or runs."""
    world = World(plan())
    for verb, number in path:
        world.do(verb, number)

    active = {ItemStatus.HELD, ItemStatus.RUNNING}
    assert (world.plan.ended_at is None) is any(one.status in active for one in world.plan.items)


def test_after_a_failure_the_rest_is_not_run() -> None:
    """What comes after an item that failed is rejected, and the plan is partly done."""
    begun = steps.begin(steps.approve(plan(), None, START), "it-0")
    after = steps.end(begun, "it-0", ItemStatus.FAILED, START)

    assert [one.status for one in after.items] == [ItemStatus.FAILED, ItemStatus.REJECTED]
    assert (after.status, after.items[1].note) == (PlanStatus.PARTLY_DONE, steps.NOT_REACHED)


def test_who_is_not_chosen_is_rejected() -> None:
    """Approving one item says no to the others, and the plan is partly done when the one is."""
    approved = steps.approve(plan(), ["it-1"], START)
    after = steps.end(steps.begin(approved, "it-1"), "it-1", ItemStatus.DONE, START)

    assert [one.status for one in after.items] == [ItemStatus.REJECTED, ItemStatus.DONE]
    assert (after.status, after.items[0].note) == (PlanStatus.PARTLY_DONE, steps.NOT_CHOSEN)


def test_a_crash_leaves_what_was_on_its_way_unknown() -> None:
    """After a restart the running item may have run, and nothing behind it is sent."""
    begun = steps.begin(steps.approve(plan(), None, START), "it-0")
    after = steps.after_restart(begun, START)

    assert [one.status for one in after.items] == [ItemStatus.UNKNOWN, ItemStatus.REJECTED]
    assert steps.next_to_run(after) is None


@pytest.mark.parametrize(("minutes", "runs"), [(1, True), (16, False)])
def test_what_was_approved_and_never_left_is_still_approved_for_a_while(minutes: int, runs: bool) -> None:
    """A restart right after the approval goes on; one after the plan's time does not."""
    after = steps.after_restart(steps.approve(plan(), None, START), START + timedelta(minutes=minutes))

    assert (steps.next_to_run(after) is not None) is runs


def test_what_was_held_back_can_be_approved_again() -> None:
    """A stale item waits for a second yes, within its time, and then runs as it is."""
    approved = steps.approve(plan(ItemStatus.HELD), None, START)
    stale = steps.hold_back(approved, "it-0", START, note="moved", changes=(), touches=(), lifetime=LIFETIME)
    again = steps.approve(stale, None, START + LIFETIME - timedelta(seconds=1))

    assert (stale.status, stale.items[0].status) == (PlanStatus.PARTLY_DONE, ItemStatus.STALE)
    assert steps.next_to_run(stale) is None
    assert steps.next_to_run(again) is not None
    with pytest.raises(Problem) as late:
        steps.approve(stale, None, START + LIFETIME)
    assert late.value.status == 410


DECISIONS: dict[str, Callable[[Plan, datetime], Plan]] = {
    "approve": lambda one, now: steps.approve(one, None, now),
    "reject": lambda one, now: steps.reject(one, "no", now),
    "withdraw": steps.withdraw,
    "add": lambda one, now: steps.add(one, [item(9)], now),
}


@pytest.mark.parametrize("verb", DECISIONS)
@pytest.mark.parametrize("status", [one for one in PlanStatus if one is not PlanStatus.HELD])
def test_a_decision_is_made_once(verb: str, status: PlanStatus) -> None:
    """Whatever comes after the first decision is 409, and after the end of its time 410."""
    decided = plan(ItemStatus.DONE, status=status)
    with pytest.raises(Problem) as problem:
        DECISIONS[verb](decided, START)

    assert problem.value.status == (410 if status is PlanStatus.EXPIRED else 409)


@pytest.mark.parametrize("verb", DECISIONS)
def test_nothing_is_decided_too_late(verb: str) -> None:
    """At the moment of its expiry a plan can be neither approved nor rejected, withdrawn or added to."""
    with pytest.raises(Problem) as problem:
        DECISIONS[verb](plan(), START + LIFETIME)

    assert (problem.value.status, problem.value.code) == (410, "expired")


@pytest.mark.parametrize("items", [["it-7"], ["it-0", "it-7"], []])
def test_an_approval_names_items_that_wait(items: list[str]) -> None:
    """An item that is not there, or none at all, is 422."""
    with pytest.raises(Problem) as problem:
        steps.approve(plan(), items, START)

    assert problem.value.status == 422
