"""A service manager in small: it hears what a service tells of itself, and keeps descriptors over its restarts.

As systemd does: `sd_notify(3)` on a datagram socket, `FDSTORE=1` with descriptors, `FDSTOREREMOVE=1`, and `sd_listen_fds(3)`
for the next start. A launcher fetches the descriptors over a second socket and becomes `meshmeshd`.
"""

import os
import socket
import sys
import threading
from collections.abc import Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from support.service import MESHMESHD

MAX_STORED = 4
_LAUNCHER = """
import array, os, socket, sys
line = socket.socket(socket.AF_UNIX)
line.connect(sys.argv[1])
names, descriptors, _, _ = socket.recv_fds(line, 4096, 64)
line.close()
placed = [os.dup2(one, 100 + index) for index, one in enumerate(descriptors)]
os.closerange(3, 100)
for index, one in enumerate(placed):
    os.dup2(one, 3 + index, inheritable=True)
os.closerange(100, 200)
if placed:
    os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": str(len(placed)), "LISTEN_FDNAMES": names.decode().strip()}
os.execv(sys.argv[2], sys.argv[2:])
"""


@dataclass
class Manager:
    """What it heard, one datagram a line, and what it keeps by name."""

    folder: Path
    heard: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    stored: dict[str, list[int]] = field(default_factory=dict[str, list[int]])

    def __post_init__(self) -> None:
        self._notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._notify.bind(str(self.folder / "notify"))
        self._lend = socket.socket(socket.AF_UNIX)
        self._lend.bind(str(self.folder / "descriptors"))
        self._lend.listen(4)
        for work in (self._hear, self._hand_over):
            threading.Thread(target=work, daemon=True).start()

    @property
    def program(self) -> tuple[str, ...]:
        """What starts the service under this manager."""
        return (sys.executable, "-c", _LAUNCHER, str(self.folder / "descriptors"), *MESHMESHD)

    @property
    def environ(self) -> dict[str, str]:
        """The variables of the service."""
        return {"NOTIFY_SOCKET": str(self.folder / "notify")}

    def told(self, name: str) -> list[str]:
        """Every value that was told under a name, such as STATUS."""
        return [message[name] for message in self.heard if name in message]

    def end(self) -> None:
        """Close everything."""
        for sock in (self._notify, self._lend):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()
        for name in list(self.stored):
            self._drop(name)

    def _hear(self) -> None:
        while True:
            try:
                data, descriptors, _, _ = socket.recv_fds(self._notify, 65536, 64)
            except OSError:
                return
            if not data:
                return
            message = dict(line.split("=", 1) for line in data.decode().splitlines())
            name = message.get("FDNAME", "stored")
            if message.get("FDSTOREREMOVE") == "1":
                self._drop(name)
            for one in descriptors:
                kept = sum(map(len, self.stored.values())) < MAX_STORED and message.get("FDSTORE") == "1"
                self.stored.setdefault(name, []).append(one) if kept else os.close(one)
            self.heard.append(message)

    def _drop(self, name: str) -> None:
        for one in self.stored.pop(name, []):
            os.close(one)

    def _hand_over(self) -> None:
        while True:
            try:
                line, _ = self._lend.accept()
            except OSError:
                return
            with line:
                named = [(name, one) for name, kept in self.stored.items() for one in kept]
                names = ":".join(name for name, _ in named) or " "
                socket.send_fds(line, [names.encode()], [one for _, one in named])


@contextmanager
def manager(folder: Path) -> Generator[Manager, None, None]:
    """A manager in a folder, whose path must be short enough for a socket."""
    made = Manager(folder)
    try:
        yield made
    finally:
        made.end()
