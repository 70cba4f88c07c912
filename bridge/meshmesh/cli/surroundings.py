"""This machine, as far as MeshMesh depends on it: versions, the port, the screen. Nothing is asked over the network.

The service has a look at the port's holder of its own; this end imports nothing of the service, and may run where the
service does not.
"""

import os
import platform
import shutil
import socket
import sqlite3
import sys
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from meshmesh import wire
from meshmesh.cli.installation import Check, Level
from meshmesh.documents import Document
from meshmesh.paths import Paths

_LISTEN = "0A"  # the state column of /proc/net/tcp
_PACKAGES = ("aiohttp", "cryptography")
_PROXIES = ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY")
_SCREENS = ("DISPLAY", "WAYLAND_DISPLAY")


def checks(environ: Mapping[str, str], paths: Paths, status: Document | None) -> list[Check]:
    """How the machine is.

    Args:
        environ: the environment of the person who asks.
        paths: where the settings are.
        status: what the service says, None where none answers.
    """
    return [
        _versions(),
        _port(status.number("port") if status else _chosen_port(environ, paths), status),
        _ipv6(),
        _browser(environ),
        _notifications(environ),
        _network(environ),
    ]


def _versions() -> Check:
    found = [f"Python {platform.python_version()}", f"SQLite {sqlite3.sqlite_version}"]
    for name in _PACKAGES:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            return Check(Level.FAIL, "versions", f"{name} is not installed.", "Install MeshMesh again.")
    return Check(Level.OK, "versions", ", ".join(found))


def _chosen_port(environ: Mapping[str, str], paths: Paths) -> int:
    """The port that the service would take; settings that it would refuse count for nothing here."""
    chosen: object = environ.get(wire.ENV_PORT)
    if chosen is None:
        with suppress(OSError, ValueError):
            chosen = tomllib.loads((paths.config / "config.toml").read_text(encoding="utf-8")).get("port")
    text = str(chosen)
    return int(text) if text.isascii() and text.isdigit() else wire.DEFAULT_PORT


def _port(port: int, status: Document | None) -> Check:
    if port == 0:
        return Check(Level.OK, "port", "any free one (MESHMESH_PORT=0)")
    pid, name = _holder(port)
    if status is not None and pid == status.number("pid"):
        return Check(Level.OK, "port", f"{port} is ours")
    if status is not None and pid is None:
        return Check(Level.WARN, "port", f"{port} is nobody's, as far as it can be seen here")
    if pid is None and _is_free(port):
        return Check(Level.OK, "port", f"{port} is free")
    by = f"{name} (pid {pid})" if pid else "a program of another user"
    step = f"Stop that program, or set {wire.ENV_PORT} to another port (Salesforce's own sign-in needs 1717)."
    return Check(Level.FAIL, "port", f"{port} is held by {by}.", step)


def _is_free(port: int) -> bool:
    with socket.socket(socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _holder(port: int) -> tuple[int | None, str]:
    """Pid and name of the process that listens on a port, as far as this user may see it."""
    sockets = _listening(port)
    for process in Path("/proc").glob("[0-9]*") if sockets else ():
        with suppress(OSError):
            targets = {_target(descriptor) for descriptor in (process / "fd").iterdir()}
            if targets & sockets:
                return int(process.name), (process / "comm").read_text().strip()
    return None, ""


def _listening(port: int) -> set[str]:
    found: set[str] = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        with suppress(OSError):
            rows = [line.split() for line in Path(table).read_text().splitlines()[1:]]
            found |= {
                f"socket:[{row[9]}]" for row in rows if row[3] == _LISTEN and int(row[1].rpartition(":")[2], 16) == port
            }
    return found


def _target(descriptor: Path) -> str:
    with suppress(OSError):  # closed meanwhile
        return str(descriptor.readlink())
    return ""


def _ipv6() -> Check:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return Check(Level.WARN, "ipv6", "no IPv6 loopback: the service answers at 127.0.0.1 only")
    return Check(Level.OK, "ipv6", "::1 is there")


def _browser(environ: Mapping[str, str]) -> Check:
    if environ.get(wire.ENV_NO_BROWSER):
        return Check(Level.OK, "browser", f"none is opened ({wire.ENV_NO_BROWSER} is set): addresses are printed")
    opener = "open" if sys.platform == "darwin" else "xdg-open"
    screen = sys.platform == "darwin" or any(environ.get(name) for name in _SCREENS)
    if shutil.which(opener, path=environ.get("PATH")) and screen:
        return Check(Level.OK, "browser", f"opened by {opener}")
    why = f"{opener} is missing" if screen else "there is no screen"
    return Check(
        Level.WARN, "browser", f"none can be opened: {why}", "Sign in elsewhere: meshmesh connect NAME --paste"
    )


def _notifications(environ: Mapping[str, str]) -> Check:
    if sys.platform == "darwin":
        return Check(Level.OK, "notifications", "shown by macOS")
    bus = environ.get("DBUS_SESSION_BUS_ADDRESS") or Path(f"/run/user/{os.geteuid()}/bus").is_socket()
    if bus:
        return Check(Level.OK, "notifications", "there is a session bus; they are shown when a desktop listens")
    return Check(Level.WARN, "notifications", "there is no session bus", "Look at meshmesh status, or the exit code 77")


def _network(environ: Mapping[str, str]) -> Check:
    proxies = [name for name in _PROXIES if environ.get(name)]  # their values may hold a password
    if proxies:
        return Check(Level.OK, "network", f"calls to Salesforce go through the proxy of {', '.join(proxies)}")
    return Check(Level.OK, "network", "no proxy is set")
