"""The guard: one pass in front of every handler that decides who is asking, or refuses.

The loopback is a public place. In order: the HTTP form of the request, the `Host` (DNS rebinding), `Origin` and
`Sec-Fetch-Site` (other sites in a browser), the peer's uid (other users), the credential, what the route needs.
Nothing here trusts `request.host` or `request.url`: aiohttp fills them from an absolute-form target.
"""

import asyncio
import os
import socket
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import StrEnum

from aiohttp import hdrs, web

from meshmesh import wire
from meshmesh_bridge.broker import handle_of
from meshmesh_bridge.caller import CALLER, Caller, CallerKind, Door
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_storage.records import Client

EXTENSION_SCHEMES = ("chrome-extension://", "moz-extension://")
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_HEADER_BYTES = 64 * 1024  # aiohttp limits each field, not their sum


class Need(StrEnum):
    """What a route asks of its caller."""

    OPEN = "open"
    PAGE = "page"  # open, and a person's browser may navigate to it from anywhere
    PAIR = "pair"  # open, and browser extensions may call it
    CLIENT = "client"
    OWNER = "owner"
    BROKER = "broker"  # a client that names itself with a handle


Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One line of the API: where, who, and the handler."""

    method: str
    path: str
    need: Need
    handler: Handler


class Guard:
    """Judges requests.

    Args:
        port: gives the TCP port, once the doors are open.
        authenticate: a pairing token's client, or None.
        owner_uid: the user whose house this is.
    """

    def __init__(
        self, *, port: Callable[[], int], authenticate: Callable[[str], Client | None], owner_uid: int
    ) -> None:
        self._port = port
        self._authenticate = authenticate
        self._owner_uid = owner_uid
        self._peer_uids: weakref.WeakKeyDictionary[asyncio.BaseTransport, int | None] = weakref.WeakKeyDictionary()

    def admit(self, request: web.Request, need: Need) -> Caller:
        """Who is asking.

        Raises:
            Problem: 400, 401, 403, 405, 417 or 421; nothing was changed.
        """
        unix = _is_unix(request)
        self._check_form(request)
        if not unix:
            self._check_host(request)
        origin = self._check_origin(request, need)
        client = self._client(request, need, origin)
        caller = self._unix_caller(request, client) if unix else self._tcp_caller(request, client, origin)
        _check_need(caller, need)
        request[CALLER] = caller
        return caller

    def _check_form(self, request: web.Request) -> None:
        if request.method not in METHODS:
            raise Problem(405, wire.Code.METHOD_NOT_ALLOWED, f"{request.method[:20]} is not a method here.")
        if not request.raw_path.startswith("/") or request.raw_path.startswith("//"):
            raise Problem(400, wire.Code.BAD_REQUEST, "The request target must begin with one slash.")
        if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES:
            raise Problem(431, wire.Code.TOO_LARGE, "The headers are too long.")
        encodings = request.headers.getall(hdrs.TRANSFER_ENCODING, [])
        if encodings and (encodings != ["chunked"] or request.version < (1, 1)):
            raise Problem(400, wire.Code.BAD_REQUEST, "Only 'chunked' is taken as Transfer-Encoding, on HTTP/1.1.")
        if request.method in {hdrs.METH_GET, hdrs.METH_HEAD} and request.can_read_body:
            raise Problem(400, wire.Code.BAD_REQUEST, f"A {request.method} request has no body here.")
        if len(request.headers.getall(hdrs.AUTHORIZATION, [])) > 1:
            raise Problem(400, wire.Code.BAD_REQUEST, "Send one Authorization header.")

    def _check_host(self, request: web.Request) -> None:
        if request.version < (1, 1):
            raise Problem(400, wire.Code.BAD_REQUEST, "Speak HTTP/1.1 here.")
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or hosts[0] not in self._own_hosts():
            raise Problem(
                421,
                wire.Code.WRONG_HOST,
                f"This service answers to localhost:{self._port()} only.",
                next_step=Next("Use the local address", url=f"http://localhost:{self._port()}/"),
            )

    def _own_hosts(self) -> tuple[str, ...]:
        port = self._port()
        return (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}")

    def _check_origin(self, request: web.Request, need: Need) -> str | None:
        """The extension's origin if one asks; our own pages and programs give None.

        A missing Origin proves nothing (images, no-cors and navigations send none), so Sec-Fetch-Site is judged too.
        """
        origins = request.headers.getall(hdrs.ORIGIN, [])
        site = request.headers.get("Sec-Fetch-Site", "none")
        if need is Need.PAGE and _is_navigation(request):
            return None
        refusal = Problem(403, wire.Code.ORIGIN_REFUSED, "Web pages may not use this service.")
        if len(origins) > 1:
            raise refusal
        if not origins:
            if site not in {"none", "same-origin"}:
                raise refusal
            return None
        if origins[0] in {f"http://{host}" for host in self._own_hosts()}:
            if site not in {"none", "same-origin"}:
                raise refusal
            return None
        if need is Need.PAIR and origins[0].startswith(EXTENSION_SCHEMES):
            return origins[0]
        if need in {Need.CLIENT, Need.BROKER} and origins[0].startswith(EXTENSION_SCHEMES):
            return origins[0]  # believed only together with a pairing token that is bound to it: see _client
        raise refusal

    def _client(self, request: web.Request, need: Need, origin: str | None) -> Client | None:
        token = _credential(request, need)
        client = self._authenticate(token) if token else None
        if token and client is None and need is not Need.PAGE:
            raise Problem(
                401,
                wire.Code.UNKNOWN_CREDENTIAL,
                "This pairing token is not known, or has ended.",
                next_step=Next("Pair this program again", command="meshmesh pair NAME"),
            )
        if origin and need is not Need.PAIR and (client is None or client.origin != origin):
            raise Problem(403, wire.Code.ORIGIN_REFUSED, "This extension is not paired.")
        if client and client.origin and request.headers.get(hdrs.ORIGIN, client.origin) != client.origin:
            raise Problem(403, wire.Code.ORIGIN_REFUSED, "This pairing token belongs to another extension.")
        return client

    def _unix_caller(self, request: web.Request, client: Client | None) -> Caller:
        peer = peers.unix_peer(_socket(request))
        if peer is None or peer.uid != self._owner_uid:
            raise Problem(403, wire.Code.NOT_ALLOWED, "This socket is the owner's.")
        kind = CallerKind.CLIENT if client else CallerKind.OWNER
        return Caller(kind=kind, door=Door.UNIX, client=client, uid=peer.uid, pid=peer.pid, own_uid=True)

    def _tcp_caller(self, request: web.Request, client: Client | None, origin: str | None) -> Caller:
        uid = self._tcp_uid(request)
        own = uid == self._owner_uid
        if client is None or not own:
            return Caller(kind=CallerKind.OPEN, door=Door.TCP, uid=uid, origin=origin, own_uid=own)
        return Caller(kind=CallerKind.CLIENT, door=Door.TCP, client=client, uid=uid, origin=origin, own_uid=own)

    def _tcp_uid(self, request: web.Request) -> int | None:
        transport = request.transport
        if transport is None:
            return None
        if transport not in self._peer_uids:
            self._peer_uids[transport] = peers.tcp_peer_uid(_socket(request))
        return self._peer_uids[transport]


def _check_need(caller: Caller, need: Need) -> None:
    if need in {Need.OPEN, Need.PAGE}:
        return
    if need is Need.PAIR:
        if not caller.own_uid:
            raise Problem(403, wire.Code.NOT_ALLOWED, "Only programs of this service's own user can pair.")
        return
    if need is Need.OWNER and not caller.is_owner:
        if caller.kind is CallerKind.CLIENT:
            raise Problem(403, wire.Code.OWNER_ONLY, "Only the owner can do this; a paired program cannot.")
        raise Problem(
            401,
            wire.Code.NO_CREDENTIAL,
            "Only the owner can do this, over the UNIX socket.",
            next_step=Next("Use the command line", command="meshmesh --help"),
        )
    if caller.kind is CallerKind.OPEN or (need is Need.BROKER and caller.client is None):
        raise Problem(
            401,
            wire.Code.NO_CREDENTIAL,
            "This needs a pairing token.",
            next_step=Next("Pair this program", command="meshmesh pair NAME"),
        )


def _credential(request: web.Request, need: Need) -> str | None:
    if need is Need.BROKER:
        return handle_of(request.headers, request.query)
    scheme, _, token = request.headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _is_navigation(request: web.Request) -> bool:
    """A person's browser that goes to a page, from wherever: the fetch metadata of a top-level GET."""
    return (
        request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
        and request.headers.get("Sec-Fetch-Mode") == "navigate"
        and request.headers.get("Sec-Fetch-Dest") == "document"
    )


def _socket(request: web.Request) -> socket.socket | None:
    sock: object = request.get_extra_info("socket")
    # asyncio hands out a TransportSocket; the kernel calls take its file descriptor's family and names alike
    return sock if sock is not None else None  # type: ignore[return-value]


def _is_unix(request: web.Request) -> bool:
    sock = _socket(request)
    return sock is not None and sock.family == socket.AF_UNIX


def owner_uid() -> int:
    """The user that this process runs as."""
    return os.getuid()
