"""The one way out, against a real peer on a loopback port: what it sends, what it refuses, what it tries again."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from yarl import URL

from meshmesh_daemon.adapters.salesforce import HostRefused, Lost, Salesforce, proxy_for
from meshmesh_daemon.core.hosts import HostPolicy

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


@dataclass
class Peer:
    """Answers each connection with the next of `answers`, raw; b"" closes it without a word."""

    answers: list[bytes] = field(default_factory=list[bytes])
    asked: list[bytes] = field(default_factory=list[bytes])
    origin: str = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next((int(line.split(b":")[1]) for line in head.split(b"\r\n") if b"ontent-Length" in line), 0)
        self.asked.append(head + await reader.readexactly(length))
        writer.write(self.answers.pop(0) if self.answers else OK)
        writer.close()


@pytest.fixture
async def far() -> AsyncGenerator[Peer, None]:
    """A peer on a free port."""
    made = Peer()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.origin = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    await server.wait_closed()


@pytest.fixture
async def way(far: Peer) -> AsyncGenerator[Salesforce, None]:
    """The way to that peer and to nobody else."""
    async with Salesforce.open(HostPolicy(extra_login_origins=frozenset({far.origin}))) as salesforce:
        yield salesforce


@pytest.mark.parametrize("broken", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"])
async def test_a_get_is_tried_again_and_a_post_is_not(far: Peer, way: Salesforce, broken: bytes) -> None:
    """A line that broke: a GET may be sent twice, a form that may rotate a token never is."""
    far.answers = [broken]
    assert (await way.get(f"{far.origin}/x")).status == 200
    assert len(far.asked) == 2
    far.answers = [broken]
    with pytest.raises(Lost) as lost:
        await way.post_form(f"{far.origin}/services/oauth2/token", "grant_type=refresh_token")

    assert lost.value.sent
    assert len(far.asked) == 3


async def test_a_line_that_stays_broken_is_told(far: Peer, way: Salesforce) -> None:
    """A few tries, then the loss is told; not for ever."""
    far.answers = [b""] * 10
    with pytest.raises(Lost):
        await way.get(f"{far.origin}/x")

    assert 3 <= len(far.asked) <= 6  # aiohttp itself tries a GET once more


async def test_a_redirect_is_an_answer(far: Peer, way: Salesforce) -> None:
    """A redirect is not followed: the token stays where it was sent."""
    far.answers = [b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/x\r\nContent-Length: 0\r\n\r\n"]
    answer = await way.get(f"{far.origin}/x", access_token="00D!secret")

    assert (answer.status, answer.headers["location"]) == (302, "http://127.0.0.1:9/x")
    assert b"Authorization: Bearer 00D!secret" in far.asked[0]


async def test_no_cookie_is_kept(far: Peer, way: Salesforce) -> None:
    """What an org sets is not sent back."""
    far.answers = [OK.replace(b"\r\n\r\n", b"\r\nSet-Cookie: sid=1\r\n\r\n")]
    await way.get(f"{far.origin}/x")
    await way.get(f"{far.origin}/x")

    assert b"ookie" not in far.asked[1]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:9/services/oauth2/token",
        "https://evil.example/services/oauth2/token",
        "https://login.salesforce.com.evil.example/x",
        "https://login.salesforce.com@evil.example/x",
        "http://login.salesforce.com/x",
        "https://login.salesforce.com:444/x",
    ],
)
async def test_nothing_goes_to_other_hosts(way: Salesforce, url: str) -> None:
    """The last line: whatever a bug above asks for, no form and no token leaves for a host that may not have it."""
    with pytest.raises(HostRefused):
        await way.post_form(url, "code=secret")
    with pytest.raises(HostRefused):
        await way.get(url, access_token="00D!secret")


async def test_an_answer_has_a_cap(far: Peer, way: Salesforce) -> None:
    """An endless answer is cut, and counts as lost."""
    far.answers = [b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * (2 * 1024 * 1024)]
    with pytest.raises(Lost):
        await way.post_form(f"{far.origin}/x", "a=1")


async def test_nobody_there_was_never_sent(way: Salesforce, far: Peer) -> None:
    """A refused connection cannot have rotated anything."""
    closed = await asyncio.start_server(far.serve, "127.0.0.1", 0)
    origin = f"http://127.0.0.1:{closed.sockets[0].getsockname()[1]}"
    closed.close()
    await closed.wait_closed()
    async with Salesforce.open(HostPolicy(extra_login_origins=frozenset({origin}))) as salesforce:
        for ask in (salesforce.post_form(f"{origin}/x", "a=1"), salesforce.get(f"{origin}/x")):
            with pytest.raises(Lost) as lost:
                await ask
            assert (lost.value.kind, lost.value.sent) == ("connect", False)


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "DELETE"])
async def test_a_request_leaves_as_it_was_given(far: Peer, way: Salesforce, method: str) -> None:
    """Host and User-Agent are ours, a length is of the body; there is no other header that the caller did not give."""
    far.answers = [b"HTTP/1.1 204 No Content\r\n\r\n"]
    async with way.stream(method, URL(f"{far.origin}/x?q=a%2Bb", encoded=True), {"Accept": "a/b"}, None) as answer:
        assert answer.status == 204

    line, *headers = far.asked[0].decode().strip().split("\r\n")
    assert line == f"{method} /x?q=a%2Bb HTTP/1.1"
    assert {header for header in headers if header != "Content-Length: 0"} == {
        f"Host: {far.origin.removeprefix('http://')}",
        "User-Agent: MeshMesh",
        "Accept: a/b",
    }


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("HEAD", 2), ("POST", 1), ("PATCH", 1)])
async def test_only_a_read_is_sent_again(far: Peer, way: Salesforce, method: str, times: int) -> None:
    """A line that was closed before an answer: what reads is asked again, what may have been carried out is lost."""
    far.answers = [b"", b"HTTP/1.1 204 No Content\r\n\r\n"]
    with suppress(Lost):
        async with way.stream(method, URL(f"{far.origin}/x"), {}, None):
            pass

    assert len(far.asked) == times


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_that_is_none_is_lost_once(far: Peer, way: Salesforce, method: str) -> None:
    """What is no HTTP, or has too long a head, is told as lost; it is not asked for again."""
    for answer in (b"SMTP?\r\n\r\n", b"HTTP/1.1 200 OK\r\nX: " + b"x" * 100_000 + b"\r\n\r\n"):
        far.answers, far.asked = [answer], []
        with pytest.raises(Lost) as lost:
            async with way.stream(method, URL(f"{far.origin}/x"), {}, None):
                pass
        assert (lost.value.sent, len(far.asked)) == (True, 1)


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_answer_that_breaks_off_is_lost(far: Peer, way: Salesforce, method: str) -> None:
    """Half an answer is none, for whoever reads it in pieces too."""
    far.answers = [b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{"]
    with pytest.raises(Lost) as lost:
        async with way.stream(method, URL(f"{far.origin}/x"), {}, None) as answer:
            await answer.read()

    assert (lost.value.kind, lost.value.sent) == ("truncated", True)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://login.salesforce.com/x", "http://proxy:8080"),
        ("http://localhost:4000/x", None),
        ("http://127.0.0.1:4000/x", None),
        ("http://[::1]:4000/x", None),
    ],
)
def test_the_loopback_never_goes_to_a_proxy(url: str, expected: str | None) -> None:
    """A proxy of the environment is used for Salesforce, and never for this machine."""
    proxies = {"https": "http://proxy:8080", "http": "http://proxy:8080"}

    assert proxy_for(url, proxies=lambda: proxies) == expected
