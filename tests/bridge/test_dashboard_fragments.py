"""The dashboard's addresses below HTTP: the owner's alone, vendored as published, and held to the strict policy."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

from meshmesh_bridge.dashboard import MODULES, SHELLS
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.pages import POLICY
from meshmesh_bridge.pages.fragments import PREFIX
from meshmesh_bridge.wings import all_routes
from support.dashboard import session
from support.service import PIN, Answer, Service

BRIDGE = Path(__file__).parents[2] / "bridge" / "meshmesh_bridge"
# htmx 2.0.11, dist/htmx.min.js of the npm package htmx.org
HTMX = "d6fdc75f204e6bdefa99b69bf1e6d4ac69b8a364f77929f45c13476b4000f717"
FRAGMENTS = [route for route in all_routes() if route.path.startswith(PREFIX + "/")]
SCRIPTS = [*sorted((BRIDGE / "static" / "dashboard").glob("*.js")), BRIDGE / "static" / "dashboard.js"]
TEMPLATES = sorted((BRIDGE / "templates").rglob("*.html"))


def ask(
    service: Service,
    route: Route,
    headers: Mapping[str, str] | None = None,
    token: str | None = None,
    *,
    owner: bool = False,
) -> Answer:
    """Ask for a fragment, with names that are there where that can be."""
    path = route.path.replace("{name}", "demo").replace("{id}", "nothing")
    body: dict[str, str] | None = {} if route.method == "POST" else None
    return service.call(route.method, path, body, headers=headers, token=token, owner=owner)


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    """A client that may do everything with `demo`."""
    return service.pair({"connection": "demo", "mode": "build", "raw_token": True})


@pytest.fixture(scope="module")
def owner(service: Service) -> dict[str, str]:
    """The header of a live session."""
    return {"MeshMesh-Session": session(service)}


@pytest.mark.parametrize("route", FRAGMENTS, ids=lambda route: route.path)
def test_a_paired_client_gets_nothing(service: Service, token: str, owner: dict[str, str], route: Route) -> None:
    """Not with its token, not beside a session, not at the socket; and nobody gets anything without a session."""
    refused = [
        ask(service, route, token=token),
        ask(service, route, token=token, headers=owner),
        ask(service, route, token=token, owner=True),
        ask(service, route),
        ask(service, route, headers=owner | {"Origin": "https://evil.example"}),
        ask(service, route, headers=owner | {"Sec-Fetch-Site": "same-site"}),
    ]

    assert [answer.status for answer in refused] == [403, 403, 403, 401, 403, 403]
    assert all(b"demo" not in answer.body.replace(b"meshmesh-demo", b"") for answer in refused)


@pytest.mark.parametrize("route", FRAGMENTS, ids=lambda route: route.path)
def test_a_fragment_is_a_piece_of_html(service: Service, owner: dict[str, str], route: Route) -> None:
    """No document, no script, and never kept by a cache; what is not there is a problem."""
    answer = ask(service, route, headers=owner)

    assert answer.headers["cache-control"] == "no-store"
    assert "script-src" not in answer.headers["content-security-policy"]
    if answer.status == 404:
        assert answer.headers["content-type"].startswith("application/problem+json")
        return
    assert answer.status == 200, answer.body
    assert answer.headers["content-type"].startswith("text/html")
    assert not re.search(rb"<(html|body|script|style)\b|\son\w+=|\sstyle=|hx-on", answer.body)


def test_every_shell_has_its_fragment() -> None:
    """What the sidebar and the command line lead to can be shown."""
    paths = {route.path for route in FRAGMENTS}

    assert {PREFIX + shell for shell in SHELLS} <= paths


def test_htmx_is_the_one_that_was_published(service: Service) -> None:
    """Byte for byte, with its licence beside it."""
    served = service.call("GET", "/static/vendor/htmx.min.js")

    assert served.headers["content-type"].startswith("text/javascript")
    assert hashlib.sha256(served.body).hexdigest() == HTMX
    assert "Zero-Clause BSD" in (BRIDGE / "static" / "vendor" / "LICENSE-htmx").read_text()


def test_htmx_may_evaluate_nothing(service: Service) -> None:
    """The policy has no unsafe word, and htmx is told not to try what it forbids."""
    shell = service.call("GET", "/", headers={"Accept": "text/html"})
    configuration = re.search(rb"htmx-config\" content='([^']+)'", shell.body)

    assert shell.headers["content-security-policy"] == POLICY
    assert "unsafe" not in POLICY
    assert configuration
    for setting in (b'"allowEval":false', b'"includeIndicatorStyles":false', b'"allowScriptTags":false'):
        assert setting in configuration[1]
    assert b'"selfRequestsOnly":true' in configuration[1]
    assert b'"historyCacheSize":0' in configuration[1]


def test_every_module_is_served_and_nothing_else(service: Service) -> None:
    """The list is the folder; a name that is not on it is not looked for."""
    assert {path.name for path in (BRIDGE / "static" / "dashboard").iterdir()} == MODULES
    for name in MODULES:
        assert service.call("GET", f"/static/dashboard/{name}").status == 200
    assert service.call("GET", "/static/dashboard/..%2Fdashboard.css").status == 404


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.name)
def test_no_script_of_ours_makes_markup_or_code_of_a_text(path: Path) -> None:
    """What the service says becomes text; HTML comes from templates, which escape."""
    forbidden = (
        r"innerHTML\s*=|outerHTML\s*=|insertAdjacentHTML|document\.write|\beval\(|new Function|srcdoc|document\.cookie"
    )

    assert not re.search(forbidden, path.read_text())


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.name)
def test_no_template_switches_escaping_off(path: Path) -> None:
    """Nothing is marked safe, no script or style stands in a page, and no file comes from elsewhere."""
    text = path.read_text()

    assert not re.search(r"\|\s*safe\b|autoescape|hx-on|\son\w+=|\sstyle=|<style|javascript:", text)
    assert not re.search(r"<script(?![^>]*\ssrc=\"/static/)", text)
    assert not re.search(r"(?:src|href)=\"https?://", text)


def test_owner_routes_of_the_dashboard_are_owner_routes() -> None:
    """No fragment is open by an oversight in the table."""
    assert {route.need for route in FRAGMENTS} == {Need.OWNER}


@pytest.mark.parametrize(
    ("headers", "paired", "status"),
    [
        ({}, True, 403),
        ({"Origin": "https://evil.example"}, False, 403),
        ({"Origin": "null"}, False, 403),
        ({"Sec-Fetch-Site": "cross-site"}, False, 403),
        ({}, False, 200),
    ],
    ids=["paired", "another site", "no site", "cross-site", "our page"],
)
def test_the_pin_opens_it_for_our_page_alone(
    service: Service, token: str, headers: dict[str, str], paired: bool, status: int
) -> None:
    """The right PIN makes no session for a paired program or another site's page."""
    service.call("POST", "/v1/pin", {"pin": PIN}, owner=True)
    answer = service.call(
        "POST", "/v1/dashboard-sessions", {"pin": PIN}, headers=headers, token=token if paired else None
    )

    assert answer.status == status
    assert (b"session" in answer.body) is (status == 200)


def test_letters_that_cannot_be_seen_are_seen(service: Service, owner: dict[str, str]) -> None:
    """A name that would turn the line around, or that differs by nothing visible, shows where it does."""
    name = "safe\u202egnp.exe\u200b"
    asked = service.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read", "purpose": name}]}).json()
    shown = service.call("GET", "/dashboard/requests", headers=owner).body.decode()
    service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True)

    assert "safe\ufffdgnp.exe\ufffd wants to be paired" in shown
    assert not re.search("[\u202e\u200b]", shown)
