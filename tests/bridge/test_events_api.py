"""`GET /v1/events` of a real service, read as raw bytes."""

import json
import select
import socket
from collections.abc import Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from meshmesh.cli.visitor import sign_in
from support.service import Service, StartService

DEMO_READ = {"connection": "demo", "mode": "read"}
STREAMS = 32
MANY = 800  # events: more than a socket and the service together hold for one reader


@dataclass(frozen=True)
class Heard:
    """One event as it came."""

    id: str
    name: str
    data: Any


@dataclass
class Stream:
    """An open stream; it reads what it needs and no more."""

    sock: socket.socket
    head: str = ""
    raw: bytes = b""
    ended_well: bool = False

    def lines(self) -> Iterator[str]:
        """The lines of the stream, out of their chunks; ends when the stream is closed, well or not."""
        text = b""
        while True:
            size = self._line()
            self.ended_well = size == b"0"
            if size is None or self.ended_well:
                return
            chunk = self._take(int(size, 16) + 2)
            if chunk is None:
                return
            *whole, text = (text + chunk[:-2]).split(b"\r\n")
            yield from (line.decode() for line in whole)

    def events(self) -> Iterator[Heard]:
        """The events, without comments and blocks that are none."""
        block: dict[str, str] = {}
        for line in self.lines():
            name, _, value = line.partition(": ")
            if line and not line.startswith(":"):
                block[name] = value
            elif not line:
                if "data" in block:
                    yield Heard(block["id"], block["event"], json.loads(block["data"]))
                block = {}

    def _line(self) -> bytes | None:
        while b"\r\n" not in self.raw:
            if not self._more():
                return None
        line, _, self.raw = self.raw.partition(b"\r\n")
        return line

    def _take(self, count: int) -> bytes | None:
        while len(self.raw) < count:
            if not self._more():
                return None
        taken, self.raw = self.raw[:count], self.raw[count:]
        return taken

    def _more(self) -> bool:
        try:
            part = self.sock.recv(65536)
        except ConnectionError:
            return False
        self.raw += part
        return bool(part)


@contextmanager
def listening(service: Service, token: str | None = None, *, after: str | None = None) -> Generator[Stream]:
    """A stream of a client, or of the owner."""
    with closing(socket.socket(socket.AF_INET if token else socket.AF_UNIX)) as sock:
        sock.settimeout(30)
        sock.connect(("127.0.0.1", service.port) if token else str(service.socket_path))
        lines = [f"Host: localhost:{service.port}"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"Last-Event-ID: {after}"] if after is not None else []
        sock.sendall(("GET /v1/events HTTP/1.1\r\n" + "\r\n".join(lines) + "\r\n\r\n").encode())
        raw = b""
        while b"\r\n\r\n" not in raw:
            raw += sock.recv(1)
        yield Stream(sock, raw.decode())


def take(events: Iterator[Heard], count: int) -> list[Heard]:
    """The next events; hangs, and so fails, where there are fewer."""
    return [next(events) for _ in range(count)]


def until(events: Iterator[Heard], name: str) -> list[Heard]:
    """Events up to the first of a name."""
    heard: list[Heard] = []
    while not heard or heard[-1].name != name:
        heard.append(next(events))
    return heard


def settled(events: Iterator[Heard]) -> list[Heard]:
    """Events up to the last one of new tokens: when they end is learnt after they came."""
    heard = [next(events)]
    while heard[-1].data["status"] != "connected" or heard[-1].data["session"]["expires_at"] is None:
        heard.append(next(events))
    return heard


def lose_demo(service: Service) -> None:
    """The demo org revokes, and the service finds out."""
    for lever in ("revoke", "expire-session"):
        assert service.call("POST", f"/v1/demo/{lever}", {}, owner=True).status == 200
    assert service.call("POST", "/v1/connections/demo/test", {}, owner=True).json()["status"] == "needs_you"


def mend_demo(service: Service) -> None:
    """The person signs in again."""
    begun = service.call("POST", "/v1/connections/demo/reconnect", {}, owner=True).json()["sign_in"]
    sign_in(begun["authorize_url"], print)


def rename(service: Service, name: str, new: str) -> None:
    """Something that shows, at once."""
    assert service.call("PATCH", f"/v1/connections/{name}", {"name": new}, owner=True).status == 200


def client_id(service: Service, token: str) -> str:
    """Whose token it is."""
    return str(service.call("GET", "/v1/me", token=token).json()["id"])


def test_a_loss_and_its_mending_reach_whom_they_concern(service: Service) -> None:
    """Owner and granted client hear `needs_you` and `recovered` once each, in their own shape; another client nothing."""
    granted, other = service.pair(DEMO_READ), service.pair()
    with listening(service) as owners, listening(service, granted) as clients, listening(service, other) as others:
        heard = owners.events(), clients.events(), others.events()
        lose_demo(service)
        lost = until(heard[0], "connection.needs_you")[-1], until(heard[1], "connection.needs_you")[-1]
        mend_demo(service)
        mended = until(heard[0], "connection.recovered"), until(heard[1], "connection.recovered")
        settled(heard[0])
        asked = service.call("POST", "/v1/access-requests", {"purpose": "x", "mode": "read"}, token=other).json()

        assert [one.data["reason"] for one in lost] == ["refresh_token_revoked"] * 2
        assert [one[-1].data["status"] for one in mended] == ["connected"] * 2
        assert [
            name for one in mended for name in [event.name for event in one] if name == "connection.needs_you"
        ] == []
        assert (lost[0].data["mode"], lost[1].data["mode"]) == (None, "read")
        assert "grants" in lost[0].data
        assert "grants" not in lost[1].data
        assert take(heard[2], 1)[0].data == asked


def test_the_stream_has_the_headers_of_its_kind(service: Service) -> None:
    """It is an event stream that is stored nowhere, and says nothing of the server; HEAD answers without a stream."""
    with listening(service) as stream:
        head = stream.head.lower()
    answer = service.call("HEAD", "/v1/events", owner=True)

    for line in ("http/1.1 200", "content-type: text/event-stream", "cache-control: no-store", "nosniff"):
        assert line in head
    assert "server:" not in head
    assert (answer.status, answer.headers["content-type"], answer.body) == (200, "text/event-stream", b"")
    assert service.call("GET", "/v1/events").status == 401
    assert service.call("GET", "/v1/events?after=1", owner=True).status == 422


def test_no_event_holds_a_token(service: Service) -> None:
    """What a stream tells of a refreshed connection has no token in it."""
    given = service.call("GET", "/v1/connections/demo/token", owner=True).json()["access_token"]
    with listening(service) as stream:
        service.call("POST", "/v1/connections/demo/token", {"rejected": given}, owner=True)
        events = stream.events()
        heard = [next(events), *settled(events)]
    text = json.dumps([one.data for one in heard])
    now = service.call("GET", "/v1/connections/demo/token", owner=True).json()["access_token"]

    assert given != now
    assert given not in text
    assert now not in text


def test_a_reader_that_comes_back_misses_nothing(service: Service) -> None:
    """With `Last-Event-ID`, what happened meanwhile comes first, once; also where nothing had been heard yet."""
    with listening(service) as first:
        events = first.events()
        rename(service, "demo", "one")
        place = next(events).id
    rename(service, "one", "two")
    rename(service, "two", "demo")
    with listening(service, after=place) as second:
        heard = take(second.events(), 2)

    assert [one.data["name"] for one in heard] == ["two", "demo"]
    with listening(service, after=heard[1].id) as third:
        rename(service, "demo", "three")
        rename(service, "three", "demo")
        assert [one.data["name"] for one in take(third.events(), 2)] == ["three", "demo"]


@pytest.mark.parametrize("after", ["nonsense", "00000000-1", "\u00e9"])
def test_an_unknown_place_is_told_reset(service: Service, after: str) -> None:
    """A reader from another life of the service is told to look again, and goes on."""
    with listening(service, after=after) as stream:
        events = stream.events()
        first = next(events)
        rename(service, "demo", "one")
        rename(service, "one", "demo")

        assert (first.name, first.data) == ("reset", {})
        assert [one.data["name"] for one in take(events, 2)] == ["one", "demo"]


def test_a_revoked_client_is_cut_at_once(service: Service) -> None:
    """Its stream ends with its pairing, well-formed; the owner's goes on."""
    token = service.pair(DEMO_READ)
    with listening(service, token) as stream, listening(service) as owners:
        assert service.call("DELETE", f"/v1/clients/{client_id(service, token)}", owner=True).status == 204
        rename(service, "demo", "one")
        rename(service, "one", "demo")

        assert list(stream.events()) == []
        assert stream.ended_well
        assert len(take(owners.events(), 2)) == 2


def test_a_stream_ends_with_its_grant(service: Service) -> None:
    """A client that is narrowed reads no further, and comes back to what it still has."""
    token = service.pair(DEMO_READ)
    with listening(service, token) as stream:
        body: dict[str, object] = {"grants": []}
        assert service.call("PATCH", f"/v1/clients/{client_id(service, token)}", body, owner=True).status == 200

        assert list(stream.events()) == []
    with listening(service, token) as again:
        assert "200 OK" in again.head


def test_the_33rd_stream_is_refused(start_service: StartService) -> None:
    """It gets 503 and when to come back; when one of the others goes, its place is free."""
    service = start_service()
    with ExitStack() as stack:
        first = stack.enter_context(ExitStack())
        first.enter_context(listening(service))
        for _ in range(STREAMS - 1):
            stack.enter_context(listening(service))
        refused = service.call("GET", "/v1/events", owner=True)
        first.close()

        assert (refused.status, refused.headers["retry-after"]) == (503, "30")
        assert service.eventually(lambda: opens(service))


def opens(service: Service) -> bool:
    """Whether a stream can be had."""
    with listening(service) as stream:
        return "200 OK" in stream.head


def test_open_streams_do_not_hold_the_service(start_service: StartService) -> None:
    """At SIGTERM each stream is ended by the service, well-formed, and it exits with 0."""
    service = start_service()
    token = service.pair(DEMO_READ)
    with listening(service) as owners, listening(service, token) as clients:
        assert service.stop() == 0

        assert list(owners.events()) == list(clients.events()) == []
        assert owners.ended_well
        assert clients.ended_well


def is_cut(stream: Stream) -> bool:
    """Whether the other side has closed, without reading what it sent before."""
    poll = select.poll()
    poll.register(stream.sock, select.POLLHUP)
    return bool(poll.poll(0))


def test_a_slow_reader_is_cut_while_others_go_on(start_service: StartService) -> None:
    """A reader that takes nothing is cut off; the other one hears everything, and a heartbeat where there is nothing."""
    service = start_service()
    with listening(service) as slow, listening(service) as fast:
        events = fast.events()
        for _ in range(MANY // 2):
            for before, after in (("demo", "one"), ("one", "demo")):
                rename(service, before, after)
                while next(events).data["name"] != after:  # the demo org may still be settling
                    pass
        assert service.eventually(lambda: is_cut(slow), seconds=30)

        assert 0 < len(list(slow.events())) < MANY
        assert not slow.ended_well
        assert next(line for line in fast.lines() if line.startswith(":")) == ": ping"
