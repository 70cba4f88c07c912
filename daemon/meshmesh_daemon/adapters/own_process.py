"""This process, closed to other programs."""

import os
import resource
import sys
from contextlib import suppress

_PR_SET_DUMPABLE = 4


def close_process() -> None:
    """New files are private, and nobody but root looks into the memory of this process."""
    os.umask(0o077)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core dump would hold tokens
    if sys.platform.startswith("linux"):
        import ctypes  # late: nothing else needs it

        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
