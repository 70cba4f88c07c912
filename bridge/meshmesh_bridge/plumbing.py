"""What aiohttp does around our handlers, put right.

No `Server` header, no bytes of a bad request in the log or the answer, a cap on connections.

aiohttp answers a request that does not parse by itself: no middleware and no signal runs, the offending header's
bytes go to the log and are echoed. `QuietHandler` is the one place where that is replaced.
"""

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import cast

from aiohttp import hdrs, web
from aiohttp.streams import EMPTY_PAYLOAD
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest
from aiohttp.web_urldispatcher import MatchInfoError, UrlMappingMatchInfo
from multidict import istr

from meshmesh_bridge.arrivals import Arrivals, TurnedAway
from meshmesh_bridge.cors import CORS_ORIGIN, answer_headers
from meshmesh_bridge.house import HOUSE, House
from meshmesh_bridge.repeats import REPEATABLE, Repetition
from meshmesh_daemon.core.problems import Problem

log = logging.getLogger("meshmesh.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_BELOW = re.compile(r"/(?P<word>\w+)/[^{}/]+/.*")  # what aiohttp takes for `/word/{name}/{tail:.*}`

ARRIVALS: web.AppKey[Arrivals] = web.AppKey("arrivals", Arrivals)

SECURITY_HEADERS = {
    istr("Cache-Control"): "no-store",
    istr("X-Content-Type-Options"): "nosniff",
    istr("Referrer-Policy"): "no-referrer",
    istr("Cross-Origin-Resource-Policy"): "same-origin",
    istr("Content-Security-Policy"): "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
}


async def finish_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """The `on_response_prepare` signal: what every answer of ours carries, and the one header it does not."""
    headers = response.headers
    headers.popall(hdrs.SERVER, None)
    for name, value in SECURITY_HEADERS.items():
        headers.setdefault(name, value)
    origin = request.get(CORS_ORIGIN)
    if origin is not None:
        headers.update(answer_headers(origin))
    _learn(request, response)


def _learn(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Know a request the next time, where its handler says that the answer may be given again; a refusal never is."""
    wish, protocol = request.get(REPEATABLE), request.protocol
    if wish is None or request.method != hdrs.METH_GET or response.status != HTTPStatus.OK or not response.keep_alive:
        return
    if not isinstance(protocol, QuietHandler) or not protocol.heard:
        return
    rooms = protocol.house.rooms_if_open
    if rooms is not None and not log.isEnabledFor(logging.DEBUG):  # a line for each request is wished for
        rooms.repeats.learn(protocol.heard, Repetition(wish.judge, response))


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
    """Finds handlers as aiohttp's own does, and asks for no body where there is none.

    A route that takes everything below a name, `/word/{name}/{tail:.*}` with any method, is found by its word, where
    aiohttp would ask for each part of the address whether a route ends there. Its handler reads the address itself.
    """

    def __init__(self) -> None:
        super().__init__()
        self._below: dict[str, web.AbstractRoute] = {}

    def add_route(
        self,
        method: str,
        path: str,
        handler: Handler | type[web.View],
        *,
        name: str | None = None,
        expect_handler: Callable[[web.Request], Awaitable[web.StreamResponse | None]] | None = None,
    ) -> web.AbstractRoute:
        """Add a route, as `web.UrlDispatcher.add_route` does."""
        route = super().add_route(method, path, handler, name=name, expect_handler=expect_handler)
        word, _, rest = path[1:].partition("/")
        if rest == "{name}/{tail:.*}" and method == hdrs.METH_ANY:
            self._below[word] = route
        return route

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        """The handler of a request, or the refusal."""
        below = _BELOW.fullmatch(request.rel_url.path_safe) if self._below else None
        route = self._below.get(below["word"]) if below is not None else None
        if route is not None:
            return UrlMappingMatchInfo({}, route)
        match = await super().resolve(request)
        return match if match.http_exception is None else Nowhere(match.http_exception)


class QuietHandler(RequestHandler):
    """The connection's protocol: counted, quick with what it has heard before, and with an error answer that repeats
    nothing of the request.

    Its server sets `arrivals` and `house`, since aiohttp makes it with settings of its own. `heard` is the request under
    way as it came, where it came alone, in one piece and without a body; else it is empty.

    Invariant: bytes are kept from the parser only between two requests, so that it never misses a part of one; and
    only one request of a connection is answered at a time, in the order in which they came.
    """

    __slots__ = ("_answered", "_arrived", "_held", "_own", "_whole", "arrivals", "heard", "house")

    _request_count: int  # aiohttp's own, as are all that are not declared here
    arrivals: Arrivals
    house: House
    heard: bytes
    _arrived: asyncio.BaseTransport | None
    _own: bool  # over TCP, and of the owner's user
    _whole: bool  # the parser holds no part of a request
    _answered: asyncio.Future[None] | None  # while a repetition is under way
    _held: bytes  # what came meanwhile

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or hand the connection to who turns it away."""
        self._arrived = transport if self.arrivals.arrive(transport) else None
        if self._arrived is None:
            log.warning("a connection was turned away: there are too many")
            TurnedAway(self.arrivals, cast("asyncio.Transport", transport))
            return
        self._own = self.arrivals.is_owners(transport)
        self._whole = True
        self._answered = None
        self.heard = self._held = b""
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Answer what was heard before, or have it parsed."""
        if self._answered is not None:
            self._hold(data)
            return
        is_alone = self._whole and self._is_waiting()
        if is_alone and self._own and self._begin_again(data):
            return
        count, self.heard = self._request_count, b""
        super().data_received(data)
        is_one = self._request_count == count + 1 and data.endswith(b"\r\n\r\n")
        self._whole = self._whole and is_one and bool(self._messages) and self._messages[-1][1] is EMPTY_PAYLOAD
        if is_alone and self._whole:
            self.heard = data

    def _is_waiting(self) -> bool:
        """Whether no request is under way, and none stands in line; nor an answer that its reader is slow to take."""
        if self._messages or self._paused or self._close or self._force_close:
            return False
        return self._waiter is not None or not self._request_count

    def _begin_again(self, data: bytes) -> bool:
        rooms = self.house.rooms_if_open
        repetition = rooms.repeats.find(data) if rooms is not None else None
        allowed = repetition.judge() if repetition else None
        if repetition is None or allowed is None:
            return False
        self._request_count += 1
        self._answered = self._loop.create_future()
        self._put_off_the_end()
        allowed.record(partial(self._end_again, data, repetition, allowed.body))
        return True

    def _end_again(self, data: bytes, repetition: Repetition, body: bytes, error: BaseException | None) -> None:
        """The row is written, or refused; the long way tells why."""
        answered, held = self._answered, self._held
        self._answered, self._held = None, b""
        if answered is not None:
            answered.set_result(None)
        if self.transport is None:
            return
        if error is None:
            self.transport.write(repetition.answer(body))
            self._put_off_the_end()
        else:
            super().data_received(data)
        if held:
            self.transport.resume_reading()
            self.data_received(held)

    def _hold(self, data: bytes) -> None:
        self._held += data
        if self.transport is not None:
            self.transport.pause_reading()  # who sends and sends is not kept in memory

    def _put_off_the_end(self) -> None:
        self._next_keepalive_close_time = self._loop.time() + self._keepalive_timeout

    async def shutdown(self, timeout: float | None = 15.0) -> None:  # noqa: ASYNC109 - aiohttp's
        """Let what is under way be answered, and end."""
        if self._answered is not None:
            await asyncio.wait([self._answered], timeout=timeout)
        await super().shutdown(timeout)

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
        house: knows the requests that were heard before.
        made: the server that aiohttp would have used.
    """

    def __init__(self, arrivals: Arrivals, house: House, made: web.Server) -> None:
        super().__init__(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,  # pyright: ignore[reportPrivateUsage]  # aiohttp has no public way to its own handler
        )
        self._arrivals = arrivals
        self._house = house

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        handler = QuietHandler(self, loop=self._loop, **self._kwargs)
        handler.arrivals, handler.house = self._arrivals, self._house
        return handler


class QuietRunner(web.AppRunner):
    """An `AppRunner` on a `QuietServer`; the application says where arrivals are counted."""

    async def _make_server(self) -> web.Server:
        return QuietServer(self.app[ARRIVALS], self.app[HOUSE], await super()._make_server())


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
