"""A new vault, whole or not at all: it is made under another name and gets its own when it is on disk.

So a vault file that is empty or half made is never the trace of our own crash, and is refused as damaged.
"""

import os
import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from meshmesh_storage import paths, schema
from meshmesh_storage.database import SIDE_FILES
from meshmesh_storage.digest import Ledger
from meshmesh_storage.header import Note, note_bytes
from meshmesh_storage.sealing import KEY_BYTES, LOOKUP_KEY, Sealer, key_check, wrap

FIRST_DATA_KEY = 1


def found(path: Path, master_key: bytes, note: Note, now: datetime) -> None:
    """Make a vault.

    Args:
        path: the vault file; nothing may stand there yet.
        master_key: is kept already, so that no vault is ever without its key.
        note: where it is kept.
        now: the time.

    Raises:
        FileExistsError: something stands there.
        OSError: the disk did not take it.
        sqlite3.Error: the same, by SQLite's word.
    """
    unfinished = paths.draft(path)
    for suffix in SIDE_FILES:
        unfinished.with_name(unfinished.name + suffix).unlink(missing_ok=True)
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, paths.FILE_MODE))
    with closing(sqlite3.connect(unfinished, isolation_level=None)) as db:
        db.execute("PRAGMA synchronous = FULL")
        db.execute("BEGIN IMMEDIATE")
        _fill(db, master_key, note, now)
        db.execute("COMMIT")
        db.execute("PRAGMA journal_mode = WAL")
    paths.publish(unfinished, path)


def _fill(db: sqlite3.Connection, master_key: bytes, note: Note, now: datetime) -> None:
    for migration in schema.MIGRATIONS:
        for statement in migration:
            db.execute(statement)
    vault_id, lookup_key, data_key = os.urandom(16), os.urandom(KEY_BYTES), os.urandom(KEY_BYTES)
    meta = {"vault_id": vault_id, "key_check": key_check(master_key, vault_id), "key_source": note_bytes(note)}
    db.executemany("INSERT INTO meta VALUES (?, ?)", list(meta.items()))
    for key_id, key in ((LOOKUP_KEY, lookup_key), (FIRST_DATA_KEY, data_key)):
        wrapped = wrap(master_key, key_id, vault_id, key)
        db.execute("INSERT INTO keys VALUES (?, ?, ?)", (key_id, wrapped, now.isoformat()))
    ledger = Ledger(version=1)
    sealed = ledger.seal(Sealer({FIRST_DATA_KEY: data_key}, FIRST_DATA_KEY))
    db.execute("INSERT INTO digest VALUES (1, ?, ?)", (ledger.version, sealed))
    db.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    db.execute(f"PRAGMA user_version = {schema.LATEST}")
