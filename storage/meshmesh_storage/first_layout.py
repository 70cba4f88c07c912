"""Vaults of the very first version: read as they are, and brought to the layout of format 1 when they are opened.

There the data key was the look-up key too, each table had a sealed digest of its own, and both had other tables. Rows,
hashes of names and MACs of rows are the same, so a vault keeps its rows and gets its old data key as its look-up key.
Attempts to sign in that were under way then are dropped: they lived for ten minutes, and knew their app otherwise.
"""

import struct
from collections.abc import AsyncIterator, Mapping
from datetime import datetime
from typing import cast

import aiosqlite

from meshmesh_storage import database, schema
from meshmesh_storage.digest import Digest, Ledger, table_digest
from meshmesh_storage.sealing import Lookup, Place, Sealer, VaultKeys, Wrapper, unwrap_first

TABLE = "data_keys"  # no later layout has it
_TABLES = (schema.APPS, schema.CONNECTIONS, schema.CLIENTS, schema.SIGN_INS, schema.ROTATIONS)
_NEW = ("CREATE TABLE keys ", "CREATE TABLE digest ")
_COUNT = struct.Struct(">q")


def unlock(master_key: bytes, vault_id: bytes, wrapped: Mapping[int, bytes]) -> VaultKeys:
    """The keys of such a vault, as a later one has them.

    Args:
        master_key: fits the vault.
        vault_id: the vault's.
        wrapped: its data keys.

    Raises:
        SealBroken, ValueError: they are damaged.
    """
    keys = {key_id: unwrap_first(master_key, key_id, vault_id, one) for key_id, one in wrapped.items()}
    return VaultKeys(Sealer(keys, max(keys)), Lookup(keys[max(keys)]), Wrapper(master_key, vault_id))


async def convert(db: aiosqlite.Connection, keys: VaultKeys, now: datetime) -> bool:
    """Bring the vault to the layout of format 1, inside the transaction that looks at all of it.

    Args:
        db: open, inside BEGIN.
        keys: the vault's.
        now: the time.

    Returns:
        Whether its rows were as its digests say; if not, nothing of it is to be believed, and nothing committed.

    Raises:
        SealBroken: a digest was changed.
    """
    digests = {name: digest async for name, digest in _digests(db, keys.sealer)}
    for table in _TABLES:
        found = await database.fetch(db, f"SELECT {', '.join(table.columns)} FROM {table.name}")  # noqa: S608 - our own names
        if table_digest(keys.lookup.digest_key, table.name, found) != digests.get(table.name, Digest()):
            return False
    for statement in schema.MIGRATIONS[0]:
        if statement.startswith(_NEW):
            await db.execute_fetchall(statement)
    for key_id, wrapped in keys.wrapped(keys.wrapper).items():
        created = now.isoformat()
        await db.execute_fetchall("INSERT INTO keys VALUES (?, ?, ?)", (key_id, wrapped, created))
    digests.pop(schema.SIGN_INS.name, None)
    ledger = Ledger(1, digests)
    await db.execute_fetchall("INSERT INTO digest VALUES (1, ?, ?)", (ledger.version, ledger.seal(keys.sealer)))
    for statement in ("DELETE FROM sign_ins", f"DROP TABLE {TABLE}", "DROP TABLE digests"):
        await db.execute_fetchall(statement)
    return True


async def _digests(db: aiosqlite.Connection, sealer: Sealer) -> AsyncIterator[tuple[str, Digest]]:
    for name, version, sealed in await database.fetch(db, "SELECT id, version, sealed FROM digests"):
        place = Place("digests", cast("str", name), "sealed", cast("int", version))
        raw = sealer.open(cast("bytes", sealed), place)
        yield cast("str", name), Digest(int.from_bytes(raw[:32], "big"), _COUNT.unpack(raw[32:])[0])
