"""How long an org may be silent: aiohttp's `sock_read`, kept by one timer that looks when something was heard last.

aiohttp makes a timer with each piece that comes, and throws the one before away. Of a long answer that is a timer for each
256 KiB, and of a small one two.

Invariant: who says nothing for the whole time is given up at the same moment as by aiohttp, and a wait that is no fault
of the other side's, such as for a client that is slow to read, is not counted.
"""

import asyncio
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler


class PatientHandler(ResponseHandler):
    """A connection's protocol that moves a deadline where aiohttp's own would make a timer."""

    _read_timeout: float | None  # aiohttp's own, as is the handle, which may stand for an earlier deadline here
    _read_timeout_handle: asyncio.TimerHandle | None
    _deadline: float | None = None  # of the loop's time; None while nobody is waited for

    def _reschedule_timeout(self) -> None:
        if not self._read_timeout:
            self._deadline = None
            return
        self._deadline = self._loop.time() + self._read_timeout
        armed = self._read_timeout_handle
        if armed is not None and armed.when() > self._deadline:
            armed.cancel()
            armed = None
        if armed is None:
            self._read_timeout_handle = self._loop.call_at(self._deadline, self._look)

    def _drop_timeout(self) -> None:
        self._deadline = None
        if self.transport is None:  # it ends; else the timer is there for the next wait
            super()._drop_timeout()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        super().connection_lost(exc)
        self._drop_timeout()

    def _look(self) -> None:
        self._read_timeout_handle = None
        if self._deadline is None:
            return
        if self._loop.time() < self._deadline:
            self._read_timeout_handle = self._loop.call_at(self._deadline, self._look)
        else:
            self._on_read_timeout()


def make_patient(connector: aiohttp.TCPConnector) -> None:
    """Have a connector make `PatientHandler`s."""
    # aiohttp has no public way to its connections' protocol
    connector._factory = partial(_patient, asyncio.get_running_loop())  # pyright: ignore[reportPrivateUsage]


def _patient(loop: asyncio.AbstractEventLoop) -> ResponseHandler:
    return PatientHandler(loop=loop)
