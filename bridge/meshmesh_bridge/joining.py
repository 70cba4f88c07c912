"""The use cases, joined: the third part of the composition root. Wiring only; what opens last closes first."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from meshmesh_bridge.building import Rooms
from meshmesh_bridge.ground import Ground, end
from meshmesh_bridge.house import House
from meshmesh_daemon.adapters.notifications import Pane
from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.adapters.salesforce import Salesforce
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import Presence
from meshmesh_daemon.usecases.renewal import Renewal
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.strongbox import Strongbox
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_daemon.usecases.watcher import Watcher
from meshmesh_storage.vault import Vault


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
        sessions, connections = _kept(ground)
        pins = Pins(vault=vault, activity=activity, clock=house.clock)
        presence = Presence(pins=pins, screen=ground.screen, desks=ground.desks, clock=house.clock)
        access = _access(ground, presence)
        for room in (connections, access, pins):
            await room.load()
        activity.listen(ground.desks)
        await sessions.settle()
        watcher = Watcher(desks=ground.desks, sessions=sessions, connections=connections, clock=house.clock)
        stack.push_async_callback(end, asyncio.create_task(watcher.run()))
        rooms = Rooms(
            ground=ground,
            strongbox=strongbox,
            sessions=sessions,
            connections=connections,
            access=access,
            presence=presence,
            pins=pins,
        )
        await rooms.take_up()
        yield rooms


async def _ground(stack: AsyncExitStack, house: House, vault: Vault, activity: Activity) -> Ground:
    settings = house.settings
    policy = HostPolicy(
        extra_login_origins=frozenset(settings.extra_login_origins),
        demo_origin=house.demo.origin if house.demo else None,
    )
    screen = Pane(house.screen)
    stack.callback(screen.wipe)
    return Ground(
        house=house,
        stack=stack,
        vault=vault,
        activity=activity,
        salesforce=await stack.enter_async_context(Salesforce.open(policy)),
        policy=policy,
        screen=screen,
        desks=Desks(),
        waiting=Waiting(house.clock),
    )


def _kept(ground: Ground) -> tuple[Sessions, Connections]:
    clock, desks, vault, stack = ground.clock, ground.desks, ground.vault, ground.stack
    renewal = Renewal(vault=vault, outside=ground.salesforce, policy=ground.policy, clock=clock)
    sessions = Sessions(desks=desks, vault=vault, renewal=renewal, waiting=ground.waiting, clock=clock)
    connections = Connections(desks=desks, sessions=sessions, vault=vault, outside=ground.salesforce, clock=clock)
    stack.push_async_callback(connections.close)
    stack.push_async_callback(sessions.close)
    stack.callback(sessions.send_away)
    return sessions, connections


def _access(ground: Ground, presence: Presence) -> Access:
    processes = Processes()
    ground.stack.push_async_callback(processes.close)
    access = Access(
        desks=ground.desks,
        vault=ground.vault,
        processes=processes,
        presence=presence,
        activity=ground.activity,
        clock=ground.clock,
    )
    ground.stack.push_async_callback(access.close)
    return access
