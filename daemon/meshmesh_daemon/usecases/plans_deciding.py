"""Deciding: the owner says yes or no to a plan, the client takes it back, or somebody whose it was is gone.

A yes is for the items that were there when the person was asked, and for no later one.
"""

from collections.abc import Sequence

from meshmesh_daemon.core import plan as steps
from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.notice import clipped
from meshmesh_daemon.core.plan_danger import by_danger
from meshmesh_daemon.core.presence import is_within
from meshmesh_daemon.core.problems import bad_field
from meshmesh_daemon.usecases.access import Access, WantedGrant
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.plans_book import Owns, PlanBook, everybody
from meshmesh_daemon.usecases.plans_views import actor_of
from meshmesh_daemon.usecases.presence import Consent, Presence
from meshmesh_daemon.usecases.sessions import refuse_unwell
from meshmesh_storage.plan_records import ItemStatus, Plan
from meshmesh_storage.records import Kind, Mode

MOST_LINES = 5  # of a question to the person


class Deciding:
    """Decides on plans.

    Args:
        book: keeps them.
        desks: the connections.
        access: gives Build Mode for a while.
        presence: asks for a person.
        activity: is told of each decision.
        clock: the time.
    """

    def __init__(
        self,
        *,
        book: PlanBook,
        desks: Desks,
        access: Access,
        presence: Presence,
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._book = book
        self._desks = desks
        self._access = access
        self._presence = presence
        self._activity = activity
        self._clock = clock

    async def approve(self, plan_id: str, items: Sequence[str] | None, consent: Consent, build_for: int | None) -> Plan:
        """Say yes to all that waits, or to some items and no to the rest.

        Args:
            plan_id: the plan.
            items: ids of items, or None for all that wait.
            consent: what the request brought to prove that a person is there.
            build_for: seconds for which the client gets Build Mode besides, or None.

        Raises:
            Problem: 404, 409 `already_decided` or `reconnect_required`, 410, 422, 403 `presence_required`.
        """
        plan = await self._book.get(plan_id)
        approved = steps.approve(plan, items, self._clock.now())
        chosen = [item.id for item in approved.items if item.status is ItemStatus.HELD]
        desk = await self._desks.get(plan.connection_id)
        if build_for is not None and all(client.id != plan.client_id for client in self._access.all()):
            raise bad_field("build_for", "there is no program to give Build Mode to: it has ended, or it is you.")
        if desk is not None:
            await self._ask(plan, desk, chosen, build_for, consent)
        name = desk.stored.name if desk else None
        detail = f"{len(chosen)} of {len(plan.items)} requests of {plan.id} ({plan.client_name}) may run."
        await self._activity.record(OWNER, Deed.PLAN_APPROVED, connection=name, detail=detail)
        decided = await self._book.change(plan_id, lambda one: steps.approve(one, chosen, self._clock.now()))
        if build_for is not None and desk is not None:
            await self._build(plan, desk, build_for)
        return decided

    async def _ask(
        self, plan: Plan, desk: Desk, chosen: Sequence[str], build_for: int | None, consent: Consent
    ) -> None:
        """Ask the person, unless nothing could run: a yes would only use the plan up."""
        refuse_unwell(desk)
        if desk.stored.kind is not Kind.DEMO:
            await self._presence.demand(*_question(plan, desk, chosen, build_for), consent)
            refuse_unwell(desk)  # the person may have taken a minute

    async def _build(self, plan: Plan, desk: Desk, seconds: int) -> None:
        """Build Mode for a while, and then what there was; a client that has it already keeps it as it is."""
        client = self._access.get(plan.client_id)
        grant = self._access.grant_for(client, plan.connection_id)
        if grant is not None and is_within(grant, mode=Mode.BUILD, raw_token=False):
            return
        wanted = WantedGrant(connection=desk.stored.name, mode=Mode.BUILD, expires_in=seconds)
        await self._access.widen(plan.client_id, wanted)

    async def reject(self, plan_id: str, reason: str | None) -> Plan:
        """Say no; the reason is for the client.

        Raises:
            Problem: 404, 409 `already_decided`, 410.
        """
        plan = await self._book.change(plan_id, lambda one: steps.reject(one, reason, self._clock.now()))
        detail = f"{plan.id} ({plan.client_name}): nothing of it was run."
        self._activity.note(OWNER, Deed.PLAN_REJECTED, connection=self._name_of(plan), detail=detail)
        return plan

    async def withdraw(self, plan_id: str, owns: Owns) -> Plan:
        """Take a plan back.

        Args:
            plan_id: the plan.
            owns: whether it is theirs.

        Raises:
            Problem: 404, 409 `already_decided`, 410.
        """
        plan = await self._book.get(plan_id, owns)
        after = await self._book.change(plan.id, lambda one: steps.withdraw(one, self._clock.now()))
        actor = OWNER if owns is everybody else actor_of(plan)
        detail = f"{plan.id}: nothing of it was run."
        self._activity.note(actor, Deed.PLAN_WITHDRAWN, connection=self._name_of(plan), detail=detail)
        return after

    def _name_of(self, plan: Plan) -> str | None:
        desk = self._desks.at_hand(plan.connection_id)
        return desk.stored.name if desk else None


def _question(plan: Plan, desk: Desk, chosen: Sequence[str], build_for: int | None) -> tuple[str, list[str]]:
    """What a person is asked, as a title and lines."""
    production = " (PRODUCTION)" if desk.stored.kind is Kind.PRODUCTION else ""
    title = f"Let {clipped(plan.client_name)} change {clipped(desk.stored.name)}{production}?"
    summaries = [item.summary for item in by_danger(plan.items) if item.id in chosen]
    lines = [clipped(summary) for summary in summaries[:MOST_LINES]]
    if len(summaries) > MOST_LINES:
        lines.append(f"and {len(summaries) - MOST_LINES} more")
    if build_for is not None:
        lines.append(f"Then Build Mode for {max(1, build_for // 60)} min: nothing is held.")
    return title, lines
