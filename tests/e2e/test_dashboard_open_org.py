"""Open org: a tab of its own that is signed in to the org, and nothing of the link that led there anywhere else."""

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Page, expect

from support.browser import Tab, begin
from support.dashboard import beside_production, card, connection, heard, here, owner, press, violations
from support.peer import walk
from support.service import PIN, Service

WEB = ["api", "refresh_token", "web"]
KEEP = """() => {
  const open = window.open;
  window.open = (...asked) => (window.kept = open.apply(window, asked));
}"""
# The leave that a click gives a page is used up by one tab. All in one: whatever is evaluated counts as another click.
PRESS_LATE = """async name => {
  window.open("about:blank").close();
  document.getElementById(`open-${name}`).form.requestSubmit();
  const [question, said] = ["question", "said"].map((id) => document.getElementById(id));
  while (!question.open && !said.textContent) await new Promise(requestAnimationFrame);
}"""


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with `demo`, which has no scope `web`; `try` and `ill`, which lead to the demo org; and `acme`, production."""
    with beside_production(tmp_path_factory.mktemp("both"), scopes=WEB) as running:
        for name in ("try", "ill"):
            asked = {"environment": "demo", "name": name, "scopes": WEB}
            begun = running.call("POST", "/v1/connections", asked, owner=True).json()["sign_in"]
            walk(begun["authorize_url"])
        assert running.call("POST", "/v1/pin", {"pin": PIN}, owner=True).status == 204
        yield running


@pytest.fixture
def opened(own: Tab, service: Service) -> Iterator[Tab]:
    """The owner's tab with a session."""
    with owner(own, service) as tab:
        yield tab


def button(name: str) -> str:
    """What Open org is called to who does not see which card it is on."""
    return f"Open org of {name} in a new tab"


def arrived(page: Page, title: str) -> Tab:
    """The new tab, once it shows the org's home page."""
    expect(page.locator("h1")).to_have_text(title)
    assert str(page.evaluate("location.pathname")) == "/lightning/page/home"  # `page.url` may not know that yet
    return Tab(page)


def everything(page: Page) -> str:
    """All that a page holds and that can be read there."""
    kept = "JSON.stringify([{...localStorage}, {...sessionStorage}, history.state, document.cookie])"
    return page.content() + str(page.evaluate(kept))


def test_a_tab_of_its_own_is_signed_in(service: Service, opened: Tab) -> None:
    """It is the connection's user there; neither page has a hold on the other, and the link is nowhere."""
    page = opened.page
    page.goto(here(service, "/"))
    with page.context.expect_page() as popup, page.expect_response("**/v1/connections/try/open") as given:
        page.evaluate(KEEP)
        press(page, button("try"))
    home = arrived(popup.value, "MeshMesh Demo")
    heard(page, "The org of try opens in a new tab.")
    link = given.value.json()["url"]
    code = link.partition("otp=")[2].partition("&")[0]

    assert home.page.evaluate("[window.opener, window.name, document.referrer, history.length]") == [None, "", "", 1]
    assert page.evaluate("window.kept.closed")  # to this page: the tab is out of its reach
    assert home.history() == [home.page.evaluate("location.href")]
    assert page.url == here(service, "/")
    assert not [address for address in opened.history() if code in address]
    assert code not in everything(page)
    assert code not in service.log
    assert home.page.goto(link).status == 403  # type: ignore[union-attr]  # it was used up
    attempt = begin(service, "again")
    home.page.goto(attempt.authorize_url)
    assert "ada@meshmesh-demo.example.com" in home.text  # signed in: the org did not ask who it is
    service.call("DELETE", "/v1/connections/again", owner=True)


def test_it_counts_as_a_use_of_the_terminals(service: Service, opened: Tab) -> None:
    """A row says that it was handed out, as it does for the command line, and holds no link."""
    page = opened.page
    page.goto(here(service, "/connections/try"))
    with page.context.expect_page() as popup:
        press(page, button("try"))
    arrived(popup.value, "MeshMesh Demo")
    rows = service.call("GET", "/v1/activity?limit=1000", owner=True).json()["activity"]
    made = [row for row in rows if row["action"] == "org.opened"][-1]

    assert (made["actor"]["id"], made["connection"], made["outcome"]) == ("terminal", "try", "done")
    assert "otp=" not in json.dumps(rows)
    expect(page.locator("#facts")).to_contain_text("just now by terminal")


def test_another_org_takes_the_pin(service: Service, opened: Tab) -> None:
    """Cancel and a wrong PIN open nothing; the right one does; nothing of it stays on the page."""
    page = opened.page
    page.goto(here(service, "/"))
    press(page, button("acme"))
    press(page, "Cancel")
    heard(page, "a person must approve it")
    press(page, button("acme"))
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("may then use acme and hold its token, for some hours")
    dialog.get_by_label("Approval PIN").fill("wrong")
    press(page, "Approve")
    expect(dialog).to_contain_text("That is not the approval PIN.")
    assert len(page.context.pages) == 1
    dialog.get_by_label("Approval PIN").fill(PIN)
    with page.context.expect_page() as popup:
        press(page, "Approve")
    arrived(popup.value, "Acme").page.close()
    heard(page, "The org of acme opens in a new tab.")

    expect(page.locator("#question > *")).to_have_count(0)
    with page.context.expect_page() as popup:  # a person was here: the terminal may, for some hours
        press(page, button("acme"))
    arrived(popup.value, "Acme")
    opened.complaints.clear()  # the browser notes every 403


def test_a_tab_that_is_held_back_opens_at_the_next_press(service: Service, opened: Tab) -> None:
    """Where the click is too long ago for the browser the page asks once more, and holds the link in no element."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "try")).to_be_visible()
    page.evaluate(PRESS_LATE, "try")
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Open the org of try?")
    assert "otp=" not in everything(page)
    assert violations(page) == []
    press(page, "Cancel")
    heard(page, "No tab was opened.")
    assert len(page.context.pages) == 1
    page.evaluate(PRESS_LATE, "try")
    with page.context.expect_page() as popup:
        press(page, "Open in a new tab")
    home = arrived(popup.value, "MeshMesh Demo")

    assert home.page.evaluate("window.opener") is None
    heard(page, "The org of try opens in a new tab.")


def test_the_keyboard_opens_it(service: Service, opened: Tab) -> None:
    """Enter does what a click does, and the focus is on the button again; axe finds nothing on card and page."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "try")).to_be_visible()
    assert violations(page) == []
    page.locator("#open-try").focus()
    with page.context.expect_page() as popup:
        page.keyboard.press("Enter")
    arrived(popup.value, "MeshMesh Demo").page.close()
    heard(page, "The org of try opens in a new tab.")

    expect(page.locator("#open-try")).to_be_focused()
    page.goto(here(service, "/connections/try"))
    expect(page.get_by_role("button", name=button("try"))).to_be_visible()
    assert violations(page) == []


def test_without_the_scope_there_is_no_button(service: Service, opened: Tab) -> None:
    """The card does without; the connection's page says why, and how to get one."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(card(page, "demo")).to_be_visible()
    assert page.locator("#open-demo").count() == 0
    page.goto(here(service, "/connections/demo"))
    expect(page.locator("#facts")).to_contain_text("it has no scope 'web'")
    expect(page.locator("#facts")).to_contain_text("meshmesh connect demo-web --demo --scope api")
    assert page.locator("#open-demo").count() == 0
    assert violations(page) == []


def test_who_needs_the_person_cannot_be_opened(service: Service, opened: Tab) -> None:
    """Pressed before that is known, the page says what is to be done; then the button is gone, and no tab was opened."""
    page = opened.page
    page.goto(here(service, "/"))
    expect(page.locator("#live")).to_have_text("live")
    service.call("POST", "/v1/demo/revoke", {}, owner=True)
    press(page, button("ill"))
    heard(page, "meshmesh reconnect ill")
    expect(card(page, "ill")).to_contain_text("Needs you")
    expect(page.locator("#open-ill")).to_have_count(0)
    page.goto(here(service, "/connections/ill"))
    expect(page.get_by_role("button", name="Reconnect ill")).to_be_visible()

    assert page.locator("#open-ill").count() == 0
    assert len(page.context.pages) == 1
    assert connection(service, "ill")["status"] == "needs_you"
    opened.complaints.clear()  # the browser notes the 409
