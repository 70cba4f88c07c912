"""The dashboard's pages: one and the same shell for anybody, without data in it.

The script in it asks the API with its session. Nothing but our own files runs, is shown or is called there.
"""

from aiohttp import web

from meshmesh_bridge.declared import PAGE, Answer
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.pages import render, static
from meshmesh_daemon.core.scopes import DEFAULT, SCOPES

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
MODULES = frozenset({"connect.js", "connections.js", "live.js", "page.js", "pairing.js", "service.js", "sign_in.js"})


def shell() -> web.Response:
    """The page."""
    rows: dict[str, list[str]] = {}
    for scope in SCOPES:
        rows.setdefault(scope.label, []).append(scope.name)
    permissions = [
        {"label": label, "scopes": " ".join(names), "required": any(name in DEFAULT for name in names)}
        for label, names in rows.items()
    ]
    response = render("dashboard.html", permissions=sorted(permissions, key=lambda row: not row["required"]))
    response.headers["Content-Security-Policy"] = POLICY
    return response


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


def _script(name: str) -> web.Response:
    return web.Response(body=static(name), content_type="text/javascript")


async def get_style(_request: web.Request) -> web.Response:
    """The dashboard's style sheet."""
    return web.Response(body=static("dashboard.css"), content_type="text/css")


_SCRIPT = Answer(description="A script", content_types=("text/javascript",))
_STYLE = Answer(description="A style sheet", content_types=("text/css",))
ROUTES = (
    Route(method="GET", path="/r/{id}", need=Need.PAGE, handler=get_shell, answers={200: PAGE}),
    Route(method="GET", path="/pair", need=Need.PAGE, handler=get_shell, answers={200: PAGE}),
    Route(method="GET", path="/connections/{name}", need=Need.PAGE, handler=get_shell, answers={200: PAGE}),
    Route(method="GET", path="/static/dashboard.js", need=Need.OPEN, handler=get_script, answers={200: _SCRIPT}),
    Route(
        method="GET",
        path="/static/dashboard/{name}",
        need=Need.OPEN,
        handler=get_module,
        answers={200: _SCRIPT},
    ),
    Route(method="GET", path="/static/dashboard.css", need=Need.OPEN, handler=get_style, answers={200: _STYLE}),
)
