"""The routes by wing: the modules behind an address are loaded when the first request comes to it.

Most services never show a page or hold a plan. What their handlers are made of would be half of the start, and stay in
memory for good. A wing is loaded in a thread, once, while whoever came first waits; the next find it open.
"""

import asyncio
import logging
from collections.abc import Callable, Mapping
from importlib import import_module

from aiohttp import web
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

from meshmesh_bridge.guard import Route
from meshmesh_bridge.plumbing import Nowhere, QuietDispatcher

log = logging.getLogger("meshmesh.http")

STATUS = "api.status"  # is told in every trouble, so that it is opened as soon as the service is ready

# Each module, and where its routes stand: by their first word or two, or by their fourth too, whatever the third is.
# Of the places that an address fits, the longest counts.
WINGS: Mapping[str, tuple[str, ...]] = {
    STATUS: ("/", "/status", "/healthz", "/readyz", "/.well-known"),
    "redirect": ("/OauthRedirect", "/signed-in", "/static/style.css", "/static/mark.svg", "/favicon.ico"),
    "dashboard": (
        "/dashboard",
        "/static",
        "/r",
        "/pair",
        "/requests",
        "/connect",
        "/connections",
        "/plans",
        "/clients",
        "/activity",
        "/settings",
    ),
    "api.dashboard_sessions": ("/v1/launch-codes", "/v1/dashboard-sessions"),
    "api.documents": ("/openapi.json", "/llms.txt", "/docs"),
    "api.pairing": ("/v1/pair", "/v1/pairings", "/v1/refusals"),
    "api.connections": ("/v1/connections",),
    "api.diagnosis": ("/v1/connections/*/diagnose",),
    "api.tokens": ("/v1/connections/*/token",),
    "api.org_links": ("/v1/connections/*/open",),
    "api.sign_ins": ("/v1/sign-ins",),
    "api.clients": ("/v1/me", "/v1/clients"),
    "api.access_requests": ("/v1/access-requests",),
    "api.plans": ("/v1/plans",),
    "events": ("/v1/events",),
    "api.activity": ("/v1/activity",),
    "api.demo": ("/v1/demo",),
    "api.pin": ("/v1/pin",),
    "api.lend": ("/v1/lend",),
    "api.vault": ("/v1/lock", "/v1/unlock", "/v1/key", "/v1/backup", "/v1/restore"),
    "api.brokered": ("/o",),
}
_PLACES = {place: wing for wing, places in WINGS.items() for place in places}

Add = Callable[[web.UrlDispatcher, Route], None]


def wing_at(path: str) -> str | None:
    """The wing that an address is in; None where there is nothing."""
    words = path.split("/", 5)[1:]
    if len(words) > 3:  # noqa: PLR2004 - the fourth word
        wing = _PLACES.get(f"/{words[0]}/{words[1]}/*/{words[3]}")
        if wing is not None:
            return wing
    return _PLACES.get(f"/{'/'.join(words[:2])}") or _PLACES.get(f"/{words[0]}")


def routes_of(wing: str) -> tuple[Route, ...]:
    """The routes of a wing, which is loaded for that."""
    routes: tuple[Route, ...] = import_module(f"meshmesh_bridge.{wing}").ROUTES
    return routes


def all_routes() -> tuple[Route, ...]:
    """Every route. Loads every wing."""
    return tuple(route for wing in WINGS for route in routes_of(wing))


class Wings(QuietDispatcher):
    """Finds the handler of a request, in a wing that is opened for it.

    Args:
        add: makes a route one of a dispatcher's.
    """

    def __init__(self, add: Add) -> None:
        super().__init__()
        self._add = add
        self._open: dict[str, QuietDispatcher] = {}
        self._opening: dict[str, asyncio.Task[QuietDispatcher]] = {}

    async def resolve(self, request: web.Request) -> UrlMappingMatchInfo:
        """The handler of a request, or the refusal."""
        wing = wing_at(request.rel_url.path_safe)
        if wing is None:
            return await super().resolve(request)
        try:
            routes = self._open.get(wing)
            if routes is None:
                routes = await self.open(wing)
        except (ImportError, OSError) as error:
            log.warning("%s cannot be loaded: %s. Next: where an update was made, restart", wing, type(error).__name__)
            return Nowhere(web.HTTPServiceUnavailable())
        return await routes.resolve(request)

    async def open(self, wing: str) -> QuietDispatcher:
        """Open a wing, for everybody who waits for it, whoever of them goes away meanwhile.

        Raises:
            ImportError: it is not there; an update is under way, or was made.
            OSError: it cannot be read; all the files that this process may open are in use.
        """
        if wing not in self._opening:
            self._opening[wing] = asyncio.create_task(self._load(wing))
            self._opening[wing].add_done_callback(lambda _: self._opening.pop(wing))
        return await asyncio.shield(self._opening[wing])

    async def _load(self, wing: str) -> QuietDispatcher:
        routes = await asyncio.to_thread(routes_of, wing)
        dispatcher = QuietDispatcher()
        for route in routes:
            self._add(dispatcher, route)
        self._open[wing] = dispatcher
        return dispatcher
