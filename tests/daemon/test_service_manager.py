"""What is told to systemd, and what is taken from it: `sd_notify(3)` and `sd_listen_fds(3)`, by their own rules."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.service_manager import ServiceManager


@pytest.fixture
def told(tmp_path: Path) -> Iterator[socket.socket]:
    """The manager's end."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(str(tmp_path / "notify"))
        sock.settimeout(0.2)
        yield sock


@pytest.fixture
def manager(told: socket.socket) -> ServiceManager:
    """A manager that watches us."""
    return ServiceManager.found({"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "30000000"})


def heard(sock: socket.socket) -> list[str]:
    """The next datagram's lines."""
    return sock.recv(4096).decode().splitlines()


def test_without_a_manager_nobody_is_told() -> None:
    """A service on a terminal has nobody to tell, and tells nobody."""
    alone = ServiceManager.found({})
    alone.ready()
    alone.alive("All is well.")

    assert not alone.is_there
    assert alone.take_kept("port") == []


def test_a_manager_that_is_gone_is_no_error(tmp_path: Path) -> None:
    """What cannot be told is not told."""
    gone = ServiceManager(address=str(tmp_path / "nowhere"))
    gone.ready()

    assert gone.is_there


def test_the_variables_are_taken_out_of_the_environment(told: socket.socket) -> None:
    """A browser or a keyring helper that we start is not the manager's service."""
    environ = {
        "NOTIFY_SOCKET": told.getsockname(),
        "WATCHDOG_USEC": "1000000",
        "WATCHDOG_PID": str(os.getpid()),
        "LISTEN_PID": "1",
        "LISTEN_FDS": "1",
        "LISTEN_FDNAMES": "x",
        "INVOCATION_ID": "abc",
    }
    ServiceManager.found(environ)

    assert environ == {"INVOCATION_ID": "abc"}


def test_life_is_told_in_its_words(manager: ServiceManager, told: socket.socket) -> None:
    """READY, WATCHDOG, STATUS in one line and only once, RELOADING with its moment, STOPPING."""
    manager.alive("All\nis well.")
    manager.alive("All\nis well.")
    manager.ready()
    manager.reloading()
    manager.stopping()

    assert heard(told) == ["WATCHDOG=1", "STATUS=All is well."]
    assert heard(told) == ["WATCHDOG=1"]
    assert heard(told) == ["READY=1"]
    reloading, moment = heard(told)
    assert reloading == "RELOADING=1"
    assert moment.removeprefix("MONOTONIC_USEC=").isdigit()
    assert heard(told) == ["STOPPING=1"]


def test_signs_of_life_come_three_times_as_often_as_needed(manager: ServiceManager) -> None:
    """One that is late does not end us."""
    assert manager.pace == 10.0


@pytest.mark.parametrize("variables", [{"WATCHDOG_PID": "1"}, {"WATCHDOG_USEC": ""}, {"WATCHDOG_USEC": "soon"}])
def test_a_watchdog_of_another_process_is_not_ours(told: socket.socket, variables: dict[str, str]) -> None:
    """Without a watchdog for us only news is told."""
    environ = {"NOTIFY_SOCKET": told.getsockname(), "WATCHDOG_USEC": "1000000"} | variables
    unwatched = ServiceManager.found(environ)
    unwatched.alive("All is well.")

    assert heard(told) == ["STATUS=All is well."]


def test_an_abstract_address_is_understood() -> None:
    """`@` stands for the zero byte."""
    name = f"\0meshmesh-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.bind(name)
        ServiceManager(address="@" + name[1:]).ready()

        assert heard(sock) == ["READY=1"]


def test_sockets_are_stored_under_their_name(manager: ServiceManager, told: socket.socket) -> None:
    """The manager gets the very socket, and is told to let go of it by its name."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        manager.store("port", [listener])
        data, descriptors, _, _ = socket.recv_fds(told, 4096, 4)
        manager.forget("port")
        with socket.socket(fileno=descriptors[0]) as same:
            assert same.getsockname() == listener.getsockname()

    assert data.decode().splitlines() == ["FDSTORE=1", "FDNAME=port"]
    assert heard(told) == ["FDSTOREREMOVE=1", "FDNAME=port"]


def test_what_is_stored_outlives_a_run_in_one_process() -> None:
    """Also without a manager: another run in this process finds the listeners open."""
    alone = ServiceManager()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        alone.store("port", [listener])
    (same,) = alone.take_kept("port")
    with same:
        socket.create_connection(address, 5).close()

    assert alone.take_kept("port") == []


def lend(manager: ServiceManager) -> None:
    """As when the port is lent."""
    manager.forget("port")


@pytest.mark.parametrize("end", [lend, ServiceManager.stopping])
def test_what_is_let_go_is_closed(end: Callable[[ServiceManager], None]) -> None:
    """At the end, and when the port is lent, nobody listens any more."""
    alone = ServiceManager()
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = listener.getsockname()
        alone.store("port", [listener])
    end(alone)

    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(address, 5)


def test_only_what_has_our_name_is_taken() -> None:
    """Anything else that was handed over is closed, and nothing of it is inherited by a child."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ours, other = os.dup(listener.fileno()), os.open(os.devnull, os.O_RDONLY)
        os.set_inheritable(ours, True)
        found = ServiceManager(kept=[("http", other), ("port", ours)])
        (sock,) = found.take_kept("port")
        with sock:
            assert not os.get_inheritable(sock.fileno())

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(other)


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LISTEN_PID": "1", "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, []),
        ({"LISTEN_FDS": "2"}, []),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "x"}, []),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "2", "LISTEN_FDNAMES": "a:b"}, [("a", 3), ("b", 4)]),
        ({"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}, [("", 3)]),
    ],
)
def test_descriptors_are_taken_only_where_they_are_ours(
    variables: dict[str, str], expected: list[tuple[str, int]]
) -> None:
    """LISTEN_PID says whose they are; names go by their order."""
    found = ServiceManager.found(dict(variables))

    assert found._kept == expected  # pyright: ignore[reportPrivateUsage]
