"""The owner at the dashboard: where its pages are, what stands on them, and what a person does there."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it is typed, and does not say so
from playwright.sync_api import Locator, Page, expect

from meshmesh_daemon.core.scopes import DEFAULT
from support.browser import Tab
from support.peer import connect, peer
from support.service import Service, start

RITA = "Rita Reader"
LEFT = "net::ERR_ABORTED"  # a person who goes on to another page breaks off what this one asks


@contextmanager
def beside_production(folder: Path, *, scopes: Sequence[str] = DEFAULT) -> Generator[Service]:
    """A service with `demo`, and `acme` which is a production org, connected with these scopes."""
    with peer(folder / "org") as org:
        org.lever("org", name="Acme", organization_type="Enterprise Edition")
        running = start(folder / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        try:
            connect(running, "acme", org.origin, scopes=scopes)
            yield running
        finally:
            running.stop()


def address(service: Service) -> str:
    """What `meshmesh open` prints."""
    ran = service.cli("open")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def session(service: Service) -> str:
    """A live session."""
    code = service.call("POST", "/v1/launch-codes", {}, owner=True).json()["launch_code"]
    return str(service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}).json()["session"])


def here(service: Service, path: str) -> str:
    """An address of the service's."""
    return f"http://localhost:{service.port}{path}"


@contextmanager
def owner(tab: Tab, service: Service) -> Generator[Tab]:
    """A tab with a session of its own, left as it was found; in the end the browser had nothing to complain of."""
    page = tab.page
    page.goto(here(service, "/healthz"))
    page.evaluate("key => { localStorage.clear(); localStorage.setItem('meshmesh-session', key); }", session(service))
    tab.complaints.clear()
    yield tab
    complaints = [one for one in tab.complaints if LEFT not in one]
    page.unroute_all()
    page.goto("about:blank")
    page.context.clear_cookies()
    for other in page.context.pages:
        if other is not page:
            other.close()
    assert complaints == []


def connection(service: Service, name: str) -> dict[str, Any]:
    """A connection as the owner sees it."""
    found: dict[str, Any] = service.call("GET", f"/v1/connections/{name}", owner=True).json()
    return found


def names(service: Service) -> set[str]:
    """The connections that are there."""
    return {one["name"] for one in service.call("GET", "/v1/connections", owner=True).json()["connections"]}


def card(page: Page, name: str) -> Locator:
    """A connection's card."""
    return page.locator(f"#connection-{name}")


def press(page: Page, name: str) -> None:
    """Press the button of this name."""
    page.get_by_role("button", name=name, exact=True).click()


def heard(page: Page, text: str) -> None:
    """The page says this, beside what it shows."""
    expect(page.locator("#said")).to_contain_text(text)


def fill_form(page: Page, service: Service, name: str) -> None:
    """Send the connect form, for the demo org."""
    page.goto(here(service, "/connect"))
    page.get_by_label("Name", exact=True).fill(name)
    page.get_by_role("switch", name="Demo org").check()
    press(page, "Connect")


def go_to_login(tab: Tab) -> Tab:
    """The tab that the link of a waiting sign-in opens."""
    with tab.page.context.expect_page() as popup:
        tab.page.get_by_role("link", name="Sign in at Salesforce").click()
    return Tab(popup.value)


def sign_in(tab: Tab, user: str = RITA) -> str:
    """Sign in where the link leads, allow it where that is asked, close that tab; what stood on it in the end."""
    login = go_to_login(tab)
    login.log_in(user)
    if login.page.get_by_role("button", name="Allow").count():
        login.decide("Allow")
    text = login.text
    login.page.close()  # a tab behind another one is slow: its frames come once a second
    return text


def allowed(page: Page) -> str:
    """The address that the consent page sends to after Allow, in a browser that cannot follow it."""
    parts = urlsplit(page.url)
    form: dict[str, str | float | bool] = {"request": parse_qs(parts.query)["request"][0], "decision": "allow"}
    return page.request.post(page.url.partition("?")[0], form=form, max_redirects=0).headers["location"]


def violations(page: Page) -> list[object]:
    """What axe finds: everything on the light page, and the contrasts of the dark one."""
    page.emulate_media(color_scheme="light")
    found = _axe(page, {})
    page.emulate_media(color_scheme="dark")
    return found + _axe(page, {"runOnly": ["color-contrast"]})


def _axe(page: Page, options: dict[str, object]) -> list[object]:
    found = cast("list[dict[str, Any]]", Axe().run(page, options=options).response["violations"])  # pyright: ignore[reportUnknownMemberType]
    return [(one["id"], one["impact"], [node["target"] for node in one["nodes"]]) for one in found]


def ask_to_pair(service: Service, **want: object) -> dict[str, Any]:
    """A program that asks."""
    wants = [{"connection": "demo", "mode": "read", "purpose": "nightly report", **want}]
    asked: dict[str, Any] = service.call("POST", "/v1/pair", {"client_name": "nightly.py", "wants": wants}).json()
    return asked


def collected(service: Service, asked: dict[str, Any]) -> Any:
    """What the program gets for its device code."""
    return service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json()
