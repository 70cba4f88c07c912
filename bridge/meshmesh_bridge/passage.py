"""The way back through the broker: which headers pass, and how a body is streamed, looked at, or rewritten."""

import json
import re
import zlib
from contextlib import suppress
from http import HTTPStatus
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientResponse, hdrs, web
from multidict import CIMultiDict

from meshmesh import wire
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage.records import Connection

SFORCE = "sforce-"
PEEK = 64 * 1024  # an error answer is looked at as a whole up to this size
_RESOURCES = re.compile(r"/services/data/v\d{1,3}\.0/?")
_ANSWER_HEADERS = frozenset(
    {
        "content-type",
        "content-length",
        "content-encoding",
        "content-disposition",
        "content-range",
        "accept-ranges",
        "etag",
        "last-modified",
        "retry-after",
        "warning",
        "allow",
    }
)


async def peek(answer: ClientResponse) -> bytes:
    """The beginning of a body, up to 64 KiB."""
    peeked = bytearray()
    while len(peeked) < PEEK and not answer.content.at_eof():
        peeked += await answer.content.readany()
    return bytes(peeked)


def plain(body: bytes, encoding: str) -> bytes:
    """An error's body, inflated where the client had asked for that and Salesforce did it."""
    if encoding not in {"gzip", "deflate"}:
        return body
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 32).decompress(body, PEEK)
    except zlib.error:
        return b""


async def pass_on(
    request: web.Request, answer: ClientResponse, peeked: bytes, live: Connection, *, prefix: str, path: str
) -> web.StreamResponse:
    """Give an answer of Salesforce's to the client, in pieces.

    Args:
        request: the client's.
        answer: Salesforce's, its head read.
        peeked: the part of its body that was read already.
        live: the connection that was used.
        prefix: our address of the connection, such as `http://localhost:1717/o/acme`.
        path: what was asked for.

    Raises:
        Problem: 502 where it points to another host.
        ConnectionResetError: the answer broke off; so does ours.
    """
    if _RESOURCES.fullmatch(path) and answer.status == HTTPStatus.OK and request.method == hdrs.METH_GET:
        return await _resources(answer, live, prefix)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=_headers(answer))
    location = answer.headers.get(hdrs.LOCATION)
    if location:
        response.headers[hdrs.LOCATION] = _location(location, live, prefix)
    await response.prepare(request)
    try:
        if peeked:
            await response.write(peeked)
        async for piece in answer.content.iter_any():
            await response.write(piece)
    except (ClientError, TimeoutError):
        # the head is out: an answer that broke off is passed on as one that broke off, never as a clean end
        if request.transport is not None:
            request.transport.abort()
        raise ConnectionResetError("the org's answer broke off") from None
    await response.write_eof()
    return response


def _headers(answer: ClientResponse) -> CIMultiDict[str]:
    kept = ((name, value) for name, value in answer.headers.items() if _passes(name.lower()))
    return CIMultiDict(kept)


def _passes(name: str) -> bool:
    return name in _ANSWER_HEADERS or name.startswith(SFORCE)


def _location(location: str, live: Connection, prefix: str) -> str:
    """Where an answer points: kept under the prefix, and never to another host."""
    if location.startswith(live.instance_url + "/"):
        return prefix + location.removeprefix(live.instance_url)
    if location.startswith("/") and not location.startswith("//"):
        return location
    raise Problem(502, wire.Code.SALESFORCE_ANSWER, "Salesforce pointed to another host; that is not followed.")


async def _resources(answer: ClientResponse, live: Connection, prefix: str) -> web.Response:
    """The list of resources holds the identity's address at the login host, and jsforce sends its handle there.

    It becomes the same resource under the prefix, so that no handle ever goes to Salesforce.
    """
    body = plain(await peek(answer), answer.headers.get(hdrs.CONTENT_ENCODING, ""))
    headers = _headers(answer)
    for name in (hdrs.CONTENT_LENGTH, hdrs.CONTENT_ENCODING):
        headers.popall(name, None)
    with suppress(ValueError, RecursionError):
        document: object = json.loads(body)
        if isinstance(document, dict) and "identity" in document:
            document["identity"] = prefix + urlsplit(live.identity_url).path
            body = json.dumps(document).encode()
    return web.Response(body=body, headers=headers)
