"""What aiohttp does around our handlers, put right.

No `Server` header, and no bytes of a bad request in the log or the answer.

aiohttp answers a request that does not parse by itself: no middleware and no signal runs, the offending header's
bytes go to the log and are echoed. `QuietHandler` is the one place where that is replaced.
"""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler
from aiohttp.web_request import BaseRequest

from meshmesh_bridge.errors import problem_response
from meshmesh_daemon.core.problems import Problem

log = logging.getLogger("meshmesh.http")

SECURITY_HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'none'",
}


async def finish_headers(_request: web.BaseRequest, response: web.StreamResponse) -> None:
    """The `on_response_prepare` signal: what every answer of ours carries, and the one header it does not."""
    response.headers.popall(hdrs.SERVER, None)
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)


class _BareResponse(web.Response):
    """A response that leaves without the `Server` header even where no signal runs."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        self.headers.popall(hdrs.SERVER, None)


class QuietHandler(RequestHandler):
    """The connection's protocol, with an error answer that repeats nothing of the request."""

    __slots__ = ()

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
    """A server that makes `QuietHandler`s."""

    def __call__(self) -> RequestHandler:
        """The protocol of a new connection."""
        return QuietHandler(self, loop=self._loop, **self._kwargs)


class QuietRunner(web.AppRunner):
    """An `AppRunner` on a `QuietServer`."""

    async def _make_server(self) -> web.Server:
        made = await super()._make_server()
        return QuietServer(
            made.request_handler,
            request_factory=made.request_factory,
            handler_cancellation=made.handler_cancellation,
            **made._kwargs,
        )


def access_line(request: web.Request, status: int, seconds: float) -> None:
    """One line a request: method, path without its query, status, time. Never a header."""
    path = request.rel_url.raw_path[:200]
    log.info("%s %s %d %.1f ms", request.method, path, status, seconds * 1000)


Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]


def http_problem(error: web.HTTPException) -> Problem:
    """aiohttp's own refusals (no such route, wrong method, body too large) in our words."""
    if error.status == HTTPStatus.NOT_FOUND:
        return Problem(404, "not_found", "There is nothing at this address.")
    if isinstance(error, web.HTTPMethodNotAllowed):
        allowed = ", ".join(sorted(error.allowed_methods))
        return Problem(405, "method_not_allowed", f"This address takes: {allowed}.")
    return Problem(error.status, "bad_request", HTTPStatus(error.status).phrase)


__all__ = [
    "SECURITY_HEADERS",
    "QuietRunner",
    "access_line",
    "finish_headers",
    "http_problem",
    "problem_response",
]
