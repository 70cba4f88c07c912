"""Pairing in the shape of RFC 8628: a program asks, a person compares a code and decides, the program collects once.

Requests live in memory and for five minutes: one that a restart forgets is asked again.
"""

import hashlib
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from meshmesh_daemon.core import pairing
from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage.records import Client, Mode

LIFETIME = timedelta(minutes=5)
INTERVAL = 2  # seconds between polls; it grows by as much for those who do not keep to it (RFC 8628, section 3.5)
MAX_OPEN = 16
ASKS_A_MINUTE = 20


class PollError(StrEnum):
    """The errors of RFC 8628, section 3.5."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


class NotYet(Exception):
    """A poll that brings no token."""

    def __init__(self, error: PollError) -> None:
        super().__init__(error.value)
        self.error = error


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """What a program would like."""

    connection: str | None
    mode: Mode
    raw_token: bool
    purpose: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What we see of who asks, whatever it claims; None where the platform does not tell."""

    uid: int | None = None
    exe: str | None = None
    parent: str | None = None
    cwd: str | None = None
    origin: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A program's request: what it claims of itself, what it wants, what we see."""

    name: str
    kind: str
    wants: tuple[Want, ...]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingView:
    """An open request, as the owner sees it."""

    user_code: str
    asking: Asking
    expires_at: datetime


Listener = Callable[[PairingView], None]


@dataclass(frozen=True, slots=True)
class Begun:
    """What the program gets for its request."""

    device_code: str = field(repr=False)
    user_code: str
    expires_in: int
    interval: int


@dataclass(slots=True, eq=False)
class _Request:
    user_code: str
    asking: Asking
    expires_at: datetime
    state: str = "pending"
    interval: int = INTERVAL
    polled_at: float | None = None
    approved: tuple[Client, str] | None = field(default=None, repr=False)


class Pairings:
    """Open pairing requests.

    Args:
        access: where an approved program becomes a client.
        activity: is told of each denial.
        clock: the time.
    """

    def __init__(self, *, access: Access, activity: Activity, clock: Clock) -> None:
        self._access = access
        self._activity = activity
        self._clock = clock
        self._requests: dict[bytes, _Request] = {}  # by the hash of the device code
        self._asked: list[float] = []
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Be told of each program that asks."""
        self._listeners.append(listener)

    def ask(self, asking: Asking) -> Begun:
        """A program asks to be paired.

        Raises:
            Problem: 429 where too many are open, or they come too fast.
        """
        self._forget_old()
        self._limit()
        device_code = secrets.token_urlsafe(32)
        user_code = pairing.make_user_code(secrets.token_bytes(pairing.CODE_BYTES))
        request = _Request(user_code, asking, self._clock.now() + LIFETIME)
        self._requests[_hash(device_code)] = request
        for listener in self._listeners:
            listener(_view(request))
        return Begun(device_code, user_code, int(LIFETIME.total_seconds()), INTERVAL)

    def _limit(self) -> None:
        now = self._clock.monotonic()
        self._asked = [moment for moment in self._asked if now - moment < 60]  # noqa: PLR2004 - a minute
        open_now = [request for request in self._requests.values() if request.state == "pending"]
        if len(self._asked) >= ASKS_A_MINUTE or len(open_now) >= MAX_OPEN:
            raise Problem(429, "rate_limited", "Too many programs ask to be paired. Try again later.", retry_after=60)
        self._asked.append(now)

    async def collect(self, device_code: str) -> tuple[Client, str]:
        """A program polls for its token.

        Returns:
            The client and its pairing token, once.

        Raises:
            NotYet: RFC 8628's errors; `expired_token` for a code that is not known too.
        """
        key = _hash(device_code)
        request = self._requests.get(key)
        if request is None:
            raise NotYet(PollError.EXPIRED)
        if request.approved is not None:
            del self._requests[key]
            return request.approved
        if request.state == "denied":
            del self._requests[key]
            raise NotYet(PollError.DENIED)
        if self._clock.now() >= request.expires_at:
            del self._requests[key]
            raise NotYet(PollError.EXPIRED)
        now = self._clock.monotonic()
        hasty = request.polled_at is not None and now - request.polled_at < request.interval
        request.polled_at = now
        if hasty:
            request.interval += INTERVAL
        raise NotYet(PollError.SLOW_DOWN if hasty else PollError.PENDING)

    def waiting(self) -> list[PairingView]:
        """The requests that wait for the owner."""
        self._forget_old()
        return [_view(request) for request in self._requests.values() if request.state == "pending"]

    async def approve(self, user_code: str, grants: Sequence[WantedGrant] | None, consent: Consent) -> Client:
        """The owner says yes.

        Args:
            user_code: as the program showed it.
            grants: what it may do; None takes what it asked for, narrowed.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 404, 410, 422 naming the grant.
        """
        request = self._pending(user_code)
        asking = request.asking
        chosen = self._narrowed(asking.wants) if grants is None else grants
        new = NewClient(name=asking.name, kind=asking.kind, origin=asking.seen.origin)
        request.state = "deciding"  # nobody else decides while the vault is written
        try:
            request.approved = await self._access.admit(new, chosen, consent)
        except BaseException:
            request.state = "pending"
            raise
        request.state = "approved"
        del self._asked[:1]  # the limit protects the person from being asked in vain; this one was wanted
        return request.approved[0]

    def _narrowed(self, wants: Sequence[Want]) -> list[WantedGrant]:
        named = [want for want in wants if want.connection is not None]
        if not named:
            raise Problem(
                422,
                "bad_field",
                "grants: say what the program may do; it named no connection itself.",
                next_step=Next("Approve with a grant", "meshmesh approve CODE --grant NAME:MODE"),
            )
        return [self._access.narrowed(WantedGrant(connection=want.connection or "", mode=want.mode)) for want in named]

    def deny(self, user_code: str) -> None:
        """The owner says no.

        Raises:
            Problem: 404, 410.
        """
        request = self._pending(user_code)
        request.state = "denied"
        self._activity.note(OWNER, Deed.PAIRING_DENIED, detail=f"{request.asking.name} was turned away.")

    def _pending(self, user_code: str) -> _Request:
        code = pairing.read_user_code(user_code)
        for request in self._requests.values():
            if secrets.compare_digest(request.user_code.encode(), code.encode()):
                if request.state != "pending":
                    raise Problem(409, "already_decided", "This request was decided already.")
                if self._clock.now() >= request.expires_at:
                    break
                return request
        raise Problem(
            404,
            "not_found",
            f"No program waits with the code {code!r}; codes live five minutes.",
            next_step=Next("See who waits", "meshmesh client list"),
        )

    def _forget_old(self) -> None:
        """Ended requests are kept a while longer, so that a slow program still collects its token or its refusal."""
        limit = self._clock.now() - LIFETIME
        self._requests = {key: request for key, request in self._requests.items() if request.expires_at > limit}


def _view(request: _Request) -> PairingView:
    return PairingView(user_code=request.user_code, asking=request.asking, expires_at=request.expires_at)


def _hash(device_code: str) -> bytes:
    return hashlib.sha256(device_code.encode("utf-8", "replace")).digest()
