"""The D-Bus session bus, as far as it is needed here: join, call, hear signals, notice that it is gone.

A signal is handed on with the unique name that the bus itself put on it: that is who sent it, whatever it claims to be.
dbus-fast is imported when there is a bus to join, in a thread, so that the service starts without it.
"""

import asyncio
import importlib
import stat
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast
from urllib.parse import quote

if TYPE_CHECKING:
    from dbus_fast import Message
    from dbus_fast.aio import MessageBus

DRIVER = "org.freedesktop.DBus"
_DRIVER_PATH = "/org/freedesktop/DBus"
_JOIN_SECONDS = 5.0  # a frozen bus takes the connection and never answers
_LEAVE_SECONDS = 1.0


class BusLost(Exception):
    """There is no bus, or it has gone away."""


class Refused(Exception):
    """A call got an error for its answer."""


@dataclass(frozen=True, slots=True)
class Signal:
    """A signal, and who sent it."""

    sender: str | None
    interface: str | None
    member: str | None
    body: tuple[object, ...]


def find_bus(environ: Mapping[str, str]) -> str | None:
    """The address of the session bus; None where there is none (yet).

    The environment's address wins; without one, the place where systemd and libdbus keep it. Looks at the disk.
    """
    address = environ.get("DBUS_SESSION_BUS_ADDRESS")
    if address:
        return address
    runtime = environ.get("XDG_RUNTIME_DIR")
    if not runtime:
        return None
    path = Path(runtime) / "bus"
    try:
        there = stat.S_ISSOCK(path.stat().st_mode)
    except OSError:
        return None
    return f"unix:path={quote(str(path))}" if there else None


class SessionBus:
    """Our place on the bus.

    Args:
        bus: joined.
        gone: ends when the bus goes away.
    """

    def __init__(self, bus: "MessageBus", gone: asyncio.Task[None]) -> None:
        self._bus = bus
        self._gone = gone

    @classmethod
    @asynccontextmanager
    async def join(cls, address: str, heard: Callable[[Signal], None]) -> "AsyncGenerator[SessionBus, None]":
        """Join the bus, and leave it at the end.

        Args:
            address: from `find_bus`.
            heard: is called with each signal that reaches us.

        Raises:
            BusLost: nobody there, or not one that answers.
        """
        bus = await _joined(address)
        gone = asyncio.create_task(_gone(bus))
        try:
            bus.add_message_handler(lambda message: _hand_on(message, heard))
            yield cls(bus, gone)
        finally:
            bus.disconnect()
            await asyncio.wait([gone], timeout=_LEAVE_SECONDS)
            gone.cancel()

    async def lost(self) -> None:
        """Wait until the bus goes away.

        Raises:
            BusLost: it has.
        """
        await asyncio.wait([self._gone])
        raise BusLost("it went away")

    async def call(
        self, destination: str, path: str, interface: str, member: str, signature: str = "", *body: object
    ) -> list[object]:
        """Call a method and wait for its answer, as long as that takes: a late answer is worth more than a second call.

        Raises:
            Refused: the answer is an error.
            BusLost: the bus went away.
        """
        from dbus_fast import Message, MessageFlag, MessageType

        if self._gone.done():
            raise BusLost("it went away")
        message = Message(
            destination=destination,
            path=path,
            interface=interface,
            member=member,
            signature=signature,
            body=list(body),
            flags=MessageFlag.NO_AUTOSTART,
        )
        try:
            reply = await self._bus.call(message)
        except (OSError, EOFError) as error:
            raise BusLost(type(error).__name__) from None
        if reply.message_type is MessageType.ERROR:
            raise Refused(reply.error_name)
        return list(reply.body)

    async def ask(self, member: str, signature: str = "", *body: object) -> list[object]:
        """Call a method of the bus itself; raises as `call` does."""
        return await self.call(DRIVER, _DRIVER_PATH, DRIVER, member, signature, *body)

    async def watch(self, name: str) -> None:
        """Hear the signals of whoever owns a name, and when the owner changes; raises as `call` does."""
        await self.ask("AddMatch", "s", f"type='signal',sender='{DRIVER}',member='NameOwnerChanged',arg0='{name}'")
        await self.ask("AddMatch", "s", f"type='signal',sender='{name}',interface='{name}'")

    async def owner(self, name: str) -> str | None:
        """The unique name that owns a name, which is not started for that; None where nobody does.

        Raises:
            BusLost: the bus went away.
        """
        try:
            return str(*await self.ask("GetNameOwner", "s", name))
        except Refused:
            return None


async def _joined(address: str) -> "MessageBus":
    aio = await asyncio.to_thread(importlib.import_module, "dbus_fast.aio")
    from dbus_fast import BusType
    from dbus_fast.errors import AuthError, InvalidAddressError

    try:
        bus: MessageBus = aio.MessageBus(bus_address=address, bus_type=BusType.SESSION)
        async with asyncio.timeout(_JOIN_SECONDS):
            return await bus.connect()
    except (OSError, EOFError, TimeoutError, InvalidAddressError, AuthError) as error:
        raise BusLost(type(error).__name__) from None


async def _gone(bus: "MessageBus") -> None:
    with suppress(Exception):  # whatever dbus-fast met when the line broke: it is gone
        await cast("Awaitable[None]", bus.wait_for_disconnect())  # type: ignore[no-untyped-call]


def _hand_on(message: "Message", heard: Callable[[Signal], None]) -> None:
    """Hand a signal on after the answers that came before it.

    Who waits for an answer goes on a turn after it was read: a button pressed right behind the bubble's number, read in
    the same breath, would be nobody's.
    """
    from dbus_fast import MessageType

    if message.message_type is MessageType.SIGNAL:
        signal = Signal(message.sender, message.interface, message.member, tuple(message.body))
        asyncio.get_running_loop().call_soon(heard, signal)
