"""The activity: an append-only file beside the vault, its rows sealed and chained, written a group at a time.

It is a database of its own so that a row never waits for the vault's fsync. synchronous=NORMAL: what was reported as
written outlives the death of the process at any moment; a power cut may take the last moments.

Invariants: a group of rows and the sealed end of the chain go to disk in one statement, so both or neither are there;
rows are never changed, and are removed only from the old end, after they were proven. Damage is told by `verify` and
never mended: a broken row stays where it is.
"""

import asyncio
import os
import shlex
import sqlite3
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import cast

import aiosqlite

from meshmesh_storage import database
from meshmesh_storage.activity_proof import Broken, Proof, Verdict
from meshmesh_storage.activity_rows import ENDS_SEQ, GENESIS, Ends, Entry, Link, Row, open_row, reseal_row, seal_row
from meshmesh_storage.errors import SchemaTooNew, VaultClosed, VaultCorrupt, VaultError, VaultTampered, VaultUnwritable
from meshmesh_storage.paths import FILE_MODE, private_file
from meshmesh_storage.sealing import Sealer
from meshmesh_storage.unbroken import to_the_end

FILE_NAME = "activity.db"
APPLICATION_ID = 0x4D4D4131  # "MMA1"
FORMAT = 1
MOST_AT_ONCE = 128  # rows in one statement
PIECE = 1000  # rows that are read or pruned at once
_LEAST = -(1 << 63)
_CREATE = "CREATE TABLE activity (seq INTEGER PRIMARY KEY, sealed BLOB NOT NULL) STRICT"
# A number that is taken makes the whole statement fail (NULL for NOT NULL); the ends alone, at 0, are replaced.
_APPEND = (
    "INSERT INTO activity (seq, sealed) VALUES {} ON CONFLICT (seq) DO UPDATE"
    " SET sealed = iif(excluded.seq = 0, excluded.sealed, NULL)"
)
_READ = "SELECT seq, sealed FROM activity WHERE seq >= ? AND seq <= ? AND seq != 0 ORDER BY seq LIMIT ?"

Stored = list[tuple[int, bytes]]


class ActivityLog:
    """The open file. Made by `ActivityLog.open`.

    Args:
        db: the open database.
        path: its file, for sentences.
        sealer: the vault's.
    """

    def __init__(self, db: aiosqlite.Connection, path: Path, sealer: Sealer) -> None:
        self._db = db
        self._path = path
        self._sealer = sealer
        self._ends = Ends()
        self._taken = 0  # the highest number in the file, also one that somebody else put there
        self._writing = asyncio.Lock()
        self._proving = asyncio.Lock()
        self._closed = False

    @classmethod
    async def open(cls, folder: Path, sealer: Sealer) -> "ActivityLog":
        """Open the activity in the vault's folder, or begin one there.

        Args:
            folder: the private folder of the open vault.
            sealer: the vault's.

        Raises:
            VaultError: each case with its next step. Rows that were changed are no reason to refuse: see `verify`.
        """
        path = folder / FILE_NAME
        try:
            await asyncio.to_thread(_ensure_file, path)
            db = await database.connect(path)
        except (OSError, sqlite3.Error) as error:
            raise _in_our_words(error, path) from None
        log = cls(db, path, sealer)
        try:
            await db.execute_fetchall("PRAGMA synchronous = NORMAL")
            await log._found_or_check()
            await log._find_ends()
        except BaseException as error:
            await database.close(db)
            if isinstance(error, sqlite3.Error):
                raise _in_our_words(error, path) from None
            raise
        return log

    async def close(self) -> None:
        """Close the file, after a write that is under way."""
        await to_the_end(self._close())

    async def _close(self) -> None:
        async with self._writing:
            if not self._closed:
                self._closed = True
                await self._db.close()

    @property
    def last(self) -> int:
        """The number of the newest row; 0 where there is none."""
        return self._ends.last.seq

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write a group of rows, at most `MOST_AT_ONCE`; they are committed when this returns.

        Raises:
            VaultUnwritable: none of them was written.
        """
        async with self._writing:
            self._refuse_if_closed()
            ends, rows = self._ends, Stored()
            for seq, entry in enumerate(entries, self._taken + 1):
                raw = entry.to_bytes(seq)
                link = Link(seq, ends.last.follow(raw))
                rows.append((seq, seal_row(self._sealer, seq, link.hash, raw)))
                ends = ends.ended_with(link)
            rows.append((ENDS_SEQ, ends.seal(self._sealer)))
            statement = _APPEND.format(", ".join(["(?, ?)"] * len(rows)))
            try:
                await self._db.execute_fetchall(statement, [value for row in rows for value in row])
            except asyncio.CancelledError:
                await to_the_end(self._look_again())  # the statement is executed all the same
                raise
            except sqlite3.IntegrityError:
                self._taken = await self._highest()
                raise VaultUnwritable(
                    f"Another program has written to {self._path}.", "Look for what it did: meshmesh activity --verify"
                ) from None
            except sqlite3.Error as error:
                raise _in_our_words(error, self._path) from None
            self._ends, self._taken = ends, ends.last.seq

    async def page(self, after: int, limit: int) -> list[Row]:
        """Rows in their order; one that does not open has no entry.

        Args:
            after: the number before the first one.
            limit: how many at most.

        Raises:
            VaultError: the file cannot be read.
        """
        stored = await self._read(max(after, 0) + 1, self._ends.last.seq, limit)
        return [open_row(self._sealer, seq, sealed) for seq, sealed in stored]

    async def verify(self) -> Verdict:
        """Prove the whole chain, or name what is wrong first. Rows that come meanwhile are not part of it.

        Raises:
            VaultError: the file cannot be read.
        """
        async with self._proving:
            async with self._writing:
                ends, taken, kept = self._ends, await self._highest(), await self._stored_ends()
            proof = Proof(self._sealer, ends)
            try:
                await self._walk(proof, ends.last.seq)
                return proof.finish(taken, kept)
            except Broken as broken:
                return Verdict(rows=proof.rows, bad_row=broken.seq, detail=str(broken))

    async def _walk(self, proof: Proof, last: int) -> None:
        begin = _LEAST
        while stored := await self._read(begin, last, PIECE):
            await asyncio.to_thread(proof.walk, stored)
            begin = stored[-1][0] + 1

    async def prune(self, before: datetime, most: int) -> bool:
        """Remove one piece of the oldest rows: those older than a time, or beyond a number of rows to keep.

        Only what is proven is removed, and the beginning of the chain moves with it; so a damaged row stays.

        Args:
            before: rows from earlier than this go.
            most: how many rows may stay.

        Returns:
            Whether there may be more to remove.

        Raises:
            VaultUnwritable: nothing was removed.
        """
        if self._proving.locked():
            return True
        async with self._proving, self._writing:
            self._refuse_if_closed()
            ends = self._ends
            keep = max(ends.last.seq - most, 0)
            stored = await self._read(ends.first.seq + 1, ends.last.seq, PIECE)
            first = await asyncio.to_thread(_proven_until, Proof(self._sealer, ends), stored, before, keep)
            if first is None:
                return False
            await self._remove(ends.begun_after(first))
            return first.seq == stored[-1][0]

    async def reseal(self, after: int) -> int | None:
        """Seal one piece of the rows anew, where they stand under an older data key; what they say stays as it is.

        Args:
            after: the number before the first one; 0 at the beginning.

        Returns:
            The number after which to go on, or None at the end, when all of it is on disk: rows that do not open are
            left as they are.

        Raises:
            VaultUnwritable: the piece stays as it was.
        """
        async with self._writing:
            stored = await self._read(after + 1, self._ends.last.seq, PIECE)
            anew = await asyncio.to_thread(_resealed, self._sealer, stored)
            await to_the_end(self._at_once(self._write_anew(anew, ends=self._ends if not stored else None)))
            if stored:
                return stored[-1][0]
            await to_the_end(self._emptied_log())
        return None

    async def _write_anew(self, rows: list[tuple[bytes, int]], *, ends: Ends | None) -> None:
        await self._db.executemany("UPDATE activity SET sealed = ? WHERE seq = ?", rows)
        if ends is not None:
            await self._put_ends(ends)

    async def _emptied_log(self) -> None:
        """Bring what was written to the disk itself, and what was overwritten out of the log."""
        try:
            busy = await database.value(self._db, "PRAGMA wal_checkpoint(TRUNCATE)")
        except sqlite3.Error as error:
            raise _in_our_words(error, self._path) from None
        if busy:
            raise database.held(self._path.parent)

    async def copy_to(self, path: Path) -> None:
        """Copy the file as it is at one moment, while it is in use.

        Args:
            path: an empty private file.

        Raises:
            VaultError: it cannot be read, or the copy not written.
        """
        async with self._writing:
            self._refuse_if_closed()
            try:
                await to_the_end(database.copy(self._db, path))
            except sqlite3.Error as error:
                raise _in_our_words(error, path) from None

    async def _remove(self, ends: Ends) -> None:
        await to_the_end(self._at_once(self._cut(ends)))
        self._ends = ends

    async def _cut(self, ends: Ends) -> None:
        await self._db.execute_fetchall("DELETE FROM activity WHERE seq > 0 AND seq <= ?", (ends.first.seq,))
        await self._put_ends(ends)

    async def _at_once(self, work: Coroutine[None, None, None]) -> None:
        try:
            await self._db.execute_fetchall("BEGIN IMMEDIATE")
            await work
            await self._db.execute_fetchall("COMMIT")
        except sqlite3.Error as error:
            work.close()
            with suppress(sqlite3.OperationalError):  # no transaction: BEGIN failed, or SQLite has undone it
                await self._db.execute_fetchall("ROLLBACK")
            raise _in_our_words(error, self._path) from None

    async def _found_or_check(self) -> None:
        layout = await self._db.execute_fetchall("SELECT sql FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")
        found = [str(row[0]) for row in layout]
        kind = await database.value(self._db, "PRAGMA application_id")
        version = cast("int", await database.value(self._db, "PRAGMA user_version"))
        if not found and kind == 0:
            await self._found()
        elif kind != APPLICATION_ID:
            raise VaultCorrupt(f"{self._path} is not an activity of MeshMesh's.", _move_away(self._path))
        elif version > FORMAT:
            raise SchemaTooNew(
                f"A newer MeshMesh wrote {self._path} (format {version}).", "Install that version again."
            )
        elif found != [_CREATE]:
            raise VaultTampered(f"The layout of {self._path} was changed outside MeshMesh.", _move_away(self._path))

    async def _found(self) -> None:
        await self._db.execute_fetchall("BEGIN IMMEDIATE")
        await self._db.execute_fetchall(_CREATE)
        await self._put_ends(self._ends)
        await self._db.execute_fetchall(f"PRAGMA application_id = {APPLICATION_ID}")
        await self._db.execute_fetchall(f"PRAGMA user_version = {FORMAT}")
        await self._db.execute_fetchall("COMMIT")

    async def _find_ends(self) -> None:
        """Where to go on. Ends that are not as we left them are told for ever, and no reason to stop recording."""
        self._taken = await self._highest()
        ends = await self._stored_ends()
        if ends is None:
            newest = Link(self._taken, GENESIS)
            ends = Ends(newest, newest, lost=self._taken + 1)
            await self._put_ends(ends)
        self._ends = ends
        self._taken = max(self._taken, ends.last.seq)

    async def _look_again(self) -> None:
        with suppress(VaultError):
            self._taken, self._ends = await self._highest(), await self._stored_ends() or self._ends

    async def _put_ends(self, ends: Ends) -> None:
        await self._db.execute_fetchall(
            "INSERT OR REPLACE INTO activity VALUES (?, ?)", (ENDS_SEQ, ends.seal(self._sealer))
        )

    async def _stored_ends(self) -> Ends | None:
        found = await self._fetch("SELECT seq, sealed FROM activity WHERE seq = ?", ENDS_SEQ)
        return Ends.open(self._sealer, found[0][1]) if found else None

    async def _highest(self) -> int:
        found = await self._fetch("SELECT seq, sealed FROM activity ORDER BY seq DESC LIMIT 1")
        return max(found[0][0], 0) if found else 0

    async def _read(self, first: int, last: int, limit: int) -> Stored:
        return await self._fetch(_READ, first, last, limit)

    async def _fetch(self, statement: str, *parameters: int) -> Stored:
        self._refuse_if_closed()
        try:
            return [(row[0], row[1]) for row in await self._db.execute_fetchall(statement, parameters)]
        except sqlite3.Error as error:
            raise _in_our_words(error, self._path) from None

    def _refuse_if_closed(self) -> None:
        if self._closed:
            raise VaultClosed("The activity is closed.", "Unlock the vault: meshmesh unlock")


def _resealed(sealer: Sealer, stored: Stored) -> list[tuple[bytes, int]]:
    anew = ((reseal_row(sealer, seq, sealed), seq) for seq, sealed in stored)
    return [(sealed, seq) for sealed, seq in anew if sealed is not None]


def _proven_until(proof: Proof, stored: Stored, before: datetime, keep: int) -> Link | None:
    """The last row, from the beginning on, that is proven and due to go."""
    due: Link | None = None
    with suppress(Broken):
        for seq, sealed in stored:
            row = proof.step(seq, sealed)
            if seq > keep and row.entry is not None and row.entry.at >= before:
                break
            due = row.link
    return due


def _ensure_file(path: Path) -> None:
    """An empty private file where there is none; SQLite gives its log the same mode."""
    for suffix in ("", *database.SIDE_FILES):
        private_file(path.with_name(path.name + suffix))
    if path.exists():
        return
    if any(path.with_name(path.name + suffix).exists() for suffix in database.SIDE_FILES):
        raise VaultCorrupt(f"{path} is not there, and its log is.", _move_away(path))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, FILE_MODE))


def _in_our_words(error: OSError | sqlite3.Error, path: Path) -> VaultError:
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
