"""The port as `meshmesh doctor` sees it: whose it is, who else holds it, and what a system keeps for itself.

The service has a look at the port's holder of its own; this end imports nothing of the service, and may run where the
service does not.
"""

import re
import shutil
import socket
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from meshmesh import wire
from meshmesh.cli.installation import Check, Level
from meshmesh.documents import Document
from meshmesh.paths import Paths

_LISTEN = "0A"  # the state column of /proc/net/tcp
_LOWEST = Path("/proc/sys/net/ipv4/ip_unprivileged_port_start")
_KERNEL = Path("/proc/sys/kernel/osrelease")
_NETSH = ("netsh.exe", "interface", "ipv4", "show", "excludedportrange", "protocol=tcp")
_NETSH_SECONDS = 5.0
_FREE_ON_WINDOWS = (
    "In an administrator's PowerShell: net stop winnat; netsh int ipv4 add excludedportrange protocol=tcp startport={port} "
    "numberofports=1; net start winnat"
)


def checks(environ: Mapping[str, str], paths: Paths, status: Document | None) -> Iterator[Check]:
    """How the port is.

    Args:
        environ: the environment of the person who asks.
        paths: where the settings are.
        status: what the service says, None where none answers.
    """
    port = status.number("port") if status else _chosen(environ, paths)
    notes = status.texts("notes") if status else []
    if notes:
        yield from (Check(Level.WARN, "port", note) for note in notes)
    else:
        yield _held(port, status)
    if port:
        yield from _reserved(port, environ)
    sf = shutil.which("sf", path=environ.get("PATH"))
    if sf and port == wire.DEFAULT_PORT:
        yield Check(Level.OK, "sf", f"{sf}; its sign-in needs the port too: meshmesh lend -- sf org login web")


def _chosen(environ: Mapping[str, str], paths: Paths) -> int:
    """The port that the service would take; settings that it would refuse count for nothing here."""
    chosen: object = environ.get(wire.ENV_PORT)
    if chosen is None:
        with suppress(OSError, ValueError):
            chosen = tomllib.loads((paths.config / "config.toml").read_text(encoding="utf-8")).get("port")
    text = str(chosen)
    return int(text) if text.isascii() and text.isdigit() else wire.DEFAULT_PORT


def _held(port: int, status: Document | None) -> Check:
    if port == 0:
        return Check(Level.OK, "port", f"any free one ({wire.ENV_PORT}=0)")
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
    """On both families; one that the machine does not have is in nobody's hands."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as sock:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                sock.bind((address, port))
        except PermissionError:
            return True  # nobody holds it; `_reserved` says why it cannot be had
        except OSError:
            if family == socket.AF_INET or _listening(port):
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


def _reserved(port: int, environ: Mapping[str, str]) -> Iterator[Check]:
    """Ports that the system keeps: Linux below a border, Windows in ranges that Hyper-V takes at its start."""
    lowest = _text(_LOWEST).strip()
    if lowest.isdigit() and port < int(lowest):
        step = f"sudo sysctl net.ipv4.ip_unprivileged_port_start={min(1024, port)}"
        yield Check(Level.FAIL, "port", f"the system keeps ports below {lowest} for root", step)
    if "microsoft" not in _text(_KERNEL).lower():
        return
    for low, high in excluded(_windows_ranges(environ)):
        if low <= port <= high:
            detail = f"{port} is inside a range that Windows keeps ({low}-{high}): a browser there cannot reach it"
            yield Check(Level.FAIL, "port", detail, _FREE_ON_WINDOWS.format(port=port))
            return
    detail = "a browser on the Windows side reaches localhost here unless .wslconfig says localhostForwarding=false"
    yield Check(Level.OK, "wsl", detail)


def _windows_ranges(environ: Mapping[str, str]) -> str:
    program = shutil.which(_NETSH[0], path=environ.get("PATH"))
    if program is None:
        return ""
    with suppress(OSError, subprocess.TimeoutExpired):
        ended = subprocess.run(  # noqa: S603 - Windows' own tool, and no words of anybody else's
            [program, *_NETSH[1:]], capture_output=True, timeout=_NETSH_SECONDS, check=False
        )
        return ended.stdout.decode("utf-8", "replace")
    return ""


def excluded(told: str) -> list[tuple[int, int]]:
    """The ranges in what `netsh` prints; its words are in the language of the system, its numbers are not.

    Args:
        told: the output of `netsh interface ipv4 show excludedportrange protocol=tcp`.
    """
    return [
        (int(low), int(high))
        for low, high in re.findall(r"^\s*(\d{1,5})\s+(\d{1,5})(?:\s+\*)?\s*$", told, re.MULTILINE)
    ]


def _text(file: Path) -> str:
    with suppress(OSError):
        return file.read_text()
    return ""
