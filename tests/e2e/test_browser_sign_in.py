"""A person in a real Chromium signs in to the demo org: the straight way, and every way beside it."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext

from support.browser import SignIn, Tab, begin
from support.service import Service

ADA, NORA, RITA = "Ada Admin", "Nora No-Api", "Rita Reader"
OLD = "This sign-in link is old."
MARKUP = "<script>document.title='taken'</script>"

NewTab = Callable[[], Tab]
Connections = dict[str, dict[str, Any]]


@pytest.fixture
def profile(browser: Browser, service: Service) -> Iterator[BrowserContext]:
    """A person's browser profile; afterwards the connections that were made are gone."""
    context = browser.new_context()
    yield context
    context.close()
    for name in connections(service):
        if name != "demo":
            service.call("DELETE", f"/v1/connections/{name}", owner=True)


@pytest.fixture
def new_tab(profile: BrowserContext) -> NewTab:
    """Opens tabs of one profile."""
    return lambda: Tab(profile.new_page())


@pytest.fixture
def tab(new_tab: NewTab) -> Tab:
    """The tab of a test that needs one."""
    return new_tab()


def connections(service: Service) -> Connections:
    """What the owner sees, by name, without `expires_at`, which is asked for after the sign-in and comes in at any time."""
    listed: list[dict[str, Any]] = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    return {one["name"]: one | {"session": one["session"]["issued_at"]} for one in listed}


def works(service: Service, name: str) -> bool:
    """Whether the org still takes the connection's token."""
    tested = service.call("POST", f"/v1/connections/{name}/test", owner=True)
    return bool(tested.json()["status"] == "connected")


def sign_in(tab: Tab, attempt: SignIn, user: str = RITA) -> None:
    """Go all the way."""
    tab.page.goto(attempt.authorize_url)
    tab.log_in(user)
    tab.decide("Allow")


def redirect_of(tab: Tab) -> str:
    """The address that ended the tab's sign-in, code and all."""
    return next(answer.url for answer in tab.answers if urlsplit(answer.url).path == "/OauthRedirect")


def state_of(attempt: SignIn) -> str:
    """The `state` of an attempt, as the browser knows it."""
    return parse_qs(urlsplit(attempt.authorize_url).query)["state"][0]


def test_a_person_signs_in_and_lands_on_a_clean_page(service: Service, tab: Tab) -> None:
    """Login, consent, and a page that says who you became; the code is neither in the address nor in the history."""
    attempt = begin(service, "work")
    sign_in(tab, attempt)

    assert tab.page.url == f"http://localhost:{service.port}/signed-in/{attempt.id}"
    for shown in ("You're in.", "MeshMesh Demo (demo)", "rita@meshmesh-demo.example.com", "work"):
        assert shown in tab.text
    assert "code=" in redirect_of(tab)
    assert not [url for url in tab.history() if "code=" in url or "OauthRedirect?" in url]
    assert attempt.status == "done"
    assert connections(service)["work"]["username"] == "rita@meshmesh-demo.example.com"
    assert works(service, "work")


@pytest.mark.parametrize("way", ["back and forward", "reload", "the same redirect again", "a second tab"])
def test_a_finished_sign_in_stays_as_it_ended(service: Service, tab: Tab, new_tab: NewTab, way: str) -> None:
    """Whatever the browser does afterwards, nothing is exchanged twice, replaced or lost."""
    attempt = begin(service, "work")
    sign_in(tab, attempt)
    before = connections(service)
    match way:
        case "back and forward":
            tab.page.go_back()
            assert tab.page.get_by_role("button").count() == 0
            tab.page.go_forward()
            assert "You're in." in tab.text
        case "reload":
            tab.page.reload()
            assert "You're in." in tab.text
        case "the same redirect again":
            tab.page.goto(redirect_of(tab))
            assert OLD in tab.text
        case _:
            second = new_tab()
            second.page.goto(attempt.authorize_url)
            assert OLD in second.text

    assert connections(service) == before
    assert attempt.status == "done"
    assert works(service, "work")


def test_a_consent_that_is_pressed_in_two_tabs_counts_once(service: Service, tab: Tab, new_tab: NewTab) -> None:
    """Two tabs at one attempt: the first to finish has it, the other is told that the link is old."""
    attempt = begin(service, "work")
    second = new_tab()
    for one in (tab, second):
        one.page.goto(attempt.authorize_url)
    for one in (tab, second):
        one.log_in(RITA)
    tab.decide("Allow")
    second.decide("Allow")

    assert "You're in." in tab.text
    assert OLD in second.text
    assert works(service, "work")


def test_deny_is_said_in_plain_words_and_keeps_nothing(service: Service, tab: Tab) -> None:
    """After Deny the page says what happened and what to do next, and no connection was made."""
    before = connections(service)
    attempt = begin(service, "work")
    tab.page.goto(attempt.authorize_url)
    tab.log_in(RITA)
    tab.decide("Deny")

    assert urlsplit(tab.page.url).query == ""
    assert "You said no" in tab.text
    assert "Nothing was saved." in tab.text
    assert "access_denied" not in tab.text
    assert "Try again" in tab.text
    assert attempt.status == "failed"
    assert connections(service) == before


@pytest.mark.parametrize("user", [ADA, RITA])
def test_each_user_becomes_a_connection_of_its_own(service: Service, tab: Tab, user: str) -> None:
    """The connection belongs to whom the person chose on the login page (Ada has approved the app already)."""
    tab.page.goto(begin(service, "work").authorize_url)
    tab.log_in(user)
    if user == RITA:
        tab.decide("Allow")

    name = user.split(maxsplit=1)[0].lower()
    assert f"{name}@meshmesh-demo.example.com" in tab.text
    assert connections(service)["work"]["username"] == f"{name}@meshmesh-demo.example.com"
    assert works(service, "work")


def test_a_user_without_the_api_is_told_so(service: Service, tab: Tab) -> None:
    """Signing in worked and the API is off: the page says both, with a next step, as the connection does."""
    sign_in(tab, begin(service, "work"), NORA)
    kept = connections(service)["work"]

    assert (kept["status"], kept["reason"]) == ("blocked", "api_disabled")
    assert kept["next"]["command"] == "meshmesh test work"
    assert kept["detail"] in tab.text
    assert "meshmesh test work" in tab.text


def test_reconnecting_as_the_same_user_renews_the_connection(service: Service, tab: Tab) -> None:
    """A reconnect ends as the same connection, and consent that was given is not asked for again."""
    sign_in(tab, begin(service, "work"))
    before = connections(service)["work"]
    tab.page.goto(begin(service, "work", reconnect=True).authorize_url)

    after = connections(service)["work"]
    assert "You're in." in tab.text
    assert after["id"] == before["id"]
    assert after["username"] == before["username"]
    assert works(service, "work")


def test_reconnecting_as_somebody_else_replaces_nothing(service: Service, tab: Tab, browser: Browser) -> None:
    """A reconnect that ends as another user is refused; the page names both, and the old connection goes on."""
    sign_in(tab, begin(service, "work"))
    before = connections(service)["work"]
    attempt = begin(service, "work", reconnect=True)
    with browser.new_context() as other_profile:
        other = Tab(other_profile.new_page())
        other.page.goto(attempt.authorize_url)
        other.log_in(ADA)
        text = other.text

    assert "ada@meshmesh-demo.example.com" in text
    assert "rita@meshmesh-demo.example.com" in text
    assert "Nothing was replaced." in text
    assert "meshmesh reconnect work" in text
    assert attempt.status == "failed"
    assert connections(service)["work"] == before
    assert works(service, "work")


def test_two_sign_ins_may_end_in_the_opposite_order(service: Service, tab: Tab, new_tab: NewTab) -> None:
    """Two tabs at two attempts: each ends its own, whichever is first."""
    first, second = begin(service, "first"), begin(service, "second")
    other = new_tab()
    tab.page.goto(first.authorize_url)
    other.page.goto(second.authorize_url)
    for one in (tab, other):
        one.log_in(RITA)
    other.decide("Allow")
    assert (first.status, second.status) == ("waiting", "done")
    tab.decide("Allow")

    assert tab.page.url.endswith(f"/signed-in/{first.id}")
    assert other.page.url.endswith(f"/signed-in/{second.id}")
    assert {"first", "second"} <= set(connections(service))
    assert works(service, "first")
    assert works(service, "second")


def test_a_cancelled_attempt_cannot_be_finished(service: Service, tab: Tab) -> None:
    """The tab of an attempt that was withdrawn meanwhile ends on a page that says so, and keeps nothing."""
    attempt = begin(service, "work")
    tab.page.goto(attempt.authorize_url)
    tab.log_in(RITA)
    attempt.cancel()
    tab.decide("Allow")

    assert OLD in tab.text
    assert "Nothing was changed" in tab.text
    assert attempt.status == "cancelled"
    assert "work" not in connections(service)


@pytest.mark.parametrize(
    ("host", "query"),
    [
        ("localhost", ""),
        ("localhost", "?state="),
        ("localhost", f"?error={quote(MARKUP)}&error_description={quote(MARKUP)}"),
        ("127.0.0.1", "?code=aPrx&state=wrong"),
        ("[::1]", "?error=access_denied&state=wrong"),
    ],
    ids=["nothing", "empty state", "markup", "wrong state", "wrong state with an error"],
)
def test_a_made_up_redirect_changes_nothing(service: Service, tab: Tab, host: str, query: str) -> None:
    """Opened by hand without a live `state`, the redirect address says that the link is old and ends no attempt."""
    attempt = begin(service, "work")
    before = connections(service)
    tab.page.goto(f"http://{host}:{service.port}/OauthRedirect{query}")

    assert OLD in tab.text
    assert tab.page.title() != "taken"
    assert "script" not in tab.page.content()
    assert (urlsplit(tab.page.url).netloc, urlsplit(tab.page.url).query) == (f"{host}:{service.port}", "")
    assert attempt.status == "waiting"
    assert connections(service) == before
    attempt.cancel()


def test_the_page_repeats_nothing_of_the_query(service: Service, tab: Tab) -> None:
    """Even with the live `state`, what stands in an error's parameters is not shown."""
    attempt = begin(service, "work")
    told = quote(f"Call 555-0100 {MARKUP}")
    target = f"?error={told}&error_description={told}&state={state_of(attempt)}"
    tab.page.goto(f"http://localhost:{service.port}/OauthRedirect{target}")

    assert attempt.status == "failed"
    assert "555-0100" not in tab.page.content()
    assert "taken" not in tab.page.content()
    assert "again" in tab.text


def test_a_sign_in_survives_stray_requests(service: Service, tab: Tab, new_tab: NewTab) -> None:
    """HEAD, a prefetch, an icon or an image on the redirect address end nothing, even with the live `state`."""
    attempt = begin(service, "work")
    target = f"/OauthRedirect?code=stray&state={state_of(attempt)}"
    tab.page.goto(attempt.authorize_url)
    tab.log_in(RITA)
    assert service.call("HEAD", target).status == 200
    assert service.call("GET", target, headers={"Sec-Purpose": "prefetch;prerender"}).status == 503
    assert service.call("GET", "/favicon.ico").status < 500
    own = new_tab()
    own.page.goto(f"http://localhost:{service.port}/")
    own.page.evaluate(
        "async address => { const i = new Image(); i.src = address; await i.decode().catch(() => 0); }", target
    )
    assert own.answers[-1].status == 403
    assert attempt.status == "waiting"
    tab.decide("Allow")

    assert "You're in." in tab.text
    assert works(service, "work")


def test_the_redirect_works_on_the_numeric_address(service: Service, tab: Tab) -> None:
    """A browser that was sent to 127.0.0.1 in place of localhost finishes there."""
    attempt = begin(service, "work")
    tab.page.goto(attempt.authorize_url)
    tab.log_in(RITA)
    key = parse_qs(urlsplit(tab.page.url).query)["request"][0]
    address = tab.page.url.partition("?")[0]
    form: dict[str, str | float | bool] = {"request": key, "decision": "allow"}
    answer = tab.page.request.post(address, form=form, max_redirects=0)
    tab.page.goto(answer.headers["location"].replace("//localhost:", "//127.0.0.1:"))

    assert tab.page.url == f"http://127.0.0.1:{service.port}/signed-in/{attempt.id}"
    assert "You're in." in tab.text
    assert works(service, "work")


@pytest.mark.parametrize("path", ["/docs", "/OauthRedirect", "/signed-in/nothing"])
def test_every_page_keeps_its_own_policy(service: Service, tab: Tab, path: str) -> None:
    """A page has its style and no script, blocks nothing of its own, and leaves nothing in the browser's console."""
    answer = tab.page.goto(f"http://localhost:{service.port}{path}", wait_until="networkidle")
    assert answer is not None
    rules = tab.page.evaluate("[...document.styleSheets].map(sheet => sheet.cssRules.length)")
    stored = tab.page.evaluate("[document.cookie, localStorage.length, sessionStorage.length]")

    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
    assert answer.headers["cache-control"] == "no-store"
    assert len(rules) == 1
    assert rules[0] > 0
    assert stored == ["", 0, 0]
    assert tab.page.locator("script").count() == 0
    assert tab.page.context.cookies() == []
    assert tab.complaints == []
