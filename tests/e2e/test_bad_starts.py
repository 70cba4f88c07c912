"""Bad days of a service at its start, at its end, and where the system has nothing left for it."""

import json
import socket
import subprocess
import threading
from collections.abc import Generator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from support.desktop import until
from support.faults import TOKEN_PATH, lines, takes_its_time
from support.peer import Client, connect, peer, view
from support.service import MESHMESHD, Answer, Service, environment, exchange, start

FILES = 320  # 64 TCP connections, and what the service itself needs


# --- At the end ----------------------------------------------------------------------------------------------------


def test_a_stop_in_a_refresh_finishes_it(tmp_path: Path) -> None:
    """SIGTERM while the org answers: who waits gets the token, the rotation is on disk, and the next run goes on with it."""
    answers: list[Answer] = []
    (tmp_path / "org").mkdir()
    with peer(tmp_path / "org") as org, lines(org.origin, 1) as (line,):
        org.app("slow")
        service = start(tmp_path / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
        try:
            connect(service, "slow", line.origin, app={"client_id": "slow"})
            client = Client.pair(service, "slow")
            dead = client.held("slow")
            org.lever("expire-session")
            line.fail(takes_its_time, only_token=True)
            before = len(line.seen)
            caller = threading.Thread(target=lambda: answers.append(client.reject("slow", dead)))
            caller.start()
            assert service.eventually(lambda: f"POST {TOKEN_PATH}" in line.seen[before:])
            assert service.stop() == 0
            caller.join(20)
            line.mend()
            service = start(service.home, MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
            again = Client(service=service, token=client.token)
            live = again.held("slow")
            org.lever("expire-session")
            renewed = again.reject("slow", live)
        finally:
            service.stop()
        (family,) = org.state().of("slow")

    assert [answer.status for answer in answers] == [200]
    assert answers[0].json()["access_token"] == live != dead
    assert renewed.status == 200
    assert (family.live, family.rotations) == (True, 2)


# --- At the start --------------------------------------------------------------------------------------------------


def refused(home: Path, port: int) -> subprocess.CompletedProcess[str]:
    """A start in a home of its own on a port, to its end."""
    home.mkdir()
    environ = environment(home, MESHMESH_PORT=str(port))
    return subprocess.run(MESHMESHD, env=environ, capture_output=True, text=True, timeout=60, check=False)


def test_a_second_home_on_the_same_port_is_refused(service: Service, tmp_path: Path) -> None:
    """It says who has the port and ends with 73; the first does not notice, and nothing of a second is left."""
    ended = refused(tmp_path / "second", service.port)

    assert ended.returncode == 73
    assert f"Port {service.port} on 127.0.0.1 is already in use by " in ended.stderr
    assert f"(pid {service.process.pid})." in ended.stderr
    assert "Next: " in ended.stderr
    assert "Traceback" not in ended.stderr
    assert list((tmp_path / "second" / "data").iterdir()) == []
    assert [file.name for file in (tmp_path / "second" / "runtime").iterdir()] == ["meshmesh.lock"]
    assert service.call("GET", "/readyz").status == 200


def test_of_homes_that_start_at_once_one_has_the_port(tmp_path: Path) -> None:
    """Whoever comes second on either family gives way; there are never two, and never none."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    started: list[subprocess.Popen[bytes]] = []
    with ExitStack() as stack:
        for number in range(3):
            home = tmp_path / str(number)
            home.mkdir()
            log = stack.enter_context((home / "log").open("wb"))
            environ = environment(home, MESHMESH_PORT=str(port))
            started.append(subprocess.Popen(MESHMESHD, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log))
        for process in started:
            stack.callback(process.wait, 20)
            stack.callback(process.terminate)
        endpoints = [tmp_path / str(number) / "runtime" / "endpoint.json" for number in range(3)]
        until(
            lambda: (
                sum(process.poll() is not None for process in started) == 2
                and any(endpoint.exists() for endpoint in endpoints)
            )
        )
        (winner,) = (json.loads(endpoint.read_text()) for endpoint in endpoints if endpoint.exists())
        codes = sorted(process.poll() or 0 for process in started)

    assert codes == [0, 73, 73]
    assert winner["port"] == port


# --- In between ----------------------------------------------------------------------------------------------------


@contextmanager
def crowd(service: Service) -> Generator[None, None, None]:
    """More connections to the owner's door than the service may open files."""
    with ExitStack() as stack:

        def some_more() -> bool:
            for _ in range(20):
                sock = stack.enter_context(socket.socket(socket.AF_UNIX))
                sock.setblocking(False)
                with suppress(BlockingIOError):  # it is slow to accept
                    sock.connect(str(service.socket_path))
            return "all files that this process may open are in use" in service.log

        assert service.eventually(some_more, seconds=30)
        yield


@pytest.fixture
def poor(tmp_path: Path) -> Generator[Service, None, None]:
    """A service that may open few files."""
    program = ("/bin/sh", "-c", f"ulimit -n {FILES}; exec {MESHMESHD[0]}")
    running = start(tmp_path / "home", program=program)
    yield running
    running.stop()


def test_files_used_up_are_trouble_and_nothing_more(poor: Service) -> None:
    """Who is connected is served, a refresh that cannot go out is `offline`, and all is well again by itself."""
    token = poor.pair({"connection": "demo", "mode": "build", "raw_token": True})
    head = f"Host: localhost:{poor.port}\r\nAuthorization: Bearer {token}\r\n"
    ask = f"GET /v1/connections/demo/token HTTP/1.1\r\n{head}\r\n".encode()
    with socket.create_connection(("127.0.0.1", poor.port)) as line:
        held = exchange(line, ask).json()["access_token"]
        poor.call("POST", "/v1/demo/expire-session", {}, owner=True)
        body = json.dumps({"rejected": held})
        reject = (
            f"POST /v1/connections/demo/token HTTP/1.1\r\n{head}Content-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}"
        ).encode()
        with crowd(poor):
            status = exchange(line, f"GET /status HTTP/1.1\r\n{head}\r\n".encode())
            during = exchange(line, reject)
        assert poor.eventually(lambda: exchange(line, reject).status == 200, seconds=20)

    assert status.status == 200
    assert during.status in {200, 503}  # a connection to the org may be open already
    assert during.status == 200 or during.json()["code"] == "offline"
    assert view(poor, "demo")["status"] == "connected"
    assert poor.call("GET", "/readyz").status == 200
    assert poor.call("GET", "/v1/activity/verify", owner=True).json()["whole"] is True
    assert 1 <= poor.log.count("Next: end the program that holds them") <= 5
    assert "Traceback" not in poor.log
