"""How often something may happen: so many times in a span that slides along. No I/O, no clock of its own."""

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Pace:
    """At most `most` times in `seconds`; it keeps no more moments than that."""

    most: int
    seconds: float
    _moments: deque[float] = field(default_factory=deque[float])

    def wait(self, now: float) -> float:
        """Seconds until it may happen once more; 0 where it may now.

        Args:
            now: monotonic seconds, as for `note`.
        """
        while self._moments and now - self._moments[0] >= self.seconds:
            self._moments.popleft()
        return self._moments[0] + self.seconds - now if len(self._moments) >= self.most else 0.0

    def note(self, now: float) -> None:
        """It happens."""
        self._moments.append(now)

    def forgive(self) -> None:
        """One of them does not count after all."""
        if self._moments:
            self._moments.pop()

    @property
    def is_idle(self) -> bool:
        """Whether nothing counts any more; true only after `wait` has looked."""
        return not self._moments
