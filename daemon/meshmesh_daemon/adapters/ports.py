"""The loopback listeners: both families or none, and who holds a port that we cannot have.

Two explicit addresses, never the name `localhost`: a stranger on the other family could otherwise catch a redirect.
Listeners that an earlier run left with the service manager are taken over as they are, with who waits at them.
"""

import errno
import http.client
import json
import socket
from collections.abc import Sequence
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
        self.holder = holder


class PortReserved(Exception):
    """A port that the system does not give to this user."""

    def __init__(self, port: int) -> None:
        super().__init__(f"The system does not give port {port} to this user.")


@dataclass(frozen=True, slots=True)
class Listeners:
    """Listening sockets and their one port; `note` says which family is missing, if one is."""

    sockets: tuple[socket.socket, ...]
    port: int
    note: str | None


_FAMILIES = ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1"))


def bind_loopback(port: int, kept: Sequence[socket.socket] = (), *, discreet: bool = False) -> Listeners:
    """Listen on 127.0.0.1 and ::1.

    Args:
        port: the port, or 0 for any that is free on both.
        kept: listeners of an earlier run, which stand in for new ones; those of another port are closed.
        discreet: do not speak to whoever holds the port to learn who it is: one stray request ends an `sf` sign-in.

    Raises:
        PortBusy: one of the two is taken; neither stays bound.
        PortReserved: the system says no.
    """
    usable = _usable(kept, port)
    number = port or next((int(sock.getsockname()[1]) for sock in usable.values()), 0)
    for _ in range(_TRIES if number == 0 else 1):
        try:
            return _listeners(number, dict(usable), discreet=discreet)
        except PortBusy:
            if number:
                raise
    raise PortBusy("::1", port, None)


def _usable(kept: Sequence[socket.socket], port: int) -> dict[socket.AddressFamily, socket.socket]:
    """Those that are bound where we would be, one a family."""
    usable: dict[socket.AddressFamily, socket.socket] = {}
    for sock in kept:
        name = sock.getsockname()
        ours = (sock.family, name[0]) in _FAMILIES and (port or name[1]) == name[1]
        if ours and sock.family not in usable:
            sock.setblocking(False)
            usable[sock.family] = sock
        else:
            sock.close()
    return usable


def _listeners(port: int, made: dict[socket.AddressFamily, socket.socket], *, discreet: bool) -> Listeners:
    """All or nothing; both are bound before one listens, so that nobody arrives at half a door."""
    note = None
    address = ""
    try:
        for family, address in _FAMILIES:
            try:
                made[family] = made.get(family) or _bound(family, address, port)
            except OSError as error:
                if family != socket.AF_INET6 or error.errno not in _NO_IPV6:
                    raise
                note = "This machine has no IPv6 loopback: serving 127.0.0.1 only."
            port = int(made[socket.AF_INET].getsockname()[1])
        for sock in made.values():
            address = sock.getsockname()[0]
            sock.listen(BACKLOG)
    except OSError as error:
        for sock in made.values():
            sock.close()
        if error.errno == errno.EADDRINUSE:
            raise PortBusy(address, port, holder_of(address, port, ask=not discreet)) from None
        if error.errno == errno.EACCES:
            raise PortReserved(port) from None
        raise
    return Listeners(tuple(made[family] for family, _ in _FAMILIES if family in made), port, note)


def _bound(family: socket.AddressFamily, address: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((address, port))
        sock.setblocking(False)
    except OSError:
        sock.close()
        raise
    return sock


def holder_of(address: str, port: int, *, ask: bool = True) -> str | None:
    """Who listens on a loopback port, as far as this user may see it.

    Args:
        address: `127.0.0.1` or `::1`.
        port: TCP port number.
        ask: whether it may be spoken to, where nothing else tells.

    Returns:
        Text such as `sf (pid 4121)` or `a program of user 1001`, or None where it cannot be found.
    """
    listening = _listening(address, port)
    holder = peers.holder_of(listening.keys()) if listening else None
    if holder is not None:
        with suppress(OSError):
            return f"{Path(f'/proc/{holder}/comm').read_text().strip()} (pid {holder})"
    # a MeshMesh hides its descriptors even from its own user, and tells its pid to anybody
    pid = _status_pid(address, port) if ask else None
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
