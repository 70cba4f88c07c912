"""The second half of the composition root: vault, demo org and use cases, once the doors are bound.

A vault that cannot be opened is no reason to vanish: the doors stay open, the status says what is wrong, and nothing on
disk is touched.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from meshmesh.paths import Paths
from meshmesh_bridge import VERSION
from meshmesh_bridge.house import House, Rooms, Trouble
from meshmesh_bridge.joining import joined
from meshmesh_daemon.adapters.demo import DemoPeer, Visitor
from meshmesh_daemon.core.activity import SERVICE, Deed
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.errors import UnsafePath, VaultError
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import Environment
from meshmesh_storage.vault import Vault

log = logging.getLogger("meshmesh")

DEMO_NAME = "demo"
KEY_FILE = "master.key"


@asynccontextmanager
async def furnished(house: House, paths: Paths) -> AsyncGenerator[None, None]:
    """The house with its rooms; without them, and with the trouble said, where the vault cannot be opened.

    Args:
        house: gets its rooms.
        paths: where everything is kept.

    Raises:
        UnsafePath: a file that others may read; the service does not start.
    """
    async with AsyncExitStack() as stack:
        try:
            vault = await Vault.open(paths.data, KeyFile(paths.config / KEY_FILE), now=house.clock.now())
            stack.push_async_callback(vault.close)
            activity = await stack.enter_async_context(_told(house, paths, vault))
        except UnsafePath:
            raise
        except VaultError as error:
            house.trouble = Trouble(str(error), error.next_step)
            yield
            return
        if house.settings.demo_enabled:
            house.demo = await stack.enter_async_context(_demo_org(house, paths))
        house.rooms_if_open = await stack.enter_async_context(joined(house, vault, activity))
        if house.demo is not None:
            await _ready_connection(house.rooms_if_open, house.demo.origin)
        try:
            yield
        finally:
            house.rooms_if_open = None


@asynccontextmanager
async def _told(house: House, paths: Paths, vault: Vault) -> AsyncGenerator[Activity, None]:
    """The activity, from the start of the service to its stop."""
    activity = Activity(rows=await ActivityLog.open(paths.data, vault.sealer), clock=house.clock)
    activity.note(SERVICE, Deed.SERVICE_STARTED, detail=f"MeshMesh {VERSION} started.")
    try:
        yield activity
    finally:
        activity.note(SERVICE, Deed.SERVICE_STOPPED, detail="The service was stopped.")
        await activity.close()


@asynccontextmanager
async def _demo_org(house: House, paths: Paths) -> AsyncGenerator[DemoPeer, None]:
    from meshmesh_demo.server import serve  # late: a house without the demo org does not pay for it

    async with serve(paths.data / "demo", clock=house.clock.now) as org:
        yield DemoPeer(origin=org.origin, lever_key_file=org.lever_key_file)


async def _ready_connection(rooms: Rooms, origin: str) -> None:
    """The connection `demo`, made at the first start through the real sign-in pages and the real redirect."""
    known = [one for one in rooms.connections.all() if one.environment is Environment.DEMO]
    for connection in known:
        if connection.login_origin != origin:
            await rooms.connections.rehome(connection.id, origin)
    if known:
        return
    try:
        view = await rooms.sign_ins.begin(name=DEMO_NAME, environment=Environment.DEMO)
        if view.authorize_url is not None:
            await Visitor().visit(view.authorize_url)
    except Problem as problem:
        log.warning("the demo org could not be connected: %s", problem.detail)
