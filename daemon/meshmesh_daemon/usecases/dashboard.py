"""Who sits at the dashboard: launch codes, which only the owner's socket gives, and the sessions that they open.

Both are 256 random bits, kept as hashes in memory alone: a restart ends every session. A launch code lives a minute and
works once. A session ends when it was not used for half an hour, and after twelve hours in any case.
"""

import asyncio
import hashlib
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem

CODE_LIFETIME = timedelta(seconds=60)
IDLE_LIFETIME = timedelta(minutes=30)
SESSION_LIFETIME = timedelta(hours=12)
REMEMBERED = timedelta(minutes=10)  # for so long a code that has ended is told from one that never was
MAX_CODES = 64
MAX_SESSIONS = 32
WRONG_A_MINUTE = 10
SECRET_BYTES = 32
LOOK_SECONDS = 60.0  # a machine that wakes up has a monotonic clock that stood still: the other one is looked at too
_AGAIN = Next("Open the dashboard again", command="meshmesh open")


@dataclass(frozen=True, slots=True)
class Launch:
    """A launch code, or a session, and when it ends."""

    secret: str = field(repr=False)
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class _Moment:
    """A point in time on both clocks: the monotonic one stands still in sleep, the other one may be set."""

    wall: datetime
    monotonic: float


@dataclass(slots=True)
class _Code:
    made: _Moment
    used: bool = False


@dataclass(slots=True)
class _Session:
    begun: _Moment
    used: _Moment
    over: asyncio.Event = field(default_factory=asyncio.Event)


class Dashboard:
    """Launch codes and sessions.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._codes: dict[bytes, _Code] = {}  # by hash, oldest first, as the sessions
        self._sessions: dict[bytes, _Session] = {}
        self._wrong: list[float] = []

    def launch(self) -> Launch:
        """A new launch code; where too many are known, the oldest one ends."""
        now = self._moment()
        self._codes = {key: code for key, code in self._codes.items() if self._since(code.made) < REMEMBERED}
        if len(self._codes) >= MAX_CODES:
            del self._codes[next(iter(self._codes))]
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._codes[_hash(secret)] = _Code(now)
        return Launch(secret, now.wall + CODE_LIFETIME)

    def begin(self, launch_code: str) -> Launch:
        """A session for a launch code. A right code is never refused for the sake of wrong ones.

        Raises:
            Problem: 401 for a code that is not known, 410 for one that was used or is old, 429 after many of them.
        """
        code = self._codes.get(_hash(launch_code))
        if code is None or code.used or self._since(code.made) >= CODE_LIFETIME:
            raise self._refusal(known=code is not None)
        code.used = True
        return self.open()

    def open(self) -> Launch:
        """A session for who is the owner beyond doubt; where too many are known, the oldest one ends."""
        self._forget_ended()
        if len(self._sessions) >= MAX_SESSIONS:
            self._end(next(iter(self._sessions)))
        now = self._moment()
        secret = secrets.token_urlsafe(SECRET_BYTES)
        self._sessions[_hash(secret)] = _Session(now, now)
        return Launch(secret, now.wall + SESSION_LIFETIME)

    def admits(self, session: str) -> bool:
        """Whether a session is live; asking is a use of it."""
        self._forget_ended()
        found = self._sessions.get(_hash(session))
        if found is not None:
            found.used = self._moment()
        return found is not None

    def end_all(self) -> None:
        """No session outlives this, and no launch code."""
        self._codes.clear()
        for key in tuple(self._sessions):
            self._end(key)

    async def ended(self, session: str) -> None:
        """Wait for the end of a session; waiting is no use of it."""
        found = self._sessions.get(_hash(session))
        while found is not None and not found.over.is_set():
            left = min(IDLE_LIFETIME - self._since(found.used), SESSION_LIFETIME - self._since(found.begun))
            pause = asyncio.ensure_future(self._clock.sleep(min(max(left.total_seconds(), 0.0), LOOK_SECONDS)))
            over = asyncio.ensure_future(found.over.wait())
            try:
                await asyncio.wait((pause, over), return_when=asyncio.FIRST_COMPLETED)
            finally:
                pause.cancel()
                over.cancel()
            self._forget_ended()

    def _end(self, key: bytes) -> None:
        self._sessions.pop(key).over.set()

    @property
    def open_sessions(self) -> int:
        """How many sessions are live."""
        self._forget_ended()
        return len(self._sessions)

    def _refusal(self, *, known: bool) -> Problem:
        now = self._clock.monotonic()
        self._wrong = [moment for moment in self._wrong if now - moment < 60]  # noqa: PLR2004 - a minute
        if len(self._wrong) >= WRONG_A_MINUTE:
            return Problem(429, "rate_limited", "Too many wrong launch codes. Try again later.", retry_after=60)
        self._wrong.append(now)
        if known:
            return Problem(410, "expired", "This launch code was used, or is older than a minute.", next_step=_AGAIN)
        return Problem(401, "unknown_credential", "This launch code is not known.", next_step=_AGAIN)

    def _forget_ended(self) -> None:
        for key, session in tuple(self._sessions.items()):
            if self._since(session.used) >= IDLE_LIFETIME or self._since(session.begun) >= SESSION_LIFETIME:
                self._end(key)

    def _moment(self) -> _Moment:
        return _Moment(self._clock.now(), self._clock.monotonic())

    def _since(self, moment: _Moment) -> timedelta:
        """The longer of what the two clocks say went by."""
        now = self._moment()
        return max(now.wall - moment.wall, timedelta(seconds=now.monotonic - moment.monotonic))


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).digest()
