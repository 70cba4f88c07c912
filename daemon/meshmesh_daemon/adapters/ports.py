"""The loopback listeners: both families or none, and who holds a port that we cannot have.

Two explicit addresses, never the name `localhost`: a stranger on the other family could otherwise catch a redirect.
"""

import errno
import http.client
import json
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from meshmesh_daemon.adapters import peers

BACKLOG = 512
_LISTEN = "0A"  # the state column of /proc/net/tcp
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}
_ASK_SECONDS = 1.0
_MAX_STATUS = 64 * 1024
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
            raise PortBusy(address, port, holder_of(address, port)) from None
        raise
    return sock


def holder_of(address: str, port: int) -> str | None:
    """Who listens on a loopback port, as far as this user may see it.

    Args:
        address: `127.0.0.1` or `::1`.
        port: TCP port number.

    Returns:
        Text such as `sf (pid 4121)` or `a program of user 1001`, or None where it cannot be found.
    """
    listening = _listening(address, port)
    holder = peers.holder_of(listening.keys()) if listening else None
    if holder is not None:
        with suppress(OSError):
            return f"{Path(f'/proc/{holder}/comm').read_text().strip()} (pid {holder})"
    # a MeshMesh hides its descriptors even from its own user, and tells its pid to anybody
    pid = _status_pid(address, port)
    if pid is not None:
        return f"MeshMesh (pid {pid})"
    return f"a program of user {min(listening.values())}" if listening else None


def _listening(address: str, port: int) -> dict[int, int]:
    """The uid of each listening socket that stands in the way of an address and port, by its inode.

    The other family's is left out: while we start, that one may be ours.
    """
    found: dict[int, int] = {}
    tables = ("/proc/net/tcp6",) if ":" in address else ("/proc/net/tcp", "/proc/net/tcp6")
    for table in tables:
        with suppress(OSError):
            for line in Path(table).read_text().splitlines()[1:]:
                columns = line.split()
                if columns[3] == _LISTEN and int(columns[1].rsplit(":", 1)[1], 16) == port:
                    found[int(columns[9])] = int(columns[7])
    return found


def _status_pid(address: str, port: int) -> int | None:
    """The pid in the open status of a MeshMesh; whoever else listens there gives none."""
    line = http.client.HTTPConnection(address, port, timeout=_ASK_SECONDS)
    try:
        line.request("GET", "/status")
        document: object = json.loads(line.getresponse().read(_MAX_STATUS))
    except (OSError, http.client.HTTPException, ValueError):
        return None
    finally:
        line.close()
    match document:
        case {"version": str(), "vault": str(), "pid": int(pid)}:
            return pid
        case _:
            return None
