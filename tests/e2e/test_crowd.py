"""A thousand callers at the moment when the session ends: one refresh, and everybody goes on with its token.

The crowd holds 64 connections, and each caller sends its request when the one before it on its connection has its answer.
"""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from support import faults
from support.faults import Line, lines
from support.peer import LIMITS, MANAGED, Client, Peer, connect, peer, view
from support.service import start

CALLERS = 1000
LINES = 64
NAME = "acme"


@dataclass(frozen=True, kw_only=True)
class Heard:
    """One caller's answer."""

    status: int
    body: bytes


@dataclass(frozen=True, kw_only=True)
class Square:
    """A connection, its org, and a client for the crowd."""

    org: Peer
    line: Line
    client: Client


@pytest.fixture
def square(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Square]:
    """A connection that is well."""
    with peer(tmp_path_factory.mktemp("org")) as org, lines(org.origin, 1) as (line,):
        service = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
        try:
            connect(service, NAME, line.origin)
            yield Square(org=org, line=line, client=Client.pair(service, NAME))
        finally:
            service.stop()


async def crowd(client: Client, requests: list[bytes]) -> list[Heard]:
    """Every request gets its answer; they leave on all lines at once."""
    shares = [requests[number::LINES] for number in range(LINES)]
    heard = await asyncio.gather(*(_one_line(client.service.port, share) for share in shares))
    return [answer for share in heard for answer in share]


async def _one_line(port: int, requests: list[bytes]) -> list[Heard]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard: list[Heard] = []
    for request in requests:
        writer.write(request)
        top = await reader.readuntil(b"\r\n\r\n")
        lengths = [line for line in top.lower().split(b"\r\n") if line.startswith(b"content-length:")]
        body = await reader.readexactly(int(lengths[0].partition(b":")[2]))
        heard.append(Heard(status=int(top.split()[1]), body=body))
    writer.close()
    await writer.wait_closed()
    return heard


def request(client: Client, method: str, target: str, body: object = None) -> bytes:
    """A raw request of the client's, on a line that stays."""
    payload = b"" if body is None else json.dumps(body).encode()
    top = (
        f"{method} {target} HTTP/1.1\r\nHost: localhost:{client.service.port}\r\n"
        f"Authorization: Bearer {client.token}\r\nContent-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    return top.encode() + payload


async def test_a_thousand_callers_make_one_refresh(square: Square) -> None:
    """Through the API and the broker at once: each is answered, all get the same new token, the org saw one refresh."""
    client, org = square.client, square.org
    dead = client.held(NAME)
    org.lever("expire-session")
    square.line.fail(faults.takes_its_time, only_token=True)
    before = org.state()
    report = request(client, "POST", f"/v1/connections/{NAME}/token", {"rejected": dead})
    read = request(client, "GET", f"/o/{NAME}{LIMITS}")
    heard = await crowd(client, [report, read] * (CALLERS // 2))
    after = org.state()

    assert len(heard) == CALLERS
    assert {answer.status for answer in heard} == {200}
    tokens = {json.loads(answer.body)["access_token"] for answer in heard if b"access_token" in answer.body}
    assert len(tokens) == 1
    assert dead not in tokens
    assert after.refreshes - before.refreshes == 1
    assert after.of(MANAGED)[-1].rotations - before.of(MANAGED)[-1].rotations == 1
    assert after.of(MANAGED)[-1].live


async def test_a_thousand_callers_hear_of_a_revoked_sign_in_together(square: Square) -> None:
    """The refresh that fails is one as well: everybody gets the reason, and the org is asked once."""
    client, org = square.client, square.org
    dead = client.held(NAME)
    org.lever("revoke")
    before = org.state()
    report = request(client, "POST", f"/v1/connections/{NAME}/token", {"rejected": dead})
    heard = await crowd(client, [report] * CALLERS)

    assert {answer.status for answer in heard} == {409}
    assert {json.loads(answer.body)["reason"] for answer in heard} == {"refresh_token_revoked"}
    assert org.state().refreshes - before.refreshes == 1
    assert view(client.service, NAME)["status"] == "needs_you"


async def test_a_thousand_callers_in_an_outage_make_no_storm(square: Square) -> None:
    """While the org is out each is sent away with 503, and the org is asked once, or twice where an answer was lost."""
    client, org = square.client, square.org
    dead = client.held(NAME)
    org.lever("expire-session")
    before = org.state()
    org.lever("outage", kind="5xx", seconds=60)
    report = request(client, "POST", f"/v1/connections/{NAME}/token", {"rejected": dead})
    heard = await crowd(client, [report] * CALLERS)
    during = org.state()
    org.lever("outage", kind="5xx", seconds=0)

    assert {answer.status for answer in heard} == {503}
    assert {json.loads(answer.body)["reason"] for answer in heard} == {"service_unavailable"}
    assert during.refreshes - before.refreshes in {1, 2}
