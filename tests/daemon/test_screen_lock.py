"""The law of the screen: when it locks, whoever asked for that is told, on a real session bus."""

import asyncio
import subprocess
import sys
import tempfile
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.screen_lock import NAMES, watch_screen
from support.clock import FakeClock
from support.desktop import Desktop, bus

# A screen saver as far as we hear of it: it takes its name, and tells what comes on stdin.
_SAVER = """
import asyncio, sys
from dbus_fast import Message
from dbus_fast.aio import MessageBus
async def main(name):
    bus = await MessageBus().connect()
    await bus.request_name(name)
    print("ready", flush=True)
    for word in await asyncio.to_thread(sys.stdin.readlines):
        await bus.send(Message.new_signal("/saver", name, "ActiveChanged", "b", [word.strip() == "on"]))
asyncio.run(main(sys.argv[1]))
"""


@pytest.fixture(scope="module")
def session() -> Iterator[Desktop]:
    """A session with a bus."""
    with tempfile.TemporaryDirectory(prefix="sl") as folder, bus(Path(folder)) as running:
        yield running


async def saver(session: Desktop, python: str, name: str, words: str) -> None:
    """A screen saver that takes a name, tells something, and ends."""
    command = (python, "-c", _SAVER, name)
    await asyncio.to_thread(
        subprocess.run,
        command,
        env=session.environ,
        input=words,
        text=True,
        timeout=20,
        check=True,
        capture_output=True,
    )


@asynccontextmanager
async def watching(session: Desktop) -> AsyncGenerator[asyncio.Queue[str], None]:
    """What is told of the screen."""
    told: asyncio.Queue[str] = asyncio.Queue()

    async def locked() -> None:
        told.put_nowait("locked")

    task = asyncio.create_task(watch_screen(session.environ, FakeClock(), locked))
    await asyncio.sleep(0.5)  # joining a bus is real
    try:
        yield told
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("name", NAMES)
async def test_a_screen_that_locks_is_told_once(name: str, session: Desktop) -> None:
    """Unlocking is no news; a screen saver that starts after us is heard too."""
    async with watching(session) as told:
        await saver(session, sys.executable, name, "off\non\noff\n")
        assert await asyncio.wait_for(told.get(), 10) == "locked"
        assert told.empty()
