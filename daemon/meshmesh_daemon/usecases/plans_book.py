"""The plans, in memory while something may still come of them, and always in the vault first.

Invariants: one change at a time; a change is on disk before anybody sees it, and a caller that goes away does not stop it
half way; a plan whose time is over expires before it is looked at or changed.
"""

import asyncio
from collections.abc import Callable, Coroutine, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TypeVar

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_storage import plans
from meshmesh_storage.plan_records import HeldRequest, Plan, PlanStatus, Result
from meshmesh_storage.vault import Vault

ANSWER_LIFE = timedelta(minutes=15)  # how long the answer to a held request is there to be given

Step = Callable[[Plan], Plan]
Listener = Callable[[Plan | None, Plan], None]
Owns = Callable[[Plan], bool]
T_ = TypeVar("T_")


def everybody(_plan: Plan) -> bool:
    """The owner knows every plan."""
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Bytes:
    """What is written beside a plan: requests by their items, and the answer to one."""

    requests: Mapping[str, HeldRequest] | None = None
    answer: tuple[str, Result] | None = None


class PlanBook:
    """Keeps the plans.

    Args:
        vault: where they are kept.
        clock: the time.
    """

    def __init__(self, *, vault: Vault, clock: Clock) -> None:
        self._vault = vault
        self._clock = clock
        self._live: dict[str, Plan] = {}
        self._turn = asyncio.Lock()
        self._listeners: list[Listener] = []
        self._waiting: dict[str, set[asyncio.Event]] = {}
        self._tasks: set[asyncio.Task[object]] = set()
        self._closed = False

    def listen(self, listener: Listener) -> None:
        """Be told of each change, as (before, after); None is a new plan."""
        self._listeners.append(listener)

    async def load(self) -> None:
        """Read what the vault holds, as a service finds it that begins again."""
        async with self._vault.transaction() as tx:
            found = await plans.load_live(tx)
        for plan in found:
            self._live[plan.id] = plan
        for plan in found:
            now = self._clock.now()
            if steps.after_restart(plan, now) != plan:
                await self.change(plan.id, lambda one: steps.after_restart(one, self._clock.now()))

    def close(self) -> None:
        """Let everybody go who waits."""
        self._closed = True
        for events in self._waiting.values():
            for event in events:
                event.set()

    def live(self) -> list[Plan]:
        """The plans that something may still come of, or whose answers may still be asked for; oldest first."""
        return sorted(self._live.values(), key=lambda plan: plan.created_at)

    async def get(self, plan_id: str, owns: Owns = everybody) -> Plan:
        """One plan.

        Args:
            plan_id: its id.
            owns: whether it may be known to who looks.

        Raises:
            Problem: 404.
        """
        plan = await self._found(plan_id)
        if not owns(plan):
            raise _no_plan(plan_id)
        return await self.expire(plan) if steps.is_due(plan, self._clock.now()) else plan

    async def _found(self, plan_id: str) -> Plan:
        plan = self._live.get(plan_id)
        if plan is None:
            async with self._vault.transaction() as tx:
                plan = await plans.get(tx, plan_id)
        if plan is None:
            raise _no_plan(plan_id)
        return plan

    async def of(self, holder: str | None) -> list[Plan]:
        """Every plan of a client, by its id or lineage, or of everybody; newest first."""
        for plan in self.live():
            if steps.is_due(plan, self._clock.now()):
                await self.expire(plan)
        async with self._vault.transaction() as tx:
            found = await plans.load_of(tx, holder)
        return sorted(found, key=lambda plan: (plan.created_at, plan.id), reverse=True)

    async def expire(self, plan: Plan) -> Plan:
        """A plan whose time is over ends."""
        return await self.change(plan.id, lambda one: one)

    async def add(self, plan: Plan, requests: Mapping[str, HeldRequest]) -> Plan:
        """A new plan, with what its items will send."""
        await self._apart(self._write(None, plan, Bytes(requests=requests)))
        return plan

    async def change(self, plan_id: str, step: Step, beside: Bytes | None = None) -> Plan:
        """Change a plan.

        Args:
            plan_id: which.
            step: gives the next plan, or raises; then nothing is changed.
            beside: bytes that are written with it.

        Raises:
            Problem: 404, or what `step` raises.
        """
        return await self._apart(self._change(plan_id, step, beside or Bytes()))

    async def _change(self, plan_id: str, step: Step, beside: Bytes) -> Plan:
        async with self._turn:
            before = await self._found(plan_id)
            current = steps.expire(before, self._clock.now())
            if current != before:
                await self._keep(before, current, Bytes())
            after = step(current)
            if after != current:
                await self._keep(current, after, beside)
            return after

    async def _write(self, before: Plan | None, after: Plan, beside: Bytes) -> None:
        async with self._turn:
            await self._keep(before, after, beside)

    async def _keep(self, before: Plan | None, after: Plan, beside: Bytes) -> None:
        async with self._vault.transaction() as tx:
            await plans.put(tx, after, live=True)
            for item_id, request in (beside.requests or {}).items():
                await plans.put_request(tx, item_id, request)
            if beside.answer is not None:
                await plans.put_result(tx, *beside.answer)
        self._live[after.id] = after
        for listener in self._listeners:
            listener(before, after)
        for event in self._waiting.get(after.id, ()):
            event.set()

    async def retire(self) -> None:
        """Let go of the bytes of plans that nothing comes of any more."""
        await self._apart(self._retire())

    async def _retire(self) -> None:
        now = self._clock.now()
        async with self._turn:
            ended = [plan for plan in self._live.values() if _is_over(plan, now - ANSWER_LIFE)]
            over = [plan for plan in ended if not (steps.can_be_approved(plan) and now < plan.expires_at)]
            if not over:
                return
            async with self._vault.transaction() as tx:
                for plan in over:
                    await plans.drop_bytes(tx, plan)
                    await plans.put(tx, plan, live=False)
            for plan in over:
                del self._live[plan.id]

    async def forget(self, keep: timedelta) -> None:
        """Forget the plans that ended longer ago than `keep`."""
        limit = self._clock.now() - keep
        async with self._vault.transaction() as tx:
            for plan in await plans.load_of(tx, None):
                if plan.id not in self._live and _is_over(plan, limit):
                    await plans.delete(tx, plan)

    async def request_of(self, item_id: str) -> HeldRequest | None:
        """What an item sends, where it is still kept."""
        async with self._vault.transaction() as tx:
            return await plans.request_of(tx, item_id)

    async def results_of(self, plan: Plan) -> dict[str, Result]:
        """The answers to a plan's items, by their ids, where they are still kept."""
        found: dict[str, Result] = {}
        ended = [item for item in plan.items if item.ended_at is not None]
        if plan.id not in self._live or not ended:
            return found
        async with self._vault.transaction() as tx:
            for item in ended:
                result = await plans.result_of(tx, item.id)
                if result is not None:
                    found[item.id] = result
        return found

    async def wait(self, plan_id: str, owns: Owns, seconds: float) -> Plan:
        """One plan, when it is settled or after `seconds`.

        Raises:
            Problem: as `get`.
        """
        end = self._clock.monotonic() + seconds
        plan = await self.get(plan_id, owns)
        while steps.is_open(plan) and not self._closed and (left := end - self._clock.monotonic()) > 0:
            if plan.status is PlanStatus.HELD:
                left = min(left, (plan.expires_at - self._clock.now()).total_seconds())
            with self._change_of(plan_id) as changed:
                await self._first(changed, left)
            plan = await self.get(plan_id, owns)
        return plan

    @contextmanager
    def _change_of(self, plan_id: str) -> Generator[asyncio.Event, None, None]:
        event = asyncio.Event()
        self._waiting.setdefault(plan_id, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[plan_id].discard(event)
            if not self._waiting[plan_id]:
                del self._waiting[plan_id]

    async def _first(self, changed: asyncio.Event, seconds: float) -> None:
        ends = (asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in ends:
                one.cancel()

    async def _apart(self, work: Coroutine[object, object, T_]) -> T_:
        """A change goes on to its end, whoever asked for it goes away meanwhile."""
        task: asyncio.Task[T_] = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._end)
        return await asyncio.shield(task)

    def _end(self, task: asyncio.Task[T_]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            task.exception()  # whoever asked for it has seen it, or is gone


def _no_plan(plan_id: str) -> Problem:
    step = Next("Look at the plans that there are", "meshmesh plans --all")
    return Problem(404, "not_found", f"There is no plan {plan_id!r} here.", next_step=step)


def _is_over(plan: Plan, limit: datetime) -> bool:
    return plan.ended_at is not None and plan.ended_at <= limit
