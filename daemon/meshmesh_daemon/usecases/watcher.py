"""The watcher: finds out before a job does that a connection needs its person, and renews sessions ahead of their end.

It wakes once a minute, since timers lie after a sleep of the machine. A resume is noticed by the wall clock having run
ahead of the monotonic one, and what is then due at once is spread.
"""

import asyncio
import logging
from datetime import datetime
from functools import partial

from meshmesh_daemon.core import watching
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.desks import SLICE, Desk, Desks
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.errors import VaultError
from meshmesh_storage.records import Status

log = logging.getLogger("meshmesh.watcher")

TICK_SECONDS = 60.0
RESUME_SECONDS = 90.0  # the wall clock ahead by more than this: the machine slept, or the clock was set
SPREAD_SECONDS = 30.0
AT_ONCE = 8


class Watcher:
    """Looks after the connections.

    Args:
        desks: the connections.
        sessions: renews them.
        connections: finds out how a blocked one is.
        clock: the time.
    """

    def __init__(self, *, desks: Desks, sessions: Sessions, connections: Connections, clock: Clock) -> None:
        self._desks = desks
        self._sessions = sessions
        self._connections = connections
        self._clock = clock
        self._looked_at: dict[str, datetime] = {}
        self._resting: dict[str, datetime] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._caring: dict[str, asyncio.Task[None]] = {}

    async def run(self) -> None:
        """Watch until cancelled."""
        try:
            while True:
                wall, monotonic = self._clock.now(), self._clock.monotonic()
                await self._clock.sleep(TICK_SECONDS)
                ahead = (self._clock.now() - wall).total_seconds() - (self._clock.monotonic() - monotonic)
                resumed = ahead > RESUME_SECONDS
                if resumed:
                    log.info("the clock is %d s ahead: the machine slept, or its clock was set", ahead)
                try:
                    await self.look(spread=SPREAD_SECONDS if resumed else 0.0)
                except VaultError as error:  # it may be readable again in a minute
                    log.warning("%s %s", error, error.next_step)
        finally:
            for task in self._caring.values():
                task.cancel()
            await asyncio.gather(*self._caring.values(), return_exceptions=True)

    async def look(self, *, spread: float) -> None:
        """Begin to care for whatever is due.

        Args:
            spread: seconds over which a crowd that is due at once is spread.
        """
        now = self._clock.now()
        for desk in (*self._desks.opened, *await self._woken(now)):
            connection = desk.view
            issued = connection.session.issued_at if connection.session else connection.signed_in_at
            looked_at = max(self._looked_at.get(connection.id, issued), issued)
            if connection.id not in self._caring and watching.is_due(connection, looked_at=looked_at, now=now):
                self._looked_at[connection.id] = now
                task = asyncio.create_task(self._care(desk, watching.phase(connection.id) * spread))
                self._caring[connection.id] = task
                task.add_done_callback(partial(self._cared, connection.id))

    async def _woken(self, now: datetime) -> list[Desk]:
        """Those that nobody has opened and that have rested long enough: they do not change, so one peek tells."""
        unopened = self._desks.unopened
        new = [one for one in unopened if one not in self._resting]
        for begin in range(0, len(new), SLICE):
            for connection in await self._desks.peek(new[begin : begin + SLICE]):
                self._resting[connection.id] = watching.rests_until(connection)
        self._resting = {one: self._resting[one] for one in unopened if one in self._resting}
        return [desk async for desk in self._desks.of([one for one, end in self._resting.items() if end <= now])]

    def _cared(self, connection_id: str, _task: asyncio.Task[None]) -> None:
        self._caring.pop(connection_id, None)

    async def _care(self, desk: Desk, delay: float) -> None:
        if delay:
            await self._clock.sleep(delay)
        async with self._slots:
            if desk.stored.status is Status.BLOCKED:
                await self._connections.probe(desk)
            else:
                await self._sessions.renew(desk)
