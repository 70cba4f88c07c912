"""A backup, written: the vault and its activity in one file under a passphrase, proven by opening it before it has its name.

In the file the vault lies under a master key of its own, which is in there as well. The vault goes on being used meanwhile.
"""

import asyncio
import base64
import hashlib
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path

from meshmesh_storage import backup_file, paths, restored
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.header import rewrapping
from meshmesh_storage.sealing import Wrapper, random_key
from meshmesh_storage.unbroken import to_the_end
from meshmesh_storage.unpacking import FILES, LENGTH, NOTE, PIECE, Contents, unpacked
from meshmesh_storage.vault import Vault

_SCRATCH, _PROOF = "backup.scratch", "backup.proof"


async def write(
    vault: Vault, activity: ActivityLog, path: Path, passphrase: str, *, folder: Path, now: datetime
) -> Contents:
    """Write a backup, and prove it by opening it.

    Args:
        vault: open, and in use.
        activity: its activity.
        path: the file; nothing may stand there yet.
        passphrase: opens the backup.
        folder: the vault's, for copies that are as sealed as it is.
        now: the time.

    Raises:
        FileExistsError: something stands there.
        OSError: the disk did not take it; nothing is left.
        VaultError: the vault cannot be read, or the backup does not open.
    """
    unfinished = await asyncio.to_thread(paths.draft, path)
    scratch = await asyncio.to_thread(restored.make_scratch, folder, _SCRATCH)
    try:
        copies = [scratch / name for name in FILES]
        for copy in copies:
            copy.touch(paths.FILE_MODE)
        await vault.copy_to(copies[0])
        await activity.copy_to(copies[1])
        master_key = random_key()
        await asyncio.to_thread(_rewrap, copies[0], vault, master_key)
        manifest = await asyncio.to_thread(_manifest, copies, vault, master_key, now)
        cipher = await asyncio.to_thread(backup_file.new_cipher, passphrase)
        await to_the_end(asyncio.to_thread(_write, unfinished, manifest, copies, cipher))
        async with unpacked(unfinished, cipher, folder, name=_PROOF) as (contents, _):
            await to_the_end(asyncio.to_thread(paths.publish, unfinished, path))
            return contents
    finally:
        unfinished.unlink(missing_ok=True)
        shutil.rmtree(scratch, ignore_errors=True)


def _rewrap(copy: Path, vault: Vault, master_key: bytes) -> None:
    with closing(sqlite3.connect(copy, isolation_level=None)) as db:
        db.execute("BEGIN IMMEDIATE")
        for statement, parameters in rewrapping(vault.keys, Wrapper(master_key, vault.keys.wrapper.vault_id), NOTE):
            db.execute(statement, parameters)
        db.execute("COMMIT")


def _manifest(copies: list[Path], vault: Vault, master_key: bytes, now: datetime) -> bytes:
    files: list[dict[str, object]] = []
    for copy in copies:
        with copy.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files.append({"name": copy.name, "size": copy.stat().st_size, "sha256": digest})
    document = {
        "made_at": now.isoformat(),
        "vault_id": vault.keys.wrapper.vault_id.hex(),
        "written": vault.written,
        "master_key": base64.b64encode(master_key).decode(),
        "files": files,
    }
    return json.dumps(document, sort_keys=True, separators=(",", ":")).encode()


def _write(path: Path, manifest: bytes, copies: list[Path], cipher: backup_file.Cipher) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, paths.FILE_MODE), "wb") as file:
        backup_file.write(file, _content(manifest, copies), cipher)
        file.flush()
        os.fsync(file.fileno())


def _content(manifest: bytes, copies: list[Path]) -> Iterator[bytes]:
    yield LENGTH.pack(len(manifest)) + manifest
    for copy in copies:
        with copy.open("rb") as file:
            while piece := file.read(PIECE):
                yield piece
