"""The token itself, for those who were granted it (`raw_token`)."""

from functools import partial

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.connections import find
from meshmesh_bridge.bodies import consent_of, known_query, prefer_wait, query_integer
from meshmesh_bridge.building import Rooms
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Text, Whole, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.repeats import REPEATABLE, Allowed, Repeatable
from meshmesh_bridge.shapes import token_shape
from meshmesh_daemon.core.activity import Deed, program
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage.records import Client, Connection, Mode

MAX_TTL = 24 * 3600  # no session of Salesforce's lives longer
OWNER_NAME = "terminal"
GIVEN = "Access token handed out."
MIN_TTL = Whole("min_ttl", low=0, high=MAX_TTL)
REJECT = (Text("rejected", secret=True), Text("pin", max_length=MAX_PIN, secret=True))


async def _allowed(request: web.Request, consent: Consent) -> Connection:
    connection, grant = await find(request)
    if grant is None:
        terminal = house_of(request).rooms.terminal
        grant = await terminal.allow(connection, mode=Mode.BUILD, raw_token=True, consent=consent)
    if not grant.raw_token:
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
    rooms = house_of(request).rooms
    connections = rooms.connections
    caller = request[CALLER]
    who = caller.client.name if caller.client else OWNER_NAME
    live = await connections.live(connection.id, who=who, min_ttl=min_ttl, rejected=rejected, wait=prefer_wait(request))
    connections.note_use(connection.id, who)
    if live.session is None:
        raise Problem(503, wire.Code.OFFLINE, "There is no session right now.", retry_after=1)
    detail = GIVEN if rejected is None else "Another access token handed out."
    await rooms.activity.record(program(caller.client), Deed.TOKEN_GIVEN, connection=live.name, detail=detail)
    return web.json_response(token_shape(live, live.session))


def _again(house: House, rooms: Rooms, seen: Client, name: str, min_ttl: int) -> Allowed | None:
    """What a program that was given a token before, and asks for the same again, may have without a wait."""
    client, connection_id = rooms.access.again(seen), rooms.connections.id_of(name)
    grant = rooms.access.grant_for(client, connection_id) if client and connection_id else None
    if client is None or connection_id is None or grant is None or not grant.raw_token:
        return None
    live = rooms.connections.live_now(connection_id, min_ttl=min_ttl)
    if live is None or live.session is None:
        return None
    house.used_at = house.clock.monotonic()
    rooms.connections.note_use(live.id, client.name)
    record = partial(rooms.activity.record_soon, program(client), Deed.TOKEN_GIVEN, connection=live.name, detail=GIVEN)
    return Allowed(rooms.repeats.bodies.of(live), lambda done: record(done=done))


async def get_token(request: web.Request) -> web.Response:
    """`GET /v1/connections/{name}/token?min_ttl=S`."""
    known_query(request, MIN_TTL.name)
    min_ttl = query_integer(request, MIN_TTL.name, low=MIN_TTL.low, high=MIN_TTL.high, default=0)
    connection = await _allowed(request, Consent(wait=prefer_wait(request)))
    client, house = request[CALLER].client, house_of(request)
    if client is not None:
        judge = partial(_again, house, house.rooms, client, request.match_info["name"], min_ttl)
        request[REPEATABLE] = Repeatable(judge)
    return await _hand_out(request, connection, min_ttl=min_ttl, rejected=None)


async def reject_token(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/token`: the token that got a 401 is dead, give another.

    The owner may send the approval PIN here, and no rejected token with it.
    """
    fields = await read_body(request, REJECT)
    rejected = fields.text("rejected")
    consent = consent_of(request, fields)
    if rejected is None and not (consent.pin and request[CALLER].is_owner):
        raise bad_field("rejected", "is required: the access token that got a 401.")
    connection = await _allowed(request, consent)
    return await _hand_out(request, connection, min_ttl=0, rejected=rejected)


_REFUSES = frozenset({409, 429})
ROUTES = (
    Route(
        method="GET",
        path="/v1/connections/{name}/token",
        need=Need.CLIENT,
        handler=get_token,
        query=(MIN_TTL,),
        answers={200: Answer("Token")},
        refuses=_REFUSES,
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/connections/{name}/token",
        need=Need.CLIENT,
        handler=reject_token,
        body=REJECT,
        answers={200: Answer("Token")},
        refuses=_REFUSES,
        waits=True,
    ),
)
