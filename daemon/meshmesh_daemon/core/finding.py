"""Whether bytes hold a needle, as `in` tells it; in a long text by the C library's search.

Every byte that an org answers is looked through, and Python's own search steps through it letter by letter where the C
library's leaps by almost a needle's length: of a GiB through the broker that is a tenth of the processor's time.
"""

import sys
from collections.abc import Callable
from functools import cache

_LONG = 2048  # bytes; in less, calling the C library costs more than it spares
Holds = Callable[[bytes, bytes], bool]


def search_in(text: bytes) -> Holds:
    """What tells whether a text of this length holds a needle, which is not empty: `search_in(text)(text, needle)`."""
    return bytes.__contains__ if len(text) < _LONG else _long_search()


@cache
def _long_search() -> Holds:
    """The C library's search; Python's own where it is not known to be the slower one."""
    if sys.platform != "linux":
        return bytes.__contains__
    import ctypes  # late: only long answers need it

    memmem = ctypes.PyDLL(None).memmem  # PyDLL: it takes microseconds, so that no other thread need be let in
    memmem.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    memmem.restype = ctypes.c_void_p
    return lambda text, needle: memmem(text, len(text), needle, len(needle)) is not None
