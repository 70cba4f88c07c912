"""A notification service on a real bus that does what a test says, and remembers what it was asked to draw."""

import asyncio
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from dbus_fast import BusType, Message, MessageType
from dbus_fast.aio import MessageBus

from support.desktop import NAME, Desktop

PATH = "/org/freedesktop/Notifications"
ALL = ("actions", "body", "body-markup", "body-hyperlinks")


async def eventually(look: Callable[[], object]) -> None:
    """Let the loop run until something is so."""
    async with asyncio.timeout(20):
        while not look():
            await asyncio.sleep(0.005)


@dataclass
class Drawer:
    """A notification service that remembers what it was asked to draw; `frozen`, it answers nothing until `thaw`."""

    bus: MessageBus
    abilities: tuple[str, ...] = ALL
    screen: dict[int, tuple[str, str]] = field(default_factory=dict[int, tuple[str, str]])
    calls: list[list[object]] = field(default_factory=list[list[object]])
    frozen: bool = False
    refused: str = ""
    unanswered: list[Message] = field(default_factory=list[Message])
    last: int = 0

    def hear(self, message: Message) -> Message | bool:
        """Take one message; its answer, or whether there is to be none."""
        if message.message_type is not MessageType.METHOD_CALL or message.interface != NAME:
            return False
        if self.frozen:
            self.unanswered.append(message)
            return True
        return self.answer(message)

    def answer(self, message: Message) -> Message:
        """The answer to one call; a notice with the title `refused` says is not drawn."""
        if message.member == "GetCapabilities":
            return Message.new_method_return(message, "as", [list(self.abilities)])
        if message.member == "GetServerInformation":
            return Message.new_method_return(message, "ssss", ["Drawer", "tests", "1", "1.2"])
        if message.member == "CloseNotification":
            self.screen.pop(message.body[0], None)
            return Message.new_method_return(message)
        self.calls.append(message.body)
        if message.body[3] == self.refused:
            return Message.new_error(message, "org.example.TooMany", "no more")
        number = message.body[1]
        if not number:
            self.last += 1
            number = self.last
        self.screen[number] = (message.body[3], message.body[4])
        return Message.new_method_return(message, "u", [number])

    async def thaw(self) -> None:
        """Answer what was asked meanwhile."""
        self.frozen = False
        for message in self.unanswered:
            await send(self.bus, self.answer(message))

    def answer_and_dismiss(self) -> None:
        """Answer one call and close its bubble; the loop stands still until the bus has passed both on."""
        send(self.bus, self.answer(self.unanswered.pop()))
        number, _ = self.screen.popitem()
        send(self.bus, _signal("NotificationClosed", "uu", number, 2))
        time.sleep(0.2)

    async def press(self, number: int, action: str) -> None:
        """The person presses a button."""
        await signal(self.bus, "ActionInvoked", "us", number, action)

    async def dismiss(self, number: int) -> None:
        """The person closes a bubble."""
        self.screen.pop(number)
        await signal(self.bus, "NotificationClosed", "uu", number, 2)


def send(sender: MessageBus, message: Message) -> "asyncio.Future[None]":
    """Send a message that gets no answer; it leaves now, and is awaited where it matters that it has left."""
    return sender.send(message)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - dbus-fast says no more than Future


async def signal(sender: MessageBus, member: str, signature: str, *body: object, to: str | None = None) -> None:
    """Send a signal of the notification service's, whoever we are."""
    await send(sender, _signal(member, signature, *body, to=to))


def _signal(member: str, signature: str, *body: object, to: str | None = None) -> Message:
    return Message(
        message_type=MessageType.SIGNAL,
        path=PATH,
        interface=NAME,
        member=member,
        signature=signature,
        body=list(body),
        destination=to,
    )


@asynccontextmanager
async def joined(session: Desktop) -> AsyncGenerator[MessageBus, None]:
    """A program on the bus."""
    address = session.environ["DBUS_SESSION_BUS_ADDRESS"]
    member = await MessageBus(bus_address=address, bus_type=BusType.SESSION).connect()
    try:
        yield member
    finally:
        member.disconnect()
        await asyncio.wait_for(member.wait_for_disconnect(), 5)  # type: ignore[no-untyped-call]


@asynccontextmanager
async def drawing(session: Desktop, *abilities: str) -> AsyncGenerator[Drawer, None]:
    """A notification service on the bus."""
    async with joined(session) as member:
        drawer = Drawer(member, abilities or ALL)
        member.add_message_handler(drawer.hear)
        await member.request_name(NAME)
        yield drawer
