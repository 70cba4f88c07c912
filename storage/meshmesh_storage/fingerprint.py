"""The fingerprint of a vault that was closed: what was proven then need not be proven again at the next opening.

When a vault is closed, its file is read once more and held against its digest, row by row; a hash of the file and the MACs
of its connections, sealed, are its fingerprint. A file with that hash is, byte for byte, the one that was proven. It is
only a saving: without one, or with one that does not open or does not fit, all is proven as if there had never been one.

Invariants: what is sealed is what was proven, never what only ought to be there, so that the end of a service does not
cover up what a hand did to the file behind its back. What is read while the hash is made is not believed for the hash
alone, since a hand could change it and change it back: connections are held against their MACs when they are opened, all
else at once.
"""

import asyncio
import hashlib
import sqlite3
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from meshmesh_storage.errors import VaultError
from meshmesh_storage.image import Image, stands_alone
from meshmesh_storage.known import Known
from meshmesh_storage.paths import create_private_file, read_private_file
from meshmesh_storage.proving import Fetch, Proof
from meshmesh_storage.sealing import Place, SealBroken, VaultKeys

FILE_NAME = "vault.fingerprint"
_HASH_BYTES = 32


class Fingerprint:
    """A vault's.

    Args:
        path: the vault's file.
        keys: the vault's.
    """

    def __init__(self, path: Path, keys: VaultKeys) -> None:
        self._path = path
        self._keys = keys
        self._file = path.with_name(FILE_NAME)
        self._held: BinaryIO | None = None
        self._stands_for: int | None = None  # the version of the digest under which it was believed

    async def believed(self, fetch: Fetch, written: int) -> Known | None:
        """What the vault holds, where its file still is the one that was proven; None where that is to be found out.

        Args:
            fetch: gives the rows of a statement, inside BEGIN IMMEDIATE: nobody else writes.
            written: the digest's version, by the head of the file.

        Raises:
            UnsafePath: the fingerprint is open to others.
        """
        with suppress(SealBroken, OSError):
            sealed = await asyncio.to_thread(read_private_file, self._file)
            if sealed is None or not await asyncio.to_thread(stands_alone, self._path):
                return None
            content = self._keys.sealer.open(sealed, place(written))
            reading = Proof(fetch, self._keys, self._path.parent).of_same(content[_HASH_BYTES:])
            hashed, known = await asyncio.gather(asyncio.to_thread(self._hash), reading, return_exceptions=True)
            if isinstance(known, Known) and hashed == content[:_HASH_BYTES]:
                self._stands_for = known.ledger.version
                return known
        return None  # and whatever went wrong comes up again, and is said, when all of it is proven

    def _hash(self) -> bytes:
        self._held = self._path.open("rb", buffering=0)
        return hashlib.file_digest(self._held, "sha256").digest()

    def let_go(self) -> None:
        """The database is closed.

        Until then the file that was hashed stays open: who closes a file gives up every lock that the process has on it
        (POSIX), SQLite's own among them, and another program could take the log away.
        """
        if self._held is not None:
            self._held.close()
            self._held = None

    async def renew(self, known: Known) -> None:
        """Prove the file of a vault that was closed, and keep its fingerprint. Where that does not go, there is none.

        Args:
            known: what the vault held when it was closed.
        """
        self.let_go()
        if known.ledger.version == self._stands_for:
            return
        with suppress(OSError, sqlite3.Error, VaultError, ValueError):
            image = await asyncio.to_thread(Image.read, self._path)
            if image is None:
                return
            async with image.opened() as fetch:
                proven = await Proof(fetch, self._keys, self._path.parent).of_all(known.ledger)
            sealed = self._keys.sealer.seal(image.sha256 + proven.macs(), place(proven.ledger.version))
            await asyncio.to_thread(self._keep, sealed)

    def _keep(self, sealed: bytes) -> None:
        self._file.unlink(missing_ok=True)
        create_private_file(self._file, sealed)


def place(version: int) -> Place:
    """Where a fingerprint is sealed for, by the version of the digest that it was made under."""
    return Place("fingerprint", "1", "sealed", version)
