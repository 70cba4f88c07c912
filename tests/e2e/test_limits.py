"""What the service stands, and how it starts: slow and many callers, half requests, its process and environment."""

import json
import os
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from meshmesh_bridge.arrivals import MAX_OTHER, MAX_TCP
from support.service import MESHMESHD, Answer, Service, StartService, exchange, start
from support.stranger import as_other_user

SECRET = "mmp_aSecretThatNobodyMayFindAnywhere0123456789"
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make sockets of another user")


def impatient() -> tuple[str, ...]:
    """A `meshmeshd` whose deadlines are a second, so that a test need not wait for a minute."""
    program = (
        "from meshmesh_bridge import bodies, broker, serve\n"
        "serve.KEEPALIVE_SECONDS = bodies.BODY_SECONDS = bodies.STALL_SECONDS = 1.0\n"
        "raise SystemExit(serve.main([]))"
    )
    return (sys.executable, "-c", program)


@pytest.fixture(scope="module")
def hasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """An impatient service."""
    running = start(tmp_path_factory.mktemp("hasty"), program=impatient())
    yield running
    running.stop()


@pytest.fixture(autouse=True)
def many_files() -> Iterator[None]:
    """This process holds the other end of thousands of connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def dial(service: Service) -> socket.socket:
    """A TCP connection."""
    sock = socket.create_connection(("127.0.0.1", service.port), 30)
    sock.settimeout(30)
    return sock


def rest(sock: socket.socket) -> bytes:
    """Everything until the other side closes."""
    read = b""
    try:
        while chunk := sock.recv(65536):
            read += chunk
    except ConnectionResetError:
        pass
    return read


def top(service: Service, method: str, target: str, *lines: str) -> bytes:
    """A request's head."""
    return "\r\n".join([f"{method} {target} HTTP/1.1", f"Host: localhost:{service.port}", *lines, "", ""]).encode()


@contextmanager
def crowd(service: Service, count: int) -> Generator[list[socket.socket]]:
    """Many connections that are open and silent."""
    with ExitStack() as stack:
        yield [stack.enter_context(dial(service)) for _ in range(count)]


def is_turned_away(service: Service) -> bool:
    """Whether the next connection is one too many."""
    with dial(service) as sock:
        answer = exchange(sock, top(service, "GET", "/healthz"))
    if answer.status == 503:
        assert answer.headers["retry-after"] == "1"
        assert answer.headers["connection"] == "close"
        assert answer.json()["code"] == "rate_limited"
        assert rest_is_closed(answer)
    return answer.status == 503


def rest_is_closed(answer: Answer) -> bool:
    """The refusal is a whole answer."""
    return len(answer.body) == int(answer.headers["content-length"])


def test_the_connections_have_a_cap_and_it_ends(start_service: StartService) -> None:
    """2048 TCP connections in all; one more is told 503 and closed, the owner's socket works, and later so does TCP."""
    service = start_service()
    with crowd(service, MAX_TCP - 1) as held:
        assert not is_turned_away(service)
        with dial(service) as last:
            assert exchange(last, top(service, "GET", "/healthz")).status == 200
            assert is_turned_away(service)
            assert service.call("GET", "/healthz", owner=True).status == 200
            assert exchange(held[7], top(service, "GET", "/healthz")).status == 200
    assert service.eventually(lambda: not is_turned_away(service))


@as_root
def test_another_user_has_a_cap_of_their_own(start_service: StartService) -> None:
    """64 connections for any other uid, whose caps say nothing of the owner's, and end with the connections."""
    service = start_service()

    def fill() -> str:
        with crowd(service, MAX_OTHER - 1):
            before = is_turned_away(service)
            with dial(service):
                full = is_turned_away(service)
        return f"{before} {full} {service.eventually(lambda: not is_turned_away(service))}"

    with crowd(service, MAX_OTHER + 8):
        assert not is_turned_away(service)
        assert as_other_user(fill) == "False True True"


def test_half_open_requests_hurt_nobody(service: Service) -> None:
    """While 500 requests are half sent, an honest client gets each of its answers."""
    token = service.pair({"connection": "demo", "mode": "read"})
    with crowd(service, 500) as slow:
        for number, sock in enumerate(slow):
            sock.sendall(top(service, "GET", "/status")[: 10 + number % 30])
        for _ in range(20):
            assert service.call("GET", "/v1/connections", token=token).status == 200
        assert service.call("GET", "/o/demo/services/data/v66.0/limits", token=token).status == 200


@pytest.mark.parametrize("first", [b"", b"GET /stat"])
def test_a_head_has_a_deadline(hasty: Service, first: bytes) -> None:
    """Silence and a dribbled head are cut at the deadline, however the bytes drip; nothing is answered."""
    with dial(hasty) as sock:
        sock.sendall(first)
        sock.settimeout(0.2)
        read = None
        for _ in range(100):
            try:
                if first:
                    sock.sendall(b"u")
                read = sock.recv(100)
                break
            except TimeoutError:
                continue
            except ConnectionError:
                read = b""
                break

    assert read == b""


def test_a_second_request_on_a_connection_has_the_deadline_too(hasty: Service) -> None:
    """A connection that was good once is no licence to stall."""
    with dial(hasty) as sock:
        assert exchange(sock, top(hasty, "GET", "/healthz")).status == 200
        sock.sendall(top(hasty, "GET", "/healthz")[:20])
        assert rest(sock) == b""


def test_a_stalled_json_body_is_cut(hasty: Service) -> None:
    """A body that was promised and does not come is 408."""
    with dial(hasty) as sock:
        head = top(hasty, "POST", "/v1/pair", "Content-Type: application/json", "Content-Length: 100")
        answer = exchange(sock, head + b'{"client_name"')

    assert (answer.status, answer.json()["code"]) == (408, "too_slow")


def test_a_dribbled_upload_is_cut(hasty: Service) -> None:
    """Under the broker a body that dribbles is 408: what counts is its pace, not that bytes come."""
    token = hasty.pair({"connection": "demo", "mode": "build"})
    with dial(hasty) as sock:
        sock.sendall(
            top(
                hasty,
                "PATCH",
                "/o/demo/services/data/v66.0/sobjects/Account/001000000000001AAA",
                f"Authorization: Bearer {token}",
                "Content-Type: application/json",
                "Content-Length: 100000",
            )
        )
        sock.settimeout(0.1)
        answer = b""
        for _ in range(200):
            try:
                sock.sendall(b"x")
                answer = sock.recv(4096)
                break
            except TimeoutError:
                continue

    assert answer.startswith(b"HTTP/1.1 408 ")


def test_an_upload_that_stalls_half_way_is_cut_and_the_org_is_not_blamed(hasty: Service) -> None:
    """What is with the org already cannot be answered any more: the connection is cut, and stays `connected`."""
    token = hasty.pair({"connection": "demo", "mode": "build"})
    with dial(hasty) as sock:
        sock.sendall(
            top(
                hasty,
                "POST",
                "/o/demo/services/data/v66.0/sobjects/Account",
                f"Authorization: Bearer {token}",
                "Content-Type: application/json",
                "Transfer-Encoding: chunked",
            )
        )
        sock.sendall(b"200000\r\n" + b" " * 0x200000 + b"\r\n")
        assert rest(sock) == b""
    seen = hasty.call("GET", "/v1/connections/demo", owner=True).json()

    assert (seen["status"], seen["reason"]) == ("connected", None)


def test_a_slow_reader_keeps_nobody_waiting(service: Service) -> None:
    """Clients that ask for much and read nothing do not hold up others."""
    token = service.pair({"connection": "demo", "mode": "read"})
    with crowd(service, 30) as slow:
        for sock in slow:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
            sock.sendall(top(service, "GET", "/openapi.json") * 40)
        for _ in range(20):
            assert service.call("GET", "/v1/me", token=token).status == 200


def test_long_heads_are_refused(service: Service) -> None:
    """More than 64 fields, a field above 8 KiB, fields above 64 KiB in all: refused, and the next caller is served."""
    many = [f"X-{number}: {'a' * 8000}" for number in range(120)]
    some = [f"X-{number}: {'a' * 8000}" for number in range(20)]

    assert service.raw(top(service, "GET", "/status", *many)).status == 400
    assert service.raw(top(service, "GET", "/status", *some)).status == 431
    assert service.raw(top(service, "GET", "/status", "X: " + "a" * 20_000)).status == 400
    assert service.raw(top(service, "GET", "/status?" + "a" * 30_000)).status in {400, 414}
    assert service.call("GET", "/status").status == 200


def test_without_the_strict_parser_it_does_not_start(tmp_path: Path) -> None:
    """aiohttp's Python parser takes forms that two readers read in two ways: a sentence, and exit 78."""
    environ = os.environ | {"MESHMESH_HOME": str(tmp_path), "MESHMESH_PORT": "0", "AIOHTTP_NO_EXTENSIONS": "1"}
    done = subprocess.run(MESHMESHD, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 78
    assert "C parser" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")
def test_the_process_hides_itself(start_service: StartService) -> None:
    """No core dump, all the files the system allows, no secret or preloaded library in the environment."""
    service = start_service(MESHMESH_TOKEN=SECRET, LD_PRELOAD="/nowhere.so", PYTHONSTARTUP="/nowhere.py")
    proc = Path(f"/proc/{service.process.pid}")
    limits = {line[:26].strip(): line[26:47].strip() for line in (proc / "limits").read_text().splitlines()}
    environ = (proc / "environ").read_bytes()

    assert limits["Max core file size"] == "0"
    assert limits["Max open files"] == str(resource.getrlimit(resource.RLIMIT_NOFILE)[1])
    assert SECRET.encode() not in environ
    assert b"LD_PRELOAD" not in environ
    assert (proc / "environ").stat().st_uid == 0  # root's, whoever runs the service: PR_SET_DUMPABLE is 0


HARDENED = """
import ctypes, json, os
from meshmesh_bridge import hardening
from meshmesh_daemon.adapters.own_process import close_process
hardening.shed_environment()
close_process()
print(json.dumps([ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), os.umask(0), sorted(os.environ)]))
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_the_environment_keeps_what_is_needed() -> None:
    """Certificates for networks that open TLS stay; what makes Python or the loader do something else goes."""
    environ = {
        "SSL_CERT_FILE": "/etc/ssl/certs/corporate.pem",
        "SSL_CERT_DIR": "/etc/ssl/certs",
        "HTTPS_PROXY": "http://proxy:3128",
        "MESHMESH_HOME": "/x",
        "MESHMESH_TOKEN": SECRET,
        "LD_BIND_NOW": "1",
        "PYTHONWARNINGS": "ignore",
        "SSLKEYLOGFILE": "/tmp/keys",
    }
    done = subprocess.run(
        [sys.executable, "-c", HARDENED], env=environ, capture_output=True, text=True, timeout=60, check=True
    )

    dumpable, mask, names = json.loads(done.stdout)
    assert (dumpable, mask) == (0, 0o077)
    assert set(names) - {"LC_CTYPE"} == {"HTTPS_PROXY", "MESHMESH_HOME", "SSL_CERT_DIR", "SSL_CERT_FILE"}


HUNG = """
import asyncio, time
from meshmesh_bridge import hardening
async def main():
    threads = hardening.make_threads()
    asyncio.get_running_loop().set_default_executor(threads)
    hung = asyncio.get_running_loop().run_in_executor(None, time.sleep, 3600)
    answered = await asyncio.gather(*(asyncio.to_thread(int, 1) for _ in range(40)))
    print(sum(answered), flush=True)
    hung.cancel()
    hardening.end_threads(threads)
asyncio.run(main())
"""


def test_a_hung_look_up_holds_up_neither_others_nor_the_end() -> None:
    """A thread that does not come back leaves threads for others, and the process ends with 0 all the same."""
    done = subprocess.run([sys.executable, "-c", HUNG], capture_output=True, text=True, timeout=60, check=False)

    assert (done.returncode, done.stdout) == (0, "40\n"), done.stderr


def test_a_squatter_on_the_other_family_prevents_a_start(tmp_path: Path) -> None:
    """Somebody on [::1] alone could catch a redirect: both families or no start, and the holder is named."""
    with socket.socket(socket.AF_INET6) as squatter:
        squatter.bind(("::1", 0))
        squatter.listen()
        port = squatter.getsockname()[1]
        environ = os.environ | {"MESHMESH_HOME": str(tmp_path), "MESHMESH_PORT": str(port)}
        done = subprocess.run(MESHMESHD, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 73
    assert f"pid {os.getpid()}" in done.stderr
    with socket.socket() as free:
        free.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        free.bind(("127.0.0.1", port))


def test_it_ends_soon_with_callers_that_hang_on(start_service: StartService) -> None:
    """SIGTERM ends with 0 although connections are open, half requests wait and a body stalls."""
    service = start_service()
    with crowd(service, 20) as held:
        for sock in held[:10]:
            sock.sendall(top(service, "GET", "/status")[:20])
        for sock in held[10:]:
            sock.sendall(top(service, "POST", "/v1/pair", "Content-Type: application/json", "Content-Length: 9"))
        time.sleep(0.1)

        assert service.stop() == 0
