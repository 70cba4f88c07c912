"""How a sign-in ends when Salesforce says no: every code it has, at the redirect, at the token endpoint, on its error page.

Whatever comes back, the attempt has one end, told in our words on the page and to the owner, with what to do about it,
and nothing is stored.
"""

import re
from collections.abc import Iterator
from html import unescape
from urllib.parse import urlencode, urlsplit

import pytest

from support.attempts import Attempt, House, house_of
from support.demo_org import ADA
from support.peer import Json, Peer, peer
from support.person import Page, Person

MARKUP = "<img src=x onerror=alert(1)>"
ERROR_PAGE = "https://acme.my.salesforce.com/setup/secur/RemoteAccessErrorPage.apexp"

# Who acts on a code, and how the next step must read for them.
STEPS = {
    "later": r"(?i)again",
    "person": r"(?i)again|reconnect",
    "admin": r"(?i)admin",
    "setting": r"(?i)settings|secret|My Domain",
    "unknown": r".",
}

# Salesforce's own list of codes, with the descriptions that are known, and who acts on each.
CODES = (
    ("access_denied", "end-user denied authorization", "person"),
    ("access-denied", "end-user denied authorization", "person"),
    ("app_attest_failed", "", "unknown"),
    ("app_attest_failed_retry", "", "unknown"),
    ("app_blocked", "", "admin"),
    ("app_not_found", "External client app is not installed in this org", "admin"),
    ("authorization_pending", "", "later"),
    ("bad_jti_claim", "", "unknown"),
    ("ecapp_policy_not_found", "", "admin"),
    ("exceeded_registration_limit", "", "unknown"),
    ("fail_close_app_blocked", "", "admin"),
    ("failed_registration", "", "unknown"),
    ("immediate_unsuccessful", "", "person"),
    ("inactive_org", "inactive organization", "later"),
    ("inactive_user", "inactive user", "admin"),
    ("installation_error", "", "unknown"),
    ("invalid_app_access", "user is not admin approved to access this app", "admin"),
    ("invalid_assertion_type", "", "unknown"),
    ("invalid_basic_auth_header", "", "unknown"),
    ("invalid_client", "app must be installed into org", "admin"),
    ("invalid_client", "invalid client credentials", "setting"),
    ("invalid_client_id", "client identifier invalid", "setting"),
    ("invalid_distribution_state", "", "unknown"),
    ("invalid_dpop_proof", "", "unknown"),
    ("invalid_expid", "", "unknown"),
    ("invalid_grant", "Audience validation failed", "setting"),
    ("invalid_grant", "audience is invalid", "setting"),
    ("invalid_grant", "authentication failure", "person"),
    ("invalid_grant", "client credentials flow not enabled", "admin"),
    ("invalid_grant", "expired access/refresh token", "person"),
    ("invalid_grant", "expired authorization code", "person"),
    ("invalid_grant", "inactive organization", "later"),
    ("invalid_grant", "inactive user", "admin"),
    ("invalid_grant", "invalid authorization code", "person"),
    ("invalid_grant", "invalid code verifier", "person"),
    ("invalid_grant", "ip restricted", "admin"),
    ("invalid_grant", "ip restricted or invalid login hours", "admin"),
    ("invalid_grant", "login rate exceeded", "later"),
    ("invalid_grant", "Maximum Logins Exceeded", "later"),
    ("invalid_grant", "no client credentials user enabled", "admin"),
    ("invalid_grant", "no valid scopes", "setting"),
    ("invalid_grant", "request not supported on this domain", "setting"),
    ("invalid_grant", "token validity expired", "person"),
    ("invalid_grant", "user hasn't approved this consumer", "person"),
    ("invalid_otp", "", "unknown"),
    ("invalid_request", "missing required code challenge", "setting"),
    ("invalid_request", "must use HTTP POST", "setting"),
    ("invalid_scope", "the requested scope is not allowed", "setting"),
    ("invalid_session_level", "", "unknown"),
    ("invalid_token", "", "unknown"),
    ("login_error", "", "unknown"),
    ("oauth_flow_disabled", "", "admin"),
    ("oauth_policy_not_found", "", "admin"),
    ("otp_error", "", "unknown"),
    ("rate_limit_exceeded", "number of logins exceeded", "later"),
    ("redirect_uri_mismatch", "redirect_uri must match configuration", "setting"),
    ("redirect_uri_missing", "", "setting"),
    ("registration_error", "", "unknown"),
    ("server_error", "", "later"),
    ("service_unavailable", "", "later"),
    ("slow_down", "", "later"),
    ("system_down", "", "later"),
    ("unknown_error", "", "later"),
    ("unsupported_expid", "", "unknown"),
    ("unsupported_grant_type", "grant type not supported", "setting"),
    ("unsupported_response_type", "response type not supported", "setting"),
    ("unsupported_token_type", "", "unknown"),
    ("use_dpop_nonce", "", "unknown"),
    ("a_code_of_tomorrow", "whatever it says", "unknown"),
)  # fmt: skip
REDIRECT_ONLY = (
    ("OAUTH_APP_BLOCKED", "this app is blocked by admin", "admin"),
    ("OAUTH_APP_ACCESS_DENIED", "user is not admin approved to access this app", "admin"),
    ("OAUTH_EC_APP_NOT_FOUND", "External client app is not installed in this org", "admin"),
    ("OAUTH_APPROVAL_ERROR_GENERIC", "An unexpected error has occured during authentication. Please try again.", "admin"),
)  # fmt: skip


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """One org for all."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def house(org: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One service for all."""
    with house_of(org.origin, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(autouse=True)
def _only_the_demo(house: House) -> Iterator[None]:
    """Afterwards there is the demo connection and no other."""
    yield
    house.disconnect_all()


def is_told(attempt: Attempt, page: Page, who: str) -> bool:
    """Whether an attempt ended failed, with title, sentence and next step for whoever acts, on the page as to the owner."""
    told = attempt.told()
    error = told["error"]
    shown = unescape(page.text)
    assert (told["status"], error["code"], told["keepable"]) == ("failed", "sign_in_failed", False)
    assert (page.status, urlsplit(page.url).path) == (400, f"/signed-in/{attempt.id}")
    assert error["title"] not in {"", "Bad Request"}
    assert "by itself" not in error["detail"]
    assert re.search(STEPS[who], str(error["next"]["label"])), error["next"]
    assert all(str(text) in shown for text in (error["title"], error["detail"], error["next"]["label"]))
    if who != "unknown":
        assert ("message_for_admin" in error) is (who == "admin")
    assert str(error.get("message_for_admin", "")) in shown
    assert attempt.house.names() == ["demo"]
    return True


@pytest.mark.parametrize(("code", "description", "who"), [*CODES, *REDIRECT_ONLY])
def test_an_error_in_the_redirect(house: House, org: Peer, code: str, description: str, who: str) -> None:
    """Title, sentence and next step, on the page and for the owner; a code beside it is not exchanged."""
    attempt = house.begin()
    asked = org.state().requests
    page = attempt.comes_back(error=code, error_description=description, code="aPrx")

    assert org.state().requests == asked
    assert is_told(attempt, page, who)


@pytest.mark.parametrize(("code", "description", "who"), CODES)
def test_an_error_of_the_token_endpoint(house: House, org: Peer, code: str, description: str, who: str) -> None:
    """The code is exchanged once, and the refusal told."""
    attempt = house.begin()
    org.play(400, {"error": code, "error_description": description})
    page = attempt.comes_back(code="aPrx")

    assert is_told(attempt, page, who)


TOKENS: Json = {
    "access_token": "00Dx!made.up", "refresh_token": "made-up", "token_type": "Bearer", "issued_at": "1700000000000",
    "instance_url": "https://acme.my.salesforce.com", "id": "https://login.salesforce.com/id/00D000000000001AAA/005000000000001AAA",
}  # fmt: skip
NO_VERDICT: dict[str, tuple[int, object]] = {
    "an outage": (503, "<html>Service Unavailable</html>"),
    "a gone org": (420, ""),
    "a pause": (429, {"error": "invalid_grant", "error_description": "inactive user"}),
    "a portal": (200, "<html>Welcome to the hotel</html>"),
    "a portal that moves": (302, ""),
    "a cut connection": (0, ""),
    "nothing": (200, {}),
    "no id": (200, {name: value for name, value in TOKENS.items() if name != "id"}),
    "half an id": (200, TOKENS | {"id": "https://login.salesforce.com/id/00D000000000001AAA"}),
    "no instance": (200, {name: value for name, value in TOKENS.items() if name != "instance_url"}),
    "no token": (200, {name: value for name, value in TOKENS.items() if name != "access_token"}),
    "a foreign instance": (200, TOKENS | {"instance_url": "https://acme.my.salesforce.com.evil.example"}),
    "a foreign id": (200, TOKENS | {"id": "https://evil.example/id/00D000000000001AAA/005000000000001AAA"}),
}


@pytest.mark.parametrize("what", NO_VERDICT)
def test_an_answer_that_is_no_verdict(house: House, org: Peer, what: str) -> None:
    """Trouble, half an answer, an answer of somebody else's: told, never stored, and nobody is called blocked for it."""
    status, body = NO_VERDICT[what]
    attempt = house.begin()
    org.play(status, body)
    page = attempt.comes_back(code="aPrx")

    assert is_told(attempt, page, "unknown")
    assert "message_for_admin" not in str(attempt.told())


def test_a_redirect_without_code_or_error(house: House) -> None:
    """A live `state` alone ends the attempt and says so."""
    attempt = house.begin()
    page = attempt.comes_back()

    assert is_told(attempt, page, "person")


def test_nothing_from_outside_is_markup_on_a_page(house: House, org: Peer) -> None:
    """Codes and descriptions are not repeated; an org's name is shown as text."""
    first = house.begin().comes_back(error=MARKUP, error_description=MARKUP)
    org.lever("org", name=MARKUP)
    try:
        second = Person(ADA).go(house.begin(environment="sandbox").authorize_url)
        third = Person(ADA).go(house.begin("marked").authorize_url)
    finally:
        org.lever("org", name="MeshMesh Demo")

    assert MARKUP not in unescape(first.text)
    for page in (second, third):
        assert MARKUP in unescape(page.text)
        assert "<img" not in page.text


@pytest.mark.parametrize(
    ("code", "description", "who"), [*REDIRECT_ONLY, ("invalid_client", "app must be installed into org", "admin")]
)
def test_the_address_of_salesforces_error_page(house: House, code: str, description: str, who: str) -> None:
    """The browser that never came back: its address tells the end, and the message for the admin."""
    attempt = house.begin()
    answer = attempt.pasted(f"{ERROR_PAGE}?{urlencode({'error': code, 'error_description': description})}")
    page = Person(ADA).go(attempt.page)

    assert (answer.status, answer.json()["status"]) == (200, "failed")
    assert answer.json()["error"] == attempt.told()["error"]
    assert is_told(attempt, page, who)
