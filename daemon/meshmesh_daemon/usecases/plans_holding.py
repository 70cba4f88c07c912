"""Holding: a request becomes an item of a plan, with what it would change, and nothing else happens.

The same request twice is one item while it waits, so that "run it again" asks a person once. Requests that come one right
after the other are one plan; a client that names its plan puts them there. Several handed in at once are one plan, each
an item of its own, twins too.
"""

import asyncio
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core import plan_fields
from meshmesh_daemon.core.classify import Verdict
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.settings import PlanSettings
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.plans_book import Bytes, Owns, PlanBook
from meshmesh_daemon.usecases.plans_reading import Reading
from meshmesh_storage.plan_records import HeldRequest, Item, ItemStatus, Plan, PlanStatus

MOST_ITEMS = 200  # of a plan: a person has to look through them
MOST_BYTES = 32 * 1024 * 1024  # of a plan's requests together
MOST_OPEN = 20  # plans of one client that wait

_JOINABLE = frozenset({ItemStatus.HELD, ItemStatus.RUNNING, ItemStatus.STALE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """Whose request it is: a paired program's, or the owner's own undo. `owns` tells which plans are theirs."""

    client_id: str
    client_name: str
    owns: Owns
    lineage: str | None = None
    reason: str | None = None
    undoes: str | None = None
    key: str | None = None


class Holding:
    """Holds requests.

    Args:
        book: keeps the plans.
        reading: reads what is there now.
        rules: how long plans live.
        clock: the time.
    """

    def __init__(self, *, book: PlanBook, reading: Reading, rules: PlanSettings, clock: Clock) -> None:
        self._book = book
        self._reading = reading
        self._rules = rules
        self._clock = clock
        self._turn = asyncio.Lock()

    async def hold(
        self, asked: Asked, desk: Desk, request: HeldRequest, verdict: Verdict, group: str | None
    ) -> tuple[Plan, Item]:
        """Hold one request.

        Args:
            asked: whose it is.
            desk: the connection's.
            request: what it would send.
            verdict: what that would do.
            group: the client's own open plan that it is to join, or None.

        Raises:
            Problem: 404 or 409 for the plan that was named, 413, 429.
        """
        known = self._twin(asked, desk, request.sha256)
        if known is not None:
            return known
        item = await self._item(asked, desk, request, verdict)
        async with self._turn:  # two twins that come at once are one item
            twin = self._twin(asked, desk, item.sha256)
            return twin or (await self._placed(asked, desk, item, request, group), item)

    async def _placed(self, asked: Asked, desk: Desk, item: Item, request: HeldRequest, group: str | None) -> Plan:
        beside = Bytes(requests={item.id: request})

        def added(plan: Plan) -> Plan:
            return self._added(plan, item, asked.reason)

        if group is not None:
            named = await self._named(asked, desk, group)
            return await self._book.change(named.id, added, beside)
        growing = self._growing(asked, desk, item)
        if growing is not None:
            with suppress(Problem):  # decided meanwhile
                return await self._book.change(growing.id, added, beside)
        return await self._made(asked, desk, [(item, request)], whole=False)

    def _twin(self, asked: Asked, desk: Desk, sha256: str) -> tuple[Plan, Item] | None:
        """The item that the same request is already, where it still waits or runs."""
        for plan in self._book.live():
            late = steps.can_be_approved(plan) and self._clock.now() >= plan.expires_at
            if asked.owns(plan) and plan.connection_id == desk.stored.id and not late:
                for item in plan.items:
                    if item.sha256 == sha256 and item.status in _JOINABLE:
                        return plan, item
        return None

    def _added(self, plan: Plan, item: Item, reason: str | None) -> Plan:
        items = (*plan.items, item)
        if len(items) > MOST_ITEMS or sum(one.size for one in items) > MOST_BYTES:
            raise _too_large()
        added = steps.add(plan, [item], self._clock.now())
        return replace(added, reason=added.reason or reason)

    async def submit(self, asked: Asked, desk: Desk, requests: Sequence[tuple[HeldRequest, Verdict]]) -> Plan:
        """Hold several requests as one plan; handed in again under the same key, it is the same plan.

        Raises:
            Problem: 413, 422 for a key under which something else was handed in, 429.
        """
        known = self._known(asked, desk, requests)
        if known is not None:
            return known
        if len(requests) > MOST_ITEMS or sum(len(request.body) for request, _ in requests) > MOST_BYTES:
            raise _too_large()
        self._limit(asked, [])
        items = [(await self._item(asked, desk, request, verdict), request) for request, verdict in requests]
        async with self._turn:
            return self._known(asked, desk, requests) or await self._made(asked, desk, items, whole=True)

    def _known(self, asked: Asked, desk: Desk, requests: Sequence[tuple[HeldRequest, Verdict]]) -> Plan | None:
        """The plan that was handed in under the same key, which holds the same requests."""
        own = (plan for plan in self._book.live() if asked.owns(plan))
        known = next((plan for plan in own if plan.key is not None and plan.key == asked.key), None)
        if known is None:
            return None
        first = [item.sha256 for item in known.items[: len(requests)]]  # a client may have added to it since
        if known.connection_id != desk.stored.id or first != [request.sha256 for request, _ in requests]:
            raise bad_field("Idempotency-Key", f"was used for other requests already, in plan {known.id}.")
        return known

    async def _made(self, asked: Asked, desk: Desk, items: Sequence[tuple[Item, HeldRequest]], *, whole: bool) -> Plan:
        self._limit(asked, items)
        now = self._clock.now()
        plan = Plan(
            id=f"pl-{secrets.token_hex(6)}",
            client_id=asked.client_id,
            client_name=asked.client_name,
            connection_id=desk.stored.id,
            org_id=desk.stored.org_id,
            user_id=desk.stored.user_id,
            reason=asked.reason,
            created_at=now,
            grown_at=now,
            expires_at=now + timedelta(seconds=self._rules.expire_seconds),
            items=tuple(item for item, _ in items),
            undoes=asked.undoes,
            whole=whole,
            lineage=asked.lineage,
            key=asked.key,
        )
        return await self._book.add(plan, {item.id: request for item, request in items})

    def _limit(self, asked: Asked, items: Sequence[tuple[Item, HeldRequest]]) -> None:
        if sum(item.size for item, _ in items) > MOST_BYTES:
            raise _too_large()
        now = self._clock.now()
        waiting = [plan for plan in self._book.live() if asked.owns(plan) and _waits(plan, now)]
        if len(waiting) >= MOST_OPEN:
            soonest = min(plan.expires_at for plan in waiting)
            raise Problem(
                429,
                "rate_limited",
                f"{asked.client_name!r} has {len(waiting)} plans that wait; a person must decide on each.",
                next_step=Next("Wait for the owner to decide", "meshmesh plans"),
                retry_after=max(1, round((soonest - now).total_seconds())),
            )

    async def _item(self, asked: Asked, desk: Desk, request: HeldRequest, verdict: Verdict) -> Item:
        touches = await self._reading.touches(desk, verdict.parts, who=asked.client_name)
        changes = plan_fields.changes_of(touches, verdict.parts)
        return Item(
            id=f"it-{secrets.token_hex(6)}",
            method=request.method,
            target=request.target,
            sha256=request.sha256,
            size=len(request.body),
            summary=verdict.summary,
            changes=changes,
            touches=touches,
            note=self._note(asked, desk, request.sha256, plan_fields.note_of(touches, changes)),
        )

    def _note(self, asked: Asked, desk: Desk, sha256: str, note: str | None) -> str | None:
        """With a warning where the same request may have run a short while ago."""
        for plan in self._book.live():
            if asked.owns(plan) and plan.connection_id == desk.stored.id:
                for item in plan.items:
                    if item.sha256 == sha256 and item.status is ItemStatus.UNKNOWN:
                        return f"The same request may have run already, in plan {plan.id}. {note or ''}".strip()
        return note

    async def _named(self, asked: Asked, desk: Desk, plan_id: str) -> Plan:
        plan = await self._book.get(plan_id, asked.owns)
        if plan.connection_id != desk.stored.id:
            raise Problem(409, "already_decided", "This plan is of another connection.")
        return plan

    def _growing(self, asked: Asked, desk: Desk, item: Item) -> Plan | None:
        """The plan that a request joins by coming right after the last one."""
        now = self._clock.now()
        key = (asked.client_id, desk.stored.id)
        for plan in reversed(self._book.live()):
            if (plan.client_id, plan.connection_id) == key and _waits(plan, now) and not plan.whole:
                quiet = now - plan.grown_at > timedelta(seconds=self._rules.quiet_seconds)
                full = len(plan.items) >= MOST_ITEMS or sum(one.size for one in plan.items) + item.size > MOST_BYTES
                return None if quiet or full else plan
        return None


def _waits(plan: Plan, now: datetime) -> bool:
    return plan.status is PlanStatus.HELD and not steps.is_due(plan, now)


def _too_large() -> Problem:
    detail = f"A plan has at most {MOST_ITEMS} requests, and {MOST_BYTES // 1024 // 1024} MiB of them."
    return Problem(413, "too_large", detail, next_step=Next("Make several plans of it"))
