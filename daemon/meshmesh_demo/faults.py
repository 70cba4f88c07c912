"""Playing trouble: an outage for a while, or a made-up answer for the next requests.

An answer can be given in place of the real one, or after the request was really carried out: that is how a rotated
refresh token gets lost on its way.
"""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from aiohttp import web

from meshmesh_demo.jsons import is_object

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
PLACES = {
    "token": ("/services/oauth2/token",),
    "rest": ("/services/data", "/services/Soap", "/services/apexrest", "/services/async"),
    "oauth": ("/services/oauth2", "/id/", "/.well-known"),
    "any": ("/",),
}
OUTAGES = frozenset({"5xx", "hang", "reset"})
_MISSING_BYTES = 100  # that a truncated answer promises and never sends
_POLL_SECONDS = 0.05  # how often a hanging request looks whether the outage is over


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """An answer to play. Status 0 closes the connection without one."""

    where: str
    status: int
    headers: Mapping[str, str]
    body: bytes
    times: int
    delay: float
    truncate: bool
    after: bool

    def fits(self, path: str) -> bool:
        """Whether it is for that path."""
        return any(path.startswith(prefix) for prefix in PLACES[self.where])


class Faults:
    """The troubles that are on now."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._clock = clock
        self._outage: tuple[str, datetime] | None = None
        self._answers: list[Played] = []

    def begin_outage(self, kind: str, seconds: float) -> None:
        """From now on every request but a lever's fails in that way."""
        self._outage = (kind, self._clock() + timedelta(seconds=seconds))

    def play(self, answer: Played) -> None:
        """Play an answer; those that wait before it come first."""
        self._answers.append(answer)

    def clear(self) -> None:
        """No trouble any more."""
        self._outage = None
        self._answers.clear()

    @property
    def outage(self) -> str | None:
        """The kind of the outage that is on."""
        if self._outage is None or self._clock() >= self._outage[1]:
            return None
        return self._outage[0]

    def _take(self, path: str) -> Played | None:
        for index, answer in enumerate(self._answers):
            if answer.fits(path):
                if answer.times > 1:
                    self._answers[index] = replace(answer, times=answer.times - 1)
                else:
                    del self._answers[index]
                return answer
        return None

    async def answer(self, request: web.Request, path: str, handler: Handler) -> web.StreamResponse:
        """Answer a request, by the handler or by the trouble that is on.

        Args:
            request: what came.
            path: its path, in normal form.
            handler: the real answer.
        """
        kind = self.outage
        if kind is not None:
            return await self._fail(request, kind)
        played = self._take(path)
        if played is None:
            return await handler(request)
        if played.after:
            await handler(request)
        await asyncio.sleep(played.delay)
        return await _give(request, played)

    async def _fail(self, request: web.Request, kind: str) -> web.StreamResponse:
        if kind == "5xx":
            fault = [{"message": "Server unavailable", "errorCode": "SERVER_UNAVAILABLE"}]
            return web.json_response(fault, status=503)
        while kind == "hang" and self.outage == "hang" and request.transport is not None:  # noqa: ASYNC110 - it ends by the clock
            await asyncio.sleep(_POLL_SECONDS)
        return _break(request)


async def _give(request: web.Request, played: Played) -> web.StreamResponse:
    if played.status == 0:
        return _break(request)
    if not played.truncate:
        return web.Response(status=played.status, headers=dict(played.headers), body=played.body)
    response = web.StreamResponse(status=played.status, headers=dict(played.headers))
    response.content_length = len(played.body) + _MISSING_BYTES
    await response.prepare(request)
    await response.write(played.body)
    if request.transport is not None:
        request.transport.close()
    return response


def _break(request: web.Request) -> web.StreamResponse:
    """Cut the connection: the caller sees a reset."""
    transport = request.transport
    if transport is not None:
        sock = transport.get_extra_info("socket")
        if sock is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return web.Response(status=500)


def played(document: Mapping[str, object]) -> Played:
    """An answer to play, from a lever's body.

    Raises:
        ValueError: a value is missing or wrong.
    """
    where, status, times = document.get("where", "any"), document.get("status", 200), document.get("times", 1)
    body, headers = document.get("body", ""), document.get("headers", {})
    delay, after = document.get("delay", 0), document.get("after", "before")
    if where not in PLACES:
        raise ValueError(f"where must be one of {sorted(PLACES)}")
    if not isinstance(status, int) or not isinstance(times, int) or not isinstance(delay, int | float):
        raise ValueError("status and times must be whole numbers, delay a number")  # noqa: TRY004 - one kind of refusal
    if not is_object(headers) or after not in {"before", "after"}:
        raise ValueError("headers must be an object, after one of before, after")
    text = body if isinstance(body, str) else json.dumps(body)
    lines = {str(name): str(value) for name, value in headers.items()}
    if not any(name.lower() == "content-type" for name in lines):
        lines["Content-Type"] = "text/html;charset=UTF-8" if isinstance(body, str) else "application/json;charset=UTF-8"
    return Played(
        where=str(where), status=status, headers=lines, body=text.encode(), times=times, delay=float(delay),
        truncate=document.get("truncate") is True, after=after == "after",
    )  # fmt: skip
