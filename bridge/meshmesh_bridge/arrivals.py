"""Who has arrived: how many TCP connections there may be, and the uid at the other end of each, asked once.

aiohttp has no cap. A connection above it is answered 503 at once and closed, whatever it was about to ask; those that
are there already are not touched.
"""

import asyncio
import json
import socket
from collections import Counter
from collections.abc import Callable

from meshmesh import wire
from meshmesh_bridge.errors import problem_document
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.core.problems import Problem

MAX_TCP = 2048
MAX_OTHER = 64  # connections of any one user who is not the owner; the kernel's "cannot tell" counts as one user
LINGER_SECONDS = 1.0
MAX_LINGERING = 128
RESERVED_FILES = 256  # for the vault, the demo org and the orgs, whatever the callers take

UidOf = Callable[[socket.socket | None], int | None]


class Arrivals:
    """The TCP connections that are open now.

    Args:
        owner_uid: the user who has no cap of their own.
        uid_of: looks up the peer's uid of a connection, once.
        files: how many files this process may open.
    """

    def __init__(self, *, owner_uid: int, uid_of: UidOf, files: int) -> None:
        self._owner_uid = owner_uid
        self._uid_of = uid_of
        self._most = max(min(MAX_TCP, files - RESERVED_FILES), 1)
        self._uids: dict[asyncio.BaseTransport, int | None] = {}
        self._by_uid: Counter[int | None] = Counter()
        self._heard_nothing: list[Callable[[], None]] = []
        self.lingering = 0

    def arrive(self, transport: asyncio.BaseTransport) -> bool:
        """A connection is there; False where it is one too many. The owner's socket is not counted."""
        sock: socket.socket | None = transport.get_extra_info("socket")
        if sock is None or sock.family == socket.AF_UNIX:
            return True
        uid = self._uid_of(sock)
        most = self._most if self.is_own(uid) else MAX_OTHER
        if len(self._uids) >= self._most or self._by_uid[uid] >= most:
            return False
        self._uids[transport] = uid
        self._by_uid[uid] += 1
        return True

    def leave(self, transport: asyncio.BaseTransport, *, silent: bool = False) -> None:
        """A connection is gone; `silent` says that nothing was asked on it."""
        if transport in self._uids:
            uid = self._uids.pop(transport)
            self._by_uid[uid] -= 1
            if not self._by_uid[uid]:
                del self._by_uid[uid]
            if silent and (uid is None or self.is_own(uid)):  # who leaves at once is often gone before it is looked up
                for tell in self._heard_nothing:
                    tell()

    def listen(self, heard_nothing: Callable[[], None]) -> None:
        """From now on tell of each connection that ends without a request, but for other users'."""
        self._heard_nothing.append(heard_nothing)

    def is_own(self, uid: int | None) -> bool:
        """Whether a peer is the owner's user; where the platform cannot tell at all, each one is (see SECURITY.md)."""
        return uid == self._owner_uid or not peers.CAN_TELL_UID

    def is_owners(self, transport: asyncio.BaseTransport) -> bool:
        """Whether a connection came over TCP, from the owner's user."""
        return transport in self._uids and self.is_own(self._uids[transport])

    def uid(self, transport: asyncio.BaseTransport | None) -> int | None:
        """The peer's uid; None where it is not known, or the connection is gone."""
        return self._uids.get(transport) if transport else None


class TurnedAway(asyncio.Protocol):
    """A connection too many: told so, and closed without a reset that would swallow the answer.

    Args:
        arrivals: counts those that are still being told.
        transport: the connection, which this protocol takes over.
    """

    def __init__(self, arrivals: Arrivals, transport: asyncio.Transport) -> None:
        self._arrivals = arrivals
        arrivals.lingering += 1
        transport.set_protocol(self)
        transport.write(_REFUSAL)
        if arrivals.lingering > MAX_LINGERING:
            transport.abort()
            self._timer = None
            return
        transport.write_eof()
        self._timer = asyncio.get_running_loop().call_later(LINGER_SECONDS, transport.abort)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the protocol's signature
        """It is gone."""
        self._arrivals.lingering -= 1
        if self._timer is not None:
            self._timer.cancel()


def _refusal() -> bytes:
    problem = Problem(503, wire.Code.RATE_LIMITED, "Too many programs are connected. Try again in a moment.")
    body = json.dumps(problem_document(problem)).encode()
    head = (
        "HTTP/1.1 503 Service Unavailable\r\n"
        f"Content-Type: {wire.PROBLEM_CONTENT_TYPE}\r\n"
        f"Content-Length: {len(body)}\r\n"
        "Retry-After: 1\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_REFUSAL = _refusal()
