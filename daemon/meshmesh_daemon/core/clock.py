"""Time as a thing that is handed in: the wall clock, the monotonic clock and sleeping, behind one protocol.

Nothing in the house reads the time another way, so that a test can let eight hours pass at once, and so that a jump of
the wall clock is told apart from time that really went by.
"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """What the house knows of time."""

    def now(self) -> datetime:
        """The wall clock, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; their zero means nothing."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait `seconds` of monotonic time."""
        ...
