"""Rows of sign-ins that have not ended, sealed whole: a redirect after a restart still finds its verifier."""

import json
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.records import Environment, SignIn
from meshmesh_storage.schema import SIGN_INS
from meshmesh_storage.transaction import Json, Row, Transaction


async def load_all(tx: Transaction) -> list[SignIn]:
    """Every open attempt."""
    return [_record(row) for row in await tx.rows(SIGN_INS)]


async def insert(tx: Transaction, attempt: SignIn) -> None:
    """A new attempt."""
    profile: Json = {
        "state": attempt.state,
        "code_verifier": attempt.code_verifier,
        "connection_id": attempt.connection_id,
        "name": attempt.name,
        "environment": attempt.environment.value,
        "client_id": attempt.client_id,
        "client_secret": attempt.client_secret,
        "login_origin": attempt.login_origin,
        "redirect_uri": attempt.redirect_uri,
        "scopes": list(attempt.scopes),
        "authorize_url": attempt.authorize_url,
        "created_at": times.to_text(attempt.created_at),
        "expires_at": times.to_text(attempt.expires_at),
    }
    await tx.put(SIGN_INS, attempt.id, {}, {"profile": json.dumps(profile).encode()})


async def delete(tx: Transaction, sign_in_id: str) -> bool:
    """Forget an attempt; gives whether it was there."""
    return await tx.remove(SIGN_INS, sign_in_id)


def _record(row: Row) -> SignIn:
    profile = row.document("profile")
    return SignIn(
        id=row.id,
        state=str(profile["state"]),
        code_verifier=str(profile["code_verifier"]),
        connection_id=cast("str | None", profile["connection_id"]),
        name=str(profile["name"]),
        environment=Environment(str(profile["environment"])),
        client_id=str(profile["client_id"]),
        client_secret=cast("str | None", profile["client_secret"]),
        login_origin=str(profile["login_origin"]),
        redirect_uri=str(profile["redirect_uri"]),
        scopes=tuple(cast("list[str]", profile["scopes"])),
        authorize_url=str(profile["authorize_url"]),
        created_at=times.required(profile["created_at"]),
        expires_at=times.required(profile["expires_at"]),
    )
