"""Serving one org on a loopback port of its own, on both families where the machine has them."""

from collections.abc import AsyncGenerator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from pathlib import Path

from aiohttp import web

from meshmesh_demo.application import build
from meshmesh_demo.faults import Faults
from meshmesh_demo.oauth.apps import Apps
from meshmesh_demo.oauth.grants import Grants
from meshmesh_demo.oauth.visits import Visits
from meshmesh_demo.org import Org
from meshmesh_demo.place import Place, take_place
from meshmesh_demo.store import Store

_SHUTDOWN_SECONDS = 1.0  # what a hanging request is waited for at the end


@asynccontextmanager
async def serve(folder: Path, *, clock: Callable[[], datetime], port: int = 0) -> AsyncGenerator[Place, None]:
    """Serve an org until the block is left.

    Args:
        folder: its data; made 0700 where it is missing.
        clock: gives the aware time in UTC.
        port: 0 takes the port of last time, or a free one.

    Raises:
        OSError: the port or the folder is taken, or cannot be used.
    """
    async with take_place(folder, port) as place, serve_at(place, clock=clock):
        yield place


@asynccontextmanager
async def serve_at(place: Place, *, clock: Callable[[], datetime]) -> AsyncGenerator[None, None]:
    """Serve an org at a place that is held, until the block is left.

    Args:
        place: where.
        clock: gives the aware time in UTC.

    Raises:
        OSError: its data cannot be used.
    """
    async with AsyncExitStack() as stack:
        store = await Store.open(place.folder, clock=clock)
        stack.push_async_callback(store.close)
        apps = Apps(store)
        await apps.load()
        org = Org(
            origin=place.origin, lever_key=place.lever_key, clock=clock, store=store, apps=apps,
            grants=Grants(store), visits=Visits(clock), faults=Faults(clock),
        )  # fmt: skip
        runner = web.AppRunner(build(org), access_log=None, shutdown_timeout=_SHUTDOWN_SECONDS)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        for sock in place.sockets:
            await web.SockSite(runner, sock).start()
        yield
