"""Telling the person what only they can mend, and taking the button they press to its end.

Changes are gathered for a moment, so that what falls together becomes one notice, and so that a connection that is tried
again does not flicker. A browser is opened by a pressed button and by nothing else.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from meshmesh_daemon.adapters.browser import Browser
from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.notices import ABANDONED_SECONDS, LOOK, RECONNECT, SNOOZE, SNOOZE_SECONDS, Board
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.attempts import SignInView
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_storage.errors import VaultError
from meshmesh_storage.records import Connection, Status

log = logging.getLogger("meshmesh.notifier")

GATHER_SECONDS = 2.0

Reconnect = Callable[[Connection], Awaitable[SignInView]]


class Notifier:
    """Keeps the screen in step with the connections.

    Args:
        desks: the connections.
        notifications: the screen.
        browser: opens what a pressed button leads to.
        waiting: who waits for a connection.
        reconnect: begins the sign-in that mends a connection.
        clock: the time.
        base: our own address, without a slash at its end.
    """

    def __init__(
        self,
        *,
        desks: Desks,
        notifications: Notifications,
        browser: Browser,
        waiting: Waiting,
        reconnect: Reconnect,
        clock: Clock,
        base: str,
    ) -> None:
        self._desks = desks
        self._notifications = notifications
        self._browser = browser
        self._waiting = waiting
        self._reconnect = reconnect
        self._clock = clock
        self._board = Board(base)
        self._changed = asyncio.Event()
        self._up: set[str] = set()
        self._pressed: set[str] = set()
        self._background = Background()

    def start(self) -> None:
        """Listen from now on; what is ill already is told once."""
        self._desks.listen(self._see)
        self._waiting.listen(self._see_waiting)
        self._background.spawn(self._see_ill())
        self._background.spawn(self._run())

    async def close(self) -> None:
        """Stop telling."""
        await self._background.cancel()

    async def _see_ill(self) -> None:
        try:
            async for desk in self._desks.of(self._desks.ill):
                if desk.status in NEEDS_SOMEBODY:
                    self._see(None, desk.view)
        except VaultError as error:
            log.warning("%s %s", error, error.next_step)

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._changed.clear()
            self._settle()

    def _see(self, before: Connection | None, after: Connection | None) -> None:
        connection = after or before
        if connection is None:
            return
        if after is None or after.status is Status.CONNECTED:
            self._waiting.forget(connection.id)
        if self._board.see(connection.id, after):
            self._changed.set()

    def _see_waiting(self, connection_id: str) -> None:
        if self._board.tells(connection_id):
            self._changed.set()

    def _settle(self) -> None:
        for step in self._board.settle(self._clock.monotonic(), self._waiting.names):
            if isinstance(step, Notice):
                self._notifications.show(step, self._hear)
                self._log(step.key)
            else:
                self._notifications.withdraw(step.key)
                self._up.discard(step.key)

    def _log(self, key: str) -> None:
        """The line for those who have no screen. It is kept in the clear, so that it names no connection."""
        if key not in self._up:
            self._up.add(key)
            log.warning("a connection needs you. Next: meshmesh status")

    def _hear(self, event: Pressed | Dismissed) -> None:
        now = self._clock.monotonic()
        match event:
            case Dismissed(key):
                self._board.hide(key, now)
                self._up.discard(key)
                self._background.spawn(self._settle_after(ABANDONED_SECONDS))
            case Pressed(key, button) if button == SNOOZE:
                self._board.snooze(key, now)
                self._settle()
                self._background.spawn(self._settle_after(SNOOZE_SECONDS))
            case Pressed(key, button) if key not in self._pressed:
                self._pressed.add(key)
                self._board.press(key, button, now)
                self._background.spawn(self._follow(key, button))
            case _:
                pass  # pressed again while the first press is on its way

    async def _settle_after(self, seconds: float) -> None:
        await self._clock.sleep(seconds)
        self._settle()

    async def _follow(self, key: str, button: str) -> None:
        """Take a pressed button to its end, and say so in the notice where that did not work."""
        try:
            trouble = await self._trouble_with(key, button)
        finally:
            self._pressed.discard(key)
        if trouble is not None:
            self._board.remark(key, trouble)
            self._changed.set()  # not at once: the service may be about to close the bubble that was pressed

    async def _trouble_with(self, key: str, button: str) -> str | None:
        subject, link = self._board.subject(key), self._board.link(key)
        if button == RECONNECT and subject is not None:
            return await self._trouble_with_sign_in(subject)
        if button == LOOK and link is not None and not await self._browser.open(link):
            return f"No browser could be opened. Look at {link}"
        return None

    async def _trouble_with_sign_in(self, connection: Connection) -> str | None:
        by_hand = f"Run: meshmesh reconnect {connection.name}"
        try:
            begun = await self._reconnect(connection)
        except Problem as problem:
            return f"{problem.detail} {by_hand}"
        except VaultError as error:
            return f"{error} {error.next_step}"
        if begun.authorize_url is None or await self._browser.open(begun.authorize_url):
            return None
        return f"No browser could be opened. {by_hand}"
