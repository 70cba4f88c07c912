"""The live access token is struck out of whatever a client is given, in any piece and across the borders of pieces.

What is looked for is the part of the token behind its `!` (before it stands the org's id, which is no secret), cut into
halves so that half a token is found too; in the first MiB also its Base64 at each of the three alignments. The letters of
a Salesforce token are the same in JSON, in XML and in a URL; for one that has others, those forms are looked for as well.
A hit is overwritten letter by letter, so that lengths stay true.

This cannot stop code in the org that prints its session in a spelling of its own: such code is Apex, and running Apex
is a write.
"""

import base64
import json
import re
from urllib.parse import quote
from xml.sax.saxutils import escape

from meshmesh_daemon.core.finding import held

_LEAST = 12  # letters; a shorter needle would strike out what is no token
_LOOK = 4  # letters of a needle's beginning that are looked for at the end of a piece
_ENCODED_TO = 1024 * 1024
_MASK = b"*"
_SAME_EVERYWHERE = re.compile(r"[\w.-]*", re.ASCII)


class Needles:
    """What is looked for of one token, cut once for as long as the token lives.

    Args:
        token: the live access token.
    """

    __slots__ = ("endings", "plain", "shortest", "with_base64")

    def __init__(self, token: str) -> None:
        secret = token.rpartition("!")[2]
        self.plain = _kept(_plain(secret))
        self.with_base64 = self.plain + _kept(_base64(secret.encode()))
        self.shortest = min(map(len, self.with_base64), default=0)
        self.endings = tuple({needle[:short] for needle in self.with_base64 for short in range(1, _LOOK)})


class Redactor:
    """Strikes one token out of a stream of pieces.

    Bounded: it keeps back only an end that could still become a hit, which is shorter than a needle; every other piece
    goes through without being copied.

    Args:
        needles: of the live access token.
    """

    def __init__(self, needles: Needles) -> None:
        self._plain = needles.plain
        self._needles = needles.with_base64
        self._shortest = needles.shortest
        self._endings = needles.endings
        self._tail = b""
        self._fed = 0
        self.found = False

    def feed(self, piece: bytes) -> bytes:
        """The next bytes that may go out: all but an end that could still become a hit."""
        self._fed += len(piece)
        if self._fed > _ENCODED_TO and not self._tail:
            self._needles = self._plain
        looked_at = self.whole(self._tail + piece if self._tail else piece)
        cut = self._safe(looked_at)
        self._tail = looked_at[cut:]
        return looked_at[:cut] if self._tail else looked_at

    def finish(self) -> bytes:
        """What was kept back."""
        rest, self._tail = self._tail, b""
        return rest

    def whole(self, body: bytes) -> bytes:
        """A body that is there as a whole."""
        if len(body) < self._shortest:
            return body
        for needle in held(body, self._needles):
            self.found = True
            body = body.replace(needle, _MASK * len(needle))
        return body

    def text(self, value: str) -> str:
        """A header's value."""
        if len(value) < self._shortest and value.isascii():
            return value
        return self.whole(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")

    def _safe(self, piece: bytes) -> int:
        """Up to where no needle can begin that goes on in the next piece."""
        safe = len(piece)
        for needle in self._needles:
            start = max(len(piece) - len(needle) + 1, 0)
            while (start := piece.find(needle[:_LOOK], start)) >= 0:
                if needle.startswith(piece[start:]):
                    safe = min(safe, start)
                    break
                start += 1
        if piece.endswith(self._endings):
            longest = max(len(ending) for ending in self._endings if piece.endswith(ending))
            safe = min(safe, len(piece) - longest)
        return safe


def _kept(needles: list[str]) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys(needle.encode() for needle in needles if len(needle) >= _LEAST))


def _plain(secret: str) -> list[str]:
    middle = len(secret) // 2
    halves = [secret[:middle], secret[middle:]] if middle >= _LEAST else [secret]
    if _SAME_EVERYWHERE.fullmatch(secret):
        return halves
    return [form for half in halves for form in (half, quote(half, safe=""), json.dumps(half)[1:-1], escape(half))]


def _base64(secret: bytes) -> list[str]:
    """The part of the Base64 that does not depend on what stands around the secret, for each alignment."""
    found: list[str] = []
    for start in range(3):
        whole = secret[start : start + (len(secret) - start) // 3 * 3]
        found += [base64.b64encode(whole).decode(), base64.urlsafe_b64encode(whole).decode()]
    return found
