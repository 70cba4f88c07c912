"""The newest rows of the activity, on their way into its database: a small file, written in the loop.

A row that comes alone would wait for SQLite's thread to wake and answer, longer than for everything else that its
request needs. Here it is sealed and written to a file that has its size already: a copy into the kernel's memory, of
microseconds, as a line of the log is. Like a commit with synchronous=NORMAL it outlives the death of the process at any
moment; a power cut may take it.

Each row has a number that no other row here ever had, and the sealed ends of the chain say up to which of them the
database has taken over. So after a crash every row is there once, and an old one that is put back by hand is not
believed.
"""

import os
import struct
from contextlib import suppress
from pathlib import Path

from meshmesh_storage.activity_rows import Entry
from meshmesh_storage.paths import FILE_MODE
from meshmesh_storage.sealing import Place, SealBroken, Sealer

SUFFIX = "-tail"
SIZE = 64 * 1024  # some 200 rows
_HEAD = struct.Struct(">IQ")  # of a row: the bytes that follow, its number


class Tail:
    """The open file. Made by `Tail.open`.

    Args:
        path: the file.
        descriptor: of it.
        size: the bytes that it may hold.
        sealer: the vault's.
        taken: the number of the newest row that the database has taken over.
    """

    def __init__(self, path: Path, descriptor: int, size: int, sealer: Sealer, taken: int) -> None:
        self._path = path
        self._descriptor = descriptor
        self._size = size
        self._sealer = sealer
        self._used = 0
        self.last = taken
        self.entries: list[Entry] = []

    @classmethod
    def open(cls, path: Path, sealer: Sealer, taken: int) -> "Tail":
        """Open the file, or make it; what a crash left there is in `entries`. Looks at the disk.

        Args:
            path: where; a link is not followed.
            sealer: the vault's.
            taken: the number of the newest row that the database has taken over.

        Raises:
            OSError: it cannot be opened or read.
        """
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, FILE_MODE)
        try:
            found = os.pread(descriptor, SIZE, 0)
            with suppress(OSError):  # a full disk: every row goes straight into the database
                os.pwrite(descriptor, bytes(SIZE - len(found)), len(found))
            tail = cls(path, descriptor, min(os.fstat(descriptor).st_size, SIZE), sealer, taken)
            tail._read(found)
        except BaseException:
            os.close(descriptor)
            raise
        return tail

    def _read(self, found: bytes) -> None:
        """Take up what was not taken over. The end may be a row that was cut off: nobody was told that it is there."""
        at = 0
        while at + _HEAD.size <= len(found):
            length, number = _HEAD.unpack_from(found, at)
            at += _HEAD.size + length
            sealed = found[at - length : at]
            if not self._take_up(number, sealed):
                return
            self._used = at

    def _take_up(self, number: int, sealed: bytes) -> bool:
        try:
            raw = self._sealer.open(sealed, _place(number))
        except SealBroken:
            return False
        if number > self.last:
            self.entries.append(Entry.from_bytes(raw))
            self.last = number
        return True

    def put(self, entry: Entry) -> bool:
        """Write one row.

        Args:
            entry: what happened.

        Returns:
            Whether it is there; if not, there is no room, and nothing was changed.
        """
        number = self.last + 1
        sealed = self._sealer.seal(entry.to_bytes(number), _place(number))
        row = _HEAD.pack(len(sealed), number) + sealed
        if self._used + len(row) > self._size:
            return False
        try:
            written = os.pwrite(self._descriptor, row, self._used)
        except OSError:
            return False
        if written < len(row):
            return False
        self._used += len(row)
        self.last = number
        self.entries.append(entry)
        return True

    def clear(self) -> None:
        """The database has taken all of it over. A disk that does not take this leaves rows that are known as old."""
        if not self._used:  # most groups find it empty
            return
        self.entries = []
        with suppress(OSError):
            os.pwrite(self._descriptor, bytes(self._used), 0)
        self._used = 0

    def close(self) -> None:
        """Close the file, and remove it where nothing in it waits. Looks at the disk."""
        os.close(self._descriptor)
        if not self.entries:
            self._path.unlink(missing_ok=True)


def _place(number: int) -> Place:
    return Place("activity_tail", str(number), "sealed", 1)
