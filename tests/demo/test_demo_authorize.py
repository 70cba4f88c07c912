"""The sign-in pages of the demo org: every refusal, every prompt, and what a browser keeps."""

import re
from urllib.parse import parse_qsl, urlsplit

import pytest

from support.demo_org import (
    ADA,
    CALLBACK,
    CHALLENGE,
    CLI,
    ECA,
    NORA,
    RITA,
    Buttons,
    Peer,
    authorize_path,
    callback_query,
)


@pytest.mark.parametrize(
    ("asked", "error", "description"),
    [
        ({"client_id": "nobody"}, "invalid_client_id", "client identifier invalid"),
        ({"client_id": ""}, "invalid_client_id", "client identifier invalid"),
        ({"redirect_uri": ""}, "redirect_uri_missing", "missing required parameter: redirect_uri"),
        ({"redirect_uri": f"{CALLBACK}/"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
        ({"redirect_uri": "http://localhost:x/OauthRedirect"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
        ({"redirect_uri": "http://localhost:1@evil.example/OauthRedirect"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
        ({"redirect_uri": "https://localhost:1717/OauthRedirect"}, "redirect_uri_mismatch", "redirect_uri must match configuration"),
    ],
)  # fmt: skip
async def test_until_the_callback_is_trusted_errors_stay_here(
    peer: Peer, asked: dict[str, str], error: str, description: str
) -> None:
    """An unknown app or callback ends on Salesforce's error page, which says what is wrong, and never redirects out."""
    reply = await peer.call("GET", authorize_path(**asked))

    address = urlsplit(reply.headers["Location"])
    assert address.path == "/setup/secur/RemoteAccessErrorPage.apexp"
    assert dict(parse_qsl(address.query)) == {"error": error, "error_description": description}
    page = await peer.call("GET", reply.headers["Location"])
    assert f"{error} : {description}" in page.text


@pytest.mark.parametrize(
    ("asked", "error", "description"),
    [
        ({"response_type": "token"}, "unsupported_response_type", "response type not supported"),
        ({"response_type": ""}, "unsupported_response_type", "response type not supported"),
        ({"scope": "api wave_api nonsense"}, "invalid_scope", "the requested scope is not allowed"),
        ({"client_id": ECA, "scope": "api"}, "invalid_request", "missing required code challenge"),
        ({"client_id": ECA, "scope": "api pardot_api", "code_challenge": CHALLENGE}, "invalid_scope", "the requested scope is not allowed"),
        ({"code_challenge": "short"}, "invalid_request", "invalid code challenge"),
        ({"code_challenge": CHALLENGE, "code_challenge_method": "plain"}, "invalid_request", "invalid code challenge method"),
        ({"immediate": "true"}, "immediate_unsuccessful", "immediate unsuccessful"),
    ],
)  # fmt: skip
async def test_then_errors_go_to_the_app(peer: Peer, asked: dict[str, str], error: str, description: str) -> None:
    """A refusal at a trusted callback carries error, description and the untouched state."""
    reply = await peer.call("GET", authorize_path(**asked, state="a&b=c d"))

    told = callback_query(reply.headers["Location"])
    assert told == {"error": error, "error_description": description, "state": "a&b=c d"}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"blocked": True}, {"error": "OAUTH_APP_BLOCKED", "error_description": "this app is blocked by admin"}),
        (
            {"permitted_users": [NORA]},
            {"error": "OAUTH_APP_ACCESS_DENIED", "error_description": "user is not admin approved to access this app"},
        ),
    ],
)
async def test_an_admin_policy_refuses_after_the_login(
    peer: Peer, change: dict[str, object], told: dict[str, str]
) -> None:
    """A blocked app, or a user that is not on its list, is told on the callback."""
    await peer.lever("app", client_id=CLI, **change)

    assert await peer.code() == told | {"state": "s-1"}


async def test_an_app_that_is_not_installed_never_redirects_out(peer: Peer) -> None:
    """The browser stays on the org's error page with Salesforce's sentence."""
    await peer.lever("app", client_id=CLI, installed=False)

    assert "invalid_client : app must be installed into org" in await peer.walk(authorize_path())


async def test_deny_is_told_as_such(peer: Peer) -> None:
    """Deny gives access_denied, and no grant exists."""
    told = await peer.code(decision="deny")

    assert told == {"error": "access_denied", "error_description": "end-user denied authorization", "state": "s-1"}
    assert await peer.families() == []


async def test_a_code_comes_back_with_the_state(peer: Peer) -> None:
    """Allow gives a code that needs escaping, as Salesforce's do, and the state."""
    address = await peer.walk(authorize_path())

    assert address.endswith("%3D%3D&state=s-1")
    assert set(callback_query(address)) == {"code", "state"}


async def test_a_post_asks_as_a_get_does(peer: Peer) -> None:
    """The authorize endpoint reads a form too."""
    form = dict(parse_qsl(urlsplit(authorize_path()).query))
    reply = await peer.call("POST", "/services/oauth2/authorize", form=form)

    assert reply.status == 200
    assert len(Buttons(reply.text).forms[0][2]) == 3


@pytest.mark.parametrize(
    ("prompt", "pages"), [("", 0), ("consent", 1), ("login", 1), ("select_account", 1), ("login consent", 2)]
)
async def test_a_known_browser_skips_what_it_did_before(peer: Peer, prompt: str, pages: int) -> None:
    """Signed in and approved, only the pages that `prompt` asks for come again."""
    await peer.sign_in()
    reply = await peer.call("GET", authorize_path(prompt=prompt))
    seen = 0
    while not reply.headers.get("Location", "").startswith(CALLBACK):
        if "Location" in reply.headers:
            reply = await peer.call("GET", reply.headers["Location"])
            continue
        seen += 1
        action, hidden, buttons = Buttons(reply.text).forms[0]
        reply = await peer.call("POST", action, form={**hidden, buttons[0][0]: buttons[0][1]})

    assert seen == pages


async def test_immediate_works_for_who_approved_before(peer: Peer) -> None:
    """`immediate=true` shows no page and gives a code."""
    await peer.sign_in()
    reply = await peer.call("GET", authorize_path(immediate="true", prompt=""))

    assert "code" in callback_query(reply.headers["Location"])


async def test_more_scopes_need_a_new_consent(peer: Peer) -> None:
    """An approval covers the scopes it was given for, not more."""
    await peer.sign_in(scope="api refresh_token")
    reply = await peer.call("GET", authorize_path(prompt="", scope="api refresh_token web"))

    assert "RemoteAccessAuthorizationPage" in reply.headers["Location"]


async def test_login_hint_comes_first(peer: Peer) -> None:
    """The hinted user is the first button and stands in the field."""
    reply = await peer.call("GET", authorize_path(login_hint=RITA.upper()))
    users, typed = Buttons(reply.text).forms

    assert users[2][0] == ("user", RITA)
    assert typed[1]["user"] == RITA.upper()


@pytest.mark.parametrize("change", [{"active": False}, {"frozen": True}, {"password_expired": True}])
async def test_a_user_who_may_not_log_in_stays_on_the_page(peer: Peer, change: dict[str, bool]) -> None:
    """An inactive, frozen or expired user sees why, in an alert, and no code is given."""
    await peer.lever("user", username=ADA, **change)
    page = await peer.call("GET", authorize_path())
    action, hidden, _ = Buttons(page.text).forms[0]
    reply = await peer.call("POST", action, form={**hidden, "user": ADA})

    assert reply.status == 200
    assert 'role="alert"' in reply.text


async def test_a_decision_is_made_once_and_by_its_own_browser(peer: Peer) -> None:
    """A second press, and a press without the session's cookie, find nothing to decide."""
    page = await peer.call("GET", authorize_path())
    action, hidden, _ = Buttons(page.text).forms[0]
    reply = await peer.call("POST", action, form={**hidden, "user": ADA})
    page = await peer.call("GET", reply.headers["Location"])
    action, hidden, _ = Buttons(page.text).forms[0]
    first = await peer.call("POST", action, form={**hidden, "decision": "allow"})
    second = await peer.call("POST", action, form={**hidden, "decision": "allow"})
    peer.http.cookie_jar.clear()
    await peer.walk(authorize_path(prompt="login consent"))
    stranger = await peer.call("POST", action, form={"request": "made up", "decision": "allow"})

    assert first.status == 302
    assert (second.status, stranger.status) == (400, 400)


async def test_a_sign_in_that_was_left_open_expires(peer: Peer) -> None:
    """After a quarter of an hour the page says so."""
    page = await peer.call("GET", authorize_path())
    peer.clock.advance(minutes=16)
    action, hidden, _ = Buttons(page.text).forms[0]
    reply = await peer.call("POST", action, form={**hidden, "user": ADA})

    assert reply.status == 400
    assert "expired" in reply.text


async def test_pages_let_nothing_in_and_lead_to_the_callback_only(peer: Peer) -> None:
    """The policy forbids scripts and frames; forms may go here and, for the redirect, to the callback's origin."""
    reply = await peer.call("GET", authorize_path(login_hint='"><script>alert(1)</script>'))
    policy = reply.headers["Content-Security-Policy"]

    assert "default-src 'none'" in policy
    assert "form-action 'self' http://localhost:1717;" in policy
    assert "<script" not in reply.text
    assert "Server" not in reply.headers
    assert reply.headers["Cache-Control"] == "no-store"


async def test_every_field_has_a_label(peer: Peer) -> None:
    """A person with a screen reader hears what each field is."""
    reply = await peer.call("GET", authorize_path())
    fields = set(re.findall(r'<input id="(\w+)"', reply.text))

    assert fields == set(re.findall(r'<label for="(\w+)"', reply.text)) != set()
    assert '<html lang="en">' in reply.text
