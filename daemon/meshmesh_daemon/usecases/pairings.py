"""Pairing in the shape of RFC 8628: a program asks, a person compares a code and decides, the program collects once.

Requests live in memory and for five minutes: one that a restart forgets is asked again.

One request a program is open. A new one takes the place of its last, whose code is then worth nothing: what the program
shows now is what counts, and nobody approves the new one by the old one's code.
"""

import hashlib
import math
import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meshmesh_daemon.core import pairing
from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.pacing import Pace
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_daemon.usecases.refusals import Refusals
from meshmesh_storage.records import Client, Mode

LIFETIME = timedelta(minutes=5)
INTERVAL = 2  # seconds between polls; it grows by as much for those who do not keep to it (RFC 8628, section 3.5)
MAX_OPEN = 16
ASKS_A_MINUTE = 20  # of all together
ASKS_OF_A_PEER = 10  # in PEER_SECONDS, those that were approved apart
PEER_SECONDS = 600.0
GUESSES_A_MINUTE = 60  # at device codes that nobody was given
WRONG_CODES_A_MINUTE = 10  # at the code that a person compares (RFC 8628, section 5.1)


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
    pid: int | None = None
    exe: str | None = None
    parent: str | None = None
    cwd: str | None = None
    origin: str | None = None

    @property
    def peer(self) -> tuple[str | None, int | None, int | None]:
        """Whose request it is: an extension's in one browser, a process's, or a user's where no process was seen."""
        return (self.origin, self.pid, self.uid)


@dataclass(frozen=True, slots=True, kw_only=True)
class Asking:
    """A program's request: what it claims of itself, what it wants, what we see."""

    name: str
    kind: str
    wants: tuple[Want, ...]
    seen: Seen


@dataclass(frozen=True, slots=True, kw_only=True)
class PairingView:
    """A request, as the owner sees it; `pending` until it was decided or given up."""

    user_code: str
    asking: Asking
    expires_at: datetime
    pending: bool = True


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
    key: str | None = None
    begun: Begun | None = field(default=None, repr=False)  # kept for who asks under its key again


class Pairings:
    """Open pairing requests.

    Args:
        access: where an approved program becomes a client.
        refusals: who is not to be asked about again.
        activity: is told of each denial.
        clock: the time.
    """

    def __init__(self, *, access: Access, refusals: Refusals, activity: Activity, clock: Clock) -> None:
        self._access = access
        self._refusals = refusals
        self._activity = activity
        self._clock = clock
        self._requests: dict[bytes, _Request] = {}  # by the hash of the device code
        self._asked = Pace(ASKS_A_MINUTE, 60)
        self._asked_by: dict[object, Pace] = {}
        self._guessed = Pace(GUESSES_A_MINUTE, 60)
        self._mistyped = Pace(WRONG_CODES_A_MINUTE, 60)
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Be told of each program that asks, and when its request has ended; not when it expires."""
        self._listeners.append(listener)

    def ask(self, asking: Asking, key: str | None = None) -> Begun:
        """A program asks to be paired.

        Args:
            asking: what it asks.
            key: the program's mark (`Idempotency-Key`): asked under it once more, it is the same request.

        Raises:
            Problem: 403 for one that was denied for good, 422 for a key under which it asked something else, 429 where
                too many are open or they come too fast.
        """
        seen = asking.seen
        if self._refusals.forbids(name=asking.name, exe=seen.exe, origin=seen.origin):
            step = Next("The owner can undo that", "meshmesh client refusals")
            raise Problem(403, "not_allowed", "The owner does not want to be asked about this program.", next_step=step)
        self._forget_old()
        known = self._known(asking, key)
        if known is not None:
            return known
        self._limit(seen)
        device_code = secrets.token_urlsafe(32)
        user_code = pairing.make_user_code(secrets.token_bytes(pairing.CODE_BYTES))
        request = _Request(user_code, asking, self._clock.now() + LIFETIME, key=key)
        self._requests[_hash(device_code)] = request
        self._tell(request)
        begun = Begun(device_code, user_code, int(LIFETIME.total_seconds()), INTERVAL)
        request.begun = begun if key is not None else None
        return begun

    def _known(self, asking: Asking, key: str | None) -> Begun | None:
        """What the same process was answered under the same key."""
        if key is None or asking.seen.pid is None:
            return None  # the answer is a credential: not for another process of whoever it is
        now = self._clock.now()
        alive = (request for request in self._requests.values() if now < request.expires_at)
        own = (request for request in alive if request.key == key and request.asking.seen.peer == asking.seen.peer)
        known = next(own, None)
        if known is None:
            return None
        if replace(known.asking, seen=asking.seen) != asking:
            raise bad_field("Idempotency-Key", "was used for another request already.")
        return known.begun

    def _limit(self, seen: Seen) -> None:
        """Make room for a request, or refuse it; what a program asked before gives way to what it asks now."""
        now = self._clock.monotonic()
        self._asked_by = {peer: pace for peer, pace in self._asked_by.items() if pace.wait(now) or not pace.is_idle}
        own = self._asked_by.setdefault(seen.peer, Pace(ASKS_OF_A_PEER, PEER_SECONDS))
        waiting = [request for request in self._requests.values() if request.state == "pending"]
        earlier = [request for request in waiting if request.asking.seen.peer == seen.peer]
        wait = max(self._asked.wait(now), own.wait(now))
        if wait or len(waiting) - len(earlier) >= MAX_OPEN:
            detail = "This program asks too often." if own.wait(now) else "Too many programs ask to be paired."
            retry = math.ceil(wait) or 60
            raise Problem(429, "rate_limited", f"{detail} Try again later.", retry_after=retry)
        self._asked.note(now)
        own.note(now)
        for request in earlier:
            self._end(request, "replaced")

    def _end(self, request: _Request, state: str) -> None:
        request.state = state
        self._tell(request)

    def _tell(self, request: _Request) -> None:
        for listener in self._listeners:
            listener(_view(request))

    async def collect(self, device_code: str) -> tuple[Client, str]:
        """A program polls for its token.

        Returns:
            The client and its pairing token, once.

        Raises:
            NotYet: RFC 8628's errors; `expired_token` for a code that is not known too.
            Problem: 429 after many codes that are not known. A known one is never refused for the sake of those.
        """
        key = _hash(device_code)
        request = self._requests.get(key)
        if request is None:
            _slow_down(self._guessed, self._clock.monotonic(), "device codes that are not known")
            raise NotYet(PollError.EXPIRED)
        if request.approved is not None:
            del self._requests[key]
            return request.approved
        if request.state == "denied":
            del self._requests[key]
            raise NotYet(PollError.DENIED)
        if request.state == "replaced" or self._clock.now() >= request.expires_at:
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
        now = self._clock.now()
        asked = [request for request in self._requests.values() if request.state == "pending"]
        return [_view(request) for request in asked if now < request.expires_at]

    async def approve(self, user_code: str, grants: Sequence[WantedGrant] | None, consent: Consent) -> Client:
        """The owner says yes.

        Args:
            user_code: as the program showed it.
            grants: what it may do; None takes what it asked for, narrowed, where that is one connection.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 404, 409, 422 naming the grant, 429 after many wrong codes.
        """
        request = self._pending(user_code)
        asking = request.asking
        new = NewClient(name=asking.name, kind=asking.kind, origin=asking.seen.origin)
        request.state = "deciding"  # nobody else decides while the vault is read and written
        try:
            chosen = await self._narrowed(asking.wants) if grants is None else grants
            request.approved = await self._access.admit(new, chosen, consent)
        except BaseException:
            request.state = "pending"
            raise
        for pace in (self._asked, self._asked_by.get(asking.seen.peer)):
            if pace is not None:
                pace.forgive()  # the limit protects the person from being asked in vain; this one was wanted
        self._end(request, "approved")
        return request.approved[0]

    async def _narrowed(self, wants: Sequence[Want]) -> list[WantedGrant]:
        named = [want for want in wants if want.connection is not None]
        if len(named) != 1:
            asked = f"it asks for {len(named)} connections" if named else "it named no connection itself"
            step = Next("Approve with a grant", "meshmesh approve CODE --grant NAME:MODE")
            raise bad_field("grants", f"say what the program may do; {asked}.", next_step=step)
        (want,) = named
        return [await self._access.narrowed(WantedGrant(connection=want.connection or "", mode=want.mode))]

    async def deny(self, user_code: str, *, always: bool = False) -> None:
        """The owner says no.

        Args:
            user_code: as the program showed it.
            always: whether the program is to be turned away from now on, without asking.

        Raises:
            Problem: 404, 409, 429 after many wrong codes.
        """
        request = self._pending(user_code)
        asking = request.asking
        if always:
            await self._refusals.keep(name=asking.name, exe=asking.seen.exe, origin=asking.seen.origin)
            self._pending(user_code)  # nobody has decided while the vault was written
        self._activity.note(OWNER, Deed.PAIRING_DENIED, detail=f"{asking.name} was turned away.")
        self._end(request, "denied")

    def _pending(self, user_code: str) -> _Request:
        now = self._clock.monotonic()
        if wait := self._mistyped.wait(now):
            raise Problem(429, "rate_limited", "Too many wrong codes.", retry_after=math.ceil(wait))
        code = pairing.read_user_code(user_code)
        for request in self._requests.values():
            if secrets.compare_digest(request.user_code.encode(), code.encode()):
                if request.state not in {"pending", "replaced"}:
                    raise Problem(409, "already_decided", "This request was decided already.")
                if request.state == "replaced" or self._clock.now() >= request.expires_at:
                    break
                return request
        else:
            self._mistyped.note(now)
        raise Problem(
            404,
            "not_found",
            f"No program waits with the code {code!r}; codes live five minutes, and a new one ends the last.",
            next_step=Next("See who waits", "meshmesh requests"),
        )

    def _forget_old(self) -> None:
        """Ended requests are kept a while longer, so that a slow program still collects its token or its refusal."""
        limit = self._clock.now() - LIFETIME
        self._requests = {key: request for key, request in self._requests.items() if request.expires_at > limit}


def _view(request: _Request) -> PairingView:
    return PairingView(
        user_code=request.user_code,
        asking=request.asking,
        expires_at=request.expires_at,
        pending=request.state == "pending",
    )


def _slow_down(pace: Pace, now: float, what: str) -> None:
    wait = pace.wait(now)
    if wait:
        raise Problem(429, "rate_limited", f"Too many {what}.", retry_after=math.ceil(wait))
    pace.note(now)


def _hash(device_code: str) -> bytes:
    return hashlib.sha256(device_code.encode("utf-8", "replace")).digest()
