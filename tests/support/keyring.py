"""A real gnome-keyring on a bus of its own: unlocked, locked, frozen, or not there."""

import os
import signal
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from support.desktop import Desktop, bus, until

PASSWORD = "the login password of a test"
_NAME = "org.freedesktop.secrets"
_ASK = ("dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/")


@dataclass
class GnomeKeyring:
    """The keyring of a session; its files stay when its daemon ends."""

    session: Desktop
    process: subprocess.Popen[bytes] | None = None

    @property
    def environ(self) -> dict[str, str]:
        """The variables that lead a program to it."""
        names = ("DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "XDG_DATA_HOME")
        return {name: self.session.environ[name] for name in names}

    def unlocked(self) -> None:
        """Start it as a login does: with the password, which makes the login keyring at first."""
        self._start("--unlock", password=PASSWORD)

    def locked(self) -> None:
        """Start it as a session without a login does."""
        self._start("--start")

    def freeze(self) -> None:
        """From now on it takes calls and never answers."""
        assert self.process is not None
        os.kill(self.process.pid, signal.SIGSTOP)

    def end(self) -> None:
        """It is not there any more."""
        if self.process is not None:
            os.kill(self.process.pid, signal.SIGCONT)
            self.process.terminate()
            self.process.wait(10)
            self.process = None
            until(lambda: not self._owned())

    def _start(self, how: str, password: str = "") -> None:
        command = ("gnome-keyring-daemon", how, "--components=secrets", "--foreground")
        log = (self.session.folder / "keyring.log").open("ab")
        with log:
            self.process = subprocess.Popen(
                command, env=self.session.environ, stdin=subprocess.PIPE, stdout=log, stderr=subprocess.STDOUT
            )
        assert self.process.stdin is not None
        with self.process.stdin as typed:
            typed.write(password.encode())
        until(self._owned)

    def _owned(self) -> bool:
        return "true" in self.session.run(*_ASK, "org.freedesktop.DBus.NameHasOwner", f"string:{_NAME}")


@contextmanager
def gnome_keyring(folder: Path) -> Generator[GnomeKeyring, None, None]:
    """A session with a bus, on which a keyring can be started.

    Args:
        folder: new or empty; its path must be short enough for a socket.
    """
    with bus(folder) as session:
        keyring = GnomeKeyring(session)
        try:
            yield keyring
        finally:
            keyring.end()
