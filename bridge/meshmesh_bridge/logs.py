"""The service's log: lines on stderr, with the priority in front where the journal reads them (sd-daemon(3))."""

import asyncio
import errno
import logging
import sys
from collections.abc import Mapping

log = logging.getLogger("meshmesh")

_USED_UP = {errno.EMFILE, errno.ENFILE}
_QUIET_SECONDS = 10.0
_PRIORITIES = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


class _ForTheJournal(logging.Formatter):
    """`<4>meshmesh.http sentence`; the journal keeps time and level itself."""

    def format(self, record: logging.LogRecord) -> str:
        """One record; each of its lines has the priority."""
        priority = _PRIORITIES.get(record.levelno, 6)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).splitlines())


def begin(environ: Mapping[str, str]) -> None:
    """Log to stderr from now on.

    Args:
        environ: says whether the journal listens.
    """
    handler = logging.StreamHandler(sys.stderr)
    if environ.get("JOURNAL_STREAM"):
        handler.setFormatter(_ForTheJournal("%(name)s %(message)s"))
    else:
        handler.setFormatter(logging.Formatter("%(levelname).1s %(name)s %(message)s"))
    logging.basicConfig(handlers=[handler], level=logging.INFO)
    for name in ("aiohttp.server", "aiohttp.access", "asyncio"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # their lines quote what callers sent


def tell_requests(*, all_of_them: bool) -> None:
    """Log every request from now on, or only those that were refused."""
    logging.getLogger("meshmesh.http").setLevel(logging.DEBUG if all_of_them else logging.INFO)


class Unhandled:
    """The loop's last word on an error that nobody caught; its own words quote what callers sent, ours do not."""

    def __init__(self) -> None:
        self._quiet_until = 0.0

    def __call__(self, loop: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
        """Tell one. That the files are used up comes a hundred times a second, and is told once in a while."""
        error = context.get("exception")
        if not isinstance(error, OSError) or error.errno not in _USED_UP:
            log.error("unexpected in the loop: %s", type(error).__name__)
        elif loop.time() >= self._quiet_until:
            self._quiet_until = loop.time() + _QUIET_SECONDS
            log.error(
                "all files that this process may open are in use: callers wait. Next: end the program that holds them"
            )
