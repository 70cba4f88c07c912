"""The laws of the wings: every address leads to its own, which is loaded once, when somebody comes."""

import asyncio
import errno
import re

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp.web_urldispatcher import UrlMappingMatchInfo

from meshmesh_bridge import wings
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.plumbing import QuietDispatcher, http_problem
from meshmesh_bridge.wings import WINGS, Wings, routes_of, wing_at

ROUTES = [(wing, route) for wing in WINGS for route in routes_of(wing)]


async def answer(_request: web.Request) -> web.Response:
    """Nothing."""
    return web.Response()


def add(router: web.UrlDispatcher, route: Route) -> None:
    """As the front does, without its guard."""
    router.add_route(route.method, route.path, route.handler)


@pytest.mark.parametrize(("wing", "route"), ROUTES, ids=[f"{route.method} {route.path}" for _, route in ROUTES])
def test_every_address_leads_to_the_wing_that_serves_it(wing: str, route: Route) -> None:
    """What stands in an address makes no difference to the wing; a part of it that is longer than a word neither."""
    for text in ("name", "*", "a%20name", "token", "pair"):
        assert wing_at(re.sub(r"{\w+(:[^}]*)?}", text, route.path)) == wing


def test_no_place_is_without_a_route() -> None:
    """What stands in the table leads somewhere, and no two wings share a place."""
    places = [place for known in WINGS.values() for place in known]
    paths = [re.sub(r"{\w+(:[^}]*)?}", "*", route.path) for _, route in ROUTES]

    assert len(set(places)) == len(places)
    assert [
        place for place in places if not any(f"{path}/".startswith(f"{place.rstrip('/')}/") for path in paths)
    ] == []


@pytest.mark.parametrize(
    "path", ["/v1", "/v1/nowhere", "/nowhere", "/dashboards", "/v2/connections", "/O/name/services"]
)
async def test_what_is_nowhere_loads_nothing(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An address that no wing has is refused without a look at any."""
    monkeypatch.setattr(wings, "routes_of", pytest.fail)

    match = await Wings(add).resolve(make_mocked_request("GET", path))

    assert isinstance(match.http_exception, web.HTTPNotFound)


async def test_a_crowd_opens_a_wing_once_though_the_first_of_it_goes_away(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who comes while it is loaded waits for the same load, and a caller that hangs up does not stop it."""
    loads: list[str] = []

    def load(wing: str) -> tuple[Route, ...]:
        loads.append(wing)
        return (Route(method="GET", path="/status", need=Need.OPEN, handler=answer),)

    monkeypatch.setattr(wings, "routes_of", load)
    router, request = Wings(add), make_mocked_request("GET", "/status")
    crowd = [asyncio.ensure_future(router.resolve(request)) for _ in range(5)]
    await asyncio.sleep(0)
    crowd[0].cancel()
    found = await asyncio.gather(*crowd, return_exceptions=True)

    assert isinstance(found[0], asyncio.CancelledError)
    assert [match.handler for match in found[1:] if isinstance(match, web.UrlMappingMatchInfo)] == [answer] * 4
    assert (await router.resolve(request)).handler is answer
    assert loads == ["api.status"]


@pytest.mark.parametrize("error", [ImportError("gone"), OSError(errno.EMFILE, "too many")])
async def test_a_wing_that_cannot_be_loaded_is_tried_again(
    error: Exception, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Half an update, or files that are used up, are no end: who comes is told to come again, and then it opens."""

    def missing(_wing: str) -> tuple[Route, ...]:
        raise error

    router, request = Wings(add), make_mocked_request("GET", "/healthz")
    with monkeypatch.context() as half_done:
        half_done.setattr(wings, "routes_of", missing)
        refused = (await router.resolve(request)).http_exception

    assert refused is not None
    problem = http_problem(refused)
    assert (problem.status, problem.code, problem.retry_after) == (503, "offline", 1)
    assert "cannot be loaded" in caplog.text
    assert (await router.resolve(request)).http_exception is None


def canonical(match: UrlMappingMatchInfo) -> str | None:
    """How the log names the route that was found."""
    return match.route.resource.canonical if match.route.resource else None


@pytest.mark.parametrize("method", ["GET", "PATCH", "BREW"])
@pytest.mark.parametrize(
    "path",
    [
        "/o",
        "/o/",
        "/o/acme",
        "/o/acme/",
        "/o/acme//services/data",
        "/o/acme/services/data/v66.0/query?q=a/b",
        "/o//services/data",
        "/o///",
        "/o/a%2Fb/services",
        "/o/a%7Bb/services",
        "/o/{name}/services",
        "/o/acme/services%0Adata",
        "/o/ac%0Ame/services",
        "/p/acme/services",
        "/%6F/acme/services",
    ],
)
async def test_what_is_below_a_name_is_found_where_aiohttp_finds_it(path: str, method: str) -> None:
    """The short way to the broker leads to the same route as the long one, or nowhere."""
    short, long = QuietDispatcher(), web.UrlDispatcher()
    for route in routes_of("api.brokered"):
        add(short, route)
        add(long, route)
    request = make_mocked_request(method, path)
    found, expected = await short.resolve(request), await long.resolve(request)

    assert found.handler is expected.handler or type(found.http_exception) is type(expected.http_exception)
    assert (found.http_exception is None) is (expected.http_exception is None)
    assert canonical(found) == canonical(expected)


async def test_the_broker_is_found_without_asking_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Addresses there are long, and this is asked for each request."""
    dispatcher = QuietDispatcher()
    for route in routes_of("api.brokered"):
        add(dispatcher, route)
    monkeypatch.setattr(web.UrlDispatcher, "resolve", pytest.fail)

    match = await dispatcher.resolve(make_mocked_request("GET", "/o/acme/services/data/v66.0/limits"))

    assert match.http_exception is None
