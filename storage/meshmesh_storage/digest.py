"""A keyed digest over the rows of a table, that changes by one row at a time, and the ledger of all of them.

The sum modulo 2^256 of a MAC of each row: adding, changing or removing a row costs one or two MACs whatever the
table's size. The sums of all tables are sealed as one value beside the rows, in the same transaction, so that an old
row that is put back by hand, a row taken away or a changed plain column does not add up any more. They are one value,
not one a table, because an old row could otherwise be put back together with its own table's old sum.
"""

import hmac
import json
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import starmap
from typing import cast

from meshmesh_storage.sealing import Place, Sealer

MODULUS = 1 << 256
_length = struct.Struct(">I").pack
_head = struct.Struct(">Ic").pack
_MAC_BYTES = 32
_macs = struct.Struct(f"{_MAC_BYTES}s").iter_unpack
_MOST_KEPT = 4096
Value = str | int | bytes | None


@dataclass(frozen=True, slots=True)
class Digest:
    """The sum, and how many rows are in it."""

    total: int = 0
    count: int = 0

    def add(self, mac: int) -> "Digest":
        """With one row more."""
        return Digest((self.total + mac) % MODULUS, self.count + 1)

    def subtract(self, mac: int) -> "Digest":
        """With one row less."""
        return Digest((self.total - mac) % MODULUS, self.count - 1)


@dataclass(frozen=True, slots=True)
class Ledger:
    """What the tables hold, by their digests. `version` grows with each transaction that changed a row."""

    version: int = 0
    digests: Mapping[str, Digest] = field(default_factory=dict[str, Digest])

    def of(self, table: str) -> Digest:
        """A table's digest; that of an empty table where none was written yet."""
        return self.digests.get(table, Digest())

    def seal(self, sealer: Sealer) -> bytes:
        """The sealed form, that stands beside its version in the one row of the table `digest`."""
        return sealer.seal(self.to_bytes(), _place(self.version))

    @classmethod
    def open(cls, sealer: Sealer, version: int, sealed: bytes) -> "Ledger":
        """What `seal` gave.

        Raises:
            SealBroken: it is another version's, or was changed.
        """
        return cls.from_bytes(version, sealer.open(sealed, _place(version)))

    def to_bytes(self) -> bytes:
        """JSON: for each table the sum (64 hex digits) and the count. The version stands beside it."""
        document = {name: [f"{digest.total:064x}", digest.count] for name, digest in sorted(self.digests.items())}
        return json.dumps(document, separators=(",", ":")).encode()

    @classmethod
    def from_bytes(cls, version: int, raw: bytes) -> "Ledger":
        """What `to_bytes` wrote, of a version."""
        document = cast("dict[str, tuple[str, int]]", json.loads(raw))
        return cls(version, {name: Digest(int(total, 16), count) for name, (total, count) in document.items()})


def _place(version: int) -> Place:
    return Place("digest", "1", "sealed", version)


def table_digest(key: bytes, table: str, rows: Iterable[Sequence[Value]]) -> Digest:
    """The digest of a whole table.

    Args:
        key: 32 bytes.
        table: its name.
        rows: every column's value, in the table's order; the order of rows does not matter.
    """
    mac_of = RowMacs(key, table)
    macs = [mac_of(row) for row in rows]
    return Digest(sum(macs) % MODULUS, len(macs))


def row_mac(key: bytes, table: str, values: Sequence[Value]) -> int:
    """The MAC of one row.

    Args:
        key: 32 bytes.
        table: its table.
        values: every column's value, in the table's order.
    """
    return RowMacs(key, table)(values)


def macs_to_bytes(macs: Iterable[int]) -> bytes:
    """MACs one after the other, 32 bytes each."""
    return b"".join(mac.to_bytes(_MAC_BYTES, "big") for mac in macs)


def macs_from_bytes(raw: bytes) -> Iterator[int]:
    """What `macs_to_bytes` took.

    Raises:
        ValueError: these are no whole MACs.
    """
    if len(raw) % _MAC_BYTES:
        raise ValueError(len(raw))
    return starmap(int.from_bytes, _macs(raw))


class RowMacs:
    """The MACs of the rows of a table: what they have in common is worked on once.

    Every value stands behind its length and its type, so that no two rows give the same message.

    Args:
        key: 32 bytes.
        table: its name.
    """

    def __init__(self, key: bytes, table: str) -> None:
        name = table.encode()
        self._copy = hmac.new(key, _length(len(name)) + name, "sha256").copy
        self._words = _Words()

    def __call__(self, values: Sequence[Value]) -> int:
        """The MAC of a row.

        Args:
            values: every column's value, in the table's order.
        """
        words, heads = self._words, _BLOB_HEADS
        parts: list[bytes] = []
        for value in values:
            if isinstance(value, bytes):
                parts += (heads[len(value)], value)
            else:
                parts.append(words[value])
        mac = self._copy()
        mac.update(b"".join(parts))
        return int.from_bytes(mac.digest(), "big")


class _BlobHeads(dict[int, bytes]):
    """What stands before bytes of a length: sealed values are of few lengths."""

    def __missing__(self, length: int) -> bytes:
        head = _head(length + 1, b"b")
        if len(self) < _MOST_KEPT:
            self[length] = head
        return head


class _Words(dict[str | int | None, bytes]):
    """Values that are no bytes, encoded: versions, states and the ids of apps come again and again."""

    def __missing__(self, value: str | int | None) -> bytes:
        text = b"" if value is None else str(value).encode()
        kind = b"n" if value is None else b"i" if isinstance(value, int) else b"t"
        word = _head(len(text) + 1, kind) + text
        if len(self) < _MOST_KEPT:
            self[value] = word
        return word


_BLOB_HEADS = _BlobHeads()
