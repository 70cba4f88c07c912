"""What a client hears of a write that is held: where to look, or, if it waits, what became of it.

Never a 401 or a 5xx, which clients repeat, and never a success for what did not happen.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.bodies import prefer_wait
from meshmesh_bridge.letters import Letter
from meshmesh_bridge.passage import Passage
from meshmesh_bridge.salesforce_shapes import shaped
from meshmesh_daemon.core.plan import TAKEN_OUT
from meshmesh_daemon.usecases.bulk_jobs import BulkJobs
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage.plan_records import HeldRequest, Item, ItemStatus, PlanStatus, Result
from meshmesh_storage.records import Client

_ANSWERED = frozenset({ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.REJECTED})
_OWN_REFUSAL = b'[{"errorCode": "MESHMESH_'


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """Holds writes for the owner's decision.

    Args:
        plans: keeps them.
        jobs: what is known of Bulk jobs.
        base: gives our own address.
    """

    plans: Plans
    jobs: BulkJobs
    base: Callable[[], str]

    async def hold(
        self, request: web.Request, client: Client, desk: Desk, letter: Letter, held: HeldRequest
    ) -> Result | web.StreamResponse:
        """Hold a write, and wait for the decision as long as the client says.

        Args:
            request: the client's.
            client: whose it is.
            desk: the connection's.
            letter: the write.
            held: the same, as it is kept.

        Returns:
            What Salesforce answered, where it was approved and carried out meanwhile; else the refusal that says what to
            do, or what became of it.

        Raises:
            Problem: there are too many plans, or the vault does not take it.
        """
        verdict, seconds = letter.verdict, prefer_wait(request)
        if verdict.bulk_job is not None:
            verdict = self.jobs.closing(desk.stored.id, verdict)
        group = request.headers.get(wire.HEADER_PLAN)
        taken = await self.plans.hold(client, desk, held, verdict, group=group)
        plan = taken.plan
        if seconds and plan.is_open:
            plan = await self.plans.wait(plan.id, client.id, seconds)
        item = next(one for one in plan.plan.items if one.id == taken.item_id)
        if item.status in _ANSWERED:
            result = await self.plans.take(client, plan.id, item.id)
            if result is not None:
                return result
        code, message = _told(plan, item, f"{self.base()}/plans/{plan.id}")
        return shaped(
            request.rel_url.raw_path, HTTPStatus.FORBIDDEN, code.upper(), message, headers={wire.HEADER_PLAN: plan.id}
        )


def given(request: web.Request, result: Result, passage: Passage) -> web.Response:
    """A recorded answer, given: Salesforce's, or the owner's no, which is then in the shape of the called API."""
    if result.status == HTTPStatus.FORBIDDEN and result.body.startswith(_OWN_REFUSAL):
        (error,) = json.loads(result.body)
        return shaped(request.rel_url.raw_path, HTTPStatus.FORBIDDEN, error["errorCode"], error["message"])
    return passage.recorded(result)


def _told(plan: PlanView, item: Item, url: str) -> tuple[str, str]:
    """What became of an item, as a code and a sentence."""
    what = item.summary
    match item.status, plan.status:
        case ItemStatus.REJECTED, _ if item.note == TAKEN_OUT:
            return wire.Code.PLAN_WITHDRAWN, f"{what}: {TAKEN_OUT} See {url}."
        case _, PlanStatus.EXPIRED:
            return wire.Code.PLAN_EXPIRED, f"{what}: nobody decided in time, and nothing was changed. Send it again."
        case _, PlanStatus.WITHDRAWN:
            return wire.Code.PLAN_WITHDRAWN, f"{what}: withdrawn, and nothing was changed."
        case ItemStatus.FAILED, _ if not item.spent:
            return wire.Code.PLAN_FAILED, f"{what}: approved, and not carried out. {item.note or ''}".rstrip()
        case ((ItemStatus.DONE | ItemStatus.FAILED), _):
            return wire.Code.PLAN_DONE, f"{what}: carried out already, and its answer was given. See {url}."
        case ItemStatus.REJECTED, _:
            reason = f": {plan.plan.rejection}" if plan.plan.rejection else "."
            return wire.Code.PLAN_REJECTED, f"{what}: rejected, and nothing was changed{reason}"
        case ItemStatus.STALE, _:
            return wire.Code.PLAN_STALE, f"{what}: not carried out. {item.note or 'A record has changed since.'}"
        case ItemStatus.UNKNOWN, _:
            return (
                wire.Code.PLAN_UNKNOWN,
                f"{what}: sent, and no answer came. Look whether it was carried out before you send it again: {url}.",
            )
        case ItemStatus.RUNNING, _:
            return wire.Code.APPROVAL_REQUIRED, f"{what}: approved, and under way. Send the same request again: {url}."
        case _:
            return (
                wire.Code.APPROVAL_REQUIRED,
                f"{what}: held for approval, and nothing was changed yet. Once it is approved at {url}, "
                "send the same request again for its answer.",
            )
