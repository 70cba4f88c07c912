"""What happens to plans by itself: they expire, their bytes go, they are forgotten, and they end with whose they were."""

import logging
from collections.abc import Iterable
from datetime import timedelta

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.activity import SERVICE, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.settings import PlanSettings
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.plans_book import PlanBook
from meshmesh_daemon.usecases.plans_owners import lineage
from meshmesh_storage.errors import VaultError
from meshmesh_storage.plan_records import Plan, PlanStatus
from meshmesh_storage.records import Client, Connection

log = logging.getLogger("meshmesh.plans")

TICK_SECONDS = 10.0
QUIET_SECONDS = 60.0  # between two looks while no plan is open: an idle service sleeps
FORGET_EVERY = timedelta(hours=12)


class Keeping:
    """Looks after the plans.

    Args:
        book: keeps them.
        desks: tells when a connection is gone.
        access: tells when a client, or its grant, is gone.
        activity: is told of what was withdrawn.
        rules: how long plans are kept.
        clock: the time.
    """

    def __init__(
        self,
        *,
        book: PlanBook,
        desks: Desks,
        access: Access,
        activity: Activity,
        rules: PlanSettings,
        clock: Clock,
    ) -> None:
        self._book = book
        self._activity = activity
        self._rules = rules
        self._clock = clock
        self._forget_at = clock.now()
        self._background = Background()
        desks.listen(self._see_connection)
        access.listen(self._see_client)

    async def run(self) -> None:
        """Look after them until cancelled."""
        while True:
            try:
                await self.look()
            except VaultError as error:
                log.warning("the plans could not be looked after: %s", error)
            await self._clock.sleep(TICK_SECONDS if any(self._book.live()) else QUIET_SECONDS)

    async def look(self) -> None:
        """Do what is due."""
        now = self._clock.now()
        for plan in self._book.live():
            if steps.is_due(plan, now):
                await self._book.get(plan.id)
        await self._book.retire()
        if now >= self._forget_at:
            self._forget_at = now + FORGET_EVERY
            await self._book.forget(timedelta(days=self._rules.keep_days))

    async def close(self) -> None:
        """Wait for what is being withdrawn."""
        await self._background.finish()

    def _see_connection(self, before: Connection | None, after: Connection | None) -> None:
        if after is None and before is not None:
            self._withdraw(plan for plan in self._book.live() if plan.connection_id == before.id)

    def _see_client(self, before: Client, after: Client | None) -> None:
        if after is None and lineage(before) is not None:
            return  # it ended with its command; its plans wait for the next run of the same one
        kept = {grant.connection_id for grant in after.grants} if after else set[str]()
        own = (plan for plan in self._book.live() if plan.client_id == before.id)
        self._withdraw(plan for plan in own if plan.connection_id not in kept)

    def _withdraw(self, plans: Iterable[Plan]) -> None:
        for plan in plans:
            if plan.status is PlanStatus.HELD:
                self._background.spawn(self._withdraw_one(plan.id))

    async def _withdraw_one(self, plan_id: str) -> None:
        try:
            plan = await self._book.change(plan_id, lambda one: steps.withdraw(one, self._clock.now()))
        except Problem:
            return  # decided meanwhile, or expired
        except VaultError as error:
            log.warning("a plan could not be withdrawn: %s", error)
            return
        detail = f"{plan.id} ({plan.client_name}): its program, or its connection, is gone. Nothing of it was run."
        self._activity.note(SERVICE, Deed.PLAN_WITHDRAWN, detail=detail)
