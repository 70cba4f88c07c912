"""What a disk may refuse, and who waits for that to be over."""

import asyncio

from meshmesh_storage.errors import VaultError


class Ailing:
    """Something that is kept on a disk. `trouble` is what was last refused, None while all is well."""

    def __init__(self) -> None:
        self._trouble: VaultError | None = None
        self._ill = asyncio.Event()

    @property
    def trouble(self) -> VaultError | None:
        """What was last refused, until it is over."""
        return self._trouble

    @trouble.setter
    def trouble(self, trouble: VaultError | None) -> None:
        self._trouble = trouble
        if trouble is None:
            self._ill.clear()
        else:
            self._ill.set()

    async def falls_ill(self) -> None:
        """Wait until there is trouble."""
        await self._ill.wait()
