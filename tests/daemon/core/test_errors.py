"""Failures: every code of Salesforce's means one thing, and the network is never taken for the end of a sign-in."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core import error_meanings as meanings
from meshmesh_daemon.core import error_table as table
from meshmesh_daemon.core.error_meanings import Meaning
from meshmesh_daemon.core.errors import (
    Action,
    Failure,
    Trouble,
    error_page_failure,
    missing_feature,
    redirect_failure,
    rest_failure,
    status_of,
    token_failure,
    transport_failure,
)
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Reason, Status

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)
CODE, REFRESH, ROBOT = "authorization_code", "refresh_token", "client_credentials"
JSON = "application/json;charset=UTF-8"
PAGE = b"<!DOCTYPE html><html><body>Welcome to Hotel Wi-Fi</body></html>"

# Every `error` that Salesforce's own mobile SDK knows in 2026, and three of an older help page.
SDK_CODES = """
    access_denied app_blocked app_not_found authorization_pending bad_jti_claim app_attest_failed
    app_attest_failed_retry ecapp_policy_not_found exceeded_registration_limit fail_close_app_blocked
    failed_registration immediate_unsuccessful installation_error invalid_app_access invalid_assertion_type
    invalid_basic_auth_header invalid_dpop_proof invalid_client invalid_client_id invalid_distribution_state
    invalid_expid invalid_grant invalid_otp invalid_request invalid_scope invalid_session_level invalid_token
    login_error oauth_flow_disabled oauth_policy_not_found otp_error redirect_uri_missing redirect_uri_mismatch
    registration_error server_error service_unavailable slow_down system_down unknown_error unsupported_expid
    unsupported_grant_type unsupported_response_type unsupported_token_type use_dpop_nonce
    inactive_user inactive_org rate_limit_exceeded
"""
REDIRECT_CODES = """
    OAUTH_APP_BLOCKED OAUTH_APP_ACCESS_DENIED OAUTH_EC_APP_NOT_FOUND OAUTH_APPROVAL_ERROR_GENERIC
"""
CODES = [*SDK_CODES.split(), *REDIRECT_CODES.split()]
ALL_MEANINGS = {name: value for name, value in vars(meanings).items() if isinstance(value, Meaning)}


def token(
    body: bytes | object,
    *,
    status: int = 400,
    content_type: str = JSON,
    grant: str = REFRESH,
    headers: Mapping[str, str] | None = None,
) -> Failure:
    """A failure of the token endpoint."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return token_failure(
        status=status, content_type=content_type, body=raw, headers=headers or {}, grant=grant, now=NOW
    )


def oauth(error: str, description: str = "", *, grant: str = REFRESH, status: int = 400) -> Failure:
    """A failure of the token endpoint in its proper form."""
    return token({"error": error, "error_description": description}, grant=grant, status=status)


def rest(
    status: int, body: bytes | object, *, content_type: str = JSON, headers: Mapping[str, str] | None = None
) -> Failure | None:
    """What a REST answer says of the connection."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return rest_failure(status=status, content_type=content_type, body=raw, headers=headers or {}, now=NOW)


def fault(code: str, message: str = "") -> list[dict[str, str]]:
    """An error array of REST."""
    return [{"message": message, "errorCode": code}]


# --- The tables -----------------------------------------------------------------------------------------------------


def test_every_code_of_salesforces_has_a_row() -> None:
    """No code that Salesforce documents or ships is unknown, and none was made up."""
    assert set(table.OAUTH) == {code.lower() for code in CODES}


@pytest.mark.parametrize("grant", [CODE, REFRESH, ROBOT])
@pytest.mark.parametrize("code", CODES)
def test_every_code_means_something_whatever_its_description(code: str, grant: str) -> None:
    """A known code with words that nobody has seen still has a meaning of its own under each grant."""
    failure = oauth(code, "words nobody has seen", grant=grant)

    assert failure.title
    assert failure.detail
    assert (failure.reason is None) <= (grant == CODE)


@pytest.mark.parametrize("name", sorted(ALL_MEANINGS))
def test_action_reason_and_words_agree(name: str) -> None:
    """What mends it and the status agree, an admin gets a message, a detail is a sentence, a title is none."""
    meaning = ALL_MEANINGS[name]
    statuses = {
        Action.RETRY: Status.OFFLINE,
        Action.RECONNECT: Status.NEEDS_YOU,
        Action.ADMIN: Status.BLOCKED,
        Action.CONFIG: Status.BLOCKED,
    }

    assert meaning.reason is None or status_of(meaning.reason) is statuses[meaning.action]
    assert (meaning.message_for_admin is not None) == (meaning.action is Action.ADMIN)
    assert meaning.detail.endswith(".")
    assert not meaning.title.endswith(".")
    assert meaning.action is Action.RETRY or meaning.next_step is not None


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_the_status_of_the_contract(reason: Reason) -> None:
    """The contract lists which reasons need the person, which the admin, and which mend themselves."""
    needs_you = """
        session_expired refresh_token_revoked refresh_token_reused sign_in_limit idle_timeout password_expired
        org_changed scope_missing rotation_interrupted
    """
    blocked = """
        user_inactive app_blocked app_not_installed app_misconfigured run_as_missing ip_restricted api_disabled
    """
    offline = "network org_unavailable service_unavailable rate_limited vault_locked"
    expected = {
        **dict.fromkeys(needs_you.split(), Status.NEEDS_YOU),
        **dict.fromkeys(blocked.split(), Status.BLOCKED),
        **dict.fromkeys(offline.split(), Status.OFFLINE),
    }

    assert status_of(reason) is expected[reason.value]


# --- The token endpoint ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "description", "action", "reason"),
    [
        ("invalid_grant", "expired access/refresh token", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_grant", "Expired Access/Refresh Token", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_grant", "token validity expired", Action.RECONNECT, Reason.SESSION_EXPIRED),
        ("invalid_grant", "authentication failure", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_grant", "user hasn't approved this consumer", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_grant", "", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_token", "", Action.RECONNECT, Reason.REFRESH_TOKEN_REVOKED),
        ("invalid_grant", "token request is already being processed", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("invalid_request", "token request is already being processed", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("invalid_grant", "login rate exceeded", Action.RETRY, Reason.RATE_LIMITED),
        ("invalid_grant", "Maximum Logins Exceeded", Action.RETRY, Reason.RATE_LIMITED),
        ("rate_limit_exceeded", "number of logins exceeded", Action.RETRY, Reason.RATE_LIMITED),
        ("invalid_grant", "ip restricted or invalid login hours", Action.ADMIN, Reason.IP_RESTRICTED),
        ("invalid_grant", "ip restricted", Action.ADMIN, Reason.IP_RESTRICTED),
        ("invalid_session_level", "", Action.ADMIN, Reason.IP_RESTRICTED),
        ("invalid_grant", "inactive user", Action.ADMIN, Reason.USER_INACTIVE),
        ("inactive_user", "", Action.ADMIN, Reason.USER_INACTIVE),
        ("invalid_grant", "inactive organization", Action.RETRY, Reason.ORG_UNAVAILABLE),
        ("inactive_org", "", Action.RETRY, Reason.ORG_UNAVAILABLE),
        ("invalid_grant", "no valid scopes", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_grant", "Audience validation failed", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_app_access", "user is not admin approved to access this app", Action.ADMIN, Reason.APP_BLOCKED),
        ("app_blocked", "", Action.ADMIN, Reason.APP_BLOCKED),
        ("fail_close_app_blocked", "", Action.ADMIN, Reason.APP_BLOCKED),
        ("ecapp_policy_not_found", "", Action.ADMIN, Reason.APP_BLOCKED),
        ("oauth_policy_not_found", "", Action.ADMIN, Reason.APP_BLOCKED),
        ("oauth_flow_disabled", "", Action.ADMIN, Reason.APP_BLOCKED),
        (
            "app_not_found",
            "External client app is not installed in this org",
            Action.ADMIN,
            Reason.APP_NOT_INSTALLED,
        ),
        ("invalid_client", "app must be installed into org", Action.ADMIN, Reason.APP_NOT_INSTALLED),
        ("invalid_client", "invalid client credentials", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_client_id", "client identifier invalid", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("redirect_uri_mismatch", "redirect_uri must match configuration", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("redirect_uri_missing", "", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("unsupported_grant_type", "grant type not supported", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("unsupported_response_type", "response type not supported", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_scope", "the requested scope is not allowed", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_request", "missing required code challenge", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("server_error", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("service_unavailable", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("system_down", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("unknown_error", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("slow_down", "", Action.RETRY, Reason.RATE_LIMITED),
        ("authorization_pending", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
        ("login_error", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
    ],
)
def test_a_refused_refresh_means_what_the_contract_says(
    error: str, description: str, action: Action, reason: Reason
) -> None:
    """Each documented refusal of a refresh has its action and its reason."""
    failure = oauth(error, description)

    assert (failure.action, failure.reason) == (action, reason)


@pytest.mark.parametrize(
    ("error", "description", "action", "reason"),
    [
        ("invalid_grant", "no client credentials user enabled", Action.ADMIN, Reason.RUN_AS_MISSING),
        ("invalid_grant", "client credentials flow not enabled", Action.ADMIN, Reason.APP_BLOCKED),
        ("invalid_grant", "request not supported on this domain", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_grant", "authentication failure", Action.ADMIN, Reason.RUN_AS_MISSING),
        ("invalid_grant", "user hasn't approved this consumer", Action.ADMIN, Reason.APP_BLOCKED),
        ("invalid_grant", "something new", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("invalid_client", "invalid client credentials", Action.CONFIG, Reason.APP_MISCONFIGURED),
        ("unsupported_grant_type", "grant type not supported", Action.CONFIG, Reason.APP_MISCONFIGURED),
    ],
)
def test_a_robots_refusal_is_for_the_admin_or_the_setting(
    error: str, description: str, action: Action, reason: Reason
) -> None:
    """The client credentials flow has no person to ask, whatever was refused."""
    failure = oauth(error, description, grant=ROBOT)

    assert (failure.action, failure.reason) == (action, reason)


@pytest.mark.parametrize(
    "description",
    ["expired authorization code", "invalid authorization code", "invalid code verifier", "authentication failure", ""],
)
def test_a_refused_code_only_ends_the_attempt(description: str) -> None:
    """A code that is late or used says nothing about a connection, and the way on is another try."""
    failure = oauth("invalid_grant", description, grant=CODE)

    assert (failure.action, failure.reason) == (Action.RECONNECT, None)
    assert failure.next_step == Next("Try again")


@pytest.mark.parametrize("status", [400, 401, 403])
def test_the_code_counts_and_not_the_status(status: int) -> None:
    """Salesforce refuses under three statuses."""
    assert oauth("invalid_grant", "expired access/refresh token", status=status).action is Action.RECONNECT


@pytest.mark.parametrize("error", ["access_denied", "access-denied", "Access_Denied", " ACCESS-DENIED "])
def test_a_code_is_known_in_any_spelling(error: str) -> None:
    """Case, and the hyphen of Salesforce's own help page, make no difference."""
    assert redirect_failure(error, "end-user denied authorization").title == "You said no"


# --- Trouble is never evidence --------------------------------------------------------------------------------------

REVOKED = b'{"error":"invalid_grant","error_description":"expired access/refresh token"}'


@pytest.mark.parametrize("grant", [CODE, REFRESH, ROBOT])
@pytest.mark.parametrize(
    ("status", "content_type", "body", "reason"),
    [
        (200, "text/html", PAGE, Reason.NETWORK),
        (200, "", PAGE, Reason.NETWORK),
        (200, JSON, b'{"access_token":"00D', Reason.NETWORK),
        (200, JSON, b"", Reason.NETWORK),
        (200, JSON, b'{"access_token":"x"}', Reason.SERVICE_UNAVAILABLE),
        (200, JSON, REVOKED, Reason.SERVICE_UNAVAILABLE),
        (302, "", b"", Reason.NETWORK),
        (307, "text/html", PAGE, Reason.NETWORK),
        (400, "text/html", PAGE, Reason.NETWORK),
        (400, "text/html; charset=utf-8", REVOKED, Reason.NETWORK),
        (400, JSON, b"", Reason.NETWORK),
        (400, JSON, REVOKED[:-5], Reason.NETWORK),
        (400, JSON, b"\xff\xfe\x00", Reason.NETWORK),
        (400, JSON, b'["invalid_grant"]', Reason.NETWORK),
        (400, JSON, b'"invalid_grant"', Reason.NETWORK),
        (400, JSON, b"invalid_grant", Reason.NETWORK),
        (400, JSON, b"[" * 60000, Reason.NETWORK),
        (400, JSON, b'{"error":"' + b"x" * 70000 + b'"}', Reason.NETWORK),
        (400, JSON, b"{}", Reason.SERVICE_UNAVAILABLE),
        (400, JSON, b'{"error":["invalid_grant"]}', Reason.SERVICE_UNAVAILABLE),
        (400, JSON, b'{"error":{"code":"invalid_grant"}}', Reason.SERVICE_UNAVAILABLE),
        (400, JSON, b'{"error":"invalid_grants"}', Reason.SERVICE_UNAVAILABLE),
        (400, JSON, b'{"error":"","error_description":"expired access/refresh token"}', Reason.SERVICE_UNAVAILABLE),
        (401, "text/html", PAGE, Reason.NETWORK),
        (403, "text/html", b"<html>Blocked by ACME Web Filter</html>", Reason.NETWORK),
        (404, "text/plain", b"not found", Reason.NETWORK),
        (407, "text/html", PAGE, Reason.NETWORK),
        (407, JSON, REVOKED, Reason.NETWORK),
        (408, "", b"", Reason.NETWORK),
        (420, JSON, REVOKED, Reason.SERVICE_UNAVAILABLE),
        (429, JSON, REVOKED, Reason.RATE_LIMITED),
        (500, JSON, REVOKED, Reason.SERVICE_UNAVAILABLE),
        (502, "text/html", PAGE, Reason.SERVICE_UNAVAILABLE),
        (503, "text/html", b"<html>Down for Maintenance</html>", Reason.SERVICE_UNAVAILABLE),
        (200, "text/html", b"<html>Down for Maintenance</html>", Reason.SERVICE_UNAVAILABLE),
        (504, "", b"", Reason.SERVICE_UNAVAILABLE),
        (511, "text/html", PAGE, Reason.NETWORK),
        (511, JSON, REVOKED, Reason.NETWORK),
    ],
)
def test_trouble_never_ends_a_sign_in(status: int, content_type: str, body: bytes, reason: Reason, grant: str) -> None:
    """Portals, proxies, cut answers, pauses and Salesforce's own trouble mend themselves, under every grant."""
    failure = token(body, status=status, content_type=content_type, grant=grant)

    assert (failure.action, failure.reason) == (Action.RETRY, reason)


@given(
    st.integers(min_value=200, max_value=599),
    st.sampled_from(["", JSON, "text/html", "text/plain"]),
    st.binary(max_size=200) | st.text(max_size=80).map(str.encode),
)
def test_no_body_without_a_known_code_ends_a_sign_in(status: int, content_type: str, body: bytes) -> None:
    """Whatever else arrives, it is trouble."""
    assert token(body, status=status, content_type=content_type).action is Action.RETRY
    answer = rest(status, body, content_type=content_type)
    assert answer is None or answer.action is Action.RETRY


@given(st.text(max_size=300).filter(lambda code: code.strip().lower().replace("-", "_") not in table.OAUTH), st.text())
def test_an_unknown_code_is_trouble_and_is_not_repeated(error: str, description: str) -> None:
    """A code outside the table is no evidence, and of its text only harmless letters come out."""
    failure = oauth(error, description)

    assert failure.action is Action.RETRY
    assert re.fullmatch(r"[a-z0-9 _./':()-]{0,160}", failure.evidence)


@pytest.mark.parametrize("code", CODES)
def test_a_known_code_is_in_the_trail(code: str) -> None:
    """The trail names what Salesforce said, for the log and the diagnosis."""
    assert redirect_failure(code, "").evidence == f"redirect {code.lower()}"


@pytest.mark.parametrize(
    "secret",
    [
        "00D5g000004abcd!AQ8AQExampleExampleExample.Example_Example",
        "5Aep861zzExampleExampleExampleExampleExample",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxMjM0NSJ9.c2lnbmF0dXJl",
        "1234567890123456789",
    ],
)
def test_a_token_in_a_description_does_not_come_out(secret: str) -> None:
    """A text from outside that holds a token loses it on the way."""
    for failure in [oauth("invalid_grant", f"bad token {secret} here"), oauth(secret, secret)]:
        said = repr(failure).lower()
        assert not any(secret.lower()[at : at + 12] in said for at in range(len(secret) - 12))


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("30", 30.0),
        (" 0 ", 0.0),
        ("Tue, 24 Nov 2026 09:02:00 GMT", 120.0),
        ("Tue, 24 Nov 2026 08:00:00 GMT", 0.0),
        ("Tue, 24 Nov 2026 09:02:00 -0000", 120.0),
        ("86400", 3600.0),
        ("9" * 500, 3600.0),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600.0),
        ("-5", None),
        ("1.5", None),
        ("soon", None),
        ("", None),
        ("٣", None),
    ],
)
def test_retry_after_is_read_in_both_forms(header: str, expected: float | None) -> None:
    """Seconds or a date, within bounds; anything else is as if it were not there."""
    failure = token(b"", status=429, headers={"retry-AFTER": header})

    assert failure.retry_after == expected


def test_retry_after_stands_only_with_a_retry() -> None:
    """A pause makes no sense where time mends nothing."""
    failure = token(REVOKED, headers={"Retry-After": "30"})

    assert (failure.action, failure.retry_after) == (Action.RECONNECT, None)


def test_the_login_limit_has_a_pause_of_its_own() -> None:
    """Salesforce names no time for it, and asking sooner only prolongs it."""
    assert oauth("invalid_grant", "login rate exceeded").retry_after == 900.0


# --- Redirects and error pages --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "description", "action", "reason", "title"),
    [
        ("access_denied", "end-user denied authorization", Action.RECONNECT, None, "You said no"),
        (
            "OAUTH_APP_BLOCKED",
            "this app is blocked by admin",
            Action.ADMIN,
            Reason.APP_BLOCKED,
            "Your company must allow this app first",
        ),
        (
            "OAUTH_APP_ACCESS_DENIED",
            "user is not admin approved to access this app",
            Action.ADMIN,
            Reason.APP_BLOCKED,
            "Access Denied",
        ),
        (
            "OAUTH_EC_APP_NOT_FOUND",
            "External client app is not installed in this org",
            Action.ADMIN,
            Reason.APP_NOT_INSTALLED,
            "The app is not installed in this org",
        ),
        (
            "OAUTH_APPROVAL_ERROR_GENERIC",
            "An unexpected error has occured during authentication. Please try again.",
            Action.ADMIN,
            Reason.APP_NOT_INSTALLED,
            "Your company must allow this app first",
        ),
        (
            "redirect_uri_mismatch",
            "redirect_uri must match configuration",
            Action.CONFIG,
            Reason.APP_MISCONFIGURED,
            "The app's callback address is different",
        ),
        (
            "invalid_client_id",
            "client identifier invalid",
            Action.CONFIG,
            Reason.APP_MISCONFIGURED,
            "This client ID is not known there",
        ),
        ("immediate_unsuccessful", "", Action.RECONNECT, None, "The sign-in did not finish"),
        ("server_error", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE, "Salesforce is not available"),
        ("OAUTH_SOMETHING_NEW", "", Action.RECONNECT, None, "The sign-in did not finish"),
        ("", "", Action.RECONNECT, None, "The sign-in did not finish"),
    ],
)
def test_a_redirect_ends_in_our_words(
    error: str, description: str, action: Action, reason: Reason | None, title: str
) -> None:
    """Each end that a redirect can bring has its heading, and no command that needs a connection's name."""
    failure = redirect_failure(error, description)

    assert (failure.action, failure.reason, failure.title) == (action, reason, title)
    assert failure.next_step is None or failure.next_step.command is None


def test_an_unknown_client_id_asks_for_the_my_domain() -> None:
    """An app made in an org is often known only there, and a new one not at once."""
    failure = redirect_failure("invalid_client_id", "client identifier invalid")

    assert "My Domain" in failure.detail
    assert "2 to 10 minutes" in failure.detail
    assert failure.next_step == Next("Use your My Domain")


def test_a_wrong_callback_names_the_right_one() -> None:
    """The one right callback is in the sentence, to the letter."""
    assert "http://localhost:1717/OauthRedirect." in redirect_failure("redirect_uri_mismatch", "").detail


@pytest.mark.parametrize(
    "url",
    [
        "https://acme.my.salesforce.com/setup/secur/RemoteAccessErrorPage.apexp?error=invalid_client"
        "&error_description=app+must+be+installed+into+org",
        "acme.my.salesforce.com/setup/secur/remoteaccesserrorpage.APEXP?error_description=app%20must%20be%20installed"
        "%20into%20org&error=invalid_client",
    ],
)
def test_the_error_page_is_read_from_its_address(url: str) -> None:
    """A browser that stops at Salesforce's error page tells why in its address bar."""
    failure = error_page_failure(url)

    assert failure is not None
    assert (failure.action, failure.reason) == (Action.ADMIN, Reason.APP_NOT_INSTALLED)
    assert failure.evidence == "error page invalid_client (app must be installed into org)"


def test_an_error_page_without_a_code_still_ends_the_sign_in() -> None:
    """The page itself says that it is over."""
    failure = error_page_failure("https://acme.my.salesforce.com/setup/secur/RemoteAccessErrorPage.apexp")

    assert failure is not None
    assert failure.title == "The sign-in did not finish"


@pytest.mark.parametrize(
    "url",
    [
        "http://localhost:1717/OauthRedirect?error=access_denied&state=x",
        "https://acme.my.salesforce.com/?next=RemoteAccessErrorPage.apexp",
        "https://acme.my.salesforce.com/setup/secur/RemoteAccessErrorPage.apexp/x?error=app_blocked",
        "https://[::1/setup/secur/RemoteAccessErrorPage.apexp",
        "https://x/RemoteAccessErrorPage.apexp?" + "&".join(f"a{n}=1" for n in range(50)),
        "",
    ],
)
def test_another_address_is_no_error_page(url: str) -> None:
    """Only the error page's own path counts."""
    assert error_page_failure(url) is None


# --- REST, Bulk, SOAP -----------------------------------------------------------------------------------------------

SOAP_FAULT = (
    b"<?xml version='1.0'?><soapenv:Envelope><soapenv:Body><soapenv:Fault><faultcode>sf:INVALID_SESSION_ID</faultcode>"
    b"<faultstring>INVALID_SESSION_ID: Invalid Session ID found in SessionHeader: Illegal Session</faultstring>"
    b"</soapenv:Fault></soapenv:Body></soapenv:Envelope>"
)
BULK_ERROR = (
    b'<?xml version="1.0" encoding="UTF-8"?><error xmlns="http://www.force.com/2009/06/asyncapi/dataload">'
    b"<exceptionCode>InvalidSessionId</exceptionCode><exceptionMessage>Invalid session id</exceptionMessage></error>"
)


@pytest.mark.parametrize(
    ("status", "content_type", "body"),
    [
        (401, JSON, fault("INVALID_SESSION_ID", "Session expired or invalid")),
        (401, JSON, fault("INVALID_AUTH_HEADER", "INVALID_HEADER_TYPE")),
        (401, JSON, fault("INVALID_JWT_FORMAT", "")),
        (403, "text/plain", b"Bad_OAuth_Token"),
        (403, "text/html;charset=UTF-8", b"Bad_OAuth_Token"),
        (500, "text/xml", SOAP_FAULT),
        (400, "application/xml", BULK_ERROR),
        (400, JSON, {"exceptionCode": "InvalidSessionId", "exceptionMessage": "Invalid session id"}),
    ],
)
def test_an_ended_session_is_told_in_every_form(status: int, content_type: str, body: object) -> None:
    """REST, the identity URLs, SOAP and Bulk each say it their own way, and a fresh token mends it."""
    failure = rest(status, body, content_type=content_type)

    assert failure is not None
    assert (failure.action, failure.reason, failure.refreshable) == (Action.RECONNECT, Reason.SESSION_EXPIRED, True)
    assert failure.title == "Session Expired"


@pytest.mark.parametrize(
    ("status", "code", "message", "action", "reason"),
    [
        (
            401,
            "INVALID_SESSION_ID",
            "This session is not valid for use with the REST API",
            Action.ADMIN,
            Reason.IP_RESTRICTED,
        ),
        (401, "INVALID_SESSION_ID", "Connected app is not attached to Agent", Action.ADMIN, Reason.APP_BLOCKED),
        (
            403,
            "API_DISABLED_FOR_ORG",
            "The REST API is not enabled for this Organization.",
            Action.ADMIN,
            Reason.API_DISABLED,
        ),
        (403, "API_CURRENTLY_DISABLED", "API is disabled for this User", Action.ADMIN, Reason.API_DISABLED),
        (403, "CLIENT_NOT_ACCESSIBLE_FOR_USER", "", Action.ADMIN, Reason.APP_BLOCKED),
        (403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "", Action.RECONNECT, Reason.PASSWORD_EXPIRED),
        (403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", Action.RETRY, Reason.RATE_LIMITED),
        (
            403,
            "REQUEST_LIMIT_EXCEEDED",
            "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
            Action.RETRY,
            Reason.RATE_LIMITED,
        ),
        (503, "SERVER_UNAVAILABLE", "", Action.RETRY, Reason.SERVICE_UNAVAILABLE),
    ],
)
def test_what_stands_against_the_connection_is_told_from_a_dead_session(
    status: int, code: str, message: str, action: Action, reason: Reason
) -> None:
    """No fresh token mends a policy, a permission, a password or a limit."""
    failure = rest(status, fault(code, message))

    assert failure is not None
    assert (failure.action, failure.reason, failure.refreshable) == (action, reason, False)


def test_a_session_refused_by_policy_names_every_cause() -> None:
    """The same answer has three causes, and the admin is told of all."""
    failure = rest(401, fault("INVALID_SESSION_ID", "This session is not valid for use with the REST API"))

    assert failure is not None
    assert failure.title == "Access Denied"
    assert all(cause in failure.detail for cause in ["another network", "security level", "API Access Control"])


@pytest.mark.parametrize(
    ("status", "content_type", "body", "headers", "reason"),
    [
        (302, "", b"", {"Location": "http://portal.hotel.example/"}, Reason.NETWORK),
        (401, "text/html", PAGE, {}, Reason.NETWORK),
        (401, "", b"", {"WWW-Authenticate": "Negotiate"}, Reason.SERVICE_UNAVAILABLE),
        (401, "", b"", {}, Reason.SERVICE_UNAVAILABLE),
        (407, "text/html", PAGE, {}, Reason.NETWORK),
        (408, "", b"", {}, Reason.NETWORK),
        (420, "text/html", PAGE, {}, Reason.ORG_UNAVAILABLE),
        (429, JSON, b"[]", {}, Reason.RATE_LIMITED),
        (500, "text/html", PAGE, {}, Reason.SERVICE_UNAVAILABLE),
        (500, "", b"", {}, Reason.SERVICE_UNAVAILABLE),
        (502, "text/html", PAGE, {}, Reason.SERVICE_UNAVAILABLE),
        (503, "text/html", b"<html>We are down for maintenance.</html>", {}, Reason.SERVICE_UNAVAILABLE),
        (504, "", b"", {}, Reason.SERVICE_UNAVAILABLE),
        (511, "text/html", PAGE, {}, Reason.NETWORK),
    ],
)
def test_trouble_on_the_way_to_rest_mends_itself(
    status: int, content_type: str, body: bytes, headers: Mapping[str, str], reason: Reason
) -> None:
    """What something between us and the org answered is never held against the sign-in."""
    failure = rest(status, body, content_type=content_type, headers=headers)

    assert failure is not None
    assert (failure.action, failure.reason) == (Action.RETRY, reason)


def test_a_bare_challenge_of_salesforces_is_an_ended_session() -> None:
    """HEAD has no body, so the challenge alone tells."""
    failure = rest(401, b"", content_type="", headers={"www-authenticate": 'Token realm="x"'})

    assert failure is not None
    assert failure.refreshable


def test_an_org_is_gone_only_when_rest_says_so() -> None:
    """The same 420 from the token endpoint is passing trouble."""
    assert [failure and failure.reason for failure in [rest(420, b""), token(b"", status=420)]] == [
        Reason.ORG_UNAVAILABLE,
        Reason.SERVICE_UNAVAILABLE,
    ]


@pytest.mark.parametrize(
    ("status", "content_type", "body", "headers"),
    [
        (200, JSON, fault("INVALID_SESSION_ID", "Session expired or invalid"), {}),
        (200, "text/html", PAGE, {}),
        (204, "", b"", {}),
        (300, JSON, ["/services/data/v67.0/sobjects/X/1"], {}),
        (302, "", b"", {"Location": "https://acme.my.salesforce.com/x"}),
        (302, "", b"", {"Location": "/x"}),
        (304, "", b"", {}),
        (400, JSON, fault("MALFORMED_QUERY", "unexpected token"), {}),
        (400, JSON, fault("INVALID_FIELD", "No such column"), {}),
        (400, JSON, fault("UNABLE_TO_LOCK_ROW", ""), {}),
        (401, JSON, [{"message": "from a program of the org's own"}], {}),
        (403, JSON, fault("FUNCTIONALITY_NOT_ENABLED", ""), {}),
        (403, JSON, fault("INSUFFICIENT_ACCESS", ""), {}),
        (404, JSON, fault("NOT_FOUND", "The requested resource does not exist"), {}),
        (404, "text/html", b"<html>URL No Longer Exists</html>", {}),
        (403, JSON, json.dumps(fault("API_DISABLED_FOR_ORG", "x" * 70000)).encode(), {}),
        (412, JSON, b"", {}),
        (500, JSON, fault("UNKNOWN_EXCEPTION", ""), {}),
        (500, "text/xml", SOAP_FAULT.replace(b"INVALID_SESSION_ID", b"UNKNOWN_EXCEPTION"), {}),
    ],
)
def test_the_callers_own_affairs_are_not_the_connections(
    status: int, content_type: str, body: object, headers: Mapping[str, str]
) -> None:
    """Successes, wrong requests, missing records and the org's own programs say nothing of the connection."""
    assert rest(status, body, content_type=content_type, headers=headers) is None


# --- Connected, but -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "title"),
    [
        ("FUNCTIONALITY_NOT_ENABLED", "Connected, but a feature is off"),
        ("INVALID_TYPE", "Connected, but a feature is off"),
        ("NOT_FOUND", "Connected, but a feature is off"),
        ("LICENSE_LIMIT_EXCEEDED", "Connected, but a licence is missing"),
        ("LICENSING_UNKNOWN_ERROR", "Connected, but a licence is missing"),
        ("INSUFFICIENT_ACCESS_OR_READONLY", "Connected, but this user may not do that"),
        ("INVALID_FIELD", "Connected, but this user may not do that"),
    ],
)
def test_a_missing_feature_is_told_apart_from_the_connection(code: str, title: str) -> None:
    """The connection works; what lacks is named, with a message for the admin."""
    failure = missing_feature(content_type=JSON, body=json.dumps(fault(code)).encode())

    assert failure is not None
    assert (failure.title, failure.reason, failure.action) == (title, None, Action.ADMIN)


@pytest.mark.parametrize("code", ["INVALID_SESSION_ID", "MALFORMED_QUERY", "API_DISABLED_FOR_ORG"])
def test_other_refusals_are_no_missing_feature(code: str) -> None:
    """Neither a dead session nor a wrong query nor a user without the API."""
    assert missing_feature(content_type=JSON, body=json.dumps(fault(code)).encode()) is None


# --- The transport, and the next step -------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", Trouble)
def test_no_answer_mends_itself(kind: Trouble) -> None:
    """Whatever broke on the way is a retry; who tries again, a person or MeshMesh, is said elsewhere."""
    failure = transport_failure(kind)

    assert (failure.action, failure.reason) == (Action.RETRY, Reason.NETWORK)
    assert "by itself" not in failure.detail
    assert failure.evidence == f"transport: {kind}"


def test_a_kind_of_trouble_that_is_none_is_our_bug() -> None:
    """A misspelt kind is not silently taken for the network."""
    with pytest.raises(ValueError, match="flood"):
        transport_failure("flood")


def test_the_next_step_is_for_the_connection_by_name() -> None:
    """The command is ready to run for a connection that has a name, and left out for one that has none yet."""
    failure = oauth("invalid_grant", "expired access/refresh token")

    assert failure.next_for("acme-uat") == Next("Reconnect", "meshmesh reconnect acme-uat")
    assert failure.next_for(None) == Next("Reconnect")


def test_a_command_without_a_name_is_left_as_it_is() -> None:
    """What concerns the whole machine needs no connection."""
    assert transport_failure("tls").next_for(None) == Next("See what stands between", "meshmesh doctor")
    assert transport_failure("dns").next_for("acme") is None
