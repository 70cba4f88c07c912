"""The row of the approval PIN: an Argon2id hash with its parameters, and how many wrong tries there were, sealed whole."""

import base64
import json
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.records import PinRecord
from meshmesh_storage.schema import PINS
from meshmesh_storage.transaction import Json, Transaction

_ID = "approval"


async def load(tx: Transaction) -> PinRecord | None:
    """The PIN, where one is set."""
    row = await tx.row(PINS, _ID)
    if row is None:
        return None
    profile = row.document("profile")
    return PinRecord(
        salt=base64.b64decode(str(profile["salt"])),
        memory_kib=cast("int", profile["memory_kib"]),
        iterations=cast("int", profile["iterations"]),
        lanes=cast("int", profile["lanes"]),
        digest=base64.b64decode(str(profile["digest"])),
        failed=cast("int", profile["failed"]),
        not_before=times.from_text(profile["not_before"]),
    )


async def put(tx: Transaction, record: PinRecord) -> None:
    """Set the PIN, or replace it or its count of tries."""
    profile: Json = {
        "salt": base64.b64encode(record.salt).decode(),
        "memory_kib": record.memory_kib,
        "iterations": record.iterations,
        "lanes": record.lanes,
        "digest": base64.b64encode(record.digest).decode(),
        "failed": record.failed,
        "not_before": times.to_text(record.not_before),
    }
    await tx.put(PINS, _ID, {}, {"profile": json.dumps(profile).encode()})
