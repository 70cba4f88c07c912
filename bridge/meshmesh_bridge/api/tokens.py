"""The token itself, for those who were granted it (`raw_token`)."""

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.api.connections import find
from meshmesh_bridge.bodies import known_query, query_integer, read_fields
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import token_shape
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_storage.records import Connection

MAX_TTL = 24 * 3600  # no session of Salesforce's lives longer
OWNER_NAME = "terminal"


def _allowed(request: web.Request) -> Connection:
    connection, grant = find(request)
    if grant is not None and not grant.raw_token:
        raise Problem(
            403,
            wire.Code.RAW_TOKEN_NOT_GRANTED,
            f"This program may use {connection.name!r} through the broker, not hold its token.",
            next_step=Next("Use the broker", url=f"http://localhost:{house_of(request).port}/o/{connection.name}"),
        )
    return connection


async def _hand_out(
    request: web.Request, connection: Connection, *, min_ttl: int, rejected: str | None
) -> web.Response:
    sessions = house_of(request).rooms.sessions
    live = await sessions.live(connection.id, min_ttl=min_ttl, rejected=rejected)
    caller = request[CALLER]
    sessions.note_use(connection.id, caller.client.name if caller.client else OWNER_NAME)
    if live.session is None:
        raise Problem(503, wire.Code.OFFLINE, "There is no session right now.", retry_after=1)
    return web.json_response(token_shape(live, live.session))


async def get_token(request: web.Request) -> web.Response:
    """`GET /v1/connections/{name}/token?min_ttl=S`."""
    connection = _allowed(request)
    known_query(request, "min_ttl")
    min_ttl = query_integer(request, "min_ttl", low=0, high=MAX_TTL, default=0)
    return await _hand_out(request, connection, min_ttl=min_ttl, rejected=None)


async def reject_token(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/token`: the token that got a 401 is dead, give another."""
    connection = _allowed(request)
    fields = await read_fields(request, "rejected")
    rejected = fields.text("rejected")
    if rejected is None:
        raise bad_field("rejected", "is required: the access token that got a 401.")
    return await _hand_out(request, connection, min_ttl=0, rejected=rejected)


ROUTES = (
    Route(method="GET", path="/v1/connections/{name}/token", need=Need.CLIENT, handler=get_token),
    Route(method="POST", path="/v1/connections/{name}/token", need=Need.CLIENT, handler=reject_token),
)
