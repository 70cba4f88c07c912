"""Offering to lend the port to `sf`, which looks whether somebody holds it before it signs in, and gives up if so.

It connects and closes without a word. So do port scanners and browsers that connect ahead, all day; only where one of
this user's programs is an `sf` that signs in is the person asked, once in a while.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator

from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.loans import LATER, LEND, OFFER, OFFERED_SECONDS, Hold, is_web_login
from meshmesh_daemon.core.notice import Button, Notice
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.port import Port

log = logging.getLogger("meshmesh.port")

LOOK_SECONDS = 1.0  # between two looks at the processes, which take milliseconds each
AGAIN_SECONDS = 600.0  # between two offers
STAY_SECONDS = 60.0  # nobody runs the command again after that

CommandLines = Callable[[], Iterator[tuple[str, ...]]]


class Offers:
    """Asks the person, when `sf` was here.

    Args:
        port: what is lent.
        screen: gives the screen of the moment.
        command_lines: what this user's programs were started as.
        clock: the time.
    """

    def __init__(
        self, *, port: Port, screen: Callable[[], Notifications], command_lines: CommandLines, clock: Clock
    ) -> None:
        self._port = port
        self._screen = screen
        self._command_lines = command_lines
        self._clock = clock
        self._quiet_until = 0.0
        self._background = Background()

    def probed(self) -> None:
        """Somebody of this user's came and went without a word."""
        now = self._clock.monotonic()
        if now < self._quiet_until or self._port.view.hold is not Hold.OURS:
            return
        self._quiet_until = now + LOOK_SECONDS
        self._background.spawn(self._look())

    async def close(self) -> None:
        """Offer nothing any more."""
        await self._background.cancel()

    async def _look(self) -> None:
        if not await asyncio.to_thread(self._is_signing_in):
            return
        self._quiet_until = self._clock.monotonic() + AGAIN_SECONDS
        log.warning("sf wanted to sign in and could not: we hold the port. Next: meshmesh lend -- sf org login web")
        self._screen().show(_offer(self._port.view.port), self._heard)
        await self._withdraw_later()

    def _is_signing_in(self) -> bool:
        return any(is_web_login(line) for line in self._command_lines())

    def _heard(self, what: Pressed | Dismissed) -> None:
        if isinstance(what, Pressed):
            self._screen().withdraw(OFFER)
            if what.button == LEND:
                self._background.spawn(self._lend())

    async def _lend(self) -> None:
        try:
            view = await self._port.lend(OFFERED_SECONDS)
        except Problem as problem:
            log.warning("%s", problem.detail)
            return
        title = f"Port {view.port} is lent for {OFFERED_SECONDS // 60} minutes"
        self._screen().show(Notice(key=OFFER, title=title, lines=("Run the sf command again.",)), lambda _: None)
        await self._withdraw_later()

    async def _withdraw_later(self) -> None:
        await self._clock.sleep(STAY_SECONDS)
        self._screen().withdraw(OFFER)


def _offer(port: int) -> Notice:
    return Notice(
        key=OFFER,
        title="The Salesforce CLI wants to sign in",
        lines=(f"It needs port {port}, which MeshMesh holds. Lend it, then run the command again.",),
        buttons=(Button(LEND, f"Lend for {OFFERED_SECONDS // 60} min"), Button(LATER, "Not now")),
        command="meshmesh lend -- sf org login web",
    )
