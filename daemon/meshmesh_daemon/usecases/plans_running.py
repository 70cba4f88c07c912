"""Running what was approved: the exact bytes, in the order of the plan, each once.

Invariants: `running` is on disk before a byte leaves, so that after a crash an item is either still approved or may have
run, and never sent on a guess; what would be changed is looked at once more right before; whose connection and grant are
not what they were, is not run. One task a plan, which no caller's going away stops.
"""

import asyncio
import logging
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core import plan_fields
from meshmesh_daemon.core.activity import Deed, Outcome
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.plan_outcome import outcome_of
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.settings import PlanSettings
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.carrying import NotSent, Unknown
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.plans_book import Bytes, PlanBook
from meshmesh_daemon.usecases.plans_reading import Carrying, Reading
from meshmesh_daemon.usecases.plans_views import OWNER_ID, actor_of
from meshmesh_storage.errors import VaultError
from meshmesh_storage.plan_records import HeldRequest, Item, ItemStatus, Plan, Result, Touch
from meshmesh_storage.records import Mode

log = logging.getLogger("meshmesh.plans")

MOST_ANSWER = 8 * 1024 * 1024  # of an answer that is kept
END_SECONDS = 3.0  # the service waits so long for what is on its way when it ends
AGAIN_SECONDS = 5.0  # after which an end that the disk did not take is written once more
_OUTCOMES = {
    ItemStatus.DONE: Outcome.DONE,
    ItemStatus.FAILED: Outcome.FAILED,
    ItemStatus.UNKNOWN: Outcome.UNKNOWN,
}


class Running:
    """Runs approved plans.

    Args:
        book: keeps the plans.
        carrier: the way to the org.
        reading: looks at the records once more.
        desks: the connections.
        access: what clients were granted.
        activity: is told of each request that goes out.
        rules: how long the owner has to approve again what was held back.
        clock: the time.
    """

    def __init__(
        self,
        *,
        book: PlanBook,
        carrier: Carrying,
        reading: Reading,
        desks: Desks,
        access: Access,
        activity: Activity,
        rules: PlanSettings,
        clock: Clock,
    ) -> None:
        self._book = book
        self._carrier = carrier
        self._reading = reading
        self._desks = desks
        self._access = access
        self._activity = activity
        self._rules = rules
        self._clock = clock
        self._runs: dict[str, asyncio.Task[None]] = {}
        self._again: set[str] = set()

    def start(self, plan_id: str) -> None:
        """Run an approved plan from now on."""
        if plan_id in self._runs:
            self._again.add(plan_id)
        else:
            task = asyncio.create_task(self._run(plan_id))
            self._runs[plan_id] = task
            task.add_done_callback(partial(self._ran, plan_id))

    def _ran(self, plan_id: str, task: asyncio.Task[None]) -> None:
        del self._runs[plan_id]
        again = plan_id in self._again
        self._again.discard(plan_id)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            log.error("a plan stopped: %s", type(error).__name__)
        elif again and not task.cancelled():
            self.start(plan_id)  # approved again just as the last run came to its end

    async def close(self) -> None:
        """What is on its way gets a moment to end; what has not begun waits for the next start."""
        tasks = list(self._runs.values())
        if tasks:
            await asyncio.wait(tasks, timeout=END_SECONDS)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, plan_id: str) -> None:
        own: set[str] = set()  # records that this plan has changed itself
        plan = await self._book.get(plan_id)
        while (item := steps.next_to_run(plan)) is not None:
            desk, why_not = await self._allowed(plan)
            if desk is None:
                await self._call_off(plan, why_not)
            else:
                await self._run_item(plan, item, desk, own)
            plan = await self._book.get(plan_id)

    async def _run_item(self, plan: Plan, item: Item, desk: Desk, own: set[str]) -> None:
        request = await self._book.request_of(item.id)
        if request is None:
            raise RuntimeError(f"the bytes of {item.id} are gone")
        if await self._is_as_it_was(plan, item, desk, request, frozenset(own)):
            await self._send(plan, item, desk, request)
            own.update(touch.record_id for touch in item.touches if touch.record_id)

    async def _call_off(self, plan: Plan, why: str) -> None:
        await self._book.change(plan.id, lambda one: steps.call_off(one, why, self._clock.now()))

    async def _allowed(self, plan: Plan) -> tuple[Desk | None, str]:
        """The desk to run a plan at, or why it is not run."""
        desk = await self._desks.get(plan.connection_id)
        if desk is None:
            return None, "The connection is gone; it was not run."
        if (desk.stored.org_id, desk.stored.user_id) != (plan.org_id, plan.user_id):
            return None, "The connection leads to another org or user now; it was not run."
        if plan.client_id == OWNER_ID:
            return desk, ""
        client = next((one for one in self._access.all() if one.id == plan.client_id), None)
        if client is None and plan.lineage is not None:
            return desk, ""  # it ended with its command; the next one of the same command hears the answer
        grant = self._access.grant_for(client, plan.connection_id) if client else None
        if grant is None or grant.mode is Mode.READ:
            return None, "The program may not change this org any more; it was not run."
        return desk, ""

    async def _is_as_it_was(
        self, plan: Plan, item: Item, desk: Desk, request: HeldRequest, own: frozenset[str]
    ) -> bool:
        """Whether the records are as the owner saw them; where not, the item is held back with what is there now."""
        if not any(touch.before is not None for touch in item.touches):
            return True
        parts = (await asyncio.to_thread(verdict_of, request)).parts
        now = await self._reading.touches(desk, parts, who=plan.client_name)
        moved = plan_fields.moved(item.touches, now, own)
        if not moved:
            return True
        names = ", ".join(moved[:5]) + (f" and {len(moved) - 5} more" if len(moved) > 5 else "")  # noqa: PLR2004
        note = f"Changed after the plan was made, or not readable any more: {names}. It was not run; approve it again if it is still right."
        await self._book.change(
            plan.id,
            lambda one: steps.hold_back(
                one,
                item.id,
                self._clock.now(),
                note=note,
                changes=plan_fields.changes_of(now, parts),
                touches=now,
                lifetime=timedelta(seconds=self._rules.expire_seconds),
            ),
        )
        return False

    async def _send(self, plan: Plan, item: Item, desk: Desk, request: HeldRequest) -> None:
        actor, name = actor_of(plan), desk.stored.name
        what = f"{item.summary} ({plan.id}, approved)"
        try:
            await self._activity.record(actor, Deed.WRITE_SENT, connection=name, outcome=Outcome.BEGUN, detail=what)
            await self._book.change(plan.id, lambda one: steps.begin(one, item.id))
        except (Problem, VaultError) as error:
            await self._call_off(plan, f"It was not sent: {error}")
            return
        ran = await self._carried(plan, item, desk, request)
        detail = f"{what}: {ran.note or 'done.'}"
        outcome = _OUTCOMES[ran.status]
        self._activity.note(actor, Deed.WRITE_ANSWERED, connection=name, outcome=outcome, detail=detail)
        await self._end(plan, item, ran)

    async def _end(self, plan: Plan, item: Item, ran: "_Ran") -> None:
        """Write down how an item ended, as soon as the vault takes it."""

        def ended(one: Plan) -> Plan:
            answered = ran.result.status if ran.result else None
            now = self._clock.now()
            return steps.end(one, item.id, ran.status, now, note=ran.note, touches=ran.touches, answered=answered)

        beside = Bytes(answer=(item.id, ran.result) if ran.result else None)
        while True:
            try:
                await self._book.change(plan.id, ended, beside)
            except VaultError as error:
                log.error("%s Next: %s", error, error.next_step)  # noqa: TRY400 - the disk's trouble, not a bug
                await self._clock.sleep(AGAIN_SECONDS)
            else:
                return

    async def _carried(self, plan: Plan, item: Item, desk: Desk, request: HeldRequest) -> "_Ran":
        try:
            return _answered(item, await self._carrier.carry(desk, request, who=plan.client_name))
        except NotSent as not_sent:
            return _Ran(ItemStatus.FAILED, f"It was not sent: {not_sent.problem.detail}", item.touches)
        except Unknown as unknown:
            return _Ran(ItemStatus.UNKNOWN, unknown.detail, item.touches)
        except Exception as error:  # noqa: BLE001 - a bug after the bytes may have left: nobody may send them again
            log.error("bug: %s while a held request was carried", type(error).__name__)  # noqa: TRY400
            return _Ran(ItemStatus.UNKNOWN, "Whether it was carried out is not known.", item.touches)


@dataclass(frozen=True, slots=True)
class _Ran:
    """How an item ended."""

    status: ItemStatus
    note: str | None
    touches: tuple[Touch, ...]
    result: Result | None = None


def _answered(item: Item, result: Result) -> _Ran:
    """How an item ended that Salesforce answered to."""
    outcome = outcome_of(item.touches, result)
    status = ItemStatus.DONE if outcome.done else ItemStatus.FAILED
    if len(result.body) <= MOST_ANSWER:
        return _Ran(status, outcome.note, outcome.touches, result)
    note = f"{outcome.note or ''} The answer was too long to be kept.".strip()
    return _Ran(status, note, outcome.touches, replace(result, body=b"", headers=()))
