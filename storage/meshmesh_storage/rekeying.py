"""Other keys for a vault that is open: another master key, or another data key with all that stands under the old one.

A new data key is in the vault before anything is sealed with it, and an old one leaves when nothing stands under it any
more and that is on disk. So a crash at any moment leaves a vault that opens, and `reseal` goes on where it was cut.
"""

from datetime import datetime

from meshmesh_storage import schema
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.header import rewrapping
from meshmesh_storage.keys import KeySource
from meshmesh_storage.sealing import Wrapper, random_key
from meshmesh_storage.unbroken import to_the_end
from meshmesh_storage.vault import Vault

ROWS_AT_ONCE = 100  # in one transaction, so that others wait for milliseconds


async def move(vault: Vault, source: KeySource) -> None:
    """Put the vault under a master key of another source; the old source still has its key when this returns.

    Args:
        vault: open.
        source: has a key already, or is asked to make one.

    Raises:
        VaultError: nothing was changed, but that the source may hold a key which opens nothing.
    """
    key = await source.load() or await source.create()
    await to_the_end(_rewrap(vault, Wrapper(key, vault.keys.wrapper.vault_id), source))


async def _rewrap(vault: Vault, wrapper: Wrapper, source: KeySource) -> None:
    async with vault.transaction() as tx:
        await tx.rekey(rewrapping(vault.keys, wrapper, source.note))
    vault.keys.wrapper = wrapper


async def add_data_key(vault: Vault, *, now: datetime) -> None:
    """Begin to seal with a new data key; `reseal` does the rest.

    Raises:
        VaultError: nothing was changed.
    """
    await to_the_end(_add(vault, now))


async def _add(vault: Vault, now: datetime) -> None:
    key = random_key()
    async with vault.transaction() as tx:
        key_id = max(await tx.key_ids()) + 1
        row = (key_id, vault.keys.wrapper.wrap(key_id, key), now.isoformat())
        await tx.rekey([("INSERT INTO keys VALUES (?, ?, ?)", row)])
    vault.sealer.adopt(key_id, key)


def is_pending(vault: Vault) -> bool:
    """Whether there are older data keys, and so something to reseal: a rotation was begun and is not at its end."""
    return len(vault.sealer.ids) > 1


async def reseal(vault: Vault, activity: ActivityLog) -> None:
    """Seal everything anew that stands under an older data key, step by step, and then take the older keys away.

    Others read and write meanwhile. Cut at any moment, it is called again and goes on.

    Raises:
        VaultError: the disk did not take a step; what was done before it stays done.
    """
    for table in schema.TABLES:
        if table.sealed:
            while await _step(vault, table):
                pass
    place: int | None = 0
    while place is not None:
        place = await activity.reseal(place)
    await to_the_end(_drop_old(vault))


async def _step(vault: Vault, table: schema.Table) -> bool:
    async with vault.transaction() as tx:
        return await tx.reseal(table, ROWS_AT_ONCE) == ROWS_AT_ONCE


async def _drop_old(vault: Vault) -> None:
    async with vault.transaction() as tx:
        await tx.rekey([("DELETE FROM keys WHERE id != 0 AND id < ?", (vault.sealer.current,))])
    vault.sealer.keep_only_current()
    await vault.purge()
