"""Recorded answers: what became of a held request is told once to the same client's same request, and is then spent.

That is how "run the same command again" ends without a second write. Spending is on disk before the answer leaves: a
second intended create is a new item, never an old answer.
"""

import json

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.plans_book import ANSWER_LIFE, Owns, PlanBook
from meshmesh_storage.plan_records import Item, ItemStatus, Plan, PlanStatus, Result

REJECTED_CODE = "MESHMESH_PLAN_REJECTED"
MOST_SECONDS = 60.0  # that a request waits for its twin which is under way
_ANSWERED = frozenset({ItemStatus.DONE, ItemStatus.FAILED})
_COMING = frozenset({ItemStatus.HELD, ItemStatus.RUNNING})


class Recorded:
    """Gives recorded answers.

    Args:
        book: keeps the plans and answers.
        clock: the time.
    """

    def __init__(self, *, book: PlanBook, clock: Clock) -> None:
        self._book = book
        self._clock = clock

    async def of_request(self, owns: Owns, connection_id: str, sha256: str) -> Result | None:
        """The answer to a client's request, the oldest that was not given yet; None where there is none.

        A request that the owner rejected has one too, so that the reason reaches whoever only runs the command again.
        """
        for plan in self._book.live():
            if owns(plan) and plan.connection_id == connection_id:
                for item in plan.items:
                    if item.sha256 == sha256 and (given := await self._spent(plan, item)) is not None:
                        return given
        return None

    async def settled(self, owns: Owns, connection_id: str, sha256: str) -> None:
        """Wait until the same request is not on its way any more as part of an approved plan.

        Raises:
            Problem: 403, it takes too long.
        """
        while (plan := self._under_way(owns, connection_id, sha256)) is not None:
            after = await self._book.wait(plan.id, owns, MOST_SECONDS)
            if after.status in steps.UNDER_WAY:
                detail = (
                    f"The same request was approved in plan {plan.id}, and is under way. Send it again for its answer."
                )
                raise Problem(403, "meshmesh_approval_required", detail)

    def _under_way(self, owns: Owns, connection_id: str, sha256: str) -> Plan | None:
        plans = (plan for plan in self._book.live() if plan.status in steps.UNDER_WAY and owns(plan))
        here = (plan for plan in plans if plan.connection_id == connection_id)
        coming = (plan for plan in here if any(one.sha256 == sha256 and one.status in _COMING for one in plan.items))
        return next(coming, None)

    async def of_item(self, plan_id: str, item_id: str, owns: Owns) -> Result | None:
        """As `of_request`, for one item whose client waited for it.

        Raises:
            Problem: 404.
        """
        plan = await self._book.get(plan_id, owns)
        item = steps.item_of(plan, item_id)
        return await self._spent(plan, item) if item else None

    async def _spent(self, plan: Plan, item: Item) -> Result | None:
        if item.spent or not self._is_fresh(plan, item):
            return None
        if _was_rejected(plan, item):
            result: Result | None = _rejection(item)
        else:
            result = (await self._book.results_of(plan)).get(item.id)
        if result is None:
            return None
        taken = False

        def spend(one: Plan) -> Plan:
            nonlocal taken
            now = steps.item_of(one, item.id)
            taken = now is not None and not now.spent
            return steps.spend(one, item.id)

        await self._book.change(plan.id, spend)
        return result if taken else None

    def _is_fresh(self, plan: Plan, item: Item) -> bool:
        ended = item.ended_at if item.status in _ANSWERED else plan.decided_at
        answered = item.status in _ANSWERED or _was_rejected(plan, item)
        return answered and ended is not None and self._clock.now() - ended < ANSWER_LIFE


def _was_rejected(plan: Plan, item: Item) -> bool:
    return plan.status is PlanStatus.REJECTED and item.status is ItemStatus.REJECTED


def _rejection(item: Item) -> Result:
    message = f"{item.note or 'The owner rejected it.'} Send it again to ask again."
    body = json.dumps([{"errorCode": REJECTED_CODE, "message": message}]).encode()
    return Result(status=403, headers=(("Content-Type", "application/json;charset=UTF-8"),), body=body)
