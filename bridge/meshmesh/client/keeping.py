"""Where a program's pairing token lies between its runs: the desktop's keyring, or a file that only the owner reads.

The file is `state/clients/<name>.json`, 0600 in a 0700 folder. It is used where there is no keyring, and always where
`MESHMESH_HOME` is set, since one keyring serves all homes of a user.
"""

import contextlib
import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from meshmesh import places, wire
from meshmesh.client.errors import Error
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import UnexpectedAnswer
from meshmesh.http1 import segment

_SERVICE = "meshmesh"
_MAX_FILE_NAME = 120
_REAL_BACKENDS = ("keyring.backends.SecretService", "keyring.backends.macOS", "keyring.backends.kwallet")


class Keeper(Protocol):
    """A place for one program's pairing token."""

    def load(self) -> str | None:
        """The token, or None where none is kept."""
        ...

    def store(self, token: str) -> None:
        """Keep a token in the place of an older one."""
        ...

    def forget(self) -> None:
        """Keep none."""
        ...


def keeper(program: str, environ: Mapping[str, str]) -> Keeper:
    """Where this program's token is kept.

    Args:
        program: its name.
        environ: the environment.
    """
    if not environ.get(wire.ENV_HOME) and _has_keyring():
        return KeyringKeeper(program)
    return FileKeeper(f"{places.folders(environ).state}/clients", program)


@dataclass(frozen=True, slots=True)
class FileKeeper:
    """A file for each program.

    Args:
        folder: where they lie.
        program: whose token it is.
    """

    folder: str
    program: str

    @property
    def path(self) -> str:
        """The file."""
        name = segment(self.program)
        if len(name) > _MAX_FILE_NAME:
            name = f"{name[:_MAX_FILE_NAME]}-{hashlib.sha256(name.encode()).hexdigest()[:16]}"
        return f"{self.folder}/{name}.json"

    def load(self) -> str | None:
        """See `Keeper`; what cannot be read is none."""
        try:
            with open(self.path, "rb") as file:
                return Document.parse(file.read()).optional_text("token") or None
        except (OSError, UnexpectedAnswer):
            return None

    def store(self, token: str) -> None:
        """See `Keeper`. A reader sees the old file or the new one, whenever the machine stops.

        Raises:
            Error: the file cannot be written.
        """
        draft = f"{self.path}.{os.getpid()}"
        try:
            os.makedirs(self.folder, mode=0o700, exist_ok=True)
            os.chmod(self.folder, 0o700)
            with contextlib.suppress(FileNotFoundError):
                os.unlink(draft)
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
                json.dump({"name": self.program, "token": token}, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(draft, self.path)
        except OSError as error:
            raise _not_kept(f"{error.strerror or error}: {self.path}") from None

    def forget(self) -> None:
        """See `Keeper`."""
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)


@dataclass(frozen=True, slots=True)
class KeyringKeeper:
    """An entry of the desktop's keyring.

    Args:
        program: whose token it is.
    """

    program: str

    def load(self) -> str | None:
        """See `Keeper`; a keyring that is locked, or gone, holds none."""
        import keyring
        import keyring.errors

        try:
            return keyring.get_password(_SERVICE, self._entry)
        except keyring.errors.KeyringError:
            return None

    def store(self, token: str) -> None:
        """See `Keeper`.

        Raises:
            Error: the keyring does not take it.
        """
        import keyring
        import keyring.errors

        try:
            keyring.set_password(_SERVICE, self._entry, token)
        except keyring.errors.KeyringError as error:
            raise _not_kept(f"The keyring says: {error}") from None

    def forget(self) -> None:
        """See `Keeper`."""
        import keyring
        import keyring.errors

        with contextlib.suppress(keyring.errors.KeyringError):
            keyring.delete_password(_SERVICE, self._entry)

    @property
    def _entry(self) -> str:
        return f"client: {self.program}"


def _has_keyring() -> bool:
    """Whether there is a keyring that keeps secrets; keyrings in plain files, and the one that always fails, are none."""
    try:
        import keyring
    except ImportError:
        return False
    return type(keyring.get_keyring()).__module__.startswith(_REAL_BACKENDS)


def _not_kept(why: str) -> Error:
    step = "Run it under: meshmesh exec NAME -- COMMAND, or mend that and pair again."
    return Error("The pairing token could not be kept.", why, step, Exit.CANNOT_WRITE)
