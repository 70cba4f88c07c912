"""Compressed answers are laid open piece by piece, a bomb too."""

import gzip
import zlib

import pytest

from meshmesh_daemon.core.inflating import MOST_AT_ONCE, Inflater, NotInflatable


def opened(data: bytes, size: int) -> list[bytes]:
    """What comes out of a body that comes in pieces of a size."""
    inflater = Inflater()
    pieces = [one for start in range(0, len(data), size) for one in inflater.feed(data[start : start + size])]
    inflater.finish()
    return pieces


@pytest.mark.parametrize("size", [1, 7, 100, 100_000])
def test_what_was_packed_comes_out(size: int) -> None:
    """Pieces of any size, and files of several members, are read to their end."""
    text = b"".join(b"row %d\n" % number for number in range(500))

    assert b"".join(opened(gzip.compress(text, mtime=0), size)) == text
    assert b"".join(opened(gzip.compress(text, mtime=0) + gzip.compress(b"more"), size)) == text + b"more"


def test_a_bomb_comes_out_in_pieces() -> None:
    """Nothing is ever larger than 64 KiB at once."""
    pieces = opened(gzip.compress(bytes(20_000_000), mtime=0), 4096)

    assert sum(map(len, pieces)) == 20_000_000
    assert max(map(len, pieces)) <= MOST_AT_ONCE


@pytest.mark.parametrize(
    "data", [b"not gzip at all", gzip.compress(b"x" * 1000, mtime=0)[:-9], zlib.compress(b"x" * 1000)]
)
def test_what_is_no_gzip_is_said(data: bytes) -> None:
    """A body that breaks off, or is something else, never ends cleanly."""
    with pytest.raises(NotInflatable):
        opened(data, 10)


def test_an_empty_body_is_none() -> None:
    """An answer without a body has nothing to break off."""
    assert opened(b"", 1) == []
