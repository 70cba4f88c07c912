"""What is made once a session of a connection, and forgotten with it: it holds the session's token in one form or another."""

from collections.abc import Callable
from typing import Generic, TypeVar

from meshmesh_storage.records import Connection, Session

MOST = 1024
Made = TypeVar("Made")


class PerSession(Generic[Made]):
    """The things of the sessions that were used last.

    Args:
        make: makes the thing of a connection's present session.
    """

    def __init__(self, make: Callable[[Connection], Made]) -> None:
        self._make = make
        self._made: dict[str, tuple[Session | None, Made]] = {}

    def of(self, live: Connection) -> Made:
        """The thing of a connection's session."""
        known = self._made.get(live.id)
        if known is not None and known[0] is live.session:
            return known[1]
        if len(self._made) >= MOST:
            del self._made[next(iter(self._made))]
        made = self._make(live)
        self._made[live.id] = (live.session, made)
        return made

    def changed(self, before: Connection | None, after: Connection | None) -> None:
        """What is shown of a connection has changed, or it is gone: so is its thing."""
        for connection in (before, after):
            if connection is not None:
                self._made.pop(connection.id, None)
