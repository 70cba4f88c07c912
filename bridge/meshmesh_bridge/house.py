"""The joined rooms, as the handlers see them.

Built by `serve` alone. Where the vault could not be opened, the house stands without rooms: the open status still
answers and says what is wrong, everything else is refused with the same sentence.
"""

from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.broker import Broker
from meshmesh_daemon.adapters.demo import DemoPeer
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.settings import Settings
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.access_requests import AccessRequests
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.dashboard import Dashboard
from meshmesh_daemon.usecases.diagnosis import Diagnoses
from meshmesh_daemon.usecases.events import Events
from meshmesh_daemon.usecases.pairings import Pairings
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.sign_ins import SignIns
from meshmesh_daemon.usecases.terminal import OwnTerminal


@dataclass(frozen=True, slots=True, kw_only=True)
class Rooms:
    """What needs an open vault."""

    activity: Activity
    connections: Connections
    dashboard: Dashboard
    diagnoses: Diagnoses
    sessions: Sessions
    sign_ins: SignIns
    access: Access
    pairings: Pairings
    pins: Pins
    terminal: OwnTerminal
    access_requests: AccessRequests
    events: Events
    broker: Broker


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no open vault, and what to do about it."""

    detail: str
    next_step: str


@dataclass(slots=True, kw_only=True)
class House:
    """Everything a handler may reach."""

    settings: Settings
    clock: Clock
    started_at: datetime
    pid: int
    socket_path: str
    port: int = 0
    ready: bool = False
    rooms_if_open: Rooms | None = None
    trouble: Trouble | None = None
    demo: DemoPeer | None = field(default=None)

    @property
    def rooms(self) -> Rooms:
        """The rooms.

        Raises:
            Problem: 503 `vault_trouble` where the vault could not be opened, or is not open yet.
        """
        if self.rooms_if_open is not None:
            return self.rooms_if_open
        if self.trouble is None:
            raise Problem(503, wire.Code.OFFLINE, "The service is still starting.", retry_after=1)
        raise Problem(
            503,
            wire.Code.VAULT_TROUBLE,
            self.trouble.detail,
            next_step=Next(self.trouble.next_step),
            retry_after=60,
        )


HOUSE: web.AppKey[House] = web.AppKey("house", House)


def house_of(request: web.Request) -> House:
    """The house that a request came to."""
    return request.app[HOUSE]
