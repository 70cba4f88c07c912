"""Bubbles on the person's screen, behind one small protocol; one file a platform.

What is wanted is said once, with `show` and `withdraw`, and both return at once: the adapter brings the screen there when
it can, which may be later than now (at login the notification service starts after us), again (it may die), or never.
"""

import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.notice import Notice

log = logging.getLogger("meshmesh.notifications")


@dataclass(frozen=True, slots=True)
class Pressed:
    """The person pressed a button of a notice."""

    key: str
    button: str


@dataclass(frozen=True, slots=True)
class Dismissed:
    """A notice has left the screen, and we did not withdraw it."""

    key: str


Heard = Callable[[Pressed | Dismissed], None]


class Notifications(Protocol):
    """The screen. None of it blocks or raises."""

    @property
    def has_buttons(self) -> bool:
        """Whether there is somebody now who draws buttons and reports when they are pressed."""
        ...

    def show(self, notice: Notice, heard: Heard) -> None:
        """Put a notice on the screen, in the place of an earlier one with its key.

        Args:
            notice: what to show.
            heard: is told what the person does with it, on the event loop.
        """
        ...

    def withdraw(self, key: str) -> None:
        """Take a notice off the screen."""
        ...


class NoScreen:
    """For a house whose owner wants no bubbles, and for a machine without a desktop."""

    has_buttons = False

    def show(self, notice: Notice, heard: Heard) -> None:
        """Show nothing."""

    def withdraw(self, key: str) -> None:
        """There is nothing to withdraw."""


class Pane:
    """A part of a screen, for rooms that close before the screen does: what they showed is wiped off at once.

    Args:
        screen: the screen.
    """

    def __init__(self, screen: Notifications) -> None:
        self._screen = screen
        self._shown: set[str] = set()

    @property
    def has_buttons(self) -> bool:
        """As the screen."""
        return self._screen.has_buttons

    def show(self, notice: Notice, heard: Heard) -> None:
        """See `Notifications`."""
        self._shown.add(notice.key)
        self._screen.show(notice, heard)

    def withdraw(self, key: str) -> None:
        """See `Notifications`."""
        self._shown.discard(key)
        self._screen.withdraw(key)

    def wipe(self) -> None:
        """Take everything off that was shown here."""
        for key in tuple(self._shown):
            self.withdraw(key)


def bus_may_come(environ: Mapping[str, str]) -> bool:
    """Whether there is a session bus (D-Bus), or may be one later; where nothing names its place, none will ever be found."""
    return bool(environ.get("DBUS_SESSION_BUS_ADDRESS") or environ.get("XDG_RUNTIME_DIR"))


@asynccontextmanager
async def notifications(platform: str, environ: Mapping[str, str], clock: Clock) -> AsyncGenerator[Notifications, None]:
    """The notifications of this machine; at the end all of ours leave the screen.

    Args:
        platform: `sys.platform`.
        environ: says where the session bus is.
        clock: paces what has to be tried again.
    """
    if platform == "darwin":
        from meshmesh_daemon.adapters.notifications.macos import MacNotifications

        mac = MacNotifications()
        try:
            yield mac
        finally:
            await mac.close()
        return
    if not bus_may_come(environ):
        log.info("no notifications on a screen: there is no session bus")
        yield NoScreen()
        return
    from meshmesh_daemon.adapters.notifications.linux import DesktopNotifications

    desktop = DesktopNotifications(environ=environ, clock=clock)
    desktop.start()
    try:
        yield desktop
    finally:
        await desktop.close()
