"""The routes under one front: admit, handle, refuse. Nothing else stands between aiohttp and a handler."""

import logging
from collections.abc import Awaitable, Callable

from aiohttp import HttpVersion11, hdrs, web

from meshmesh import wire
from meshmesh_bridge.bodies import INVITATION, prefer_wait
from meshmesh_bridge.caller import CALLER, CallerKind
from meshmesh_bridge.errors import DeviceFlowError, device_flow_response, refusal
from meshmesh_bridge.guard import METHODS, Guard, Need, Route
from meshmesh_bridge.house import HOUSE, House
from meshmesh_bridge.plumbing import access_line, finish_headers, http_problem
from meshmesh_bridge.wings import Wings
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.strongbox import vault_problem
from meshmesh_storage.errors import VaultError

log = logging.getLogger("meshmesh.http")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Front:
    """The one middleware: the guard's judgement, the handler, and every refusal's shape.

    Args:
        guard: decides who asks.
        house: gives the clock, and says when the rooms are there.
    """

    def __init__(self, guard: Guard, house: House) -> None:
        self._guard = guard
        self._needs: dict[object, Need] = {}
        self._house = house
        self._clock = house.clock

    def serve(self, router: web.UrlDispatcher, route: Route) -> None:
        """Have a router lead to a route, whose handler is then guarded as it asks to be."""
        self._needs[route.handler] = route.need
        for method in ("GET", "HEAD") if route.method == "GET" else (route.method,):
            router.add_route(method, route.path, route.handler, expect_handler=self.expect)

    async def expect(self, request: web.Request) -> None:
        """Leave `Expect: 100-continue` to whoever reads the body: what is refused before that is not asked for."""
        if request.headers.get(hdrs.EXPECT, "").lower() != "100-continue":
            raise web.HTTPExpectationFailed
        request[INVITATION] = request.version >= HttpVersion11

    def _admit(self, request: web.Request) -> None:
        caller = self._guard.admit(request, self._needs.get(request.match_info.handler, Need.OPEN))
        if caller.kind is not CallerKind.OPEN:
            self._house.used_at = self._clock.monotonic()

    async def _need_asked_for(self, request: web.Request) -> Need | None:
        """What the route that a preflight asks about needs; None where there is no such route."""
        method = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_METHOD, "")
        if method not in METHODS - {hdrs.METH_OPTIONS}:
            return None
        match = await request.app.router.resolve(request.clone(method=method))
        return self._needs.get(match.handler)

    async def _served(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Admit and handle; who can wait for a locked vault waits, as long as nothing of the request was taken yet."""
        try:
            self._admit(request)
            return await handler(request)
        except Problem as problem:
            fresh = CALLER not in request or request.method in {hdrs.METH_GET, hdrs.METH_HEAD}
            patience = prefer_wait(request) if problem.code == wire.Code.VAULT_LOCKED and fresh else 0
            if not patience or not await self._house.opened_within(patience):
                raise
        if CALLER not in request:
            self._admit(request)
        return await handler(request)

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """One request from the door to its answer."""
        started = self._clock.monotonic()
        path = request.rel_url.raw_path
        try:
            if self._house.rooms_if_open is None:
                await self._house.furnished.wait()
            if request.method == hdrs.METH_OPTIONS:
                response: web.StreamResponse = self._guard.preflight(request, await self._need_asked_for(request))
            else:
                response = await self._served(request, handler)
        except VaultError as error:
            response = refusal(vault_problem(error), path)
        except Problem as problem:
            response = refusal(problem, path)
            if CALLER not in request:
                response.force_close()  # who was not let in is not listened to any longer, whatever else is on its way
        except DeviceFlowError as error:
            response = device_flow_response(error)
        except web.HTTPException as error:
            response = refusal(http_problem(error), path)
        except ConnectionError:
            raise
        except Exception as error:  # noqa: BLE001 - the last line: a bug of ours is a 500 in our shape
            log.error(  # noqa: TRY400 - a traceback quotes messages, and a message may hold what was sent
                "bug: %s in %s", type(error).__name__, _place(error)
            )
            response = refusal(
                Problem(500, wire.Code.INTERNAL, "This is a bug of MeshMesh's; its log names the place."),
                path,
            )
        access_line(request, response.status, self._clock.monotonic() - started)
        return response


def _place(error: BaseException) -> str:
    """Files and lines of a traceback, without the messages: a message may quote what was sent."""
    trace = error.__traceback__
    places: list[str] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        places.append(f"{code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join(places[-6:])


def build(house: House, guard: Guard) -> tuple[web.Application, Wings]:
    """The application that all doors serve, and its wings.

    Args:
        house: the joined rooms.
        guard: decides who asks.
    """
    front = Front(guard, house)

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await front.handle(request, handler)

    app = web.Application(middlewares=[middleware])
    app._router = wings = Wings(front.serve)  # pyright: ignore[reportPrivateUsage]  # its public way is deprecated, without another
    app[HOUSE] = house
    app.on_response_prepare.append(finish_headers)
    return app, wings
