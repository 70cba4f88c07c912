"""Sign-ins that worked and are not what was asked for: held until the person keeps them, or given back.

What nobody keeps is revoked at Salesforce, so that it uses up none of the person's five approvals.
"""

from collections.abc import Iterable

from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.attempts import Attempt
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.beginning import LIFETIME
from meshmesh_daemon.usecases.exchange import Exchange, Held


class Holding:
    """Holds what waits for a decision.

    Args:
        exchange: stores what is kept, and gives back the rest.
        clock: the time.
    """

    def __init__(self, exchange: Exchange, clock: Clock) -> None:
        self._exchange = exchange
        self._clock = clock
        self._background = Background()

    def hold(self, attempt: Attempt, held: Held) -> None:
        """End an attempt with its problem, and hold what it brought for ten minutes."""
        attempt.held = held
        attempt.end("failed", error=held.problem)
        self._background.spawn(self._drop_later(attempt))

    async def keep(self, attempt: Attempt, name: str) -> None:
        """Store what an attempt brought.

        Args:
            attempt: whose.
            name: the connection's name, or "" to be named after its org.

        Raises:
            Problem: 409 where there is nothing to keep.
        """
        held, attempt.held = attempt.held, None
        if held is None:
            raise Problem(409, "already_decided", "There is nothing to keep: this was decided, or took too long.")
        connection = await self._exchange.keep(held.connection, held.app, name)
        attempt.end("done", connection_id=connection.id)

    async def close(self, attempts: Iterable[Attempt]) -> None:
        """Give back everything that is still held."""
        await self._background.cancel()
        for attempt in attempts:
            await self._drop(attempt)

    async def _drop_later(self, attempt: Attempt) -> None:
        await self._clock.sleep(LIFETIME.total_seconds())
        await self._drop(attempt)

    async def _drop(self, attempt: Attempt) -> None:
        held, attempt.held = attempt.held, None
        if held is not None:
            await self._exchange.drop(held.connection)
