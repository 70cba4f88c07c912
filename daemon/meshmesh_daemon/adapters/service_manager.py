"""What runs us, where that is systemd: told how we are, and asked to keep our listeners over a restart.

`sd_notify(3)` is a datagram to the socket that NOTIFY_SOCKET names, and `sd_listen_fds(3)` three variables and the
descriptors from 3 on. Without those variables nobody is told anything, and nothing else changes: sockets are stored over
another run in this process all the same.
"""

import array
import os
import socket
import time
from collections.abc import MutableMapping, Sequence

_FIRST_DESCRIPTOR = 3
_SEND_SECONDS = 1.0  # the manager's queue may be full for a moment; a lost READY would end us
_PATROLS = 3  # in the time after which the manager takes us for dead
_PACE = 10.0  # seconds between looks where nobody waits for signs of life


class ServiceManager:
    """The manager that started this process.

    Args:
        address: of its socket; "" where there is none.
        watchdog: seconds after which it takes a silent service for dead, or None.
        kept: the descriptors that it hands over, by the name under which they were stored.
    """

    def __init__(
        self, *, address: str = "", watchdog: float | None = None, kept: Sequence[tuple[str, int]] = ()
    ) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._watchdog = watchdog
        self._kept = list(kept)
        self._status = ""

    @classmethod
    def found(cls, environ: MutableMapping[str, str]) -> "ServiceManager":
        """The manager that the environment names; its variables are taken out, since no child of ours is its service.

        Args:
            environ: the environment, usually `os.environ`.
        """
        address = environ.pop("NOTIFY_SOCKET", "")
        for_us = environ.pop("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        microseconds = environ.pop("WATCHDOG_USEC", "")
        listens = environ.pop("LISTEN_PID", "") == str(os.getpid())
        count, names = environ.pop("LISTEN_FDS", ""), environ.pop("LISTEN_FDNAMES", "")
        number = int(count) if listens and count.isdigit() else 0
        labels = [*names.split(":"), *[""] * number][:number]
        return cls(
            address=address,
            watchdog=int(microseconds) / 1e6 if for_us and microseconds.isdigit() else None,
            kept=[(label, _FIRST_DESCRIPTOR + index) for index, label in enumerate(labels)],
        )

    @property
    def is_there(self) -> bool:
        """Whether there is anybody to tell."""
        return bool(self._address)

    @property
    def pace(self) -> float:
        """Seconds between two signs of life."""
        return self._watchdog / _PATROLS if self._watchdog else _PACE

    def take_kept(self, name: str) -> list[socket.socket]:
        """The sockets that an earlier run left under a name; whatever else was handed over is closed."""
        taken = [descriptor for label, descriptor in self._kept if label == name]
        self._kept = [(label, descriptor) for label, descriptor in self._kept if label != name]
        self._close_kept()
        for descriptor in taken:
            os.set_inheritable(descriptor, False)
        return [socket.socket(fileno=descriptor) for descriptor in taken]

    def ready(self) -> None:
        """We serve; also the end of a reload."""
        self._send("READY=1")

    def reloading(self) -> None:
        """We read our settings again; `ready` ends it."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000}")

    def stopping(self) -> None:
        """We end; the sockets are the manager's alone from now on."""
        self._send("STOPPING=1")
        self._close_kept()

    def alive(self, status: str) -> None:
        """A sign of life, and how we are in one line; a line that was told already is not told again."""
        lines = ["WATCHDOG=1"] if self._watchdog else []
        if status != self._status:
            lines.append(f"STATUS={' '.join(status.split())}")
            self._status = status
        if lines:
            self._send(*lines)

    def store(self, name: str, sockets: Sequence[socket.socket]) -> None:
        """Keep these for our next run, in this process or in another; what the manager holds already it holds once."""
        self._kept += [(name, os.dup(sock.fileno())) for sock in sockets]
        descriptors = array.array("i", [sock.fileno() for sock in sockets])
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors.tobytes())]
        self._send("FDSTORE=1", f"FDNAME={name}", ancillary=rights)

    def forget(self, name: str) -> None:
        """Let go of what is kept under a name."""
        self._send("FDSTOREREMOVE=1", f"FDNAME={name}")
        for label, descriptor in self._kept:
            if label == name:
                os.close(descriptor)
        self._kept = [(label, descriptor) for label, descriptor in self._kept if label != name]

    def _close_kept(self) -> None:
        for _, descriptor in self._kept:
            os.close(descriptor)
        self._kept = []

    def _send(self, *lines: str, ancillary: Sequence[tuple[int, int, bytes]] = ()) -> None:
        if not self._address:
            return
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            sock.settimeout(_SEND_SECONDS)
            try:
                sock.connect(self._address)
                sock.sendmsg(["\n".join(lines).encode()], ancillary)
            except OSError:
                return  # a manager that is gone needs no telling
