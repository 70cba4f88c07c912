"""The state machine of a plan: a plan and a step in, the next plan out. No I/O, no clock of its own.

Invariants: an item runs at most once, since only a held one can begin and nothing leads back from what has begun; nothing
runs that was not approved, and nothing begins while another item of its plan runs; after an item that failed, or that may
have run, the rest of the plan is not run. A step that is not possible raises and changes nothing.

    held      -> approved | rejected | expired | withdrawn
    approved  -> running -> done | partly_done
    partly_done -> approved             for the items that were held back as stale, until it expires
    item: held -> running -> done | failed | unknown;  held -> stale -> held (approved again);  held, stale -> rejected
A client in Build Mode that sends a waiting item itself takes it out: rejected, and withdrawn with it where it was the last.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_storage.plan_records import Change, Item, ItemStatus, Plan, PlanStatus, Touch

OPEN = frozenset({PlanStatus.HELD, PlanStatus.APPROVED, PlanStatus.RUNNING})
UNDER_WAY = frozenset({PlanStatus.APPROVED, PlanStatus.RUNNING})
ENDS = frozenset({ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.UNKNOWN})
WAITING = frozenset({ItemStatus.HELD, ItemStatus.STALE})

NOT_CHOSEN = "It was not approved; nothing was changed."
EXPIRED = "Nobody decided in time; nothing was changed."
WITHDRAWN = "It was withdrawn; nothing was changed."
TAKEN_OUT = "The program sent it itself in Build Mode; it is not run from this plan any more."
NOT_REACHED = "It was not run, because an earlier request of this plan did not end well."
INTERRUPTED = (
    "The service ended while this was on its way. Whether it ran is not known; it is not sent again by itself."
)
TOO_LATE = "The service was not running when this was to be sent; it was not run."

ItemStep = Callable[[Item], Item]


def is_open(plan: Plan) -> bool:
    """Whether something will still become of a plan by itself or by a decision."""
    return plan.status in OPEN


def can_be_approved(plan: Plan) -> bool:
    """Whether items of it wait for the owner: all of a held plan, the stale ones of a plan that has run."""
    return plan.status is PlanStatus.HELD or (
        plan.status is PlanStatus.PARTLY_DONE and any(item.status is ItemStatus.STALE for item in plan.items)
    )


def is_coming(item: Item) -> bool:
    """Whether an item runs, or may still."""
    return item.status is ItemStatus.RUNNING or item.status in WAITING


def item_of(plan: Plan, item_id: str) -> Item | None:
    """An item by its id."""
    return next((item for item in plan.items if item.id == item_id), None)


def add(plan: Plan, items: Sequence[Item], now: datetime) -> Plan:
    """With items more.

    Raises:
        Problem: 409, 410: the plan does not wait for its owner any more.
    """
    _must_be(plan, PlanStatus.HELD, now)
    return replace(plan, items=(*plan.items, *items), grown_at=now)


def approve(plan: Plan, chosen: Sequence[str] | None, now: datetime) -> Plan:
    """The owner says yes to all, or to some and no to the rest.

    Args:
        plan: the plan.
        chosen: ids of the items that are to run, None for all that wait.
        now: the time.

    Raises:
        Problem: 409, 410, 422 naming an item that is not there or does not wait.
    """
    if not can_be_approved(plan):
        _must_be(plan, PlanStatus.HELD, now)
    _not_expired(plan, now)
    waiting = [item.id for item in plan.items if item.status in WAITING]
    wanted = waiting if chosen is None else list(chosen)
    for index, item_id in enumerate(wanted):
        if item_id not in waiting:
            raise bad_field(f"items[{index}]", f"{item_id!r} is no item of this plan that waits.")
    if not wanted:
        raise bad_field("items", "must name one item at least; to approve none, reject the plan.")

    def decided(item: Item) -> Item:
        if item.id in wanted:
            return replace(item, status=ItemStatus.HELD)
        return _rejected(item, NOT_CHOSEN) if item.status in WAITING else item

    return replace(_each(plan, decided), status=PlanStatus.APPROVED, decided_at=now, ended_at=None)


def reject(plan: Plan, reason: str | None, now: datetime) -> Plan:
    """The owner says no; of a plan that has run, to what was held back.

    Raises:
        Problem: 409, 410.
    """
    if not can_be_approved(plan):
        _must_be(plan, PlanStatus.HELD, now)
    _not_expired(plan, now)
    told = f"The owner rejected it: {reason}" if reason else "The owner rejected it."
    rest = replace(_without_waiting(plan, f"{told} Nothing was changed."), rejection=reason, decided_at=now)
    if plan.status is PlanStatus.PARTLY_DONE:
        return rest
    return replace(rest, status=PlanStatus.REJECTED, ended_at=now)


def withdraw(plan: Plan, now: datetime) -> Plan:
    """The client takes it back, or is gone, or its connection is.

    Raises:
        Problem: 409, 410.
    """
    _must_be(plan, PlanStatus.HELD, now)
    _not_expired(plan, now)
    return replace(_without_waiting(plan, WITHDRAWN), status=PlanStatus.WITHDRAWN, ended_at=now)


def take_out(plan: Plan, item_id: str, now: datetime) -> Plan:
    """A waiting item is never run, since its client sends it itself; one that does not wait any more stays as it is."""
    item = item_of(plan, item_id)
    if not can_be_approved(plan) or item is None or item.status not in WAITING:
        return plan
    after = _one(plan, item_id, lambda one: replace(_rejected(one, TAKEN_OUT), spent=True))
    if plan.status is not PlanStatus.HELD or any(one.status in WAITING for one in after.items):
        return after
    return replace(after, status=PlanStatus.WITHDRAWN, ended_at=now)


def is_due(plan: Plan, now: datetime) -> bool:
    """Whether a held plan's time is over."""
    return plan.status is PlanStatus.HELD and now >= plan.expires_at


def expire(plan: Plan, now: datetime) -> Plan:
    """Nobody decided in time."""
    if not is_due(plan, now):
        return plan
    return replace(_without_waiting(plan, EXPIRED), status=PlanStatus.EXPIRED, ended_at=plan.expires_at)


def next_to_run(plan: Plan) -> Item | None:
    """The first approved item that has not begun, in the order of the plan."""
    if plan.status not in UNDER_WAY:
        return None
    return next((item for item in plan.items if item.status is ItemStatus.HELD), None)


def begin(plan: Plan, item_id: str) -> Plan:
    """An item is about to be sent.

    Raises:
        ValueError: it is not approved, has begun before, or another one runs.
    """
    item = item_of(plan, item_id)
    others = any(one.status is ItemStatus.RUNNING for one in plan.items)
    if plan.status not in UNDER_WAY or others or item is None or item.status is not ItemStatus.HELD:
        raise ValueError(f"{item_id} cannot begin")
    begun = _one(plan, item_id, lambda one: replace(one, status=ItemStatus.RUNNING, note=None))
    return replace(begun, status=PlanStatus.RUNNING)


def end(
    plan: Plan,
    item_id: str,
    outcome: ItemStatus,
    now: datetime,
    *,
    note: str | None = None,
    touches: tuple[Touch, ...] | None = None,
    answered: int | None = None,
) -> Plan:
    """An item has run, or may have.

    Args:
        plan: the plan.
        item_id: which.
        outcome: `done`, `failed` or `unknown`.
        now: the time.
        note: what a person should know of it.
        touches: what it did, where that is known better now.
        answered: the status of Salesforce's answer, None where there was none.

    Raises:
        ValueError: it does not run.
    """
    item = item_of(plan, item_id)
    if item is None or item.status is not ItemStatus.RUNNING or outcome not in ENDS:
        raise ValueError(f"{item_id} cannot end")

    def ended(one: Item) -> Item:
        kept = one.touches if touches is None else touches
        return replace(one, status=outcome, note=note, touches=kept, ended_at=now, answered=answered)

    after = _one(plan, item_id, ended)
    return _settled(after if outcome is ItemStatus.DONE else _without_held(after, NOT_REACHED), now)


def hold_back(
    plan: Plan,
    item_id: str,
    now: datetime,
    *,
    note: str,
    changes: tuple[Change, ...],
    touches: tuple[Touch, ...],
    lifetime: timedelta,
) -> Plan:
    """An approved item is not run, because what it would change has changed; the owner may approve it again.

    Args:
        plan: the plan.
        item_id: which.
        now: the time.
        note: names the records.
        changes: before and after, as they are now.
        touches: the records, as they are now.
        lifetime: how long the owner has for that.

    Raises:
        ValueError: it was not going to run.
    """
    item = item_of(plan, item_id)
    if plan.status not in UNDER_WAY or item is None or item.status is not ItemStatus.HELD:
        raise ValueError(f"{item_id} cannot be held back")
    held = _one(
        plan, item_id, lambda one: replace(one, status=ItemStatus.STALE, note=note, changes=changes, touches=touches)
    )
    return _settled(replace(held, expires_at=now + lifetime), now)


def call_off(plan: Plan, note: str, now: datetime) -> Plan:
    """What was approved and has not begun is not run after all."""
    return _settled(_without_held(plan, note), now) if plan.status in UNDER_WAY else plan


def after_restart(plan: Plan, now: datetime) -> Plan:
    """A plan as a service finds it that begins again.

    An item that was on its way may have run. What had not begun is still approved, until the plan expires.
    """
    if plan.status not in UNDER_WAY:
        return expire(plan, now)
    for item in plan.items:
        if item.status is ItemStatus.RUNNING:
            return end(plan, item.id, ItemStatus.UNKNOWN, now, note=INTERRUPTED)
    return call_off(plan, TOO_LATE, now) if now >= plan.expires_at else _settled(plan, now)


def spend(plan: Plan, item_id: str) -> Plan:
    """An item's answer is given, this one time."""
    return _one(plan, item_id, lambda item: replace(item, spent=True))


def _settled(plan: Plan, now: datetime) -> Plan:
    statuses = {item.status for item in plan.items}
    if statuses & {ItemStatus.HELD, ItemStatus.RUNNING}:
        return plan
    status = PlanStatus.DONE if statuses == {ItemStatus.DONE} else PlanStatus.PARTLY_DONE
    return replace(plan, status=status, ended_at=now)


def _must_be(plan: Plan, status: PlanStatus, now: datetime) -> None:
    _not_expired(plan, now)
    if plan.status is not status:
        raise Problem(
            409,
            "already_decided",
            f"This plan is {plan.status.value.replace('_', ' ')} already.",
            next_step=Next("Look at it", f"meshmesh plan show {plan.id}"),
        )


def _not_expired(plan: Plan, now: datetime) -> None:
    late = can_be_approved(plan) and now >= plan.expires_at
    if late or plan.status is PlanStatus.EXPIRED:
        raise Problem(410, "expired", "This plan has expired: nobody decided in time, and nothing was changed.")


def _one(plan: Plan, item_id: str, step: ItemStep) -> Plan:
    return _each(plan, lambda item: step(item) if item.id == item_id else item)


def _each(plan: Plan, step: ItemStep) -> Plan:
    return replace(plan, items=tuple(step(item) for item in plan.items))


def _without_waiting(plan: Plan, note: str) -> Plan:
    return _each(plan, lambda item: _rejected(item, note) if item.status in WAITING else item)


def _without_held(plan: Plan, note: str) -> Plan:
    return _each(plan, lambda item: _rejected(item, note) if item.status is ItemStatus.HELD else item)


def _rejected(item: Item, note: str) -> Item:
    return replace(item, status=ItemStatus.REJECTED, note=note)
