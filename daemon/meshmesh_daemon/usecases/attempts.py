"""Sign-ins under way: open ones by their `state`, ended ones for a while, so that pages and waiting callers see the end.

A `state` is found by its hash, counts once, and is dead the moment it is taken, cancelled or old.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.usecases.exchange import Held
from meshmesh_storage.records import Connection, SignIn

MAX_OPEN = 32
MAX_ENDED = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class SignInView:
    """One attempt as it is shown: `status` is waiting, done, failed, expired or cancelled.

    `keepable` says that it worked, is not what was asked for, and can be kept under a name of its own.
    """

    id: str
    status: str
    authorize_url: str | None = field(default=None, repr=False)
    expires_at: datetime
    connection: Connection | None = None
    error: Problem | None = None
    keepable: bool = False
    note: str | None = None


@dataclass(slots=True, eq=False)
class Attempt:
    """One attempt."""

    record: SignIn
    status: str = "waiting"
    connection_id: str | None = None
    error: Problem | None = None
    held: Held | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, status: str, *, connection_id: str | None = None, error: Problem | None = None) -> None:
        """It has come to its end; whoever waits is told. What the person withdrew stays withdrawn."""
        if self.status == "cancelled":
            return
        self.status, self.connection_id, self.error = status, connection_id, error
        self.ended.set()


class Attempts:
    """All attempts that are known."""

    def __init__(self) -> None:
        self._by_id: dict[str, Attempt] = {}
        self._by_state: dict[bytes, Attempt] = {}

    def all(self) -> Iterator[Attempt]:
        """Those that are known, ended ones too."""
        return iter(tuple(self._by_id.values()))

    def open(self) -> Iterator[Attempt]:
        """Those that still wait for the browser."""
        return iter(tuple(self._by_state.values()))

    def add(self, record: SignIn) -> Attempt:
        """A new one.

        Raises:
            Problem: 429 where too many are open.
        """
        if len(self._by_state) >= MAX_OPEN:
            raise Problem(429, "rate_limited", "Too many sign-ins are open. Finish or cancel one.", retry_after=60)
        attempt = Attempt(record)
        self._by_id[record.id] = self._by_state[_hash(record.state)] = attempt
        for old in list(self._by_id)[: max(0, len(self._by_id) - MAX_ENDED)]:
            if self._by_id[old].ended.is_set():
                del self._by_id[old]
        return attempt

    def get(self, sign_in_id: str) -> Attempt:
        """One by its id.

        Raises:
            Problem: 404.
        """
        attempt = self._by_id.get(sign_in_id)
        if attempt is None:
            raise not_found("sign-in", sign_in_id)
        return attempt

    def is_of(self, attempt: Attempt, state: str) -> bool:
        """Whether a `state` is the live one of an attempt."""
        return self._by_state.get(_hash(state)) is attempt

    def take(self, state: str, now: datetime) -> Attempt | None:
        """The open attempt of a `state`, which is dead from now on; None where there is none."""
        attempt = self._by_state.get(_hash(state))
        if attempt is None or now >= attempt.record.expires_at:
            return None
        self.close(attempt)
        return attempt

    def close(self, attempt: Attempt) -> None:
        """Its `state` is dead."""
        self._by_state.pop(_hash(attempt.record.state), None)


def _hash(state: str) -> bytes:
    """Found by hash: the time of the look-up tells nothing of how much of a state was right."""
    return hashlib.sha256(state.encode("utf-8", "replace")).digest()


def too_late() -> Problem:
    """The end of an attempt whose browser never came back."""
    return Problem(
        410,
        "expired",
        "The browser did not come back within ten minutes. Salesforce never sends you back where the app is not "
        "installed in the org and you may not approve such apps: its own page says so then.",
        next_step=Next("Begin the sign-in again, or ask the org's admin to install the app"),
        members={"title": "The sign-in took too long."},
    )
