"""`meshmeshd`: the composition root. It builds the house from Settings, opens the doors, says READY; wiring only.

Order matters and is the security of it: private folders, the instance lock, the ports (both families or none), the
UNIX socket, then the vault. `endpoint.json` appears when both doors are open and goes away at the end. Other settings
(SIGHUP) mean another house on the same ground: the lock and the listeners stay, so that whoever comes meanwhile waits.
"""

import argparse
import asyncio
import gc
import logging
import os
import sys
from collections.abc import AsyncGenerator, Generator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path

from aiohttp import web

from meshmesh import exits, wire
from meshmesh.paths import Paths, resolve
from meshmesh_bridge import VERSION, hardening, logs, rooms
from meshmesh_bridge.application import build
from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.doors import LOAN_FILE, TcpDoors, open_doors
from meshmesh_bridge.guard import Guard, owner_uid
from meshmesh_bridge.house import House
from meshmesh_bridge.plumbing import ARRIVALS, QuietRunner
from meshmesh_bridge.standing import status_line
from meshmesh_bridge.tending import Signals, until_changed
from meshmesh_bridge.wings import STATUS, Wings
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.adapters.clock import SystemClock
from meshmesh_daemon.adapters.instance import AlreadyRunning, InstanceLock, bind_unix, write_endpoint
from meshmesh_daemon.adapters.own_process import close_process
from meshmesh_daemon.adapters.ports import PortBusy, PortReserved
from meshmesh_daemon.adapters.service_manager import ServiceManager
from meshmesh_daemon.settings import Settings, SettingsError, load
from meshmesh_storage.errors import BackupBroken, BackupOlder, UnsafePath, VaultError
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

    def __init__(self, sentence: str, next_step: str, code: exits.Exit) -> None:
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
    parser.add_argument("--restore", metavar="FILE", type=Path, help="put a backup back while no service runs, and end")
    parser.add_argument("--force", action="store_true", help="with --restore: also over a newer vault, or another one")
    arguments = parser.parse_args(argv)
    hardening.shed_environment()
    close_process()
    logs.begin(os.environ)
    try:
        if arguments.restore is not None:
            _restore(arguments.restore.absolute(), force=arguments.force)
        else:
            asyncio.run(_serve())
    except _Refused as refused:
        print(f"meshmeshd: {refused}\n  Next: {refused.next_step}", file=sys.stderr)  # noqa: T201 - the terminal
        return refused.code
    return exits.Exit.OK


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(logs.Unhandled())
    signals = Signals(loop)
    threads = hardening.make_threads()
    loop.set_default_executor(threads)
    manager = ServiceManager.found(os.environ)
    if not hardening.has_strict_parser():
        step = "Install aiohttp's wheel for this platform, and unset AIOHTTP_NO_EXTENSIONS."
        raise _Refused("aiohttp has no C parser here, and its other one is too lenient.", step, exits.Exit.SETTINGS)
    paths = resolve(os.environ)
    with _refusals():
        settings = _settings(paths)
        with InstanceLock(paths.runtime / "meshmesh.lock"):
            await _live(paths, settings, manager, signals)
        log.info("stopped")
        hardening.end_threads(threads)


def _restore(file: Path, *, force: bool) -> None:
    from meshmesh_bridge.restoring import restore  # late: the service itself never needs it

    paths = resolve(os.environ)
    try:
        with _refusals():
            settings = _settings(paths)
            with InstanceLock(paths.runtime / "meshmesh.lock"):
                restore(file, paths, settings, force=force)
    except VaultError as error:
        code = exits.Exit.USAGE if isinstance(error, BackupBroken | BackupOlder) else exits.Exit.CANNOT_WRITE
        raise _Refused(str(error), error.next_step, code) from None
    except OSError as error:
        raise _Refused(
            f"{file} could not be restored ({error.strerror}).", "Look at it.", exits.Exit.CANNOT_WRITE
        ) from None


@contextmanager
def _refusals() -> Generator[None, None, None]:
    """What keeps the service from starting, with the step that helps."""
    try:
        yield
    except UnsafePath as unsafe:
        raise _Refused(str(unsafe), unsafe.next_step, exits.Exit.SETTINGS) from None
    except SettingsError as error:
        raise _Refused(str(error), "Mend the setting and start again.", exits.Exit.SETTINGS) from None
    except AlreadyRunning as running:
        raise _Refused(str(running), "Use it, or stop it first.", exits.Exit.CANNOT_CREATE) from None
    except PortBusy as busy:
        step = "Stop that program, or set MESHMESH_PORT to another port (Salesforce's own sign-in needs 1717)."
        raise _Refused(str(busy), step, exits.Exit.CANNOT_CREATE) from None
    except PortReserved as reserved:
        step = "meshmesh doctor   (it names the range that the system keeps for itself)"
        raise _Refused(str(reserved), step, exits.Exit.CANNOT_CREATE) from None
    except FileExistsError as error:
        raise _Refused(str(error), "Move it away and start again.", exits.Exit.SETTINGS) from None


def _settings(paths: Paths) -> Settings:
    _check_folders(paths)
    return load(paths.config / "config.toml", os.environ)


async def _live(paths: Paths, settings: Settings, manager: ServiceManager, signals: Signals) -> None:
    """One house after the other, each under its own settings; a port that cannot be had is no reason to leave one."""
    proven: Settings | None = None
    wanted: Settings | None = settings
    complaint: str | None = None
    while wanted is not None:
        try:
            async with _running(wanted, paths, manager) as house:
                house.complaint, proven = complaint, wanted
                wanted = await until_changed(house, manager, signals, lambda: _settings(paths))
        except (PortBusy, PortReserved) as error:
            if proven is None or wanted == proven:
                raise
            complaint = f"The new settings are not taken: {error} Those before stay in force."
            log.error("%s", complaint)  # noqa: TRY400 - a sentence, no bug
            wanted = proven
        else:
            complaint = None


@asynccontextmanager
async def _running(settings: Settings, paths: Paths, manager: ServiceManager) -> AsyncGenerator[House, None]:
    """The whole house, from its doors to READY; torn down in the opposite order."""
    async with AsyncExitStack() as stack:
        logs.tell_requests(all_of_them=settings.log_requests)
        house = _house(settings, paths)
        wings = await stack.enter_async_context(_doors(house, paths, manager))
        await stack.enter_async_context(rooms.furnished(house, paths))
        house.ready = True
        house.furnished.set()
        endpoint = paths.runtime / wire.ENDPOINT_NAME
        write_endpoint(endpoint, port=house.port, socket_path=paths.socket, version=VERSION)
        stack.callback(endpoint.unlink, missing_ok=True)
        gc.enable()  # `program` waits with it
        _announce(house)
        manager.alive(status_line(house))
        manager.ready()
        await wings.open(STATUS)
        yield house


def _check_folders(paths: Paths) -> None:
    for folder in (paths.config, paths.data, paths.state, paths.runtime):
        private_folder(folder)
    private_file(paths.config / "config.toml")


def _house(settings: Settings, paths: Paths) -> House:
    clock = SystemClock()
    return House(
        settings=settings,
        clock=clock,
        started_at=clock.now(),
        pid=os.getpid(),
        socket_path=str(paths.socket),
    )


@asynccontextmanager
async def _doors(house: House, paths: Paths, manager: ServiceManager) -> AsyncGenerator[Wings, None]:
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
    app, wings = build(house, guard)
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
    async with AsyncExitStack() as stack:
        stack.push_async_callback(runner.cleanup)
        gate = TcpDoors(runner, manager, house.settings.port)
        await stack.enter_async_context(open_doors(house, gate, arrivals, paths.runtime / LOAN_FILE))
        stack.callback(paths.socket.unlink, missing_ok=True)
        await web.SockSite(runner, bind_unix(paths.socket)).start()
        yield wings


def _announce(house: House) -> None:
    if house.trouble:
        log.error("%s Next: %s", house.trouble.detail, house.trouble.next_step)
    log.info("ready on http://localhost:%d/ and %s (pid %d)", house.port, house.socket_path, house.pid)


if __name__ == "__main__":
    sys.exit(main())
