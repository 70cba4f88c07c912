"""The process itself: what it hides from other programs, and what it does not take from its environment.

It is no wall against programs of the same user that are not sandboxed (SECURITY.md); it ends the cheap ways: reading
`/proc/PID/mem` or `environ`, core dumps, a preloaded library, a key log beside every TLS connection.

`SSL_CERT_FILE` and `SSL_CERT_DIR` stay: networks that open TLS for inspection cannot be used without them. Whoever can
set them can replace this program as well.
"""

import logging
import os
import resource
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from aiohttp import http_parser

from meshmesh import wire

_UNWANTED = ("LD_", "DYLD_", "PYTHON", "SSLKEYLOGFILE")
# What has worked already when we come to it, or stays readable in /proc/PID/environ: only another start takes it out.
# LD_LIBRARY_PATH is not among them, since some builds of Python do not start without it.
_TOO_LATE = frozenset({"LD_PRELOAD", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", wire.ENV_TOKEN})
_SECOND = "MESHMESH_SECOND_START"  # so that there is never a third, whatever sets those variables
_THREADS = 64  # a name look-up that hangs holds one for half a minute; other orgs' must not wait for it
_THREAD_NAME = "meshmesh"
_LEAVE_SECONDS = 2.0


def shed_environment() -> None:
    """Take out of the environment what this process must not have, for itself and for what it starts.

    Where that is too late, the program is started again, as the same process.
    """
    second = os.environ.pop(_SECOND, None) is not None
    kept = {name: value for name, value in os.environ.items() if name not in _TOO_LATE}
    if len(kept) != len(os.environ) and not second:
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], kept | {_SECOND: "1"})  # noqa: S606
    for name in list(os.environ):
        if name in _TOO_LATE or name.startswith(_UNWANTED):
            del os.environ[name]


def raise_file_limit() -> int:
    """Take all the open files that the system allows; callers and orgs each hold one.

    Returns:
        How many that are.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        soft = hard
    return soft if soft != resource.RLIM_INFINITY else sys.maxsize


def has_strict_parser() -> bool:
    """Whether aiohttp parses requests with its C parser; the Python one takes forms that two readers read in two ways."""
    return http_parser.HttpRequestParser is not http_parser.HttpRequestParserPy


def make_threads() -> ThreadPoolExecutor:
    """The threads for what would block the loop: name look-ups, files, hashing."""
    return ThreadPoolExecutor(_THREADS, thread_name_prefix=_THREAD_NAME)


def end_threads(threads: ThreadPoolExecutor) -> None:
    """Let the threads go, and this process with them if one does not come back.

    A name look-up cannot be cancelled, and Python would wait for it at exit. By now everything is closed and on disk.
    """
    threads.shutdown(wait=False, cancel_futures=True)
    for thread in threading.enumerate():
        if thread.name.startswith(_THREAD_NAME):
            thread.join(_LEAVE_SECONDS)
            if thread.is_alive():
                logging.shutdown()
                os._exit(0)
