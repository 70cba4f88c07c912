"""The house, as the handlers see it, with its rooms (building.py) while the vault is open.

Built by `serve` alone. Where the vault could not be opened, the house stands without rooms: the open status still
answers and says what is wrong, everything else is refused with the same sentence.
"""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from aiohttp import web

from meshmesh import wire
from meshmesh_daemon.adapters.notifications import NoScreen, Notifications
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem, vault_locked
from meshmesh_daemon.settings import Settings
from meshmesh_storage.errors import VaultError

if TYPE_CHECKING:
    from meshmesh_bridge.building import Rooms
    from meshmesh_daemon.adapters.demo import DemoPeer
    from meshmesh_daemon.usecases.port import Port
    from meshmesh_daemon.usecases.presence import Consent
    from meshmesh_daemon.usecases.strongbox import Restored
    from meshmesh_storage.activity_rows import Actor


@dataclass(frozen=True, slots=True)
class Trouble:
    """What is wrong with the vault, and what to do about it."""

    detail: str
    next_step: str
    command: str | None = None

    @classmethod
    def of(cls, error: VaultError) -> "Trouble":
        """An error of the vault's, as it is shown."""
        return cls(str(error), error.next_step)


class Keeping(Protocol):
    """Opens and closes the rooms (see `keeping`)."""

    @property
    def source(self) -> str | None:
        """One word for where the master key is kept; None where that is not known."""
        ...

    async def lock(self, actor: "Actor") -> None:
        """Close the rooms and forget the keys."""
        ...

    async def unlock(self, passphrase: str | None, consent: "Consent") -> None:
        """Open the rooms."""
        ...

    async def choose_passphrase(self, passphrase: str) -> None:
        """Make the vault that is not there yet, under a passphrase."""
        ...

    async def restore(self, path: Path, passphrase: str, *, force: bool) -> "Restored":
        """Put a backup in the place of the vault."""
        ...


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
    furnished: asyncio.Event = field(default_factory=asyncio.Event)  # who comes before that waits for it
    lending: "Port | None" = None
    complaint: str | None = None  # about settings that were read again and could not be taken
    rooms_if_open: "Rooms | None" = None
    trouble: Trouble | None = None
    locked: Trouble | None = None  # why nobody can read the vault now, and what opens it
    keeping: Keeping | None = None
    screen: Notifications = field(default_factory=NoScreen)
    last_event: str | None = None  # of the rooms that were closed; those that open next go on after it
    opened: asyncio.Event = field(default_factory=asyncio.Event)
    used_at: float = 0.0  # monotonic; when somebody with a credential last came
    demo: "DemoPeer | None" = None

    def redirect_port(self) -> int:
        """The port that a sign-in comes back to.

        Raises:
            Problem: 409 `port_lent`.
        """
        if self.lending is not None:
            self.lending.check_ours()
        return self.port

    @property
    def ill(self) -> Trouble | None:
        """What is wrong with the vault now: it could not be opened, or the disk refuses while it is open."""
        if self.trouble is not None or self.rooms_if_open is None:
            return self.trouble
        error = self.rooms_if_open.strongbox.trouble
        return Trouble.of(error) if error else None

    async def opened_within(self, seconds: float) -> bool:
        """Whether the rooms open within a time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self.opened.wait()
        return self.rooms_if_open is not None

    @property
    def rooms(self) -> "Rooms":
        """The rooms.

        Raises:
            Problem: 423 `vault_locked`; 503 `vault_trouble` where the vault could not be opened, or is not open yet.
        """
        if self.rooms_if_open is not None:
            return self.rooms_if_open
        if self.locked is not None:
            raise vault_locked(self.locked.detail, Next(self.locked.next_step, self.locked.command))
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
