"""How the owner's browser becomes the owner's dashboard: by a launch code from the socket, exchanged once for a session.

Where there is none, by a person who is seen: the approval PIN, or the button of our notification. A session gives no
launch code, so that none outlives its twelve hours.
"""

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.answers import NOTHING, Answer
from meshmesh_bridge.bodies import consent_of
from meshmesh_bridge.caller import CALLER, CallerKind, Door
from meshmesh_bridge.declared import Text, Whole, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import moment
from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Next, Problem

MAX_CODE = 128
LOWEST, HIGHEST = 10, 99
BEGIN = (
    Text("launch_code", max_length=MAX_CODE, secret=True),
    Text("pin", max_length=MAX_PIN, secret=True),
    Whole("number", low=LOWEST, high=HIGHEST),
)


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
    """`POST /v1/dashboard-sessions`: the session of a launch code, or of a person who is seen, for our own page.

    `pin` is the approval PIN. With `Prefer: wait=N` a notification asks, and shows `number`, which the page shows too.
    """
    fields = await read_body(request, BEGIN)
    if request[CALLER].kind is CallerKind.CLIENT:
        raise Problem(403, wire.Code.OWNER_ONLY, "A paired program has no dashboard.")
    rooms = house_of(request).rooms
    code = fields.text("launch_code", max_length=MAX_CODE)
    if code is not None:
        begun = rooms.dashboard.begin(code)
    else:
        number = fields.integer("number", low=LOWEST, high=HIGHEST)
        begun = await rooms.entrance.enter(number, consent_of(request, fields))
    rooms.activity.note(OWNER, Deed.DASHBOARD_OPENED, detail="The dashboard was opened in a browser.")
    return web.json_response({"session": begun.secret, "expires_at": moment(begun.expires_at)})


async def end(request: web.Request) -> web.Response:
    """`DELETE /v1/dashboard-sessions`: end every session of the dashboard, this one too."""
    house_of(request).rooms.dashboard.end_all()
    return web.Response(status=204)


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
        waits=True,
    ),
    Route(
        method="DELETE",
        path="/v1/dashboard-sessions",
        need=Need.OWNER,
        handler=end,
        answers={204: NOTHING},
    ),
)
