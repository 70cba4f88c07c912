"""The org as a web application: one door that brings every address into normal form and finds who answers it.

Salesforce's clients send trailing and double slashes; the table below knows each address once.
"""

from collections.abc import Awaitable, Callable
from urllib.parse import unquote

from aiohttp import hdrs, web

from meshmesh_demo import apexrest, bulk_v1, levers, soap
from meshmesh_demo.oauth import authorize, pages, resources, token
from meshmesh_demo.org import ORG, Org
from meshmesh_demo.rest import door

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
MAX_BODY = 32 * 1024 * 1024  # enough for a Bulk upload to an org of this size
_OAUTH = "/services/oauth2"
_TOKEN_PATH = f"{_OAUTH}/token"
_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]"})

ROUTES: dict[tuple[str, str], Handler] = {
    ("GET", f"{_OAUTH}/authorize"): authorize.authorize,
    ("POST", f"{_OAUTH}/authorize"): authorize.authorize,
    ("POST", pages.LOGIN_PATH): authorize.log_in,
    ("GET", pages.CONSENT_PATH): authorize.consent_page,
    ("POST", pages.CONSENT_PATH): authorize.decide,
    ("GET", pages.ERROR_PATH): authorize.error_page,
    ("GET", pages.STYLE_PATH): authorize.style,
    ("POST", _TOKEN_PATH): token.token,
    ("GET", f"{_OAUTH}/revoke"): resources.revoke,
    ("POST", f"{_OAUTH}/revoke"): resources.revoke,
    ("POST", f"{_OAUTH}/introspect"): resources.introspect,
    ("GET", f"{_OAUTH}/userinfo"): resources.userinfo,
    ("POST", f"{_OAUTH}/userinfo"): resources.userinfo,
    ("GET", f"{_OAUTH}/singleaccess"): resources.single_access,
    ("POST", f"{_OAUTH}/singleaccess"): resources.single_access,
    ("GET", resources.FRONTDOOR_PATH): resources.frontdoor,
    ("GET", "/.well-known/openid-configuration"): resources.configuration,
    ("GET", "/id/keys"): resources.keys,
    ("GET", "/"): resources.home,
    ("GET", resources.HOME_PATH): resources.home,
}

# Salesforce minds no case in the words of its own addresses.
APIS: dict[str, Callable[[web.Request, tuple[str, ...]], Awaitable[web.StreamResponse]]] = {
    "services/data": door.answer,
    "services/soap": soap.answer,
    "services/async": bulk_v1.answer,
    "services/apexrest": apexrest.answer,
}


def build(org: Org) -> web.Application:
    """The application of one org."""
    application = web.Application(client_max_size=MAX_BODY)
    application[ORG] = org
    application.router.add_route("*", "/{tail:.*}", _enter)
    application.on_response_prepare.append(_hide_server)
    return application


async def _hide_server(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.popall(hdrs.SERVER, None)


async def _enter(request: web.Request) -> web.StreamResponse:
    if request.host.rpartition(":")[0] not in _HOSTS:
        return web.Response(status=421, text="This org answers on its loopback address only.")
    org = request.app[ORG]
    segments = tuple(unquote(part) for part in request.rel_url.raw_path.split("/") if part)
    if segments[:1] == ("demo",):
        return await levers.answer(request, segments[1:])
    path = "/" + "/".join(segments)
    await _count(org, request, path)
    return await org.faults.answer(request, path, lambda request: _carry_out(request, path, segments))


async def _count(org: Org, request: web.Request, path: str) -> None:
    org.traffic.requests += 1
    if path == _TOKEN_PATH and request.method == "POST":
        org.traffic.token_requests[(await authorize.texts(request)).get("grant_type", "")] += 1


async def _carry_out(request: web.Request, path: str, segments: tuple[str, ...]) -> web.StreamResponse:
    api = APIS.get("/".join(segments[:2]).lower())
    if api is not None:
        return await api(request, segments[2:])
    method = "GET" if request.method == "HEAD" else request.method
    handler = ROUTES.get((method, path))
    if handler is None and method == "GET" and segments[:1] == ("id",) and len(segments) == len(("id", "org", "user")):
        handler = resources.identity
    if handler is None:
        known = any(path == one for _, one in ROUTES)
        return pages.notice("Not found", "There is no such page here.", status=405 if known else 404)
    try:
        return await handler(request)
    except resources.Refused as refusal:
        return web.Response(status=403, text=refusal.text)
