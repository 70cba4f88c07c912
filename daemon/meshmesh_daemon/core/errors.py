"""Every failure of Salesforce as one typed value, read from an answer by the tables of `error_table`.

Invariants: only a code that the tables know, in a body that is no web page, is evidence against a sign-in; all else is
trouble that mends itself (`Action.RETRY`). Nothing that came from outside is repeated beyond a few harmless letters.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from urllib.parse import parse_qs, urlsplit

from meshmesh_daemon.core import error_evidence as evidence
from meshmesh_daemon.core import error_meanings as m
from meshmesh_daemon.core import error_table as table
from meshmesh_daemon.core.error_meanings import Action, Meaning
from meshmesh_daemon.core.error_table import Case, Trouble
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Reason, Status

__all__ = [
    "Action",
    "Failure",
    "Trouble",
    "error_page_failure",
    "missing_feature",
    "redirect_failure",
    "rest_failure",
    "status_of",
    "token_failure",
    "transport_failure",
]

_MAX_SHOWN = 60
_MAX_WORD = 18  # longer than any word of Salesforce's sentences, shorter than any token or secret
_KNOWN = table.OAUTH.keys() | table.REST.keys() | table.FEATURE.keys()

_CHALLENGES = frozenset({"bearer", "oauth", "token"})
_REDIRECT, _CLIENT_ERROR, _UNAUTHORIZED, _SERVER_ERROR = 300, 400, 401, 500

_NEEDS_YOU = frozenset(
    {
        Reason.SESSION_EXPIRED,
        Reason.REFRESH_TOKEN_REVOKED,
        Reason.REFRESH_TOKEN_REUSED,
        Reason.SIGN_IN_LIMIT,
        Reason.IDLE_TIMEOUT,
        Reason.PASSWORD_EXPIRED,
        Reason.ORG_CHANGED,
        Reason.SCOPE_MISSING,
        Reason.ROTATION_INTERRUPTED,
    }
)
_OFFLINE = frozenset(
    {
        Reason.NETWORK,
        Reason.ORG_UNAVAILABLE,
        Reason.SERVICE_UNAVAILABLE,
        Reason.RATE_LIMITED,
        Reason.VAULT_LOCKED,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A failure, with all that is said about it.

    `reason` is None where nothing is learnt about a connection: a sign-in attempt ended (the person said no, the code was
    too old), or a feature is missing. Failures of the grants `refresh_token` and `client_credentials`, of REST and of the
    transport always have one. The command of `next_step` may hold the field `{name}`: see `next_for`. `retry_after` is
    seconds; `evidence` is a trail for logs and the diagnosis. `refreshable`: a fresh access token mends it.
    """

    action: Action
    reason: Reason | None
    title: str
    detail: str
    next_step: Next | None
    message_for_admin: str | None = None
    retry_after: float | None = None
    evidence: str
    refreshable: bool = False

    def next_for(self, name: str | None) -> Next | None:
        """The next step for the connection of this name; for one that has none yet, without a command that needs it."""
        step = self.next_step
        if step is None or step.command is None or "{name}" not in step.command:
            return step
        return replace(step, command=None if name is None else step.command.format(name=name))


def status_of(reason: Reason) -> Status:
    """The status that a reason belongs to."""
    if reason in _NEEDS_YOU:
        return Status.NEEDS_YOU
    return Status.OFFLINE if reason in _OFFLINE else Status.BLOCKED


def token_failure(
    *, status: int, content_type: str, body: bytes, headers: Mapping[str, str], grant: str, now: datetime
) -> Failure:
    """What an answer of the token endpoint means that holds no tokens (RFC 6749, section 5.2).

    Args:
        status: HTTP status.
        content_type: of the body, with or without parameters; empty where none was sent.
        body: the body.
        headers: for Retry-After; names in any case.
        grant: `authorization_code`, `refresh_token` or `client_credentials`.
        now: the time that a Retry-After date is held against.
    """
    trail, wait = f"token endpoint: {status}", evidence.retry_after(headers, now)
    stated = evidence.oauth_error(content_type, body)
    if not stated or not _may_refuse(status):
        return _failure(_token_trouble(status, content_type, body), trail, wait)
    case = _match(table.OAUTH, *stated, grant) or Case(m.UNKNOWN_ANSWER)
    failure = _failure(case.means, _trail(trail, stated.code, case.words or stated.description), wait)
    return _of_sign_in(failure) if grant == table.CODE else failure


def redirect_failure(error: str, description: str) -> Failure:
    """What `error` and `error_description` of a redirect mean (RFC 6749, section 4.1.2.1), both decoded."""
    return _of_browser("redirect", error, description)


def error_page_failure(url: str) -> Failure | None:
    """What the address of Salesforce's error page means, where a browser stops that never comes back to us.

    Returns:
        None where the address is not that page's.
    """
    try:
        parts = urlsplit(url)
        query = parse_qs(parts.query, max_num_fields=20)
    except ValueError:
        return None
    if not parts.path.lower().endswith("/remoteaccesserrorpage.apexp"):
        return None
    error, description = (query.get(name, [""])[0] for name in ("error", "error_description"))
    return _of_browser("error page", error, description)


def rest_failure(
    *, status: int, content_type: str, body: bytes, headers: Mapping[str, str], now: datetime
) -> Failure | None:
    """What an answer of the REST, Bulk or SOAP API says about the connection.

    Args:
        status: HTTP status.
        content_type: of the body, with or without parameters; empty where none was sent.
        body: the body.
        headers: for Retry-After, Location and WWW-Authenticate; names in any case.
        now: the time that a Retry-After date is held against.

    Returns:
        None where the answer is the caller's own affair. A success is always: whoever expected JSON and got a web page
        asks `transport_failure("captive_portal")`.
    """
    if status < _REDIRECT:
        return None
    trail, wait = f"rest: {status}", evidence.retry_after(headers, now)
    for code, message in evidence.rest_errors(content_type, body):
        case = _match(table.REST, code, message, table.REFRESH)
        if case:
            return _failure(case.means, _trail(trail, code, case.words), wait)
    means = _rest_trouble(status, content_type, body, headers)
    return _failure(means, trail, wait) if means else None


def missing_feature(*, content_type: str, body: bytes) -> Failure | None:
    """What a refusal says about the org or user behind a connection that works: for the diagnosis.

    Returns:
        None where it is neither a feature, nor a licence, nor a permission.
    """
    for code, message in evidence.rest_errors(content_type, body):
        case = _match(table.FEATURE, code, message, table.REFRESH)
        if case:
            return _failure(case.means, _trail("rest", code, case.words))
    return None


def transport_failure(kind: str) -> Failure:
    """What a call without an answer means.

    Args:
        kind: a `Trouble`.

    Raises:
        ValueError: there is no such kind.
    """
    trouble = Trouble(kind)
    return _failure(table.TRANSPORT[trouble], f"transport: {trouble}")


def _failure(means: Meaning, trail: str, wait: float | None = None) -> Failure:
    asked = wait if means.action is Action.RETRY else None
    return Failure(
        action=means.action,
        reason=means.reason,
        title=means.title,
        detail=means.detail,
        next_step=means.next_step,
        message_for_admin=means.message_for_admin,
        retry_after=means.retry_after if asked is None else asked,
        evidence=trail,
        refreshable=means.refreshable,
    )


def _may_refuse(status: int) -> bool:
    """Whether a refusal under this status can be Salesforce's verdict on the sign-in, and not on the moment."""
    return _CLIENT_ERROR <= status < _SERVER_ERROR and status not in table.TOKEN_STATUS


def _token_trouble(status: int, content_type: str, body: bytes) -> Meaning:
    if status in table.TOKEN_STATUS:
        return table.TOKEN_STATUS[status]
    page = evidence.is_page(content_type, body)
    if page and _speaks_of_maintenance(body):
        return m.MAINTENANCE
    if status >= _SERVER_ERROR:
        return m.UNAVAILABLE
    if page or _REDIRECT <= status < _CLIENT_ERROR:
        return m.CAPTIVE_PORTAL
    return m.UNKNOWN_ANSWER if evidence.is_object(body) else m.TRUNCATED


def _rest_trouble(status: int, content_type: str, body: bytes, headers: Mapping[str, str]) -> Meaning | None:
    page = evidence.is_page(content_type, body)
    if page and _speaks_of_maintenance(body):
        return m.MAINTENANCE
    if status in table.REST_STATUS:
        return table.REST_STATUS[status]
    if status < _CLIENT_ERROR:  # 304, or on to another https address: the caller asked for it
        return m.CAPTIVE_PORTAL if evidence.header(headers, "location").lower().startswith("http:") else None
    if status == _UNAUTHORIZED and not body:
        return _challenge(headers)
    if status == _UNAUTHORIZED and page:
        return m.CAPTIVE_PORTAL
    return m.UNAVAILABLE if status >= _SERVER_ERROR and (page or not body) else None


def _challenge(headers: Mapping[str, str]) -> Meaning:
    """A 401 without a body, as HEAD gets it: only Salesforce's own challenge tells it from a proxy's."""
    scheme = evidence.header(headers, "www-authenticate").partition(" ")[0].lower()
    return m.SESSION_EXPIRED if scheme in _CHALLENGES else m.UNKNOWN_ANSWER


def _speaks_of_maintenance(page: bytes) -> bool:
    return b"maintenance" in page.lower()


def _of_browser(where: str, error: str, description: str) -> Failure:
    case = _match(table.OAUTH, error, description, table.CODE) or Case(m.NOT_SIGNED_IN)
    return _of_sign_in(_failure(case.means, _trail(where, error, case.words or description)))


def _of_sign_in(failure: Failure) -> Failure:
    """Without a command: a sign-in may be for a connection that does not exist yet, and its page has the button."""
    return replace(failure, next_step=failure.next_for(None))


def _match(rows: Mapping[str, tuple[Case, ...]], code: str, description: str, grant: str) -> Case | None:
    spoken = " ".join(description.lower().split())
    cases = rows.get(_plain(code), ())
    return next((case for case in cases if case.words in spoken and grant in case.grants), None)


def _plain(code: str) -> str:
    return code.strip().lower().replace("-", "_")


def _trail(where: str, code: str, description: str) -> str:
    name, spoken = _plain(code), _shown(description)
    return f"{where} {name if name in _KNOWN else _shown(name)}" + (f" ({spoken})" if spoken else "")


def _shown(text: str) -> str:
    """The harmless part of a text from outside: plain letters, and no word as long as a token."""
    letters = re.sub(r"[^a-z0-9 _./'-]", "", text.lower())
    return " ".join(word for word in letters.split() if len(word) <= _MAX_WORD)[:_MAX_SHOWN]
