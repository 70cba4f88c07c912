"""The vault of a test's folder, opened as often as a test likes."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

from meshmesh.paths import Paths
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.vault import Vault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
Open = Callable[[], Awaitable[Vault]]
Statements = list[str]  # that SQLite was given, in their order


def paths_of(home: Path) -> Paths:
    """Where a home keeps things."""
    config, data, state, runtime = (home / name for name in ("config", "data", "state", "runtime"))
    for folder in (config, data, state, runtime):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return Paths(config=config, data=data, state=state, runtime=runtime, socket=runtime / "meshmesh.sock")


@asynccontextmanager
async def vaults(folder: Path) -> AsyncGenerator[Open]:
    """Opens the vault of a folder, or makes it; what is still open at the end of the block is closed."""
    opened: list[Vault] = []

    async def open_vault() -> Vault:
        opened.append(await Vault.open(folder / "vault", KeyFile(folder / "keys" / "vault.key"), now=NOW))
        return opened[-1]

    try:
        yield open_vault
    finally:
        for vault in opened:
            await vault.close()
