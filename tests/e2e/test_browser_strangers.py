"""Web pages of other origins in a real Chromium: they read nothing, start nothing and finish nothing here."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext

from support.browser import SignIn, Stranger, Tab, begin, stranger
from support.service import Service

READ = """async ([address, options]) => {
    try {
        const answer = await fetch(address, options);
        return {type: answer.type, status: answer.status, text: await answer.text()};
    } catch (error) {
        return "blocked";
    }
}"""
EMBED = """([tag, attribute, address]) => new Promise(done => {
    const element = document.createElement(tag);
    if (tag === "link") element.rel = "stylesheet";
    element[attribute] = address;
    element.onload = () => done("loaded");
    element.onerror = () => done("blocked");
    document.body.append(element);
})"""
PATHS = (
    "/",
    "/status",
    "/healthz",
    "/.well-known/meshmesh",
    "/v1/me",
    "/v1/connections",
    "/v1/connections/demo/token",
    "/v1/pairings",
    "/o/demo/services/data",
    "/signed-in/nothing",
    "/static/style.css",
)
PAIR = '{"client_name": "Bank of Trust", "wants": [{"mode": "build"}]}'
CONNECT = '{"environment": "demo", "name": "theirs"}'


@pytest.fixture(scope="module", params=["localhost", "127.0.0.1"], ids=["same-site", "cross-site"])
def site(request: pytest.FixtureRequest) -> Iterator[Stranger]:
    """A stranger's web site; to a browser another port of localhost is the same site, 127.0.0.1 is not."""
    host: str = request.param
    with stranger(host) as served:
        yield served


@pytest.fixture(scope="module")
def profile(browser: Browser, site: Stranger) -> Iterator[BrowserContext]:
    """The browser profile of a person who visits one stranger."""
    with browser.new_context() as context:
        yield context


@pytest.fixture
def tab(profile: BrowserContext, site: Stranger) -> Iterator[Tab]:
    """A tab that shows the stranger's page."""
    site.show("")
    opened = Tab(profile.new_page())
    opened.page.goto(site.origin)
    yield opened
    opened.page.close()


@pytest.fixture(scope="module")
def attempt(service: Service) -> SignIn:
    """A sign-in that waits while strangers try."""
    return begin(service, "ours")


def here(service: Service, path: str) -> str:
    """An address of the service."""
    return f"http://localhost:{service.port}{path}"


def kept(service: Service) -> list[Any]:
    """All that a stranger might have changed."""
    connections = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    others = [service.call("GET", path, owner=True).json() for path in ("/v1/pairings", "/v1/clients")]
    return [*((one["name"], one["status"], one["signed_in_at"]) for one in connections), *others]


def statuses(service: Service, log_before: str) -> set[int]:
    """How the service answered what came since, by its own log."""
    lines = service.log.removeprefix(log_before).splitlines()
    return {int(line.split()[-3]) for line in lines if " meshmesh.http " in line}


def live_redirect(service: Service, attempt: SignIn) -> str:
    """The redirect address with the waiting attempt's `state`, as if the stranger had got hold of it."""
    state = parse_qs(urlsplit(attempt.authorize_url).query)["state"][0]
    return here(service, f"/OauthRedirect?code=theirs&state={state}")


def test_a_page_of_another_origin_reads_nothing(service: Service, tab: Tab) -> None:
    """`fetch` is refused and cannot even read the refusal: plain, with credentials, with a header of its own."""
    log = service.log
    own_header = {"headers": {"Authorization": "Bearer mmp_0123456789"}}
    for path in PATHS:
        for options in ({}, {"credentials": "include"}, own_header, {"mode": "no-cors"}):
            assert tab.page.evaluate(READ, [here(service, path), options]) == "blocked", path

    assert statuses(service, log) == {403}


@pytest.mark.parametrize(
    ("path", "body"),
    [("/v1/pair", PAIR), ("/v1/connections", CONNECT), ("/v1/demo/revoke", "{}")],
    ids=["pair", "connect", "lever"],
)
def test_a_page_of_another_origin_starts_nothing(service: Service, tab: Tab, path: str, body: str) -> None:
    """No POST of a page asks to be paired, begins a sign-in or pulls a lever, whatever type it claims to be."""
    before, log = kept(service), service.log
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded"):
        for mode in ("cors", "no-cors"):
            options = {"method": "POST", "mode": mode, "body": body, "headers": {"Content-Type": content_type}}
            assert tab.page.evaluate(READ, [here(service, path), options]) == "blocked"

    assert statuses(service, log) == {403}
    assert kept(service) == before


@pytest.mark.parametrize(("path", "body"), [("/v1/pair", PAIR), ("/v1/connections", CONNECT)], ids=["pair", "connect"])
def test_a_form_of_another_origin_starts_nothing(
    service: Service, site: Stranger, tab: Tab, path: str, body: str
) -> None:
    """A form that the person is made to send, with JSON smuggled through `text/plain`, is refused."""
    before = kept(service)
    name, _, value = body.partition("=")
    site.show(
        f"<form method=post enctype=text/plain action='{here(service, path)}'>"
        f"<input name='{name[:-1]}, \"x\": \"' value='\"}}{value}'><button>Win</button></form>"
    )
    tab.page.reload()
    with tab.page.expect_navigation():
        tab.page.get_by_role("button").click()

    assert tab.answers[-1].status == 403
    assert kept(service) == before


def test_nothing_here_can_be_embedded(service: Service, tab: Tab, attempt: SignIn) -> None:
    """An image, script, style sheet, film or object from here fails on another site's page, and ends no sign-in."""
    before = kept(service)
    for tag, attribute in (("img", "src"), ("script", "src"), ("link", "href"), ("video", "src"), ("object", "data")):
        for address in (live_redirect(service, attempt), here(service, "/static/style.css"), here(service, "/status")):
            assert tab.page.evaluate(EMBED, [tag, attribute, address]) == "blocked", (tag, address)

    assert attempt.status == "waiting"
    assert kept(service) == before


def test_no_page_of_ours_shows_in_a_frame(service: Service, tab: Tab, attempt: SignIn) -> None:
    """Every page refuses to be framed, the redirect with a live `state` too, and that ends no sign-in."""
    pages = [here(service, path) for path in ("/", "/pair", "/signed-in/nothing")]
    for address in (*pages, live_redirect(service, attempt)):
        tab.page.evaluate(EMBED, ["iframe", "src", address])
        frame = tab.page.frames[-1]
        frame.wait_for_load_state()
        assert frame.url == "chrome-error://chromewebdata/", address

    assert attempt.status == "waiting"


def test_a_hidden_redirect_ends_nothing(service: Service, tab: Tab, attempt: SignIn) -> None:
    """Not even with a live `state` does a page end a sign-in behind the person's back: fetch, HEAD, POST, prefetch."""
    address = live_redirect(service, attempt)
    for options in (
        {},
        {"mode": "no-cors"},
        {"method": "HEAD", "mode": "no-cors"},
        {"method": "POST", "mode": "no-cors"},
    ):
        tab.page.evaluate(READ, [address, options])
    tab.page.evaluate(
        """address => {
            const link = document.createElement("link");
            Object.assign(link, {rel: "prefetch", href: address});
            document.head.append(link);
            navigator.sendBeacon(address, "");
        }""",
        address,
    )
    tab.page.wait_for_load_state("networkidle")

    assert attempt.status == "waiting"


def test_a_link_to_the_first_page_works(service: Service, site: Stranger, tab: Tab) -> None:
    """A person who follows a link to `/` gets there: a status without names."""
    site.show(f"<a href='{here(service, '/')}'>MeshMesh</a>")
    tab.page.reload()
    with tab.page.expect_navigation():
        tab.page.get_by_role("link").click()

    assert tab.page.url == here(service, "/")
    assert "connection" in tab.text
    assert "ada@" not in tab.page.content()


def test_a_link_with_a_made_up_state_ends_nothing(service: Service, site: Stranger, tab: Tab, attempt: SignIn) -> None:
    """A link to the redirect address with a guessed `state` shows the page for old links and changes nothing."""
    before = kept(service)
    site.show(f"<a href='{here(service, '/OauthRedirect?code=theirs&state=guess')}'>Win</a>")
    tab.page.reload()
    with tab.page.expect_navigation():
        tab.page.get_by_role("link").click()

    assert "This sign-in link is old." in tab.text
    assert attempt.status == "waiting"
    assert kept(service) == before
