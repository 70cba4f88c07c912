"""Private folders and files: made private, or refused with the command that mends them.

A link in place of a file, another owner or a wider mode means that somebody else may read or replace what is in it.
A file that matters gets its name only when it is whole and on disk, and never takes the name of another.
"""

import os
import shlex
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
        path: the folder; missing parents are made too, as the umask says.

    Raises:
        UnsafePath: it is a link, a file, another user's, or open to others.
    """
    if not path.is_symlink() and not path.exists():
        path.mkdir(mode=FOLDER_MODE, parents=True, exist_ok=True)
        sync(path.parent)
    _check(path, path.lstat(), wanted=stat.S_ISDIR, kind="folder", mode=FOLDER_MODE)


def private_file(path: Path) -> None:
    """Check a file that may be there.

    Args:
        path: the file; one that is missing is fine.

    Raises:
        UnsafePath: it is a link, a folder, another user's, or open to others.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    _check(path, found, wanted=stat.S_ISREG, kind="file", mode=FILE_MODE)


def read_private_file(path: Path) -> bytes | None:
    """What a small private file holds, or None where it is missing.

    Args:
        path: the file. What is checked and what is read are one and the same file, also if the name is moved meanwhile.

    Raises:
        UnsafePath: as `private_file`.
        OSError: it cannot be read.
    """
    private_file(path)
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    with os.fdopen(descriptor, "rb") as file:
        _check(path, os.fstat(descriptor), wanted=stat.S_ISREG, kind="file", mode=FILE_MODE)
        return file.read()


def create_private_file(path: Path, content: bytes) -> None:
    """Make a new file: whole, 0600 and on disk, or not at all.

    Args:
        path: where; nothing may stand there yet.
        content: what is in it.

    Raises:
        FileExistsError: something stands there.
    """
    unfinished = draft(path)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(unfinished, flags, FILE_MODE), "wb") as file:
        file.write(content)
    publish(unfinished, path)


def draft(path: Path) -> Path:
    """The name that a file has until it is whole; what a crash left there is cleared away."""
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    return unfinished


def publish(unfinished: Path, path: Path) -> None:
    """Give a file that is whole its name; both are on disk when this returns.

    Raises:
        FileExistsError: the name is taken.
    """
    sync(unfinished)
    os.link(unfinished, path, follow_symlinks=False)  # unlike a rename, it never takes the name of another
    unfinished.unlink()
    sync(path.parent)


def sync(path: Path) -> None:
    """Bring a file, or the names in a folder, to the disk itself."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check(path: Path, found: os.stat_result, *, wanted: Callable[[int], bool], kind: str, mode: int) -> None:
    name = shlex.quote(str(path))
    if stat.S_ISLNK(found.st_mode):
        raise UnsafePath(f"{path} is a link, not a {kind}.", f"Look where it leads, then remove it: rm {name}")
    if not wanted(found.st_mode):
        raise UnsafePath(f"{path} is not a {kind}.", f"Move it away: mv {name} {name}.old")
    if found.st_uid != os.geteuid():
        raise UnsafePath(
            f"{path} belongs to another user (uid {found.st_uid}).", f"Run: sudo chown {os.geteuid()} {name}"
        )
    if stat.S_IMODE(found.st_mode) & _OTHERS:
        raise UnsafePath(
            f"{path} is open to other users (mode {stat.S_IMODE(found.st_mode):04o}).", f"Run: chmod {mode:o} {name}"
        )
