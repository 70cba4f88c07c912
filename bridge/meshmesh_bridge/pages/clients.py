"""The programs: those that ask to be let in or for an org, and those that are in."""

from collections.abc import Sequence

from aiohttp import web

from meshmesh_bridge.api.access_requests import access_request_shape
from meshmesh_bridge.api.pairing import pairing_shape
from meshmesh_bridge.house import house_of
from meshmesh_bridge.pages.fragments import connections_of, fragment, route
from meshmesh_bridge.shapes import Json, client_shape
from meshmesh_daemon.usecases.pairings import Want
from meshmesh_storage.records import Connection, Kind, Mode


async def get_requests(request: web.Request) -> web.Response:
    """`GET /dashboard/requests`: who asks, with what they say and what was seen apart."""
    house = house_of(request)
    rooms = house.rooms
    every = await rooms.connections.all()
    return fragment(
        request,
        "requests.html",
        pairings=[
            pairing_shape(view) | {"offer": _offer(every, view.asking.wants)} for view in rooms.pairings.waiting()
        ],
        access_requests=[
            await access_request_shape(house, one, for_owner=True) for one in rooms.access_requests.waiting()
        ],
        connections=await connections_of(house),
    )


def _offer(every: Sequence[Connection], wants: Sequence[Want]) -> dict[str, str]:
    """What is ticked at first, by connection: what was asked for by name, no production org, and Build on the demo only.

    Who asks for any org at all is offered the only one there is beside production, or none.
    """
    kinds = {one.name: one.kind for one in every if one.kind is not Kind.PRODUCTION}
    asked = {want.connection: want.mode for want in wants if want.connection}
    if not asked and len(kinds) == 1 and wants:
        asked = {next(iter(kinds)): wants[0].mode}
    return {name: _narrowed(mode, kinds[name]).value for name, mode in asked.items() if name in kinds}


def _narrowed(mode: Mode, kind: Kind) -> Mode:
    return Mode.PLAN if mode is Mode.BUILD and kind is not Kind.DEMO else mode


async def get_clients(request: web.Request) -> web.Response:
    """`GET /dashboard/clients`: every paired program, and what it may do."""
    house = house_of(request)
    shapes = [await client_shape(house, client) for client in house.rooms.access.all()]
    connections = await connections_of(house)
    kinds: Json = {str(one["name"]): one["kind"] for one in connections}
    return fragment(
        request,
        "clients.html",
        clients=sorted(shapes, key=lambda one: str(one["name"]).lower()),
        kinds=kinds,
        connections=connections,
        refusals=house.rooms.refusals.all(),
        asking=len(house.rooms.pairings.waiting()) + len(house.rooms.access_requests.waiting()),
    )


ROUTES = (
    route("/requests", get_requests),
    route("/pair", get_requests),
    route("/clients", get_clients),
)
