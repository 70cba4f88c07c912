"""A backup, read and restored: unpacked beside the vault that is there, proven to the last row, and only then put in its place.

Restored, the vault lies under a master key of this machine's source. The one that was there is moved aside.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import struct
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import cast

from meshmesh_storage import backup_file, connections, paths, restored
from meshmesh_storage.activity import FILE_NAME as ACTIVITY_NAME
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.backup_file import Cipher
from meshmesh_storage.errors import BackupBroken, BackupOlder
from meshmesh_storage.header import Header
from meshmesh_storage.keys import KeySource
from meshmesh_storage.rekeying import move
from meshmesh_storage.unbroken import to_the_end
from meshmesh_storage.vault import FILE_NAME as VAULT_NAME
from meshmesh_storage.vault import Vault

FILES = (VAULT_NAME, ACTIVITY_NAME)
LENGTH = struct.Struct(">I")
PIECE = 1 << 20
NOTE: Mapping[str, object] = {"kind": "backup"}
_SCRATCH = "vault.unpacked"
_MOST_MANIFEST = 64 * 1024
_DAMAGED = "Take another backup."


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a backup."""

    made_at: datetime
    vault_id: bytes
    written: int  # the digest's version
    master_key: bytes = field(repr=False)
    connections: tuple[str, ...] = ()
    rows: int = 0  # of the activity
    remark: str | None = None  # what is wrong with the activity


class _InBackup:
    """The master key that lies in the backup, as a source."""

    kind = "backup"
    note = NOTE

    def __init__(self, key: bytes) -> None:
        self._key = key

    async def load(self) -> bytes | None:
        """The key."""
        return self._key

    async def create(self) -> bytes:
        """The key: there is no other."""
        return self._key

    async def forget(self) -> None:
        """It stays in the backup."""


@asynccontextmanager
async def unpacked(
    path: Path, key: str | Cipher, folder: Path, *, name: str = _SCRATCH
) -> AsyncGenerator[tuple[Contents, Vault], None]:
    """A backup's vault, open beside the one that is there, and proven to the last row; it goes away with the block.

    Args:
        path: the backup.
        key: its passphrase; or, for one that was just written, the cipher it was written with.
        folder: the vault's folder, in which it is unpacked. What is unpacked is as sealed as a vault.
        name: of the folder that it gets there.

    Raises:
        BackupBroken: the file is none, is damaged, or the passphrase is another.
        VaultError: what is in it does not open.
        OSError: the file cannot be read, or there is no room.
    """
    scratch = await asyncio.to_thread(restored.make_scratch, folder, name)
    try:
        contents = await to_the_end(asyncio.to_thread(_unpack, path, key, scratch))
        vault = await Vault.open(scratch, _InBackup(contents.master_key), now=contents.made_at)
        try:
            yield await _proven(contents, vault, scratch), vault
        finally:
            await vault.close()
    finally:
        await asyncio.to_thread(shutil.rmtree, scratch, ignore_errors=True)


async def restore(
    path: Path,
    passphrase: str,
    folder: Path,
    source: KeySource,
    *,
    present: Header | None,
    force: bool,
    now: datetime,
    stop: Callable[[], Awaitable[None]],
) -> tuple[Contents, Path]:
    """Put a backup in the place of the vault that is there.

    Args:
        path: the backup.
        passphrase: opens it.
        folder: the vault's.
        source: gives the master key under which the restored vault is to lie.
        present: the head of the vault that is there; None where there is none, or none that can be read.
        force: also over a newer vault, or another one.
        now: the time.
        stop: closes the vault that is there; called when all was checked.

    Returns:
        What was restored, and the folder to which the old files went.

    Raises:
        BackupOlder: the vault that is there is newer, or another; nothing was changed.
        BackupBroken, VaultError, OSError: nothing was changed.
    """
    async with unpacked(path, passphrase, folder) as (contents, vault):
        if not force:
            _refuse_older(contents, present)
        await move(vault, source)
        await vault.close()
        await stop()
        aside = await to_the_end(asyncio.to_thread(_replace, folder, now))
    return contents, aside


def _replace(folder: Path, now: datetime) -> Path:
    aside = restored.decide(folder / _SCRATCH, folder, now)
    restored.finish(folder)
    return aside


def _refuse_older(contents: Contents, present: Header | None) -> None:
    """A backup replaces what is there unasked only where that is the same vault and has not changed since.

    Raises:
        BackupOlder: with what is there.
    """
    if present is None:
        return
    step = "Restore it with --force, if that is what you want: what is there is moved aside, not deleted."
    if present.vault_id != contents.vault_id:
        raise BackupOlder("There is another vault here than the one in the backup.", step)
    if present.written > contents.written:
        raise BackupOlder("The vault that is there has changed since the backup was made.", step)


async def _proven(contents: Contents, vault: Vault, scratch: Path) -> Contents:
    await vault.verify()
    async with vault.transaction() as tx:
        names = tuple(sorted(one.name for one in await connections.load_all(tx)))
    activity = await ActivityLog.open(scratch, vault.sealer)
    try:
        verdict = await activity.verify()
    finally:
        await activity.close()
    remark = None if verdict.whole else verdict.detail
    return replace(contents, connections=names, rows=verdict.rows, remark=remark)


def _unpack(path: Path, key: str | Cipher, scratch: Path) -> Contents:
    with path.open("rb") as file:
        pieces = _Pieces(backup_file.read(file, key))
        try:
            (length,) = LENGTH.unpack(pieces.take(LENGTH.size))
            manifest: dict[str, object] = json.loads(pieces.take(min(length, _MOST_MANIFEST)))
            for entry in cast("list[dict[str, object]]", manifest["files"]):
                _unpack_file(pieces, entry, scratch)
            pieces.expect_end()
            return _contents(manifest)
        except (ValueError, KeyError, TypeError, struct.error):
            raise BackupBroken("The backup opens, and what is in it is not what a backup holds.", _DAMAGED) from None


def _contents(manifest: dict[str, object]) -> Contents:
    return Contents(
        made_at=datetime.fromisoformat(str(manifest["made_at"])),
        vault_id=bytes.fromhex(str(manifest["vault_id"])),
        written=cast("int", manifest["written"]),
        master_key=base64.b64decode(str(manifest["master_key"])),
    )


def _unpack_file(pieces: "_Pieces", entry: dict[str, object], scratch: Path) -> None:
    name, left = str(entry["name"]), cast("int", entry["size"])
    if name not in FILES:
        raise ValueError(name)
    digest = hashlib.sha256()
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
    with os.fdopen(os.open(scratch / name, flags, paths.FILE_MODE), "wb") as file:
        while left:
            piece = pieces.take(min(left, PIECE))
            digest.update(piece)
            file.write(piece)
            left -= len(piece)
    if digest.hexdigest() != entry["sha256"]:
        raise ValueError(name)


class _Pieces:
    """A stream of pieces, taken in other sizes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._waiting = b""

    def take(self, size: int) -> bytes:
        """So many bytes.

        Raises:
            ValueError: there are not as many.
        """
        while len(self._waiting) < size:
            piece = next(self._pieces, None)
            if piece is None:
                raise ValueError("the backup ends too early")
            self._waiting += piece
        taken, self._waiting = self._waiting[:size], self._waiting[size:]
        return taken

    def expect_end(self) -> None:
        """Nothing may follow.

        Raises:
            ValueError: something does.
        """
        if self._waiting or next(self._pieces, None) is not None:
            raise ValueError("something follows the backup")
