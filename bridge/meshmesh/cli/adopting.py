"""What a command leaves behind stays a descendant of `meshmesh exec`, so that at the owner's door it is the client that
was lent to it, and nobody more: a process that its parent has left, by a double fork, `setsid -f` or `nohup`, would
otherwise be a child of init.

It lasts as long as the command does. Only Linux can do it (prctl(2), PR_SET_CHILD_SUBREAPER).
"""

import sys
from collections.abc import Generator
from contextlib import contextmanager

_PR_SET_CHILD_SUBREAPER = 36


@contextmanager
def adopting() -> Generator[None]:
    """Be the parent of every descendant whose own parent ends."""
    _set(1)
    try:
        yield
    finally:
        _set(0)


def _set(value: int) -> None:
    if sys.platform.startswith("linux"):
        import ctypes  # late: nothing else needs it

        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, value, 0, 0, 0)
