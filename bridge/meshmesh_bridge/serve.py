"""`meshmeshd`: the composition root. It builds the house from Settings, opens the doors, says READY; wiring only.

Order matters and is the security of it: private folders, the instance lock, the ports (both families or none), then
the vault, then the UNIX socket. `endpoint.json` appears when both doors are open and goes away at the end.
"""

import argparse
import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress

from aiohttp import web

from meshmesh import wire
from meshmesh.paths import Paths, resolve
from meshmesh_bridge import VERSION, hardening, rooms
from meshmesh_bridge.application import build
from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.guard import Guard, owner_uid
from meshmesh_bridge.house import House
from meshmesh_bridge.plumbing import ARRIVALS, QuietRunner
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.adapters.clock import SystemClock
from meshmesh_daemon.adapters.instance import AlreadyRunning, InstanceLock, bind_unix, write_endpoint
from meshmesh_daemon.adapters.ports import Listeners, PortBusy, bind_loopback
from meshmesh_daemon.settings import Settings, SettingsError, load
from meshmesh_storage.errors import UnsafePath
from meshmesh_storage.paths import private_file, private_folder
from meshmesh_storage.records import Client

log = logging.getLogger("meshmesh")

KEEPALIVE_SECONDS = 60.0  # aiohttp's header deadline too: a dribbled request is cut here
DRAIN_SECONDS = 3.0  # aiohttp waits this long twice for running handlers
MAX_LINE = 20_000  # Salesforce takes addresses of 16,384 bytes
MAX_HEADERS = 64
MAX_FIELD = 8190


class _Refused(Exception):
    """No start: the sentence, the next step, the exit code."""

    def __init__(self, sentence: str, next_step: str, code: wire.Exit) -> None:
        super().__init__(sentence)
        self.next_step = next_step
        self.code = code


def main(argv: Sequence[str] | None = None) -> int:
    """The program `meshmeshd`.

    Args:
        argv: arguments; the process's own where it is None.

    Returns:
        The exit code: 0 after SIGTERM or SIGINT, 73 where another instance or program is in the way, 78 for
        settings and unsafe paths.
    """
    parser = argparse.ArgumentParser(prog="meshmeshd", description="The MeshMesh service, in the foreground.")
    parser.add_argument("--version", action="version", version=f"meshmeshd {VERSION}")
    parser.parse_args(argv)
    hardening.shed_environment()
    hardening.close_process()
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname).1s %(name)s %(message)s")
    for name in ("aiohttp.server", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their lines quote what callers sent
    try:
        asyncio.run(_serve())
    except _Refused as refused:
        print(f"meshmeshd: {refused}\n  Next: {refused.next_step}", file=sys.stderr)  # noqa: T201 - the terminal
        return refused.code
    return wire.Exit.OK


async def _serve() -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    threads = hardening.make_threads()
    loop.set_default_executor(threads)
    if not hardening.has_strict_parser():
        step = "Install aiohttp's wheel for this platform, and unset AIOHTTP_NO_EXTENSIONS."
        raise _Refused("aiohttp has no C parser here, and its other one is too lenient.", step, wire.Exit.SETTINGS)
    try:
        async with _running():
            await stop.wait()
            log.info("stopping")
        hardening.end_threads(threads)
    except UnsafePath as unsafe:
        raise _Refused(str(unsafe), unsafe.next_step, wire.Exit.SETTINGS) from None
    except SettingsError as error:
        raise _Refused(str(error), "Mend the setting and start again.", wire.Exit.SETTINGS) from None
    except AlreadyRunning as running:
        raise _Refused(str(running), "Use it, or stop it first.", wire.Exit.CANNOT_CREATE) from None
    except PortBusy as busy:
        step = "Stop that program, or set MESHMESH_PORT to another port (Salesforce's own sign-in needs 1717)."
        raise _Refused(str(busy), step, wire.Exit.CANNOT_CREATE) from None
    except FileExistsError as error:
        raise _Refused(str(error), "Move it away and start again.", wire.Exit.SETTINGS) from None


@asynccontextmanager
async def _running() -> AsyncGenerator[House, None]:
    """The whole house, from private folders to READY; torn down in the opposite order."""
    paths = resolve(os.environ)
    _check_folders(paths)
    settings = load(paths.config / "config.toml", os.environ)
    async with AsyncExitStack() as stack:
        stack.enter_context(InstanceLock(paths.runtime / "meshmesh.lock"))
        listeners = bind_loopback(settings.port)
        stack.callback(_close, listeners)
        house = _house(settings, paths, listeners)
        await stack.enter_async_context(_doors(house, paths, listeners))
        await stack.enter_async_context(rooms.furnished(house, paths))
        house.ready = True
        endpoint = paths.runtime / wire.ENDPOINT_NAME
        write_endpoint(endpoint, port=house.port, socket_path=paths.socket, version=VERSION)
        stack.callback(endpoint.unlink, missing_ok=True)
        _announce(house, listeners)
        yield house


def _check_folders(paths: Paths) -> None:
    for folder in (paths.config, paths.data, paths.state, paths.runtime):
        private_folder(folder)
    private_file(paths.config / "config.toml")


def _close(listeners: Listeners) -> None:
    for sock in listeners.sockets:
        sock.close()


def _house(settings: Settings, paths: Paths, listeners: Listeners) -> House:
    clock = SystemClock()
    return House(
        settings=settings,
        clock=clock,
        started_at=clock.now(),
        pid=os.getpid(),
        socket_path=str(paths.socket),
        port=listeners.port,
    )


@asynccontextmanager
async def _doors(house: House, paths: Paths, listeners: Listeners) -> AsyncGenerator[None, None]:
    def authenticate(token: str) -> Client | None:
        return house.rooms.access.authenticate(token)

    def client_of_process(pid: int) -> Client | None:
        return house.rooms_if_open.access.client_of_process(pid) if house.rooms_if_open else None

    def is_dashboard(session: str) -> bool:
        return house.rooms_if_open is not None and house.rooms_if_open.dashboard.admits(session)

    def is_paired(origin: str) -> bool:
        paired = house.rooms_if_open.access.all() if house.rooms_if_open else []
        return any(client.origin == origin for client in paired)

    arrivals = Arrivals(owner_uid=owner_uid(), uid_of=peers.tcp_peer_uid, files=hardening.raise_file_limit())
    guard = Guard(
        port=lambda: house.port,
        arrivals=arrivals,
        authenticate=authenticate,
        is_dashboard=is_dashboard,
        is_paired=is_paired,
        client_of_process=client_of_process,
        owner_uid=owner_uid(),
    )
    app = build(house, guard)
    app[ARRIVALS] = arrivals
    runner = QuietRunner(
        app,
        access_log=None,
        auto_decompress=False,
        handler_cancellation=True,
        keepalive_timeout=KEEPALIVE_SECONDS,
        shutdown_timeout=DRAIN_SECONDS,
        max_line_size=MAX_LINE,
        max_headers=MAX_HEADERS,
        max_field_size=MAX_FIELD,
    )
    await runner.setup()
    try:
        unix = bind_unix(paths.socket)
        for sock in (*listeners.sockets, unix):
            await web.SockSite(runner, sock).start()
        yield
    finally:
        await runner.cleanup()
        with suppress(FileNotFoundError):
            paths.socket.unlink()


def _announce(house: House, listeners: Listeners) -> None:
    if listeners.note:
        log.warning("%s", listeners.note)
    if house.trouble:
        log.error("%s Next: %s", house.trouble.detail, house.trouble.next_step)
    log.info("ready on http://localhost:%d/ and %s (pid %d)", house.port, house.socket_path, house.pid)


if __name__ == "__main__":
    sys.exit(main())
