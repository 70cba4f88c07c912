"""The rooms of an open vault: all that handlers come to, and what acts by itself.

What keeps connections well and lets programs in is there from the beginning (joining.py). Every other room is built when
somebody first comes to it, and what it is made of is imported then: an idle service holds neither plans nor diagnoses.
Who comes by a door has loaded those modules off the loop (wings.py). Wiring only.
"""

import asyncio
import os
import sys
from functools import cached_property
from typing import TYPE_CHECKING

from meshmesh_bridge.ground import Ground, end
from meshmesh_bridge.repeats import Repeats
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import Presence
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.strongbox import Strongbox
from meshmesh_storage.records import Connection
from meshmesh_storage.schema import PLANS, REFUSALS, SIGN_INS

if TYPE_CHECKING:
    from meshmesh_bridge.broker import Broker
    from meshmesh_daemon.adapters.browser import Browser
    from meshmesh_daemon.usecases.access_requests import AccessRequests
    from meshmesh_daemon.usecases.attempts import SignInView
    from meshmesh_daemon.usecases.dashboard import Dashboard
    from meshmesh_daemon.usecases.diagnosis import Diagnoses
    from meshmesh_daemon.usecases.entrance import Entrance
    from meshmesh_daemon.usecases.events import Event, Events
    from meshmesh_daemon.usecases.notifier import Notifier
    from meshmesh_daemon.usecases.org_links import OrgLinks
    from meshmesh_daemon.usecases.pairings import Pairings
    from meshmesh_daemon.usecases.plans import Plans
    from meshmesh_daemon.usecases.refusals import Refusals
    from meshmesh_daemon.usecases.sign_ins import SignIns
    from meshmesh_daemon.usecases.terminal import OwnTerminal


class Rooms:
    """What needs an open vault.

    Args:
        ground: what every room stands on.
        strongbox: the vault as a whole.
        sessions: live ones.
        connections: what sign-ins gave.
        access: who is let in, and to what.
        presence: asks for a person.
        pins: the approval PIN.
    """

    def __init__(
        self,
        *,
        ground: Ground,
        strongbox: Strongbox,
        sessions: Sessions,
        connections: Connections,
        access: Access,
        presence: Presence,
        pins: Pins,
    ) -> None:
        self._ground = ground
        self.activity = ground.activity
        self.strongbox = strongbox
        self.sessions = sessions
        self.connections = connections
        self.access = access
        self.presence = presence
        self.pins = pins
        self.repeats = Repeats(_token_body)
        self._plans: Plans | None = None
        self._events: Events | None = None

    async def take_up(self) -> None:
        """Take up what was there when the service ended, or the vault was locked; what is empty waits for who needs it."""
        ground = self._ground
        async with ground.vault.transaction() as tx:
            attempts, refusals, plans = [await tx.holds(table) for table in (SIGN_INS, REFUSALS, PLANS)]
        if attempts:
            await self.sign_ins.load()
        if refusals:
            await self.refusals.load()
        if ground.house.last_event is not None:
            from meshmesh_daemon.core.events import EventName
            from meshmesh_daemon.usecases.events import Event

            self.events.publish(Event(name=EventName.VAULT_UNLOCKED, for_all=True))
        if plans:
            found = self._made_plans()
            await found.load()
            self._plans = self._begun(found)
        ground.desks.listen(self.repeats.bodies.changed)
        ground.desks.listen(self._see)
        if ground.desks.ill:
            _ = self._notifier

    def resume(self) -> None:
        """Run what was approved and had not begun when the service ended."""
        if self._plans is not None:
            self._plans.resume()

    def _see(self, _before: Connection | None, after: Connection | None) -> None:
        """The notifier comes with the first connection that needs somebody; it finds that one itself."""
        if after is not None and after.status in NEEDS_SOMEBODY:
            _ = self._notifier

    @cached_property
    def _browser(self) -> "Browser":
        from meshmesh_daemon.adapters.browser import SystemBrowser

        return SystemBrowser(sys.platform, os.environ)

    @cached_property
    def _notifier(self) -> "Notifier":
        from meshmesh_daemon.usecases.notifier import Notifier

        ground = self._ground
        notifier = Notifier(
            desks=ground.desks,
            notifications=ground.screen,
            browser=self._browser,
            waiting=ground.waiting,
            reconnect=self._reconnect,
            clock=ground.clock,
            base=ground.base,
        )
        notifier.start()
        ground.stack.push_async_callback(notifier.close)
        return notifier

    async def _reconnect(self, connection: Connection) -> "SignInView":
        return await self.sign_ins.begin_reconnect(connection)

    # --- Signing in, and what follows ------------------------------------------------------------------------------

    @cached_property
    def sign_ins(self) -> "SignIns":
        """From `connect` to a connection."""
        from meshmesh_daemon.usecases.beginning import Beginning
        from meshmesh_daemon.usecases.exchange import Exchange
        from meshmesh_daemon.usecases.sign_ins import SignIns

        ground, house = self._ground, self._ground.house
        clock, outside, policy = ground.clock, ground.salesforce, ground.policy
        sign_ins = SignIns(
            vault=ground.vault,
            connections=self.connections,
            exchange=Exchange(connections=self.connections, outside=outside, policy=policy, clock=clock),
            beginning=Beginning(outside=outside, policy=policy, clock=clock, port=house.redirect_port),
            policy=policy,
            activity=ground.activity,
            clock=clock,
            managed_client_id=house.settings.client_id,
        )
        ground.stack.push_async_callback(sign_ins.close)
        return sign_ins

    @cached_property
    def diagnoses(self) -> "Diagnoses":
        """Why a call was refused."""
        from meshmesh_daemon.usecases.diagnosis import Diagnoses

        ground = self._ground
        return Diagnoses(desks=ground.desks, sessions=self.sessions, outside=ground.salesforce, clock=ground.clock)

    @cached_property
    def org_links(self) -> "OrgLinks":
        """Single-use links into an org."""
        from meshmesh_daemon.usecases.org_links import OrgLinks

        ground = self._ground
        return OrgLinks(connections=self.connections, outside=ground.salesforce, clock=ground.clock)

    # --- Who may come in -------------------------------------------------------------------------------------------

    @cached_property
    def dashboard(self) -> "Dashboard":
        """The owner's sessions in a browser."""
        from meshmesh_daemon.usecases.dashboard import Dashboard

        return Dashboard(self._ground.clock)

    @cached_property
    def entrance(self) -> "Entrance":
        """How a browser becomes the dashboard."""
        from meshmesh_daemon.usecases.entrance import Entrance

        return Entrance(dashboard=self.dashboard, presence=self.presence, clock=self._ground.clock)

    @cached_property
    def terminal(self) -> "OwnTerminal":
        """The owner's own client."""
        from meshmesh_daemon.usecases.terminal import OwnTerminal

        return OwnTerminal(self.access)

    @cached_property
    def refusals(self) -> "Refusals":
        """Programs that were denied for good."""
        from meshmesh_daemon.usecases.refusals import Refusals

        ground = self._ground
        return Refusals(vault=ground.vault, activity=ground.activity, clock=ground.clock)

    @property
    def pairings(self) -> "Pairings":
        """Programs that ask to be paired."""
        return self._callers[0]

    @property
    def access_requests(self) -> "AccessRequests":
        """Clients that ask for a connection."""
        return self._callers[1]

    @cached_property
    def _callers(self) -> "tuple[Pairings, AccessRequests]":
        """Who stands at the door, with the bell that tells the person of both."""
        from meshmesh_daemon.usecases.access_requests import AccessRequests
        from meshmesh_daemon.usecases.doorbell import Doorbell
        from meshmesh_daemon.usecases.pairings import Pairings

        ground, access = self._ground, self.access
        activity, clock = ground.activity, ground.clock
        pairings = Pairings(access=access, refusals=self.refusals, activity=activity, clock=clock)
        requests = AccessRequests(access=access, activity=activity, clock=clock)
        ground.stack.callback(requests.close)
        doorbell = Doorbell(
            access=access,
            pairings=pairings,
            requests=requests,
            notifications=ground.screen,
            browser=self._browser,
            clock=clock,
            base=ground.base,
        )
        doorbell.start()
        ground.stack.push_async_callback(doorbell.close)
        return pairings, requests

    # --- Being told ------------------------------------------------------------------------------------------------

    @property
    def events(self) -> "Events":
        """What happens, for those who listen. Before the first of them comes, nothing is kept for anybody."""
        if self._events is None:
            self._events = self._made_events()
        return self._events

    def _made_events(self) -> "Events":
        from meshmesh_daemon.usecases.events import Events

        ground = self._ground
        events = Events(
            desks=ground.desks,
            access=self.access,
            pairings=self.pairings,
            requests=self.access_requests,
            clock=ground.clock,
            after=ground.house.last_event,
        )
        events.start()
        ground.stack.callback(self._end_events, events)
        return events

    def _end_events(self, events: "Events") -> None:
        self._ground.house.last_event = events.newest_id
        events.close()

    def _publish(self, event: "Event") -> None:
        if self._events is not None:
            self._events.publish(event)

    async def say_locked(self, seconds: float) -> None:
        """Tell whoever listens that the vault is locked; it is the last that they hear.

        Args:
            seconds: how long they may take.
        """
        if self._events is not None:
            from meshmesh_daemon.core.events import EventName
            from meshmesh_daemon.usecases.events import Event

            await self._events.finish(Event(name=EventName.VAULT_LOCKED, for_all=True), seconds)

    # --- Salesforce's own API, and Plan Mode -----------------------------------------------------------------------

    @property
    def plans(self) -> "Plans":
        """What is held for the person's decision."""
        if self._plans is None:
            self._plans = self._begun(self._made_plans())
        return self._plans

    def _made_plans(self) -> "Plans":
        from meshmesh_daemon.usecases.carrying import Carrier
        from meshmesh_daemon.usecases.plans import Plans

        ground = self._ground
        plans = Plans(
            vault=ground.vault,
            carrier=Carrier(sessions=self.sessions, salesforce=ground.salesforce, clock=ground.clock),
            desks=ground.desks,
            access=self.access,
            presence=self.presence,
            activity=ground.activity,
            rules=ground.house.settings.plans,
            clock=ground.clock,
        )
        ground.stack.push_async_callback(plans.close)
        return plans

    def _begun(self, plans: "Plans") -> "Plans":
        from meshmesh_daemon.usecases.plans_telling import PlansTelling

        ground = self._ground
        ground.stack.push_async_callback(end, asyncio.create_task(plans.keep()))
        telling = PlansTelling(
            plans=plans,
            publish=self._publish,
            activity=ground.activity,
            desks=ground.desks,
            screen=ground.screen,
            browser=self._browser,
            base=ground.base,
        )
        telling.start()
        ground.stack.push_async_callback(telling.close)
        return plans

    @cached_property
    def broker(self) -> "Broker":
        """The proxy under `/o/`."""
        from meshmesh_bridge.broker import Broker

        ground = self._ground
        return Broker(
            desks=ground.desks,
            sessions=self.sessions,
            access=self.access,
            plans=self.plans,
            salesforce=ground.salesforce,
            activity=ground.activity,
            clock=ground.clock,
            base=lambda: ground.base,
        )


def _token_body(connection: Connection) -> bytes:
    from meshmesh_bridge.shapes import token_body

    return token_body(connection)
