"""The person's own browser, opened from a background service.

Only a button that a person pressed leads here: a service that opens browsers by itself fills the screen with tabs. No
address is ever logged. A sign-in's carries its `state`, which a process list can show while the opener runs: it is worth
nothing to another user, whose redirect is refused, and nothing without the code verifier.
"""

import asyncio
import shutil
import subprocess
from collections.abc import Mapping
from typing import Protocol

_PATIENCE_SECONDS = 5.0  # an opener that still runs then has become the browser
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")
_OURS = ("MESHMESH_", "PYTHON", "VIRTUAL_ENV", "NOTIFY_SOCKET", "LISTEN_", "WATCHDOG_", "FDSTORE", "CREDENTIALS_")


class Browser(Protocol):
    """Opens addresses for a person who asked for it."""

    async def open(self, address: str) -> bool:
        """Open an address.

        Returns:
            False where there is no screen, no browser, or the person wants none to be opened.
        """
        ...


class SystemBrowser:
    """The browser of this machine's desktop.

    Args:
        platform: `sys.platform`.
        environ: our environment; what is the service's own in it is not handed on.
    """

    def __init__(self, platform: str, environ: Mapping[str, str]) -> None:
        self._environ = {name: value for name, value in environ.items() if not name.startswith(_OURS)}
        self._unwanted = bool(environ.get("MESHMESH_NO_BROWSER"))
        self._command = () if self._unwanted else _opener(platform, self._environ)
        self._running: list[subprocess.Popen[bytes]] = []

    async def open(self, address: str) -> bool:
        """Open an address; see `Browser.open`."""
        if not self._command:
            return False
        self._running = [process for process in self._running if process.poll() is None]
        return await asyncio.to_thread(self._opened, address)

    def _opened(self, address: str) -> bool:
        # not asyncio's: at its end the loop would kill an opener that has become the browser
        try:
            process = subprocess.Popen(  # noqa: S603 - the opener, and the address as one argument
                [*self._command, address],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env=self._environ,
                start_new_session=True,
            )
        except OSError:
            return False
        try:
            return process.wait(_PATIENCE_SECONDS) == 0
        except subprocess.TimeoutExpired:
            self._running.append(process)
            return True


def _opener(platform: str, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The command that opens an address; empty where there is no screen."""
    if platform == "darwin":
        return ("/usr/bin/open",)
    opener = shutil.which("xdg-open", path=environ.get("PATH"))
    if opener is None:
        return ()
    runner = shutil.which("systemd-run", path=environ.get("PATH"))
    if environ.get("INVOCATION_ID") and runner:
        # A unit's browser would be as confined as the unit, and would end with it. The user's manager starts it in its own
        # place and knows the screen, which may be younger than we are. Tested with a stand-in for systemd-run only.
        return (runner, "--user", "--quiet", "--collect", "--wait", "--", opener)
    return (opener,) if any(environ.get(name) for name in _SCREENS) else ()
