"""What the owner does with the open vault as a whole: other keys for it, a backup of it, and how well it is.

What makes the vault easier to open, or takes all of it elsewhere, needs a person, unless the demo org is all there is.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from meshmesh_daemon.adapters.key_sources import PASSPHRASE, KeySources
from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem, bad_field, vault_locked
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_storage import rekeying
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.ailing import Ailing
from meshmesh_storage.errors import BackupBroken, BackupOlder, KeyLocked, VaultClosed, VaultError
from meshmesh_storage.header import Header
from meshmesh_storage.keys import KeySource
from meshmesh_storage.schema import LATEST
from meshmesh_storage.vault import Vault

if TYPE_CHECKING:
    from meshmesh_storage.unpacking import Contents

log = logging.getLogger("meshmesh.vault")

LOOK_SECONDS = 10.0  # how often it is tried whether trouble of the disk is over, while there is some
ROTATING = (
    "A restored sign-in may be dead: an org that rotates its tokens has given newer ones since the backup was made."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """What a restore gave. `aside` is the folder to which the old vault went, None where there was none."""

    made_at: datetime
    connections: tuple[str, ...]
    aside: Path | None
    notes: tuple[str, ...]


class Strongbox:
    """The vault as a whole, open.

    Args:
        vault: the vault.
        rows: the activity's file.
        activity: is told.
        sources: where a master key can be kept.
        source: where it is kept now.
        folder: the vault's.
        clock: the time.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        rows: ActivityLog,
        activity: Activity,
        sources: KeySources,
        source: KeySource,
        folder: Path,
        clock: Clock,
    ) -> None:
        self._vault = vault
        self._rows = rows
        self._activity = activity
        self._sources = sources
        self.source = source
        self._folder = folder
        self._clock = clock
        self._turn = asyncio.Lock()

    @property
    def trouble(self) -> VaultError | None:
        """What the disk refuses now; None while all is well."""
        return self._vault.trouble or self._activity.trouble

    @property
    def present(self) -> Header:
        """What a backup is held against: which vault this is, how often it was written, where its key is."""
        vault_id = self._vault.keys.wrapper.vault_id
        return Header(
            version=LATEST,
            vault_id=vault_id,
            key_check=b"",
            wrapped={},
            note=self.source.note,
            written=self._vault.written,
        )

    async def tend(self) -> None:
        """Until cancelled: end what a rotation left undone, and find out when trouble is over."""
        if rekeying.is_pending(self._vault):
            await self._try(self._reseal)
        await asyncio.gather(
            self._mend(self._vault, lambda: self._try(self._vault.try_again)),
            self._mend(self._activity, self._activity.try_again),
        )

    async def _mend(self, part: Ailing, try_again: Callable[[], Awaitable[None]]) -> None:
        while True:
            await part.falls_ill()
            await self._clock.sleep(LOOK_SECONDS)
            if part.trouble is not None:
                await try_again()

    async def _try(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except VaultClosed:
            return
        except VaultError as error:
            log.warning("%s %s", error, error.next_step)

    # --- Keys ------------------------------------------------------------------------------------------------------

    async def move(self, kind: str, passphrase: str | None, current: str | None) -> None:
        """Put the vault under a new master key of a source.

        Args:
            kind: the source's word.
            passphrase: the new one, where that is the source.
            current: the passphrase until now, where that is the source until now.

        Raises:
            Problem: 422 for a passphrase that cannot be one, 403 for a wrong `current`, 409 where the key is there already.
            VaultError: the source cannot be had; nothing was changed.
        """
        if kind == PASSPHRASE:
            check_passphrase(passphrase)
        elif kind == self.source.kind:
            raise Problem(409, "already_decided", f"The key is there already ({kind}).")
        async with self._turn:
            await self._check_current(current)
            target = await self._sources.target(kind, passphrase)
            detail = f"The key of the vault moves: {self.source.kind} to {kind}."
            await self._activity.record(OWNER, Deed.KEY_MOVED, detail=detail)
            await rekeying.move(self._vault, target)
            before, self.source = self.source, target
            if before.kind != kind:
                await before.forget()

    async def _check_current(self, current: str | None) -> None:
        """Who changes the passphrase, or does without one, knows it."""
        if self.source.kind != PASSPHRASE:
            return
        if current is None:
            raise bad_field("current", "is required: the vault opens with a passphrase now.")
        source = self._sources.remembered(self.source.note, current)
        key = await source.load()
        if key is None or not self._vault.keys.wrapper.fits(key):
            raise wrong_passphrase()

    async def rotate(self) -> None:
        """Give the vault a new data key, and seal everything anew with it; others go on reading and writing.

        Raises:
            VaultError: the disk did not take all of it; the rest is done at the next try, or at the next start.
        """
        async with self._turn:
            await self._activity.record(OWNER, Deed.KEY_ROTATED, detail="The data key of the vault is replaced.")
            await rekeying.add_data_key(self._vault, now=self._clock.now())
            await self._reseal()

    async def _reseal(self) -> None:
        await rekeying.reseal(self._vault, self._rows)

    # --- Backup ----------------------------------------------------------------------------------------------------

    async def backup(self, path: Path, passphrase: str) -> "Contents":
        """Write a backup, and prove it by opening it.

        Raises:
            Problem: 422 for a path or a passphrase that cannot be taken.
            VaultError: the vault cannot be read.
        """
        from meshmesh_storage import backup  # late: with the archive's parts, it is needed once in a while

        check_passphrase(passphrase)
        if not path.is_absolute():
            raise bad_field("path", "must begin at the root; the service has another working folder than you.")
        await asyncio.to_thread(_check_place, path)
        async with self._turn:
            await self._activity.record(OWNER, Deed.VAULT_BACKED_UP, detail="A backup of the vault was asked for.")
            try:
                return await backup.write(
                    self._vault, self._rows, path, passphrase, folder=self._folder, now=self._clock.now()
                )
            except FileExistsError:
                raise _taken() from None
            except OSError as error:
                raise bad_field("path", f"the backup could not be written ({error.strerror}).") from None


def _check_place(path: Path) -> None:
    """What is sure to fail is told before the passphrase is worked on."""
    try:
        if path.exists() or path.is_symlink():
            raise _taken()
        if not path.parent.is_dir():
            raise bad_field("path", f"there is no folder {path.parent}.")
    except (OSError, ValueError) as error:
        raise bad_field("path", f"cannot be a path here ({type(error).__name__}).") from None


def _taken() -> Problem:
    return bad_field("path", "there is something at this path already; nothing is written over.")


def check_passphrase(passphrase: str | None, field: str = "passphrase") -> None:
    """A passphrase that is to be set.

    Raises:
        Problem: 422 where it is missing, too short or too long.
    """
    from meshmesh_storage.passphrase import MAX_PASSPHRASE, MIN_PASSPHRASE  # late, with its ciphers

    if passphrase is None or not MIN_PASSPHRASE <= len(passphrase) <= MAX_PASSPHRASE:
        raise bad_field(field, f"must have {MIN_PASSPHRASE} to {MAX_PASSPHRASE} characters.")


def wrong_passphrase() -> Problem:
    """The refusal of a passphrase that is another's."""
    return Problem(
        403,
        "presence_required",
        "That is not the passphrase.",
        next_step=Next("Try again"),
        members={"ways": ["passphrase"]},
    )


def vault_problem(error: VaultError) -> Problem:
    """An error of the vault's as a refusal."""
    step = Next(error.next_step)
    match error:
        case VaultClosed():
            return vault_locked()
        case KeyLocked():
            return vault_locked(str(error), step)
        case BackupBroken():
            return Problem(422, "backup_broken", str(error), next_step=step)
        case BackupOlder():
            return Problem(409, "backup_older", str(error), next_step=step)
        case _:
            return Problem(503, "vault_trouble", str(error), next_step=step, retry_after=5)
