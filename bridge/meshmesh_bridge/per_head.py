"""What is made of a request's header lines once, for as long as its connection's next request has the same lines.

A program that keeps its connection sends the same lines with every request. Only what follows from the lines alone is
kept; what can be withdrawn, such as a pairing or a grant, is asked about each time. It is forgotten with the connection,
since the lines hold a pairing token.
"""

import asyncio
import weakref
from collections.abc import Callable
from typing import Generic, TypeVar

from aiohttp import web

Made = TypeVar("Made")
_Lines = tuple[tuple[bytes, bytes], ...]


class PerHead(Generic[Made]):
    """The things of the last requests of the connections that are open.

    Args:
        make: makes the thing of a request out of its header lines, and of what stays the same for its connection. What it
            refuses is refused again the next time.
    """

    def __init__(self, make: Callable[[web.Request], Made]) -> None:
        self._make = make
        self._made: weakref.WeakKeyDictionary[asyncio.BaseTransport, tuple[_Lines, Made]] = weakref.WeakKeyDictionary()

    def of(self, request: web.Request) -> Made:
        """The thing of a request's header lines."""
        transport = request.transport
        if transport is None:
            return self._make(request)
        known = self._made.get(transport)
        if known is not None and known[0] == request.raw_headers:
            return known[1]
        made = self._make(request)
        self._made[transport] = (request.raw_headers, made)
        return made
