"""The connections: all of them, one of them, and how to make another."""

from collections.abc import Iterable
from datetime import timedelta
from urllib.parse import urlsplit

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.api.connections import find
from meshmesh_bridge.api.diagnosis import DIAGNOSE, MAX_ERROR
from meshmesh_bridge.declared import read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.pages.fragments import PREFIX, connections_of, fragment, route, seen_connection
from meshmesh_bridge.shapes import Json, moment
from meshmesh_daemon.core.problems import not_found
from meshmesh_daemon.core.scopes import DEFAULT, SCOPES
from meshmesh_storage.records import Connection, Kind

UNUSED = timedelta(days=60)


async def get_connections(request: web.Request) -> web.Response:
    """`GET /dashboard/connections`: the list, grouped by what belongs together."""
    house = house_of(request)
    shapes = await connections_of(house)
    return fragment(
        request,
        "connections.html",
        groups=_groups(shapes),
        unused=_unused(house, shapes),
        needing=[one for one in shapes if one["status"] in {"needs_you", "blocked"}],
        asking=len(house.rooms.pairings.waiting()) + len(house.rooms.access_requests.waiting()),
    )


def _groups(shapes: Iterable[Json]) -> dict[str, list[Json]]:
    """By the company's My Domain, which its sandboxes share; the demo org comes last."""
    groups: dict[str, list[Json]] = {}
    for one in sorted(shapes, key=lambda one: (one["kind"] == Kind.DEMO, _domain(one), str(one["name"]))):
        groups.setdefault(_domain(one), []).append(one)
    return groups


def _domain(shape: Json) -> str:
    if shape["kind"] == Kind.DEMO:
        return "Demo"
    host = urlsplit(str(shape["instance_url"])).hostname or ""
    if "." not in host or host.replace(".", "").isdigit():
        return str(shape["org_name"])
    return host.partition(".")[0].partition("--")[0]


def _unused(house: House, shapes: Iterable[Json]) -> frozenset[str]:
    """The names of those that nobody has used for long."""
    since = moment(house.clock.now() - UNUSED) or ""
    return frozenset(
        str(one["name"]) for one in shapes if str(one["last_used_at"] or one["signed_in_at"] or since) < since
    )


async def get_connection(request: web.Request) -> web.Response:
    """`GET /dashboard/connections/{name}`: everything about one."""
    connection, _ = await find(request)
    return fragment(request, "connection.html", one=_shape(house_of(request), connection))


async def get_reconnect(request: web.Request) -> web.Response:
    """`GET /dashboard/r/{id}`: one that needs its person, by the id that a notification knows."""
    house = house_of(request)
    connection_id = request.match_info["id"]
    connection = await house.rooms.connections.by_id(connection_id)
    if connection is None:
        raise not_found("connection", connection_id)
    return fragment(request, "reconnect.html", one=_shape(house, connection))


def _shape(house: House, connection: Connection) -> Json:
    return seen_connection(house, connection, house.rooms.access.all())


async def get_connect(request: web.Request) -> web.Response:
    """`GET /dashboard/connect`: the form."""
    return fragment(request, "connect.html", permissions=_permissions())


def _permissions() -> list[Json]:
    """The rows that Setup shows, those that are always asked for first."""
    rows: dict[str, list[str]] = {}
    for scope in SCOPES:
        rows.setdefault(scope.label, []).append(scope.name)
    found: list[Json] = [
        {"label": label, "scopes": " ".join(names), "required": any(name in DEFAULT for name in names)}
        for label, names in rows.items()
    ]
    return sorted(found, key=lambda row: not row["required"])


async def diagnose(request: web.Request) -> web.Response:
    """`POST /dashboard/connections/{name}/diagnosis`: what is wrong, and what to ask the admin for."""
    connection, _ = await find(request)
    fields = await read_body(request, DIAGNOSE)
    error = fields.text("error", max_length=MAX_ERROR)
    found = await house_of(request).rooms.diagnoses.diagnose(connection.id, error=error)
    return fragment(request, "diagnosis.html", found=found)


ROUTES = (
    route("/connections", get_connections),
    route("/connections/{name}", get_connection),
    route("/r/{id}", get_reconnect),
    route("/connect", get_connect),
    Route(
        method="POST",
        path=f"{PREFIX}/connections/{{name}}/diagnosis",
        need=Need.OWNER,
        handler=diagnose,
        body=DIAGNOSE,
        answers={200: Answer(description="What is wrong", content_types=("text/html",))},
        refuses=frozenset({409}),
    ),
)
