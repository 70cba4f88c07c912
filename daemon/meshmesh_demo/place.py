"""An org's place: its folder, held; its loopback port, bound; the key of its levers. Light, so that one can be taken long
before anybody comes: who comes meanwhile waits in the queue of the listening sockets.
"""

import asyncio
import errno
import fcntl
import os
import secrets
import socket
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

LEVER_KEY = "lever.key"
_TRIES = 20  # of finding a port that is free on both families
_NO_IPV6 = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where an org is, as its starter sees it."""

    folder: Path
    sockets: tuple[socket.socket, ...]
    lever_key: str = field(repr=False)

    @property
    def port(self) -> int:
        """The port of the org."""
        return int(self.sockets[0].getsockname()[1])

    @property
    def origin(self) -> str:
        """The org's address."""
        return f"http://localhost:{self.port}"

    @property
    def lever_key_file(self) -> Path:
        """The file with the key of the org's levers."""
        return self.folder / LEVER_KEY


@asynccontextmanager
async def take_place(folder: Path, port: int = 0) -> AsyncGenerator[Place, None]:
    """Hold a place for an org until the block is left.

    Args:
        folder: its data; made 0700 where it is missing.
        port: 0 takes the port of last time, or a free one.

    Raises:
        OSError: the port or the folder is taken, or cannot be used.
    """
    async with AsyncExitStack() as stack:
        stack.callback(os.close, await asyncio.to_thread(_hold, folder))
        sockets = await asyncio.to_thread(_listen, folder, port)
        for sock in sockets:
            stack.callback(sock.close)
        lever_key = await asyncio.to_thread(_lever_key, folder / LEVER_KEY)
        yield Place(folder=folder, sockets=tuple(sockets), lever_key=lever_key)


def _hold(folder: Path) -> int:
    """Hold the folder: two orgs on one would not see each other's changes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(held)
        raise
    return held


def _listen(folder: Path, port: int) -> list[socket.socket]:
    memory = folder / "port"
    sockets = _bind(port) if port else _bind_last(memory) or _bind_free()
    _write_private(memory, str(sockets[0].getsockname()[1]))
    return sockets


def _bind_last(memory: Path) -> list[socket.socket] | None:
    try:
        return _bind(int(memory.read_text()))
    except (OSError, ValueError, OverflowError):
        return None


def _bind_free() -> list[socket.socket]:
    for _ in range(_TRIES):
        try:
            return _bind(0)
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
    raise OSError(errno.EADDRINUSE, "no port is free on both loopback addresses")


def _bind(port: int) -> list[socket.socket]:
    """Listening sockets on 127.0.0.1 and, where there is IPv6, on ::1."""
    first = _socket(socket.AF_INET, "127.0.0.1", port)
    try:
        return [first, _socket(socket.AF_INET6, "::1", int(first.getsockname()[1]))]
    except OSError as error:
        if error.errno in _NO_IPV6:
            return [first]
        first.close()
        raise


def _socket(family: socket.AddressFamily, host: str, port: int) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))
        sock.listen(128)
    except OSError:
        sock.close()
        raise
    sock.setblocking(False)
    return sock


def _lever_key(path: Path) -> str:
    """The key of the levers, made at the first start."""
    try:
        return path.read_text()
    except FileNotFoundError:
        key = secrets.token_urlsafe(32)
        _write_private(path, key)
        return key


def _write_private(path: Path, text: str) -> None:
    """Write a 0600 file, whole or not at all."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600), "w") as file:
        file.write(text)
    beside.replace(path)
