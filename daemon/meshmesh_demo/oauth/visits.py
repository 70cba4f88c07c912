"""What the org remembers of browsers: who is signed in, which sign-in is under way. In memory, for a while.

A browser's session is a cookie (kept as its hash); a sign-in under way is known by a random id that its pages carry, so
that nobody else can press its buttons.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Generic, TypeVar

from meshmesh_demo.oauth.apps import App
from meshmesh_demo.oauth.secrets import digest, random_id

SESSION_SECONDS = 7200
PENDING_SECONDS = 900
OTP_SECONDS = 60
_MOST = 1000  # of each kind; the oldest goes first
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """A sign-in between its first page and its end."""

    app: App
    redirect_uri: str
    scope: str
    state: str | None
    challenge: str | None
    login_hint: str
    ask_consent: bool
    user_id: str | None = None


class Shelf(Generic[T]):
    """Things behind random keys, for some seconds."""

    def __init__(self, clock: Callable[[], datetime], seconds: int) -> None:
        self._clock = clock
        self._seconds = seconds
        self._things: dict[bytes, tuple[float, T]] = {}

    def put(self, thing: T) -> str:
        """Keep a thing; its key is given once."""
        while len(self._things) >= _MOST:
            del self._things[next(iter(self._things))]
        key = random_id()
        self._things[digest(key)] = (self._clock().timestamp() + self._seconds, thing)
        return key

    def get(self, key: str) -> T | None:
        """What is behind a key, if it still is."""
        until, thing = self._things.get(digest(key), (0.0, None))
        return thing if self._clock().timestamp() < until else None

    def take(self, key: str) -> T | None:
        """What is behind a key, for the last time."""
        thing = self.get(key)
        self._things.pop(digest(key), None)
        return thing

    def change(self, key: str, thing: T) -> None:
        """Keep another thing behind a key that is in use."""
        until, _ = self._things[digest(key)]
        self._things[digest(key)] = (until, thing)


class Visits:
    """The browsers of one org."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self.sessions: Shelf[str] = Shelf(clock, SESSION_SECONDS)  # of user ids
        self.pending: Shelf[Pending] = Shelf(clock, PENDING_SECONDS)
        self.otps: Shelf[tuple[str, str]] = Shelf(clock, OTP_SECONDS)  # of user id and page

    def sign_in(self, key: str, pending: Pending, user_id: str) -> Pending:
        """Write into a sign-in who it is."""
        known = replace(pending, user_id=user_id)
        self.pending.change(key, known)
        return known
