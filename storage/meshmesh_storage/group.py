"""Transactions that go to disk with one COMMIT: it costs as much for a hundred as for one.

They run one after the other, each sees what those before it changed, and one that fails takes back its own changes
only. None of them is believed, by its caller or by us, before the COMMIT of all has ended well.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiosqlite

from meshmesh_storage import database
from meshmesh_storage.digest import Ledger
from meshmesh_storage.errors import VaultError, VaultUnwritable
from meshmesh_storage.known import Known, Layer
from meshmesh_storage.sealing import VaultKeys
from meshmesh_storage.transaction import Transaction
from meshmesh_storage.unbroken import to_the_end

MOST_BLOCKS = 128  # so that the first of them does not wait for ever on those that come


class Group:
    """An open group.

    `end` has a result when all of it is on disk, or the error for which nothing of it is. `sound` is whether SQLite did all
    that it was told to do.

    Args:
        db: the open database, inside BEGIN.
        keys: seal, open and find.
        known: what is on disk, proven.
    """

    def __init__(self, db: aiosqlite.Connection, keys: VaultKeys, known: Known) -> None:
        self._db = db
        self._keys = keys
        self._known = known
        self._layer = Layer(known)
        self._blocks = 0
        self.sound = True
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def is_full(self) -> bool:
        """Whether nobody else is taken in."""
        return self._blocks >= MOST_BLOCKS

    @property
    def changed(self) -> bool:
        """Whether there is anything to write."""
        return self._layer.changed

    @asynccontextmanager
    async def block(self) -> AsyncGenerator[Transaction, None]:
        """One transaction; its changes belong to the group where it ends well.

        Raises:
            VaultUnwritable: SQLite did not do what it was told, and the block did not say so; the group is not sound.
        """
        self._blocks += 1
        tx = Transaction(self._db, self._keys, self._layer)
        try:
            yield tx
        except BaseException:
            tx.end()
            await to_the_end(tx.undo())
            raise
        finally:
            tx.end()
            self.sound = self.sound and tx.sound
        if not tx.sound:
            raise _interrupted()
        self._layer.merge(tx.layer)

    async def commit(self) -> None:
        """Bring all of it to disk.

        Raises:
            sqlite3.Error: nothing of it is to be believed, nor what is known.
        """
        statements = self._layer.take_untold()
        ledger = self._known.ledger
        if self._layer.changed:
            ledger = Ledger(ledger.version + 1, {**ledger.digests, **self._layer.digests})
            sealed = ledger.seal(self._keys.sealer)
            statements.append(("UPDATE digest SET version = ?, sealed = ?", (ledger.version, sealed)))
        await database.run(self._db, statements)
        await self._db.execute_fetchall("COMMIT")
        self._known.take(self._layer, ledger)

    def fail(self, error: BaseException) -> None:
        """Tell everybody in it that nothing of it is on disk."""
        self.end.set_exception(error if isinstance(error, VaultError) else _interrupted())
        self.end.exception()  # seen, also where nobody waits any more


def _interrupted() -> VaultUnwritable:
    return VaultUnwritable("A write to the vault was interrupted; all that went with it was undone.", "Try again.")
