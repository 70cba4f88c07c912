"""A vault with something in every place, and its activity: for what treats both as a whole."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from meshmesh_storage import apps, connections, pins
from meshmesh_storage.activity import MOST_AT_ONCE, ActivityLog
from meshmesh_storage.activity_rows import Actor, ActorKind, Entry
from meshmesh_storage.keys import KeyFile, KeySource
from meshmesh_storage.passphrase import Cost
from meshmesh_storage.records import PinRecord
from meshmesh_storage.vault import Vault
from support.floor import ACME, APP

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WEAK = Cost(memory_kib=64, iterations=1, lanes=1)  # a try costs next to nothing
SECRET = "an app's secret"


@dataclass
class FullVault:
    """Both files, open."""

    vault: Vault
    rows: ActivityLog

    async def fill(self, *, names: tuple[str, ...] = ("acme", "globex"), rows: int = 3) -> None:
        """Something in every place."""
        pin = PinRecord(salt=b"s" * 16, memory_kib=64, iterations=1, lanes=1, digest=b"d" * 32)
        async with self.vault.transaction() as tx:
            await apps.put(tx, replace(APP, client_secret=SECRET))
            await pins.put(tx, pin)
            for name in names:
                await connections.insert(tx, replace(ACME, id=f"id of {name}", name=name))
        for first in range(0, rows, MOST_AT_ONCE):
            await self.rows.append([entry(number) for number in range(first, min(rows, first + MOST_AT_ONCE))])

    async def names(self) -> list[str]:
        """The names of the connections, opened."""
        async with self.vault.transaction() as tx:
            return sorted(one.name for one in await connections.load_all(tx))

    async def check(self, *, rows: int = 3) -> None:
        """All of it is there, opens, and is proven."""
        await self.vault.verify()
        async with self.vault.transaction() as tx:
            assert [one.client_secret for one in await apps.load_all(tx)] == [SECRET]
            assert {one.refresh_token for one in await connections.load_all(tx)} == {ACME.refresh_token}
            assert await pins.load(tx) is not None
        verdict = await self.rows.verify()
        assert (verdict.whole, verdict.rows) == (True, rows), verdict.detail


def entry(number: int) -> Entry:
    """A row of the activity."""
    actor = Actor(ActorKind.OWNER, "owner", "owner")
    return Entry(at=NOW, actor=actor, action="test", connection=None, outcome="done", detail=f"row {number}")


def key_file(home: Path) -> KeyFile:
    """Where the key of a home is kept."""
    return KeyFile(home / "keys" / "master.key")


@asynccontextmanager
async def full_vault(home: Path, source: KeySource | None = None) -> AsyncGenerator[FullVault, None]:
    """The vault of a home, open for the block.

    Args:
        home: a folder.
        source: gives the key; the home's key file where it is None.
    """
    vault = await Vault.open(home / "vault", source or key_file(home), now=NOW)
    try:
        rows = await ActivityLog.open(home / "vault", vault.sealer)
        try:
            yield FullVault(vault, rows)
        finally:
            await rows.close()
    finally:
        await vault.close()
