"""The use cases, joined: the third part of the composition root. Wiring only; what opens last closes first."""

import asyncio
import os
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass

from meshmesh_bridge.broker import Broker
from meshmesh_bridge.house import House, Rooms
from meshmesh_bridge.repeats import Repeats
from meshmesh_bridge.shapes import token_body
from meshmesh_daemon.adapters.browser import SystemBrowser
from meshmesh_daemon.adapters.notifications import Notifications, Pane
from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.adapters.salesforce import Salesforce
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.events import EventName
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.access_requests import AccessRequests
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.beginning import Beginning
from meshmesh_daemon.usecases.carrying import Carrier
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.dashboard import Dashboard
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.diagnosis import Diagnoses
from meshmesh_daemon.usecases.doorbell import Doorbell
from meshmesh_daemon.usecases.entrance import Entrance
from meshmesh_daemon.usecases.events import Event, Events
from meshmesh_daemon.usecases.exchange import Exchange
from meshmesh_daemon.usecases.notifier import Notifier
from meshmesh_daemon.usecases.org_links import OrgLinks
from meshmesh_daemon.usecases.pairings import Pairings
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.plans_telling import PlansTelling
from meshmesh_daemon.usecases.presence import Presence
from meshmesh_daemon.usecases.refusals import Refusals
from meshmesh_daemon.usecases.renewal import Renewal
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.sign_ins import SignIns
from meshmesh_daemon.usecases.strongbox import Strongbox
from meshmesh_daemon.usecases.terminal import OwnTerminal
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_daemon.usecases.watcher import Watcher
from meshmesh_storage.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What every room stands on."""

    house: House
    vault: Vault
    activity: Activity
    salesforce: Salesforce
    policy: HostPolicy
    screen: Notifications
    desks: Desks
    waiting: Waiting

    @property
    def clock(self) -> Clock:
        """The house's clock."""
        return self.house.clock


@asynccontextmanager
async def joined(house: House, vault: Vault, activity: Activity, strongbox: Strongbox) -> AsyncGenerator[Rooms, None]:
    """The rooms of a house whose vault is open.

    Args:
        house: gives settings, clock and port.
        vault: the open vault.
        activity: where deeds are recorded.
        strongbox: the vault as a whole.
    """
    async with AsyncExitStack() as stack:
        ground = await _ground(stack, house, vault, activity)
        sessions, connections = _kept(stack, ground)
        pins = Pins(vault=vault, activity=activity, clock=house.clock)
        refusals = Refusals(vault=vault, activity=activity, clock=house.clock)
        presence = Presence(pins=pins, screen=ground.screen, desks=ground.desks, clock=house.clock)
        access = _access(stack, ground, presence)
        sign_ins = _sign_ins(ground, connections)
        stack.push_async_callback(sign_ins.close)
        for room in (connections, access, sign_ins, pins, refusals):
            await room.load()
        activity.listen(ground.desks)
        await sessions.settle()
        await _alive(stack, ground, sessions, connections, sign_ins)
        pairings = Pairings(access=access, refusals=refusals, activity=activity, clock=house.clock)
        requests, events = stack.enter_context(_telling(ground, access, pairings))
        _doorbell(stack, ground, access, pairings, requests)
        plans = await _plans(stack, ground, sessions, access, presence)
        _tell_plans(stack, ground, plans, events)
        dashboard = Dashboard(house.clock)
        yield Rooms(
            activity=activity,
            connections=connections,
            dashboard=dashboard,
            entrance=Entrance(dashboard=dashboard, presence=presence, clock=house.clock),
            diagnoses=Diagnoses(desks=ground.desks, sessions=sessions, outside=ground.salesforce, clock=house.clock),
            org_links=OrgLinks(connections=connections, outside=ground.salesforce, clock=house.clock),
            sessions=sessions,
            sign_ins=sign_ins,
            access=access,
            pairings=pairings,
            refusals=refusals,
            pins=pins,
            terminal=OwnTerminal(access),
            access_requests=requests,
            presence=presence,
            strongbox=strongbox,
            events=events,
            broker=_broker(ground, sessions, access, plans),
            plans=plans,
            repeats=_repeats(ground),
        )


async def _ground(stack: AsyncExitStack, house: House, vault: Vault, activity: Activity) -> _Ground:
    settings = house.settings
    policy = HostPolicy(
        extra_login_origins=frozenset(settings.extra_login_origins),
        demo_origin=house.demo.origin if house.demo else None,
    )
    screen = Pane(house.screen)
    stack.callback(screen.wipe)
    return _Ground(
        house=house,
        vault=vault,
        activity=activity,
        salesforce=await stack.enter_async_context(Salesforce.open(policy)),
        policy=policy,
        screen=screen,
        desks=Desks(),
        waiting=Waiting(house.clock),
    )


def _kept(stack: AsyncExitStack, ground: _Ground) -> tuple[Sessions, Connections]:
    clock, desks, vault = ground.clock, ground.desks, ground.vault
    renewal = Renewal(vault=vault, outside=ground.salesforce, policy=ground.policy, clock=clock)
    sessions = Sessions(desks=desks, vault=vault, renewal=renewal, waiting=ground.waiting, clock=clock)
    connections = Connections(desks=desks, sessions=sessions, vault=vault, outside=ground.salesforce, clock=clock)
    stack.push_async_callback(connections.close)
    stack.push_async_callback(sessions.close)
    stack.callback(sessions.send_away)
    return sessions, connections


def _access(stack: AsyncExitStack, ground: _Ground, presence: Presence) -> Access:
    processes = Processes()
    stack.push_async_callback(processes.close)
    access = Access(
        desks=ground.desks,
        vault=ground.vault,
        processes=processes,
        presence=presence,
        activity=ground.activity,
        clock=ground.clock,
    )
    stack.push_async_callback(access.close)
    return access


def _sign_ins(ground: _Ground, connections: Connections) -> SignIns:
    clock, outside, policy, house = ground.clock, ground.salesforce, ground.policy, ground.house
    return SignIns(
        vault=ground.vault,
        connections=connections,
        exchange=Exchange(connections=connections, outside=outside, policy=policy, clock=clock),
        beginning=Beginning(outside=outside, policy=policy, clock=clock, port=house.redirect_port),
        policy=policy,
        activity=ground.activity,
        clock=clock,
        managed_client_id=house.settings.client_id,
    )


async def _plans(
    stack: AsyncExitStack, ground: _Ground, sessions: Sessions, access: Access, presence: Presence
) -> Plans:
    plans = Plans(
        vault=ground.vault,
        carrier=Carrier(sessions=sessions, salesforce=ground.salesforce, clock=ground.clock),
        desks=ground.desks,
        access=access,
        presence=presence,
        activity=ground.activity,
        rules=ground.house.settings.plans,
        clock=ground.clock,
    )
    await plans.load()
    stack.push_async_callback(plans.close)
    stack.push_async_callback(_end, asyncio.create_task(plans.keep()))
    return plans


def _tell_plans(stack: AsyncExitStack, ground: _Ground, plans: Plans, events: Events) -> None:
    telling = PlansTelling(
        plans=plans,
        publish=events.publish,
        activity=ground.activity,
        desks=ground.desks,
        screen=ground.screen,
        browser=SystemBrowser(sys.platform, os.environ),
        base=f"http://localhost:{ground.house.port}",
    )
    telling.start()
    stack.push_async_callback(telling.close)


def _repeats(ground: _Ground) -> Repeats:
    repeats = Repeats(token_body)
    ground.desks.listen(repeats.changed)
    return repeats


def _broker(ground: _Ground, sessions: Sessions, access: Access, plans: Plans) -> Broker:
    house = ground.house
    return Broker(
        desks=ground.desks,
        sessions=sessions,
        access=access,
        plans=plans,
        salesforce=ground.salesforce,
        activity=ground.activity,
        clock=ground.clock,
        base=lambda: f"http://localhost:{house.port}",
    )


async def _alive(
    stack: AsyncExitStack, ground: _Ground, sessions: Sessions, connections: Connections, sign_ins: SignIns
) -> None:
    """What acts by itself: the watcher, and the notifier."""
    watcher = Watcher(desks=ground.desks, sessions=sessions, connections=connections, clock=ground.clock)
    stack.push_async_callback(_end, asyncio.create_task(watcher.run()))
    notifier = Notifier(
        desks=ground.desks,
        notifications=ground.screen,
        browser=SystemBrowser(sys.platform, os.environ),
        waiting=ground.waiting,
        reconnect=sign_ins.begin_reconnect,
        clock=ground.clock,
        base=f"http://localhost:{ground.house.port}",
    )
    notifier.start()
    stack.push_async_callback(notifier.close)


@contextmanager
def _telling(
    ground: _Ground, access: Access, pairings: Pairings
) -> Generator[tuple[AccessRequests, Events], None, None]:
    """The last rooms to open and the first to close: streams and long polls would hold the doors open."""
    requests = AccessRequests(access=access, activity=ground.activity, clock=ground.clock)
    events = Events(
        desks=ground.desks,
        access=access,
        pairings=pairings,
        requests=requests,
        clock=ground.clock,
        after=ground.house.last_event,
    )
    events.start()
    if ground.house.last_event is not None:
        events.publish(Event(name=EventName.VAULT_UNLOCKED, for_all=True))
    try:
        yield requests, events
    finally:
        ground.house.last_event = events.newest_id
        requests.close()
        events.close()


def _doorbell(
    stack: AsyncExitStack, ground: _Ground, access: Access, pairings: Pairings, requests: AccessRequests
) -> None:
    doorbell = Doorbell(
        access=access,
        pairings=pairings,
        requests=requests,
        notifications=ground.screen,
        browser=SystemBrowser(sys.platform, os.environ),
        clock=ground.clock,
        base=f"http://localhost:{ground.house.port}",
    )
    doorbell.start()
    stack.push_async_callback(doorbell.close)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
