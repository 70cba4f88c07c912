"""An agent asks for a connection: it says what for, the owner picks which org, and the grant is then the agent's.

Requests live in memory and for a quarter of an hour: one that a restart forgets is asked again. A client asks for a
purpose and never for a name, so that asking tells it nothing of what there is.
"""

import asyncio
import math
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

from meshmesh_daemon.core.activity import OWNER, Deed, program
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem, bad_field, not_found
from meshmesh_daemon.usecases.access import DEFAULT_GRANT_DAYS, Access, WantedGrant, check_raw_token
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage.records import Client, Mode

ID_PREFIX = "ask-"  # tells the id from a pairing's code, which is letters only
LIFETIME = timedelta(minutes=15)
MAX_PENDING = 3  # of one client: a person reads them one by one
MAX_ASKS = 10  # of one client in a LIFETIME
GRANT_SECONDS = DEFAULT_GRANT_DAYS * 24 * 3600


class Standing(StrEnum):
    """How a request is; the words of the contract."""

    PENDING = "pending"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a client asks for."""

    purpose: str
    mode: Mode
    raw_token: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessRequest:
    """A request. `mode` and `raw_token` are what was asked for; once approved, what was given."""

    id: str
    client_id: str
    client_name: str
    purpose: str
    mode: Mode
    raw_token: bool
    status: Standing
    connection_id: str | None
    expires_at: datetime

    @property
    def pending(self) -> bool:
        """Whether it waits for the owner."""
        return self.status is Standing.PENDING


Listener = Callable[[AccessRequest], None]


@dataclass(slots=True, eq=False)
class _Entry:
    request: AccessRequest
    wish: Wish
    key: str | None = None
    deciding: bool = False
    ended: asyncio.Event = field(default_factory=asyncio.Event)


class AccessRequests:
    """What clients ask for.

    Args:
        access: where an approved request becomes a grant.
        activity: is told of each request and each denial.
        clock: the time.
    """

    def __init__(self, *, access: Access, activity: Activity, clock: Clock) -> None:
        self._access = access
        self._activity = activity
        self._clock = clock
        self._entries: dict[str, _Entry] = {}
        self._asked: dict[str, list[float]] = {}
        self._listeners: list[Listener] = []
        access.listen(self._see_client)

    def listen(self, listener: Listener) -> None:
        """Be told of each request that is made or decided."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Let everybody go who waits for a decision."""
        for entry in self._entries.values():
            entry.ended.set()

    def ask(self, client: Client, wish: Wish, key: str | None = None) -> AccessRequest:
        """A client asks.

        Args:
            client: who asks.
            wish: what for.
            key: the client's mark (`Idempotency-Key`): asked under it once more, it is the same request.

        Raises:
            Problem: 422 for the real token where it cannot be had, or for a key under which something else was asked;
                429 where the client asks too much.
        """
        check_raw_token("", wish.mode, raw_token=wish.raw_token, origin=client.origin)
        self._forget_old()
        known = self._known(client, wish, key)
        if known is not None:
            return known
        self._limit(client)
        request = AccessRequest(
            id=ID_PREFIX + secrets.token_hex(6),
            client_id=client.id,
            client_name=client.name,
            purpose=wish.purpose,
            mode=wish.mode,
            raw_token=wish.raw_token,
            status=Standing.PENDING,
            connection_id=None,
            expires_at=self._clock.now() + LIFETIME,
        )
        self._entries[request.id] = _Entry(request, wish, key)
        wish_words = wish.mode.value + (" with the access token" if wish.raw_token else "")
        detail = f"{client.name} asks for a connection ({wish_words}): {wish.purpose}"
        self._activity.note(program(client), Deed.ACCESS_REQUESTED, detail=detail)
        self._tell(request)
        return request

    def _known(self, client: Client, wish: Wish, key: str | None) -> AccessRequest | None:
        """The client's request under the same key, as it is now."""
        seen = ((entry, self._seen(entry)) for entry in self._entries.values() if key is not None and entry.key == key)
        own = (one for one in seen if one[1].client_id == client.id and one[1].status is not Standing.EXPIRED)
        entry, request = next(own, (None, None))
        if entry is not None and entry.wish != wish:
            raise bad_field("Idempotency-Key", "was used for another request already.")
        return request

    def _limit(self, client: Client) -> None:
        now, window = self._clock.monotonic(), LIFETIME.total_seconds()
        asked = [moment for moment in self._asked.get(client.id, []) if now - moment < window]
        self._asked[client.id] = asked
        pending = sum(request.client_id == client.id for request in self.waiting())
        if len(asked) >= MAX_ASKS or pending >= MAX_PENDING:
            raise Problem(
                429,
                "rate_limited",
                f"{client.name!r} asks too often: a person must read each request.",
                next_step=Next("Wait for the owner to decide", "meshmesh requests"),
                retry_after=math.ceil(min(asked, default=now) + window - now),
            )
        asked.append(now)

    def waiting(self) -> list[AccessRequest]:
        """The requests that wait for the owner."""
        seen = [self._seen(entry) for entry in self._entries.values()]
        return [request for request in seen if request.status is Standing.PENDING]

    def get(self, request_id: str, client_id: str | None) -> AccessRequest:
        """One request.

        Args:
            request_id: its id.
            client_id: the client that looks, which sees its own only; None for the owner.

        Raises:
            Problem: 404.
        """
        return self._seen(self._entry(request_id, client_id))

    async def wait(self, request_id: str, client_id: str | None, seconds: float) -> AccessRequest:
        """One request, when it is decided or after `seconds`.

        Raises:
            Problem: as `get`.
        """
        entry = self._entry(request_id, client_id)
        left = min(seconds, (entry.request.expires_at - self._clock.now()).total_seconds())
        if left > 0 and not entry.ended.is_set():
            ends = (asyncio.ensure_future(entry.ended.wait()), asyncio.ensure_future(self._clock.sleep(left)))
            try:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for end in ends:
                    end.cancel()
        return self.get(request_id, client_id)

    async def approve(self, request_id: str, wanted: WantedGrant, consent: Consent) -> AccessRequest:
        """The owner says yes, and to which connection; what the client had on that one is replaced.

        Args:
            request_id: the request.
            wanted: the grant; without an end of its own it lives thirty days.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 404, 409 `already_decided`, 410, 422 naming the member.
        """
        entry = self._pending(request_id)
        entry.deciding = True  # nobody else decides while the vault is written
        try:
            wish = replace(wanted, expires_in=wanted.expires_in or GRANT_SECONDS)
            grant = await self._access.extend(entry.request.client_id, wish, consent)
        finally:
            entry.deciding = False
        self._asked.pop(entry.request.client_id, None)  # the limit protects the person; this one was wanted
        given = replace(entry.request, mode=grant.mode, raw_token=grant.raw_token, connection_id=grant.connection_id)
        return self._decide(entry, replace(given, status=Standing.APPROVED))

    def deny(self, request_id: str) -> AccessRequest:
        """The owner says no.

        Raises:
            Problem: 404, 409 `already_decided`, 410.
        """
        entry = self._pending(request_id)
        detail = f"{entry.request.client_name} was given no connection."
        self._activity.note(OWNER, Deed.ACCESS_DENIED, detail=detail)
        return self._decide(entry, replace(entry.request, status=Standing.DENIED))

    def _decide(self, entry: _Entry, decided: AccessRequest) -> AccessRequest:
        entry.request = decided
        entry.ended.set()
        self._tell(decided)
        return decided

    def _pending(self, request_id: str) -> _Entry:
        entry = self._entry(request_id, None)
        status = self._seen(entry).status
        if status is Standing.EXPIRED:
            raise Problem(410, "expired", "This request has expired; requests live a quarter of an hour.")
        if status is not Standing.PENDING or entry.deciding:
            raise Problem(409, "already_decided", "This request was decided already.")
        return entry

    def _entry(self, request_id: str, client_id: str | None) -> _Entry:
        entry = self._entries.get(request_id)
        if entry is None or client_id not in {None, entry.request.client_id}:
            raise not_found("access request", request_id)
        return entry

    def _seen(self, entry: _Entry) -> AccessRequest:
        request = entry.request
        if request.status is Standing.PENDING and self._clock.now() >= request.expires_at:
            return replace(request, status=Standing.EXPIRED)
        return request

    def _tell(self, request: AccessRequest) -> None:
        for listener in self._listeners:
            listener(request)

    def _see_client(self, before: Client, after: Client | None) -> None:
        """With a client go its requests, and whoever waits for one."""
        if after is not None:
            return
        self._asked.pop(before.id, None)
        for request_id, entry in list(self._entries.items()):
            if entry.request.client_id == before.id:
                entry.ended.set()
                del self._entries[request_id]

    def _forget_old(self) -> None:
        """Ended requests are kept a while longer, so that a slow agent still learns how its own ended."""
        limit = self._clock.now() - LIFETIME
        self._entries = {key: entry for key, entry in self._entries.items() if entry.request.expires_at > limit}
