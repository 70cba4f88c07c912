"""One instance a home: a lock that the kernel drops with the process, taken before the UNIX socket is touched.

The socket file is no proof (aiohttp would replace a live one in silence), and neither is a pid file after a crash.
"""

import fcntl
import json
import os
import socket
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PRIVATE = 0o600


class AlreadyRunning(Exception):
    """Another instance holds this home."""

    def __init__(self, pid: str) -> None:
        super().__init__(f"MeshMesh is already running here (pid {pid}).")


class InstanceLock:
    """Held for the life of the process, as a context manager.

    Args:
        path: the lock file, in the private runtime folder.

    Raises:
        AlreadyRunning: on entering, naming the pid of the one that runs.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor = -1

    def __enter__(self) -> Self:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        self._descriptor = os.open(self._path, flags, PRIVATE)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = os.pread(self._descriptor, 32, 0).decode("ascii", "replace").strip()
            os.close(self._descriptor)
            raise AlreadyRunning(pid or "not known") from None
        os.ftruncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._descriptor)


def bind_unix(path: Path) -> socket.socket:
    """The owner's socket, 0600 from its first moment; a stale one is replaced (the lock is held, so it is stale).

    Args:
        path: where; its folder is 0700 already.

    Raises:
        FileExistsError: something that is not a socket stands there.
    """
    if path.is_symlink() or (path.exists() and not path.is_socket()):
        raise FileExistsError(f"{path} is not a socket. Move it away.")
    with suppress(FileNotFoundError):
        path.unlink()
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    mask = os.umask(0o177)
    try:
        sock.bind(str(path))
    except OSError:
        sock.close()
        raise
    finally:
        os.umask(mask)
    sock.listen(512)
    sock.setblocking(False)
    return sock


def write_endpoint(path: Path, *, port: int, socket_path: Path, version: str) -> None:
    """Say where the doors are: `endpoint.json`, whole or not at all, without a secret in it."""
    body = {"pid": os.getpid(), "port": port, "socket": str(socket_path), "version": version}
    partial = path.with_suffix(".partial")
    with suppress(FileNotFoundError):
        partial.unlink()
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
        json.dump(body, file)
    partial.replace(path)
