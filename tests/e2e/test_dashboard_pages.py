"""Every page of the dashboard, for everybody: light and dark, narrow, by keyboard and to a screen reader.

And the pages around a sign-in, which run no script at all.
"""

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, expect

from support.browser import Tab, begin
from support.dashboard import (
    RITA,
    ask_to_pair,
    beside_production,
    connection,
    fill_form,
    here,
    owner,
    press,
    violations,
)
from support.service import Service

NARROW = 400
RECORD = "/services/data/v66.0/sobjects/Account/001000000000001AAA"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service where every page has something to show: a production org, clients, requests, plans of both kinds."""
    with beside_production(tmp_path_factory.mktemp("both")) as running:
        furnish(running)
        yield running


@pytest.fixture(scope="module")
def own(browser: Browser) -> Tab:
    """The owner's tab, on a small screen."""
    return Tab(browser.new_context(viewport={"width": NARROW, "height": 800}).new_page())


def furnish(service: Service) -> None:
    """What pages show besides connections."""
    token = service.pair({"connection": "demo", "mode": "plan"}, {"connection": "acme", "mode": "read"}, name="agent")
    service.call("POST", "/v1/access-requests", {"purpose": "nightly report", "mode": "read"}, token=token)
    changes = [
        {"method": "PATCH", "path": RECORD, "body": {"Industry": industry}} for industry in ("Banking", "Energy")
    ]
    for one in changes:
        asked = {"connection": "demo", "reason": "Tidy up", "requests": [one, {"method": "DELETE", "path": RECORD}]}
        assert service.call("POST", "/v1/plans", asked, token=token).status == 201
    rejected = plans(service)[-1]
    service.call("POST", f"/v1/plans/{rejected}/reject", {"reason": "no"}, owner=True)


def plans(service: Service) -> list[str]:
    """The ids of the plans, newest first."""
    return [str(one["id"]) for one in service.call("GET", "/v1/plans", owner=True).json()["plans"]]


def pages(service: Service) -> list[str]:
    """Every page that there is, with something on it."""
    waiting, rejected = plans(service)
    ill = f"/r/{connection(service, 'demo')['id']}"
    fixed = ["/", "/connect#own-app", "/connections/acme", "/requests", "/plans", "/clients", "/activity", "/settings"]
    return [*fixed, ill, f"/plans/{waiting}", f"/plans/{rejected}", "/connections/nothing"]


def test_pages_serve_everybody(service: Service, own: Tab) -> None:
    """At 400 pixels nothing is cut off, axe finds nothing in light or dark, and only our own files were loaded."""
    with owner(own, service) as tab:
        page = tab.page
        ask_to_pair(service)
        for path in pages(service):
            page.goto(here(service, path))
            expect(page.locator("#view > *").first).to_be_visible()
            expect(page.locator("#live")).to_have_text("live")
            page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true")
            expect(page.locator("[inert]")).to_have_count(0)

            assert violations(page) == [], path
            assert page.evaluate("document.documentElement.scrollWidth") <= NARROW, path
        tab.complaints.clear()  # the browser notes the 404 of the last one
        assert {urlsplit(answer.url).netloc for answer in tab.answers} == {f"localhost:{service.port}"}


def test_a_page_without_a_session_serves_everybody(service: Service, browser: Browser, own: Tab) -> None:
    """The closed page and a waiting sign-in pass axe too; the question in front of everything is modal."""
    context = browser.new_context(viewport={"width": NARROW, "height": 800})
    closed = context.new_page()
    closed.goto(here(service, "/"))
    expect(closed.locator("#closed")).to_be_visible()
    assert violations(closed) == []
    context.close()
    with owner(own, service) as tab:
        fill_form(tab.page, service, "never")
        expect(tab.page.get_by_role("link", name="Sign in at Salesforce")).to_be_visible()
        assert violations(tab.page) == []
        press(tab.page, "Cancel the sign-in")
        tab.page.goto(here(service, "/connections/acme"))
        press(tab.page, "Disconnect acme")
        expect(tab.page.get_by_role("dialog")).to_be_visible()
        assert violations(tab.page) == []
        tab.page.keyboard.press("Escape")
        expect(tab.page.get_by_role("dialog")).to_be_hidden()


def test_the_first_tab_stop_skips_to_the_content(service: Service, own: Tab) -> None:
    """Who goes by keyboard need not pass the sidebar; every stop shows where it is."""
    with owner(own, service) as tab:
        tab.page.goto(here(service, "/clients"))
        expect(tab.page.locator("#view h1")).to_have_text("Clients")
        tab.page.keyboard.press("Tab")
        expect(tab.page.locator(".skip")).to_be_focused()
        assert tab.page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#main")).to_be_focused()
        assert tab.page.get_by_role("link", name="Clients").get_attribute("aria-current") == "page"


def finish(service: Service, page: Page, user: str, decision: str) -> Tab:
    """A sign-in to the demo org that ends on our own page."""
    page.context.clear_cookies()  # the org's, so that it asks who signs in
    attempt = begin(service, "ended")
    tab = Tab(page)
    page.goto(attempt.authorize_url)
    tab.log_in(user)
    tab.decide(decision)
    return tab


def test_the_pages_after_a_sign_in_serve_everybody(service: Service, browser: Browser) -> None:
    """Who you became, and what went wrong with its next step: axe finds nothing, and no script runs."""
    context = browser.new_context(viewport={"width": NARROW, "height": 800})
    page = context.new_page()
    denied = finish(service, page, RITA, "Deny")
    assert "Next" in denied.text
    assert violations(page) == []
    done = finish(service, page, RITA, "Allow")
    assert "You're in." in done.text
    assert "rita@meshmesh-demo.example.com" in done.text
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert page.locator("script").count() == 0
    page.goto(here(service, "/signed-in/nothing"))
    assert "This sign-in link is old." in done.text
    context.close()
    service.call("DELETE", "/v1/connections/ended", owner=True)
