"""The installation as its files and its service show it: what `meshmesh doctor` looks at, and what it may mend.

The service is asked for its status and nothing else. Nothing is mended but modes of our own folders and files, and what
a dead service left behind; the service's own lock is held meanwhile, so that one that starts just then loses nothing.
"""

import fcntl
import os
import socket
import stat
from collections.abc import Generator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from meshmesh import wire
from meshmesh.documents import Document
from meshmesh.failures import Failure
from meshmesh.paths import Paths
from meshmesh.transport import Transport, UnixDoor

LOCK_NAME = "meshmesh.lock"
KEY_NAME = "master.key"
VAULT_NAME = "vault.db"
_SOURCES = {
    "keyring": "in the keyring of your desktop",
    "credential": "a systemd credential of the service",
    "passphrase": "a passphrase, which is kept nowhere",
}
_FOLDER_MODE, _FILE_MODE, _OTHERS = 0o700, 0o600, 0o077


class Level(StrEnum):
    """How a thing is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at; `step` is what to do about it, "" for nothing."""

    level: Level
    name: str
    detail: str
    step: str = ""


def checks(paths: Paths, status: Document | None) -> list[Check]:
    """How the folders, the service, its vault and its connections are.

    Args:
        paths: where they live.
        status: what the service says, None where none answers.
    """
    return [
        *_folders(paths),
        *_open_to_others(paths),
        _service(paths, status),
        _vault(paths, status),
        _key(paths, status),
        *([_counts(status)] if status else []),
    ]


def service_status(paths: Paths) -> Document | None:
    """The status of the service that answers at the owner's door, or None."""
    with suppress(Failure):
        return Transport(UnixDoor(str(paths.socket))).request("GET", "/status").json
    return None


# --- Folders and files ---------------------------------------------------------------------------------------------


def _folders(paths: Paths) -> Iterator[Check]:
    for name, folder in _named(paths):
        try:
            mode = stat.S_IMODE(folder.lstat().st_mode)
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            level, why = (Level.OK, "not there yet") if missing else (Level.FAIL, str(error.strerror))
            yield Check(level, name, f"{folder} ({why})")
            continue
        yield Check(Level.OK, name, f"{folder} ({mode:04o})")


def _named(paths: Paths) -> tuple[tuple[str, Path], ...]:
    return (("config", paths.config), ("data", paths.data), ("state", paths.state), ("runtime", paths.runtime))


def _open_to_others(paths: Paths) -> Iterator[Check]:
    for path, found in _ours(paths):
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISLNK(found.st_mode):
            yield Check(Level.FAIL, "files", f"{path} is a link.", f"Look where it leads, then remove it: rm {path}")
        elif found.st_uid != os.geteuid():
            step = f"sudo chown {os.geteuid()} {path}"
            yield Check(Level.FAIL, "files", f"{path} belongs to another user (uid {found.st_uid}).", step)
        elif mode & _OTHERS:
            yield Check(Level.FAIL, "files", f"{path} is open to others ({mode:04o}).", "meshmesh doctor --fix")


def _ours(paths: Paths) -> Iterator[tuple[Path, os.stat_result]]:
    """Our folders and all that is in them, each folder before what it holds; no link is followed."""
    for _, folder in _named(paths):
        yield from _below(folder)


def _below(path: Path) -> Iterator[tuple[Path, os.stat_result]]:
    try:
        found = path.lstat()
        yield path, found
        inside = sorted(path.iterdir()) if stat.S_ISDIR(found.st_mode) else []
    except OSError:
        return
    for one in inside:
        yield from _below(one)


def mend_modes(paths: Paths) -> list[str]:
    """Close what is ours and open to others.

    Returns:
        A sentence for each thing that was mended.
    """
    mended: list[str] = []
    for path, found in _ours(paths):
        loose = stat.S_IMODE(found.st_mode) & _OTHERS
        if stat.S_ISLNK(found.st_mode) or found.st_uid != os.geteuid() or not loose:
            continue
        mode = _FOLDER_MODE if stat.S_ISDIR(found.st_mode) else _FILE_MODE
        with suppress(OSError):
            _close(path, found, mode)
            mended.append(f"{path} is closed to others now ({mode:04o}).")
    return mended


def _close(path: Path, found: os.stat_result, mode: int) -> None:
    """Change the mode of that very thing, not of what another user may have put in its place."""
    if stat.S_ISSOCK(found.st_mode):
        path.chmod(mode)  # a socket cannot be opened; its folder is closed by now
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        os.fchmod(descriptor, mode)
    finally:
        os.close(descriptor)


# --- The service ---------------------------------------------------------------------------------------------------


def _service(paths: Paths, status: Document | None) -> Check:
    if status is not None:
        detail = f"version {status.text('version')} runs (pid {status.number('pid')}) and answers at {paths.socket}"
        return Check(Level.OK, "service", detail)
    left, hangs = _left_behind(paths), _is_listened_at(paths.socket)
    if left and not hangs:
        with _alone(paths) as alone:
            hangs = not alone
    if hangs:
        return Check(Level.FAIL, "service", "It runs, and does not answer.", "Stop it (SIGTERM), then start meshmeshd")
    if left:
        detail = "It does not run, and left its socket or endpoint.json behind."
        return Check(Level.WARN, "service", detail, "meshmesh doctor --fix, then meshmeshd")
    return Check(
        Level.WARN, "service", "It does not run.", "meshmeshd   (or, to see it all at once: meshmesh quickstart)"
    )


def _left_behind(paths: Paths) -> list[Path]:
    """Socket and endpoint.json at which nobody listens; `MESHMESH_SOCKET` may name the door of another home's service."""
    if _is_listened_at(paths.socket):
        return []
    return [path for path in (paths.runtime / wire.ENDPOINT_NAME, paths.socket) if path.is_file() or path.is_socket()]


def _is_listened_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)  # a full backlog is somebody who lives
        try:
            sock.connect(str(path))
        except BlockingIOError:
            return True
        except OSError:
            return False
    return True


@contextmanager
def _alone(paths: Paths) -> Generator[bool, None, None]:
    """Whether no service runs here; none can start while the block lasts. The kernel drops a dead one's lock."""
    try:
        descriptor = os.open(
            paths.runtime / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, _FILE_MODE
        )
    except OSError:
        yield False
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        held = True
    except BlockingIOError:
        held = False
    try:
        yield held
    finally:
        os.close(descriptor)


def clear_leftovers(paths: Paths) -> list[str]:
    """Remove what a dead service left behind.

    Returns:
        A sentence for each thing that was removed.
    """
    if not _left_behind(paths):
        return []
    with _alone(paths) as alone:
        if not alone:
            return []
        removed: list[str] = []
        for path in _left_behind(paths):
            path.unlink(missing_ok=True)
            removed.append(f"{path} is removed: the service that made it is gone.")
        return removed


def _vault(paths: Paths, status: Document | None) -> Check:
    if status is None:
        there = (paths.data / VAULT_NAME).is_file()
        return Check(Level.OK, "vault", "there; only the service can open it" if there else "none yet")
    state = status.text("vault")
    if state == "trouble":
        step = status.child("next")
        return Check(Level.FAIL, "vault", status.optional_text("detail"), step.optional_text("label") if step else "")
    if state == "locked":
        return Check(Level.WARN, "vault", status.optional_text("detail") or state, "meshmesh unlock")
    return Check(Level.OK, "vault", state)


def _key(paths: Paths, status: Document | None) -> Check:
    source = status.optional_text("key") if status is not None and "key" in status.values else None
    key = paths.config / KEY_NAME
    if source == "file" or (source is None and key.is_file()):
        return Check(Level.OK, "key", f"a key file, {key}; whoever can read it can open the vault")
    if source is not None:
        return Check(Level.OK, "key", _SOURCES.get(source, source))
    if (paths.data / VAULT_NAME).is_file():
        return Check(Level.OK, "key", "no key file: it comes from a keyring, a passphrase or the system")
    return Check(Level.OK, "key", "none yet; the service makes one when it makes the vault")


def _counts(status: Document) -> Check:
    counts = status.child("counts") or Document({})
    told = [f"{counts.number(name)} {name.replace('_', ' ')}" for name in counts.values if counts.number(name)]
    ill = any(counts.number(name) for name in ("needs_you", "blocked") if name in counts.values)
    step = "meshmesh status" if ill else ""
    return Check(Level.WARN if ill else Level.OK, "connections", ", ".join(told) or "none yet", step)
