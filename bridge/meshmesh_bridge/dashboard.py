"""The dashboard's addresses: one and the same shell for anybody, the files it runs on, and the owner's fragments in it.

The script in the shell asks for the fragments with its session. Nothing but our own files runs, is shown or is called
there; htmx, which is vendored, may not evaluate anything either.
"""

from aiohttp import web

from meshmesh_bridge.answers import PAGE, Answer
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.pages import activity, clients, connections, plans, settings, shell, sign_ins, static

MODULES = frozenset(
    {"clocks.js", "closed.js", "deeds.js", "forms.js", "keep.js", "keys.js", "live.js", "page.js", "search.js"}
    | {"service.js", "tabs.js", "theme.js"}
)
SHELLS = (
    "/r/{id}",
    "/pair",
    "/requests",
    "/connect",
    "/connections/{name}",
    "/plans",
    "/plans/{id}",
    "/clients",
    "/activity",
    "/settings",
)


async def get_shell(_request: web.Request) -> web.Response:
    """A page of the dashboard, empty until its session is there."""
    return shell()


async def get_script(_request: web.Request) -> web.Response:
    """The dashboard's script."""
    return _script("dashboard.js")


async def get_module(request: web.Request) -> web.Response:
    """A module of the dashboard's script."""
    name = request.match_info["name"]
    if name not in MODULES:
        raise web.HTTPNotFound
    return _script(f"dashboard/{name}")


async def get_htmx(_request: web.Request) -> web.Response:
    """htmx, as its authors built it."""
    return _script("vendor/htmx.min.js")


def _script(name: str) -> web.Response:
    return web.Response(body=static(name), content_type="text/javascript")


async def get_style(_request: web.Request) -> web.Response:
    """The dashboard's style sheet."""
    return web.Response(body=static("dashboard.css"), content_type="text/css")


_SCRIPT = {200: Answer(description="A script", content_types=("text/javascript",))}
_STYLE = {200: Answer(description="A style sheet", content_types=("text/css",))}
ROUTES = (
    *(Route(method="GET", path=path, need=Need.PAGE, handler=get_shell, answers={200: PAGE}) for path in SHELLS),
    Route(method="GET", path="/static/dashboard.js", need=Need.OPEN, handler=get_script, answers=_SCRIPT),
    Route(method="GET", path="/static/dashboard/{name}", need=Need.OPEN, handler=get_module, answers=_SCRIPT),
    Route(method="GET", path="/static/vendor/htmx.min.js", need=Need.OPEN, handler=get_htmx, answers=_SCRIPT),
    Route(method="GET", path="/static/dashboard.css", need=Need.OPEN, handler=get_style, answers=_STYLE),
    *connections.ROUTES,
    *sign_ins.ROUTES,
    *clients.ROUTES,
    *plans.ROUTES,
    *activity.ROUTES,
    *settings.ROUTES,
)
