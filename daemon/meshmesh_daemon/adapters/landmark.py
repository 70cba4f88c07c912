"""A mark, kept apart from the vault, that there is one: a folder that is empty is then no place for a new vault.

A disk that is not mounted leaves an empty folder behind, and what is made in it is lost to view when the disk comes back.
"""

import asyncio
from pathlib import Path

from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.paths import create_private_file, read_private_file

LANDMARK = "vault.id"  # the file's name


class Landmark:
    """The id of the vault that was last open here. It is no secret.

    Args:
        path: the file, in another private folder than the vault's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    async def check(self, folder: Path) -> None:
        """Refuse a folder without a vault where there was one before.

        Raises:
            VaultUnwritable: it is not there any more.
        """
        if await asyncio.to_thread(read_private_file, self._path) is not None:
            raise VaultUnwritable(
                f"The vault that was in {folder} is not there any more.",
                f"Is its disk away? Put it back, or restore a backup: meshmesh restore FILE. To begin anew: rm {self._path}",
            )

    async def set(self, vault_id: bytes) -> None:
        """The vault is open."""
        await asyncio.to_thread(self._write, vault_id.hex().encode() + b"\n")

    def _write(self, content: bytes) -> None:
        if read_private_file(self._path) != content:
            self._path.unlink(missing_ok=True)
            create_private_file(self._path, content)
