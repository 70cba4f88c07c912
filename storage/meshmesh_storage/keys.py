"""Where the master key comes from: one interface, one small class a source.

The key file is here; a keyring, a systemd credential and a passphrase stand behind the same interface, each in a module
of its own. A source never replaces a key by another: a new one gets a place of its own, so that whatever was cut half way,
the key of the vault is where it was.
"""

import asyncio
import base64
import binascii
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from meshmesh_storage.errors import KeyUnavailable, UnsafePath
from meshmesh_storage.paths import create_private_file, draft, private_folder, read_private_file

KEY_BYTES = 32  # AES-256


class KeySource(Protocol):
    """Gives the master key of a vault."""

    @property
    def kind(self) -> str:
        """One word for the status: `file`, `keyring`, ..."""
        ...

    @property
    def note(self) -> Mapping[str, object]:
        """What the vault remembers of the source, in the clear: its kind, and what finds the key there."""
        ...

    async def load(self) -> bytes | None:
        """The key (32 bytes), or None where there is none yet.

        Raises:
            KeyUnavailable: there is one, and it cannot be had now.
        """
        ...

    async def create(self) -> bytes:
        """Make and keep a new key; never over an existing one.

        Raises:
            KeyUnavailable: the source cannot keep one.
        """
        ...

    async def forget(self) -> None:
        """Take the key away: the vault is under another one now. What cannot be taken away stays."""
        ...


class KeyFile:
    """A key in a 0600 file: base64 of 32 random bytes, one line.

    Args:
        path: the file; its folder is private and is not the vault's.
    """

    kind = "file"
    note: Mapping[str, object] = {"kind": kind}

    def __init__(self, path: Path) -> None:
        self._path = path

    async def load(self) -> bytes | None:
        """The key, or None where the file is missing."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes | None:
        private_folder(self._path.parent)
        try:
            content = read_private_file(self._path)
            if content is None:
                return None
            key = decoded(content)
        except OSError as error:
            raise KeyUnavailable(
                f"The key file {self._path} cannot be read ({error.strerror}).",
                f"Look at its rights: ls -l {self._path}",
            ) from None
        if key is None:
            raise KeyUnavailable(
                f"The key file {self._path} does not hold a key.", "Put back the right file from a backup."
            )
        draft(self._path)  # a crash right after the naming leaves the other name
        return key

    async def create(self) -> bytes:
        """A new key, on disk when this returns.

        Raises:
            FileExistsError: there is a key file already; it is left alone.
        """
        key = os.urandom(KEY_BYTES)
        await asyncio.to_thread(self._write, key)
        return key

    def _write(self, key: bytes) -> None:
        private_folder(self._path.parent)
        create_private_file(self._path, base64.b64encode(key) + b"\n")

    async def clear_damaged(self) -> None:
        """Move a file aside that holds no key, so that there is room for one; a key stays where it is."""
        try:
            await self.load()
        except UnsafePath:
            raise
        except KeyUnavailable:
            self._path.rename(self._path.with_name(f"{self._path.name}.damaged"))

    async def forget(self) -> None:
        """Overwrite the key, then remove the file. A disk may keep what was written before; SECURITY.md says so."""
        await asyncio.to_thread(self._remove)

    def _remove(self) -> None:
        with suppress(OSError):
            with self._path.open("r+b") as file:
                file.write(bytes(self._path.stat().st_size))
                file.flush()
                os.fsync(file.fileno())
            self._path.unlink()


def decoded(content: bytes) -> bytes | None:
    """The key that a source keeps as base64, or None where it is none."""
    try:
        key = base64.b64decode(content.strip(), validate=True)
    except binascii.Error:
        return None
    return key if len(key) == KEY_BYTES else None
