"""Connections: list, connect, reconnect, test, rename, disconnect. Listing is local and never calls Salesforce."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.bodies import Fields
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Object, Text, Texts, names, one_of, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json, connection_shape, owner_connection_shape, sign_in_shape
from meshmesh_daemon.core.hosts import serves
from meshmesh_daemon.core.problems import bad_field, not_found
from meshmesh_daemon.usecases.attempts import SignInView
from meshmesh_daemon.usecases.beginning import OwnApp
from meshmesh_storage.records import Connection, Environment, Flow, Grant

MAX_NAME = 63
MAX_HOST = 259  # a name of RFC 1035, and a port
MAX_SCOPES = 40
APP = (
    Text("client_id", required=True),
    Text("client_secret", secret=True),
    one_of("flow", Flow),
)
CONNECT = (
    one_of("environment", Environment, required=True),
    Text("name", max_length=MAX_NAME),
    Text("domain"),
    Object("app", APP),
    Texts("scopes", most=MAX_SCOPES),
)
NEW_SECRET = (Text("client_secret", secret=True),)
RECONNECT = (Object("app", NEW_SECRET),)
HOST = Text("host", max_length=MAX_HOST)
RENAME = (Text("name", required=True, max_length=MAX_NAME),)


async def find(request: web.Request) -> tuple[Connection, Grant | None]:
    """The connection of the path, as this caller may know it.

    Returns:
        The connection, and the caller's grant (None for the owner).

    Raises:
        Problem: 404, the same for a name that is not there and for one that was not granted.
    """
    name = request.match_info["name"]
    rooms = house_of(request).rooms
    connection = await rooms.connections.by_name(name)
    caller = request[CALLER]
    grant = rooms.access.grant_for(caller.client, connection.id) if caller.client and connection else None
    if connection is None or not (caller.is_owner or grant):
        raise not_found("connection", name)
    return connection, grant


def shape_for(request: web.Request, connection: Connection, grant: Grant | None) -> Json:
    """A connection in the shape that this caller may see."""
    house = house_of(request)
    if not request[CALLER].is_owner:
        return connection_shape(house, connection, grant)
    rooms = house.rooms
    return owner_connection_shape(house, connection, rooms.connections.app_of(connection), rooms.access.all())


async def list_connections(request: web.Request) -> web.Response:
    """`GET /v1/connections`; `?host=` leaves those whose org a browser shows at that host."""
    host = Fields(dict(request.query), (HOST.name,)).text(HOST.name, max_length=MAX_HOST)
    rooms = house_of(request).rooms
    caller = request[CALLER]
    shapes: list[Json] = []
    for connection in sorted(await rooms.connections.all(), key=lambda one: one.name):
        if host is not None and not serves(connection.instance_url, host):
            continue
        grant = rooms.access.grant_for(caller.client, connection.id) if caller.client else None
        if caller.is_owner or grant:
            shapes.append(shape_for(request, connection, grant))
    return web.json_response({"connections": shapes, "next": None})


async def get_connection(request: web.Request) -> web.Response:
    """`GET /v1/connections/{name}`."""
    return web.json_response(shape_for(request, *await find(request)))


async def connect(request: web.Request) -> web.Response:
    """`POST /v1/connections`: begin a sign-in, or connect at once where no browser is needed."""
    fields = await read_body(request, CONNECT)
    environment = fields.choice("environment", Environment)
    if environment is None:
        words = ", ".join(member.value for member in Environment)
        raise bad_field("environment", f"is required: one of {words}.")
    app = fields.nested("app", names(APP))
    own_app = None
    if app is not None:
        own_app = OwnApp(
            client_id=app.required_text("client_id"),
            client_secret=app.text("client_secret"),
            flow=app.choice("flow", Flow) or Flow.AUTHORIZATION_CODE,
        )
    view = await house_of(request).rooms.sign_ins.begin(
        name=fields.text("name", max_length=MAX_NAME),
        environment=environment,
        domain=fields.text("domain"),
        app=own_app,
        wanted=fields.texts("scopes", most=MAX_SCOPES),
    )
    return _begun(request, view)


def _begun(request: web.Request, view: SignInView) -> web.Response:
    if view.status == "done" and view.connection is not None:
        return web.json_response({"connection": shape_for(request, view.connection, None)}, status=201)
    if view.error is not None:
        raise view.error
    location = {"Location": f"/v1/sign-ins/{view.id}"}
    return web.json_response({"sign_in": sign_in_shape(view, house_of(request))}, status=202, headers=location)


async def reconnect(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/reconnect`: as connect, keeping name, grants and history."""
    connection, _ = await find(request)
    app = (await read_body(request, RECONNECT)).nested("app", names(NEW_SECRET))
    secret = app.text("client_secret") if app else None
    sign_ins = house_of(request).rooms.sign_ins
    return _begun(request, await sign_ins.begin_reconnect(connection, client_secret=secret))


async def test(request: web.Request) -> web.Response:
    """`POST /v1/connections/{name}/test`: one call to the org, on purpose."""
    connection, _ = await find(request)
    await read_body(request, ())
    tested = await house_of(request).rooms.connections.test(connection.id)
    return web.json_response(shape_for(request, tested, None))


async def rename(request: web.Request) -> web.Response:
    """`PATCH /v1/connections/{name}`."""
    connection, _ = await find(request)
    fields = await read_body(request, RENAME)
    name = fields.required_text("name", max_length=MAX_NAME)
    renamed = await house_of(request).rooms.connections.rename(connection.id, name)
    return web.json_response(shape_for(request, renamed, None))


async def disconnect(request: web.Request) -> web.Response:
    """`DELETE /v1/connections/{name}`: revoke at Salesforce, then forget."""
    connection, _ = await find(request)
    rooms = house_of(request).rooms
    await rooms.sign_ins.cancel_of(connection.id)
    revocation = await rooms.connections.disconnect(connection.id)
    await rooms.access.forget_connection(connection.id)
    return web.json_response({"revoked": revocation.revoked, "detail": revocation.detail})


_BEGUN = {
    201: Answer("ConnectionMade", "Connected: no browser was needed"),
    202: Answer(
        "SignInBegun", "Open `authorize_url` in a browser", headers={"Location": "Where the attempt is looked at"}
    ),
}
ROUTES = (
    Route(
        method="GET",
        path="/v1/connections",
        need=Need.CLIENT,
        handler=list_connections,
        query=(HOST,),
        answers={200: Answer("Connections")},
    ),
    Route(
        method="POST",
        path="/v1/connections",
        need=Need.OWNER,
        handler=connect,
        body=CONNECT,
        answers=_BEGUN,
        refuses=frozenset({409, 410, 429}),
    ),
    Route(
        method="GET",
        path="/v1/connections/{name}",
        need=Need.CLIENT,
        handler=get_connection,
        answers={200: Answer("Connection")},
    ),
    Route(
        method="PATCH",
        path="/v1/connections/{name}",
        need=Need.OWNER,
        handler=rename,
        body=RENAME,
        answers={200: Answer("Connection")},
        refuses=frozenset({409}),
    ),
    Route(
        method="DELETE",
        path="/v1/connections/{name}",
        need=Need.OWNER,
        handler=disconnect,
        answers={200: Answer("Disconnected")},
    ),
    Route(
        method="POST",
        path="/v1/connections/{name}/reconnect",
        need=Need.OWNER,
        handler=reconnect,
        body=RECONNECT,
        answers=_BEGUN,
        refuses=frozenset({409, 410, 429}),
    ),
    Route(
        method="POST",
        path="/v1/connections/{name}/test",
        need=Need.OWNER,
        handler=test,
        body=(),
        answers={200: Answer("Connection")},
        refuses=frozenset({409}),
    ),
)
