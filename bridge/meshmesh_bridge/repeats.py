"""Requests that were read before, byte for byte, and are answered without being read again.

A program that asks for a token a thousand times sends the same bytes a thousand times. What they say was found out the
first time by the parser, the guard and the handler, and cannot have changed. Whether it may still be done can, and is
judged each time: the program, its grant, the session; and the activity's row is on disk before the answer leaves.
Whatever is not a plain yes is read again from the beginning, on the way that has the words for it.

The bytes hold a pairing token, so a keyed hash of them is kept. The rooms own what is kept: a lock takes it with them.
"""

import hashlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import hdrs, web
from aiohttp.helpers import rfc822_formatted_time

from meshmesh_bridge.per_session import PerSession
from meshmesh_storage.records import Connection

MOST = 1024
LONGEST = 4096  # bytes; a request for a token has a few hundred
_KEY_BYTES = 32
_CHANGING: dict[str, str] = {hdrs.CONTENT_LENGTH: "%(length)d", hdrs.DATE: "%(date)s"}

Ended = Callable[[BaseException | None], None]


@dataclass(frozen=True, slots=True)
class Allowed:
    """What a repetition may have now: `body` is the answer's, and `record` writes the row that goes before it."""

    body: bytes
    record: Callable[[Ended], None]


Judge = Callable[[], Allowed | None]


@dataclass(frozen=True, slots=True)
class Repeatable:
    """What a handler says of a request whose answer may be given again."""

    judge: Judge


REPEATABLE: web.RequestKey[Repeatable] = web.RequestKey("repeatable", Repeatable)


class Repetition:
    """A request that may come again.

    Args:
        judge: says what it may have now; None sends it on the long way.
        response: the answer that the first one got, with all its headers.
    """

    def __init__(self, judge: Judge, response: web.StreamResponse) -> None:
        self.judge = judge
        lines = [f"HTTP/1.1 {response.status} {response.reason}"]
        lines += [
            f"{name}: {_CHANGING.get(name) or value.replace('%', '%%')}" for name, value in response.headers.items()
        ]
        self._form = "\r\n".join([*lines, "", ""])
        self._head, self._head_for = b"", ("", -1)

    def answer(self, body: bytes) -> bytes:
        """The answer as the long way would give it now, head and body."""
        wanted = rfc822_formatted_time(), len(body)
        if wanted != self._head_for:
            self._head, self._head_for = (self._form % {"date": wanted[0], "length": wanted[1]}).encode(), wanted
        return self._head + body


class Repeats:
    """The requests that were heard last, and the `bodies` that were made for them.

    Args:
        render: makes the body that hands out a connection's session.
    """

    def __init__(self, render: Callable[[Connection], bytes]) -> None:
        self.bodies = PerSession(render)
        self._key = secrets.token_bytes(_KEY_BYTES)
        self._known: dict[bytes, Repetition] = {}

    def learn(self, heard: bytes, repetition: Repetition) -> None:
        """Know these bytes from now on; who was learned first is forgotten first."""
        if len(self._known) >= MOST:
            del self._known[next(iter(self._known))]
        self._known[self._mark(heard)] = repetition

    def find(self, heard: bytes) -> Repetition | None:
        """What is known of these bytes."""
        return self._known.get(self._mark(heard)) if len(heard) <= LONGEST else None

    def _mark(self, heard: bytes) -> bytes:
        return hashlib.blake2b(heard, key=self._key, digest_size=_KEY_BYTES).digest()
