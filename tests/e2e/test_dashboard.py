"""The owner in a real Chromium: opened by `meshmesh open`, everything that the dashboard does, and nothing without it."""

import re
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]  # it is typed, and does not say so
from playwright.sync_api import Browser, BrowserContext, Locator, Page, Route, expect

from support.browser import Tab, chromium
from support.peer import Peer, connect, peer
from support.service import PIN, Service, start

RITA = "Rita Reader"
CLOSED = "This page is yours alone"
NARROW = 400
LEFT = "net::ERR_ABORTED"  # a person who goes on to another page breaks off what this one asks


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for this file."""
    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """An org that is not the demo."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, org: Peer) -> Iterator[Service]:
    """A service with `demo`, and `acme` whose grants need a person."""
    running = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    try:
        connect(running, "acme", org.origin)
        assert running.call("POST", "/v1/pin", {"pin": PIN}, owner=True).status == 204
        yield running
    finally:
        running.stop()


@pytest.fixture
def profile(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    """A person's browser profile; what was connected in the test is gone afterwards."""
    context = browser.new_context()
    yield context
    context.close()
    for name in names(service) - {"demo", "acme"}:
        service.call("DELETE", f"/v1/connections/{name}", owner=True)


@pytest.fixture
def tab(profile: BrowserContext) -> Tab:
    """A tab without a session."""
    return Tab(profile.new_page())


@pytest.fixture
def opened(service: Service, tab: Tab) -> Iterator[Tab]:
    """The dashboard as `meshmesh open` opens it; in the end the browser had nothing to complain of."""
    tab.page.goto(address(service))
    expect(card(tab.page, "demo")).to_be_visible()
    yield tab
    assert [one for one in tab.complaints if LEFT not in one] == []


def address(service: Service) -> str:
    """What `meshmesh open` prints."""
    ran = service.cli("open")
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def here(service: Service, path: str) -> str:
    """An address of the service's."""
    return f"http://localhost:{service.port}{path}"


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


def go_to_login(tab: Tab) -> Tab:
    """The tab that the link of a waiting sign-in opens."""
    with tab.page.context.expect_page() as popup:
        tab.page.get_by_role("link", name="Sign in at Salesforce").click()
    return Tab(popup.value)


def allowed(page: Page) -> str:
    """The address that the consent page sends to after Allow, in a browser that cannot follow it."""
    parts = urlsplit(page.url)
    form: dict[str, str | float | bool] = {"request": parse_qs(parts.query)["request"][0], "decision": "allow"}
    return page.request.post(page.url.partition("?")[0], form=form, max_redirects=0).headers["location"]


def fill_form(page: Page, name: str) -> None:
    """The connect form, for the demo org."""
    page.get_by_label("Name, as you will type it in commands").fill(name)
    page.get_by_label("Demo org").check()
    press(page, "Connect")


def test_the_code_opens_the_dashboard_and_is_gone(service: Service, opened: Tab) -> None:
    """The list shows what is connected; the code is in no address, no history and no storage, and opens nothing again."""
    code = address(service).rpartition("=")[2]
    opened.page.goto(here(service, f"/#launch={code}"))
    opened.page.reload()
    expect(card(opened.page, "demo")).to_contain_text("Connected")
    stored = opened.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")

    assert opened.page.url == here(service, "/")
    assert not [url for url in opened.history() if "launch" in url]
    assert code not in stored
    assert opened.page.context.cookies() == []
    used = service.call("POST", "/v1/dashboard-sessions", {"launch_code": code})
    assert used.status == 410
    assert all(code not in answer.url for answer in opened.answers)


@pytest.mark.parametrize("path", ["/", "/pair", "/r/x", "/connections/demo"])
def test_without_a_session_a_page_shows_nothing(service: Service, tab: Tab, path: str) -> None:
    """It says how to get in and how many connections there are, names nothing, and stores nothing."""
    tab.page.goto(here(service, path), wait_until="networkidle")

    assert CLOSED in tab.text
    assert "meshmesh open" in tab.text
    assert "2 connections" in tab.text
    assert "acme" not in tab.page.content()
    assert not [answer.url for answer in tab.answers if "/v1/" in answer.url]
    assert tab.page.evaluate("localStorage.length") == 0
    assert tab.complaints == []


def test_a_page_that_waits_comes_alive(service: Service, tab: Tab) -> None:
    """A shell that was opened without a session shows its content once another tab was let in."""
    tab.page.goto(here(service, "/connections/acme"))
    expect(tab.page.locator("main")).to_contain_text(CLOSED)
    second = tab.page.context.new_page()
    second.goto(address(service))

    expect(card(tab.page, "acme")).to_be_visible()


def test_an_old_code_says_so(service: Service, tab: Tab) -> None:
    """A code that is not known leaves the page closed, with the way in."""
    tab.page.goto(here(service, "/#launch=" + "A" * 43))
    expect(tab.page.locator("main")).to_contain_text("This launch code is not known.")

    assert tab.page.url == here(service, "/")


def test_without_scripts_the_page_says_why(service: Service, browser: Browser) -> None:
    """A browser without JavaScript is told why this page needs it."""
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(here(service, "/"))
    shown = page.inner_text("main")
    context.close()

    assert "This page needs JavaScript." in shown


def test_the_demo_org_is_connected_by_the_form(service: Service, opened: Tab) -> None:
    """Name, environment, Connect; the login pages in a tab of their own; the dashboard sees the end."""
    fill_form(opened.page, "work")
    login = go_to_login(opened)
    login.log_in(RITA)
    login.decide("Allow")
    assert "You're in." in login.text

    expect(opened.page.locator("#sign-in")).to_contain_text("work is connected.")
    expect(card(opened.page, "work")).to_contain_text("rita@meshmesh-demo.example.com")
    assert names(service) == {"demo", "acme", "work"}


def test_the_address_can_be_pasted(service: Service, opened: Tab, browser: Browser) -> None:
    """From a browser that cannot reach this service the address finishes the sign-in all the same."""
    fill_form(opened.page, "pasted")
    link = opened.page.get_by_role("link", name="Sign in at Salesforce").get_attribute("href")
    assert link
    far = browser.new_context()
    elsewhere = Tab(far.new_page())
    elsewhere.page.goto(link)
    elsewhere.log_in(RITA)
    opened.page.get_by_label("Paste the address").fill(allowed(elsewhere.page))
    far.close()
    press(opened.page, "Finish with this address")

    expect(opened.page.locator("#sign-in")).to_contain_text("pasted is connected.")
    assert connection(service, "pasted")["status"] == "connected"


def test_a_refusal_is_told_with_its_next_step(service: Service, opened: Tab) -> None:
    """Deny at Salesforce: the title and what to do, and nothing is connected."""
    fill_form(opened.page, "never")
    login = go_to_login(opened)
    login.log_in(RITA)
    login.decide("Deny")

    expect(opened.page.locator("#sign-in h2")).not_to_have_text("Sign in")
    expect(opened.page.locator("#sign-in .trouble")).not_to_be_empty()
    assert "never" not in names(service)


def test_another_user_than_before_can_be_kept_apart(service: Service, opened: Tab) -> None:
    """Reconnecting as somebody else changes nothing, and what it became is kept under a name of its own."""
    page = opened.page
    fill_form(page, "work")
    login = go_to_login(opened)
    login.log_in(RITA)
    login.decide("Allow")
    page.context.clear_cookies()  # Salesforce's, so that it asks who signs in
    press(page, "Reconnect work")
    again = go_to_login(opened)
    again.log_in("Ada Admin")
    if again.page.get_by_role("button", name="Allow").count():
        again.decide("Allow")
    page.get_by_label("Keep it under a name of its own").fill("other")
    press(page, "Keep it")

    expect(page.locator("#sign-in")).to_contain_text("other is connected.")
    assert connection(service, "work")["username"] == "rita@meshmesh-demo.example.com"
    assert connection(service, "other")["username"] == "ada@meshmesh-demo.example.com"


def test_a_message_for_the_admin_can_be_copied(opened: Tab) -> None:
    """What only an admin can mend comes with a text to send, and a button that copies it."""
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    told = {
        "title": "The app is blocked.", "detail": "An admin must allow it.", "code": "sign_in_failed",
        "next": {"label": "Ask your admin", "command": None, "url": "javascript:document.title='taken'"},
        "message_for_admin": "Please allow this app.",
    }  # fmt: skip
    page.route(
        re.compile(r"/v1/connections$"),
        lambda route: route.fulfill(status=400, json=told) if route.request.method == "POST" else route.continue_(),
    )
    fill_form(page, "never")
    expect(page.locator("#sign-in h2")).to_have_text("The app is blocked.")
    press(page, "Copy the message")
    expect(page.locator("#said")).to_have_text("The message is copied.")
    page.unroute_all()
    opened.complaints.clear()  # the browser notes the 400

    assert page.evaluate("navigator.clipboard.readText()") == "Please allow this app."
    assert page.locator("#sign-in a").count() == 0  # an address that is none for a browser is no link
    expect(page.locator("#connect-trouble")).to_contain_text("An admin must allow it.")


def test_a_sign_in_can_be_cancelled(service: Service, opened: Tab) -> None:
    """The attempt is dead at once, and the page says so."""
    fill_form(opened.page, "never")
    link = opened.page.get_by_role("link", name="Sign in at Salesforce")
    expect(link).to_be_visible()
    press(opened.page, "Cancel the sign-in")

    expect(opened.page.locator("#said")).to_contain_text("cancelled")
    expect(link).to_have_count(0)


def test_a_bad_name_is_refused_beside_the_form(opened: Tab) -> None:
    """The service's own sentence, and what was typed stays."""
    opened.page.get_by_label("Name, as you will type it in commands").fill("Not A Name")
    opened.page.get_by_label("Demo org").check()
    press(opened.page, "Connect")

    expect(opened.page.locator("#connect-trouble")).to_contain_text("A name has 1 to 63")
    expect(opened.page.get_by_label("Name, as you will type it in commands")).to_have_value("Not A Name")
    opened.complaints.clear()  # the browser notes every 422


def test_the_form_becomes_the_body(opened: Tab) -> None:
    """Custom domain, own app, secret and permissions go out in the words of the API; the secret field hides it."""
    page = opened.page
    sent: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        sent.append(route.request.post_data_json)
        route.fulfill(status=422, json={"detail": "x", "next": None})

    page.route(re.compile(r"/v1/connections$"), answer)
    expect(page.get_by_label("Domain", exact=True)).to_be_hidden()
    page.get_by_label("Name, as you will type it in commands").fill("own")
    page.get_by_label("Custom Domain").check()
    page.get_by_label("Domain", exact=True).fill("acme.my.salesforce.com")
    page.get_by_text("Advanced Settings").click()
    page.get_by_label("Client ID").fill("3MVG9")
    secret = page.get_by_label("Client Secret")
    secret.fill("s3cret")
    page.get_by_label("Manage user data via Web browsers (web)").check()
    press(page, "Connect")
    expect(page.locator("#connect-trouble")).to_have_text("x")
    page.unroute_all()
    opened.complaints.clear()

    assert secret.get_attribute("type") == "password"
    assert sent == [
        {
            "environment": "custom",
            "name": "own",
            "domain": "acme.my.salesforce.com",
            "app": {"client_id": "3MVG9", "flow": "authorization_code", "client_secret": "s3cret"},
            "scopes": ["api", "offline_access", "refresh_token", "web"],
        }
    ]


def test_a_connection_is_tested_looked_at_and_disconnected(service: Service, opened: Tab) -> None:
    """Test makes its call, Details shows the app and the scopes, Disconnect asks before it acts."""
    page = opened.page
    fill_form(page, "work")
    login = go_to_login(opened)
    login.log_in(RITA)
    login.decide("Allow")
    press(page, "Test work")
    expect(page.locator("#said")).to_contain_text("work answers.")
    page.get_by_role("link", name="Details of work").click()
    expect(card(page, "work")).to_contain_text("no program yet")
    assert page.url == here(service, "/connections/work")
    press(page, "Disconnect work")
    press(page, "Cancel")
    assert "work" in names(service)
    press(page, "Disconnect work")
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()

    expect(page.locator("#list")).to_contain_text("There is no such connection any more.")
    assert "work" not in names(service)


def test_a_revoked_connection_is_reconnected_on_its_page(service: Service, opened: Tab) -> None:
    """The list turns by itself; the page of the notification has Reconnect first, and sees the end."""
    page = opened.page
    service.call("POST", "/v1/demo/revoke", {}, owner=True)
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)
    expect(card(page, "demo")).to_contain_text("Needs you")
    page.goto(here(service, f"/r/{connection(service, 'demo')['id']}"))
    expect(page.locator("h1")).to_have_text("A connection needs you")
    expect(card(page, "demo").get_by_role("button").first).to_have_text("Reconnect")
    press(page, "Reconnect demo")
    login = go_to_login(opened)
    login.log_in("Ada Admin")
    if login.page.get_by_role("button", name="Allow").count():
        login.decide("Allow")

    expect(page.locator("h1")).to_have_text("demo is connected")
    assert connection(service, "demo")["status"] == "connected"


def ask_to_pair(service: Service, **want: object) -> dict[str, Any]:
    """A program that asks."""
    wants = [{"connection": "demo", "mode": "read", "purpose": "nightly report", **want}]
    asked: dict[str, Any] = service.call("POST", "/v1/pair", {"client_name": "nightly.py", "wants": wants}).json()
    return asked


def collected(service: Service, asked: dict[str, Any]) -> Any:
    """What the program gets for its device code."""
    return service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json()


def test_a_program_is_paired_on_the_page(service: Service, opened: Tab) -> None:
    """What it says and what was seen stand apart; connection, mode and time are the person's choice."""
    page = opened.page
    asked = ask_to_pair(service)
    expect(page.locator("#pairings")).to_contain_text("A program wants to be paired.")
    page.goto(asked["verification_uri_complete"])
    shown = page.locator(f"#pairing-{asked['user_code']}")
    expect(shown).to_contain_text(asked["user_code"])
    expect(shown.locator(".sides > div").first).to_contain_text("nightly.py")
    expect(shown.locator(".sides > div").last).to_contain_text("python")
    expect(shown).to_contain_text("nightly report")
    shown.get_by_label("Mode").select_option("plan")
    shown.get_by_label("For how long").select_option("3600")
    page.wait_for_timeout(3500)  # a poll goes by, and what was chosen stays
    press(page, "Approve")

    expect(page.locator("#said")).to_contain_text("nightly.py is paired.")
    expect(page.locator("#list")).to_contain_text("Nobody asks.")
    grants = collected(service, asked)["grants"]
    assert [(grant["connection"], grant["mode"], bool(grant["expires_at"])) for grant in grants] == [
        ("demo", "plan", True)
    ]


def test_a_program_is_turned_away(service: Service, opened: Tab) -> None:
    """Deny ends the request."""
    asked = ask_to_pair(service)
    opened.page.goto(here(service, "/pair"))
    press(opened.page, "Deny")
    expect(opened.page.locator("#list")).to_contain_text("Nobody asks.")

    assert collected(service, asked) == {"error": "access_denied"}


def test_power_over_another_org_takes_the_pin(service: Service, opened: Tab) -> None:
    """The page asks for the PIN: Cancel changes nothing, a wrong one is asked for again, the right one pairs."""
    page = opened.page
    asked = ask_to_pair(service, connection="acme")
    page.goto(here(service, "/pair"))
    press(page, "Approve")
    press(page, "Cancel")
    expect(page.locator("#said")).to_contain_text("a person must approve it")
    press(page, "Approve")
    dialog = page.get_by_role("dialog")
    for typed in ("wrong", PIN):
        dialog.get_by_label("Approval PIN").fill(typed)
        dialog.get_by_role("button", name="Approve").click()
        if typed == "wrong":
            expect(dialog).to_contain_text("That is not the approval PIN.")

    expect(page.locator("#said")).to_contain_text("nightly.py is paired.")
    opened.complaints.clear()  # the browser notes every 403
    assert [grant["connection"] for grant in collected(service, asked)["grants"]] == ["acme"]


def test_a_session_that_ended_closes_the_page(service: Service, opened: Tab) -> None:
    """The next answer is 401: the page forgets everything that it showed."""
    opened.page.evaluate("localStorage.setItem('meshmesh-session', 'gone')")
    expect(opened.page.locator("main")).to_contain_text("Your session has ended.")

    assert "acme" not in opened.page.inner_text("body")
    assert opened.page.evaluate("localStorage.length") == 0
    opened.complaints.clear()  # the browser notes the 401


def test_what_the_service_says_is_never_markup(service: Service, opened: Tab) -> None:
    """A program's name and purpose are shown as they are."""
    name = "<img src=x onerror=document.title='taken'>"
    asked = service.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read", "purpose": name}]}).json()
    opened.page.goto(here(service, "/pair"))
    shown = opened.page.locator(f"#pairing-{asked['user_code']}")
    expect(shown).to_contain_text(name)

    assert shown.locator("img").count() == 0
    assert opened.page.title() == "Programs that want to be paired - MeshMesh"
    service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/", "/connections/demo", "/pair"])
def test_pages_serve_everybody(service: Service, opened: Tab, path: str, scheme: Any) -> None:
    """At 400 pixels nothing is cut off, axe finds nothing, light or dark, and only our own files were loaded."""
    page = opened.page
    asked = ask_to_pair(service)
    page.set_viewport_size({"width": NARROW, "height": 800})
    page.emulate_media(color_scheme=scheme)
    page.goto(here(service, path))
    expect(page.locator("#list > *").first).to_be_visible()
    violations = cast("list[dict[str, Any]]", Axe().run(page).response["violations"])  # pyright: ignore[reportUnknownMemberType]

    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert [(one["id"], one["impact"], [node["target"] for node in one["nodes"]]) for one in violations] == []
    assert {urlsplit(answer.url).netloc for answer in opened.answers} == {f"localhost:{service.port}"}
    service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True)
