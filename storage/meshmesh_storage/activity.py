"""The activity: an append-only file beside the vault, its rows sealed and chained, written a group at a time.

It is a database of its own so that a row never waits for the vault's fsync. synchronous=NORMAL: what was reported as
written outlives the death of the process at any moment; a power cut may take the last moments. A row that comes alone
may go to the `Tail` first, and into the database with the next group, before whatever is read or written there.

Invariants: a group of rows and the sealed end of the chain go to disk in one statement, so both or neither are there;
rows are never changed, and are removed only from the old end, after they were proven. Damage is told by `verify` and
never mended: a broken row stays where it is.
"""

import asyncio
import sqlite3
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path

import aiosqlite

from meshmesh_storage import activity_file, database
from meshmesh_storage.activity_file import in_our_words
from meshmesh_storage.activity_proof import Broken, Proof, Verdict
from meshmesh_storage.activity_rows import ENDS_SEQ, GENESIS, Ends, Entry, Link, Row, open_row, reseal_row, seal_row
from meshmesh_storage.activity_tail import SUFFIX, Tail
from meshmesh_storage.errors import VaultClosed, VaultError, VaultUnwritable
from meshmesh_storage.sealing import Sealer
from meshmesh_storage.unbroken import to_the_end

FILE_NAME = "activity.db"
MOST_AT_ONCE = 128  # rows in one statement
PIECE = 1000  # rows that are read or pruned at once
_LEAST = -(1 << 63)
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
        self._tail: Tail  # from `open`, as soon as the ends are known

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
        db = await activity_file.connect(path)
        log = cls(db, path, sealer)
        try:
            await db.execute_fetchall("PRAGMA synchronous = NORMAL")
            if await activity_file.is_new(db, path):
                await activity_file.found(db, (ENDS_SEQ, log._ends.seal(sealer)))
            await log._find_ends()
            log._tail = await to_the_end(asyncio.to_thread(Tail.open, _tail_of(path), sealer, log._ends.tail))
        except BaseException as error:
            await database.close(db)
            if isinstance(error, OSError | sqlite3.Error):
                raise in_our_words(error, path) from None
            raise
        return log

    async def close(self) -> None:
        """Close the file, after a write that is under way."""
        await to_the_end(self._close())

    async def _close(self) -> None:
        async with self._writing:
            if not self._closed:
                await self._settle_if_it_can_be()
                self._closed = True
                with suppress(OSError):
                    await asyncio.to_thread(self._tail.close)
                await self._db.close()

    @property
    def last(self) -> int:
        """The number of the newest row; 0 where there is none."""
        return self._ends.last.seq + self.waiting

    @property
    def waiting(self) -> int:
        """How many rows are written and not in the database yet: the next `append` brings them there, and an empty one too."""
        return len(self._tail.entries)

    def put(self, entry: Entry) -> bool:
        """Write one row at once, beside the database.

        Args:
            entry: what happened.

        Returns:
            Whether it is written, as safely as by `append`; if not, that is the way for it.
        """
        return not self._closed and not self._writing.locked() and self._tail.put(entry)

    async def _settle(self) -> None:
        if self.waiting and not self._closed:
            await self._write(())

    async def _settle_if_it_can_be(self) -> None:
        with suppress(VaultUnwritable):
            await self._settle()

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write a group of rows, at most `MOST_AT_ONCE`, behind those that wait; they are committed when this returns.

        Raises:
            VaultUnwritable: none of them was written.
        """
        async with self._writing:
            self._refuse_if_closed()
            await self._write(entries)

    async def _write(self, entries: Sequence[Entry]) -> None:
        last, rows = self._ends.last, Stored()
        for seq, entry in enumerate((*self._tail.entries, *entries), self._taken + 1):
            raw = entry.to_bytes(seq)
            last = Link(seq, last.follow(raw))
            rows.append((seq, seal_row(self._sealer, seq, last.hash, raw)))
        ends = self._ends.ended_with(last, tail=self._tail.last)
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
            raise in_our_words(error, self._path) from None
        self._believe(ends, ends.last.seq)

    def _believe(self, ends: Ends, taken: int) -> None:
        """The database ends so."""
        self._ends, self._taken = ends, taken
        if ends.tail == self._tail.last:
            self._tail.clear()

    async def page(self, after: int, limit: int) -> list[Row]:
        """Rows in their order; one that does not open has no entry.

        Args:
            after: the number before the first one.
            limit: how many at most.

        Raises:
            VaultError: the file cannot be read.
        """
        if self.waiting:
            async with self._writing:
                await self._settle_if_it_can_be()
        stored = await self._read(max(after, 0) + 1, self._ends.last.seq, limit)
        return [open_row(self._sealer, seq, sealed) for seq, sealed in stored]

    async def verify(self) -> Verdict:
        """Prove the whole chain, or name what is wrong first. Rows that come meanwhile are not part of it.

        Raises:
            VaultError: the file cannot be read.
        """
        async with self._proving:
            async with self._writing:
                await self._settle_if_it_can_be()
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
            await self._settle()
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
            raise in_our_words(error, self._path) from None
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
            await self._settle()
            try:
                await to_the_end(database.copy(self._db, path))
            except sqlite3.Error as error:
                raise in_our_words(error, path) from None

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
            raise in_our_words(error, self._path) from None

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
            taken = await self._highest()
            self._believe(await self._stored_ends() or self._ends, taken)

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
            raise in_our_words(error, self._path) from None

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


def _tail_of(path: Path) -> Path:
    return path.with_name(path.name + SUFFIX)
