"""An agent asks for a connection; the owner picks which org, or says no."""

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.answers import NOTHING, Answer
from meshmesh_bridge.bodies import Fields, consent_of, idempotency_key, prefer_wait
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Flag, Text, Whole, one_of, read_body
from meshmesh_bridge.grants import YEAR
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.shapes import Json, moment
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Problem, bad_field
from meshmesh_daemon.usecases.access import WantedGrant
from meshmesh_daemon.usecases.access_requests import AccessRequest, Wish
from meshmesh_storage.records import Mode

MAX_PURPOSE = 500
ASK = (
    Text("purpose", required=True, max_length=MAX_PURPOSE),
    one_of("mode", Mode, required=True),
    Flag("raw_token"),
)
APPROVE = (
    Text("connection", required=True),
    one_of("mode", Mode, required=True),
    Flag("raw_token"),
    Whole("expires_in", low=1, high=YEAR),
    Text("pin", max_length=MAX_PIN, secret=True),
)


async def access_request_shape(house: House, request: AccessRequest, *, for_owner: bool) -> Json:
    """A request as its client sees it; the owner's view says whose it is."""
    connection = await house.rooms.connections.by_id(request.connection_id) if request.connection_id else None
    shape: Json = {
        "id": request.id,
        "status": request.status.value,
        "purpose": request.purpose,
        "mode": request.mode.value,
        "raw_token": request.raw_token,
        "connection": connection.name if connection else None,
        "expires_at": moment(request.expires_at),
    }
    return shape | {"client_id": request.client_id, "client": request.client_name} if for_owner else shape


async def ask(request: web.Request) -> web.Response:
    """`POST /v1/access-requests`."""
    client = request[CALLER].client
    if client is None:
        raise Problem(403, wire.Code.NOT_ALLOWED, "The owner has every connection; only a paired program asks for one.")
    fields = await read_body(request, ASK)
    wish = Wish(
        purpose=fields.required_text("purpose", max_length=MAX_PURPOSE),
        mode=_mode(fields),
        raw_token=fields.flag("raw_token"),
    )
    house = house_of(request)
    asked = house.rooms.access_requests.ask(client, wish, idempotency_key(request))
    return web.json_response(
        await access_request_shape(house, asked, for_owner=False),
        status=202,
        headers={"Location": f"/v1/access-requests/{asked.id}"},
    )


def _mode(fields: Fields) -> Mode:
    mode = fields.choice("mode", Mode)
    if mode is None:
        raise bad_field("mode", f"is required: one of {', '.join(Mode)}.")
    return mode


async def get_access_request(request: web.Request) -> web.Response:
    """`GET /v1/access-requests/{id}`; with `Prefer: wait=N` it answers when the owner has decided."""
    wait = prefer_wait(request)
    house, client = house_of(request), request[CALLER].client
    seen = await house.rooms.access_requests.wait(request.match_info["id"], client.id if client else None, wait)
    return web.json_response(await access_request_shape(house, seen, for_owner=client is None))


async def list_access_requests(request: web.Request) -> web.Response:
    """`GET /v1/access-requests`: what waits for the owner."""
    house = house_of(request)
    shapes = [await access_request_shape(house, one, for_owner=True) for one in house.rooms.access_requests.waiting()]
    return web.json_response({"access_requests": shapes, "next": None})


async def approve(request: web.Request) -> web.Response:
    """`POST /v1/access-requests/{id}/approve`: the owner picks the org, and what may be done with it."""
    fields = await read_body(request, APPROVE)
    wanted = WantedGrant(
        connection=fields.required_text("connection"),
        mode=_mode(fields),
        raw_token=fields.flag("raw_token"),
        expires_in=fields.integer("expires_in", low=1, high=YEAR),
    )
    house = house_of(request)
    approved = await house.rooms.access_requests.approve(request.match_info["id"], wanted, consent_of(request, fields))
    return web.json_response(await access_request_shape(house, approved, for_owner=True))


async def deny(request: web.Request) -> web.Response:
    """`POST /v1/access-requests/{id}/deny`."""
    await read_body(request, ())
    house_of(request).rooms.access_requests.deny(request.match_info["id"])
    return web.Response(status=204)


_ONE = Answer("AccessRequest")
ROUTES = (
    Route(
        method="POST",
        path="/v1/access-requests",
        need=Need.CLIENT,
        handler=ask,
        body=ASK,
        answers={202: Answer("AccessRequest", headers={"Location": "Where the request is looked at"})},
        refuses=frozenset({429}),
    ),
    Route(
        method="GET",
        path="/v1/access-requests",
        need=Need.OWNER,
        handler=list_access_requests,
        answers={200: Answer("AccessRequests")},
    ),
    Route(
        method="GET",
        path="/v1/access-requests/{id}",
        need=Need.CLIENT,
        handler=get_access_request,
        answers={200: _ONE},
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/access-requests/{id}/approve",
        need=Need.OWNER,
        handler=approve,
        body=APPROVE,
        answers={200: _ONE},
        refuses=frozenset({409, 410, 429}),
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/access-requests/{id}/deny",
        need=Need.OWNER,
        handler=deny,
        body=(),
        answers={204: NOTHING},
        refuses=frozenset({409, 410}),
    ),
)
