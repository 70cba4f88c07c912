"""When the person's screen locks: the signal of the desktop's screen saver (GNOME, KDE and others speak one of two names)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

from meshmesh_daemon.adapters.notifications import bus_may_come
from meshmesh_daemon.adapters.notifications.session_bus import BusLost, Refused, SessionBus, Signal, find_bus
from meshmesh_daemon.core.clock import Clock

NAMES = ("org.freedesktop.ScreenSaver", "org.gnome.ScreenSaver")
_SIGNAL = "ActiveChanged"
_AGAIN_SECONDS = 5.0  # the session may begin after us, and its bus may go


async def watch_screen(environ: Mapping[str, str], clock: Clock, locked: Callable[[], Awaitable[None]]) -> None:
    """Tell each time that the screen locks, until cancelled.

    Args:
        environ: says where the session bus is.
        clock: paces what has to be tried again.
        locked: is awaited when it has locked.
    """
    news = asyncio.Event()

    def heard(signal: Signal) -> None:
        if signal.interface in NAMES and signal.member == _SIGNAL and signal.body == (True,):
            news.set()

    while bus_may_come(environ):
        address = await asyncio.to_thread(find_bus, environ)
        if address is not None:
            try:
                await _listen(address, heard, news, locked)
            except (BusLost, Refused):
                news.clear()
        await clock.sleep(_AGAIN_SECONDS)


async def _listen(
    address: str, heard: Callable[[Signal], None], news: asyncio.Event, locked: Callable[[], Awaitable[None]]
) -> None:
    async with SessionBus.join(address, heard) as bus:
        for name in NAMES:
            await bus.watch(name)
        lost = asyncio.ensure_future(bus.lost())
        try:
            while not lost.done():
                waiting = asyncio.ensure_future(news.wait())
                await asyncio.wait({waiting, lost}, return_when=asyncio.FIRST_COMPLETED)
                waiting.cancel()
                if news.is_set():
                    news.clear()
                    await locked()
            await lost
        finally:
            lost.cancel()
            await asyncio.gather(lost, return_exceptions=True)
