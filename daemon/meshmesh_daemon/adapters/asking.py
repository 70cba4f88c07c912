"""A request without a body, by the shortest way through aiohttp: take a connection, send, read the head of the answer.

`ClientSession.request` makes the same calls, behind half as much again of what is switched off here: redirects, cookies,
credentials in addresses, tracing, a limit on the whole; and it makes a request for each, where one stands here for all
that go to an origin. Of the price of a small answer that is a good part.
"""

import asyncio
import ssl
from collections.abc import Mapping

import aiohttp
from aiohttp import hdrs
from aiohttp.connector import Connection
from aiohttp.helpers import TimerNoop
from aiohttp.http_writer import StreamWriter
from multidict import CIMultiDict, istr
from yarl import URL

MAX_HEAD_LINE = 65_536  # of an answer's head
_NO_TIMER = TimerNoop()


class BareRequest(aiohttp.ClientRequest):
    """A request with the headers that it is given, and no others."""

    DEFAULT_HEADERS: dict[istr, str] = {}  # noqa: RUF012 - as aiohttp declares it


def sample_for(session: aiohttp.ClientSession, url: URL, tls: ssl.SSLContext | bool) -> BareRequest:
    """A request that stands for every one to an origin: it says how a connection there is made, and what `Host` is.

    Args:
        session: has the connections.
        url: any address there.
        tls: as `ClientSession.request` takes it.
    """
    return BareRequest(hdrs.METH_GET, url.origin(), session=session, ssl=tls)


async def ask(
    session: aiohttp.ClientSession, sample: BareRequest, method: str, url: URL, headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    """Send a GET or HEAD, once more where the connection was closed under it, as `ClientSession.request` does.

    Args:
        session: has the connections, which it keeps, and says how long to wait.
        sample: of the origin that is asked.
        method: one that may be sent twice.
        url: exactly what is sent.
        headers: all of them, besides Host.

    Raises:
        aiohttp.ClientError: no answer began; so do TimeoutError and OSError.
    """
    try:
        return await _asked(session, sample, method, url, headers)
    except aiohttp.ClientConnectorError:
        raise  # nobody is there
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError):
        return await _asked(session, sample, method, url, headers)


async def _asked(
    session: aiohttp.ClientSession, sample: BareRequest, method: str, url: URL, headers: Mapping[str, str]
) -> aiohttp.ClientResponse:
    connection = await _connected(session, sample)
    try:
        lines = CIMultiDict(sample.headers)
        lines.update(headers)
        writer = await _sent(connection, method, url, lines, session.timeout.sock_read)
    except BaseException:
        connection.close()
        raise
    answer = aiohttp.ClientResponse(
        method,
        url,
        writer=None,
        continue100=None,
        timer=_NO_TIMER,
        request_info=sample.request_info,
        traces=[],
        loop=sample.loop,
        session=session,
        stream_writer=writer,
    )
    try:
        return await answer.start(connection)
    except BaseException:
        answer.close()
        raise


async def _connected(session: aiohttp.ClientSession, sample: BareRequest) -> Connection:
    if session.connector is None:
        raise aiohttp.ClientConnectionError("the session is closed")
    try:
        return await session.connector.connect(sample, [], session.timeout)
    except TimeoutError:
        raise aiohttp.ConnectionTimeoutError(f"no connection to {sample.host}") from None


async def _sent(
    connection: Connection, method: str, url: URL, lines: CIMultiDict[str], patience: float | None
) -> StreamWriter:
    protocol = connection.protocol
    if protocol is None:
        raise aiohttp.ServerDisconnectedError
    protocol.set_response_params(
        skip_payload=method == hdrs.METH_HEAD,
        read_until_eof=True,
        auto_decompress=False,
        read_timeout=patience,
        max_line_size=MAX_HEAD_LINE,
        max_field_size=MAX_HEAD_LINE,
    )
    writer = StreamWriter(protocol, asyncio.get_running_loop())
    await writer.write_headers(f"{method} {url.raw_path_qs} HTTP/1.1", lines)
    protocol.start_timeout()
    writer.set_eof()
    return writer
