"""Which needles bytes hold, as `in` tells it; in a long text by the C library's search.

Every byte that an org answers is looked through, and Python's own search steps through it letter by letter where the C
library's leaps by almost a needle's length: of a GiB through the broker that is a tenth of the processor's time.
"""

import sys
from collections.abc import Callable, Iterable
from functools import cache

_LONG = 2048  # bytes; in less, calling the C library costs more than it spares
_Holds = Callable[[bytes, bytes], bool]


def held(text: bytes, needles: Iterable[bytes]) -> list[bytes]:
    """The needles that a text holds; none is empty."""
    if len(text) < _LONG:
        return [needle for needle in needles if needle in text]
    holds = _long_search()
    return [needle for needle in needles if holds(text, needle)]


@cache
def _long_search() -> _Holds:
    """The C library's search; Python's own where it is not known to be the slower one."""
    if sys.platform != "linux":
        return bytes.__contains__
    import ctypes  # late: only long answers need it

    memmem = ctypes.PyDLL(None).memmem  # PyDLL: it takes microseconds, so that no other thread need be let in
    memmem.argtypes = (ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t)
    memmem.restype = ctypes.c_void_p
    return lambda text, needle: memmem(text, len(text), needle, len(needle)) is not None
