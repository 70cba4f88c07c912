"""The connections in memory, one desk each: what is stored, and what is under way.

A connection is opened when it is first looked at; until then its desk holds it as it is sealed, and knows what stands
beside the seal: its id, its app, its status, and the keyed hash of its name.

A desk's status is derived, never set: from what is stored, from a refresh under way, from the last trouble. Everything
that shows or lists connections reads here, so that listing never calls Salesforce and never waits.
"""

import asyncio
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmesh_daemon.core import lifecycle
from meshmesh_daemon.core.errors import Failure
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_storage.connections import SealedConnection
from meshmesh_storage.records import App, Connection, Status

SLICE = 50  # connections that are opened in one go: about three milliseconds
USE_GRAIN = timedelta(seconds=1)  # how finely the last use is told
Listener = Callable[[Connection | None, Connection | None], None]


@dataclass(slots=True, eq=False)
class Desk:
    """One connection's.

    `kept` is what the vault holds (its times of use may be newer), opened or not; `stored` opens it. `trouble` is the last failure that mends itself.
    `dead_generation` marks the session that a 401 proved dead. `rotation_open` says that a refresh was sent whose answer
    was never stored; `unsaved` holds tokens that the disk did not take. `not_before` is monotonic seconds.
    """

    kept: Connection | SealedConnection
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
        return self.kept.id

    @property
    def is_open(self) -> bool:
        """Whether it was looked at already."""
        return isinstance(self.kept, Connection)

    @property
    def stored(self) -> Connection:
        """What is stored."""
        if isinstance(self.kept, SealedConnection):
            self.kept = self.kept.open()
        return self.kept

    @stored.setter
    def stored(self, connection: Connection) -> None:
        self.kept = connection

    def peek(self) -> Connection:
        """What is stored; who only peeks leaves it as it is, sealed or not."""
        return self.kept.open() if isinstance(self.kept, SealedConnection) else self.kept

    @property
    def status(self) -> Status:
        """The status of `view`, for which it need not be opened."""
        status = self.kept.status
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
        self._desks: dict[str, Desk] = {}
        self._ids: dict[str, str] = {}  # by name, as far as the names are known
        self._unnamed: dict[bytes, str] = {}  # by the names' keyed hashes
        self._index: Callable[[str], bytes] = str.encode
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

    def __iter__(self) -> Iterator[Desk]:
        return iter(tuple(self._desks.values()))

    def get(self, connection_id: str) -> Desk | None:
        """A desk by its connection's id."""
        return self._desks.get(connection_id)

    def named(self, name: str) -> Desk | None:
        """A desk by its connection's name."""
        found = self._ids.get(name)
        if found is None and self._unnamed:
            found = self._unnamed.pop(self._index(name), None)
            if found is not None:
                self._ids[name] = found
        return None if found is None else self._desks.get(found)

    def __contains__(self, name: object) -> bool:
        """Whether a name is taken."""
        return isinstance(name, str) and self.named(name) is not None

    async def open_all(self) -> None:
        """Open every connection, a slice at a time, so that others are answered meanwhile."""
        closed = [desk for desk in self._desks.values() if not desk.is_open]
        for begin in range(0, len(closed), SLICE):
            for desk in closed[begin : begin + SLICE]:
                _ = desk.stored
            await asyncio.sleep(0)

    def siblings(self, connection: Connection) -> list[Connection]:
        """The connections of the same user, org and app, itself among them."""
        key = (connection.org_id, connection.user_id, connection.app_id)
        stored = (desk.stored for desk in self._desks.values() if desk.kept.app_id == connection.app_id)
        return [one for one in stored if (one.org_id, one.user_id, one.app_id) == key]

    def take(self, found: Sequence[SealedConnection], index: Callable[[str], bytes]) -> None:
        """Put what was found in the vault on desks of its own, unopened.

        Args:
            found: the connections.
            index: the keyed hash of a name.
        """
        self._index = index
        self._desks |= {sealed.id: Desk(sealed) for sealed in found}
        self._unnamed |= {sealed.name_index: sealed.id for sealed in found}

    def place(self, stored: Connection) -> Desk:
        """Put what is now stored on its desk, and tell the listeners. The name, and the last use, are the desk's own.

        A new generation clears what was known of the old one: its trouble, its dead session, its open rotation.
        """
        desk = self._desks.get(stored.id)
        if desk is None:
            desk = self._desks[stored.id] = Desk(stored)
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
        desk = self._desks.pop(connection_id, None)
        if desk is not None:
            self._forget_name(desk.stored.name)
            self.tell(desk.view, None)

    def _forget_name(self, name: str) -> None:
        self._ids.pop(name, None)
        if self._unnamed:
            self._unnamed.pop(self._index(name), None)

    def note_use(self, connection_id: str, client_name: str, now: datetime) -> None:
        """Remember who used a connection last; it is on disk with the connection's next change, or at the end."""
        desk = self._desks.get(connection_id)
        if desk is None:
            return
        desk.used = True
        last = desk.stored.last_used_at
        if desk.stored.last_used_by != client_name or last is None or abs(now - last) >= USE_GRAIN:
            desk.stored = replace(desk.stored, last_used_at=now, last_used_by=client_name)
