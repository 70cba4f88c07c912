"""This machine, as far as MeshMesh depends on it: versions, the port, the screen. Nothing is asked over the network."""

import os
import platform
import shutil
import socket
import sqlite3
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from meshmesh import wire
from meshmesh.cli import port_check
from meshmesh.cli.installation import Check, Level
from meshmesh.documents import Document
from meshmesh.paths import Paths

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
        *port_check.checks(environ, paths, status),
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
