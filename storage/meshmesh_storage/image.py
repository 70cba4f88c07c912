"""A vault file that stands alone, read once into memory, so that what is hashed, proven and believed are the same bytes.

SQLite reads a page when it needs it; between two such looks a hand could change the file and change it back.

Invariant: a file is read here only while this process has no database open on it. Who closes a file gives up every lock
that the process holds on it (POSIX), SQLite's own among them, and another program could then take the log away.
"""

import asyncio
import hashlib
import sqlite3
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import cast

from meshmesh_storage.proving import Fetch
from meshmesh_storage.statements import Values
from meshmesh_storage.unbroken import to_the_end

_LOG_FORMAT = slice(18, 20)  # of the file's head: 2 where a log belongs to it, as no database in memory can have one
_WITHOUT_LOG = b"\x01\x01"
_PRAGMAS = ("trusted_schema = 0", "cell_size_check = 1", "cache_size = 16")  # pages: it is all in memory already


class Image:
    """The bytes of a vault file. Made by `Image.read`.

    `sha256` is of the file.
    """

    def __init__(self, content: bytearray) -> None:
        self.sha256 = hashlib.sha256(content).digest()
        self._content = content

    @classmethod
    def read(cls, path: Path) -> "Image | None":
        """The file at a path; None where a log belongs to it, or where this SQLite takes no database from memory.

        Raises:
            OSError: it cannot be read.
        """
        if not hasattr(sqlite3.Connection, "deserialize") or not stands_alone(path):
            return None
        return cls(bytearray(path.read_bytes()))

    @asynccontextmanager
    async def opened(self) -> AsyncGenerator[Fetch, None]:
        """SQLite upon the bytes, once, for the block; what it gives raises sqlite3.Error where they are damaged."""
        with closing(sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)) as db:

            async def fetch(statement: str) -> list[Values]:
                return await to_the_end(asyncio.to_thread(_fetch, db, statement))

            await to_the_end(asyncio.to_thread(self._fill, db))
            yield fetch

    def _fill(self, db: sqlite3.Connection) -> None:
        content, self._content = self._content, bytearray()
        content[_LOG_FORMAT] = _WITHOUT_LOG
        db.deserialize(content)
        for pragma in _PRAGMAS:
            db.execute(f"PRAGMA {pragma}")


def _fetch(db: sqlite3.Connection, statement: str) -> list[Values]:
    return cast("list[Values]", db.execute(statement).fetchall())


def stands_alone(path: Path) -> bool:
    """Whether all of a vault is in its file, and nothing of it in a log."""
    log = path.with_name(f"{path.name}-wal")
    return not log.exists() or log.stat().st_size == 0
