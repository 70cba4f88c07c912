"""Work that nobody waits for, and that still has an owner: who begins it ends it.

The event loop alone keeps no task from the garbage collector, so whoever spawns one has to hold it.
"""

import asyncio
from collections.abc import Coroutine


class Background:
    """The tasks of one owner."""

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[object]] = set()

    def spawn(self, work: Coroutine[object, None, object]) -> None:
        """Begin some work; what it gives is lost."""
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def finish(self) -> None:
        """Wait for all of it."""
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def cancel(self) -> None:
        """Stop all of it, and wait until it has stopped."""
        for task in self._tasks:
            task.cancel()
        await self.finish()
