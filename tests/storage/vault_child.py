"""A process of its own that works on a vault, to be killed or starved by `test_vault_crash`.

vault_child.py write HOME          count up for ever, saying what begins and what is committed
vault_child.py crowd HOME          the same, many counters at once
vault_child.py found HOME STEP     make a vault, and die by SIGKILL at the given step
vault_child.py starve HOME         write on a disk that is full, then on one that is not
vault_child.py poor HOME BYTES     make a vault on a disk that takes no file longer than this
"""

import asyncio
import os
import resource
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from meshmesh_storage import apps
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App
from meshmesh_storage.vault import FILE_NAME, Vault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PURGE_EVERY = 7
COUNTERS = 12
STEPS = frozenset({"open", "os.mkdir", "os.link", "os.remove", "sqlite3.connect"})


def say(line: str) -> None:
    """One line, through no buffer that a kill could swallow."""
    os.write(1, f"{line}\n".encode())


async def opened(home: Path) -> Vault:
    """The vault of a home, made if it is not there."""
    return await Vault.open(home / "vault", KeyFile(home / "keys" / "vault.key"), now=NOW)


async def put(vault: Vault, count: int, *, padding: int = 0) -> None:
    """Two rows that belong together."""
    async with vault.transaction() as tx:
        for name in ("counter", "shadow"):
            secret = f"{count}:{'x' * padding}"
            await apps.put(tx, App(id=name, client_id=name, client_secret=secret, created_at=NOW))


async def count_of(vault: Vault) -> int:
    """What was counted up to; the two rows agree."""
    async with vault.transaction() as tx:
        counts = {int((app.client_secret or "").split(":")[0]) for app in await apps.load_all(tx)} or {0}
    (count,) = counts
    return count


async def write(home: Path) -> None:
    """Count up until somebody kills us."""
    vault = await opened(home)
    count = await count_of(vault)
    while True:
        count += 1
        say(f"begun {count}")
        await put(vault, count)
        say(f"done {count}")
        if count % PURGE_EVERY == 0:
            await vault.purge()


async def crowd(home: Path) -> None:
    """Many count up at the same time until somebody kills us, and share their commits."""
    vault = await opened(home)
    async with vault.transaction() as tx:
        counts = {app.id: int(app.client_secret or "0") for app in await apps.load_all(tx)}

    async def count_up(name: str, count: int) -> None:
        while True:
            count += 1
            say(f"begun {name} {count}")
            async with vault.transaction(together=True) as tx:
                await apps.put(tx, App(id=name, client_id=name, client_secret=str(count), created_at=NOW))
            say(f"done {name} {count}")

    await asyncio.gather(*(count_up(f"n{number}", counts.get(f"n{number}", 0)) for number in range(COUNTERS)))


async def found(home: Path, last_step: int) -> None:
    """Make a vault, and die when the given step on its files is about to be taken."""
    step = 0

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal step
        if event in STEPS and any(str(home) in str(argument) for argument in arguments):
            step += 1
            if step == last_step:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(watch)
    await (await opened(home)).close()
    say("made")


def limit(size: int) -> None:
    """From now on no file may grow beyond a size, in bytes (writing on fails as on a full disk)."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


async def starve(home: Path) -> None:
    """What a full disk takes away is what did not fit, and nothing else."""
    vault = await opened(home)
    await put(vault, 1)
    limit((home / "vault" / f"{FILE_NAME}-wal").stat().st_size + 20_000)
    try:
        await put(vault, 2, padding=200_000)
    except VaultUnwritable as error:
        say(f"refused: {error.next_step}")
    say(f"still {await count_of(vault)}")
    limit(resource.RLIM_INFINITY)
    await put(vault, 3)
    await vault.verify()
    await vault.close()
    say("mended")


async def poor(home: Path, size: int) -> None:
    """A vault that cannot be made is a refusal of ours."""
    limit(size)
    try:
        await (await opened(home)).close()
    except VaultUnwritable as error:
        say(f"refused: {error.next_step}")


async def main(task: str, home: str, *rest: str) -> None:
    """The task of the command line."""
    match task:
        case "write":
            await write(Path(home))
        case "crowd":
            await crowd(Path(home))
        case "found":
            await found(Path(home), int(rest[0]))
        case "starve":
            await starve(Path(home))
        case _:
            await poor(Path(home), int(rest[0]))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
