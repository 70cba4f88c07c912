"""The activity's file: made, recognised, and its errors in our words."""

import asyncio
import os
import shlex
import sqlite3
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage import database
from meshmesh_storage.activity_tail import SUFFIX
from meshmesh_storage.errors import SchemaTooNew, VaultCorrupt, VaultError, VaultTampered, VaultUnwritable
from meshmesh_storage.paths import FILE_MODE, private_file

APPLICATION_ID = 0x4D4D4131  # "MMA1"
FORMAT = 1
_CREATE = "CREATE TABLE activity (seq INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT"


async def connect(path: Path) -> aiosqlite.Connection:
    """The open file, which is made where there is none.

    Raises:
        VaultError: it cannot be opened, or others may read it.
    """
    try:
        await asyncio.to_thread(_ensure, path)
        return await database.connect(path)
    except (OSError, sqlite3.Error) as error:
        raise in_our_words(error, path) from None


def _ensure(path: Path) -> None:
    """An empty private file where there is none; SQLite gives its log the same mode."""
    for suffix in ("", *database.SIDE_FILES, SUFFIX):
        private_file(path.with_name(path.name + suffix))
    if path.exists():
        return
    if any(path.with_name(path.name + suffix).exists() for suffix in database.SIDE_FILES):
        raise VaultCorrupt(f"{path} is not there, and its log is.", _move_away(path))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE))


async def is_new(db: aiosqlite.Connection, path: Path) -> bool:
    """Whether there is nothing in it yet.

    Raises:
        VaultError: there is something that is not ours, or not as we left it.
    """
    layout = await db.execute_fetchall("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
    found = [str(row[0]) for row in layout]
    kind = await database.value(db, "PRAGMA application_id")
    version = cast("int", await database.value(db, "PRAGMA user_version"))
    if not found and kind == 0:
        return True
    if kind != APPLICATION_ID:
        raise VaultCorrupt(f"{path} is not an activity of MeshMesh's.", _move_away(path))
    if version > FORMAT:
        raise SchemaTooNew(f"A newer MeshMesh wrote {path} (format {version}).", "Install that version again.")
    if found != [_CREATE]:
        raise VaultTampered(f"The layout of {path} was changed outside MeshMesh.", _move_away(path))
    return False


async def found(db: aiosqlite.Connection, ends: tuple[int, bytes]) -> None:
    """Begin it.

    Args:
        db: new.
        ends: the row of the ends of the chain.
    """
    await db.execute_fetchall("BEGIN IMMEDIATE")
    await db.execute_fetchall(_CREATE)
    await db.execute_fetchall("INSERT INTO activity VALUES (?, ?)", ends)
    await db.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
    await db.execute_fetchall(f"PRAGMA user_version = {FORMAT}")
    await db.execute_fetchall("COMMIT")


def in_our_words(error: OSError | sqlite3.Error, path: Path) -> VaultError:
    """An error of the disk or of SQLite's, with its next step."""
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}:
        return VaultCorrupt(f"The activity in {path} is damaged ({error}).", _move_away(path))
    return VaultUnwritable(
        f"The activity in {path} cannot be read or written ({error}).",
        f"Look at the disk space and rights of {path.parent}.",
    )


def _move_away(path: Path) -> str:
    folder, name = shlex.quote(str(path.with_suffix(".old"))), shlex.quote(str(path))
    return f"Put a backup back, or keep it aside and begin a new one: mkdir {folder} && mv {name}* {folder}"
