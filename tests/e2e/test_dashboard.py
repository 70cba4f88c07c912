"""The owner in a real Chromium: opened by `meshmesh open`, connections made, looked at and ended, and nothing without it."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from support.browser import Tab
from support.dashboard import (
    RITA,
    address,
    allowed,
    card,
    connection,
    fill_form,
    go_to_login,
    heard,
    here,
    names,
    owner,
    press,
    sign_in,
)
from support.peer import Peer, connect, peer
from support.service import PIN, Service, start

CLOSED = "This page is yours alone"
KEPT = {"demo", "acme"}


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
def tab(browser: Browser) -> Iterator[Tab]:
    """A tab without a session, of another profile."""
    context = browser.new_context()
    yield Tab(context.new_page())
    context.close()


@pytest.fixture
def opened(own: Tab, service: Service) -> Iterator[Tab]:
    """The owner's tab with a session; what was connected in the test is gone afterwards."""
    with owner(own, service) as tab:
        yield tab
    for name in names(service) - KEPT:
        service.call("DELETE", f"/v1/connections/{name}", owner=True)


def shown(page: Page) -> list[str]:
    """The names of the cards that are not hidden."""
    return [one.inner_text() for one in page.locator("article h3 a").all() if one.is_visible()]


def test_the_code_opens_the_dashboard_and_is_gone(service: Service, tab: Tab) -> None:
    """The list shows what is connected; the code is in no address, no history and no storage, and opens nothing again."""
    tab.page.goto(address(service))
    expect(card(tab.page, "demo")).to_contain_text("Connected")
    code = address(service).rpartition("=")[2]
    tab.page.goto(here(service, f"/#launch={code}"))
    expect(card(tab.page, "demo")).to_be_visible()
    tab.page.reload()
    expect(card(tab.page, "demo")).to_contain_text("Connected")
    stored = tab.page.evaluate("JSON.stringify({...localStorage, ...sessionStorage}) + document.cookie")

    assert tab.page.url == here(service, "/")
    assert not [url for url in tab.history() if "launch" in url]
    assert code not in stored
    assert tab.page.context.cookies() == []
    assert service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}).status == 410
    assert all(code not in answer.url for answer in tab.answers)


@pytest.mark.parametrize("path", ["/", "/pair", "/r/x", "/connections/demo", "/plans/x", "/settings"])
def test_without_a_session_a_page_shows_nothing(service: Service, tab: Tab, path: str) -> None:
    """It says how to get in and how many connections there are, names nothing, and stores nothing."""
    tab.page.goto(here(service, path), wait_until="networkidle")

    assert CLOSED in tab.text
    assert "meshmesh open" in tab.text
    assert "2 connections" in tab.text
    assert "acme" not in tab.page.content()
    assert not [answer.url for answer in tab.answers if urlsplit(answer.url).path.startswith(("/v1/", "/dashboard/"))]
    assert tab.page.evaluate("localStorage.length") == 0
    assert tab.complaints == []


def test_a_page_that_waits_comes_alive(service: Service, tab: Tab) -> None:
    """A shell that was opened without a session shows its content once another tab was let in."""
    tab.page.goto(here(service, "/connections/acme"))
    expect(tab.page.locator("main")).to_contain_text(CLOSED)
    second = tab.page.context.new_page()
    second.goto(address(service))

    expect(card(tab.page, "acme")).to_be_visible()


def test_the_pin_opens_a_page(service: Service, tab: Tab) -> None:
    """A wrong PIN is refused in the page's words, the right one shows the page that was asked for."""
    tab.page.goto(here(service, "/connections/acme"))
    for typed in ("wrong", PIN):
        tab.page.get_by_label("Or type your approval PIN").fill(typed)
        press(tab.page, "Open with the PIN")
        if typed == "wrong":
            expect(tab.page.locator("#closed-trouble")).to_contain_text("That is not the approval PIN.")

    expect(card(tab.page, "acme")).to_be_visible()
    assert PIN not in tab.page.content()


def test_where_nobody_draws_notifications_it_is_said(service: Service, tab: Tab) -> None:
    """Asking in a notification that cannot be shown leaves the page closed, with the other ways in."""
    tab.page.goto(here(service, "/"))
    press(tab.page, "Ask me in a notification")

    expect(tab.page.locator("#closed-trouble")).to_contain_text(
        "by the approval PIN, a notification, or from a terminal"
    )
    assert tab.page.evaluate("localStorage.length") == 0


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
    text = page.inner_text("main")
    context.close()

    assert "This page needs JavaScript." in text


def test_the_demo_org_is_connected_by_the_form(service: Service, opened: Tab) -> None:
    """Name, switch, Connect; the login pages in a tab of their own; the dashboard sees the end and says who you became."""
    fill_form(opened.page, service, "work")
    assert "You're in." in sign_in(opened)

    expect(opened.page.locator("#sign-in")).to_contain_text("work is connected to MeshMesh Demo demo as rita@")
    opened.page.goto(here(service, "/"))
    expect(card(opened.page, "work")).to_contain_text("rita@meshmesh-demo.example.com")
    assert names(service) == {*KEPT, "work"}


def test_the_address_can_be_pasted(service: Service, opened: Tab, browser: Browser) -> None:
    """From a browser that cannot reach this service the address finishes the sign-in all the same."""
    fill_form(opened.page, service, "pasted")
    link = opened.page.get_by_role("link", name="Sign in at Salesforce").get_attribute("href")
    assert link
    far = browser.new_context()
    elsewhere = Tab(far.new_page())
    elsewhere.page.goto(link)
    elsewhere.log_in(RITA)
    opened.page.get_by_text("Paste the address instead").click()
    opened.page.get_by_label("The address that the browser ended at").fill(allowed(elsewhere.page))
    far.close()
    press(opened.page, "Finish with this address")

    expect(opened.page.locator("#sign-in")).to_contain_text("pasted is connected")
    assert connection(service, "pasted")["status"] == "connected"


def test_what_is_pasted_survives_the_waiting(service: Service, opened: Tab) -> None:
    """The panel asks again and again how the sign-in stands, and takes nothing from under the hand."""
    fill_form(opened.page, service, "never")
    opened.page.get_by_text("Paste the address instead").click()
    field = opened.page.get_by_label("The address that the browser ended at")
    field.press_sequentially("http://loc")
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)
    opened.page.evaluate("htmx.trigger('#attempt', 'load')")
    opened.page.wait_for_timeout(300)
    field.press_sequentially("alhost")

    expect(field).to_be_focused()
    expect(field).to_have_value("http://localhost")


def test_a_refusal_is_told_with_its_next_step(service: Service, opened: Tab) -> None:
    """Deny at Salesforce: the title and what to do, and nothing is connected."""
    fill_form(opened.page, service, "never")
    login = go_to_login(opened)
    login.log_in(RITA)
    login.decide("Deny")
    login.page.close()

    expect(opened.page.locator("#sign-in .trouble")).not_to_be_empty()
    expect(opened.page.locator("#sign-in h2")).not_to_have_text("Finish the sign-in at Salesforce")
    assert "never" not in names(service)


def test_another_user_than_before_can_be_kept_apart(service: Service, opened: Tab) -> None:
    """Reconnecting as somebody else changes nothing, and what it became is kept under a name of its own."""
    page = opened.page
    fill_form(page, service, "work")
    sign_in(opened)
    expect(page.locator("#sign-in")).to_contain_text("work is connected")
    page.context.clear_cookies()  # Salesforce's, so that it asks who signs in
    page.goto(here(service, "/"))
    press(page, "Reconnect work")
    sign_in(opened, "Ada Admin")
    page.get_by_label("Keep it under a name of its own").fill("other")
    press(page, "Keep it")

    expect(page.locator("#sign-in")).to_contain_text("other is connected")
    assert connection(service, "work")["username"] == "rita@meshmesh-demo.example.com"
    assert connection(service, "other")["username"] == "ada@meshmesh-demo.example.com"


def answer_connect(page: Page, status: int, document: object) -> list[Any]:
    """Have the service answer the connect form so; what was sent comes into the list."""
    sent: list[Any] = []

    def answer(route: Route) -> None:
        if route.request.method != "POST":
            route.continue_()
            return
        sent.append(route.request.post_data_json)
        route.fulfill(status=status, json=document)

    page.route(re.compile(r"/v1/connections$"), answer)
    return sent


def test_a_message_for_the_admin_can_be_copied(service: Service, opened: Tab) -> None:
    """What only an admin can mend comes with a text to send, and a button that copies it."""
    page = opened.page
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    told = {
        "title": "The app is blocked.", "detail": "An admin must allow it.", "code": "sign_in_failed",
        "next": {"label": "Ask your admin", "command": None, "url": "javascript:document.title='taken'"},
        "message_for_admin": "Please allow this app.",
    }  # fmt: skip
    answer_connect(page, 400, told)
    fill_form(page, service, "never")
    trouble = page.locator("#connect-form [role=alert]")
    expect(trouble).to_contain_text("An admin must allow it. Ask your admin")
    trouble.get_by_role("button", name="Copy the message").click()
    heard(page, "It is copied.")
    page.unroute_all()
    opened.complaints.clear()  # the browser notes the 400

    assert page.evaluate("navigator.clipboard.readText()") == "Please allow this app."
    assert trouble.locator("a").count() == 0  # an address that is none for a browser is no link


def test_a_sign_in_can_be_cancelled(service: Service, opened: Tab) -> None:
    """The attempt is dead at once, and the page says so."""
    fill_form(opened.page, service, "never")
    link = opened.page.get_by_role("link", name="Sign in at Salesforce")
    expect(link).to_be_visible()
    press(opened.page, "Cancel the sign-in")

    expect(opened.page.locator("#sign-in")).to_contain_text("The sign-in was cancelled.")
    expect(link).to_have_count(0)


def test_a_bad_name_is_refused_beside_the_form(service: Service, opened: Tab) -> None:
    """The service's own sentence, the field marked and under the hand, and what was typed stays."""
    fill_form(opened.page, service, "Not A Name")
    name = opened.page.get_by_label("Name", exact=True)
    expect(opened.page.locator("#connect-form [role=alert]")).to_contain_text("A name has 1 to 63")

    expect(name).to_have_value("Not A Name")
    expect(name).to_be_focused()
    expect(name).to_have_attribute("aria-invalid", "true")
    opened.complaints.clear()  # the browser notes every 422


@pytest.mark.parametrize(
    ("switches", "environment"),
    [
        ((), "production"),
        (("Sandbox",), "sandbox"),
        (("Sandbox", "Custom Domain"), "custom"),
        (("Demo org",), "demo"),
    ],
)
def test_the_switches_name_the_door(service: Service, opened: Tab, switches: tuple[str, ...], environment: str) -> None:
    """A My Domain beats the Sandbox switch; without any it is production, with the default permissions."""
    page = opened.page
    sent = answer_connect(page, 422, {"detail": "x", "next": None})
    page.goto(here(service, "/connect"))
    for switch in switches:
        page.get_by_role("switch", name=switch).check()
    expect(page.get_by_label("Domain", exact=True)).to_be_visible(visible=environment == "custom")
    press(page, "Connect")
    expect(page.locator("#connect-form [role=alert]")).to_have_text("x")
    opened.complaints.clear()

    assert sent == [{"environment": environment, "scopes": ["api", "offline_access", "refresh_token"]}]


def test_the_form_becomes_the_body(service: Service, opened: Tab) -> None:
    """Custom domain, own app, secret and permissions go out in the words of the API; the secret field hides it."""
    page = opened.page
    sent = answer_connect(page, 422, {"detail": "x", "next": None})
    page.goto(here(service, "/connect#own-app"))
    page.get_by_label("Name", exact=True).fill("own")
    page.get_by_role("switch", name="Custom Domain").check()
    page.get_by_label("Domain", exact=True).fill("acme.my.salesforce.com")
    page.get_by_label("Client ID").fill("3MVG9")
    secret = page.get_by_label("Client Secret")
    secret.fill("s3cret")
    page.get_by_label("Manage user data via Web browsers (web)").check()
    page.get_by_label("Manage user data via APIs (api)").click(force=True)  # needed: it stays ticked
    for who in ("", "client_credentials"):
        page.get_by_label("Who signs in").select_option(who)
        press(page, "Connect")
        expect(page.locator("#connect-form [role=alert]")).to_have_text("x")
        expect(page.get_by_role("button", name="Connect", exact=True)).to_be_enabled()
    opened.complaints.clear()

    by_person = {
        "environment": "custom",
        "name": "own",
        "domain": "acme.my.salesforce.com",
        "app": {"client_id": "3MVG9", "client_secret": "s3cret"},
        "scopes": ["api", "offline_access", "refresh_token", "web"],
    }
    by_app = {name: value for name, value in by_person.items() if name != "scopes"}
    by_app["app"] = {"client_id": "3MVG9", "client_secret": "s3cret", "flow": "client_credentials"}
    assert secret.get_attribute("type") == "password"
    assert sent == [by_person, by_app]


def test_a_connection_is_tested_diagnosed_renamed_and_disconnected(service: Service, opened: Tab) -> None:
    """Test makes its call, Details shows the app and the scopes, a new name is its address, Disconnect asks first."""
    page = opened.page
    fill_form(page, service, "work")
    sign_in(opened)
    expect(page.locator("#sign-in")).to_contain_text("work is connected")
    page.goto(here(service, "/"))
    press(page, "Test work")
    heard(page, "work answers.")
    page.get_by_role("link", name="Details of work").click()
    expect(page.locator("#facts")).to_contain_text("PlatformCLI")
    press(page, "What is wrong?")
    expect(page.locator("#diagnosis")).to_contain_text("Nothing is wrong")
    page.get_by_label("Name", exact=True).fill("renamed")
    press(page, "Rename")
    page.wait_for_url(here(service, "/connections/renamed"))
    press(page, "Disconnect renamed")
    press(page, "Cancel")
    assert "renamed" in names(service)
    press(page, "Disconnect renamed")
    page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    page.wait_for_url(here(service, "/"))

    expect(card(page, "demo")).to_be_visible()
    assert names(service) == KEPT


def test_a_revoked_connection_is_reconnected_on_its_page(service: Service, opened: Tab) -> None:
    """The list turns by itself; the page of the notification has Reconnect first, and sees the end."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "demo")).to_contain_text("Connected")
    expect(page.locator("#live")).to_have_text("live")
    service.call("POST", "/v1/demo/revoke", {}, owner=True)
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)
    expect(card(page, "demo")).to_contain_text("Needs you")
    expect(page.locator("#needing")).to_contain_text("1 needs you: demo")
    expect(page.locator("#count-connections")).to_contain_text("1")
    page.goto(here(service, f"/r/{connection(service, 'demo')['id']}"))
    expect(page.locator("#view h1")).to_have_text("A connection needs you")
    expect(card(page, "demo").get_by_role("button").first).to_have_text("Reconnect")
    press(page, "Reconnect demo")
    sign_in(opened, "Ada Admin")

    expect(page.locator("#view h1")).to_have_text("demo is connected")
    assert connection(service, "demo")["status"] == "connected"


def test_search_and_filters_hide_what_does_not_fit(service: Service, opened: Tab) -> None:
    """By any word on the card, or by a chip; what fits nothing says so; the slash key leads to the search."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "acme")).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("ACME")
    assert shown(page) == ["acme"]
    page.keyboard.type("x")
    assert shown(page) == []
    expect(page.locator("#nothing")).to_be_visible()
    page.get_by_label("Search").fill("")
    press(page, "Production 0")
    assert shown(page) == []
    press(page, "All 2")
    assert sorted(shown(page)) == ["acme", "demo"]
    page.get_by_label("Search").fill("demo.example")
    service.call("PATCH", "/v1/connections/acme", {"name": "acme-uat"}, owner=True)
    expect(card(page, "acme-uat")).to_be_visible()  # it came by itself

    expect(page.get_by_label("Search")).to_have_value("demo.example")
    service.call("PATCH", "/v1/connections/acme-uat", {"name": "acme"}, owner=True)
    expect(card(page, "acme")).to_be_visible()


def test_the_keyboard_is_enough(service: Service, opened: Tab) -> None:
    """j and k go from card to card, t tests the one under the hand."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "acme")).to_be_visible()
    for key in ("j", "j", "k"):
        page.keyboard.press(key)
    expect(card(page, "acme").get_by_role("link", name="acme", exact=True)).to_be_focused()
    page.keyboard.press("t")
    heard(page, "acme answers.")
    page.keyboard.press("Enter")

    page.wait_for_url(here(service, "/connections/acme"))


def test_a_connection_that_is_not_there_is_said(service: Service, opened: Tab) -> None:
    """An old address shows a sentence, and nothing else."""
    opened.page.goto(here(service, "/connections/nothing"))
    expect(opened.page.locator("#gone")).to_have_text("There is no connection 'nothing' here.")
    opened.complaints.clear()  # the browser notes the 404


def test_a_session_that_ended_closes_the_page(service: Service, opened: Tab) -> None:
    """The next answer is 401: the page forgets everything that it showed."""
    opened.page.goto(here(service, "/"))
    expect(card(opened.page, "acme")).to_be_visible()
    opened.page.evaluate("localStorage.setItem('meshmesh-session', 'gone')")
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)
    press(opened.page, "Test acme")
    expect(opened.page.locator("main")).to_contain_text("Your session has ended.")

    assert "acme" not in opened.page.content()
    assert opened.page.evaluate("localStorage.length") == 0
    opened.complaints.clear()  # the browser notes the 401


def test_without_a_connection_the_page_offers_the_demo_org(tmp_path: Any, own: Tab) -> None:
    """The empty page has two buttons, and the second one begins a sign-in."""
    fresh = start(tmp_path / "home")
    try:
        assert fresh.call("DELETE", "/v1/connections/demo", owner=True).status == 200
        with owner(own, fresh) as tab:
            tab.page.goto(here(fresh, "/"))
            expect(tab.page.locator("#list")).to_contain_text("No orgs yet.")
            press(tab.page, "Connect the demo org")
            sign_in(tab)
            expect(tab.page.locator("article.card")).to_contain_text("Connected")
    finally:
        fresh.stop()
