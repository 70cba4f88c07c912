"""Clients: who am I, who is paired, what may they do, and those that `exec` makes for the life of a process."""

import re

from aiohttp import web

from meshmesh_bridge.answers import NOTHING, Answer
from meshmesh_bridge.bodies import Fields, consent_of
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Flag, Objects, Text, Whole, read_body
from meshmesh_bridge.grants import GRANT, MAX_GRANTS, wanted_grants
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json, client_shape
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.usecases.access import EXEC, NewClient
from meshmesh_daemon.usecases.presence import Consent

MAX_LABEL = 80
SHELL = "shell"  # of `env`: the person's own shell goes on being the owner's
MAX_PID = 2**22
SHA256_LENGTH = 64
_SHA256 = re.compile(f"[0-9a-f]{{{SHA256_LENGTH}}}")
OWNER: Json = {"id": "owner", "name": "owner", "kind": "owner", "created_at": None, "expires_at": None, "grants": []}

GRANTS = Objects("grants", GRANT, most=MAX_GRANTS, required=True)
PIN = Text("pin", max_length=MAX_PIN, secret=True)
MINT = (
    Text("name", required=True, max_length=MAX_LABEL),
    Whole("pid", low=1, high=MAX_PID, required=True),
    GRANTS,
    Flag("descendants"),
    Text("command_sha256", max_length=SHA256_LENGTH),
    PIN,
)
REGRANT = (GRANTS, PIN)


async def me(request: web.Request) -> web.Response:
    """`GET /v1/me`."""
    client = request[CALLER].client
    if client is None:
        return web.json_response(OWNER)
    shape = await client_shape(house_of(request), client)
    names = ("id", "name", "kind", "created_at", "expires_at", "grants")
    return web.json_response({name: shape[name] for name in names})


async def rotate(request: web.Request) -> web.Response:
    """`POST /v1/me/token`: a client's next pairing token.

    The present one is good until the next one is first used, so that an answer that is lost locks nobody out; ask again.
    """
    await read_body(request, ())
    caller = request[CALLER].client
    if caller is None:
        step = Next("Ask as the program", "MESHMESH_TOKEN=... meshmesh client new-token")
        raise Problem(403, "not_allowed", "The owner has no pairing token.", next_step=step)
    client, token = await house_of(request).rooms.access.tokens.rotate(caller.id)
    grants = (await client_shape(house_of(request), client))["grants"]
    return web.json_response({"access_token": token, "token_type": "Bearer", "client_id": client.id, "grants": grants})


async def list_clients(request: web.Request) -> web.Response:
    """`GET /v1/clients`."""
    house = house_of(request)
    shapes = [await client_shape(house, client) for client in house.rooms.access.all()]
    return web.json_response({"clients": shapes, "next": None})


async def mint(request: web.Request) -> web.Response:
    """`POST /v1/clients`: a client for `exec`, that ends with a process."""
    fields = await read_body(request, MINT)
    pid = fields.integer("pid", low=1, high=MAX_PID)
    if pid is None:
        raise bad_field("pid", "is required: the client ends with this process.")
    kind = SHELL if fields.optional_flag("descendants") is False else EXEC
    name = fields.required_text("name", max_length=MAX_LABEL)
    new = NewClient(name=name, kind=kind, pid=pid, command_sha256=_command(fields))
    grants = wanted_grants(fields)
    if grants is None:
        raise bad_field("grants", "is required.")
    rooms = house_of(request).rooms
    for index, grant in enumerate(grants):
        connection = await rooms.connections.by_name(grant.connection)
        if connection is None:
            raise bad_field(f"grants[{index}].connection", f"there is no connection {grant.connection!r}.")
        consent = consent_of(request, fields)
        await rooms.terminal.allow(connection, mode=grant.mode, raw_token=grant.raw_token, consent=consent)
    client, token = await rooms.access.admit(new, grants, Consent(given=True))
    shape = await client_shape(house_of(request), client)
    return web.json_response(shape | {"access_token": token, "token_type": "Bearer"}, status=201)


def _command(fields: Fields) -> str | None:
    """The SHA-256 of the whole command line: what its plans are known by when it runs again."""
    sha256 = fields.text("command_sha256", max_length=SHA256_LENGTH)
    if sha256 is not None and not _SHA256.fullmatch(sha256):
        raise bad_field("command_sha256", f"must be a SHA-256, as {SHA256_LENGTH} hexadecimal digits in lower case.")
    return sha256


async def regrant(request: web.Request) -> web.Response:
    """`PATCH /v1/clients/{id}`: switch Plan and Build, or any grant, at once."""
    fields = await read_body(request, REGRANT)
    grants = wanted_grants(fields)
    if grants is None:
        raise bad_field("grants", "is required: the whole list; what is left out ends.")
    client = await house_of(request).rooms.access.regrant(request.match_info["id"], grants, consent_of(request, fields))
    return web.json_response(await client_shape(house_of(request), client))


async def revoke(request: web.Request) -> web.Response:
    """`DELETE /v1/clients/{id}`: its token is worth nothing from now on."""
    if request.can_read_body:
        raise Problem(400, "bad_request", "A DELETE request has no body here.")
    await house_of(request).rooms.access.revoke(request.match_info["id"])
    return web.Response(status=204)


ROUTES = (
    Route(method="GET", path="/v1/me", need=Need.CLIENT, handler=me, answers={200: Answer("Me")}),
    Route(
        method="POST",
        path="/v1/me/token",
        need=Need.CLIENT,
        handler=rotate,
        body=(),
        answers={200: Answer("PairingToken")},
        refuses=frozenset({404}),
    ),
    Route(method="GET", path="/v1/clients", need=Need.OWNER, handler=list_clients, answers={200: Answer("Clients")}),
    Route(
        method="POST",
        path="/v1/clients",
        need=Need.OWNER,
        handler=mint,
        body=MINT,
        answers={201: Answer("ClientMinted")},
        refuses=frozenset({429}),
        waits=True,
    ),
    Route(
        method="PATCH",
        path="/v1/clients/{id}",
        need=Need.OWNER,
        handler=regrant,
        body=REGRANT,
        answers={200: Answer("Client")},
        refuses=frozenset({429}),
        waits=True,
    ),
    Route(method="DELETE", path="/v1/clients/{id}", need=Need.OWNER, handler=revoke, answers={204: NOTHING}),
)
