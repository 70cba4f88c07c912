"""The activity: the newest rows, and whether they are as they were written."""

from dataclasses import replace

from aiohttp import web

from meshmesh_bridge.api.activity import MOST, row_shape
from meshmesh_bridge.bodies import known_query, query_integer
from meshmesh_bridge.declared import Whole
from meshmesh_bridge.house import house_of
from meshmesh_bridge.pages.fragments import fragment, route

USUAL = 200
LAST = Whole("last", low=1, high=MOST)


async def get_activity(request: web.Request) -> web.Response:
    """`GET /dashboard/activity?last=N`: the newest rows, newest first."""
    known_query(request, LAST.name)
    last = query_integer(request, LAST.name, low=LAST.low, high=LAST.high, default=USUAL)
    activity = house_of(request).rooms.activity
    newest = await activity.newest()
    rows = await activity.page(after=max(newest - last, 0), limit=last)
    more = min(last + USUAL, MOST) if newest > last < MOST else None
    return fragment(request, "activity.html", rows=[row_shape(row) for row in reversed(rows)], more=more, newest=newest)


async def get_verdict(request: web.Request) -> web.Response:
    """`GET /dashboard/verdict`: whether every row of the activity is as it was written."""
    verdict = await house_of(request).rooms.activity.verify()
    return fragment(request, "verdict.html", verdict=verdict)


ROUTES = (
    replace(route("/activity", get_activity), query=(LAST,)),
    route("/verdict", get_verdict),
)
