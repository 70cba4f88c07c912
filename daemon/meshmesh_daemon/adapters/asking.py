"""A request without a body, by the shortest way through aiohttp: take a connection, send, read the head of the answer.

`ClientSession.request` makes the same calls, behind half as much again of what is switched off here: redirects, cookies,
credentials in addresses, tracing, a limit on the whole. Of the price of a small answer that is a good part.
"""

import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from multidict import istr
from yarl import URL

MAX_HEAD_LINE = 65_536  # of an answer's head


class BareRequest(aiohttp.ClientRequest):
    """A request with the headers that it is given, and no others."""

    DEFAULT_HEADERS: dict[istr, str] = {}  # noqa: RUF012 - as aiohttp declares it


async def ask(
    session: aiohttp.ClientSession, method: str, url: URL, headers: Mapping[str, str], tls: ssl.SSLContext | bool
) -> aiohttp.ClientResponse:
    """Send a GET or HEAD, once more where the connection was closed under it, as `ClientSession.request` does.

    Args:
        session: has the connections, and says how long to wait.
        method: one that may be sent twice.
        url: exactly what is sent.
        headers: all of them, besides Host.
        tls: as `ClientSession.request` takes it.

    Raises:
        aiohttp.ClientError: no answer began; so do TimeoutError and OSError.
    """
    try:
        return await _asked(session, BareRequest(method, url, headers=headers, session=session, ssl=tls))
    except aiohttp.ClientConnectorError:
        raise  # nobody is there
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return await _asked(session, BareRequest(method, url, headers=headers, session=session, ssl=tls))


async def _asked(session: aiohttp.ClientSession, request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
    connection = await _connected(session, request)
    try:
        answer = await _sent(connection, request, session.timeout.sock_read)
    except BaseException:
        connection.close()
        raise
    try:
        return await answer.start(connection)
    except BaseException:
        answer.close()
        raise


async def _connected(session: aiohttp.ClientSession, request: aiohttp.ClientRequest) -> Connection:
    if session.connector is None:
        raise aiohttp.ClientConnectionError("the session is closed")
    try:
        return await session.connector.connect(request, [], session.timeout)
    except TimeoutError:
        raise aiohttp.ConnectionTimeoutError(f"no connection to {request.host}") from None


async def _sent(
    connection: Connection, request: aiohttp.ClientRequest, patience: float | None
) -> aiohttp.ClientResponse:
    if connection.protocol is None:
        raise aiohttp.ServerDisconnectedError
    connection.protocol.set_response_params(
        skip_payload=request.method == hdrs.METH_HEAD,
        read_until_eof=True,
        auto_decompress=False,
        read_timeout=patience,
        max_line_size=MAX_HEAD_LINE,
        max_field_size=MAX_HEAD_LINE,
    )
    return await request.send(connection)
