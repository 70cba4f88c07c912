"""The laws of patience with an org: silence ends when it always did, and what comes costs no timer."""

import asyncio
from collections.abc import Callable
from typing import cast

import aiohttp
import pytest
from aiohttp import SocketTimeoutError
from yarl import URL

from meshmesh_daemon.adapters.patience import PatientHandler, make_patient

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"


class Timer:
    """One that was asked for."""

    def __init__(self, when: float, call: Callable[[], None]) -> None:
        self._when = when
        self.call = call
        self.cancelled = False

    def when(self) -> float:
        """When it is due."""
        return self._when

    def cancel(self) -> None:
        """It is not wanted any more."""
        self.cancelled = True


class HandMovedLoop:
    """A loop whose time is moved by hand; `timers` are all that were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.timers: list[Timer] = []

    def time(self) -> float:
        """The time."""
        return self.now

    def call_at(self, when: float, call: Callable[[], None]) -> Timer:
        """Ask for a timer."""
        self.timers.append(Timer(when, call))
        return self.timers[-1]

    def move_to(self, now: float) -> None:
        """Let time pass, and what is due happen."""
        while due := [timer for timer in self.live() if timer.when() <= now]:
            self.now = due[0].when()
            due[0].cancelled = True
            due[0].call()
        self.now = now

    def live(self) -> list[Timer]:
        """The timers that are still to come, the next one first."""
        return sorted((timer for timer in self.timers if not timer.cancelled), key=Timer.when)


class Line(asyncio.Transport):
    """A connection to nobody."""

    def pause_reading(self) -> None:
        """As asked."""

    def resume_reading(self) -> None:
        """As asked."""

    def close(self) -> None:
        """As asked."""

    def abort(self) -> None:
        """As asked."""


@pytest.fixture
def loop() -> HandMovedLoop:
    """The time."""
    return HandMovedLoop()


@pytest.fixture
def handler(loop: HandMovedLoop) -> PatientHandler:
    """A connection on which a request was sent at 0, by somebody who is patient for 10 seconds."""
    made = PatientHandler(loop=cast("asyncio.AbstractEventLoop", loop))
    made.connection_made(Line())
    asked(made, 10.0)
    return made


def asked(handler: PatientHandler, patience: float) -> None:
    """A request leaves on a connection."""
    handler.set_response_params(read_until_eof=True, auto_decompress=False, read_timeout=patience)
    handler.start_timeout()


def test_silence_ends_ten_seconds_after_the_last_piece(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """To the moment, wherever the timer was set before."""
    handler.data_received(HEAD)
    for second in (4.0, 9.0, 12.5):
        loop.move_to(second)
        handler.data_received(b"x")
    loop.move_to(22.4)
    assert handler.exception() is None

    loop.move_to(22.5)

    assert isinstance(handler.exception(), SocketTimeoutError)
    assert loop.live() == []


def test_a_head_that_does_not_come_is_waited_for_as_long(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """Before the first byte too."""
    loop.move_to(9.9)
    assert handler.exception() is None

    loop.move_to(10.0)

    assert isinstance(handler.exception(), SocketTimeoutError)


def test_what_comes_costs_no_timer(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """A hundred pieces in a moment: there is the one that was there."""
    handler.data_received(HEAD)
    for _ in range(100):
        handler.data_received(b"x")

    assert len(loop.timers) == 1


def test_the_next_request_takes_the_timer_over(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """Between two requests nobody is waited for, however long that is; the second has the whole time again."""
    handler.data_received(HEAD + b"x" * 1000)
    loop.move_to(8.0)
    asked(handler, 10.0)
    loop.move_to(17.9)
    assert handler.exception() is None
    assert len(loop.timers) == 2

    loop.move_to(18.0)

    assert isinstance(handler.exception(), SocketTimeoutError)


def test_an_idle_connection_is_left_alone(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """An answer that is whole ends the wait: the timer finds nobody to give up, and is not set again."""
    handler.data_received(HEAD + b"x" * 1000)
    loop.move_to(1000.0)

    assert handler.exception() is None
    assert loop.live() == []


def test_our_own_pause_is_not_counted(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """While our client is slow to read, the org is not to blame; when reading goes on, it has the whole time."""
    handler.data_received(HEAD + b"x")
    handler.pause_reading()
    loop.move_to(60.0)
    handler.resume_reading()
    loop.move_to(69.9)
    assert handler.exception() is None

    loop.move_to(70.0)

    assert isinstance(handler.exception(), SocketTimeoutError)


def test_who_is_less_patient_is_not_kept_waiting(loop: HandMovedLoop, handler: PatientHandler) -> None:
    """A timer that would come too late is replaced."""
    handler.data_received(HEAD + b"x" * 1000)
    asked(handler, 3.0)

    loop.move_to(3.0)

    assert isinstance(handler.exception(), SocketTimeoutError)


def lose(handler: PatientHandler) -> None:
    """The other side goes away."""
    handler.connection_lost(None)


@pytest.mark.parametrize("end", [PatientHandler.close, PatientHandler.abort, lose])
def test_a_connection_that_ends_leaves_no_timer(
    loop: HandMovedLoop, handler: PatientHandler, end: Callable[[PatientHandler], None]
) -> None:
    """Else each would be held in memory until its time was over."""
    end(handler)

    assert loop.live() == []


async def test_aiohttps_connections_are_made_patient() -> None:
    """The law of the names that aiohttp does not promise: a session of ours has such a protocol at its connections."""

    def hang_up(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    connector = aiohttp.TCPConnector()
    make_patient(connector)
    async with aiohttp.ClientSession(connector=connector) as session:
        url = URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
        request = aiohttp.ClientRequest("GET", url, session=session)
        connection = await connector.connect(request, [], aiohttp.ClientTimeout())
        assert isinstance(connection.protocol, PatientHandler)
        connection.close()
    server.close()
    await server.wait_closed()
