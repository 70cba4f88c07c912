"""The head of a vault: what tells which vault it is and whether a key is the right one.

It is read without a byte written. SQLite itself would not do that: to read a database with a write-ahead log it makes
an index file, and at the end it folds the log into the database. So where there is no log the database is opened as
immutable, and where there is one (after a crash), a copy is read.
"""

import hmac
import json
import shutil
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from meshmesh_storage import first_layout, schema
from meshmesh_storage.database import damaged, in_our_words, restore, uri
from meshmesh_storage.digest import Value
from meshmesh_storage.errors import SchemaTooNew, VaultCorrupt, WrongKey
from meshmesh_storage.sealing import LOOKUP_KEY, Lookup, SealBroken, Sealer, VaultKeys, Wrapper, key_check, unwrap

Note = Mapping[str, object]  # what a vault remembers of where its key is kept; in the clear, and no secret
KEY_FILE_NOTE: Note = {"kind": "file"}  # of the vaults that were made before there was another source


@dataclass(frozen=True, slots=True)
class Header:
    """A vault's format, id, key check and wrapped keys.

    `note` tells where its master key is kept. `written` is the digest's version, which grows with each write. `is_first`
    says that it has the layout of the very first version.
    """

    version: int
    vault_id: bytes
    key_check: bytes
    wrapped: Mapping[int, bytes]
    note: Note = field(default_factory=lambda: KEY_FILE_NOTE)
    written: int = 0
    is_first: bool = False

    @property
    def is_latest(self) -> bool:
        """Whether its layout is today's, and nothing has to be brought up to date."""
        return self.version == schema.LATEST and not self.is_first

    def unlock(self, master_key: bytes, folder: Path) -> VaultKeys:
        """The keys of the vault.

        Args:
            master_key: the key that is tried.
            folder: the vault's, for the sentence.

        Raises:
            WrongKey: it is another vault's.
            VaultCorrupt: the key is right, what it wraps is damaged.
        """
        if not hmac.compare_digest(key_check(master_key, self.vault_id), self.key_check):
            raise WrongKey(
                f"The key does not belong to the vault in {folder}. Nothing was changed.",
                "Put the right key back, or restore the vault that belongs to this key.",
            )
        try:
            if self.is_first:
                return first_layout.unlock(master_key, self.vault_id, self.wrapped)
            keys = {
                key_id: unwrap(master_key, key_id, self.vault_id, wrapped) for key_id, wrapped in self.wrapped.items()
            }
            lookup = Lookup(keys.pop(LOOKUP_KEY))
            return VaultKeys(Sealer(keys, max(keys)), lookup, Wrapper(master_key, self.vault_id))
        except (SealBroken, KeyError, ValueError):
            raise damaged(folder, "its keys are not whole") from None


def read(path: Path) -> Header:
    """The header of the vault file at a path.

    Raises:
        VaultCorrupt: it is damaged, or no vault.
        SchemaTooNew: a newer version wrote it.
    """
    log = path.with_name(f"{path.name}-wal")
    if not log.exists() or log.stat().st_size == 0:
        return _read(uri(path, "mode=ro&immutable=1"), path.parent)
    copies = path.with_name(f"{path.name}.look")
    shutil.rmtree(copies, ignore_errors=True)
    copies.mkdir(mode=0o700)
    try:
        for file in (path, log):
            shutil.copyfile(file, copies / file.name)
        return _read(uri(copies / path.name, "mode=rw"), path.parent)
    finally:
        shutil.rmtree(copies)


def _read(name: str, folder: Path) -> Header:
    try:
        with closing(sqlite3.connect(name, uri=True, isolation_level=None)) as db:
            version = _version(db, folder)
            meta: dict[str, bytes] = dict(db.execute("SELECT key, CAST(value AS BLOB) FROM meta"))
            first = bool(db.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (first_layout.TABLE,)).fetchone())
            table = first_layout.TABLE if first else "keys"
            wrapped: dict[int, bytes] = dict(db.execute(f"SELECT id, CAST(wrapped AS BLOB) FROM {table}"))  # noqa: S608
            written = 0 if first else db.execute("SELECT CAST(max(version) AS INTEGER) FROM digest").fetchone()[0] or 0
            note = _note(meta.get("key_source"), folder)
            return Header(version, meta["vault_id"], meta["key_check"], wrapped, note, written, first)
    except KeyError as missing:
        raise damaged(folder, f"it has no {missing}") from None
    except UnicodeDecodeError:  # SQLite quotes what it finds in place of a statement
        raise damaged(folder, "what should be text is none") from None
    except sqlite3.DatabaseError as error:
        no_such_table = error.sqlite_errorcode == sqlite3.SQLITE_ERROR
        raise damaged(folder, str(error)) if no_such_table else in_our_words(error, folder) from None


def _note(raw: bytes | None, folder: Path) -> Note:
    if raw is None:
        return KEY_FILE_NOTE
    try:
        note: object = json.loads(raw)
    except ValueError:
        note = None
    if not isinstance(note, dict):
        raise damaged(folder, "it does not tell where its key is")
    return cast("Note", note)


def _version(db: sqlite3.Connection, folder: Path) -> int:
    (application,) = db.execute("PRAGMA application_id").fetchone()
    (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != schema.APPLICATION_ID or version < 1:
        raise VaultCorrupt(f"The database in {folder} is not a vault of MeshMesh's.", restore(folder))
    if version > schema.LATEST:
        raise SchemaTooNew(
            f"A newer MeshMesh wrote this vault (format {version}, known here: {schema.LATEST}).",
            "Install that version again.",
        )
    return int(version)


def rewrapping(keys: VaultKeys, wrapper: Wrapper, note: Note) -> list[tuple[str, tuple[Value, ...]]]:
    """The statements, for one transaction, that put a vault under another master key.

    Args:
        keys: the vault's.
        wrapper: of the new master key.
        note: where that one is kept.
    """
    put = "INSERT INTO meta VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value"
    wrap = "UPDATE keys SET wrapped = ? WHERE id = ?"
    return [
        (put, ("key_check", wrapper.check)),
        (put, ("key_source", note_bytes(note))),
        *((wrap, (wrapped, key_id)) for key_id, wrapped in keys.wrapped(wrapper).items()),
    ]


def note_bytes(note: Note) -> bytes:
    """A note as it stands in the row `key_source`."""
    return json.dumps(dict(note), sort_keys=True, separators=(",", ":")).encode()
