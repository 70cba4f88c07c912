"""The companion extension in a real Chromium: paired by a code, told by its badge, woken, revoked, and never trusted with more."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from support.browser import TIMEOUT, begin
from support.companion import POLL_MILLISECONDS, Companion, ItsWorker, companion
from support.dashboard import violations
from support.demo_org import ADA
from support.person import Person
from support.service import Service, start

NAME = "MeshMesh companion in Chrome"
ACME = "https://acme.my.salesforce.com/lightning/page/home"


@pytest.fixture(scope="module")
def extension(tmp_path_factory: pytest.TempPathFactory, service: Service) -> Iterator[Companion]:
    """One browser with the extension, which was told the service's port in its settings."""
    with companion(tmp_path_factory.mktemp("companion"), service.port) as running:
        settings = running.page("options.html")
        settings.get_by_label("Port of the service").fill(str(service.port))
        settings.get_by_role("button", name="Save").click()
        expect(settings.get_by_role("status")).to_contain_text(
            f"Saved. The service is looked for at localhost:{service.port}."
        )
        settings.close()
        yield running


@pytest.fixture
def popup(extension: Companion) -> Iterator[Page]:
    """The popup's page, in a tab; in the end nothing was complained of in it."""
    complaints: list[str] = []
    opened = extension.page("popup.html")
    opened.on("console", lambda message: complaints.append(message.text))
    opened.on("pageerror", lambda error: complaints.append(str(error)))
    expect(opened.locator("main[aria-busy=false]")).to_be_visible()
    yield opened
    opened.close()
    assert complaints == []


@pytest.fixture
def paired(service: Service, popup: Page) -> Page:
    """The popup of an extension that is paired."""
    if not stored(popup).get("token"):
        pair(service, popup)
    return popup


def pair(service: Service, popup: Page) -> None:
    """Press the button, and approve the code that is shown."""
    popup.get_by_role("button", name="Pair with MeshMesh").click()
    approve(service, popup)


def approve(service: Service, popup: Page) -> None:
    """The owner, at the command line."""
    code = popup.locator(".code").inner_text()
    ran = service.cli("approve", code, "--grant", "demo:read")
    assert ran.returncode == 0, ran.stderr
    expect(popup.locator(".connections")).to_be_visible()


def stored(page: Page) -> dict[str, Any]:
    """What the extension keeps on disk."""
    kept: dict[str, Any] = page.evaluate("chrome.storage.local.get()")
    return kept


def badge(page: Page) -> tuple[str, str]:
    """The badge, and what a screen reader is told."""
    text, title = page.evaluate("Promise.all([chrome.action.getBadgeText({}), chrome.action.getTitle({})])")
    return str(text), str(title)


def wait_for_badge(page: Page, text: str) -> None:
    """Until the badge is this."""
    waited = 0
    while badge(page)[0] != text and waited < TIMEOUT:
        page.wait_for_timeout(POLL_MILLISECONDS)
        waited += POLL_MILLISECONDS
    assert badge(page)[0] == text


def clients(service: Service) -> list[dict[str, Any]]:
    """The extension as the owner sees it."""
    told = service.call("GET", "/v1/clients", owner=True).json()["clients"]
    return [one for one in told if one["name"] == NAME]


def break_sign_in(service: Service) -> None:
    """Salesforce accepts the sign-in no longer, and the service has noticed."""
    assert service.call("POST", "/v1/demo/revoke", owner=True).status == 200
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "needs_you"


def sign_in_again(service: Service) -> None:
    """The person does what they are asked to."""
    Person(ADA).go(begin(service, "demo", reconnect=True).authorize_url)
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "connected"


def test_it_is_paired_by_a_code(service: Service, extension: Companion, popup: Page) -> None:
    """The owner approves what the popup shows; the client is the extension by its origin, and holds a pairing token only."""
    assert badge(popup) == ("?", "MeshMesh: not paired yet")
    pair(service, popup)
    (client,) = clients(service)

    assert (client["kind"], client["origin"]) == ("extension", f"chrome-extension://{extension.id}")
    assert "demo" in popup.inner_text("main")
    assert "Connected" in popup.inner_text("main")
    assert badge(popup) == ("", "MeshMesh: nothing needs you")
    assert sorted(stored(popup)) == ["port", "token"]
    assert stored(popup)["token"].startswith("mmp_")


def test_the_badge_follows_the_connections(service: Service, extension: Companion, paired: Page) -> None:
    """A sign-in that ended shows as a number; Reconnect leads to the page that mends it; mended, the badge is gone."""
    break_sign_in(service)
    wait_for_badge(paired, "1")
    connection_id = service.call("GET", "/v1/connections/demo", owner=True).json()["id"]

    assert badge(paired) == ("1", "MeshMesh: 1 connection needs you")
    expect(paired.get_by_role("heading", name="1 connection needs you")).to_be_visible()
    expect(paired.locator(".connections li")).to_contain_text("Needs you")
    with extension.context.expect_page() as opened:
        paired.get_by_role("link", name="Reconnect").click()
    assert opened.value.url == f"http://localhost:{service.port}/r/{connection_id}"
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "needs_you"
    opened.value.close()
    sign_in_again(service)
    wait_for_badge(paired, "")
    expect(paired.locator(".connections li")).to_contain_text("Connected")


def test_a_stopped_worker_misses_nothing(service: Service, paired: Page) -> None:
    """What happens while the browser has stopped the worker is shown once its alarm wakes it, and events flow again."""
    (alarm,) = paired.evaluate("chrome.alarms.getAll()")
    paired.evaluate("chrome.alarms.clearAll()")  # or the minute might be over too early
    worker = ItsWorker(paired)
    worker.stop()
    break_sign_in(service)
    assert (alarm["periodInMinutes"], badge(paired)[0]) == (1, "")
    paired.evaluate("(name) => chrome.alarms.create(name, {delayInMinutes: 1 / 60, periodInMinutes: 1})", alarm["name"])
    wait_for_badge(paired, "1")
    assert worker.status == "running"
    sign_in_again(service)
    wait_for_badge(paired, "")


@pytest.mark.parametrize(
    ("user", "expected"),
    [
        ("005Dm0000000002IAA", "You are signed in here as"),
        (None, "who is signed in here, the page does not say"),
        ("not an id", "who is signed in here, the page does not say"),
    ],
)
def test_it_says_whose_session_the_tab_is(
    service: Service, extension: Companion, paired: Page, user: str | None, expected: str
) -> None:
    """On a page of the org, the button's popup names the connection and warns where the page's user is another one."""
    text = popup_on(extension, org_page(service), f"window.UserContext = {json.dumps({'userId': user})}")

    assert "This is demo (demo)." in text
    assert expected in text
    assert "ada@meshmesh-demo.example.com" in text


def test_the_same_user_is_no_warning(service: Service, extension: Companion, paired: Page) -> None:
    """Where the page's user is the connection's, in an id of 15 characters too, it says so."""
    user = identity(service)[:15]
    text = popup_on(
        extension,
        org_page(service),
        f"window.$A = {{get: (name) => name === '$SObjectType.CurrentUser.Id' && '{user}'}}",
    )

    assert "You and MeshMesh are the same user here" in text


def test_an_org_that_was_not_granted_is_not_named(extension: Companion, paired: Page) -> None:
    """On a page of another org the popup says that it knows none, and on any other page nothing."""
    assert "none of the connections" in popup_on(extension, ACME, "")
    assert "This tab" not in popup_on(extension, "https://www.example.com/", "")


@pytest.mark.parametrize("name", ["popup.html", "options.html"])
def test_its_pages_are_accessible(extension: Companion, paired: Page, name: str) -> None:
    """axe finds nothing, in the light and in the dark."""
    page = extension.page(name)
    expect(page.locator("[aria-busy=true]")).to_have_count(0)
    found = violations(page)
    page.close()

    assert found == []


def test_a_revoked_extension_forgets(service: Service, paired: Page) -> None:
    """After the owner revoked it, it shows nothing of what it knew, keeps no token, and can be paired anew."""
    (client,) = clients(service)
    assert service.call("DELETE", f"/v1/clients/{client['id']}", owner=True).status == 204
    wait_for_badge(paired, "?")
    expect(paired.locator("main")).to_contain_text("You revoked this extension")

    assert "demo" not in paired.inner_text("main")
    assert sorted(stored(paired)) == ["port"]
    pair(service, paired)


def test_a_denied_pairing_ends(service: Service, paired: Page) -> None:
    """Unpaired by hand it keeps no token; what the owner denies is said and brings none; it can be asked again."""
    paired.get_by_role("button", name="Unpair").click()
    wait_for_badge(paired, "?")
    paired.get_by_role("button", name="Pair with MeshMesh").click()
    assert service.cli("deny", paired.locator(".code").inner_text()).returncode == 0
    expect(paired.locator("main")).to_contain_text("You denied it")
    assert sorted(stored(paired)) == ["port"]
    paired.get_by_role("button", name="Ask again").click()
    approve(service, paired)


def test_a_service_that_is_gone_is_said(service: Service, extension: Companion, paired: Page) -> None:
    """The badge is a dash then, and the popup names what starts it; once it runs again, all is as it was."""
    service.stop()
    wait_for_badge(paired, "–")
    expect(paired.locator("main")).to_contain_text(f"does not answer at localhost:{service.port}")
    expect(paired.locator("main")).to_contain_text("Start it: meshmeshd")
    service.process = start(service.home, MESHMESH_PORT=str(service.port)).process
    again = extension.page("popup.html")
    expect(again.locator(".connections li")).to_contain_text("Connected")
    again.close()

    assert badge(paired) == ("", "MeshMesh: nothing needs you")


def popup_on(extension: Companion, url: str, script: str) -> str:
    """What the popup says over a tab that shows a page of ours under this address, on which this script has run."""
    tab = extension.context.new_page()
    tab.route(
        url, lambda route: route.fulfill(body=f"<title>Page</title><script>{script}</script>", content_type="text/html")
    )
    tab.goto(url)
    tab.bring_to_front()
    popup = extension.press()
    text = popup.text()
    popup.close()
    tab.close()
    return text


def org_page(service: Service) -> str:
    """An address of the demo org's, as a person's browser shows it."""
    shown = service.call("GET", "/v1/connections/demo", owner=True).json()
    return f"{shown['instance_url']}/lightning/page/home"


def identity(service: Service) -> str:
    """The id of the user that the connection acts as."""
    token = service.pair({"connection": "demo", "mode": "read"}, name="onlooker")
    told = service.call("GET", "/o/demo/services/oauth2/userinfo", token=token).json()
    return str(told["user_id"])
