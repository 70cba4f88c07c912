"""What a person allows, what a grant is, and what it gives."""

from dataclasses import dataclass
from datetime import datetime

from meshmesh_demo.oauth.apps import App
from meshmesh_demo.store import SqlValue

Row = dict[str, SqlValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One approval."""

    id: str
    client_id: str
    user_id: str
    scope: str
    flow: str
    created_at: float
    used_at: float
    revoked_reason: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Issued:
    """What a token request gives. The only place where tokens are in clear."""

    grant: Grant
    access_token: str
    refresh_token: str | None
    issued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A token that somebody showed, as it stands now."""

    grant: Grant
    is_refresh: bool
    issued_at: float
    expires_at: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What a person allowed on the consent page."""

    app: App
    user_id: str
    scope: str
    redirect_uri: str
    challenge: str | None


def grant_of(row: Row) -> Grant:
    """A row of the table of grants."""
    reason = row["revoked_reason"]
    return Grant(
        id=str(row["id"]),
        client_id=str(row["client_id"]),
        user_id=str(row["user_id"]),
        scope=str(row["scope"]),
        flow=str(row["flow"]),
        created_at=float(row["created_at"] or 0),
        used_at=float(row["used_at"] or 0),
        revoked_reason=None if reason is None else str(reason),
    )
