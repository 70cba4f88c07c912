"""Processes that something ends with, told apart from later ones that get the same number."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

POLL_SECONDS = 2.0  # only where the kernel has no pidfd
_ENDED = {"Z", "X"}  # a zombie has ended; its parent has not looked yet
_START_TIME = 19  # fields behind the command's closing bracket in /proc/PID/stat; see proc(5), field 22


@dataclass(frozen=True, slots=True)
class Mark:
    """One process of one boot: its number, and when it began."""

    pid: int
    born: str

    def __str__(self) -> str:
        return f"{self.pid} {self.born}"

    @classmethod
    def read(cls, text: str) -> Self:
        """What `str` wrote."""
        pid, _, born = text.partition(" ")
        return cls(int(pid), born)


class Processes:
    """Looks at processes of this user, and waits for their end."""

    def __init__(self) -> None:
        self._waiting: set[asyncio.Task[None]] = set()

    def mark(self, pid: int) -> Mark | None:
        """A process that runs now, or None where there is none of this user's."""
        try:
            if os.stat(f"/proc/{pid}").st_uid != os.getuid():
                return None
            stat = Path(f"/proc/{pid}/stat").read_text()
            boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        except OSError:
            return None
        fields = stat.rpartition(")")[2].split()
        return None if fields[0] in _ENDED else Mark(pid, f"{boot}:{fields[_START_TIME]}")

    def when_ended(self, mark: Mark, then: Callable[[], Awaitable[None]]) -> None:
        """Call `then` when the process has ended; at once where it has already."""
        task = asyncio.create_task(self._wait(mark, then))
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def close(self) -> None:
        """Stop waiting."""
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)

    async def _wait(self, mark: Mark, then: Callable[[], Awaitable[None]]) -> None:
        descriptor = -1
        with suppress(OSError, AttributeError):
            descriptor = os.pidfd_open(mark.pid)
        try:
            if descriptor >= 0 and self.mark(mark.pid) == mark:
                await _readable(descriptor)
        finally:
            if descriptor >= 0:
                os.close(descriptor)
        while self.mark(mark.pid) == mark:  # noqa: ASYNC110 - nothing tells us
            await asyncio.sleep(POLL_SECONDS)
        await then()


async def _readable(descriptor: int) -> None:
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
