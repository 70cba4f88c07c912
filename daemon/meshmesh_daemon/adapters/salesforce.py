"""The one way out: the only client session that ever carries a token, a code or a secret.

Invariants: nothing is sent to a host that the policy does not allow; redirects are never followed; no cookie is kept;
answers are read up to a cap; whoever lost an answer learns whether the request may have reached the other side, since a
refresh that was sent may have rotated the token.
"""

import asyncio
import ssl
import sys
import urllib.request
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from meshmesh_daemon.adapters.asking import MAX_HEAD_LINE, BareRequest, ask, sample_for
from meshmesh_daemon.adapters.patience import make_patient
from meshmesh_daemon.core.errors import Failure, rest_failure, token_failure
from meshmesh_daemon.core.hosts import HostPolicy

CALL_SECONDS = 30.0  # a token endpoint that takes longer is in trouble
CONNECT_SECONDS = 10.0
STREAM_IDLE_SECONDS = 120.0  # Salesforce ends its own requests after two minutes
MAX_ANSWER = 1024 * 1024
MAX_CARRIED = 10 * 1024 * 1024  # an answer to a write is kept as a whole
USER_AGENT = "MeshMesh"
_ASKING = frozenset({hdrs.METH_GET, hdrs.METH_HEAD})
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_PROXIES_CHANGE = sys.platform == "darwin"  # where they are a setting of the network that the machine is in


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswer:
    """A whole answer. `headers` are lower case; the body is left out of `repr`, it may hold tokens."""

    status: int
    content_type: str
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def failure(self, now: datetime) -> Failure | None:
        """What it says about the connection, as an answer of the REST API; see `core.errors.rest_failure`."""
        return rest_failure(
            status=self.status, content_type=self.content_type, body=self.body, headers=self.headers, now=now
        )

    def token_failure(self, grant: str, now: datetime) -> Failure:
        """What it means, as an answer of the token endpoint that holds no tokens; see `core.errors.token_failure`."""
        return token_failure(
            status=self.status,
            content_type=self.content_type,
            body=self.body,
            headers=self.headers,
            grant=grant,
            now=now,
        )


class Lost(Exception):
    """No whole answer came.

    Args:
        kind: a kind of `core.errors.transport_failure`.
        sent: whether the request may have been executed at the other side.
    """

    def __init__(self, kind: str, *, sent: bool) -> None:
        super().__init__(kind)
        self.kind = kind
        self.sent = sent


class HostRefused(Exception):
    """Our own last line: this host may not have what we were about to send."""


class Outside(Protocol):
    """What the use cases need of the world."""

    async def post_form(self, url: str, form: str) -> HttpAnswer:
        """POST a form; see `Salesforce.post_form`."""
        ...

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        """GET an address; see `Salesforce.get`."""
        ...


@dataclass(frozen=True, slots=True)
class _Way:
    """How an origin that may have a token is reached."""

    proxy: str | None
    ssl: ssl.SSLContext | bool
    sample: BareRequest


class _Exchange:
    """An answer, for as long as the block lasts; a line that breaks meanwhile is `Lost`.

    Args:
        begin: sends the request, and gives the answer, its head read.
    """

    __slots__ = ("_answer", "_begin")

    def __init__(self, begin: Callable[[], Awaitable[aiohttp.ClientResponse]]) -> None:
        self._begin = begin

    async def __aenter__(self) -> aiohttp.ClientResponse:
        self._answer = await self._begin()
        return self._answer

    async def __aexit__(
        self, _kind: type[BaseException] | None, error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if not self._answer.closed:  # a whole answer gave its connection back by itself
            self._answer.close()
        if isinstance(error, aiohttp.ClientError):
            raise _lost(error) from None


class Salesforce:
    """The session. Made by `Salesforce.open`.

    Args:
        kept: sends over connections that are kept for the next request.
        fresh: sends each request over a connection of its own.
        policy: which hosts may have a token or secret.
    """

    def __init__(self, kept: aiohttp.ClientSession, fresh: aiohttp.ClientSession, policy: HostPolicy) -> None:
        self._kept = kept
        self._fresh = fresh
        self._policy = policy
        self._tls: ssl.SSLContext | None = None
        self._ways: dict[str, _Way] = {}

    @classmethod
    @asynccontextmanager
    async def open(cls, policy: HostPolicy) -> "AsyncGenerator[Salesforce, None]":
        """An open session, closed at the end of the block."""
        async with _session(force_close=False) as kept, _session(force_close=True) as fresh:
            yield cls(kept, fresh, policy)

    async def post_form(self, url: str, form: str) -> HttpAnswer:
        """POST a form that may hold a code, a token or a secret.

        It never goes out over a kept connection: one that the other side has closed meanwhile would leave in doubt whether
        a refresh was carried out.

        Args:
            url: an OAuth endpoint.
            form: the body, form-encoded.

        Raises:
            Lost: no whole answer came.
            HostRefused: the host may not have it.
        """
        headers: dict[str, str] = {
            hdrs.CONTENT_TYPE: "application/x-www-form-urlencoded",
            hdrs.ACCEPT: "application/json",
        }
        return await self._call("POST", url, headers, form.encode())

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        """GET a resource; a line that broke is tried once more, since a GET may be sent twice.

        Args:
            url: where.
            access_token: sent as Bearer, or nothing is sent.

        Raises:
            Lost: no whole answer came.
            HostRefused: the host may not have it.
        """
        headers: dict[str, str] = {hdrs.ACCEPT: "application/json"}
        if access_token:
            headers[hdrs.AUTHORIZATION] = f"Bearer {access_token}"
        try:
            return await self._call("GET", url, headers, None)
        except Lost as lost:
            if not _is_broken_line(lost):
                raise
        return await self._get_again(url, headers)

    async def _get_again(self, url: str, headers: dict[str, str]) -> HttpAnswer:
        import stamina  # late: it is needed on bad days only

        answer: HttpAnswer | None = None
        async for attempt in stamina.retry_context(on=_is_broken_line, attempts=2, wait_initial=0.2, wait_jitter=0.3):
            with attempt:
                answer = await self._call("GET", url, headers, None)
        if answer is None:
            raise Lost("reset", sent=True)
        return answer

    async def _call(self, method: str, url: str, headers: dict[str, str], body: bytes | None) -> HttpAnswer:
        headers[hdrs.ACCEPT_ENCODING] = "identity"
        try:
            session = self._fresh if method == hdrs.METH_POST else self._kept
            sent = self._sent(session, method, URL(url, encoded=True), headers, body)
            async with asyncio.timeout(CALL_SECONDS), sent as answer:
                return await _whole(answer, MAX_ANSWER)
        except TimeoutError:
            raise Lost("timeout", sent=True) from None

    async def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """One request that must not be sent twice, and its whole answer.

        It goes out over a connection of its own: a kept one that the other side has closed meanwhile would leave in doubt
        whether it was carried out.

        Args:
            method: HTTP method.
            url: exactly what is sent; it is not normalised.
            headers: exactly what is sent, besides Host and User-Agent.
            body: the bytes; empty for none.

        Raises:
            Lost: no whole answer came.
            HostRefused: the host may not have it.
        """
        identity = {**headers, hdrs.ACCEPT_ENCODING: "identity"}
        async with self._sent(self._fresh, method, URL(url, encoded=True), identity, body or None) as answer:
            return await _whole(answer, MAX_CARRIED)

    def stream(
        self,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> "_Exchange":
        """One request whose answer is read by the caller, in pieces.

        Args:
            method: HTTP method.
            url: exactly what is sent; it is not normalised.
            headers: exactly what is sent, besides Host and User-Agent.
            body: bytes, or pieces.

        Raises:
            Lost: no answer began, or it broke off while the caller read.
            HostRefused: the host may not have it.
        """
        return self._sent(self._kept, method, url, headers, body)

    def _sent(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> "_Exchange":
        return _Exchange(lambda: self._begun(session, method, url, headers, body))

    async def _begun(
        self,
        session: aiohttp.ClientSession,
        method: str,
        url: URL,
        headers: Mapping[str, str],
        body: bytes | AsyncIterator[bytes] | None,
    ) -> aiohttp.ClientResponse:
        origin = f"{url.scheme}://{url.raw_authority}"
        way = self._ways.get(origin) or await self._found(origin, url)
        sent = {hdrs.USER_AGENT: USER_AGENT, **headers}
        try:
            if body is None and way.proxy is None and method in _ASKING and session is self._kept:
                return await ask(session, way.sample, method, url, sent)
            return await session.request(
                method,
                url,
                headers=sent,
                data=body,
                skip_auto_headers=(hdrs.CONTENT_TYPE,),
                allow_redirects=False,
                proxy=way.proxy,
                ssl=way.ssl,
            )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise _lost(error) from None

    async def _found(self, origin: str, url: URL) -> _Way:
        """The way to an origin, found once: neither the policy nor what stands in the environment changes.

        Raises:
            HostRefused: the host may not have a token.
        """
        if not self._policy.may_receive_secret(origin):
            raise HostRefused(url.host or "")
        proxy = proxy_for(origin)
        tls = await self._context() if proxy or url.scheme == "https" else True
        way = _Way(proxy, tls, sample_for(self._kept, url, tls))
        if not _PROXIES_CHANGE:
            self._ways[origin] = way
        return way

    async def _context(self) -> ssl.SSLContext:
        """Made for the first call that needs it, off the loop: it reads every certificate that the system trusts.

        It is our own also because aiohttp makes its one before the process has shed its environment.
        """
        if self._tls is None:
            self._tls = await asyncio.to_thread(ssl.create_default_context)
        return self._tls


def _session(*, force_close: bool) -> aiohttp.ClientSession:
    # limit=0: aiohttp's 100 connections would be shared by all orgs, and one that hangs would hold up the rest
    connector = aiohttp.TCPConnector(limit=0, force_close=force_close)
    make_patient(connector)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=STREAM_IDLE_SECONDS),
        request_class=BareRequest,
        max_line_size=MAX_HEAD_LINE,
        max_field_size=MAX_HEAD_LINE,
    )


def _is_broken_line(error: Exception) -> bool:
    return isinstance(error, Lost) and error.kind in {"reset", "truncated"}


def _lost(error: Exception) -> Lost:
    for kinds, kind, sent in _KINDS:
        if isinstance(error, kinds):
            return Lost(kind, sent=sent)
    return Lost("reset", sent=True)


_KINDS: tuple[tuple[type[Exception], str, bool], ...] = (
    (aiohttp.ClientConnectorDNSError, "dns", False),
    (aiohttp.ClientSSLError, "tls", False),
    (aiohttp.ClientProxyConnectionError, "connect", False),
    (aiohttp.ClientHttpProxyError, "proxy_auth", False),
    (aiohttp.ClientConnectorError, "connect", False),
    (aiohttp.ConnectionTimeoutError, "timeout", False),
    (aiohttp.ServerTimeoutError, "timeout", True),
    (TimeoutError, "timeout", True),
    (aiohttp.ClientPayloadError, "truncated", True),
)


async def _whole(answer: aiohttp.ClientResponse, most: int) -> HttpAnswer:
    read = bytearray()
    async for chunk in answer.content.iter_any():
        read += chunk
        if len(read) > most:
            raise Lost("truncated", sent=True)
    return HttpAnswer(
        status=answer.status,
        content_type=answer.content_type,
        headers={name.lower(): value for name, value in answer.headers.items()},
        body=bytes(read),
    )


def proxy_for(url: str, *, proxies: Callable[[], Mapping[str, str]] = urllib.request.getproxies) -> str | None:
    """The proxy that the environment or the system names for an address; never one for the loopback.

    aiohttp's `trust_env` is not used: it would also read `.netrc` and send what stands there.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    if host in _LOOPBACK or urllib.request.proxy_bypass(host):
        return None
    return proxies().get(parts.scheme)
