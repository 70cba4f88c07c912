"""Telling of plans: events for those who listen, rows of the activity, bubbles on the screen."""

from collections.abc import Callable
from contextlib import suppress

from meshmesh_daemon.adapters.browser import Browser
from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed
from meshmesh_daemon.core.activity import SERVICE, Deed, Outcome
from meshmesh_daemon.core.events import EventName
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.plan_notice import REJECT, REVIEW, key_of, notices
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.events import Event
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.plans_views import PlanView, actor_of
from meshmesh_storage.errors import VaultError
from meshmesh_storage.plan_records import Plan, PlanStatus

_RAN = frozenset({PlanStatus.DONE, PlanStatus.PARTLY_DONE})
_DECIDED = frozenset({PlanStatus.APPROVED, PlanStatus.REJECTED, PlanStatus.EXPIRED, PlanStatus.WITHDRAWN})


def event_of(before: Plan | None, after: Plan) -> EventName | None:
    """The event that a change of a plan is, or None."""
    if before is None:
        return EventName.PLAN_CREATED
    if before.status is after.status:
        return EventName.PLAN_UPDATED if len(after.items) > len(before.items) else None
    if after.status in _RAN:
        return EventName.PLAN_DONE
    return EventName.PLAN_DECIDED if after.status in _DECIDED else None


class PlansTelling:
    """Tells of plans.

    Args:
        plans: the plans.
        publish: tells an event to whom it concerns.
        activity: gets the rows.
        desks: the connections, to name them.
        screen: where a person can press Review or Reject.
        browser: opens what Review leads to.
        base: our own address, without a slash at its end.
    """

    def __init__(
        self,
        *,
        plans: Plans,
        publish: Callable[[Event], None],
        activity: Activity,
        desks: Desks,
        screen: Notifications,
        browser: Browser,
        base: str,
    ) -> None:
        self._plans = plans
        self._publish = publish
        self._activity = activity
        self._desks = desks
        self._screen = screen
        self._browser = browser
        self._base = base
        self._shown: dict[str, Notice] = {}
        self._closed: set[str] = set()
        self._background = Background()

    def start(self) -> None:
        """Tell from now on; plans that wait already are shown."""
        self._plans.listen(self._see)
        self._show()

    async def close(self) -> None:
        """Stop telling."""
        await self._background.cancel()

    def _see(self, before: Plan | None, after: Plan) -> None:
        name = event_of(before, after)
        if name is not None:
            self._publish(Event(name=name, subject=PlanView(plan=after), client_id=after.client_id))
        self._note(before, after)
        self._show()

    def _note(self, before: Plan | None, after: Plan) -> None:
        desk = self._desks.at_hand(after.connection_id)
        name = desk.stored.name if desk else None
        known = {item.id for item in before.items} if before else set[str]()
        for item in after.items:
            if item.id not in known:
                detail = f"{item.summary} ({after.id})"
                self._activity.note(actor_of(after), Deed.PLAN_HELD, connection=name, detail=detail)
        if before is None or before.status is after.status:
            return
        if after.status is PlanStatus.EXPIRED:
            detail = f"{after.id} ({after.client_name}): nobody decided in time. Nothing of it was run."
            self._activity.note(SERVICE, Deed.PLAN_EXPIRED, connection=name, detail=detail)
        elif after.status in _RAN:
            done = sum(item.status.value == "done" for item in after.items)
            outcome = Outcome.DONE if after.status is PlanStatus.DONE else Outcome.FAILED
            detail = f"{after.id} ({after.client_name}): {done} of {len(after.items)} requests were done."
            self._activity.note(SERVICE, Deed.PLAN_ENDED, connection=name, outcome=outcome, detail=detail)

    def _show(self) -> None:
        """Bring the screen in step with the plans that wait."""
        live = list(self._plans.live())
        desks = (self._desks.at_hand(plan.connection_id) for plan in live)
        names = {desk.id: desk.stored.name for desk in desks if desk}
        wanted = {notice.key: notice for notice in notices(live, names, self._base)}
        self._closed &= wanted.keys()
        for key in self._shown.keys() - wanted.keys():
            self._screen.withdraw(key)
            del self._shown[key]
        for key, notice in wanted.items():
            if key not in self._closed and self._shown.get(key) != notice:
                self._shown[key] = notice
                self._screen.show(notice, self._hear)

    def _hear(self, event: Pressed | Dismissed) -> None:
        notice = self._shown.get(event.key)
        if notice is None:
            return
        if isinstance(event, Dismissed):
            self._closed.add(event.key)
            del self._shown[event.key]
        elif event.button == REVIEW and notice.link is not None:
            self._background.spawn(self._open(notice.link))
        elif event.button == REJECT:
            self._background.spawn(self._reject(event.key))

    async def _open(self, link: str) -> None:
        await self._browser.open(link)

    async def _reject(self, key: str) -> None:
        plan = next((plan for plan in self._plans.live() if key_of(plan) == key), None)
        if plan is not None:
            with suppress(Problem, VaultError):  # decided meanwhile, or expired; else its bubble stays
                await self._plans.reject(plan.id, None)
