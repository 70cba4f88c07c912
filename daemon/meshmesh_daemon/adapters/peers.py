"""Who is at the other end of a loopback connection: uid and pid from the kernel, never from what was sent.

TCP: NETLINK_SOCK_DIAG, one exact question a connection (10 us; reading /proc/net/tcp takes milliseconds). The uid is the
socket maker's. Where the kernel cannot tell of one connection, its peer is nobody. Only Linux answers for TCP at all:
elsewhere `CAN_TELL_UID` is false and a pairing token counts alone. UNIX sockets are answered for on Linux and macOS.
"""

import contextlib
import itertools
import os
import socket
import struct
import sys
import threading
from collections.abc import Set
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Protocol

_NETLINK_SOCK_DIAG = 4
_SOCK_DIAG_BY_FAMILY = 20
_NLM_F_REQUEST = 1
_NO_COOKIE = 0xFFFFFFFF
_MOST_NUMBERS = 0xFFFFFFFF
_LONGEST = 8192
_ESTABLISHED = 1
_QUESTION = struct.Struct("=IHHIIBBBBIHH16s16sIII")  # nlmsghdr, inet_diag_req_v2 (<linux/inet_diag.h>)
_ANSWER = struct.Struct("=4xH10xxBxxHH56xII")  # of nlmsghdr the kind; of inet_diag_msg the state, ports, uid, inode
_NUMBER = struct.Struct("=8xI")
_NOTHING = (0, 0, 0, 0, 0, 0)
_CREDENTIALS = struct.Struct("3i")
_SOL_LOCAL = 0  # <sys/un.h> of macOS
_LOCAL_PEERCRED = 1
_LOCAL_PEERPID = 2
_XUCRED = struct.Struct("=IIh2x16I")  # <sys/ucred.h>: version, uid, number of groups, groups
_LOOKS = 8  # at the ancestors of a process, which may end while they are looked at
_MAPPED = "::ffff:"

_turn = threading.Lock()
_numbers = itertools.count(1)

CAN_TELL_UID = sys.platform.startswith("linux")

Address = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Peer:
    """A process at the other end of a UNIX socket."""

    uid: int
    pid: int


def unix_peer(sock: socket.socket | None) -> Peer | None:
    """The peer of a UNIX socket, or None where the platform does not tell."""
    if sock is None:
        return None
    if sys.platform == "darwin":
        return mac_peer(sock)
    option = getattr(socket, "SO_PEERCRED", None)
    if option is None:
        return None
    raw = sock.getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(raw)
    return Peer(uid, pid)


class Options(Protocol):
    """The one thing that is asked of a socket."""

    def getsockopt(self, level: int, option: int, size: int, /) -> bytes:
        """An option's raw value."""
        ...


def mac_peer(sock: Options) -> Peer | None:
    """The peer of a UNIX socket on macOS, or None where the answer is in another version of its structure."""
    raw = sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERCRED, _XUCRED.size)
    if len(raw) != _XUCRED.size:
        return None
    version, uid, *_ = _XUCRED.unpack(raw)
    (pid,) = struct.unpack("=i", sock.getsockopt(_SOL_LOCAL, _LOCAL_PEERPID, 4))
    return Peer(uid, pid) if version == 0 else None


@dataclass(frozen=True, slots=True)
class _End:
    """The peer's end of a TCP connection, as the kernel files it."""

    uid: int
    inode: int


def tcp_peer_uid(sock: socket.socket | None) -> int | None:
    """The user who made the peer's socket of a loopback connection.

    Args:
        sock: our end.

    Returns:
        The uid, or None where the peer is gone, not on this machine, or the platform does not tell.
    """
    end = _peer_end(sock)
    return end.uid if end else None


def tcp_peer_pid(sock: socket.socket | None) -> int | None:
    """A process that holds the peer's socket; it reads /proc (milliseconds), so not for a hot path.

    Args:
        sock: our end.
    """
    end = _peer_end(sock)
    return holder_of({end.inode}) if end else None


def holder_of(inodes: Set[int]) -> int | None:
    """A process that holds one of these sockets, among those that this user may look into (Linux)."""
    wanted = {f"socket:[{inode}]" for inode in inodes}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError), os.scandir(process / "fd") as descriptors:
            for descriptor in descriptors:
                with contextlib.suppress(OSError):
                    if os.readlink(descriptor.path) in wanted:
                        return int(process.name)
    return None


@dataclass(frozen=True, slots=True)
class Program:
    """What a process is: its executable, its parent's, and the folder that it works in."""

    exe: str | None
    parent: str | None
    cwd: str | None


def program_of(pid: int) -> Program:
    """The program behind a process, as far as this user may see it (Linux)."""
    parent = _parent(pid)
    return Program(_link(pid, "exe"), _link(parent, "exe") if parent else None, _link(pid, "cwd"))


def ancestors(pid: int) -> tuple[int, ...] | None:
    """The processes that a process descends from, the nearest first; itself is not among them.

    Returns:
        None where nobody can tell: the process is gone, its ancestors never stand still, or the platform has no /proc.
    """
    looks = (_line_of(pid) for _ in range(_LOOKS))
    return next((found for found in looks if found is not None), None)


def _line_of(pid: int) -> tuple[int, ...] | None:
    """One look at a process's ancestors; None where one of them ended meanwhile, and its children have another parent."""
    found: dict[int, None] = {}
    while (parent := _parent(pid)) is not None and parent not in found:
        if parent <= 1:
            return tuple(found)
        found[parent] = None
        pid = parent
    return None


def _parent(pid: int) -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return None


def _link(pid: int, name: str) -> str | None:
    with contextlib.suppress(OSError):
        return os.readlink(f"/proc/{pid}/{name}")
    return None


def _peer_end(sock: socket.socket | None) -> _End | None:
    if sock is None or not CAN_TELL_UID:
        return None
    with contextlib.suppress(OSError):
        # the peer's socket has our addresses swapped: its source is our peer name
        return _find(sock.getpeername()[:2], sock.getsockname()[:2])
    return None


def _find(source: Address, destination: Address) -> _End | None:
    (a, a_port), (b, b_port) = source, destination
    if ":" in a and not a.startswith(_MAPPED):
        return _ask(socket.AF_INET6, (a, a_port), (b, b_port))
    plain_a, plain_b = a.removeprefix(_MAPPED), b.removeprefix(_MAPPED)
    end = _ask(socket.AF_INET, (plain_a, a_port), (plain_b, b_port))
    if end is not None:
        return end
    # a client that dialled 127.0.0.1 through a v4-mapped socket is filed under IPv6
    return _ask(socket.AF_INET6, (_MAPPED + plain_a, a_port), (_MAPPED + plain_b, b_port))


def _ask(family: socket.AddressFamily, source: Address, destination: Address) -> _End | None:
    ports = socket.htons(source[1]), socket.htons(destination[1])
    answer = _exchange(family, *ports, _packed(family, source[0]), _packed(family, destination[0]))
    kind, state, *answered, uid, inode = _ANSWER.unpack_from(answer) if len(answer) >= _ANSWER.size else _NOTHING
    if kind != _SOCK_DIAG_BY_FAMILY:
        return None
    # the kernel falls back to a listener where no connection matches, and says uid 0 for a socket nobody holds
    exact = state == _ESTABLISHED and tuple(answered) == ports
    return _End(uid, inode) if exact and inode else None


_packed = lru_cache(maxsize=8)(socket.inet_pton)  # nearly always of the loopback


def _exchange(family: int, port: int, our_port: int, address: bytes, our_address: bytes) -> bytes:
    """One question to the kernel, which answers before the writing of it returns."""
    with _turn:
        kernel, number = _kernel(), next(_numbers) & _MOST_NUMBERS
        head = (_QUESTION.size, _SOCK_DIAG_BY_FAMILY, _NLM_F_REQUEST, number, 0)
        asked = (family, socket.IPPROTO_TCP, 0, 0, _NO_COOKIE, port, our_port, address, our_address)
        os.write(kernel, _QUESTION.pack(*head, *asked, 0, _NO_COOKIE, _NO_COOKIE))
        while True:
            answer = os.read(kernel, _LONGEST)
            if _NUMBER.unpack_from(answer)[0] == number:
                return answer


@cache
def _kernel() -> int:
    """The way to ask, which stays open: opening it each time takes longer than all the rest."""
    kinds = socket.SOCK_RAW | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK
    return socket.socket(socket.AF_NETLINK, kinds, _NETLINK_SOCK_DIAG).detach()
