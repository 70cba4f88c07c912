"""An answer's body without its compression, in bounded pieces: what is to be looked through must lie open."""

import zlib
from collections.abc import Iterator

MOST_AT_ONCE = 64 * 1024
_GZIP = 16 + zlib.MAX_WBITS  # RFC 1952


class NotInflatable(ValueError):
    """A body that is not in the encoding that its label names, or stops in the middle."""


class Inflater:
    """Opens a gzip stream piece by piece; a bomb comes out in pieces too."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)
        self._begun = False

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What a piece holds, never more than 64 KiB at once.

        Raises:
            NotInflatable: it is no gzip.
        """
        while piece:
            self._begun = True
            try:
                opened = self._stream.decompress(piece, MOST_AT_ONCE)
            except zlib.error:
                raise NotInflatable("the body is no gzip") from None
            if opened:
                yield opened
            piece = self._stream.unconsumed_tail
            if self._stream.eof:
                piece = self._stream.unused_data
                self._stream = zlib.decompressobj(_GZIP)  # RFC 1952: a file may have several members
                self._begun = bool(piece)

    def finish(self) -> None:
        """The end of the stream.

        Raises:
            NotInflatable: there should have been more.
        """
        if self._begun:
            raise NotInflatable("the body breaks off")
