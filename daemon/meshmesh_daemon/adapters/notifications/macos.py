"""Notifications of macOS, through `osascript`: a banner with a title and a text, and no more than that.

`display notification` has no buttons, cannot be replaced and cannot be withdrawn; only a signed helper application could.
So a banner is shown once for each title, with the command that mends things in its text, and nothing is ever heard back.
Texts are handed over as arguments, never made part of the script. Not run on a Mac so far: only the script's arguments are
tested.
"""

import asyncio
import logging

from meshmesh_daemon.adapters.notifications import Heard
from meshmesh_daemon.core.notice import Notice, plain

log = logging.getLogger("meshmesh.notifications")

_PROGRAM = "/usr/bin/osascript"
_SCRIPT = (
    "on run argv",
    'display notification (item 1 of argv) with title "MeshMesh" subtitle (item 2 of argv)',
    "end run",
)
_SECONDS = 10.0


class MacNotifications:
    """The `Notifications` of macOS.

    Args:
        program: `osascript`.
    """

    def __init__(self, program: str = _PROGRAM) -> None:
        self._program = program
        self._titles: dict[str, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def has_buttons(self) -> bool:
        """Never."""
        return False

    def show(self, notice: Notice, heard: Heard) -> None:  # noqa: ARG002 - nothing is ever heard
        """Show a banner, unless the last one of this key had the same title."""
        if self._titles.get(notice.key) == notice.title:
            return
        self._titles[notice.key] = notice.title
        task = asyncio.create_task(self._run(arguments(notice)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def withdraw(self, key: str) -> None:
        """The banner has gone by itself; the next one of this key is news."""
        self._titles.pop(key, None)

    async def close(self) -> None:
        """Wait for nothing."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, words: list[str]) -> None:
        quiet = asyncio.subprocess.DEVNULL
        try:
            process = await asyncio.create_subprocess_exec(
                self._program, *words, stdin=quiet, stdout=quiet, stderr=quiet
            )
        except OSError as error:
            log.info("no notifications on a screen: %s", type(error).__name__)
            return
        try:
            async with asyncio.timeout(_SECONDS):
                await process.wait()
        except TimeoutError:
            log.info("no notifications on a screen: osascript does not come to an end")
        finally:
            if process.returncode is None:
                process.kill()
                await process.wait()


def arguments(notice: Notice) -> list[str]:
    """What `osascript` is called with: a fixed script, then the texts as its arguments."""
    lines = [plain(line) for line in notice.lines]
    if notice.command:
        lines.append(f"Run: {plain(notice.command)}")
    script = [word for line in _SCRIPT for word in ("-e", line)]
    return [*script, "--", "\n".join(lines), plain(notice.title)]
