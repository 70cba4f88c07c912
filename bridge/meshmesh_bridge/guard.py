"""The guard: one pass in front of every handler that decides who is asking, or refuses.

The loopback is a public place. In order: the HTTP form of the request, the `Host` (DNS rebinding), `Origin` and
`Sec-Fetch-Site` (other sites in a browser), the peer's uid (other users), the credential, what the route needs.
Nothing here trusts `request.host` or `request.url`: aiohttp fills them from an absolute-form target.
"""

import asyncio
import os
import weakref
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import lru_cache
from typing import TYPE_CHECKING

from aiohttp import hdrs, web

from meshmesh import wire
from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.caller import CALLER, Caller, CallerKind, Door
from meshmesh_bridge.cors import CORS_ORIGIN, EXTENSION, preflight_answer
from meshmesh_bridge.handles import handle_elsewhere, may_stand_in_body
from meshmesh_bridge.heads import Head, only_chunked, peer_of, read_head
from meshmesh_bridge.per_head import PerHead
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.core.pairing import is_token
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_storage.records import Client

if TYPE_CHECKING:
    from meshmesh_bridge.answers import Answer
    from meshmesh_bridge.declared import Body

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_BODILESS = frozenset({"GET", "HEAD", "OPTIONS"})


class Need(StrEnum):
    """What a route asks of its caller."""

    OPEN = "open"
    PAGE = "page"  # open, and a person's browser may navigate to it from anywhere
    FORM = "form"  # what our own pages send, from a browser of the owner's user
    PAIR = "pair"  # open, and browser extensions may call it
    CLIENT = "client"
    OWNER = "owner"
    BROKER = "broker"  # a client that names itself with a handle


_FOR_PAIRED_EXTENSIONS = frozenset({Need.OPEN, Need.CLIENT, Need.BROKER})

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the API: where, who, the handler, and what it takes and gives.

    `refuses` are the statuses of refusals beside those that follow from the rest, such as 401 and 422. `waits` says that
    it minds `Prefer: wait=N`.
    """

    method: str
    path: str
    need: Need
    handler: Handler
    body: "Body | None" = None
    query: "Body" = ()
    answers: "Mapping[int, Answer]" = field(default_factory=dict[int, "Answer"])
    refuses: frozenset[int] = frozenset()
    waits: bool = False


class Guard:
    """Judges requests.

    Args:
        port: gives the TCP port, once the doors are open.
        arrivals: knows the uid at the other end of a TCP connection.
        authenticate: a pairing token's client, or None.
        is_dashboard: whether a session of the owner's dashboard is live.
        is_paired: whether a client of this origin, an extension's, exists.
        client_of_process: the client that `exec` minted for a process, or None.
        owner_uid: the user whose house this is.
    """

    def __init__(
        self,
        *,
        port: Callable[[], int],
        arrivals: Arrivals,
        authenticate: Callable[[str], Client | None],
        is_dashboard: Callable[[str], bool],
        is_paired: Callable[[str], bool],
        client_of_process: Callable[[int], Client | None],
        owner_uid: int,
    ) -> None:
        self._port = port
        self._arrivals = arrivals
        self._authenticate = authenticate
        self._is_dashboard = is_dashboard
        self._is_paired = is_paired
        self._client_of_process = client_of_process
        self._owner_uid = owner_uid
        self._heads = PerHead(read_head)
        self._ancestors: weakref.WeakKeyDictionary[asyncio.BaseTransport, tuple[int, ...]] = weakref.WeakKeyDictionary()

    def admit(self, request: web.Request, need: Need) -> Caller:
        """Who is asking.

        Raises:
            Problem: 400, 401, 403, 405, 417 or 421; nothing was changed.
        """
        head = self._formed(request)
        if not head.is_unix:
            self._check_host(request, head)
        origin = self._check_origin(request, need, head)
        client = self._client(request, need, head, origin)
        if head.is_unix:
            caller = self._unix_caller(request, client)
        else:
            caller = self._tcp_caller(request, need, head, client, origin)
        if not _says_later(request, caller, need):
            _check_need(caller, need)
        request[CALLER] = caller
        return caller

    def preflight(self, request: web.Request, need: Need | None) -> web.Response:
        """The answer to an OPTIONS request, which is a browser's preflight or nothing.

        Args:
            request: the preflight.
            need: of the route for the method that is asked for; None where there is none.

        Raises:
            Problem: 400, 403, 405 or 421.
        """
        head = self._formed(request)
        if head.is_unix or hdrs.ACCESS_CONTROL_REQUEST_METHOD not in request.headers:
            raise Problem(405, wire.Code.METHOD_NOT_ALLOWED, "OPTIONS is answered as a browser's preflight only.")
        self._check_host(request, head)
        own = self._arrivals.is_own(self._arrivals.uid(request.transport))
        if need is None or not own or self._check_origin(request, need, head) is None:
            raise _origin_refused()
        return preflight_answer(request, request.headers[hdrs.ACCESS_CONTROL_REQUEST_METHOD])

    def _formed(self, request: web.Request) -> Head:
        """What stands in the head of a request that has one form only."""
        if request.method not in METHODS:
            raise Problem(405, wire.Code.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not a method here.")
        if not request.raw_path.startswith("/") or request.raw_path.startswith("//"):
            raise Problem(400, wire.Code.BAD_REQUEST, "The request target must begin with one slash.")
        head = self._heads.of(request)
        if head.is_chunked and request.version < (1, 1):
            raise only_chunked()
        if request.method in _BODILESS and request.can_read_body:
            raise Problem(400, wire.Code.BAD_REQUEST, f"A {request.method} request has no body here.")
        return head

    def _check_host(self, request: web.Request, head: Head) -> None:
        if request.version < (1, 1):
            raise Problem(400, wire.Code.BAD_REQUEST, "Speak HTTP/1.1 here.")
        if len(head.hosts) != 1 or head.hosts[0] not in _own_hosts(self._port()):
            raise Problem(
                421,
                wire.Code.WRONG_HOST,
                f"This service answers to localhost:{self._port()} only.",
                next_step=Next("Use the local address", url=f"http://localhost:{self._port()}/"),
            )

    def _check_origin(self, request: web.Request, need: Need, head: Head) -> str | None:
        """The extension's origin if one asks; our own pages and programs give None.

        A missing Origin proves nothing (images, no-cors and navigations send none), so Sec-Fetch-Site is judged too.
        """
        if need is Need.PAGE and _is_navigation(request):
            return None
        origins = head.origins
        if len(origins) > 1:
            raise _origin_refused()
        if not origins or origins[0] in _own_origins(self._port()):
            if head.fetch_site not in {"none", "same-origin"}:
                raise _origin_refused()
            return None
        if not self._is_extension(origins[0], need):
            raise _origin_refused()
        request[CORS_ORIGIN] = origins[0]
        return origins[0]

    def _is_extension(self, origin: str, need: Need) -> bool:
        if not EXTENSION.fullmatch(origin):
            return False
        return need is Need.PAIR or (need in _FOR_PAIRED_EXTENSIONS and self._is_paired(origin))

    def _client(self, request: web.Request, need: Need, head: Head, origin: str | None) -> Client | None:
        token = _credential(request, need, head)
        client = self._authenticate(token) if token else None
        if token and client is None and need is not Need.PAGE:
            raise _unknown(token)
        if client and origin and client.origin != origin:
            raise Problem(403, wire.Code.ORIGIN_REFUSED, "This pairing token belongs to another program.")
        if client and client.origin and head.origins and head.origins[0] != client.origin:
            raise Problem(403, wire.Code.ORIGIN_REFUSED, "This pairing token belongs to an extension.")
        return client

    def _unix_caller(self, request: web.Request, client: Client | None) -> Caller:
        peer = peers.unix_peer(peer_of(request))
        if peer is None or peer.uid != self._owner_uid:
            raise Problem(403, wire.Code.NOT_ALLOWED, "This socket is the owner's.")
        client = client or self._descended_from(request, peer.pid)
        kind = CallerKind.CLIENT if client else CallerKind.OWNER
        return Caller(kind=kind, door=Door.UNIX, client=client, uid=peer.uid, pid=peer.pid, own_uid=True)

    def _descended_from(self, request: web.Request, pid: int) -> Client | None:
        """The client that the caller is by descent: a child of `exec` is no owner, whether it shows its token or not."""
        transport = request.transport
        if transport is None:
            return None
        if transport not in self._ancestors:
            known = peers.ancestors(pid)
            if known is None and peers.CAN_TELL_UID:  # whoever holds its end now could be anybody's child
                raise Problem(403, wire.Code.NOT_ALLOWED, "The process that opened this connection is gone.")
            self._ancestors[transport] = known or ()
        found = (self._client_of_process(ancestor) for ancestor in self._ancestors[transport])
        return next((client for client in found if client), None)

    def _tcp_caller(
        self, request: web.Request, need: Need, head: Head, client: Client | None, origin: str | None
    ) -> Caller:
        uid = self._arrivals.uid(request.transport)
        own = self._arrivals.is_own(uid)
        kind, session = CallerKind.OPEN, None
        if client is not None and own:
            kind = CallerKind.CLIENT
        elif client is None and own and origin is None and need is not Need.PAGE:
            session = self._session(head.sessions)
            kind = CallerKind.OPEN if session is None else CallerKind.OWNER
        return Caller(
            kind=kind,
            door=Door.TCP,
            client=client if kind is CallerKind.CLIENT else None,
            uid=uid,
            origin=origin,
            own_uid=own,
            session=session,
        )

    def _session(self, sessions: list[str]) -> str | None:
        """The session of the owner's dashboard, where it asks; what is no session any more is said, since its page must then end.

        A pairing token beside it makes the caller that client, an extension's origin or another uid nobody: for them
        this is not asked. What a page may be navigated to knows no owner.
        """
        if sessions and not (len(sessions) == 1 and self._is_dashboard(sessions[0])):
            raise Problem(
                401,
                wire.Code.UNKNOWN_CREDENTIAL,
                "This dashboard session is not known, or has ended.",
                next_step=Next("Open the dashboard again", command="meshmesh open"),
            )
        return sessions[0] if sessions else None


@lru_cache(maxsize=4)
def _own_hosts(port: int) -> frozenset[str]:
    return frozenset((f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"))


@lru_cache(maxsize=4)
def _own_origins(port: int) -> frozenset[str]:
    return frozenset(f"http://{host}" for host in _own_hosts(port))


def _origin_refused() -> Problem:
    return Problem(403, wire.Code.ORIGIN_REFUSED, "Web pages may not use this service.")


def _unknown(token: str) -> Problem:
    """The refusal of a token that nobody has; that it is no whole one is worth a look at where it was copied from."""
    detail = "This pairing token is not known, or has ended."
    if not is_token(token):
        detail = "This is no pairing token: it was cut short or mistyped, or is another secret."
    step = Next("Pair this program again", command="meshmesh pair NAME")
    return Problem(401, wire.Code.UNKNOWN_CREDENTIAL, detail, next_step=step)


def _check_need(caller: Caller, need: Need) -> None:
    if need in {Need.OPEN, Need.PAGE}:
        return
    if need in {Need.PAIR, Need.FORM}:
        if not (caller.own_uid or caller.door is Door.UNIX):
            raise Problem(403, wire.Code.NOT_ALLOWED, "Only programs of this service's own user can do this.")
        return
    if need is Need.OWNER and not caller.is_owner:
        if caller.kind is CallerKind.CLIENT:
            raise Problem(403, wire.Code.OWNER_ONLY, "Only the owner can do this; a paired program cannot.")
        raise Problem(
            401,
            wire.Code.NO_CREDENTIAL,
            "Only the owner can do this, over the UNIX socket or in the dashboard.",
            next_step=Next("Use the command line", command="meshmesh --help"),
        )
    if caller.kind is CallerKind.OPEN or (need is Need.BROKER and caller.client is None):
        raise Problem(
            401,
            wire.Code.NO_CREDENTIAL,
            "This needs a pairing token.",
            next_step=Next("Pair this program", command="meshmesh pair NAME"),
        )


def _says_later(request: web.Request, caller: Caller, need: Need) -> bool:
    """Whether a program of the owner's user may still say in its body who it is: the broker looks there."""
    own = caller.own_uid and caller.origin is None
    return need is Need.BROKER and caller.client is None and own and may_stand_in_body(request)


def _credential(request: web.Request, need: Need, head: Head) -> str | None:
    if need is not Need.BROKER:
        return head.bearer
    return head.handle if head.handle is not None else handle_elsewhere(request.headers, request.query)


def _is_navigation(request: web.Request) -> bool:
    """A person's browser that goes to a page, from wherever: the fetch metadata of a top-level GET."""
    return (
        request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )


def owner_uid() -> int:
    """The user that this process runs as."""
    return os.getuid()
