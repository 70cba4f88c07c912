"""What every fragment of the dashboard shares: how it is rendered, with the numbers that stand in the sidebar."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.errors import problem_document
from meshmesh_bridge.guard import Handler, Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.pages import markup
from meshmesh_bridge.shapes import Json, owner_connection_shape
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_daemon.usecases.org_links import scope_refusal
from meshmesh_storage.plan_records import PlanStatus
from meshmesh_storage.records import Client, Connection

PREFIX = "/dashboard"
_FRAGMENT = {200: Answer(description="A piece of the dashboard", content_types=("text/html",))}


def fragment(request: web.Request, template: str, **values: object) -> web.Response:
    """A piece of the dashboard.

    Args:
        request: whose answer it is.
        template: file name under `templates/dashboard/`.
        values: what the template shows; escaped there.
    """
    house = house_of(request)
    text = markup(f"dashboard/{template}", values | {"counts": _counts(house), "port": house.port})
    return web.Response(text=text, content_type="text/html")


def route(path: str, handler: Handler, *, waits: bool = False) -> Route:
    """A fragment's line in the table: the owner's, and nobody else's."""
    return Route(method="GET", path=PREFIX + path, need=Need.OWNER, handler=handler, answers=_FRAGMENT, waits=waits)


async def connections_of(house: House) -> list[Json]:
    """Every connection as the owner sees it, by name."""
    rooms = house.rooms
    clients = rooms.access.all()
    return [
        seen_connection(house, one, clients) for one in sorted(await rooms.connections.all(), key=lambda one: one.name)
    ]


def seen_connection(house: House, connection: Connection, clients: list[Client]) -> Json:
    """A connection as the owner sees it, and in `no_link` why no link can lead a browser into its org; None where one can."""
    refusal = scope_refusal(connection)
    shape = owner_connection_shape(house, connection, house.rooms.connections.app_of(connection), clients)
    return shape | {"no_link": problem_document(refusal) if refusal else None}


def _counts(house: House) -> dict[str, int]:
    """How many things wait for the person, by the entry of the sidebar."""
    rooms = house.rooms
    return {
        "connections": sum(status in NEEDS_SOMEBODY for status in rooms.connections.statuses),
        "plans": sum(plan.status is PlanStatus.HELD for plan in rooms.plans.live()),
        "clients": len(rooms.pairings.waiting()) + len(rooms.access_requests.waiting()),
    }
