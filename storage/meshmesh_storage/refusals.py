"""Rows of programs that the owner does not want to be asked about again, sealed whole: their names are nobody's business."""

import json
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.records import Refusal
from meshmesh_storage.schema import REFUSALS
from meshmesh_storage.transaction import Json, Row, Transaction


async def load_all(tx: Transaction) -> list[Refusal]:
    """Every refusal."""
    return [_record(row) for row in await tx.rows(REFUSALS)]


async def put(tx: Transaction, refusal: Refusal) -> None:
    """Keep a refusal."""
    profile: Json = {
        "name": refusal.name,
        "exe": refusal.exe,
        "origin": refusal.origin,
        "created_at": times.to_text(refusal.created_at),
    }
    await tx.put(REFUSALS, refusal.id, {}, {"profile": json.dumps(profile).encode()})


async def delete(tx: Transaction, refusal_id: str) -> bool:
    """Lift a refusal; gives whether it was there."""
    return await tx.remove(REFUSALS, refusal_id)


def _record(row: Row) -> Refusal:
    profile = row.document("profile")
    return Refusal(
        id=row.id,
        name=str(profile["name"]),
        exe=cast("str | None", profile["exe"]),
        origin=cast("str | None", profile["origin"]),
        created_at=times.required(profile["created_at"]),
    )
