"""Which programs wait for a connection that needs somebody: said in its notification."""

from collections.abc import Callable

from meshmesh_daemon.core.clock import Clock

WAITING_SECONDS = 600.0  # a program that was refused this long ago is not waiting any more


class Waiting:
    """Which programs wait for a connection, or were refused because of it not long ago.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._names: dict[str, dict[str, float]] = {}
        self._listeners: list[Callable[[str], None]] = []

    def listen(self, listener: Callable[[str], None]) -> None:
        """Be told the id of a connection that one more program waits for."""
        self._listeners.append(listener)

    def note(self, connection_id: str, client_name: str) -> None:
        """A program met a connection that needs somebody.

        Args:
            connection_id: the connection.
            client_name: what the person calls the program.
        """
        known = client_name in self.names(connection_id)
        self._names.setdefault(connection_id, {})[client_name] = self._clock.monotonic()
        if not known:
            for listener in self._listeners:
                listener(connection_id)

    def names(self, connection_id: str) -> tuple[str, ...]:
        """Who waits for a connection now, in the order in which they came."""
        since = self._clock.monotonic() - WAITING_SECONDS
        fresh = {name: at for name, at in self._names.pop(connection_id, {}).items() if at > since}
        if fresh:
            self._names[connection_id] = fresh
        return tuple(fresh)

    def forget(self, connection_id: str) -> None:
        """It is well again, or gone."""
        self._names.pop(connection_id, None)
