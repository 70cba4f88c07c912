"""How the owner's browser becomes the owner's dashboard: a launch code from the socket, exchanged once for a session.

A session gives no launch code, so that none outlives its twelve hours.
"""

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.caller import CALLER, CallerKind, Door
from meshmesh_bridge.declared import Answer, Text, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import moment
from meshmesh_daemon.core.problems import Next, Problem

MAX_CODE = 128
BEGIN = (Text("launch_code", required=True, max_length=MAX_CODE, secret=True),)


async def launch(request: web.Request) -> web.Response:
    """`POST /v1/launch-codes`: an address that opens the dashboard, once and within a minute."""
    await read_body(request, ())
    house = house_of(request)
    if request[CALLER].door is not Door.UNIX:
        step = Next("Use the command line", command="meshmesh open")
        raise Problem(403, wire.Code.NOT_ALLOWED, "Launch codes are given at the owner's socket only.", next_step=step)
    begun = house.rooms.dashboard.launch()
    return web.json_response(
        {
            "launch_code": begun.secret,
            "url": f"http://localhost:{house.port}/#launch={begun.secret}",
            "expires_at": moment(begun.expires_at),
        }
    )


async def begin(request: web.Request) -> web.Response:
    """`POST /v1/dashboard-sessions`: the session of a launch code, for our own page."""
    fields = await read_body(request, BEGIN)
    if request[CALLER].kind is CallerKind.CLIENT:
        raise Problem(403, wire.Code.OWNER_ONLY, "A paired program has no dashboard.")
    begun = house_of(request).rooms.dashboard.begin(fields.required_text("launch_code", max_length=MAX_CODE))
    return web.json_response({"session": begun.secret, "expires_at": moment(begun.expires_at)})


ROUTES = (
    Route(
        method="POST",
        path="/v1/launch-codes",
        need=Need.OWNER,
        handler=launch,
        body=(),
        answers={200: Answer("LaunchCode")},
    ),
    Route(
        method="POST",
        path="/v1/dashboard-sessions",
        need=Need.FORM,
        handler=begin,
        body=BEGIN,
        answers={200: Answer("DashboardSession")},
        refuses=frozenset({410, 429}),
    ),
)
