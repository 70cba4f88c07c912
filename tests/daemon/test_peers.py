"""Who is at the other end: the kernel's word, and nobody where it has none."""

import os
import socket
import struct
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass

import pytest

from meshmesh_daemon.adapters import peers

OTHER = 4242
linux = pytest.mark.skipif(not peers.CAN_TELL_UID, reason="only Linux tells a TCP peer's uid")
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make a socket of another user")


@contextmanager
def accepted(
    listener: socket.socket, dialled: tuple[str, int], family: socket.AddressFamily
) -> Generator[socket.socket]:
    """Our end of a connection that this process makes to itself."""
    with socket.socket(family) as near:
        near.connect(dialled)
        far, _ = listener.accept()
        with far:
            yield far


@linux
@pytest.mark.parametrize(
    ("family", "address", "dialled", "dialling"),
    [
        (socket.AF_INET, "127.0.0.1", "127.0.0.1", socket.AF_INET),
        (socket.AF_INET6, "::1", "::1", socket.AF_INET6),
        (socket.AF_INET, "127.0.0.1", "::ffff:127.0.0.1", socket.AF_INET6),
    ],
)
def test_the_peer_is_this_user(
    family: socket.AddressFamily, address: str, dialled: str, dialling: socket.AddressFamily
) -> None:
    """The uid and the process of a loopback peer are found on both families, v4-mapped too."""
    with socket.socket(family) as listener:
        listener.bind((address, 0))
        listener.listen()
        port = listener.getsockname()[1]
        with accepted(listener, (dialled, port), dialling) as far:
            assert peers.tcp_peer_uid(far) == os.getuid()
            assert peers.tcp_peer_pid(far) == os.getpid()


@linux
def test_a_peer_that_is_gone_is_nobody() -> None:
    """A closed or half-closed peer has no uid, although the listener on our own port does."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        far, _ = listener.accept()
        with closing(far):
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            assert peers.tcp_peer_uid(far) is None
            assert peers.tcp_peer_pid(far) is None


def test_no_socket_is_nobody() -> None:
    """Without a socket there is no peer."""
    assert peers.tcp_peer_uid(None) is None
    assert peers.unix_peer(None) is None


@linux
@as_root
def test_another_user_is_seen() -> None:
    """The uid is the socket maker's, whatever it becomes later."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        program = (
            "import os, socket, sys\n"
            f"os.setuid({OTHER})\n"
            f"s = socket.socket(); s.connect(('127.0.0.1', {port})); sys.stdin.read()"
        )
        with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE) as child:
            far, _ = listener.accept()
            with far:
                seen = peers.tcp_peer_uid(far), peers.tcp_peer_pid(far)
            child.terminate()

    assert seen == (OTHER, child.pid)


def test_a_unix_peer_is_known() -> None:
    """Both ends of a pair are this process."""
    near, far = socket.socketpair(socket.AF_UNIX)
    with near, far:
        assert peers.unix_peer(far) == peers.Peer(os.getuid(), os.getpid())


@pytest.mark.parametrize("platform", ["darwin", "freebsd14", "win32"])
def test_where_the_platform_does_not_tell_tcp_peers_are_nobody(monkeypatch: pytest.MonkeyPatch, platform: str) -> None:
    """Elsewhere than on Linux nothing is asked, so nothing is guessed."""
    monkeypatch.setattr(peers, "CAN_TELL_UID", platform.startswith("linux"))
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        accepted(listener, listener.getsockname(), socket.AF_INET) as far,
    ):
        assert peers.tcp_peer_uid(far) is None
        assert peers.tcp_peer_pid(far) is None


@dataclass
class MacSocket:
    """A UNIX socket of macOS, as far as it is asked."""

    credentials: bytes

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """LOCAL_PEERCRED and LOCAL_PEERPID of SOL_LOCAL."""
        assert level == 0
        return {1: self.credentials, 2: struct.pack("=i", 4121)}[option][:size]


@pytest.mark.parametrize(
    ("credentials", "peer"),
    [
        (struct.pack("=IIh2x16I", 0, 501, 2, 20, 12, *[0] * 14), peers.Peer(501, 4121)),
        (struct.pack("=IIh2x16I", 1, 501, 2, 20, 12, *[0] * 14), None),
        (b"", None),
        (b"\0" * 75, None),
    ],
)
def test_a_mac_peer_is_read_from_its_credentials(credentials: bytes, peer: peers.Peer | None) -> None:
    """`struct xucred` of version 0 gives the uid; any other answer gives nobody."""
    assert peers.mac_peer(MacSocket(credentials)) == peer


def test_a_process_has_a_program_and_ancestors() -> None:
    """The executable and the chain of parents, the nearest first; what is gone has none."""
    assert peers.program_of(os.getpid()).exe == os.path.realpath(sys.executable)
    known = peers.ancestors(os.getpid())
    assert known is not None
    assert known[0] == os.getppid()
    assert peers.ancestors(2**22 - 1) is None
    assert peers.program_of(2**22 - 1) == peers.Program(None, None, None)
