"""Telling whoever listens what happened, as it happens: one bounded log, and a place in it for each reader.

A reader has no queue of its own. It keeps the number of the last event that it was given, so a thousand events are kept
in all, and a reader that falls out of them is cut off. Who may see an event is judged when it is handed over: what a
client was not granted, or is granted no longer, is never told. The log lives in memory and holds no token.
"""

import asyncio
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime

from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.events import EventName, of_change, without_secrets
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.access_requests import AccessRequest, AccessRequests, Standing
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.pairings import Pairings, PairingView
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage.records import Client, Connection

KEPT = 1000
MAX_READERS = 32
_RETRY_SECONDS = 30


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """Something that happened.

    The owner sees all of them. A client sees those of its connections (`connection_id`), its own (`client_id`), and what
    is `for_all`. `gone` says that the connection was taken away.
    """

    name: EventName
    subject: Connection | PairingView | AccessRequest | PlanView | None = None
    connection_id: str | None = None
    client_id: str | None = None
    for_all: bool = False
    gone: bool = False


@dataclass(frozen=True, slots=True)
class Told:
    """An event as a reader gets it; after its `id` the reader goes on another time."""

    id: str
    event: Event


@dataclass(slots=True, eq=False)
class _Reader:
    client_id: str | None
    place: int  # the number of the last event that it was given, or that it may not see
    drop: Callable[[], None]
    lost: bool
    news: asyncio.Event = field(default_factory=asyncio.Event)
    handing_over: bool = False
    ended: bool = False
    timer: asyncio.Task[None] | None = None
    finishing: bool = False  # ends when it has taken what is there


class Reading:
    """A reader's events, one after the other; it ends when the reader may not read any more.

    Args:
        log: where they are.
        reader: who reads.
    """

    def __init__(self, log: "Events", reader: _Reader) -> None:
        self._log = log
        self._reader = reader

    @property
    def place(self) -> str:
        """The id after which the reader goes on."""
        return self._log.id_of(self._reader.place)

    def __aiter__(self) -> "Reading":
        return self

    async def __anext__(self) -> Told:
        """The next event that the reader may see."""
        reader = self._reader
        reader.handing_over = False
        while not reader.ended:
            told = self._log.next_for(reader)
            if told is not None:
                reader.handing_over = True
                return told
            if reader.finishing:
                break
            reader.news.clear()
            await reader.news.wait()
        raise StopAsyncIteration


class Events:
    """The log and its readers.

    Args:
        desks: the connections.
        access: who may see what.
        pairings: programs that ask to be paired.
        requests: clients that ask for a connection.
        clock: the time.
        after: the id after which to go on counting, where the log of this run was closed once; None at the beginning.
    """

    def __init__(
        self,
        *,
        desks: Desks,
        access: Access,
        pairings: Pairings,
        requests: AccessRequests,
        clock: Clock,
        after: str | None = None,
    ) -> None:
        self._desks = desks
        self._access = access
        self._pairings = pairings
        self._requests = requests
        self._clock = clock
        life, _, newest = (after or "").rpartition("-")
        self._life = life or secrets.token_hex(4)  # ids of another run of the service are not known
        self._log: deque[Event] = deque(maxlen=KEPT)
        self._newest = int(newest or 0)
        self._left = asyncio.Event()
        self._readers: set[_Reader] = set()
        self._shown: dict[str, Connection] = {}

    def start(self) -> None:
        """Listen from now on."""
        self._desks.listen(self._see_connection)
        self._access.listen(self._see_client)
        self._pairings.listen(self._see_pairing)
        self._requests.listen(self._see_request)

    def close(self) -> None:
        """End every reading."""
        for reader in self._readers:
            self._end(reader)

    @property
    def newest_id(self) -> str:
        """The id of the last event, also where there was none yet."""
        return self.id_of(self._newest)

    async def finish(self, last: Event, seconds: float) -> None:
        """Tell a last event, and let every reading end with it.

        Args:
            last: the event.
            seconds: how long a reader may take; who needs longer is cut off with `close`.
        """
        self.publish(last)
        for reader in self._readers:
            reader.finishing = True
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._readers:
                    self._left.clear()
                    await self._left.wait()

    def publish(self, event: Event) -> None:
        """Tell an event to everybody who may see it."""
        self._log.append(event)
        self._newest += 1
        for reader in self._readers:
            if reader.place + 1 < self._oldest:
                self._end(reader)
            reader.news.set()

    @asynccontextmanager
    async def read(
        self,
        client_id: str | None,
        *,
        after: str | None,
        drop: Callable[[], None],
        ends: Callable[[], Awaitable[None]] | None = None,
    ) -> AsyncGenerator[Reading, None]:
        """Read for as long as the block lasts.

        Args:
            client_id: the client that reads; None for the owner.
            after: the id of the last event that the reader knows, or None to begin now. Where what came after it is not
                known any more, the reader is told `reset` and begins now.
            drop: cuts off a reader that must end while an event is on its way to it, and so is not being taken.
            ends: waits for what the reading must end with; None where that is not known beforehand.

        Raises:
            Problem: 503, too many read already.
        """
        if len(self._readers) >= MAX_READERS:
            detail = f"{MAX_READERS} programs listen for events already."
            raise Problem(503, "rate_limited", detail, retry_after=_RETRY_SECONDS)
        place = self._newest if after is None else self._place_of(after)
        reader = _Reader(client_id, self._newest if place is None else place, drop, lost=place is None)
        self._readers.add(reader)
        self._set_timer(reader)
        ending = asyncio.create_task(self._end_with(reader, ends)) if ends else None
        try:
            yield Reading(self, reader)
        finally:
            self._readers.discard(reader)
            self._left.set()
            if ending is not None:
                ending.cancel()
            if reader.timer is not None:
                reader.timer.cancel()

    @property
    def _oldest(self) -> int:
        return self._newest - len(self._log) + 1

    def id_of(self, number: int) -> str:
        """The id of an event."""
        return f"{self._life}-{number}"

    def _place_of(self, event_id: str) -> int | None:
        life, _, digits = event_id.rpartition("-")
        if life != self._life or not (digits.isascii() and digits.isdigit()) or len(digits) > len(str(self._newest)):
            return None
        number = int(digits)
        return number if self._oldest - 1 <= number <= self._newest else None

    def next_for(self, reader: _Reader) -> Told | None:
        """The next event that a reader may see; its place moves behind it."""
        if reader.lost:
            reader.lost = False
            return Told(self.id_of(reader.place), Event(name=EventName.RESET))
        while reader.place < self._newest:
            event = self._log[reader.place + 1 - self._oldest]
            reader.place += 1
            if self._may_see(reader.client_id, event):
                return Told(self.id_of(reader.place), event)
        return None

    def _may_see(self, client_id: str | None, event: Event) -> bool:
        if client_id is None or event.for_all or event.client_id == client_id:
            return True
        if event.connection_id is None:
            return False
        return self._access.grant_for(self._access.get(client_id), event.connection_id) is not None

    def _end(self, reader: _Reader) -> None:
        reader.ended = True
        reader.news.set()
        if reader.handing_over:
            reader.drop()

    async def _end_with(self, reader: _Reader, ends: Callable[[], Awaitable[None]]) -> None:
        await ends()
        self._end(reader)

    def _see_connection(self, before: Connection | None, after: Connection | None) -> None:
        if after is None:
            if before is not None:
                last = self._shown.pop(before.id, None) or without_secrets(before)
                event = Event(name=EventName.CONNECTION_UPDATED, subject=last, connection_id=last.id, gone=True)
                self.publish(event)
            return
        shown = without_secrets(after)
        was = self._shown.get(shown.id) or (without_secrets(before) if before else None)
        names = of_change(was, shown)
        self._shown[shown.id] = shown
        for name in names:
            self.publish(Event(name=name, subject=shown, connection_id=shown.id))

    def _see_pairing(self, asked: PairingView) -> None:
        name = EventName.PAIRING_REQUESTED if asked.pending else EventName.PAIRING_DECIDED
        self.publish(Event(name=name, subject=asked))

    def _see_request(self, request: AccessRequest) -> None:
        pending = request.status is Standing.PENDING
        name = EventName.ACCESS_REQUESTED if pending else EventName.ACCESS_DECIDED
        self.publish(Event(name=name, subject=request, client_id=request.client_id))

    def _see_client(self, before: Client, after: Client | None) -> None:
        """A client that was revoked, or that lost a grant, reads no further; it may come back for what it still has."""
        kept = {grant.connection_id for grant in after.grants} if after else set[str]()
        lost = after is None or any(grant.connection_id not in kept for grant in before.grants)
        for reader in self._readers:
            if reader.client_id == before.id and lost:
                self._end(reader)
            elif reader.client_id == before.id:
                self._set_timer(reader)

    def _set_timer(self, reader: _Reader) -> None:
        """Have a reading end when the client, or a grant of its, does."""
        if reader.timer is not None:
            reader.timer.cancel()
        reader.timer = None
        client = self._access.get(reader.client_id) if reader.client_id is not None else None
        if client is not None:
            now = self._clock.now()
            ends = [client.expires_at, *(grant.expires_at for grant in client.grants)]
            ahead = [end for end in ends if end is not None and end > now]
            if ahead:
                reader.timer = asyncio.create_task(self._end_at(reader, min(ahead)))

    async def _end_at(self, reader: _Reader, moment: datetime) -> None:
        await self._clock.sleep((moment - self._clock.now()).total_seconds())
        self._end(reader)
