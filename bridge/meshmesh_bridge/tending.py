"""What goes on while the house stands: signs of life for the service manager, and signals for us."""

import asyncio
import logging
import signal
import sys
from collections.abc import Callable

from meshmesh_bridge.house import House
from meshmesh_bridge.standing import status_line
from meshmesh_daemon.adapters.service_manager import ServiceManager
from meshmesh_daemon.settings import Settings, SettingsError
from meshmesh_storage.errors import UnsafePath

log = logging.getLogger("meshmesh")


class Signals:
    """SIGTERM and SIGINT end the service. SIGHUP has it read its settings again; on a terminal, which is gone then, it ends.

    Args:
        loop: the running loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._stop = asyncio.Event()
        self._again = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        on_terminal = sys.stdin is not None and sys.stdin.isatty()
        loop.add_signal_handler(signal.SIGHUP, (self._stop if on_terminal else self._again).set)

    async def is_again(self) -> bool:
        """Wait for one; whether it asks for the settings to be read again, and not for the end."""
        waiting = [asyncio.ensure_future(event.wait()) for event in (self._stop, self._again)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()
        self._again.clear()
        return not self._stop.is_set()


async def until_changed(
    house: House, manager: ServiceManager, signals: Signals, read: Callable[[], Settings]
) -> Settings | None:
    """Tend the house until it must end.

    Args:
        house: which.
        manager: is told how it is.
        signals: says when.
        read: reads the settings.

    Returns:
        Other settings to stand under, or None for the end of the service.
    """
    pulse = asyncio.create_task(_pulse(house, manager))
    try:
        while await signals.is_again():
            manager.reloading()
            settings = await _read_again(house, read)
            if settings is not None:
                return settings
            manager.alive(status_line(house))
            manager.ready()
        manager.stopping()
        return None
    finally:
        pulse.cancel()
        await asyncio.gather(pulse, return_exceptions=True)


async def _pulse(house: House, manager: ServiceManager) -> None:
    while manager.is_there:
        manager.alive(status_line(house))
        await house.clock.sleep(manager.pace)


async def _read_again(house: House, read: Callable[[], Settings]) -> Settings | None:
    """The settings, where they are others and can be taken."""
    try:
        settings = await asyncio.to_thread(read)
    except (SettingsError, UnsafePath) as error:
        house.complaint = f"The new settings are not taken: {error} Those before stay in force."
        log.error("%s Next: mend the setting, then reload again", house.complaint)  # noqa: TRY400 - a sentence, no bug
        return None
    house.complaint = None
    if settings == house.settings:
        log.info("the settings were read again and are the same")
        return None
    log.info("the settings have changed: starting again under them")
    return settings
