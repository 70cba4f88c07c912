"""The master key as a systemd credential (systemd.exec(5)): the unit names it, systemd hands it to the service alone.

It is made by the person, never by us: `LoadCredential=meshmesh-master-key:PATH` with base64 of 32 random bytes.
"""

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

from meshmesh_storage.errors import KeyUnavailable
from meshmesh_storage.keys import KEY_BYTES, decoded

NAME = "meshmesh-master-key"
_MOST_BYTES = 256
_HOW = f"Name it in the unit: LoadCredential={NAME}:PATH, where PATH holds the output of: openssl rand -base64 32"


class CredentialKey:
    """A key in the folder of the service's credentials.

    Args:
        folder: `$CREDENTIALS_DIRECTORY`; None where systemd gave none.
    """

    kind = "credential"
    note: Mapping[str, object] = {"kind": kind}

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    async def load(self) -> bytes | None:
        """The key, or None where the unit names none.

        Raises:
            KeyUnavailable: the credential holds no key, or cannot be read.
        """
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes | None:
        if self._folder is None:
            return None
        try:
            descriptor = os.open(self._folder / NAME, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise KeyUnavailable(f"The credential {NAME} cannot be read ({error.strerror}).", _HOW) from None
        with os.fdopen(descriptor, "rb") as file:
            content = file.read(_MOST_BYTES)
        key = content if len(content) == KEY_BYTES else decoded(content)
        if key is None:
            raise KeyUnavailable(f"The credential {NAME} does not hold a key of 32 bytes.", _HOW)
        return key

    async def create(self) -> bytes:
        """Refused: the service cannot make one for itself.

        Raises:
            KeyUnavailable: always, with how to make one.
        """
        raise KeyUnavailable(f"systemd gave the service no credential {NAME}.", _HOW)

    async def forget(self) -> None:
        """It is the person's, and stays."""
