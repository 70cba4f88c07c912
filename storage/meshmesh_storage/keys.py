"""Where the master key comes from: one interface, one small class a source.

The key file is the first source; a keyring, a systemd credential and a passphrase stand behind the same interface.
"""

import asyncio
import base64
import binascii
import os
from pathlib import Path
from typing import Protocol

from meshmesh_storage.errors import KeyUnavailable
from meshmesh_storage.paths import create_private_file, draft, private_folder, read_private_file

KEY_BYTES = 32  # AES-256


class KeySource(Protocol):
    """Gives the master key of a vault."""

    @property
    def kind(self) -> str:
        """One word for the status: `file`, `keyring`, ..."""
        ...

    async def load(self) -> bytes | None:
        """The key (32 bytes), or None where there is none yet.

        Raises:
            KeyUnavailable: there is one, and it cannot be had now.
        """
        ...

    async def create(self) -> bytes:
        """Make and keep a new key; never over an existing one."""
        ...


class KeyFile:
    """A key in a 0600 file: base64 of 32 random bytes, one line.

    Args:
        path: the file; its folder is private and is not the vault's.
    """

    kind = "file"

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
            key = base64.b64decode(content.strip(), validate=True)
        except OSError as error:
            raise KeyUnavailable(
                f"The key file {self._path} cannot be read ({error.strerror}).",
                f"Look at its rights: ls -l {self._path}",
            ) from None
        except binascii.Error:
            key = b""
        if len(key) != KEY_BYTES:
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
