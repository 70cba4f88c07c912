"""Build Mode beside plans that are open: what a client sends itself is no second write of what it was held for.

Invariant: of a request and its held twin one is carried out. Sent in Build Mode, it gets the answer of a twin that has run
or runs; a twin that still waits is taken out of its plan, on disk, before a byte of the request leaves.
"""

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.activity import Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.plans_book import Owns, PlanBook
from meshmesh_daemon.usecases.plans_recorded import Recorded
from meshmesh_daemon.usecases.plans_views import actor_of
from meshmesh_storage.plan_records import Item, Plan, Result


class Twins:
    """Knows the held twins of what is sent in Build Mode.

    Args:
        book: keeps the plans.
        recorded: gives the answers of those that have run.
        desks: the connections, to name them.
        activity: is told of what is taken out.
        clock: the time.
    """

    def __init__(self, *, book: PlanBook, recorded: Recorded, desks: Desks, activity: Activity, clock: Clock) -> None:
        self._book = book
        self._recorded = recorded
        self._desks = desks
        self._activity = activity
        self._clock = clock

    def are_possible(self, owns: Owns, connection_id: str, method: str, target: str) -> bool:
        """Whether a request may have a twin, as far as can be said without its body."""
        return any(
            (item.method, item.target, item.spent) == (method, target, False)
            for plan in self._here(owns, connection_id)
            for item in plan.items
        )

    async def claim(self, owns: Owns, connection_id: str, sha256: str) -> Result | None:
        """Before a request of Build Mode leaves: the answer that it has already, or None, and then it has no twin.

        Raises:
            Problem: 403, a twin is under way for too long.
        """
        while True:
            await self._recorded.settled(owns, connection_id, sha256)
            answer = await self._recorded.of_request(owns, connection_id, sha256)
            if answer is not None:
                return answer
            twin = self._coming(owns, connection_id, sha256)
            if twin is None or await self._taken_out(*twin):
                return None

    async def _taken_out(self, plan: Plan, item: Item) -> bool:
        """Whether it could be; not where it was decided on meanwhile."""
        taken = False

        def step(one: Plan) -> Plan:
            nonlocal taken
            after = steps.take_out(one, item.id, self._clock.now())
            taken = after != one
            return after

        await self._book.change(plan.id, step)
        if taken:
            desk = self._desks.at_hand(plan.connection_id)
            detail = f"{item.summary} ({plan.id}): {steps.TAKEN_OUT}"
            name = desk.stored.name if desk else None
            self._activity.note(actor_of(plan), Deed.PLAN_WITHDRAWN, connection=name, detail=detail)
        return taken

    def _coming(self, owns: Owns, connection_id: str, sha256: str) -> tuple[Plan, Item] | None:
        for plan in self._here(owns, connection_id):
            for item in plan.items:
                if item.sha256 == sha256 and steps.is_coming(item):
                    return plan, item
        return None

    def _here(self, owns: Owns, connection_id: str) -> list[Plan]:
        return [plan for plan in self._book.live() if plan.connection_id == connection_id and owns(plan)]
