"""`GET /v1/events`: what happens, as server-sent events (WHATWG HTML, section 9.2), to whom it concerns.

`aiohttp-sse` frames the events, sends the heartbeat, and cuts off a reader that takes nothing. The stream ends with the
reading: when its client is revoked or loses a grant, when the dashboard's session is over, and before the service does.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from functools import partial

from aiohttp import hdrs, web
from aiohttp_sse import EventSourceResponse

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.access_requests import access_request_shape
from meshmesh_bridge.api.connections import shape_for
from meshmesh_bridge.api.pairing import pairing_shape
from meshmesh_bridge.bodies import known_query
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.plan_shapes import plan_shape
from meshmesh_bridge.plumbing import SECURITY_HEADERS
from meshmesh_bridge.shapes import Json
from meshmesh_daemon.usecases.access_requests import AccessRequest
from meshmesh_daemon.usecases.events import Event, Reading
from meshmesh_daemon.usecases.pairings import PairingView
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage.records import Connection

HEARTBEAT_SECONDS = 15.0
STALLED_SECONDS = 10.0  # a reader that has taken nothing for as long is cut off
RETRY_MILLISECONDS = 3000  # after which a browser comes back
CONTENT_TYPE = "text/event-stream"


async def stream(request: web.Request) -> web.StreamResponse:
    """`GET /v1/events`; `Last-Event-ID` goes on where another stream ended."""
    known_query(request)
    if request.method == hdrs.METH_HEAD:
        return web.Response(content_type=CONTENT_TYPE)
    client, session = request[CALLER].client, request[CALLER].session
    dashboard = house_of(request).rooms.dashboard
    reading = house_of(request).rooms.events.read(
        client.id if client else None,
        after=request.headers.get(EventSourceResponse.DEFAULT_LAST_EVENT_HEADER),
        drop=_cut(request),
        ends=partial(dashboard.ended, session) if session is not None else None,
    )
    response = EventSourceResponse(ping_interval=HEARTBEAT_SECONDS, send_timeout=STALLED_SECONDS)
    response.headers.update(SECURITY_HEADERS)  # the library's own Cache-Control would let a stream be stored
    async with reading as told:
        await response.prepare(request)
        with suppress(TimeoutError):  # the library has cut the line already
            async with response:
                await _tell(request, response, told)
    return response


async def _tell(request: web.Request, response: EventSourceResponse, reading: Reading) -> None:
    # An id without data sends no event, but the reader keeps it: nothing is lost where it is cut off before the first.
    await response.write(f"retry: {RETRY_MILLISECONDS}\r\nid: {reading.place}\r\n\r\n".encode())
    async for told in reading:
        await response.send(json.dumps(await _data(request, told.event)), id=told.id, event=told.event.name)


def _cut(request: web.Request) -> Callable[[], None]:
    """How the line to a reader is cut that does not take what is on its way."""

    def cut() -> None:
        if request.transport is not None:
            request.transport.abort()

    return cut


async def _data(request: web.Request, event: Event) -> Json:
    """An event's subject, in the shape in which this caller sees it elsewhere."""
    house = house_of(request)
    client = request[CALLER].client
    match event.subject:
        case Connection() as connection:
            # the client as it is now, not as it was when the stream began
            access = house.rooms.access
            grant = access.grant_for(access.get(client.id), connection.id) if client else None
            shape = shape_for(request, connection, grant)
            return shape | {"removed": True} if event.gone else shape
        case AccessRequest() as asked:
            return await access_request_shape(house, asked, for_owner=client is None)
        case PairingView() as asked:
            return pairing_shape(asked)
        case PlanView() as plan:
            return await plan_shape(house, plan)
        case None:
            return {}


ROUTES = (
    Route(
        method="GET",
        path="/v1/events",
        need=Need.CLIENT,
        handler=stream,
        answers={200: Answer(description="Server-sent events, without an end", content_types=(CONTENT_TYPE,))},
        refuses=frozenset({422}),
    ),
)
