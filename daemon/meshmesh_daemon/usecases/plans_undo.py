"""Undo: a plan that has run becomes another one that puts things back, which the owner looks at and approves like any."""

from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.plan_undo import Undo, undo_of
from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.plans_book import PlanBook
from meshmesh_daemon.usecases.plans_holding import Asked, Holding
from meshmesh_daemon.usecases.plans_views import OWNER_ID
from meshmesh_storage.plan_records import Plan


class Undoing:
    """Makes the plan that undoes another.

    Args:
        book: keeps the plans.
        holding: holds the requests that undo.
        desks: the connections.
    """

    def __init__(self, *, book: PlanBook, holding: Holding, desks: Desks) -> None:
        self._book = book
        self._holding = holding
        self._desks = desks

    async def undo(self, plan_id: str) -> Plan:
        """Hold what takes a plan back.

        Args:
            plan_id: a plan that has run, or a part of it.

        Returns:
            The new plan, which is the owner's; what cannot be undone stands in its reason.

        Raises:
            Problem: 404; 409 `no_undo` where nothing of it can be taken back, saying why.
        """
        plan = await self._book.get(plan_id)
        desk = await self._desks.get(plan.connection_id)
        if desk is None:
            raise not_found("connection", plan.connection_id)
        if (desk.stored.org_id, desk.stored.user_id) != (plan.org_id, plan.user_id):
            raise _no_undo("The connection leads to another org or user now.")
        undo = undo_of(plan, desk.stored.api_version)
        if not undo.requests:
            raise _no_undo(_why_nothing(undo))
        reason = f"Undo of {plan.id}." + (f" Not undone: {'; '.join(undo.left)}." if undo.left else "")
        asked = Asked(
            client_id=OWNER_ID,
            client_name=OWNER_ID,
            owns=lambda one: one.client_id == OWNER_ID,
            reason=reason,
            undoes=plan.id,
        )
        return await self._holding.submit(asked, desk, [(request, verdict_of(request)) for request in undo.requests])


def _why_nothing(undo: Undo) -> str:
    if undo.left:
        return f"There is no undo for {'; '.join(undo.left)}."
    return "Nothing of this plan was carried out, so there is nothing to undo."


def _no_undo(detail: str) -> Problem:
    return Problem(409, "no_undo", detail, next_step=Next("Look at what was done", "meshmesh activity"))
