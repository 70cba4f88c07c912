"""The loopback listeners: both families or none, and the holder of a busy port is named."""

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing

import pytest

from meshmesh_daemon.adapters import peers, ports
from meshmesh_daemon.adapters.ports import PortBusy, PortReserved, bind_loopback

OTHER = 4242


@pytest.fixture
def free_port() -> int:
    """A port that was free on both families a moment ago."""
    listeners = bind_loopback(0)
    for sock in listeners.sockets:
        sock.close()
    return listeners.port


def holding(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    """Somebody's listener."""
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((address, port))
    sock.listen(8)
    return sock


def test_both_families_get_one_number() -> None:
    """Port 0 gives one number on 127.0.0.1 and ::1, listening, and on no other address."""
    listeners = bind_loopback(0)
    try:
        names = [sock.getsockname()[:2] for sock in listeners.sockets]
        assert names == [("127.0.0.1", listeners.port), ("::1", listeners.port)]
        assert listeners.note is None
        for address in names:
            socket.create_connection(address, 5).close()
    finally:
        for sock in listeners.sockets:
            sock.close()


@pytest.mark.parametrize(
    ("family", "address"),
    [
        (socket.AF_INET, "127.0.0.1"),
        (socket.AF_INET6, "::1"),
        (socket.AF_INET, "0.0.0.0"),  # noqa: S104 - a squatter does
        (socket.AF_INET6, "::"),
    ],
)
def test_a_squatter_on_either_family_is_named(free_port: int, family: socket.AddressFamily, address: str) -> None:
    """A port that is taken on one family, or on all addresses, is not half taken; the message says by whom."""
    with closing(holding(family, address, free_port)), pytest.raises(PortBusy) as raised:
        bind_loopback(free_port)

    assert f"(pid {os.getpid()})" in str(raised.value)
    after = bind_loopback(free_port)  # neither family stayed bound
    for sock in after.sockets:
        sock.close()


def test_no_ipv6_is_said_and_not_fatal(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine without IPv6 gets one family, and a sentence about it."""
    monkeypatch.setattr(ports, "_NO_IPV6", {98, 22, 13, 99, 97})
    real = ports._bound  # pyright: ignore[reportPrivateUsage]

    def bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
        if family == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return real(family, address, port)

    monkeypatch.setattr(ports, "_bound", bind)
    listeners = bind_loopback(0)
    for sock in listeners.sockets:
        sock.close()

    assert [sock.family for sock in listeners.sockets] == [socket.AF_INET]
    assert listeners.note is not None
    assert "IPv6" in listeners.note


@pytest.fixture
def hidden_holder(free_port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[int, list[bytes]]]:
    """A listener whose descriptors cannot be looked at, and what it answers."""
    answers: list[bytes] = []
    sock = holding(socket.AF_INET, "127.0.0.1", free_port)

    def serve() -> None:
        while True:
            try:
                line, _ = sock.accept()
            except OSError:
                return
            with line:
                line.recv(4096)
                for answer in answers:
                    line.sendall(answer)

    def nobody(_inodes: object) -> None:
        return None

    monkeypatch.setattr(peers, "holder_of", nobody)
    monkeypatch.setattr(ports, "_ASK_SECONDS", 0.5)
    threading.Thread(target=serve, daemon=True).start()
    yield free_port, answers
    sock.shutdown(socket.SHUT_RDWR)
    sock.close()


@pytest.mark.parametrize(
    ("body", "holder"),
    [
        (json.dumps({"version": "1", "vault": "locked", "pid": 4121}).encode(), "MeshMesh (pid 4121)"),
        (json.dumps({"version": "1", "vault": "locked", "pid": "evil\n"}).encode(), f"a program of user {os.getuid()}"),
        (b"[1]", f"a program of user {os.getuid()}"),
        (b"\xff", f"a program of user {os.getuid()}"),
        (None, f"a program of user {os.getuid()}"),
    ],
)
def test_a_hidden_holder_is_found_by_its_status_or_its_user(
    hidden_holder: tuple[int, list[bytes]], body: bytes | None, holder: str
) -> None:
    """A MeshMesh says its pid in the open status; of anybody else at least the user is said."""
    port, answers = hidden_holder
    if body is not None:
        answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    assert ports.holder_of("127.0.0.1", port) == holder


def test_another_users_holder_is_found(free_port: int) -> None:
    """A listener of another user is found too, by root; by others its user is said."""
    program = (
        "import os, socket, sys\n"
        f"os.getuid() or os.setuid({OTHER})\n"
        f"s = socket.create_server(('127.0.0.1', {free_port}))\n"
        "print('up', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "up\n"
        with pytest.raises(PortBusy) as raised:
            bind_loopback(free_port)
        child.terminate()

    assert f"pid {child.pid}" in str(raised.value)


def listeners_of(port: int) -> list[socket.socket]:
    """Both listeners of an earlier run."""
    return [
        holding(family, address, port) for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))
    ]


@pytest.mark.parametrize("asked", ["any", "the same"])
def test_kept_listeners_stand_in_for_new_ones(free_port: int, asked: str) -> None:
    """Whoever waits in them is accepted by the next run; for any port, theirs is kept."""
    kept = listeners_of(free_port)
    with socket.create_connection(("127.0.0.1", free_port), 5) as early:
        found = bind_loopback(free_port if asked == "the same" else 0, kept)
        found.sockets[0].settimeout(5)
        accepted, peer = found.sockets[0].accept()
        accepted.close()
        assert peer == early.getsockname()
    for sock in found.sockets:
        sock.close()

    assert found.port == free_port
    assert [sock.family for sock in found.sockets] == [socket.AF_INET, socket.AF_INET6]


def test_a_family_that_was_not_kept_is_bound_anew(free_port: int) -> None:
    """One kept listener is no reason to serve one family."""
    first, second = listeners_of(free_port)
    first.close()
    found = bind_loopback(0, [second])
    for sock in found.sockets:
        sock.close()

    assert (found.port, len(found.sockets)) == (free_port, 2)


def test_what_listens_elsewhere_is_closed(free_port: int) -> None:
    """Listeners of another port or address, and a second one of a family."""
    elsewhere = holding(socket.AF_INET, "127.0.0.1", 0)
    everywhere = holding(socket.AF_INET, "0.0.0.0", 0)  # noqa: S104 - as nobody should
    ours = holding(socket.AF_INET, "127.0.0.1", free_port)
    found = bind_loopback(free_port, [elsewhere, everywhere, ours, ours.dup()])
    for sock in found.sockets:
        sock.close()

    assert (elsewhere.fileno(), everywhere.fileno()) == (-1, -1)
    assert (found.port, len(found.sockets)) == (free_port, 2)


def test_a_port_that_the_system_keeps_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody holds it, so nobody is blamed."""

    def bound(_family: socket.AddressFamily, _address: str, _port: int) -> socket.socket:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(ports, "_bound", bound)
    with pytest.raises(PortReserved, match="does not give port 80 to this user"):
        bind_loopback(80)


def test_a_discreet_look_does_not_speak(hidden_holder: tuple[int, list[bytes]]) -> None:
    """A holder that waits for a redirect gets no request from us; its user is said all the same."""
    port, answers = hidden_holder
    answers.append(b"HTTP/1.1 200 OK\r\nContent-Length: 41\r\n\r\n" + b'{"version":"1","vault":"locked","pid":42}')

    assert ports.holder_of("127.0.0.1", port) == "MeshMesh (pid 42)"
    assert ports.holder_of("127.0.0.1", port, ask=False) == f"a program of user {os.getuid()}"
