"""The port, lent and taken back, at the owner's door; while the port is away that is the UNIX socket alone."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.bodies import known_query
from meshmesh_bridge.declared import Whole, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json, moment
from meshmesh_daemon.core.loans import PortView, sentence
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.port import Port

MAX_SECONDS = 3600
MAX_PID = 2**22  # the kernel's own limit
LEND = (Whole("seconds", low=1, high=MAX_SECONDS, required=True), Whole("pid", low=2, high=MAX_PID))


def port_shape(view: PortView) -> Json:
    """Whose the port is."""
    return {
        "status": view.hold.value,
        "port": view.port,
        "until": moment(view.loan.until) if view.loan else None,
        "holder": view.holder,
        "detail": sentence(view),
    }


async def lend(request: web.Request) -> web.Response:
    """`POST /v1/lend`: give the port up for `seconds`, or until process `pid` ends. The UNIX socket stays."""
    fields = await read_body(request, LEND)
    seconds = fields.integer("seconds", low=1, high=MAX_SECONDS) or 0
    view = await _port(request).lend(seconds, fields.integer("pid", low=2, high=MAX_PID))
    return web.json_response(port_shape(view))


async def take_back(request: web.Request) -> web.Response:
    """`DELETE /v1/lend`: take the port back now; `taking_back` says that somebody still holds it."""
    known_query(request)
    return web.json_response(port_shape(await _port(request).take_back()))


def _port(request: web.Request) -> Port:
    port = house_of(request).lending
    if port is None:
        raise Problem(503, "offline", "The service is still starting.", retry_after=1)
    return port


_SEEN = {200: Answer("Lend")}
ROUTES = (
    Route(
        method="POST",
        path="/v1/lend",
        need=Need.OWNER,
        handler=lend,
        body=LEND,
        answers=_SEEN,
        refuses=frozenset({409}),
    ),
    Route(method="DELETE", path="/v1/lend", need=Need.OWNER, handler=take_back, answers=_SEEN),
)
