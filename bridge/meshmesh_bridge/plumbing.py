"""What aiohttp does around our handlers, put right.

No `Server` header, no bytes of a bad request in the log or the answer, a cap on connections.

aiohttp answers a request that does not parse by itself: no middleware and no signal runs, the offending header's
bytes go to the log and are echoed. `QuietHandler` is the one place where that is replaced.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import cast

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_urldispatcher import MatchInfoError, UrlMappingMatchInfo

from meshmesh_bridge.arrivals import Arrivals, TurnedAway
from meshmesh_bridge.cors import CORS_ORIGIN, answer_headers
from meshmesh_daemon.core.problems import Problem

log = logging.getLogger("meshmesh.http")

ARRIVALS: web.AppKey[Arrivals] = web.AppKey("arrivals", Arrivals)

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}


async def finish_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """The `on_response_prepare` signal: what every answer of ours carries, and the one header it does not."""
    response.headers.popall(hdrs.SERVER, None)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    origin = request.get(CORS_ORIGIN)
    if origin is not None:
        response.headers.update(answer_headers(origin))


class _BareResponse(web.Response):
    """A response that leaves without the `Server` header even where no signal runs."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


class Nowhere(MatchInfoError):
    """No such address, or not with this method, or not now; whoever asks whether to send a body there gets the refusal alone."""

    @property
    def expect_handler(self) -> Callable[[web.Request], Awaitable[web.StreamResponse | None]]:
        """Says nothing: aiohttp's own would answer 100, and then 404."""
        return _no_invitation


async def _no_invitation(_request: web.Request) -> None:
    return None


class QuietDispatcher(web.UrlDispatcher):
    """Finds handlers as aiohttp's own does, and asks for no body where there is none."""

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        """The handler of a request, or the refusal."""
        match = await super().resolve(request)
        return match if match.http_exception is None else Nowhere(match.http_exception)


class QuietHandler(RequestHandler):
    """The connection's protocol: counted, and with an error answer that repeats nothing of the request.

    Its server sets `arrivals`, since aiohttp makes it with settings of its own.
    """

    __slots__ = ("_arrived", "arrivals")

    arrivals: Arrivals
    _arrived: asyncio.BaseTransport | None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or hand the connection to who turns it away."""
        self._arrived = transport if self.arrivals.arrive(transport) else None
        if self._arrived is None:
            log.warning("a connection was turned away: there are too many")
            TurnedAway(self.arrivals, cast("asyncio.Transport", transport))
            return
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        if self._arrived is not None:
            self.arrivals.leave(self._arrived, silent=not self._request_count)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002 - it quotes the request, so it is left out
    ) -> web.StreamResponse:
        """One line in the log without the request's bytes, one sentence in the answer."""
        log.warning("request refused before it reached a handler: %d %s", status, type(exc).__name__)
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was already under way")
        response = _BareResponse(status=status, text=f"{HTTPStatus(status).phrase}\n", headers=SECURITY_HEADERS.copy())
        response.force_close()
        return response

    def log_exception(self, *_args: object, **_kwargs: object) -> None:
        """aiohttp's own traceback would hold the offending bytes; the class of the error is enough."""
        log.warning("a connection ended with an error")


class QuietServer(web.Server):
    """A server that makes `QuietHandler`s.

    Args:
        arrivals: counts connections.
        made: the server that aiohttp would have used.
    """

    def __init__(self, arrivals: Arrivals, made: web.Server) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # pyright: ignore[reportPrivateUsage]  # aiohttp has no public way to its own handler
        )
        self._arrivals = arrivals

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        handler = QuietHandler(self, loop=self._loop, **self._kwargs)
        handler.arrivals = self._arrivals
        return handler


class QuietRunner(web.AppRunner):
    """An `AppRunner` on a `QuietServer`; the application says where arrivals are counted."""

    async def _make_server(self) -> web.Server:
        return QuietServer(self.app[ARRIVALS], await super()._make_server())


def access_line(request: web.Request, status: int, seconds: float) -> None:
    """One line a request: method, route, status, time. Never the address itself, which may hold a name, or a header."""
    level = logging.INFO if status >= HTTPStatus.BAD_REQUEST else logging.DEBUG
    if not log.isEnabledFor(level):
        return
    resource = request.match_info.route.resource
    log.log(level, "%s %s %d %.1f ms", request.method, resource.canonical if resource else "-", status, seconds * 1000)


def http_problem(error: web.HTTPException) -> Problem:
    """aiohttp's own refusals (no such route, wrong method, body too large) in our words."""
    if error.status == HTTPStatus.NOT_FOUND:
        return Problem(404, "not_found", "There is nothing at this address.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem(405, "method_not_allowed", f"This address takes: {allowed}.")
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        return Problem(503, "offline", "This part of the service cannot be loaded just now.", retry_after=1)
    return Problem(error.status, "bad_request", HTTPStatus(error.status).phrase)
