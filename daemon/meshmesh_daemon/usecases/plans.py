"""Plan Mode: what a client would change is held, decided by the owner, and run once.

The parts: `plans_book` keeps the plans, `plans_reading` finds out what is there now, `plans_holding` makes items,
`plans_deciding` is the owner's, `plans_running` sends, `plans_recorded` tells what came of it, `plans_twins` minds what is
sent in Build Mode, `plans_undo` takes it back, `plans_keeping` ends what is over. This one joins them.
"""

from collections.abc import Callable, Sequence

from meshmesh_daemon.core.classify import Verdict
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.plan import UNDER_WAY, is_open
from meshmesh_daemon.core.problems import not_found
from meshmesh_daemon.settings import PlanSettings
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.plans_book import PlanBook
from meshmesh_daemon.usecases.plans_deciding import Deciding
from meshmesh_daemon.usecases.plans_holding import Asked, Holding
from meshmesh_daemon.usecases.plans_keeping import Keeping
from meshmesh_daemon.usecases.plans_owners import Owners, lineage
from meshmesh_daemon.usecases.plans_reading import Carrying, Reading
from meshmesh_daemon.usecases.plans_recorded import Recorded
from meshmesh_daemon.usecases.plans_running import Running
from meshmesh_daemon.usecases.plans_twins import Twins
from meshmesh_daemon.usecases.plans_undo import Undoing
from meshmesh_daemon.usecases.plans_views import Held, PlanView
from meshmesh_daemon.usecases.presence import Consent, Presence
from meshmesh_storage.plan_records import HeldRequest, Plan, PlanStatus, Result
from meshmesh_storage.records import Client, Connection, Mode
from meshmesh_storage.vault import Vault

PAGE = 50  # plans of a list at once


class Plans:
    """The plans.

    Args:
        vault: where they are kept.
        carrier: the way to the org.
        desks: the connections.
        access: the clients.
        presence: asks for a person.
        activity: is told of each deed.
        rules: how long plans live.
        clock: the time.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        carrier: Carrying,
        desks: Desks,
        access: Access,
        presence: Presence,
        activity: Activity,
        rules: PlanSettings,
        clock: Clock,
    ) -> None:
        self._desks = desks
        self._access = access
        self._owners = Owners(access)
        reading = Reading(carrier)
        self._book = PlanBook(vault=vault, clock=clock)
        self._holding = Holding(book=self._book, reading=reading, rules=rules, clock=clock)
        self._deciding = Deciding(
            book=self._book, desks=desks, access=access, presence=presence, activity=activity, clock=clock
        )
        self._running = Running(
            book=self._book,
            carrier=carrier,
            reading=reading,
            desks=desks,
            access=access,
            activity=activity,
            rules=rules,
            clock=clock,
        )
        self._book.listen(self._run)
        self._recorded = Recorded(book=self._book, clock=clock)
        self._twins = Twins(book=self._book, recorded=self._recorded, desks=desks, activity=activity, clock=clock)
        self._undoing = Undoing(book=self._book, holding=self._holding, desks=desks)
        self._keeping = Keeping(
            book=self._book, desks=desks, access=access, activity=activity, rules=rules, clock=clock
        )

    def listen(self, listener: Callable[[Plan | None, Plan], None]) -> None:
        """Be told of each change of a plan, as (before, after); None is a new plan."""
        self._book.listen(listener)

    def live(self) -> list[Plan]:
        """The plans that something may still come of, or has just come of; oldest first."""
        return self._book.live()

    def _run(self, before: Plan | None, after: Plan) -> None:
        """What was approved runs, also where whoever approved it is gone before the answer."""
        if after.status is PlanStatus.APPROVED and (before is None or before.status is not PlanStatus.APPROVED):
            self._running.start(after.id)

    async def load(self) -> None:
        """Read what the vault holds; what was on its way when the service ended is `unknown` from now on."""
        await self._book.load()
        for connection_id in {plan.connection_id for plan in self._book.live()}:
            await self._desks.get(connection_id)  # so that it is at hand whenever something becomes of a plan of its

    def resume(self) -> None:
        """Run what was approved and had not begun when the service ended."""
        for plan in self._book.live():
            if plan.status in UNDER_WAY:
                self._running.start(plan.id)

    async def keep(self) -> None:
        """Let plans expire, and forget old ones, until cancelled."""
        await self._keeping.run()

    async def close(self) -> None:
        """Answer everybody who waits, so that the doors can close, and let what is on its way end."""
        self._book.close()
        await self._running.close()
        await self._keeping.close()

    async def hold(
        self,
        client: Client,
        desk: Desk,
        request: HeldRequest,
        verdict: Verdict,
        *,
        group: str | None,
        reason: str | None = None,
    ) -> Held:
        """Hold a client's request instead of sending it.

        Args:
            client: whose it is.
            desk: the connection's.
            request: what it would send.
            verdict: what that would do.
            group: the client's own open plan that it is to join (`MeshMesh-Plan`), or None.
            reason: the client's words, or None.

        Raises:
            Problem: 404, 409 or 410 for the plan that was named, 413, 429.
        """
        asked = self._asked(client, reason)
        plan, item = await self._holding.hold(asked, desk, request, verdict, group)
        return Held(await self._view(plan), item.id)

    async def submit(
        self,
        client: Client,
        connection: Connection,
        requests: Sequence[tuple[HeldRequest, Verdict]],
        *,
        reason: str | None,
        key: str | None = None,
    ) -> PlanView:
        """Hold many requests of a client's as one plan, none of which joins another.

        Args:
            client: whose they are.
            connection: where they would be sent.
            requests: what they would send, and what that would do.
            reason: the client's words, or None.
            key: the client's mark; handed in under it once more, it is the same plan.

        Raises:
            Problem: 404, 413, 429.
        """
        desk = await self._desks.get(connection.id)
        if desk is None:
            raise not_found("connection", connection.name)
        asked = self._asked(client, reason, key)
        return await self._view(await self._holding.submit(asked, desk, requests))

    async def recorded(self, client: Client, connection_id: str, request: HeldRequest) -> Result | None:
        """What became of the same request, if it was not told yet; told this one time.

        In Build Mode the answer of one that was approved and is under way is waited for: nothing is held there, so that it
        would be sent a second time beside it.

        Raises:
            Problem: 403, that one takes too long.
        """
        owns, sha256 = self._owners.of(client.id), request.sha256
        grant = self._access.grant_for(self._access.get(client.id), connection_id)
        if grant is not None and grant.mode is Mode.BUILD:
            await self._recorded.settled(owns, connection_id, sha256)
        return await self._recorded.of_request(owns, connection_id, sha256)

    def twins_are_possible(self, client: Client, connection_id: str, method: str, target: str) -> bool:
        """Whether what a client sends may be held already, or be answered. See `Twins.are_possible`."""
        return self._twins.are_possible(self._owners.of(client.id), connection_id, method, target)

    async def claim(self, client: Client, connection_id: str, request: HeldRequest) -> Result | None:
        """Right before a request of Build Mode leaves: its answer, or None once it has no held twin. See `Twins.claim`."""
        return await self._twins.claim(self._owners.of(client.id), connection_id, request.sha256)

    async def take(self, client: Client, plan_id: str, item_id: str) -> Result | None:
        """What became of an item that its client waited for, if it was not told yet; told this one time.

        Raises:
            Problem: 404.
        """
        return await self._recorded.of_item(plan_id, item_id, self._owners.of(client.id))

    async def get(self, plan_id: str, client_id: str | None) -> PlanView:
        """One plan.

        Args:
            plan_id: its id.
            client_id: the client that looks, which sees its own only; None for the owner.

        Raises:
            Problem: 404.
        """
        return await self._view(await self._book.get(plan_id, self._owners.of(client_id)))

    async def wait(self, plan_id: str, client_id: str | None, seconds: float) -> PlanView:
        """One plan, when it is decided and has run, or after `seconds`.

        Raises:
            Problem: 404.
        """
        return await self._view(await self._book.wait(plan_id, self._owners.of(client_id), seconds))

    async def page(
        self, client_id: str | None, *, waiting: bool, after: str | None, limit: int = PAGE
    ) -> tuple[list[PlanView], str | None]:
        """Plans, newest first.

        Args:
            client_id: whose; None for everybody's.
            waiting: only those that something will still become of.
            after: the id of the plan before the first one, or None.
            limit: how many at most.

        Returns:
            The plans, and the `after` of the next page, or None.
        """
        owns = self._owners.of(client_id)
        known = [plan for plan in await self._book.of(self._owners.holder(client_id)) if owns(plan)]
        found = [plan for plan in known if not waiting or is_open(plan)]
        start = next((place + 1 for place, plan in enumerate(found) if plan.id == after), 0)
        shown = found[start : start + limit]
        more = shown[-1].id if shown and start + limit < len(found) else None
        return [await self._view(plan) for plan in shown], more

    async def withdraw(self, plan_id: str, client_id: str | None) -> PlanView:
        """Take a plan back, as its client or as the owner.

        Raises:
            Problem: 404, 409 `already_decided`, 410.
        """
        return await self._view(await self._deciding.withdraw(plan_id, self._owners.of(client_id)))

    async def approve(
        self, plan_id: str, items: Sequence[str] | None, consent: Consent, build_for: int | None = None
    ) -> PlanView:
        """The owner says yes; it runs from now on. See `Deciding.approve`."""
        return await self._view(await self._deciding.approve(plan_id, items, consent, build_for))

    async def reject(self, plan_id: str, reason: str | None) -> PlanView:
        """The owner says no. See `Deciding.reject`."""
        return await self._view(await self._deciding.reject(plan_id, reason))

    async def undo(self, plan_id: str) -> PlanView:
        """Hold what takes a plan back. See `Undoing.undo`."""
        return await self._view(await self._undoing.undo(plan_id))

    def _asked(self, client: Client, reason: str | None, key: str | None = None) -> Asked:
        owns = self._owners.of(client.id)
        return Asked(
            client_id=client.id,
            client_name=client.name,
            owns=owns,
            lineage=lineage(client),
            reason=reason,
            key=key,
        )

    async def _view(self, plan: Plan) -> PlanView:
        return PlanView(plan=plan, results=await self._book.results_of(plan))
