"""A clock that moves when it is told to."""

import asyncio
import heapq
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

START = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


class FakeClock:
    """The `Clock` of the tests: sleepers wake when `advance` passes their time."""

    def __init__(self) -> None:
        self._now = START
        self._monotonic = 1000.0
        self._sleepers: list[tuple[float, int, asyncio.Event]] = []
        self._count = 0

    def now(self) -> datetime:
        """The wall clock."""
        return self._now

    @property
    def naps(self) -> int:
        """How often somebody has gone to sleep."""
        return self._count

    def monotonic(self) -> float:
        """Seconds."""
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        """Wait until the clock was advanced by `seconds`."""
        woken = asyncio.Event()
        self._count += 1
        heapq.heappush(self._sleepers, (self._monotonic + seconds, self._count, woken))
        await woken.wait()

    async def advance(self, seconds: float) -> None:
        """Let time pass; whoever is due wakes, in order, and gets to run."""
        end = self._monotonic + seconds
        while self._sleepers and self._sleepers[0][0] <= end:
            due, _, woken = heapq.heappop(self._sleepers)
            self._move(due - self._monotonic)
            woken.set()
            for _ in range(10):
                await asyncio.sleep(0)
        self._move(end - self._monotonic)
        await settle()

    def jump(self, seconds: float) -> None:
        """Set the wall clock; the monotonic one stays."""
        self._now += timedelta(seconds=seconds)

    def _move(self, seconds: float) -> None:
        self._monotonic += seconds
        self._now += timedelta(seconds=seconds)


async def settle() -> None:
    """Let everything run that can run now; what hops to a database thread gets a few real milliseconds."""
    for _ in range(3):
        for _ in range(50):
            await asyncio.sleep(0)
        await asyncio.sleep(0.01)


async def until(holds: Callable[[], bool]) -> None:
    """Wait, in real time, for what background work brings about; a test that waits in vain fails."""
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.005)
