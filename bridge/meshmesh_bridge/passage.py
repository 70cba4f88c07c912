"""The way back through the broker: which headers pass, and how a body is looked through, rewritten, and given on in pieces.

Invariants: the live token is struck out of every header and body, whatever the org did with it; nothing points a client
to another host; memory is bounded whatever the org sends; an answer that broke off is never passed on as a clean end.
"""

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import cast
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientResponse, hdrs, web
from multidict import CIMultiDict

from meshmesh import wire
from meshmesh_daemon.core.inflating import Inflater, NotInflatable
from meshmesh_daemon.core.passing import answer_headers
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.core.redaction import Needles, Redactor
from meshmesh_storage.plan_records import Result
from meshmesh_storage.records import Connection

PEEK = 64 * 1024  # an error answer is looked at as a whole up to this size
_RESOURCES = re.compile(r"/services/data/v\d{1,3}\.0/?", re.IGNORECASE)
_WHO = re.compile(r"/id/[^/]+/[^/]+/?|/services/oauth2/userinfo/?", re.IGNORECASE)
_BODILESS = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


class Reading:
    """The body of an answer of the org's, laid open.

    Args:
        answer: its head was read.

    Raises:
        Problem: 502 for an encoding that was not asked for, since it could not be looked through.
    """

    def __init__(self, answer: ClientResponse) -> None:
        self._content = answer.content
        self._peeked = b""
        self._opened: Iterator[bytes] = iter(())
        self.ended = False
        encoding = answer.headers.get(hdrs.CONTENT_ENCODING, "identity").strip().lower()
        if encoding not in {"", "identity", "gzip", "x-gzip"}:
            raise Problem(502, wire.Code.SALESFORCE_ANSWER, "Salesforce's answer is in an encoding nobody asked for.")
        self.inflater = Inflater() if "gzip" in encoding else None

    @property
    def is_here(self) -> bool:
        """Whether the whole body has arrived already."""
        return self._content.is_eof()

    async def peek(self) -> bytes:
        """The beginning of the body, up to about 64 KiB; it is given again by `pieces`.

        Raises:
            NotInflatable: it is not what its label says.
        """
        if not self._peeked:
            begun: list[bytes] = []
            size = 0
            while size < PEEK and not self.ended:
                begun.append(await self._next())
                size += len(begun[-1])
            self._peeked = b"".join(begun)
        return self._peeked

    async def pieces(self) -> AsyncIterator[bytes]:
        """The body.

        Raises:
            NotInflatable: it is not what its label says.
        """
        if self._peeked:
            yield self._peeked
        while not self.ended:
            piece = await self._next()
            if piece:
                yield piece

    async def _next(self) -> bytes:
        """The next bytes, if there are any before the end."""
        if self.inflater is None:
            piece = await self._content.readany()
            self.ended = self._content.at_eof()
            return piece
        while not (opened := next(self._opened, b"")):
            if self._content.at_eof():
                self.inflater.finish()
                self.ended = True
                break
            self._opened = self.inflater.feed(await self._content.readany())
        return opened


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """The way back to one client.

    Args:
        request: the client's.
        live: the connection that was used.
        prefix: our address of the connection, such as `http://localhost:1717/o/acme`.
        path: what was asked for.
        needles: of the live token.
    """

    request: web.Request
    live: Connection
    prefix: str
    path: str
    needles: Needles

    async def pass_on(self, answer: ClientResponse, reading: Reading) -> web.StreamResponse:
        """Give an answer of Salesforce's to the client, in pieces.

        Args:
            answer: Salesforce's, its head read.
            reading: its body; the beginning may have been looked at.

        Raises:
            Problem: 502 where it points to another host.
            ConnectionResetError: the answer broke off; so does ours.
        """
        redactor = Redactor(self.needles)
        headers = self._headers(answer_headers(answer.headers.items(), redactor))
        if reading.inflater is not None:
            headers.popall(hdrs.CONTENT_LENGTH, None)
        if self.request.method == hdrs.METH_GET and answer.status == HTTPStatus.OK and self._is_rewritten():
            body = b"".join([piece async for piece in _until(reading, PEEK)])
            headers.popall(hdrs.CONTENT_LENGTH, None)
            return web.Response(body=redactor.whole(self._rewritten(body)), headers=headers)
        if answer.status in _BODILESS or self.request.method == hdrs.METH_HEAD:
            return web.Response(status=answer.status, reason=answer.reason, headers=headers)
        is_small = reading.is_here or (answer.content_length or PEEK + 1) <= PEEK
        begun = await reading.peek() if is_small else b""
        if reading.ended:  # one write, where the answer is small
            headers.popall(hdrs.CONTENT_LENGTH, None)
            body = redactor.whole(begun)
            return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=body)
        response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
        return await self._streamed(response, reading, redactor)

    def recorded(self, result: Result) -> web.Response:
        """The answer that Salesforce gave when a held request was carried out."""
        redactor = Redactor(self.needles)
        headers = self._headers(answer_headers(result.headers, redactor))
        headers.popall(hdrs.CONTENT_LENGTH, None)
        return web.Response(status=result.status, headers=headers, body=redactor.whole(result.body) or None)

    async def _streamed(self, response: web.StreamResponse, reading: Reading, redactor: Redactor) -> web.StreamResponse:
        await response.prepare(self.request)
        try:
            async for piece in reading.pieces():
                clean = redactor.feed(piece)
                if clean:
                    await response.write(clean)
        except (ClientError, TimeoutError, NotInflatable):
            # the head is out: an answer that broke off is passed on as one that broke off, never as a clean end
            if self.request.transport is not None:
                self.request.transport.abort()
            raise ConnectionResetError("the org's answer broke off") from None
        await response.write_eof(redactor.finish())
        return response

    def _headers(self, passed: tuple[tuple[str, str], ...]) -> CIMultiDict[str]:
        headers = CIMultiDict(passed)
        location = headers.get(hdrs.LOCATION)
        if location:
            headers[hdrs.LOCATION] = self._location(location)
        return headers

    def _location(self, location: str) -> str:
        """Where an answer points: under the prefix, and never to another host."""
        local = location.removeprefix(self.live.instance_url)
        if local.startswith("/") and not local.startswith(("//", "/\\")):
            return self.prefix + local
        raise Problem(502, wire.Code.SALESFORCE_ANSWER, "Salesforce pointed to another host; that is not followed.")

    def _is_rewritten(self) -> bool:
        return bool(_RESOURCES.fullmatch(self.path) or _WHO.fullmatch(self.path))

    def _rewritten(self, body: bytes) -> bytes:
        """A document that tells a client where to go next, and clients go there with their handle.

        The identity's address, which is at the login host, and the addresses of the org's APIs become the same under the
        prefix, so that no handle ever goes to Salesforce.
        """
        with suppress(ValueError, RecursionError):
            document: object = json.loads(body)
            if isinstance(document, dict):
                return json.dumps(self._under_prefix(cast("dict[str, object]", document))).encode()
        return body

    def _under_prefix(self, document: dict[str, object]) -> dict[str, object]:
        if _RESOURCES.fullmatch(self.path):
            return document | (
                {"identity": self.prefix + urlsplit(self.live.identity_url).path} if "identity" in document else {}
            )
        urls = document.get("urls")
        if isinstance(urls, dict):
            document["urls"] = {name: self._local(url) for name, url in cast("dict[str, object]", urls).items()}
        return document

    def _local(self, url: object) -> object:
        if isinstance(url, str) and f"{url}/".startswith(self.live.instance_url + "/"):
            return self.prefix + url.removeprefix(self.live.instance_url)
        return url


async def _until(reading: Reading, most: int) -> AsyncIterator[bytes]:
    read = 0
    async for piece in reading.pieces():
        yield piece
        read += len(piece)
        if read > most:
            raise Problem(502, wire.Code.SALESFORCE_ANSWER, "Salesforce's answer is longer than such answers are.")
