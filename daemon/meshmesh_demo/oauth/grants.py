"""Grants and what hangs on them: codes, refresh tokens, access tokens. All by their hash.

A grant is one approval of one app by one user. Invariants: a code is good once, and used twice it kills what it gave;
of a rotating grant one refresh token is current, and any older one used again kills the grant; a user has at most five
living approvals of an app; nothing is answered before it is on disk.
"""

import secrets

from meshmesh_demo.oauth.approvals import Approval, Grant, Held, Issued, Row, grant_of
from meshmesh_demo.oauth.apps import OFFLINE, App
from meshmesh_demo.oauth.errors import OAuthError, expired
from meshmesh_demo.oauth.secrets import access_token, code, digest, refresh_token, s256
from meshmesh_demo.store import SqlValue, Store

CODE_SECONDS = 900
MAX_APPROVALS = 5  # per user and app; the next one revokes the oldest


class Grants:
    """The org's grants."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def _now(self) -> float:
        return self._store.clock().timestamp()

    async def new_code(self, approval: Approval) -> str:
        """An authorization code for an approval."""
        made = code()
        values: tuple[SqlValue, ...] = (
            digest(made), approval.app.client_id, approval.user_id, approval.scope, approval.redirect_uri,
            approval.challenge, self._now() + CODE_SECONDS,
        )  # fmt: skip
        async with self._store.transaction():
            await self._store.execute(
                "INSERT INTO codes (hash, client_id, user_id, scope, redirect_uri, challenge, expires_at) "
                "VALUES (?, ?, ?, ?, ?, ?, ?)",
                values,
            )
        return made

    async def redeem(self, given: str, *, app: App, redirect_uri: str, verifier: str | None) -> Issued:
        """Exchange a code.

        Raises:
            OAuthError: the code, its address or its verifier is wrong. A code that was shown is spent in any case.
        """
        refusal: OAuthError | None = None
        async with self._store.transaction():
            row = await self._code(given)
            if row is None or row["client_id"] != app.client_id:
                raise OAuthError("invalid_grant", "invalid authorization code")
            refusal = _code_refusal(row, redirect_uri, verifier, self._now())
            if row["used"] and row["grant_id"]:
                await self._end(str(row["grant_id"]), "code_reused")
            await self._store.execute("UPDATE codes SET used = 1 WHERE hash = ?", (digest(given),))
            if refusal is None:
                grant = await self._approve(app, str(row["user_id"]), str(row["scope"]), "authorization_code")
                await self._store.execute("UPDATE codes SET grant_id = ? WHERE hash = ?", (grant.id, digest(given)))
                offline = OFFLINE & set(grant.scope.split()) and app.refresh_policy != "zero"
                refresh = await self._new_refresh(grant) if offline else None
                return await self._issue(grant, app, refresh)
        raise refusal

    async def user_of_code(self, given: str) -> str | None:
        """Whose approval a code stands for."""
        row = await self._code(given)
        return str(row["user_id"]) if row else None

    async def _code(self, given: str) -> Row | None:
        rows = await self._store.rows("SELECT * FROM codes WHERE hash = ?", (digest(given),))
        return rows[0] if rows else None

    async def client_credentials(self, app: App, user_id: str) -> Issued:
        """An access token of the app's own; one grant stands for all of them."""
        scope = " ".join(scope for scope in app.scopes if scope not in OFFLINE)
        async with self._store.transaction():
            rows = await self._store.rows(
                "SELECT * FROM grants WHERE client_id = ? AND user_id = ? AND flow = 'client_credentials' AND revoked_reason IS NULL",
                (app.client_id, user_id),
            )
            grant = grant_of(rows[0]) if rows else await self._approve(app, user_id, scope, "client_credentials")
            return await self._issue(grant, app, None)

    async def refresh(self, given: str, *, app: App) -> Issued:
        """A new access token for a refresh token, and a new refresh token where the app rotates.

        Raises:
            OAuthError: `expired access/refresh token`; a token that was rotated away also ends its grant.
        """
        refusal: OAuthError | None = None
        async with self._store.transaction():
            held, used = await self._refresh_token(given)
            if held is None or held.client_id != app.client_id or held.revoked_reason:
                raise expired()
            if used:
                await self._end(held.id, "refresh_token_reused")
                refusal = expired()
            elif (reason := self._outlived(held, app)) is not None:
                await self._end(held.id, reason)
                refusal = OAuthError("invalid_grant", "token validity expired") if reason == "lifetime" else expired()
            else:
                await self._store.execute("UPDATE grants SET used_at = ? WHERE id = ?", (self._now(), held.id))
                rotated = await self._rotate(held, given) if app.rotation else None
                return await self._issue(held, app, rotated)
        raise refusal

    def _outlived(self, grant: Grant, app: App) -> str | None:
        lifetime, idle = app.lifetime("specific_lifetime"), app.lifetime("specific_inactivity")
        if lifetime is not None and self._now() >= grant.created_at + lifetime:
            return "lifetime"
        return "idle" if idle is not None and self._now() >= grant.used_at + idle else None

    async def _rotate(self, grant: Grant, given: str) -> str:
        await self._store.execute("UPDATE refresh_tokens SET used = 1 WHERE hash = ?", (digest(given),))
        return await self._new_refresh(grant)

    async def _new_refresh(self, grant: Grant) -> str:
        made = refresh_token()
        await self._store.execute("INSERT INTO refresh_tokens VALUES (?, ?, 0)", (digest(made), grant.id))
        return made

    async def _issue(self, grant: Grant, app: App, refresh: str | None) -> Issued:
        made, now = access_token(self._store.org_id), self._store.clock()
        stamp = now.timestamp()
        await self._store.execute("DELETE FROM access_tokens WHERE expires_at < ?", (stamp,))
        await self._store.execute(
            "INSERT INTO access_tokens VALUES (?, ?, ?, ?)",
            (digest(made), grant.id, stamp, stamp + app.session_seconds),
        )
        return Issued(grant=grant, access_token=made, refresh_token=refresh, issued_at=now)

    async def _approve(self, app: App, user_id: str, scope: str, flow: str) -> Grant:
        now = self._now()
        older = await self._store.rows(
            "SELECT id FROM grants WHERE client_id = ? AND user_id = ? AND flow = 'authorization_code' AND revoked_reason IS NULL "
            "ORDER BY created_at DESC, rowid DESC",
            (app.client_id, user_id),
        )
        for row in older[MAX_APPROVALS - 1 :] if flow == "authorization_code" else []:
            await self._end(str(row["id"]), "approval_limit")
        grant_id = secrets.token_hex(8)
        await self._store.execute(
            "INSERT INTO grants VALUES (?, ?, ?, ?, ?, ?, ?, NULL)",
            (grant_id, app.client_id, user_id, scope, flow, now, now),
        )
        return Grant(
            id=grant_id, client_id=app.client_id, user_id=user_id, scope=scope, flow=flow, created_at=now, used_at=now,
            revoked_reason=None,
        )  # fmt: skip

    async def _refresh_token(self, given: str) -> tuple[Grant | None, bool]:
        rows = await self._store.rows(
            "SELECT grants.*, used FROM refresh_tokens JOIN grants ON grants.id = grant_id WHERE hash = ?",
            (digest(given),),
        )
        return (grant_of(rows[0]), bool(rows[0]["used"])) if rows else (None, False)

    async def find(self, given: str) -> Held | None:
        """A living token, of either kind."""
        rows = await self._store.rows(
            "SELECT grants.*, issued_at, expires_at FROM access_tokens JOIN grants ON grants.id = grant_id "
            "WHERE hash = ? AND revoked_reason IS NULL",
            (digest(given),),
        )
        for row in rows:
            issued, until = float(row["issued_at"] or 0), float(row["expires_at"] or 0)
            if self._now() < until:
                return Held(grant=grant_of(row), is_refresh=False, issued_at=issued, expires_at=until)
        grant, used = await self._refresh_token(given)
        if grant is None or used or grant.revoked_reason:
            return None
        return Held(grant=grant, is_refresh=True, issued_at=grant.created_at, expires_at=None)

    async def revoke(self, given: str) -> bool:
        """End an access token, or with a refresh token its whole grant.

        Returns:
            Whether there was such a token.
        """
        async with self._store.transaction():
            if await self._store.execute("DELETE FROM access_tokens WHERE hash = ?", (digest(given),)):
                return True
            grant, _ = await self._refresh_token(given)
            if grant is not None and grant.revoked_reason is None:
                await self._end(grant.id, "revoked")
            return grant is not None

    async def has_approved(self, app: App, user_id: str, scope: str) -> bool:
        """Whether a living approval of the user covers all these scopes."""
        rows = await self._store.rows(
            "SELECT scope FROM grants WHERE client_id = ? AND user_id = ? AND flow = 'authorization_code' AND revoked_reason IS NULL",
            (app.client_id, user_id),
        )
        return any(set(scope.split()) <= set(str(row["scope"]).split()) for row in rows)

    async def end_all(self, reason: str) -> int:
        """End every grant."""
        async with self._store.transaction():
            await self._store.execute("DELETE FROM access_tokens")
            return await self._store.execute(
                "UPDATE grants SET revoked_reason = ? WHERE revoked_reason IS NULL", (reason,)
            )

    async def expire_sessions(self) -> int:
        """End every access token; refresh tokens live."""
        async with self._store.transaction():
            return await self._store.execute("DELETE FROM access_tokens")

    async def _end(self, grant_id: str, reason: str) -> None:
        await self._store.execute("DELETE FROM access_tokens WHERE grant_id = ?", (grant_id,))
        await self._store.execute(
            "UPDATE grants SET revoked_reason = ? WHERE id = ? AND revoked_reason IS NULL", (reason, grant_id)
        )

    async def families(self) -> list[dict[str, object]]:
        """Every grant with the count of its refresh tokens, for tests; no token is in it."""
        rows = await self._store.rows(
            "SELECT grants.*, (SELECT COUNT(*) FROM refresh_tokens WHERE grant_id = grants.id AND NOT used) AS current, "
            "(SELECT COUNT(*) FROM refresh_tokens WHERE grant_id = grants.id AND used) AS used "
            "FROM grants ORDER BY created_at, rowid"
        )
        return [
            {
                "id": row["id"], "client_id": row["client_id"], "user_id": row["user_id"], "flow": row["flow"],
                "scope": row["scope"], "state": "revoked" if row["revoked_reason"] else "live",
                "revoked_reason": row["revoked_reason"], "created_at": row["created_at"],
                "refresh_tokens": {"current": row["current"], "used": row["used"]},
            }
            for row in rows
        ]  # fmt: skip

    async def live_access_tokens(self) -> int:
        """How many access tokens are good now."""
        rows = await self._store.rows("SELECT COUNT(*) AS n FROM access_tokens WHERE expires_at > ?", (self._now(),))
        return int(rows[0]["n"] or 0)


def _code_refusal(row: Row, redirect_uri: str, verifier: str | None, now: float) -> OAuthError | None:
    if row["used"] or now >= float(row["expires_at"] or 0):
        return OAuthError("invalid_grant", "expired authorization code")
    if row["redirect_uri"] != redirect_uri:
        return OAuthError("redirect_uri_mismatch", "redirect_uri must match configuration")
    challenge = row["challenge"]
    proven = challenge is None if verifier is None else challenge == s256(verifier)
    return None if proven else OAuthError("invalid_grant", "invalid code verifier")
