"""Plans: those that wait for the owner, what was decided before, and one with all that it would change."""

from collections.abc import Iterable
from typing import cast

from aiohttp import web

from meshmesh_bridge.house import house_of
from meshmesh_bridge.pages.fragments import fragment, route
from meshmesh_bridge.plan_shapes import plan_shape
from meshmesh_bridge.shapes import Json
from meshmesh_storage.plan_records import Item, ItemStatus

_NEEDS_A_LOOK = (ItemStatus.FAILED, ItemStatus.UNKNOWN, ItemStatus.STALE)
_DANGER = ("delete", "run", "publish", "deploy", "send")  # actions that a person should see first


async def get_plans(request: web.Request) -> web.Response:
    """`GET /dashboard/plans`: what waits, and the newest of what was before."""
    house = house_of(request)
    views, _ = await house.rooms.plans.page(None, waiting=False, after=None)
    return fragment(
        request,
        "plans.html",
        waiting=[await plan_shape(house, view) for view in views if view.is_open],
        past=[await plan_shape(house, view) for view in views if not view.is_open],
        kinds={one.name: one.kind.value for one in await house.rooms.connections.all()},
    )


async def get_plan(request: web.Request) -> web.Response:
    """`GET /dashboard/plans/{id}`: one, to be decided, or what came of it."""
    house = house_of(request)
    view = await house.rooms.plans.get(request.match_info["id"], None)
    shape = await plan_shape(house, view)
    connection = await house.rooms.connections.by_id(view.plan.connection_id)
    return fragment(
        request,
        "plan.html",
        plan=shape,
        kind=connection.kind.value if connection else "",
        groups=_groups(shape, view.plan.items),
        ended=_ended(shape),
    )


def _shapes(shape: Json) -> dict[str, Json]:
    """Its requests by their ids, with the values that would be others, and how many would not."""
    return {str(one["id"]): one | _compared(one) for one in cast("list[Json]", shape["items"])}


def _compared(item: Json) -> Json:
    changes = cast("list[Json]", item["changes"])
    changed = [change for change in changes if change["before"] != change["after"]]
    return {"changed": changed, "unchanged": len(changes) - len(changed)}


def _groups(shape: Json, items: Iterable[Item]) -> dict[str, list[Json]]:
    """Requests that do the same, by what they do; what cannot be taken back comes first."""
    shapes = _shapes(shape)
    groups: dict[str, list[Json]] = {}
    for item in sorted(items, key=lambda item: not _is_dangerous(item)):
        groups.setdefault(item.summary, []).append(shapes[item.id])
    return groups


def _is_dangerous(item: Item) -> bool:
    return any(touch.action in _DANGER for touch in item.touches)


def _ended(shape: Json) -> list[Json]:
    """The requests of a plan that was decided: what did not work comes first."""
    return sorted(_shapes(shape).values(), key=lambda one: one["status"] not in _NEEDS_A_LOOK)


ROUTES = (
    route("/plans", get_plans),
    route("/plans/{id}", get_plan),
)
