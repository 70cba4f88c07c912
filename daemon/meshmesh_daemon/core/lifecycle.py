"""The life of a connection as a table: an event in, the new connection out. No I/O, no clock of its own.

    event                              new status                     generation
    ---------------------------------  -----------------------------  ----------
    tokens for the pinned org and user connected                      grows
    tokens for another org or user     needs_you, org_changed         stays
    RETRY failure                      none stored; shown as offline  stays
                                       while it lasts
    RECONNECT failure                  needs_you                      stays
    ADMIN, CONFIG failure              blocked                        stays

Only definite evidence makes a connection `needs_you`; the network never does. What our own records add to Salesforce's
vague "expired access/refresh token" is decided here too.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmesh_daemon.core.errors import Failure, status_of
from meshmesh_daemon.core.oauth import TokenSet
from meshmesh_storage.records import Connection, Reason, Session, Status

IDLE_DAYS = 30  # the idle life that Salesforce gives refresh tokens of partner apps since 2026-05
MAX_APPROVALS = 5  # Salesforce keeps five per user and app; the sixth ends the oldest
NEEDS_SOMEBODY = (Status.NEEDS_YOU, Status.BLOCKED)  # no set: the hash of an enum is worked out in Python

_INTERRUPTED = (
    "Salesforce may have issued a new refresh token that never arrived here (a crash or a broken line), "
    "and the old one is no longer valid."
)
_IDLE = f"The sign-in was not used for more than {IDLE_DAYS} days, and Salesforce ended it."
_LIMIT = f"Salesforce keeps {MAX_APPROVALS} sign-ins per user and app, and newer ones pushed this one out."
_BY_ITSELF = "MeshMesh tries again by itself."
_ORG_CHANGED = "Salesforce answered for another org or user than this connection's. Nothing was replaced."
_NO_REFRESH = "The session has ended, and this sign-in brought no refresh token (scope refresh_token)."
_SESSION_ENDED = "The session has ended, and it cannot be renewed without you."


@dataclass(frozen=True, slots=True)
class Records:
    """What our own records know about a refresh that was refused.

    `rotation_open`: an earlier refresh was sent, and its answer was never stored. `newer_sign_ins`: how many sign-ins of
    the same user and app came after this one.
    """

    rotation_open: bool = False
    newer_sign_ins: int = 0


class OtherIdentity(Exception):
    """A token answer for another org, user or host than the one pinned."""


def renewed(connection: Connection, tokens: TokenSet, *, instance_origin: str, now: datetime) -> Connection:
    """The connection with a new session, under a new generation.

    Args:
        connection: as it was when the request was sent.
        tokens: the answer; without a refresh token in it, the old one stays.
        instance_origin: the answer's `instance_url`, held to the host rule.
        now: when the answer came.

    Raises:
        OtherIdentity: another org, user or host answered (the contract's `org_changed`).
    """
    if (tokens.org_id, tokens.user_id) != (connection.org_id, connection.user_id):
        raise OtherIdentity
    if instance_origin != connection.instance_url:
        raise OtherIdentity
    return replace(
        connection,
        generation=connection.generation + 1,
        status=Status.CONNECTED,
        reason=None,
        detail=None,
        scopes=tokens.scopes or connection.scopes,
        session=Session(access_token=tokens.access_token, token_type=tokens.token_type, issued_at=now, expires_at=None),
        refresh_token=tokens.refresh_token or connection.refresh_token,
    )


def failed(connection: Connection, failure: Failure, records: Records, *, now: datetime) -> Connection:
    """The connection after a failure that does not mend itself.

    Args:
        connection: as it is.
        failure: what Salesforce said.
        records: what we know besides.
        now: the time.
    """
    reason, detail = failure.reason or Reason.SESSION_EXPIRED, failure.detail
    if reason is Reason.REFRESH_TOKEN_REVOKED:
        reason, detail = _refined(connection, records, now) or (reason, detail)
    return replace(connection, status=status_of(reason), reason=reason, detail=detail)


def offline(connection: Connection, failure: Failure) -> Connection:
    """The connection as it is shown while a failure lasts that mends itself."""
    detail = f"{failure.detail} {_BY_ITSELF}"
    return replace(connection, status=Status.OFFLINE, reason=failure.reason, detail=detail)


def _refined(connection: Connection, records: Records, now: datetime) -> tuple[Reason, str] | None:
    if records.rotation_open:
        return Reason.ROTATION_INTERRUPTED, _INTERRUPTED
    if records.newer_sign_ins >= MAX_APPROVALS:
        return Reason.SIGN_IN_LIMIT, _LIMIT
    last = connection.session.issued_at if connection.session else connection.signed_in_at
    if now - last > timedelta(days=IDLE_DAYS):
        return Reason.IDLE_TIMEOUT, _IDLE
    return None


def other_identity(connection: Connection) -> Connection:
    """After an answer for somebody else: nothing is replaced, and only a person can mend it."""
    return replace(connection, status=Status.NEEDS_YOU, reason=Reason.ORG_CHANGED, detail=_ORG_CHANGED)


def host_refused(connection: Connection) -> Connection:
    """After a setting was taken away that let the connection's host have tokens."""
    detail = f"Your settings no longer allow the host of {connection.name!r} (extra_login_origins), so nothing is sent there."
    return replace(connection, status=Status.BLOCKED, reason=Reason.APP_MISCONFIGURED, detail=detail)


def rehomed(connection: Connection, origin: str) -> Connection:
    """The demo org's connection after the demo org had to move to another port."""
    path = connection.identity_url.removeprefix(connection.login_origin)
    return replace(connection, login_origin=origin, instance_url=origin, identity_url=origin + path)


def without_refresh_token(connection: Connection) -> Connection:
    """After the end of a session that cannot be renewed."""
    asked = {"refresh_token", "offline_access"} & set(connection.scopes)
    reason, detail = (Reason.SESSION_EXPIRED, _SESSION_ENDED) if asked else (Reason.SCOPE_MISSING, _NO_REFRESH)
    return replace(connection, status=Status.NEEDS_YOU, reason=reason, detail=detail)


def recovered(connection: Connection) -> Connection:
    """After proof that the present session works."""
    return replace(connection, status=Status.CONNECTED, reason=None, detail=None)
