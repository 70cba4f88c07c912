"""What the header lines of a request say of who asks, and of its form. Whether they are believed is the guard's affair."""

import socket
from dataclasses import dataclass, field

from aiohttp import hdrs, web

from meshmesh import wire
from meshmesh_bridge.handles import handle_in_line
from meshmesh_daemon.core.problems import Problem

MAX_HEADER_BYTES = 64 * 1024  # aiohttp limits each field, not their sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What was read in the lines. A list has what stands there more than once, which is refused where it matters.

    `is_unix` says that they came in at the owner's socket. `bearer` is a pairing token as our own API takes it, `handle`
    one as the broker does (see `handle_in_line`).
    """

    is_unix: bool
    is_chunked: bool
    hosts: list[str]
    origins: list[str]
    fetch_site: str
    bearer: str | None = field(repr=False)
    handle: str | None = field(repr=False)
    sessions: list[str] = field(repr=False)


def read_head(request: web.Request) -> Head:
    """Read them.

    Raises:
        Problem: 400 or 431 for a form that is refused whatever is asked for.
    """
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEADER_BYTES:
        raise Problem(431, wire.Code.TOO_LARGE, "The headers are too long.")
    headers = request.headers
    line = headers.get(hdrs.AUTHORIZATION, "")
    encodings = headers.getall(hdrs.TRANSFER_ENCODING, [])
    if encodings and encodings != ["chunked"]:
        raise only_chunked()
    if len(headers.getall(hdrs.AUTHORIZATION, [])) > 1:
        raise Problem(400, wire.Code.BAD_REQUEST, "Send one Authorization header.")
    return Head(
        is_unix=_is_unix(request),
        is_chunked=bool(encodings),
        hosts=headers.getall(hdrs.HOST, []),
        origins=headers.getall(hdrs.ORIGIN, []),
        fetch_site=headers.get("Sec-Fetch-Site", "none"),
        bearer=_bearer(line),
        handle=handle_in_line(line),
        sessions=headers.getall(wire.HEADER_SESSION, []),
    )


def only_chunked() -> Problem:
    """The refusal of a body in a form that two readers could read in two ways."""
    return Problem(400, wire.Code.BAD_REQUEST, "Only 'chunked' is taken as Transfer-Encoding, on HTTP/1.1.")


def peer_of(request: web.Request) -> socket.socket | None:
    """The socket of a request's connection; None once it is gone."""
    sock: object = request.get_extra_info("socket")
    # asyncio hands out a TransportSocket; the kernel calls take its file descriptor's family and names alike
    return sock if sock is not None else None  # type: ignore[return-value]


def _is_unix(request: web.Request) -> bool:
    sock = peer_of(request)
    return sock is not None and sock.family == socket.AF_UNIX


def _bearer(line: str) -> str | None:
    scheme, _, token = line.partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
