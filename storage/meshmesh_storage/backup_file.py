"""The file that a backup is: sealed under a passphrase, piece by piece, so that it is never whole in memory.

The head tells what a try of the passphrase costs; it is bound to every piece. A piece cannot be changed, left out, moved
or added: its number, and whether it is the last one, are its nonce. Format in `FORMAT.md`, with a vector.
"""

import hashlib
import os
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import BinaryIO

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from meshmesh_storage.errors import BackupBroken
from meshmesh_storage.passphrase import SALT_BYTES, STRONG, Cost, derive_key
from meshmesh_storage.sealing import derive

MAGIC = b"meshmesh-backup\n"
FORMAT = 1
PIECE = 64 * 1024
_TAG = 16
_NUMBERS = struct.Struct(">IIII")  # format, KiB, iterations, lanes
_HEAD_BYTES = len(MAGIC) + _NUMBERS.size + SALT_BYTES
_OTHER = "Take another backup, or a newer MeshMesh."


@dataclass(frozen=True, slots=True)
class Head:
    """What stands in clear before the pieces."""

    cost: Cost
    salt: bytes

    def to_bytes(self) -> bytes:
        """As it is written."""
        cost = self.cost
        return MAGIC + _NUMBERS.pack(FORMAT, cost.memory_kib, cost.iterations, cost.lanes) + self.salt

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Head":
        """What `to_bytes` gave.

        Raises:
            BackupBroken: it is something else.
        """
        if len(raw) < _HEAD_BYTES or not raw.startswith(MAGIC):
            raise BackupBroken("This file is no backup of MeshMesh's.", "Look for the right file.")
        number, *costs = _NUMBERS.unpack_from(raw, len(MAGIC))
        if number != FORMAT:
            raise BackupBroken(f"This backup has format {number}; known here: {FORMAT}.", _OTHER)
        cost = Cost(*costs)
        if not cost.bearable:
            raise BackupBroken("This backup asks for more than is ever taken to try a passphrase.", _OTHER)
        return cls(cost, raw[-SALT_BYTES:])


class Cipher:
    """Seals and opens the pieces of one file. Making it is what costs; a passphrase is tried by that.

    Args:
        head: the file's; where it is to be written, its salt must never have been used before.
        passphrase: the file's.
    """

    def __init__(self, head: Head, passphrase: str) -> None:
        self.head = head.to_bytes()
        self._aead = AESGCM(derive(derive_key(passphrase, head.salt, head.cost), "backup"))
        self._bound_to = b"meshmesh.v1.backup" + hashlib.sha256(self.head).digest()

    def seal(self, number: int, piece: bytes, *, last: bool) -> bytes:
        """A piece, sealed."""
        return self._aead.encrypt(_nonce(number, last=last), piece, self._bound_to)

    def open(self, number: int, sealed: bytes, *, last: bool) -> bytes:
        """What `seal` gave.

        Raises:
            InvalidTag: it is not.
        """
        return self._aead.decrypt(_nonce(number, last=last), sealed, self._bound_to)


def new_cipher(passphrase: str) -> Cipher:
    """A cipher for a file that is to be written. Slow on purpose, so never on the loop."""
    return Cipher(Head(STRONG, os.urandom(SALT_BYTES)), passphrase)


def _nonce(number: int, *, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])


def write(file: BinaryIO, content: Iterable[bytes], cipher: Cipher) -> None:
    """Seal content into a file.

    Args:
        file: where.
        content: in parts of any size.
        cipher: not used before.
    """
    file.write(cipher.head)
    number, waiting = 0, b""
    for part in content:
        waiting += part
        while len(waiting) > PIECE:
            file.write(cipher.seal(number, waiting[:PIECE], last=False))
            number, waiting = number + 1, waiting[PIECE:]
    file.write(cipher.seal(number, waiting, last=True))


def read(file: BinaryIO, key: str | Cipher) -> Iterator[bytes]:
    """The content of a file, piece by piece; a piece is proven before it is given.

    Only when the iteration ends by itself is the file known to be whole.

    Args:
        file: at its beginning.
        key: the passphrase; or, for a file that was just written, the cipher it was written with.

    Raises:
        BackupBroken: it is no backup, or not a whole one, or of another passphrase.
    """
    head = Head.from_bytes(file.read(_HEAD_BYTES))
    cipher = Cipher(head, key) if isinstance(key, str) else key
    if cipher.head != head.to_bytes():
        raise _broken(0)
    number, sealed = 0, file.read(PIECE + _TAG)
    while True:
        following = file.read(PIECE + _TAG)
        try:
            yield cipher.open(number, sealed, last=not following)
        except InvalidTag:
            raise _broken(number) from None
        if not following:
            return
        number, sealed = number + 1, following


def _broken(number: int) -> BackupBroken:
    if number == 0:
        return BackupBroken("The passphrase is not that of this backup, or the file is damaged.", "Try again.")
    return BackupBroken("The backup is damaged: a part of it was changed, or is missing.", "Take another backup.")
