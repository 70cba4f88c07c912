"""The service under a service manager: what it tells of itself, and that nobody who comes during a restart is lost."""

import os
import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.manager import Manager, manager
from support.service import Service, StartService, exchange, start

WATCHED = {"WATCHDOG_USEC": "600000"}


@pytest.fixture(scope="module")
def systemd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Manager]:
    """A manager."""
    with manager(tmp_path_factory.mktemp("m")) as made:
        yield made


@pytest.fixture(scope="module")
def managed(systemd: Manager, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service that it started, and watches."""
    running = start(tmp_path_factory.mktemp("home"), program=systemd.program, **systemd.environ, **WATCHED)
    yield running
    running.stop()


def begin_again(service: Service, systemd: Manager, **extra: str) -> Service:
    """The same service in its next run."""
    return start(service.home, program=systemd.program, **systemd.environ, **extra)


def settings(service: Service, text: str) -> None:
    """Other settings, read again."""
    file = service.home / "config" / "config.toml"
    file.write_text(text)
    file.chmod(0o600)
    service.process.send_signal(signal.SIGHUP)


def test_it_says_that_it_serves_and_how_it_is(managed: Service, systemd: Manager) -> None:
    """READY comes when both doors are open, STATUS is the open line without a name, and the loop gives signs of life."""
    assert managed.eventually(lambda: systemd.told("READY") == ["1"])
    assert systemd.told("STATUS") == ["1 connection needs nothing."]
    assert managed.eventually(lambda: len(systemd.told("WATCHDOG")) > 2)


def test_the_manager_keeps_the_listeners(managed: Service, systemd: Manager) -> None:
    """Both families, under one name."""
    (kept,) = systemd.stored.values()
    addresses = set[str]()
    for one in kept:
        with socket.socket(fileno=os.dup(one)) as sock:
            addresses.add(sock.getsockname()[0])
            assert sock.getsockname()[1] == managed.port

    assert addresses == {"127.0.0.1", "::1"}


def test_broken_settings_are_not_taken(managed: Service, systemd: Manager) -> None:
    """The service goes on under the old ones, says what is wrong with the new ones to the owner, and ends the reload."""
    before = len(systemd.told("READY"))
    settings(managed, "prot = 1717\n")
    assert managed.eventually(lambda: len(systemd.told("READY")) > before)
    notes = managed.call("GET", "/status", owner=True).json()["notes"]

    assert systemd.told("RELOADING") == ["1"]
    assert len(notes) == 1
    assert "Unknown setting prot: did you mean 'port'?" in notes[0]
    assert managed.call("GET", "/status").json()["notes"] == []  # it names a path
    assert "did you mean 'port'?" in managed.cli("status").stdout


def test_mended_settings_are_taken_while_callers_wait(managed: Service, systemd: Manager) -> None:
    """Another house stands on the same listeners in the same process; a caller who comes meanwhile is answered."""
    before = len(systemd.told("READY"))
    settings(managed, "[demo]\nenabled = false\n")
    answered = managed.call("GET", "/healthz").status
    assert managed.eventually(lambda: len(systemd.told("READY")) > before)
    refused = managed.call("POST", "/v1/demo/reset", {}, owner=True)

    assert answered == 200
    assert managed.process.poll() is None
    assert refused.status == 503
    assert managed.call("GET", "/status", owner=True).json()["notes"] == []


def test_the_same_settings_change_nothing(managed: Service, systemd: Manager) -> None:
    """A reload without news leaves every stream and every waiting caller alone."""
    before = len(systemd.told("READY"))
    with socket.create_connection(("127.0.0.1", managed.port)) as line:
        request = f"GET /healthz HTTP/1.1\r\nHost: localhost:{managed.port}\r\n\r\n".encode()
        assert exchange(line, request).status == 200
        managed.process.send_signal(signal.SIGHUP)
        assert managed.eventually(lambda: len(systemd.told("READY")) > before)
        assert exchange(line, request).status == 200


def test_a_port_that_cannot_be_had_is_no_reason_to_leave(managed: Service) -> None:
    """Settings that parse and cannot be stood under are not taken either."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        number = other.getsockname()[1]
        managed.environ.pop("MESHMESH_PORT")
        settings(managed, f"port = {number}\n")
        told = managed.eventually(lambda: "The new settings are not taken" in managed.log and _answers(managed))

    assert told


def _answers(service: Service) -> bool:
    try:
        return service.call("GET", "/healthz").status == 200
    except OSError:
        return False


def test_who_comes_during_a_restart_is_answered(managed: Service, systemd: Manager) -> None:
    """A browser that comes back between two runs waits in the kept listener, and the next run answers it."""
    assert managed.stop() == 0
    assert systemd.told("STOPPING")[-1] == "1"
    with socket.create_connection(("127.0.0.1", managed.port)) as browser:
        browser.sendall(
            f"GET /OauthRedirect?state=x&code=y HTTP/1.1\r\nHost: localhost:{managed.port}\r\n\r\n".encode()
        )
        again = begin_again(managed, systemd)
        try:
            answer = exchange(browser, b"")
        finally:
            again.stop()

    assert again.port == managed.port
    assert (answer.status, answer.headers["location"]) == (303, "/signed-in/old")


def test_a_lent_port_is_free_though_the_manager_kept_it(
    systemd: Manager, start_service: StartService, tmp_path: Path
) -> None:
    """The manager lets go first; another program can listen on both families, and the UNIX socket stays."""
    service = start(tmp_path / "h", program=systemd.program, **systemd.environ)
    try:
        assert service.call("POST", "/v1/lend", {"seconds": 60}, owner=True).json()["status"] == "lent"
        for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            with socket.create_server((address, service.port), family=family):
                pass
        assert service.eventually(lambda: "meshmesh-port" not in systemd.stored)
        assert service.call("DELETE", "/v1/lend", owner=True).json()["status"] == "ours"
        assert len(systemd.stored["meshmesh-port"]) == 2
        assert service.call("GET", "/readyz").status == 200
    finally:
        service.stop()


def test_listeners_of_another_port_are_not_kept(systemd: Manager, tmp_path: Path) -> None:
    """After a change of the port nobody listens on the old one."""
    first = start(tmp_path / "h", program=systemd.program, **systemd.environ)
    first.stop()
    with socket.create_server(("127.0.0.1", 0)) as other:
        free = other.getsockname()[1]
    second = begin_again(first, systemd, MESHMESH_PORT=str(free))
    try:
        assert second.port == free
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", first.port), 5)
    finally:
        second.stop()
