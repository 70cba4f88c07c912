"""The TCP doors, which open and close as one, and whose listeners outlive us where the service manager keeps them."""

import asyncio
import logging
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path

from aiohttp import web

from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.house import House
from meshmesh_daemon.adapters.commands import command_lines
from meshmesh_daemon.adapters.loan_file import LoanFile
from meshmesh_daemon.adapters.ports import Listeners, bind_loopback
from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.adapters.service_manager import ServiceManager
from meshmesh_daemon.core.activity import OWNER, SERVICE, Deed
from meshmesh_daemon.core.loans import Hold
from meshmesh_daemon.usecases.port import Port
from meshmesh_daemon.usecases.port_offer import Offers

log = logging.getLogger("meshmesh")

STORED_AS = "meshmesh-port"
LOAN_FILE = "loan.json"


class TcpDoors:
    """127.0.0.1 and ::1 on one port.

    Args:
        runner: serves who comes in.
        manager: keeps the listeners over a restart, so that a browser that comes back meanwhile waits and is not lost.
        port: which; 0 for any, which then stays the same.
    """

    def __init__(self, runner: web.AppRunner, manager: ServiceManager, port: int) -> None:
        self._runner = runner
        self._manager = manager
        self._sites: dict[socket.socket, web.SockSite] = {}
        self.port = port
        self.note: str | None = None

    async def open(self, *, discreet: bool) -> None:
        """Open them; see `Gate.open`."""
        kept = self._manager.take_kept(STORED_AS)
        self._serve(await asyncio.to_thread(bind_loopback, self.port, kept, discreet=discreet))
        for site in self._sites.values():
            await site.start()

    def _serve(self, listeners: Listeners) -> None:
        self.port, self.note = listeners.port, listeners.note
        self._manager.forget(STORED_AS)  # of another port
        self._manager.store(STORED_AS, listeners.sockets)
        self._sites = {sock: web.SockSite(self._runner, sock) for sock in listeners.sockets}

    async def close(self) -> None:
        """Close them; see `Gate.close`. The manager may let go later than we do, so that nobody may listen any more."""
        self._manager.forget(STORED_AS)
        for sock, site in self._sites.items():
            with sock.dup() as same:
                await site.stop()
                with suppress(OSError):
                    same.shutdown(socket.SHUT_RDWR)
        self._sites = {}


@asynccontextmanager
async def open_doors(house: House, gate: TcpDoors, arrivals: Arrivals, file: Path) -> AsyncGenerator[None, None]:
    """The TCP doors, open but while they are lent.

    Args:
        house: gets its port, and the means to lend it.
        gate: the doors.
        arrivals: tells of those who come and go without a word.
        file: where a loan is written down.

    Raises:
        PortBusy: somebody holds the port, and it was not lent.
        PortReserved: the system does not give it to us.
    """

    def tell(hold: Hold, detail: str) -> None:
        if house.rooms_if_open is not None:
            lent = hold is Hold.LENT
            who, what = (OWNER, Deed.PORT_LENT) if lent else (SERVICE, Deed.PORT_BACK)
            house.rooms_if_open.activity.note(who, what, detail=detail)

    async with AsyncExitStack() as stack:
        processes = Processes()
        stack.push_async_callback(processes.close)
        port = Port(gate=gate, file=LoanFile(file), processes=processes, clock=house.clock, tell=tell)
        stack.push_async_callback(port.close)
        offers = Offers(port=port, screen=lambda: house.screen, command_lines=command_lines, clock=house.clock)
        stack.push_async_callback(offers.close)
        arrivals.listen(offers.probed)
        await port.open()
        house.port, house.lending = gate.port, port
        if gate.note:
            log.warning("%s", gate.note)
        yield
