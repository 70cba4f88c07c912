"""A process of its own that writes rows until `test_activity` kills it, and says the number of each it was told is there."""

import asyncio
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.activity_rows import Actor, ActorKind, Entry
from meshmesh_storage.sealing import Sealer

ENTRY = Entry(
    at=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    actor=Actor(ActorKind.CLIENT, "c1", "agent"),
    action="token.given",
    connection="acme",
    outcome="done",
    detail="Access token handed out.",
)


async def main(folder: Path) -> None:
    """Write groups of growing size, and after each of them some rows alone."""
    log = await ActivityLog.open(folder, Sealer({1: bytes(range(32))}, 1))
    size = 0
    while True:
        size = size % 9 + 1
        await log.append([ENTRY] * size)
        os.write(1, f"{log.last}\n".encode())
        for _ in range(size - 3):
            assert log.put(ENTRY)
            os.write(1, f"{log.last}\n".encode())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
