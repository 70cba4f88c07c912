"""The loopback listeners: both families or none, and who holds a port that we cannot have.

Two explicit addresses, never the name `localhost`: a stranger on the other family could otherwise catch a redirect.
"""

import errno
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

BACKLOG = 512
_LISTEN = "0A"  # the state column of /proc/net/tcp
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_TRIES = 20  # for port 0: the second family must be free on the number that the first was given


class PortBusy(Exception):
    """A port that somebody else holds."""

    def __init__(self, address: str, port: int, holder: str | None) -> None:
        by = f" by {holder}" if holder else ""
        super().__init__(f"Port {port} on {address} is already in use{by}.")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Bound sockets and their one port; `note` says which family is missing, if one is."""

    sockets: tuple[socket.socket, ...]
    port: int
    note: str | None


def bind_loopback(port: int) -> Listeners:
    """Bind 127.0.0.1 and ::1.

    Args:
        port: the port, or 0 for any that is free on both.

    Raises:
        PortBusy: one of the two is taken; neither stays bound.
    """
    for _ in range(_TRIES if port == 0 else 1):
        v4 = _bind(socket.AF_INET, "127.0.0.1", port)
        number = int(v4.getsockname()[1])
        try:
            v6 = _bind(socket.AF_INET6, "::1", number)
        except PortBusy:
            v4.close()
            if port:
                raise
            continue
        except OSError as error:
            if error.errno not in _NO_IPV6:
                v4.close()
                raise
            return Listeners((v4,), number, "This machine has no IPv6 loopback: serving 127.0.0.1 only.")
        return Listeners((v4, v6), number, None)
    raise PortBusy("::1", port, None)


def _bind(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(address, port, holder_of(port)) from None
        raise
    return sock


def holder_of(port: int) -> str | None:
    """The process that listens on a loopback port, as far as this user may see it.

    Args:
        port: TCP port number.

    Returns:
        Text such as `sf (pid 4121)`, or None where it cannot be found.
    """
    inodes = _listening_inodes(port)
    if not inodes:
        return None
    for process in Path("/proc").glob("[0-9]*"):
        if _holds(process, inodes):
            with suppress(OSError):
                return f"{(process / 'comm').read_text().strip()} (pid {process.name})"
    return None


def _listening_inodes(port: int) -> set[str]:
    inodes: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTEN and int(columns[1].rsplit(":", 1)[1], 16) == port:
                    inodes.add(columns[9])
    return inodes


def _holds(process: Path, inodes: set[str]) -> bool:
    with suppress(OSError):
        for descriptor in os.scandir(process / "fd"):
            with suppress(OSError):
                target = os.readlink(descriptor.path)
                if target.startswith("socket:[") and target[8:-1] in inodes:
                    return True
    return False
