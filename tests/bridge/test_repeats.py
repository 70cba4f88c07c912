"""The laws of a request that comes again: the same answer as at the first time, judged as at the first time, only sooner."""

import asyncio
import os
import re
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from meshmesh_bridge.application import build
from meshmesh_bridge.arrivals import Arrivals
from meshmesh_bridge.guard import Guard
from meshmesh_bridge.house import House
from meshmesh_bridge.plumbing import ARRIVALS, QuietRunner
from meshmesh_bridge.repeats import MOST
from meshmesh_bridge.rooms import furnished
from meshmesh_daemon.settings import Settings
from meshmesh_daemon.usecases.access import NewClient, WantedGrant
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage import apps, connections
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import Kind, Mode
from meshmesh_storage.vault import Vault
from support.clock import FakeClock
from support.floor import ACME, APP
from support.meter import resident
from support.service import PIN, Service, exchange, start
from support.small_files import files_of_at_most
from support.stranger import as_other_user
from support.vaults import paths_of

PATH = "/v1/connections/{name}/token"


def asking(port: int, token: str, name: str = "acme", more: str = "") -> bytes:
    """A request for a token, as a program sends it each time."""
    top = f"GET {PATH.format(name=name)} HTTP/1.1\r\nHost: localhost:{port}\r\n"
    return f"{top}Authorization: Bearer {token}\r\n{more}\r\n".encode()


@dataclass
class Near:
    """A house in this process, with one door, and a program that may have the token of `acme`."""

    house: House
    runner: QuietRunner
    port: int
    client_id: str
    token: str

    @property
    def read(self) -> int:
        """How many requests aiohttp has read."""
        assert self.runner.server is not None
        return self.runner.server.requests_count

    @property
    def asking(self) -> bytes:
        """What the program sends."""
        return asking(self.port, self.token)

    async def rows(self) -> int:
        """How often the activity says that a token was handed out."""
        page = await self.house.rooms.activity.page(after=0, limit=500)
        return sum(row.entry is not None and row.entry.action == "token.given" for row in page)


async def heard(near: Near, *requests: bytes) -> list[bytes]:
    """The answers to requests that are sent one after the other over one connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", near.port)
    answers: list[bytes] = []
    for request in requests:
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"(?i)content-length: (\d+)", head)
        bodiless = request.startswith(b"HEAD")
        answers.append(head + (b"" if bodiless or not length else await reader.readexactly(int(length[1]))))
    writer.close()
    await writer.wait_closed()
    return answers


@asynccontextmanager
async def standing(home: Path) -> AsyncGenerator[Near, None]:
    """A house with `acme` and its program."""
    paths, clock = paths_of(home), FakeClock()
    vault = await Vault.open(paths.data, KeyFile(paths.config / "master.key"), now=clock.now())
    async with vault.transaction() as tx:
        await apps.put(tx, APP)
        await connections.insert(tx, replace(ACME, kind=Kind.DEMO))  # for which nobody is asked
    await vault.close()
    house = House(
        settings=Settings(demo_enabled=False, notifications_enabled=False),
        clock=clock,
        started_at=clock.now(),
        pid=os.getpid(),
        socket_path="",
    )
    arrivals = Arrivals(owner_uid=os.geteuid(), uid_of=lambda _: os.geteuid(), files=4096)
    guard = Guard(
        port=lambda: house.port,
        arrivals=arrivals,
        authenticate=lambda token: house.rooms.access.authenticate(token),  # noqa: PLW0108 - not there yet
        is_dashboard=lambda _: False,
        is_paired=lambda _: False,
        client_of_process=lambda _: None,
        owner_uid=os.geteuid(),
    )
    app, _ = build(house, guard)
    app[ARRIVALS] = arrivals
    runner = QuietRunner(app, access_log=None, handler_cancellation=True, keepalive_timeout=60.0, shutdown_timeout=1.0)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        house.port = runner.addresses[0][1]
        async with furnished(house, paths):
            rooms = house.rooms
            wanted = WantedGrant(connection="acme", mode=Mode.BUILD, raw_token=True)
            client, token = await rooms.access.admit(NewClient(name="sync", kind="program"), [wanted], Consent())
            yield Near(house, runner, house.port, client.id, token)
            await runner.cleanup()
    finally:
        await runner.cleanup()


@pytest.fixture(autouse=True)
def apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """An instance of its own."""
    monkeypatch.setenv("MESHMESH_HOME", "/nowhere")


@pytest.fixture
async def near(tmp_path: Path) -> AsyncGenerator[Near, None]:
    """A house in this process."""
    async with standing(tmp_path) as one:
        yield one


def without_date(answer: bytes) -> bytes:
    """An answer but for its second."""
    return re.sub(rb"\r\nDate: [^\r]+", b"", answer)


async def test_what_was_heard_before_is_not_read_again(near: Near) -> None:
    """The same bytes get the same answer, byte for byte, over this connection or another; each has its row."""
    (first,) = await heard(near, near.asking)
    read = near.read

    again = await heard(near, *[near.asking] * 3) + await heard(near, near.asking)

    assert {without_date(answer) for answer in again} == {without_date(first)}
    assert first.startswith(b"HTTP/1.1 200 OK\r\n")
    assert near.read == read == 1
    assert await near.rows() == 5


def other_requests(near: Near) -> dict[str, tuple[bytes, bytes]]:
    """Requests that must be read each time, with the status of their answers."""
    return {
        "head": (near.asking.replace(b"GET", b"HEAD"), b"200"),
        "closing": (asking(near.port, near.token, more="Connection: close\r\n"), b"200"),
        "unknown": (asking(near.port, near.token, name="acne"), b"404"),
        "connection": (near.asking.replace(b"/token", b""), b"200"),
        "status": (b"GET /status HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % near.port, b"200"),
    }


@pytest.mark.parametrize("kind", ["head", "closing", "unknown", "connection", "status"])
async def test_only_a_token_over_a_connection_that_stays_is_known_again(near: Near, kind: str) -> None:
    """Everything else is read each time, as at the first time."""
    request, status = other_requests(near)[kind]

    answers = [(await heard(near, request))[0] for _ in range(3)]

    assert [answer.split()[1] for answer in answers] == [status] * 3
    assert near.read == 3
    assert near.house.rooms.repeats.find(request) is None


async def test_a_row_that_cannot_be_written_keeps_the_token_back(near: Near) -> None:
    """Then the long way tells why, and goes on when the trouble is over."""
    await heard(near, near.asking)
    with files_of_at_most(64):
        (refused,) = await heard(near, near.asking)
    (given,) = await heard(near, near.asking)

    assert refused.split()[1] == b"503"
    assert near.read == 2
    assert given.split()[1] == b"200"


async def test_a_refusal_is_never_given_again(near: Near) -> None:
    """What was refused at the first time, and is not any more, has nothing of the refusal about it."""
    with files_of_at_most(64):
        (refused,) = await heard(near, near.asking)
    given, again = await heard(near, *[near.asking] * 2)

    assert refused.startswith(b"HTTP/1.1 503 ")
    assert given.startswith(b"HTTP/1.1 200 OK\r\n")
    assert without_date(again) == without_date(given)


async def test_time_ends_what_it_ends_for_a_repetition_too(near: Near) -> None:
    """A grant for a while is over when it is over, whatever was heard before."""
    await near.house.rooms.access.regrant(
        near.client_id,
        [WantedGrant(connection="acme", mode=Mode.BUILD, raw_token=True, expires_in=60)],
        Consent(),
    )
    first, second = await heard(near, near.asking, near.asking)
    assert isinstance(near.house.clock, FakeClock)
    near.house.clock.jump(61)

    (third,) = await heard(near, near.asking)

    assert [answer.split()[1] for answer in (first, second, third)] == [b"200", b"200", b"404"]


async def test_a_session_that_is_gone_leaves_no_body_behind(near: Near) -> None:
    """A body holds a token: it is forgotten with the session, also where nobody asks again."""
    await heard(near, near.asking, near.asking)
    rooms = near.house.rooms
    live = rooms.connections.live_now(ACME.id)
    assert live is not None
    assert live.session is not None
    body = rooms.repeats.bodies.of(live)
    assert rooms.repeats.bodies.of(live) is body

    await rooms.connections.rename(ACME.id, "acme-two")

    assert rooms.repeats.bodies.of(live) is not body


async def test_who_was_heard_first_is_forgotten_first(near: Near) -> None:
    """However many different requests come, a bounded number is known."""
    await heard(near, near.asking)
    repeats = near.house.rooms.repeats
    known = repeats.find(near.asking)
    assert known is not None

    for number in range(MOST):
        repeats.learn(b"%d" % number, known)

    assert repeats.find(near.asking) is None
    assert repeats.find(b"0") is known


async def test_whoever_ends_the_service_waits_for_the_answer(near: Near) -> None:
    """A repetition that is under way is answered before its connection is closed."""
    await heard(near, near.asking)
    reader, writer = await asyncio.open_connection("127.0.0.1", near.port)
    writer.write(near.asking)
    while await near.rows() < 2:
        writer.write(near.asking)
        await asyncio.sleep(0)

    await near.runner.cleanup()

    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()


# --- From outside ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service whose PIN is set, so that it can be unlocked."""
    running = start(tmp_path_factory.mktemp("repeats"))
    try:
        assert running.call("POST", "/v1/pin", {"pin": PIN}, owner=True).status < 300
        yield running
    finally:
        running.stop()


def revoke(service: Service, _token: str, client: str) -> None:
    """The program is out."""
    service.call("DELETE", f"/v1/clients/{client}", owner=True)


def take_token(service: Service, _token: str, client: str) -> None:
    """It may go on, but not hold the token."""
    grants = [{"connection": "demo", "mode": "build"}]
    assert service.call("PATCH", f"/v1/clients/{client}", {"grants": grants}, owner=True).status == 200


def take_grant(service: Service, _token: str, client: str) -> None:
    """It may do nothing any more."""
    assert service.call("PATCH", f"/v1/clients/{client}", {"grants": []}, owner=True).status == 200


def rename(service: Service, _token: str, _client: str) -> None:
    """The connection has another name."""
    assert service.call("PATCH", "/v1/connections/demo", {"name": "other"}, owner=True).status == 200


def rotate(service: Service, token: str, _client: str) -> None:
    """The program has another pairing token, and has used it."""
    new = service.call("POST", "/v1/me/token", {}, token=token).json()["access_token"]
    assert service.call("GET", "/v1/me", token=new).status == 200


def lock(service: Service, _token: str, _client: str) -> None:
    """The vault is locked."""
    assert service.call("POST", "/v1/lock", {}, owner=True).status < 300


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        (revoke, 401, "unknown_credential"),
        (take_token, 403, "raw_token_not_granted"),
        (take_grant, 404, "not_found"),
        (rename, 404, "not_found"),
        (rotate, 401, "unknown_credential"),
        (lock, 423, "vault_locked"),
    ],
)
def test_what_was_taken_away_is_away_at_once(
    service: Service, change: Callable[[Service, str, str], None], status: int, code: str
) -> None:
    """The very next repetition, over the same connection, is refused with the words of the long way."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    client = service.call("GET", "/v1/me", token=token).json()["id"]
    request = asking(service.port, token, name="demo")
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        assert [exchange(sock, request).status for _ in range(3)] == [200] * 3

        change(service, token, client)
        answer = exchange(sock, request)
    service.call("PATCH", "/v1/connections/other", {"name": "demo"}, owner=True)
    service.call("POST", "/v1/unlock", {"pin": PIN}, owner=True)

    assert (answer.status, answer.json()["code"]) == (status, code)


def test_another_user_gets_nothing_for_the_same_bytes(service: Service) -> None:
    """The bytes are known, and their sender is not the owner's user."""
    request = asking(
        service.port, service.pair({"connection": "demo", "mode": "build", "raw_token": True}), name="demo"
    )
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        assert [exchange(sock, request).status for _ in range(2)] == [200] * 2

    def ask() -> str:
        with socket.create_connection(("127.0.0.1", service.port)) as sock:
            return str(exchange(sock, request).status)

    assert as_other_user(ask) == "401"


@pytest.fixture(scope="module")
def mixed(service: Service) -> list[tuple[bytes, int]]:
    """Requests that can be told apart by their answers; what can be heard again was heard."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    plain, patient = (asking(service.port, token, name="demo", more=more) for more in ("", "X-Other: 1\r\n"))
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        length = len(exchange(sock, plain).body)
        exchange(sock, patient)
    other = b"POST /v1/connections/demo/token HTTP/1.1\r\nHost: localhost:%d\r\n" % service.port
    other += (
        b"Authorization: Bearer %s\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}" % token.encode()
    )
    health = b"GET /healthz HTTP/1.1\r\nHost: localhost:%d\r\n\r\n" % service.port
    return [(plain, 200), (patient, 200), (other, 422), (health, 200), (b"", length)]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_however_requests_are_cut_they_are_answered_in_their_order(
    service: Service, mixed: list[tuple[bytes, int]], data: st.DataObject
) -> None:
    """In one piece, in many, or several in one: no byte is lost between the quick way and the parser."""
    *kinds, _ = mixed
    chosen = data.draw(st.lists(st.sampled_from(range(len(kinds))), min_size=1, max_size=6))
    stream = b"".join(kinds[number][0] for number in chosen)
    ends = {sum(len(kinds[number][0]) for number in chosen[: place + 1]) for place in range(len(chosen))}
    cuts: set[int] = ends if data.draw(st.booleans()) else set[int]()
    cuts |= data.draw(st.sets(st.integers(1, len(stream)), max_size=4))
    pieces = [stream[begin:end] for begin, end in zip([0, *sorted(cuts)], [*sorted(cuts), len(stream)], strict=True)]

    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        sock.settimeout(10)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            sock.sendall(piece)
        with sock.makefile("rb") as answers:
            assert [_status(answers.readline, answers.read) for _ in chosen] == [kinds[number][1] for number in chosen]


def _status(line: Callable[[], bytes], read: Callable[[int], bytes]) -> int:
    """The status of the next answer, whose body is skipped."""
    status, length = int(line().split()[1]), 0
    while (header := line().strip()) != b"":
        name, _, value = header.partition(b":")
        length = int(value) if name.lower() == b"content-length" else length
    read(length)
    return status


def _send_until_nobody_takes_it(sock: socket.socket, request: bytes) -> int:
    sent = 0
    with suppress(TimeoutError):
        while sent < 64 * 1024 * 1024:
            sent += sock.send(request * 64)
    return sent


def test_who_asks_and_never_reads_is_not_kept_in_memory(service: Service) -> None:
    """Answers that nobody takes stop the reading of more requests."""
    request = asking(
        service.port, service.pair({"connection": "demo", "mode": "build", "raw_token": True}), name="demo"
    )
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        exchange(sock, request)
    before = resident(service.process.pid)

    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        sock.settimeout(1)
        sent = _send_until_nobody_takes_it(sock, request)
        grown = resident(service.process.pid) - before

    assert sent < 64 * 1024 * 1024
    assert grown < 16 * 1024, f"{grown} KiB for {sent} bytes"
