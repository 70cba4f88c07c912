"""What Salesforce says, and what it means: the whole of our knowledge of its failures as data.

A code has cases; the first whose words stand in the description, and whose grants hold the grant in question, is the one.
A case without words is the code's last word, and every code of the OAuth table has one for every grant. Codes are in
lower case, hyphens as underscores (Salesforce's help spells `access-denied`).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from meshmesh_daemon.core import error_meanings as m
from meshmesh_daemon.core.error_meanings import Meaning

CODE = "authorization_code"
REFRESH = "refresh_token"
ROBOT = "client_credentials"
GRANTS = frozenset({CODE, REFRESH, ROBOT})


@dataclass(frozen=True, slots=True)
class Case:
    """One row: with these words, and under these grants, a code means this."""

    means: Meaning
    words: str = ""
    grants: frozenset[str] = GRANTS


def _always(means: Meaning) -> tuple[Case, ...]:
    return (Case(means),)


def _by_grant(*, code: Meaning, otherwise: Meaning) -> tuple[Case, ...]:
    return Case(code, grants=frozenset({CODE})), Case(otherwise)


# Ends a sign-in in the browser; under another grant it says nothing certain.
_BROWSER_ONLY = _by_grant(code=m.NOT_SIGNED_IN, otherwise=m.UNKNOWN_ANSWER)
_BUSY = Case(m.BUSY, "token request is already being processed")

# RFC 6749, sections 4.1.2.1 and 5.2, and Salesforce's own. Also what stands in `error=` of a redirect or an error page.
OAUTH: Mapping[str, tuple[Case, ...]] = {
    "access_denied": _by_grant(code=m.SAID_NO, otherwise=m.SIGN_IN_REVOKED),
    "app_attest_failed": _always(m.FOREIGN_FLOW),
    "app_attest_failed_retry": _always(m.UNAVAILABLE),
    "app_blocked": _always(m.APP_BLOCKED),
    "app_not_found": _always(m.APP_NOT_INSTALLED),
    "authorization_pending": _always(m.UNAVAILABLE),
    "bad_jti_claim": _always(m.FOREIGN_FLOW),
    "ecapp_policy_not_found": _always(m.POLICY_OFF),
    "exceeded_registration_limit": _BROWSER_ONLY,
    "fail_close_app_blocked": _always(m.APP_BLOCKED),
    "failed_registration": _BROWSER_ONLY,
    "immediate_unsuccessful": _BROWSER_ONLY,
    "inactive_org": _always(m.ORG_INACTIVE),
    "inactive_user": _always(m.USER_INACTIVE),
    "installation_error": _always(m.APP_NOT_INSTALLED),
    "invalid_app_access": _always(m.USER_NOT_ADMITTED),
    "invalid_assertion_type": _always(m.FOREIGN_FLOW),
    "invalid_basic_auth_header": _always(m.FOREIGN_FLOW),
    "invalid_client": (
        Case(m.APP_NOT_INSTALLED, "app must be installed into org"),
        Case(m.WRONG_SECRET),
    ),
    "invalid_client_id": _always(m.UNKNOWN_CLIENT_ID),
    "invalid_distribution_state": _always(m.FOREIGN_FLOW),
    "invalid_dpop_proof": _always(m.FOREIGN_FLOW),
    "invalid_expid": _always(m.FOREIGN_FLOW),
    "invalid_grant": (
        _BUSY,
        Case(m.LOGIN_RATE, "login rate exceeded"),
        Case(m.LOGIN_RATE, "maximum logins exceeded"),
        Case(m.USER_INACTIVE, "inactive user"),
        Case(m.ORG_INACTIVE, "inactive org"),
        Case(m.SIGN_IN_RESTRICTED, "ip restricted"),
        Case(m.SIGN_IN_RESTRICTED, "invalid login hours"),
        Case(m.RUN_AS_MISSING, "no client credentials user enabled"),
        Case(m.CLIENT_CREDENTIALS_OFF, "client credentials flow not enabled"),
        Case(m.WRONG_DOMAIN, "request not supported on this domain"),
        Case(m.WRONG_SCOPES, "no valid scopes"),
        Case(m.REQUEST_REFUSED, "audience validation failed"),
        Case(m.REQUEST_REFUSED, "audience is invalid"),
        Case(m.RUN_AS_MISSING, "authentication failure", frozenset({ROBOT})),
        Case(m.USER_NOT_ADMITTED, "user hasn't approved this consumer", frozenset({ROBOT})),
        Case(m.CODE_REFUSED, grants=frozenset({CODE})),
        Case(m.REQUEST_REFUSED, grants=frozenset({ROBOT})),
        Case(m.SIGN_IN_EXPIRED, "token validity expired"),
        Case(m.SIGN_IN_REVOKED, "expired access/refresh token"),
        Case(m.SIGN_IN_REVOKED, "authentication failure"),
        Case(m.SIGN_IN_REVOKED, "user hasn't approved this consumer"),
        Case(m.SIGN_IN_REVOKED),
    ),
    "invalid_otp": _BROWSER_ONLY,
    "invalid_request": (
        _BUSY,
        Case(m.PKCE_REFUSED, "code challenge"),
        Case(m.REQUEST_REFUSED),
    ),
    "invalid_scope": _always(m.WRONG_SCOPES),
    "invalid_session_level": _always(m.SESSION_RESTRICTED),
    "invalid_token": _by_grant(code=m.CODE_REFUSED, otherwise=m.SIGN_IN_REVOKED),
    "login_error": _BROWSER_ONLY,
    "oauth_app_access_denied": _always(m.USER_NOT_ADMITTED),
    "oauth_app_blocked": _always(m.APP_BLOCKED),
    "oauth_approval_error_generic": _always(m.APPROVAL_FAILED),
    "oauth_ec_app_not_found": _always(m.APP_NOT_INSTALLED),
    "oauth_flow_disabled": _always(m.POLICY_OFF),
    "oauth_policy_not_found": _always(m.POLICY_OFF),
    "otp_error": _BROWSER_ONLY,
    "rate_limit_exceeded": _always(m.LOGIN_RATE),
    "redirect_uri_mismatch": _always(m.WRONG_CALLBACK),
    "redirect_uri_missing": _always(m.WRONG_CALLBACK),
    "registration_error": _BROWSER_ONLY,
    "server_error": _always(m.UNAVAILABLE),
    "service_unavailable": _always(m.UNAVAILABLE),
    "slow_down": _always(m.TOO_MANY),
    "system_down": _always(m.UNAVAILABLE),
    "unknown_error": _always(m.UNAVAILABLE),
    "unsupported_expid": _always(m.FOREIGN_FLOW),
    "unsupported_grant_type": _always(m.FLOW_OFF),
    "unsupported_response_type": _always(m.FLOW_OFF),
    "unsupported_token_type": _always(m.FOREIGN_FLOW),
    "use_dpop_nonce": _always(m.FOREIGN_FLOW),
}

# REST's `errorCode`, SOAP's fault code and Bulk's `exceptionCode`, where they concern the connection itself. Every other
# code (a wrong field, a missing record, a validation rule) is between the caller and the org.
REST: Mapping[str, tuple[Case, ...]] = {
    "api_currently_disabled": _always(m.API_DISABLED),
    "api_disabled_for_org": _always(m.API_DISABLED),
    "apidisabledfororg": _always(m.API_DISABLED),
    "bad_oauth_token": _always(m.SESSION_EXPIRED),
    "client_not_accessible_for_user": _always(m.USER_NOT_ADMITTED),
    "exceededquota": _always(m.API_LIMIT),
    "invalid_auth_header": _always(m.SESSION_EXPIRED),
    "invalid_jwt_format": _always(m.SESSION_EXPIRED),
    "invalid_operation_with_expired_password": _always(m.PASSWORD_EXPIRED),
    "invalid_session_id": (
        Case(m.SESSION_RESTRICTED, "not valid for use with the rest api"),
        Case(m.SESSION_RESTRICTED, "not valid for use with the api"),
        Case(m.AGENT_NOT_ATTACHED, "connected app is not attached to agent"),
        Case(m.SESSION_EXPIRED),
    ),
    "invalidsessionid": _always(m.SESSION_EXPIRED),
    "request_limit_exceeded": (
        Case(m.API_CONCURRENCY, "concurrent"),
        Case(m.API_LIMIT),
    ),
    "server_unavailable": _always(m.UNAVAILABLE),
}

# Codes of a connection that works, for the diagnosis: something in the org is off, unlicensed or hidden from the user.
FEATURE: Mapping[str, tuple[Case, ...]] = {
    "cannot_insert_update_activate_entity": _always(m.ACCESS_MISSING),
    "functionality_not_enabled": _always(m.FEATURE_MISSING),
    "insufficient_access": _always(m.ACCESS_MISSING),
    "insufficient_access_on_cross_reference_entity": _always(m.ACCESS_MISSING),
    "insufficient_access_or_readonly": _always(m.ACCESS_MISSING),
    "invalid_field": _always(m.ACCESS_MISSING),
    "invalid_type": _always(m.FEATURE_MISSING),
    "license_limit_exceeded": _always(m.LICENSE_MISSING),
    "licensing_unknown_error": _always(m.LICENSE_MISSING),
    "not_found": _always(m.FEATURE_MISSING),
}

# The status alone, where the body is no evidence. 420 is an org that is gone only when a REST call says so.
TOKEN_STATUS: Mapping[int, Meaning] = {
    407: m.PROXY_AUTH,
    408: m.TIMEOUT,
    420: m.UNAVAILABLE,
    425: m.UNAVAILABLE,
    429: m.TOO_MANY,
    511: m.CAPTIVE_PORTAL,
}
REST_STATUS: Mapping[int, Meaning] = {
    407: m.PROXY_AUTH,
    408: m.TIMEOUT,
    420: m.ORG_GONE,
    429: m.TOO_MANY,
    502: m.UNAVAILABLE,
    503: m.UNAVAILABLE,
    504: m.UNAVAILABLE,
    511: m.CAPTIVE_PORTAL,
}


class Trouble(StrEnum):
    """How a call got no answer."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    RESET = "reset"
    TRUNCATED = "truncated"
    PROXY_AUTH = "proxy_auth"
    CAPTIVE_PORTAL = "captive_portal"


TRANSPORT: Mapping[Trouble, Meaning] = {
    Trouble.DNS: m.DNS,
    Trouble.CONNECT: m.CONNECT,
    Trouble.TLS: m.TLS,
    Trouble.TIMEOUT: m.TIMEOUT,
    Trouble.RESET: m.RESET,
    Trouble.TRUNCATED: m.TRUNCATED,
    Trouble.PROXY_AUTH: m.PROXY_AUTH,
    Trouble.CAPTIVE_PORTAL: m.CAPTIVE_PORTAL,
}
