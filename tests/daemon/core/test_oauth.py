"""OAuth as values: what is sent, and what an answer says."""

import base64
import hashlib
import json
from urllib.parse import parse_qs, parse_qsl, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core import oauth
from meshmesh_daemon.core.ids import to18
from meshmesh_daemon.core.oauth import BadAnswer, Code, Refused, Registration

APP = Registration(client_id="own app", client_secret="s&cret=1")
GOOD: dict[str, object] = {
    "access_token": "00D!secret",
    "refresh_token": "5Aep861secret",
    "instance_url": "https://acme.my.salesforce.com",
    "id": "https://login.salesforce.com/id/00D000000000062EAA/005000000000001AAA",
    "token_type": "Bearer",
    "issued_at": "1700000000000",
    "scope": "api refresh_token",
}


def authorize(**changed: object) -> dict[str, list[str]]:
    """The query of an authorize address."""
    wish: dict[str, object] = {
        "redirect_uri": "http://localhost:1717/OauthRedirect",
        "scopes": ("api", "refresh_token"),
        "state": "st&te",
        "code_verifier": "v" * 64,
        "prompt_login": False,
    }
    url = oauth.authorize_url("https://login.salesforce.com", APP, **(wish | changed))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    parts = urlsplit(url)

    assert (parts.scheme, parts.netloc, parts.path) == ("https", "login.salesforce.com", "/services/oauth2/authorize")
    return parse_qs(parts.query, strict_parsing=True)


def test_pkce_is_always_s256() -> None:
    """The challenge is the S256 of the verifier, without padding, and the verifier itself is not in the address."""
    query = authorize()
    expected = base64.urlsafe_b64encode(hashlib.sha256(b"v" * 64).digest()).rstrip(b"=").decode()

    assert query["code_challenge"] == [expected]
    assert query["code_challenge_method"] == ["S256"]
    assert "v" * 64 not in str(query)


def test_the_address_asks_for_what_was_wished() -> None:
    """Client, callback, scopes and state arrive unchanged; a secret is never in an address."""
    query = authorize()

    assert query["response_type"] == ["code"]
    assert query["client_id"] == ["own app"]
    assert query["redirect_uri"] == ["http://localhost:1717/OauthRedirect"]
    assert query["scope"] == ["api refresh_token"]
    assert query["state"] == ["st&te"]
    assert "client_secret" not in query
    assert "prompt" not in query
    assert "login_hint" not in query


def test_generic_hosts_ask_for_the_login_page() -> None:
    """`prompt=login` and `login_hint` are sent where they are asked for."""
    query = authorize(prompt_login=True, login_hint="ada@acme.example")

    assert query["prompt"] == ["login"]
    assert query["login_hint"] == ["ada@acme.example"]


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        (
            oauth.code_form(APP, code="aPrx==", redirect_uri="http://localhost:1717/OauthRedirect", code_verifier="v"),
            {
                "grant_type": "authorization_code",
                "code": "aPrx==",
                "redirect_uri": "http://localhost:1717/OauthRedirect",
                "client_id": "own app",
                "client_secret": "s&cret=1",
                "code_verifier": "v",
            },
        ),
        (
            oauth.refresh_form(APP, "5Aep+/="),
            {
                "grant_type": "refresh_token",
                "refresh_token": "5Aep+/=",
                "client_id": "own app",
                "client_secret": "s&cret=1",
            },
        ),
        (
            oauth.client_credentials_form(APP),
            {"grant_type": "client_credentials", "client_id": "own app", "client_secret": "s&cret=1"},
        ),
        (oauth.revoke_form("t+/="), {"token": "t+/="}),
        (
            oauth.introspect_form(APP, "00D!x"),
            {
                "token": "00D!x",
                "token_type_hint": "access_token",
                "client_id": "own app",
                "client_secret": "s&cret=1",
            },
        ),
    ],
)
def test_forms_hold_exactly_what_the_endpoint_takes(form: str, expected: dict[str, str]) -> None:
    """Each form, field by field; special characters survive the encoding."""
    assert dict(parse_qsl(form, strict_parsing=True)) == expected


def test_a_public_app_sends_no_secret() -> None:
    """A public client must not send client_secret, not even an empty one."""
    public = Registration(client_id="PlatformCLI")

    assert "client_secret" not in oauth.refresh_form(public, "r")
    assert "client_secret" not in oauth.code_form(public, code="c", redirect_uri="http://x", code_verifier="v")
    assert "client_secret" not in oauth.introspect_form(public, "a")


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ({"code": "c", "state": "s"}, Code("c")),
        ({"error": "access_denied", "error_description": "no"}, Refused("access_denied", "no")),
        ({"error": "access_denied", "code": "c"}, Refused("access_denied", "")),
        ({"code": ""}, Refused("missing_code", "")),
        ({}, Refused("missing_code", "")),
    ],
)
def test_a_redirect_brings_a_code_or_an_error(query: dict[str, str], expected: Code | Refused) -> None:
    """An error beside a code is an error."""
    assert oauth.read_redirect(query) == expected


def test_a_good_answer_is_read() -> None:
    """Org and user come from the `id` address, in 18 characters."""
    short = GOOD | {"id": "https://login.salesforce.com/id/00D000000000062/005000000000001"}
    for document in (GOOD, short):
        tokens = oauth.read_tokens(json.dumps(document).encode())
        assert (tokens.org_id, tokens.user_id) == ("00D000000000062EAA", "005000000000001AAA")
    assert tokens.scopes == ("api", "refresh_token")


@pytest.mark.parametrize("missing", ["access_token", "instance_url", "id"])
@pytest.mark.parametrize("value", [None, "", 7, ["x"]])
def test_an_answer_without_its_parts_is_none(missing: str, value: object) -> None:
    """Without token, instance or identity nothing is kept, and what is missing is named."""
    with pytest.raises(BadAnswer, match=missing):
        oauth.read_tokens(json.dumps(GOOD | {missing: value}).encode())


@pytest.mark.parametrize(
    "identity",
    [
        "https://login.salesforce.com/id/00D000000000062EAA",
        "https://login.salesforce.com/id/005000000000001AAA/00D000000000062EAA",
        "https://login.salesforce.com/id/00D000000000062EAA/005/",
        "https://login.salesforce.com/id/00D00000000006%32EAA/005000000000001AAA",
        "nonsense",
    ],
)
def test_an_identity_must_name_an_org_and_a_user(identity: str) -> None:
    """Half an identity pins nothing."""
    with pytest.raises(BadAnswer):
        oauth.read_tokens(json.dumps(GOOD | {"id": identity}).encode())


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b"null", b'"x"', b"{", b"\xff", b"[" * 100_000])
def test_what_is_no_object_is_no_answer(body: bytes) -> None:
    """Anything but one JSON object is refused without another exception."""
    with pytest.raises(BadAnswer):
        oauth.read_tokens(body)
    assert oauth.read_lifetime(body) is None


def test_secrets_stay_out_of_repr() -> None:
    """A token set in a log or a traceback shows no token."""
    tokens = oauth.read_tokens(json.dumps(GOOD).encode())

    assert "secret" not in repr(tokens)
    assert "s&cret" not in repr(APP)
    assert "aPrx" not in repr(Code("aPrx"))


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"active": True, "exp": 7300, "iat": 100}, 7200.0),
        ({"active": False}, None),
        ({"active": True, "exp": 100, "iat": 100}, None),
        ({"active": True, "exp": "7300", "iat": 100}, None),
        ({"active": True, "exp": 7300}, None),
        ({"active": "true", "exp": 7300, "iat": 100}, None),
    ],
)
def test_a_lifetime_is_the_servers_own_difference(document: dict[str, object], expected: float | None) -> None:
    """`exp` less `iat`: our clock has no part in it."""
    assert oauth.read_lifetime(json.dumps(document).encode()) == expected


@given(st.text(alphabet="0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", min_size=15, max_size=15))
def test_an_id_is_the_same_in_both_forms(short: str) -> None:
    """15 characters and their 18-character form give one id."""
    long = to18(short)

    assert long is not None
    assert to18(long) == long
    assert long[:15] == short


def test_a_known_id() -> None:
    """A pair that was checked by hand."""
    assert to18("00D000000000062") == "00D000000000062EAA"
    assert [to18(bad) for bad in ("", "00D", "00D00000000006é", "x" * 16)] == [None] * 4
