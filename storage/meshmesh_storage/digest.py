"""A keyed digest over the rows of a table, that changes by one row at a time.

The sum modulo 2^256 of a MAC of each row: adding, changing or removing a row costs one or two MACs whatever the
table's size. The sum is sealed beside the rows, in the same transaction, so that an old row that is put back by hand, a
row taken away or a changed plain column does not add up any more.
"""

import hmac
import struct
from collections.abc import Sequence
from dataclasses import dataclass

MODULUS = 1 << 256
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

    def to_bytes(self) -> bytes:
        """40 bytes: the sum, then the count."""
        return self.total.to_bytes(32, "big") + struct.pack(">q", self.count)

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Digest":
        """Out of 40 bytes."""
        return cls(int.from_bytes(raw[:32], "big"), struct.unpack(">q", raw[32:])[0])


def row_mac(key: bytes, table: str, values: Sequence[Value]) -> int:
    """The MAC of one row.

    Args:
        key: 32 bytes.
        table: its table.
        values: every column's value, in the table's order.
    """
    parts = [table.encode(), *(_encode(value) for value in values)]
    message = b"".join(struct.pack(">I", len(part)) + part for part in parts)
    return int.from_bytes(hmac.digest(key, message, "sha256"), "big")


def _encode(value: Value) -> bytes:
    if value is None:
        return b"n"
    if isinstance(value, bytes):
        return b"b" + value
    return (b"i" if isinstance(value, int) else b"t") + str(value).encode()
