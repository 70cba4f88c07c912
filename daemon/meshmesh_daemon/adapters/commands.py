"""What this user's programs were started as, as far as the system tells (Linux)."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path


def command_lines() -> Iterator[tuple[str, ...]]:
    """The command line of each process of this user, in pieces; a program may have put a title of its own in its place."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if process.stat().st_uid == os.getuid():
                text = (process / "cmdline").read_bytes().decode("utf-8", "replace")
                yield tuple(piece for piece in text.replace("\0", " ").split(" ") if piece)
