"""The first look at a vault's folder: what lies there, for which no key is needed."""

import asyncio
import sqlite3
from pathlib import Path

from meshmesh_storage import database, fingerprint, header, restored
from meshmesh_storage.errors import VaultError, VaultUnwritable
from meshmesh_storage.header import Header
from meshmesh_storage.paths import private_file, private_folder
from meshmesh_storage.unbroken import to_the_end


async def look(folder: Path, path: Path) -> Header | None:
    """The head of a vault, or None where there is none; see `Vault.look`.

    Args:
        folder: the vault's own.
        path: the file that the vault is, or would be.

    Raises:
        VaultError: unsafe paths, a newer format, a file that is no vault.
    """
    try:
        return await to_the_end(asyncio.to_thread(_inspect, folder, path))
    except (OSError, sqlite3.Error) as error:
        raise unreachable(error, folder) from None


def _inspect(folder: Path, path: Path) -> Header | None:
    """The header of the vault in a private folder, or None where there is no vault. Nothing of it is written."""
    private_folder(folder)
    restored.finish(folder)
    for name in (fingerprint.FILE_NAME, path.name, *(path.name + suffix for suffix in database.SIDE_FILES)):
        private_file(folder / name)
    if path.exists():
        return header.read(path)
    if any(path.with_name(path.name + suffix).exists() for suffix in database.SIDE_FILES):
        raise database.damaged(folder, f"its log is there, {path.name} is not")
    return None


def unreachable(error: OSError | sqlite3.Error, folder: Path) -> VaultError:
    """An error met at the folder, in our words."""
    if isinstance(error, sqlite3.Error):
        return database.in_our_words(error, folder)
    return VaultUnwritable(
        f"The vault in {folder} cannot be reached ({error.strerror}).",
        f"Look at the disk space and rights of {folder}.",
    )
