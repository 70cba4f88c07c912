"""Private folders and files: made private, or refused with the command that mends them.

A link in place of a file, another owner or a wider mode means that somebody else may read or replace what is in it.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path

from meshmesh_storage.errors import UnsafePath

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = 0o077


def private_folder(path: Path) -> None:
    """Make a folder 0700, or check the one that is there.

    Args:
        path: the folder; missing parents are made too.

    Raises:
        UnsafePath: it is a link, a file, another user's, or open to others.
    """
    if not path.is_symlink() and not path.exists():
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
    _check(path, wanted=stat.S_ISDIR, kind="folder", mode=FOLDER_MODE)


def private_file(path: Path) -> None:
    """Check a file that may be there.

    Args:
        path: the file; one that is missing is fine.

    Raises:
        UnsafePath: it is a link, a folder, another user's, or open to others.
    """
    if path.is_symlink() or path.exists():
        _check(path, wanted=stat.S_ISREG, kind="file", mode=FILE_MODE)


def create_private_file(path: Path, content: bytes) -> None:
    """Make a new file, 0600 from its first moment and on disk (file and folder synced) when this returns.

    Args:
        path: where; nothing may stand there yet.
        content: what is in it.

    Raises:
        FileExistsError: something stands there.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, FILE_MODE), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _check(path: Path, *, wanted: Callable[[int], bool], kind: str, mode: int) -> None:
    found = path.lstat()
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePath(f"{path} is a link, not a {kind}.", f"Look where it leads, then remove it: rm {path}")
    if not wanted(found.st_mode):
        raise UnsafePath(f"{path} is not a {kind}.", f"Move it away: mv {path} {path}.old")
    if found.st_uid != os.getuid():
        raise UnsafePath(
            f"{path} belongs to another user (uid {found.st_uid}).", f"Run: sudo chown {os.getuid()} {path}"
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise UnsafePath(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}).", f"Run: chmod {mode:o} {path}"
        )
