"""Signals: what ends the service, and what has it read its settings again."""

import asyncio
import os
import signal
import sys
from collections.abc import Iterator

import pytest

from meshmesh_bridge.tending import Signals


class Stdin:
    """Where the service was started from."""

    def __init__(self, *, terminal: bool) -> None:
        self._terminal = terminal

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        return self._terminal


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    """The handlers of the tests' own process, put back."""
    numbers = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("number", "terminal", "again"),
    [
        (signal.SIGTERM, False, False),
        (signal.SIGINT, True, False),
        (signal.SIGHUP, False, True),
        (signal.SIGHUP, True, False),
    ],
)
async def test_a_signal_means_the_end_or_a_reload(
    monkeypatch: pytest.MonkeyPatch, number: signal.Signals, terminal: bool, again: bool
) -> None:
    """A terminal that goes away takes the service with it; under a manager the same signal asks for a reload."""
    monkeypatch.setattr(sys, "stdin", Stdin(terminal=terminal))
    loop = asyncio.get_running_loop()
    signals = Signals(loop)
    os.kill(os.getpid(), number)
    try:
        assert await asyncio.wait_for(signals.is_again(), 10) is again
    finally:
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(one)


async def test_the_end_comes_before_a_reload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both at once: the service ends."""
    monkeypatch.setattr(sys, "stdin", Stdin(terminal=False))
    loop = asyncio.get_running_loop()
    signals = Signals(loop)
    for number in (signal.SIGHUP, signal.SIGTERM):
        os.kill(os.getpid(), number)
    try:
        await asyncio.sleep(0.05)
        assert await asyncio.wait_for(signals.is_again(), 10) is False
    finally:
        for one in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            loop.remove_signal_handler(one)
