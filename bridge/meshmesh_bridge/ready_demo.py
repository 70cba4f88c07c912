"""The demo org beside the house, and the connection to it that is ready from the first start on.

The org's port is bound at the start. The org itself comes when somebody knocks there: whoever never uses it pays neither
its time nor its memory, and who does waits a moment, once.
"""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from importlib import import_module
from pathlib import Path
from socket import socket

from meshmesh_bridge.building import Rooms
from meshmesh_daemon.adapters.demo import DemoPeer
from meshmesh_daemon.core.problems import Problem
from meshmesh_demo.place import Place, take_place
from meshmesh_storage.records import Environment

log = logging.getLogger("meshmesh")

DEMO_NAME = "demo"


@asynccontextmanager
async def demo_org(folder: Path, clock: Callable[[], datetime]) -> AsyncGenerator[DemoPeer, None]:
    """The demo org, at its port as long as the block lasts.

    Args:
        folder: where it keeps its data.
        clock: gives the time.

    Raises:
        OSError: its folder or port cannot be had.
    """
    async with take_place(folder) as place:
        serving = asyncio.create_task(_serve_when_asked(place, clock))
        try:
            yield DemoPeer(origin=place.origin, lever_key_file=place.lever_key_file)
        finally:
            serving.cancel()
            await asyncio.gather(serving, return_exceptions=True)


async def _serve_when_asked(place: Place, clock: Callable[[], datetime]) -> None:
    await _knock(place.sockets)
    await asyncio.to_thread(
        import_module, "meshmesh_demo.server"
    )  # a tenth of a second that the loop need not wait for
    from meshmesh_demo.server import serve_at

    try:
        async with serve_at(place, clock=clock):
            await asyncio.Event().wait()
    except (OSError, sqlite3.Error) as error:
        tell_failure(error)
        for sock in place.sockets:
            sock.close()  # who knocks is refused, and does not wait


async def _knock(sockets: Sequence[socket]) -> None:
    """Until somebody connects; who does stays in the queue."""
    loop = asyncio.get_running_loop()
    knocked = asyncio.Event()
    for sock in sockets:
        loop.add_reader(sock, knocked.set)
    try:
        await knocked.wait()
    finally:
        for sock in sockets:
            loop.remove_reader(sock)


def tell_failure(error: OSError | sqlite3.Error) -> None:
    """Say in the log why there is no demo org; the house does without."""
    log.error("the demo org cannot be started: %s", type(error).__name__)


async def ready_connection(rooms: Rooms, origin: str) -> None:
    """The connection `demo`, made at the first start through the real sign-in pages and the real redirect."""
    demo = await rooms.connections.by_name(DEMO_NAME)
    if demo is not None and demo.environment is Environment.DEMO and demo.login_origin == origin:
        return  # it moves last, so all others are there too, and none of them need be opened to know it
    known = [one for one in await rooms.connections.all() if one.environment is Environment.DEMO]
    for connection in sorted(known, key=lambda one: one.name == DEMO_NAME):
        if connection.login_origin != origin:
            await rooms.connections.rehome(connection.id, origin)
    if known:
        return
    try:
        view = await rooms.sign_ins.begin(name=DEMO_NAME, environment=Environment.DEMO)
        if view.authorize_url is not None:
            from meshmesh_daemon.adapters.demo_visitor import Visitor  # late: at the first start only

            await Visitor().visit(view.authorize_url)
    except Problem as problem:
        log.warning("the demo org could not be connected: %s", problem.detail)
