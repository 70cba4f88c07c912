"""Notifications of the free desktops: `org.freedesktop.Notifications` over D-Bus (Desktop Notifications 1.2).

Invariants: an answer counts only if the bus says that it comes from the owner of that name, which drew the bubble; ids
live as long as the service that gave them, so that a new one is shown everything that is still open; nobody who calls
here waits for the bus, the service or the screen. One worker talks to the service, a message at a time and without a
deadline: a frozen service that wakes up shows each notice once.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import cast

from meshmesh_daemon.adapters.notifications import Dismissed, Heard, Pressed
from meshmesh_daemon.adapters.notifications.session_bus import (
    DRIVER,
    BusLost,
    Refused,
    SessionBus,
    Signal,
    find_bus,
)
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.notice import Notice, plain

log = logging.getLogger("meshmesh.notifications")

NAME = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
APP_NAME = "MeshMesh"
DESKTOP_ENTRY = "meshmesh"
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 60.0
INVITE_SECONDS = 60.0
_LEAVE_SECONDS = 1.0
_DEFAULT = "default"  # the action of a click on the bubble itself
_DRAW_DEFAULT = {"Xfce Notify Daemon"}  # they draw the default action as one more button
_NORMAL = 1
_NEVER = 0


@dataclass(frozen=True, slots=True)
class Service:
    """Who draws: its unique name on the bus, its product name, and what it can do."""

    owner: str
    product: str
    abilities: frozenset[str]


@dataclass(slots=True, eq=False)
class _Bubble:
    """A notice that is wanted. `sent` is what the service was given for it, under `number`."""

    notice: Notice
    heard: Heard
    number: int = 0
    sent: Notice | None = None


class DesktopNotifications:
    """The `Notifications` of a free desktop.

    Args:
        environ: says where the session bus is.
        clock: paces what has to be tried again.
    """

    def __init__(self, *, environ: Mapping[str, str], clock: Clock) -> None:
        self._environ = environ
        self._clock = clock
        self._bubbles: dict[str, _Bubble] = {}
        self._leaving: set[int] = set()
        self._owner: str | None = None
        self._service: Service | None = None
        self._work = asyncio.Event()
        self._absence: str | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def has_buttons(self) -> bool:
        """Whether the service that is there now can do actions."""
        return self._service is not None and "actions" in self._service.abilities

    def show(self, notice: Notice, heard: Heard) -> None:
        """Put a notice on the screen, in the place of an earlier one with its key."""
        bubble = self._bubbles.setdefault(notice.key, _Bubble(notice, heard))
        bubble.notice, bubble.heard = notice, heard
        self._work.set()

    def withdraw(self, key: str) -> None:
        """Take a notice off the screen."""
        bubble = self._bubbles.pop(key, None)
        if bubble is not None and bubble.number:
            self._leaving.add(bubble.number)
        self._work.set()

    def start(self) -> None:
        """Begin to look for the bus."""
        self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Take everything off the screen, and leave the bus."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        pause = FIRST_PAUSE
        while True:
            joined = await self._stay()
            pause = FIRST_PAUSE if joined else min(pause * 2, LONGEST_PAUSE)
            await self._clock.sleep(pause)

    async def _stay(self) -> bool:
        """One stay on the bus, as long as it lasts; whether there was one."""
        address = await asyncio.to_thread(find_bus, self._environ)
        if address is None:
            self._say_absent("there is no session bus")
            return False
        joined = False
        try:
            async with SessionBus.join(address, self._on_signal) as bus:
                joined = True
                await self._visit(bus)
        except BusLost as lost:
            if not joined:
                self._say_absent(f"the session bus cannot be reached ({lost})")
        finally:
            self._owned_by(None)
        return joined

    async def _visit(self, bus: SessionBus) -> None:
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(bus.lost())
                await bus.watch(NAME)
                self._owned_by(await bus.owner(NAME))
                if self._owner is None:
                    self._say_absent("nobody on the session bus shows them yet")
                await self._serve(bus, group)
        except* (BusLost, Refused):
            pass  # the session has ended, or its bus wants nothing to do with us: tried again later
        finally:
            await self._leave(bus)

    async def _serve(self, bus: SessionBus, group: asyncio.TaskGroup) -> None:
        inviting: asyncio.Task[None] | None = None
        while True:
            await self._work.wait()
            self._work.clear()
            if self._owner is not None:
                with suppress(Refused):  # it went away, and the bus tells us of the next one
                    await self._bring_about(bus, self._owner)
            elif self._bubbles and (inviting is None or inviting.done()):
                inviting = group.create_task(self._invite(bus))

    async def _invite(self, bus: SessionBus) -> None:
        """Some desktops start their service when it is first called: have it started, as long as it is missing."""
        while self._owner is None and self._bubbles:
            with suppress(Refused):
                await bus.ask("StartServiceByName", "su", NAME, 0)
            await self._clock.sleep(INVITE_SECONDS)

    async def _leave(self, bus: SessionBus) -> None:
        """A bubble whose buttons nobody hears any more does not stay behind."""
        owner = self._owner
        if owner is None:
            return
        numbers = self._leaving | {bubble.number for bubble in self._bubbles.values() if bubble.number}
        with suppress(BusLost, Refused, TimeoutError):
            async with asyncio.timeout(_LEAVE_SECONDS):
                for number in numbers:
                    await bus.call(owner, PATH, NAME, "CloseNotification", "u", number)

    async def _bring_about(self, bus: SessionBus, owner: str) -> None:
        service = self._service or await self._learn(bus, owner)
        while self._leaving:
            await bus.call(owner, PATH, NAME, "CloseNotification", "u", self._leaving.pop())
        while self._owner == owner and (bubble := self._outdated()):
            await self._send(bus, service, bubble)

    def _outdated(self) -> _Bubble | None:
        """The next one that the screen does not show as it is wanted; looked for anew after each answer."""
        return next((bubble for bubble in self._bubbles.values() if bubble.sent != bubble.notice), None)

    async def _learn(self, bus: SessionBus, owner: str) -> Service:
        abilities = await bus.call(owner, PATH, NAME, "GetCapabilities")
        products = await bus.call(owner, PATH, NAME, "GetServerInformation")
        able = cast("list[object]", abilities[0]) if abilities and isinstance(abilities[0], list) else []
        product = str(products[0]) if products else ""
        service = Service(owner, product, frozenset(str(one) for one in able))
        if self._owner == owner:
            self._service = service
            log.info("notifications are shown by %s", plain(service.product))
        return service

    async def _send(self, bus: SessionBus, service: Service, bubble: _Bubble) -> None:
        from dbus_fast import Variant

        notice = bubble.notice
        hints = {
            "urgency": Variant("y", _NORMAL),
            "desktop-entry": Variant("s", DESKTOP_ENTRY),
            "resident": Variant("b", True),
        }
        icon, title, text = "", plain(notice.title), body_for(notice, service)
        actions = actions_for(notice, service)
        arguments = (APP_NAME, bubble.number, icon, title, text, actions, hints, _NEVER)
        try:
            answer = await bus.call(service.owner, PATH, NAME, "Notify", "susssasa{sv}i", *arguments)
        except Refused as refused:  # it stays as it is until it changes, or until another service comes
            log.warning("a notification was refused: %s", refused)
            answer = [bubble.number]
        if self._owner != service.owner:
            return
        number = answer[0] if answer and isinstance(answer[0], int) else 0
        if self._bubbles.get(notice.key) is bubble:
            bubble.number, bubble.sent = number, notice
        elif number:  # withdrawn, or closed by the person, while it was on its way
            self._leaving.add(number)
            self._work.set()

    def _on_signal(self, signal: Signal) -> None:
        match (signal.sender, signal.interface, signal.member, signal.body):
            case (str(sender), str(interface), "NameOwnerChanged", (str(name), str(), str(owner))):
                if sender == interface == DRIVER and name == NAME:
                    self._owned_by(owner or None)
            case (str(sender), str(interface), "ActionInvoked", (int(number), str(action))):
                if sender == self._owner and interface == NAME:
                    self._invoked(number, action)
            case (str(sender), str(interface), "NotificationClosed", (int(number), int())):
                if sender == self._owner and interface == NAME:
                    self._closed(number)
            case _:
                pass

    def _owned_by(self, owner: str | None) -> None:
        """Another service, or none: the ids of the old one mean nothing any more."""
        self._owner, self._service = owner, None
        self._leaving.clear()
        for bubble in self._bubbles.values():
            bubble.number, bubble.sent = 0, None
        self._work.set()

    def _numbered(self, number: int) -> _Bubble | None:
        return next((bubble for bubble in self._bubbles.values() if number and bubble.number == number), None)

    def _invoked(self, number: int, action: str) -> None:
        bubble = self._numbered(number)
        if bubble is None or bubble.sent is None:
            return
        button = bubble.sent.click if action == _DEFAULT else action
        if button in {one.key for one in bubble.sent.buttons}:
            bubble.heard(Pressed(bubble.sent.key, button))

    def _closed(self, number: int) -> None:
        bubble = self._numbered(number)
        if bubble is not None and bubble.sent is not None:
            del self._bubbles[bubble.sent.key]
            bubble.heard(Dismissed(bubble.sent.key))

    def _say_absent(self, why: str) -> None:
        """Once a reason, in the log: without a desktop the status, the exit code and the log do the telling."""
        if why != self._absence:
            self._absence = why
            log.info("no notifications on a screen: %s", why)


def body_for(notice: Notice, service: Service) -> str:
    """A notice's text as a service can show it: escaped where it reads markup, with what stands in for buttons."""
    lines = [plain(line) for line in notice.lines]
    if "actions" not in service.abilities and notice.command:
        lines.append(f"Run: {plain(notice.command)}")
    markup = "body-markup" in service.abilities
    if markup:
        lines = [escape(line, quote=False) for line in lines]
    if notice.link and "body-hyperlinks" in service.abilities:
        lines.append(f'<a href="{escape(notice.link)}">Open MeshMesh</a>' if markup else notice.link)
    return "\n".join(lines)


def actions_for(notice: Notice, service: Service) -> list[str]:
    """The list of actions, key and label by turns; empty where a service has none."""
    if "actions" not in service.abilities:
        return []
    buttons = [(button.key, button.label) for button in notice.buttons]
    clicked = [(_DEFAULT, label) for key, label in buttons if key == notice.click]
    offered = buttons if service.product in _DRAW_DEFAULT else clicked + buttons
    return [word for pair in offered for word in pair]
