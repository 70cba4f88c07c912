"""Telling the person who asks for something, and taking the button they press to its end.

A notice is up for as long as its request is open, and is shown at most once. Review opens the page where requests are
decided; Deny denies that one. Nothing here approves: that takes the code that the program shows, or the person's choice
of an org.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from datetime import datetime
from functools import partial

from meshmesh_daemon.adapters.browser import Browser
from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.knocking import DENY, REVIEW, Knock, Knocks, of_program, of_wish
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.access_requests import AccessRequest, AccessRequests
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.pairings import Pairings, PairingView, Want
from meshmesh_storage.records import Client

log = logging.getLogger("meshmesh.doorbell")

GATHER_SECONDS = 0.5  # what comes together is told together


class Doorbell:
    """Keeps the screen in step with the open requests.

    Args:
        access: tells when a client goes, and its requests with it.
        pairings: programs that ask to be paired.
        requests: paired programs that ask for a connection.
        notifications: the screen.
        browser: opens what Review leads to.
        clock: the time.
        base: our own address, without a slash at its end.
    """

    def __init__(
        self,
        *,
        access: Access,
        pairings: Pairings,
        requests: AccessRequests,
        notifications: Notifications,
        browser: Browser,
        clock: Clock,
        base: str,
    ) -> None:
        self._access = access
        self._pairings = pairings
        self._requests = requests
        self._notifications = notifications
        self._browser = browser
        self._clock = clock
        self._knocks = Knocks(base)
        self._changed = asyncio.Event()
        self._background = Background()

    def start(self) -> None:
        """Listen from now on."""
        self._pairings.listen(self._see)
        self._requests.listen(self._see)
        self._access.listen(self._see_client)
        self._background.spawn(self._run())

    async def close(self) -> None:
        """Stop telling."""
        await self._background.cancel()

    def _see(self, asked: PairingView | AccessRequest) -> None:
        self._changed.set()
        if asked.pending:
            self._background.spawn(self._see_expired(asked.expires_at))

    def _see_client(self, _before: Client, after: Client | None) -> None:
        if after is None:  # its requests go with it
            self._changed.set()

    async def _see_expired(self, expires_at: datetime) -> None:
        await self._clock.sleep(max((expires_at - self._clock.now()).total_seconds(), 0.0))
        self._changed.set()

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            await self._clock.sleep(GATHER_SECONDS)
            self._changed.clear()
            self._settle()

    def _settle(self) -> None:
        for step in self._knocks.settle(knock for knock, _ in self._open()):
            if isinstance(step, Notice):
                self._notifications.show(step, self._hear)
                log.info("somebody asks for something. Next: meshmesh requests")
            else:
                self._notifications.withdraw(step.key)

    def _open(self) -> Iterator[tuple[Knock, Callable[[], Awaitable[None]]]]:
        """Every open request, and how it is denied."""
        for view in self._pairings.waiting():
            yield _program(view), partial(self._pairings.deny, view.user_code)
        for request in self._requests.waiting():
            yield _wish(request), partial(self._deny_wish, request)

    async def _deny_wish(self, request: AccessRequest) -> None:
        self._requests.deny(request.id)

    def _hear(self, event: Pressed | Dismissed) -> None:
        match event:
            case Dismissed(key):
                self._knocks.hide(key)
            case Pressed(key, button) if button == DENY:
                self._background.spawn(self._deny(key))
            case Pressed(key, button) if button == REVIEW and (link := self._knocks.link(key)) is not None:
                self._background.spawn(self._review(link))
            case _:
                pass

    async def _deny(self, key: str) -> None:
        for knock, deny in self._open():
            if knock.key == key:
                with suppress(Problem):  # it was decided, or has ended, a moment ago
                    await deny()
                return

    async def _review(self, link: str) -> None:
        if not await self._browser.open(link):
            log.warning("no browser could be opened. Next: meshmesh requests")


def _program(view: PairingView) -> Knock:
    seen = view.asking.seen
    started = f"started by {seen.parent}" if seen.parent else None
    told = [one for one in (seen.origin, seen.exe, started) if one]
    wants = [_words(want) for want in view.asking.wants]
    return of_program(f"pairing:{view.user_code}", name=view.asking.name, seen=told, wants=wants)


def _words(want: Want) -> str:
    token = " with its access token" if want.raw_token else ""
    return f"{want.connection or 'a connection'} ({want.mode.value}){token}"


def _wish(request: AccessRequest) -> Knock:
    return of_wish(
        f"access:{request.id}",
        client=request.client_name,
        mode=request.mode.value,
        raw_token=request.raw_token,
        purpose=request.purpose,
    )
