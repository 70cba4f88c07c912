"""The connections in memory, one desk each: what is stored, and what is under way.

A connection comes onto a desk when it is first asked for; until then it lies in the vault, and nothing is known here but
what stands beside its seal: its id, its app, its status, and the keyed hash of its name. So whoever asks for a desk waits
for the vault, once; from then on, until it is removed, its connection is here.

A desk's status is derived, never set: from what is stored, from a refresh under way, from the last trouble. Everything
that shows or lists connections reads here, so that listing never calls Salesforce.

Not to be asked for a desk inside a transaction of the vault, which it would wait for.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmesh_daemon.core import lifecycle
from meshmesh_daemon.core.errors import Failure
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_storage.connections import Unopened
from meshmesh_storage.records import App, Connection, Status

SLICE = 50  # connections that are opened in one go: about three milliseconds
USE_GRAIN = timedelta(seconds=1)  # how finely the last use is told
LookUp = Callable[[Sequence[str]], Awaitable[list[Connection]]]
Listener = Callable[[Connection | None, Connection | None], None]


@dataclass(slots=True, eq=False)
class Desk:
    """One connection's.

    `stored` is what the vault holds (its times of use may be newer). `trouble` is the last failure that mends itself.
    `dead_generation` marks the session that a 401 proved dead. `rotation_open` says that a refresh was sent whose answer
    was never stored; `unsaved` holds tokens that the disk did not take. `not_before` is monotonic seconds.
    """

    stored: Connection
    trouble: Failure | None = None
    flight: asyncio.Task[None] | None = None
    dead_generation: int | None = None
    rotation_open: bool = False
    unsaved: Connection | None = None
    not_before: float = 0.0
    used: bool = False

    @property
    def id(self) -> str:
        """The connection's id."""
        return self.stored.id

    @property
    def status(self) -> Status:
        """The status of `view`."""
        status = self.stored.status
        if status in NEEDS_SOMEBODY:
            return status
        return Status.REFRESHING if self.flight else Status.OFFLINE if self.trouble else status

    @property
    def view(self) -> Connection:
        """The connection as it is shown."""
        if self.stored.status in NEEDS_SOMEBODY:
            return self.stored
        if self.flight is not None:
            return replace(self.stored, status=Status.REFRESHING)
        if self.trouble is not None:
            return lifecycle.offline(self.stored, self.trouble)
        return self.stored


class Desks:
    """All of them, by id and by name, with the apps that they share."""

    def __init__(self) -> None:
        self._places: dict[str, Desk | Unopened] = {}
        self._ids: dict[str, str] = {}  # by name, as far as the names are known
        self._unnamed: dict[bytes, str] = {}  # by the names' keyed hashes
        self._index: Callable[[str], bytes] = str.encode
        self._look_up: LookUp = _nowhere
        self._listeners: list[Listener] = []
        self._awaited: dict[str, set[asyncio.Event]] = {}
        self.apps: dict[str, App] = {}

    def listen(self, listener: Listener) -> None:
        """Be told of each change of what is shown, as (before, after); None is a connection that is not there."""
        self._listeners.append(listener)

    def tell(self, before: Connection | None, after: Connection | None) -> None:
        """Tell the listeners of a change, and wake who waits for one."""
        for listener in self._listeners:
            listener(before, after)
        shown = after or before
        for event in self._awaited.get(shown.id, ()) if shown else ():
            event.set()

    @contextmanager
    def change_of(self, connection_id: str) -> Generator[asyncio.Event, None, None]:
        """An event that is set when what is shown of a connection changes, while the block lasts."""
        event = asyncio.Event()
        waiting = self._awaited.setdefault(connection_id, set())
        waiting.add(event)
        try:
            yield event
        finally:
            waiting.discard(event)
            if not waiting:
                self._awaited.pop(connection_id, None)

    def wake(self) -> None:
        """Wake everybody who waits for a change: there will be none."""
        for waiting in self._awaited.values():
            for event in waiting:
                event.set()

    @property
    def opened(self) -> list[Desk]:
        """The desks of the connections that were asked for already."""
        return [place for place in self._places.values() if isinstance(place, Desk)]

    @property
    def unopened(self) -> list[str]:
        """The ids of those that nobody has asked for."""
        return [place.id for place in self._places.values() if isinstance(place, Unopened)]

    @property
    def statuses(self) -> list[Status]:
        """How every connection is, for which none is opened."""
        return [place.status for place in self._places.values()]

    @property
    def ill(self) -> list[str]:
        """The ids of those that only somebody can mend, for which none is opened."""
        return [place.id for place in self._places.values() if place.status in NEEDS_SOMEBODY]

    def has(self, desk: Desk) -> bool:
        """Whether it is still its connection's desk: neither was removed."""
        return self._places.get(desk.id) is desk

    def at_hand(self, connection_id: str) -> Desk | None:
        """A connection's desk, if it was asked for already."""
        place = self._places.get(connection_id)
        return place if isinstance(place, Desk) else None

    async def get(self, connection_id: str) -> Desk | None:
        """A connection's desk; None where there is no such connection.

        Raises:
            VaultError: it cannot be read.
        """
        desk = self.at_hand(connection_id)
        if desk is None:
            await self._open([connection_id])
            desk = self.at_hand(connection_id)
        return desk

    def id_of(self, name: str) -> str | None:
        """The id of the connection of a name, for which it is not opened; None where the name is free."""
        found = self._ids.get(name)
        if found is None and self._unnamed:
            found = self._unnamed.pop(self._index(name), None)
            if found is not None:
                self._ids[name] = found
        return found

    async def named(self, name: str) -> Desk | None:
        """A desk by its connection's name; see `get`."""
        found = self.id_of(name)
        return None if found is None else await self.get(found)

    def __contains__(self, name: object) -> bool:
        """Whether a name is taken."""
        return isinstance(name, str) and self.id_of(name) is not None

    async def of(self, ids: Sequence[str]) -> AsyncGenerator[Desk, None]:
        """The desks of connections, in that order and as far as they are there; opened a slice at a time.

        Raises:
            VaultError: one of them cannot be read.
        """
        for begin in range(0, len(ids), SLICE):
            some = ids[begin : begin + SLICE]
            await self._open(some)
            for one in some:
                desk = self.at_hand(one)
                if desk is not None:
                    yield desk

    def each(self) -> AsyncGenerator[Desk, None]:
        """Every desk; see `of`."""
        return self.of(list(self._places))

    async def peek(self, connection_ids: Sequence[str]) -> list[Connection]:
        """What is stored of connections that nobody has asked for, without a desk for them."""
        return await self._look_up(connection_ids)

    async def _open(self, ids: Sequence[str]) -> None:
        new = [one for one in ids if isinstance(self._places.get(one), Unopened)]
        for connection in await self._look_up(new) if new else ():
            if isinstance(self._places.get(connection.id), Unopened):  # else somebody else was faster, or took it off
                self._places[connection.id] = Desk(connection)
                self._ids[connection.name] = connection.id
                self._unnamed.pop(self._index(connection.name), None)

    async def siblings(self, connection: Connection) -> list[Connection]:
        """The connections of the same user, org and app, itself among them."""
        key = (connection.org_id, connection.user_id, connection.app_id)
        ids = [place.id for place in self._places.values() if _app_of(place) == connection.app_id]
        stored = [desk.stored async for desk in self.of(ids)]
        return [one for one in stored if (one.org_id, one.user_id, one.app_id) == key]

    def take(self, found: Sequence[Unopened], index: Callable[[str], bytes], look_up: LookUp) -> None:
        """Take up what the vault holds, unopened.

        Args:
            found: the connections.
            index: the keyed hash of a name.
            look_up: reads connections by their ids.
        """
        self._index, self._look_up = index, look_up
        self._places |= {one.id: one for one in found}
        self._unnamed |= {one.name_index: one.id for one in found}

    def place(self, stored: Connection) -> Desk:
        """Put what is now stored on its desk, and tell the listeners. The name, and the last use, are the desk's own.

        A new generation clears what was known of the old one: its trouble, its dead session, its open rotation.
        """
        desk = self.at_hand(stored.id)
        if desk is None:
            desk = self._places[stored.id] = Desk(stored)
            before = None
        else:
            before, known = desk.view, desk.stored
            if stored.generation != desk.stored.generation:
                desk.trouble = desk.dead_generation = desk.unsaved = None
                desk.rotation_open = False
                desk.not_before = 0.0
            own = (known.name, known.last_used_at, known.last_used_by)
            if (stored.name, stored.last_used_at, stored.last_used_by) != own:
                stored = replace(stored, name=own[0], last_used_at=own[1], last_used_by=own[2])
            desk.stored = stored
        self._ids[desk.stored.name] = stored.id
        self.tell(before, desk.view)
        return desk

    def rename(self, desk: Desk, name: str) -> None:
        """A connection has another name from now on; tell the listeners."""
        before = desk.view
        self._forget_name(desk.stored.name)
        desk.stored = replace(desk.stored, name=name)
        self._ids[name] = desk.stored.id
        self.tell(before, desk.view)

    def remove(self, connection_id: str) -> None:
        """Take a connection off, and tell the listeners."""
        desk = self.at_hand(connection_id)
        if desk is not None:
            del self._places[connection_id]
            self._forget_name(desk.stored.name)
            self.tell(desk.view, None)

    def _forget_name(self, name: str) -> None:
        self._ids.pop(name, None)
        if self._unnamed:
            self._unnamed.pop(self._index(name), None)

    def note_use(self, connection_id: str, client_name: str, now: datetime) -> None:
        """Remember who used a connection last; it is on disk with the connection's next change, or at the end."""
        desk = self.at_hand(connection_id)
        if desk is None:
            return
        desk.used = True
        last = desk.stored.last_used_at
        if desk.stored.last_used_by != client_name or last is None or abs(now - last) >= USE_GRAIN:
            desk.stored = replace(desk.stored, last_used_at=now, last_used_by=client_name)


def _app_of(place: Desk | Unopened) -> str:
    return place.stored.app_id if isinstance(place, Desk) else place.app_id


async def _nowhere(_ids: Sequence[str]) -> list[Connection]:
    return []
