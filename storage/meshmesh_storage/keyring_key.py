"""The master key in the keyring of the desktop, behind a small protocol: the daemon has the way to the real one.

Every key has a name of its own, which the vault remembers, so no key is ever written over another, and a vault that is
carried elsewhere is not taken for the one that is there.
"""

import base64
import os
from collections.abc import Mapping
from contextlib import suppress
from typing import Protocol

from meshmesh_storage.errors import KeyUnavailable
from meshmesh_storage.keys import KEY_BYTES, decoded


class Keyring(Protocol):
    """Keeps texts under names. Each call ends in bounded time.

    Raises, all of them:
        KeyLocked: it is locked; nobody was asked to open it.
        KeyUnavailable: there is none that is a real one, or it does not answer.
    """

    async def get(self, name: str) -> str | None:
        """The text under a name, or None."""
        ...

    async def put(self, name: str, text: str) -> None:
        """Keep a text."""
        ...

    async def remove(self, name: str) -> None:
        """Forget a text."""
        ...


class KeyringKey:
    """A key in a keyring.

    Args:
        keyring: the keyring.
        name: what the vault remembers; None for a vault that is to get a key here.
    """

    kind = "keyring"

    def __init__(self, keyring: Keyring, name: str | None = None) -> None:
        self._keyring = keyring
        self._name = name

    @property
    def note(self) -> Mapping[str, object]:
        """The name under which the key is found."""
        return {"kind": self.kind, "name": self._name}

    async def load(self) -> bytes | None:
        """The key, or None where there is none under its name.

        Raises:
            KeyLocked: the keyring is locked.
            KeyUnavailable: it does not answer, or what it holds is no key.
        """
        text = await self._keyring.get(self._name) if self._name else None
        if text is None:
            return None
        key = decoded(text.encode())
        if key is None:
            raise KeyUnavailable(
                f"What the keyring holds under {self._name!r} is no key.", "Restore a backup: meshmeshd --restore FILE"
            )
        return key

    async def create(self) -> bytes:
        """A new key under a new name, read back before it is trusted.

        Raises:
            KeyLocked: the keyring is locked.
            KeyUnavailable: it does not answer, or does not keep what it is given.
        """
        self._name, key = f"vault {os.urandom(8).hex()}", os.urandom(KEY_BYTES)
        await self._keyring.put(self._name, base64.b64encode(key).decode())
        if await self.load() != key:
            raise KeyUnavailable(
                "The keyring does not keep what it is given.", 'Choose another: [vault] key = "file" in config.toml'
            )
        return key

    async def forget(self) -> None:
        """Take the key out of the keyring; one that cannot be reached keeps it, and it opens nothing any more."""
        if self._name is not None:
            with suppress(KeyUnavailable):
                await self._keyring.remove(self._name)
