"""The journal of refreshes under way: written before the request leaves, removed with the answer's commit."""

from typing import cast

from meshmesh_storage import times
from meshmesh_storage.digest import Value
from meshmesh_storage.records import RotationIntent
from meshmesh_storage.schema import ROTATIONS
from meshmesh_storage.transaction import Transaction


async def begin(tx: Transaction, intent: RotationIntent) -> None:
    """A refresh is about to be sent."""
    plain: dict[str, Value] = {"generation": intent.generation, "sent_at": intent.sent_at.isoformat()}
    await tx.put(ROTATIONS, intent.connection_id, plain, {})


async def finish(tx: Transaction, connection_id: str) -> None:
    """Its answer is settled."""
    await tx.remove(ROTATIONS, connection_id)


async def load_all(tx: Transaction) -> list[RotationIntent]:
    """What was under way when the service ended."""
    return [
        RotationIntent(
            connection_id=row.id,
            generation=cast("int", row.plain["generation"]),
            sent_at=times.required(row.plain["sent_at"]),
        )
        for row in await tx.rows(ROTATIONS)
    ]
