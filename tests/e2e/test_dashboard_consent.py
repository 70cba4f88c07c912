"""The owner decides at the dashboard: who is let in, what for, for how long, and what of a plan is carried out."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from support.browser import Tab
from support.dashboard import ask_to_pair, beside_production, collected, heard, here, owner, press
from support.peer import connect, peer
from support.service import PIN, Service, start

QUERY = "/o/{name}/services/data/v66.0/query?q=SELECT+Id,Name,Industry+FROM+Account+ORDER+BY+Name+LIMIT+2"
RECORD = "/services/data/v66.0/sobjects/Account/"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with `demo`, and `acme` which is a production org, and a PIN."""
    with beside_production(tmp_path_factory.mktemp("both")) as running:
        assert running.call("POST", "/v1/pin", {"pin": PIN}, owner=True).status == 204
        yield running


@pytest.fixture
def opened(own: Tab, service: Service) -> Iterator[Tab]:
    """The owner's tab with a session; no program is paired afterwards, and none asks."""
    with owner(own, service) as tab:
        yield tab
    for client in service.call("GET", "/v1/clients", owner=True).json()["clients"]:
        service.call("DELETE", f"/v1/clients/{client['id']}", owner=True)
    for asked in service.call("GET", "/v1/pairings", owner=True).json()["pairings"]:
        service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True)


def dialog(page: Page) -> Locator:
    """The question in front of everything."""
    return page.get_by_role("dialog")


def type_pin(page: Page, pin: str = PIN) -> None:
    """Prove that a person is here."""
    dialog(page).get_by_label("Approval PIN").fill(pin)
    dialog(page).get_by_role("button", name="Approve").click()


def grants(service: Service, name: str) -> dict[str, Any]:
    """What a client may do, by connection."""
    clients = service.call("GET", "/v1/clients", owner=True).json()["clients"]
    return {one["connection"]: one for client in clients if client["name"] == name for one in client["grants"]}


def test_a_program_is_paired_on_the_page(service: Service, opened: Tab) -> None:
    """What it says and what was seen stand apart; org, mode and time are the person's choice, narrow at first."""
    page = opened.page
    token = service.pair({"connection": "demo", "mode": "read"}, name="agent")
    page.goto(here(service, "/"))
    expect(page.locator("#connection-demo")).to_be_visible()
    asked = ask_to_pair(service)
    expect(page.locator("#asking")).to_contain_text("A program asks for something.")
    expect(page.locator("#count-clients")).to_contain_text("1")
    page.goto(asked["verification_uri_complete"])
    card = page.locator(f"#pairing-{asked['user_code']}")
    expect(card).to_contain_text(asked["user_code"])
    expect(card.locator(".sides > div").first).to_contain_text("nightly.py")
    expect(card.locator(".sides > div").last).to_contain_text("python")
    expect(card).to_contain_text("nightly report")
    assert not card.get_by_label("acme PRODUCTION").is_checked()
    assert card.get_by_label("For how long").input_value() == "2592000"
    card.get_by_label("Mode on demo").select_option("plan")
    card.get_by_label("For how long").select_option("3600")
    service.call("POST", "/v1/connections/demo/test", {}, owner=True)  # an event goes by, and what was chosen stays
    service.call("POST", "/v1/access-requests", {"purpose": "more", "mode": "read"}, token=token)
    expect(page.locator("article")).to_have_count(2)
    expect(card.get_by_label("For how long")).to_have_value("3600")
    card.get_by_role("button", name="Approve").click()

    heard(page, "nightly.py is paired.")
    expect(card).to_have_count(0)
    given = collected(service, asked)["grants"]
    assert [(one["connection"], one["mode"], bool(one["expires_at"])) for one in given] == [("demo", "plan", True)]


def test_a_program_is_turned_away_for_good(service: Service, opened: Tab) -> None:
    """It is not asked about again, until the owner lets it ask."""
    asked = ask_to_pair(service)
    opened.page.goto(here(service, "/pair"))
    press(opened.page, "Deny, and don't ask again")
    expect(opened.page.locator("#empty")).to_contain_text("Nobody asks.")
    assert collected(service, asked) == {"error": "access_denied"}
    assert service.call("POST", "/v1/pair", {"client_name": "nightly.py"}).status == 403
    opened.page.goto(here(service, "/clients"))
    press(opened.page, "Let nightly.py ask again")
    heard(opened.page, "nightly.py may ask again.")

    assert service.call("POST", "/v1/pair", {"client_name": "nightly.py"}).status == 200


def test_a_program_is_turned_away(service: Service, opened: Tab) -> None:
    """Deny ends the request, and the page says that nobody asks any more."""
    asked = ask_to_pair(service)
    opened.page.goto(here(service, "/pair"))
    press(opened.page, "Deny")
    expect(opened.page.locator("#empty")).to_contain_text("Nobody asks.")

    assert collected(service, asked) == {"error": "access_denied"}


def test_power_over_another_org_takes_the_pin(service: Service, opened: Tab) -> None:
    """The page asks for the PIN: Cancel changes nothing, a wrong one is asked for again, the right one pairs."""
    page = opened.page
    asked = ask_to_pair(service)
    page.goto(here(service, "/requests"))
    page.get_by_label("acme PRODUCTION").check()
    press(page, "Approve")
    press(page, "Cancel")
    expect(page.locator("article [role=alert]")).to_contain_text("a person must approve it")
    press(page, "Approve")
    for typed in ("wrong", PIN):
        type_pin(page, typed)
        if typed == "wrong":
            expect(dialog(page)).to_contain_text("That is not the approval PIN.")

    heard(page, "nightly.py is paired.")
    opened.complaints.clear()  # the browser notes every 403
    given = collected(service, asked)["grants"]
    assert sorted((one["connection"], one["mode"]) for one in given) == [("acme", "read"), ("demo", "read")]


def test_a_notification_can_stand_for_the_pin(service: Service, opened: Tab) -> None:
    """Where a notification can ask, the page offers it, and the call is sent again with patience for the button."""
    page = opened.page
    sent: list[str | None] = []

    def answer(route: Route) -> None:
        sent.append(route.request.headers.get("prefer"))
        if sent == [None]:
            told = {"code": "presence_required", "detail": "A person.", "next": None, "ways": ["notification"]}
            route.fulfill(status=403, json=told)
        else:
            route.continue_()

    asked = ask_to_pair(service)
    page.route("**/approve", answer)
    page.goto(here(service, "/pair"))
    press(page, "Approve")
    assert dialog(page).get_by_label("Approval PIN").count() == 0
    press(page, "Ask in a notification")
    heard(page, "nightly.py is paired.")

    assert sent == [None, "wait=50"]
    assert collected(service, asked)["token_type"] == "Bearer"
    opened.complaints.clear()  # the browser notes the 403


def test_a_client_asks_for_an_org_and_gets_it(service: Service, opened: Tab) -> None:
    """The owner picks which; what it says it is for is quoted."""
    page = opened.page
    token = service.pair({"connection": "demo", "mode": "read"}, name="agent")
    wish = {"purpose": "look <b>around</b>", "mode": "build"}
    asked = service.call("POST", "/v1/access-requests", wish, token=token).json()
    page.goto(here(service, "/requests"))
    card = page.locator(f"#request-{asked['id']}")
    expect(card).to_contain_text("look <b>around</b>")
    assert card.get_by_label("Mode").input_value() == "plan"  # one step narrower than was asked for
    card.get_by_label("Connection").select_option("acme")
    card.get_by_role("button", name="Approve").click()
    type_pin(page)

    heard(page, "agent may use it.")
    opened.complaints.clear()
    seen = service.call("GET", f"/v1/access-requests/{asked['id']}", token=token).json()
    assert (seen["status"], seen["connection"], seen["mode"]) == ("approved", "acme", "plan")


def test_a_client_is_switched_to_build_and_back_and_revoked(service: Service, opened: Tab) -> None:
    """Build for half an hour is one choice, and leaves what it had for afterwards; Revoke asks, and ends it."""
    page = opened.page
    service.pair({"connection": "demo", "mode": "plan"}, {"connection": "acme", "mode": "read"}, name="agent")
    page.goto(here(service, "/clients"))
    press(page, "Build for 30 minutes on demo, agent")
    heard(page, "agent may do what you chose.")
    expect(page.get_by_role("button", name="Back to Plan on demo, agent")).to_be_visible()
    now = grants(service, "agent")
    assert (now["demo"]["mode"], bool(now["demo"]["expires_at"])) == ("build", True)
    assert (now["acme"]["mode"], now["acme"]["expires_at"]) == ("read", None)
    press(page, "Back to Plan on demo, agent")
    expect(page.get_by_role("button", name="Build for 30 minutes on demo, agent")).to_be_visible()
    assert (grants(service, "agent")["demo"]["mode"], grants(service, "agent")["demo"]["expires_at"]) == ("plan", None)
    page.locator("fieldset", has_text="acme").get_by_label("may use it").uncheck()
    press(page, "Save what agent may do")
    expect(page.get_by_label("Mode on acme")).to_have_count(0)
    assert sorted(grants(service, "agent")) == ["demo"]
    press(page, "Revoke agent")
    dialog(page).get_by_role("button", name="Revoke").click()

    expect(page.locator("#empty")).to_contain_text("No program is paired.")
    assert service.call("GET", "/v1/clients", owner=True).json()["clients"] == []


def test_what_the_service_says_is_never_markup(service: Service, opened: Tab) -> None:
    """A program's name and purpose are shown as they are."""
    name = "<img src=x onerror=document.title='taken'>"
    asked = service.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read", "purpose": name}]}).json()
    opened.page.goto(here(service, "/pair"))
    card = opened.page.locator(f"#pairing-{asked['user_code']}")
    expect(card).to_contain_text(name)

    assert card.locator("img").count() == 0
    assert opened.page.title() == "Programs that ask - MeshMesh"


def hand_in(service: Service, name: str, industry: str, *, wanted: int = 2) -> tuple[str, dict[str, Any], list[str]]:
    """A client in Plan Mode that would change accounts: its token, its plan, and their ids."""
    token = service.pair({"connection": name, "mode": "plan"}, name="agent")
    found = service.call("GET", QUERY.format(name=name), token=token)
    assert found.status == 200, found.body
    ids = [str(record["Id"]) for record in found.json()["records"]][:wanted]
    requests = [{"method": "PATCH", "path": RECORD + one, "body": {"Industry": industry}} for one in ids]
    asked = {"connection": name, "reason": "They are <i>banks</i> now.", "requests": requests}
    plan = service.call("POST", "/v1/plans", asked, token=token)
    assert plan.status == 201, plan.body
    return token, plan.json(), ids


def industries(service: Service, token: str, name: str, ids: list[str]) -> list[object]:
    """What the org holds."""
    found = [service.call("GET", f"/o/{name}{RECORD}{one}", token=token) for one in ids]
    return [json.loads(answer.body)["Industry"] for answer in found]


def test_a_plan_is_reviewed_and_some_of_it_approved(service: Service, opened: Tab) -> None:
    """Old and new values side by side; what is not ticked is not carried out; and it can be undone."""
    page = opened.page
    page.goto(here(service, "/plans"))
    expect(page.locator("#empty")).to_contain_text("No plan waits for you.")
    token, plan, ids = hand_in(service, "demo", "Banking")
    before = industries(service, token, "demo", ids)
    page.get_by_role("link", name=f"Review {plan['id']}").click()
    expect(page.locator("#plan")).to_contain_text("They are <i>banks</i> now.")
    expect(page.locator("#plan .state")).to_contain_text("ends in ")
    expect(page.locator("#count-plans")).to_contain_text("1")
    changes = page.get_by_role("region", name="Changes of")
    expect(changes.locator(".after").first).to_have_text("Banking")
    expect(changes.locator(".before").first).to_have_text(str(before[0]))
    page.get_by_role("checkbox", name="PATCH").nth(1).uncheck()
    press(page, "Approve 1")
    expect(page.locator("#plan .state")).to_contain_text("done", ignore_case=True)

    assert industries(service, token, "demo", ids) == ["Banking", before[1]]
    press(page, "Undo")
    expect(page.locator("#plan")).to_contain_text(f"It takes back plan {plan['id']}")
    press(page, "Approve 1")
    expect(page.locator("#plan .state")).to_contain_text("Done")
    assert industries(service, token, "demo", ids) == before


def test_an_open_page_shows_what_joins_a_plan(service: Service, opened: Tab) -> None:
    """A request that joins comes up by itself, so that a yes is for it too; what was unticked stays unticked."""
    page = opened.page
    token, plan, ids = hand_in(service, "demo", "Banking")
    before = industries(service, token, "demo", ids)
    page.goto(here(service, f"/plans/{plan['id']}"))
    page.get_by_role("checkbox", name="PATCH").nth(1).uncheck()
    expect(page.locator("#live")).to_have_text("live")
    joined = service.call(
        "PATCH", f"/o/demo{RECORD}{ids[0]}", {"Industry": "Energy"}, token=token, headers={"MeshMesh-Plan": plan["id"]}
    )
    expect(page.get_by_role("checkbox", name="PATCH")).to_have_count(3)
    press(page, "Approve 2")
    expect(page.locator("#plan .state")).to_contain_text("done", ignore_case=True)

    assert joined.status == 403
    assert industries(service, token, "demo", ids) == ["Energy", before[1]]
    opened.complaints.clear()


def test_nothing_ticked_approves_nothing(service: Service, opened: Tab) -> None:
    """An empty choice is no choice of all."""
    page = opened.page
    _, plan, _ = hand_in(service, "demo", "Banking")
    page.goto(here(service, f"/plans/{plan['id']}"))
    page.get_by_label("all 2").uncheck()
    press(page, "Approve 0")
    expect(page.locator("#approve [role=alert]")).not_to_be_empty()

    assert service.call("GET", f"/v1/plans/{plan['id']}", owner=True).json()["status"] == "held"
    opened.complaints.clear()  # the browser notes the 422


def test_a_plan_is_rejected_with_a_reason(service: Service, opened: Tab) -> None:
    """The reason reaches the client in the owner's words, and nothing was changed."""
    page = opened.page
    token, plan, ids = hand_in(service, "demo", "Banking")
    before = industries(service, token, "demo", ids)
    page.goto(here(service, f"/plans/{plan['id']}"))
    page.get_by_text("Reject...").click()
    page.get_by_label("Tell agent why").fill("not these")
    press(page, "Reject")
    heard(page, "Rejected. Nothing was changed.")
    expect(page.locator("#plan")).to_contain_text("not these")

    seen = service.call("GET", f"/v1/plans/{plan['id']}", token=token).json()
    assert (seen["status"], seen["rejection"]) == ("rejected", "not these")
    assert industries(service, token, "demo", ids) == before


def test_a_production_plan_shows_its_band_and_takes_the_pin(service: Service, opened: Tab) -> None:
    """The word stands over it; with the PIN it runs, and Build Mode follows where the person said so."""
    page = opened.page
    service.call("POST", "/v1/pin", {"pin": PIN, "current": PIN}, owner=True)
    token, plan, ids = hand_in(service, "acme", "Banking", wanted=1)
    page.goto(here(service, f"/plans/{plan['id']}"))
    expect(page.locator("#plan .band")).to_have_text("PRODUCTION")
    press(page, "Approve, and Build for 30 minutes")
    type_pin(page)
    expect(page.locator("#plan .state")).to_contain_text("Done")

    assert industries(service, token, "acme", ids) == ["Banking"]
    assert grants(service, "agent")["acme"]["mode"] == "build"
    opened.complaints.clear()  # the browser notes the 403


def test_the_pin_is_changed_in_the_settings(service: Service, opened: Tab) -> None:
    """Twice the same, the old one beside it; the fields are empty afterwards."""
    page = opened.page
    page.goto(here(service, "/settings"))
    page.get_by_label("The PIN of now").fill(PIN)
    page.get_by_label("A new PIN, 4 to 64 characters").fill("n3w pin")
    page.get_by_label("Once more").fill("other")
    press(page, "Change the PIN")
    assert page.evaluate("document.querySelector('[data-same]').validationMessage") == "The two differ."
    page.get_by_label("Once more").fill("n3w pin")
    press(page, "Change the PIN")
    heard(page, "The PIN is changed.")

    expect(page.get_by_label("A new PIN, 4 to 64 characters")).to_have_value("")
    assert service.call("POST", "/v1/pin", {"pin": PIN, "current": "n3w pin"}, owner=True).status == 204


def test_every_session_ends_from_the_settings(service: Service, opened: Tab) -> None:
    """The button ends this page too."""
    opened.page.goto(here(service, "/settings"))
    press(opened.page, "End every session")

    expect(opened.page.locator("main")).to_contain_text("Your session has ended.")
    opened.complaints.clear()  # the browser notes the 401


def test_the_colours_are_the_persons_choice(service: Service, opened: Tab) -> None:
    """Dark stays dark on the next page, before anything is painted."""
    page = opened.page
    page.goto(here(service, "/settings"))
    page.get_by_label("dark", exact=True).check()
    page.goto(here(service, "/activity"))
    expect(page.locator("#verdict")).to_contain_text("Whole:")

    assert page.evaluate("getComputedStyle(document.documentElement).colorScheme") == "dark"
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(22, 24, 29)"


def test_the_activity_is_sifted_and_exported(service: Service, opened: Tab, tmp_path: Path) -> None:
    """Chips and words leave what fits; the export holds every row with its hash."""
    page = opened.page
    service.pair({"connection": "demo", "mode": "read"}, name="agent")
    page.goto(here(service, "/activity"))
    expect(page.locator("#rows tr").first).to_be_visible()
    press(page, "Service")
    assert {one.inner_text() for one in page.locator("#rows tr:visible td:nth-child(2)").all()} == {"meshmeshd"}
    press(page, "All")
    page.get_by_label("Search").fill("agent")
    expect(page.locator("#rows tr:visible").first).to_contain_text("agent")
    with page.expect_download() as download:
        press(page, "Export as JSON lines")
    download.value.save_as(tmp_path / "rows")
    rows = [json.loads(line) for line in (tmp_path / "rows").read_text().splitlines()]

    assert [row["seq"] for row in rows] == list(range(1, len(rows) + 1))
    assert all(len(row["hash"]) == 64 for row in rows)


def test_locking_ends_the_page(service: Service, opened: Tab) -> None:
    """Lock asks first; then the page shows nothing any more, and says what unlocks."""
    page = opened.page
    page.goto(here(service, "/settings"))
    press(page, "Lock")
    dialog(page).get_by_role("button", name="Lock").click()
    expect(page.locator("#closed")).to_contain_text("meshmesh unlock")
    opened.complaints.clear()  # the browser notes the refusals

    assert service.call("GET", "/status").json()["vault"] == "locked"
    unlocked = service.call("POST", "/v1/unlock", {"pin": PIN}, owner=True)
    assert unlocked.status == 200, unlocked.body


def test_the_first_thing_to_approve_sets_the_pin(tmp_path: Path, own: Tab) -> None:
    """Where neither a PIN nor a notification can stand for the person, the page asks for a PIN, and goes on with it."""
    with peer(tmp_path / "org") as org:
        fresh = start(tmp_path / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        try:
            connect(fresh, "acme", org.origin)
            asked = ask_to_pair(fresh, connection="acme")
            with owner(own, fresh) as tab:
                tab.page.goto(here(fresh, "/pair"))
                press(tab.page, "Approve")
                for label in ("A PIN, 4 to 64 characters", "Once more"):
                    dialog(tab.page).get_by_label(label).fill("f1rst")
                press(tab.page, "Set it and approve")
                heard(tab.page, "nightly.py is paired.")
                tab.complaints.clear()  # the browser notes the 403
            assert [one["connection"] for one in collected(fresh, asked)["grants"]] == ["acme"]
            assert fresh.call("POST", "/v1/pin", {"pin": PIN, "current": "f1rst"}, owner=True).status == 204
        finally:
            fresh.stop()
