"""Rows of paired programs with their grants, sealed whole: who may change a grant on disk may take what it gives."""

import base64
import json
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.records import Client, Grant, Mode
from meshmesh_storage.schema import CLIENTS
from meshmesh_storage.transaction import Json, Row, Transaction


async def load_all(tx: Transaction) -> list[Client]:
    """Every client."""
    return [_record(row) for row in await tx.rows(CLIENTS)]


async def put(tx: Transaction, client: Client) -> None:
    """Insert a client, or replace it (its grants, say)."""
    profile: Json = {
        "name": client.name,
        "kind": client.kind,
        "token_hash": base64.b64encode(client.token_hash).decode(),
        "origin": client.origin,
        "created_at": times.to_text(client.created_at),
        "expires_at": times.to_text(client.expires_at),
        "last_used_at": times.to_text(client.last_used_at),
        "process": client.process,
        "command_sha256": client.command_sha256,
        "next_hash": base64.b64encode(client.next_hash).decode() if client.next_hash else None,
        "grants": [_grant_document(grant) for grant in client.grants],
    }
    await tx.put(CLIENTS, client.id, {}, {"profile": json.dumps(profile).encode()})


async def delete(tx: Transaction, client_id: str) -> bool:
    """Forget a client; gives whether it was there."""
    return await tx.remove(CLIENTS, client_id)


def _record(row: Row) -> Client:
    profile = row.document("profile")
    next_hash = profile.get("next_hash")  # rows of earlier versions have none
    return Client(
        id=row.id,
        name=str(profile["name"]),
        kind=str(profile["kind"]),
        token_hash=base64.b64decode(str(profile["token_hash"])),
        origin=cast("str | None", profile["origin"]),
        created_at=times.required(profile["created_at"]),
        expires_at=times.from_text(profile["expires_at"]),
        last_used_at=times.from_text(profile["last_used_at"]),
        grants=tuple(_grant(grant) for grant in cast("list[Json]", profile["grants"])),
        process=cast("str | None", profile.get("process")),
        command_sha256=cast("str | None", profile.get("command_sha256")),
        next_hash=base64.b64decode(str(next_hash)) if next_hash else None,
    )


def _grant_document(grant: Grant) -> Json:
    document: Json = {
        "connection_id": grant.connection_id,
        "mode": grant.mode.value,
        "raw_token": grant.raw_token,
        "expires_at": times.to_text(grant.expires_at),
    }
    return document | {"then": _grant_document(grant.then)} if grant.then else document


def _grant(document: Json) -> Grant:
    then = cast("Json | None", document.get("then"))
    return Grant(
        connection_id=str(document["connection_id"]),
        mode=Mode(str(document["mode"])),
        raw_token=document["raw_token"] is True,
        expires_at=times.from_text(document["expires_at"]),
        then=_grant(then) if then else None,
    )
