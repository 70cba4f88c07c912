"""A backup put back: by the service that runs, or by `meshmeshd --restore FILE` while none does.

So a vault that does not open can be mended. The passphrase is typed on the terminal, or comes as a line on stdin; never by an argument or a variable.
"""

import asyncio
import getpass
import sys
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path

from meshmesh.paths import Paths
from meshmesh_bridge.rooms import key_sources
from meshmesh_daemon.adapters.clock import SystemClock
from meshmesh_daemon.adapters.key_sources import PASSPHRASE, KeySources
from meshmesh_daemon.adapters.landmark import LANDMARK, Landmark
from meshmesh_daemon.settings import Settings
from meshmesh_daemon.usecases.strongbox import ROTATING, Restored
from meshmesh_storage import unpacking
from meshmesh_storage.errors import BackupOlder, VaultError
from meshmesh_storage.header import Header
from meshmesh_storage.keys import KeySource
from meshmesh_storage.vault import Vault


def restore(file: Path, paths: Paths, settings: Settings, *, force: bool) -> None:
    """Put a backup in the place of the vault. The instance lock is held, so no service works on it.

    Args:
        file: the backup.
        paths: where everything is kept.
        settings: say where the key is to be.
        force: also over a newer vault, or another one; without it the person is asked, where there is one.

    Raises:
        VaultError: with the next step; nothing was changed.
        OSError: the file cannot be read, or there is no room; nothing was changed.
    """
    passphrase = _passphrase()
    try:
        restored = asyncio.run(_restore(file, passphrase, paths, settings, force=force))
    except BackupOlder as older:
        if not sys.stdin.isatty() or not _agrees(older):
            raise
        restored = asyncio.run(_restore(file, passphrase, paths, settings, force=True))
    _tell(restored)


def _passphrase() -> str:
    if sys.stdin.isatty():
        return getpass.getpass("Passphrase of the backup: ")
    return sys.stdin.readline().removesuffix("\n")


def _agrees(older: BackupOlder) -> bool:
    _say(f"{older} It is moved aside, not deleted.")
    return input("Restore all the same? Type yes: ").strip() == "yes"


async def _restore(file: Path, passphrase: str, paths: Paths, settings: Settings, *, force: bool) -> Restored:
    restored, _ = await put_back(
        file,
        passphrase,
        paths=paths,
        sources=key_sources(settings.vault.key, paths),
        present=await present_in(paths),
        force=force,
        now=SystemClock().now(),
        stop=_no_service,
    )
    return restored


async def present_in(paths: Paths) -> Header | None:
    """The head of the vault that is there and closed; what cannot even be read is no reason against a backup."""
    with suppress(VaultError):
        return await Vault.look(paths.data)
    return None


async def put_back(
    file: Path,
    passphrase: str,
    *,
    paths: Paths,
    sources: KeySources,
    present: Header | None,
    force: bool,
    now: datetime,
    stop: Callable[[], Awaitable[None]],
) -> tuple[Restored, str | None]:
    """Put a backup in the place of the vault.

    Args:
        file: the backup.
        passphrase: its own.
        paths: where everything is kept.
        sources: where the master key can be.
        present: the head of the vault that is there.
        force: also over a newer vault, or another one.
        now: the time.
        stop: closes the vault that is there; called when all was checked.

    Returns:
        What was restored, and the passphrase that opens the vault now, None where a stored key does.

    Raises:
        VaultError, OSError: with the next step; until `stop` was called, nothing was changed.
    """
    source = await sources.for_restored(present.note if present else None, passphrase)
    contents, aside = await unpacking.restore(
        file, passphrase, paths.data, source, present=present, force=force, now=now, stop=stop
    )
    await Landmark(paths.state / LANDMARK).set(contents.vault_id)
    return _restored(contents, aside, source), passphrase if source.kind == PASSPHRASE else None


def _restored(contents: unpacking.Contents, aside: Path, source: KeySource) -> Restored:
    notes = [ROTATING] if contents.connections else []
    if source.kind == PASSPHRASE:
        notes.append("The vault opens with the passphrase of the backup now. Another one: meshmesh passphrase")
    if contents.remark:
        notes.append(f"The activity in the backup is not whole: {contents.remark}")
    return Restored(
        made_at=contents.made_at,
        connections=contents.connections,
        aside=aside if aside.exists() else None,
        notes=tuple(notes),
    )


async def _no_service() -> None:
    """There is none to stop."""


def _tell(restored: Restored) -> None:
    names = ", ".join(restored.connections) or "no connection"
    _say(f"Restored what was backed up on {restored.made_at:%Y-%m-%d %H:%M}Z: {names}.")
    if restored.aside is not None:
        _say(f"What was there before lies in {restored.aside}.")
    for note in restored.notes:
        _say(note)
    _say("Next: meshmeshd")


def _say(text: str) -> None:
    print(text, file=sys.stderr)  # noqa: T201 - the terminal
