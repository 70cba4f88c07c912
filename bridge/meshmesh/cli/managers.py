"""The two service managers that start us at login, behind one small protocol: systemd's for the user, and launchd."""

import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from meshmesh.cli import units
from meshmesh.cli.service import program
from meshmesh.exits import Exit
from meshmesh.failures import Failure
from meshmesh.paths import Paths

_SECONDS = 60.0
_SCREEN = ("DISPLAY", "WAYLAND_DISPLAY")
_BY_HAND = "Start it by hand: meshmeshd   (a container's or another init's own supervisor can do the same)"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How the manager says that the service is; `pid` is 0 where it does not run."""

    enabled: bool
    active: str
    pid: int
    told: str


class Manager(Protocol):
    """What `meshmesh service` needs of a service manager."""

    name: str
    file: Path

    def text(self) -> str:
        """What the file must hold."""
        ...

    def check(self) -> None:
        """Whether it is there at all.

        Raises:
            Failure: it is not, and what to do.
        """
        ...

    def begin(self, *, changed: bool) -> None:
        """Know the file, enable the service, start it; start it again where the file has changed.

        Raises:
            Failure: it does not start, with its last words.
        """
        ...

    def end(self) -> None:
        """Stop the service and disable it; the file is still there."""
        ...

    def forget(self) -> None:
        """The file is gone, or is another one now."""
        ...

    def state(self) -> State:
        """How the service is."""
        ...

    def hints(self) -> list[str]:
        """What the person may want to know of this manager."""
        ...

    def plan(self) -> list[str]:
        """The commands of `begin`, for a dry run."""
        ...


def found(platform: str, environ: Mapping[str, str], paths: Paths) -> Manager:
    """The manager of this machine.

    Args:
        platform: `sys.platform`.
        environ: the person's environment.
        paths: where the service lives.
    """
    return Launchd(environ, paths) if platform == "darwin" else Systemd(environ)


def _run(command: Sequence[str], environ: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the manager's own tool, no shell
            command, env=dict(environ), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return subprocess.CompletedProcess(command, 1, "", f"{command[0]}: {error}")


def _must(command: Sequence[str], environ: Mapping[str, str], what: str, step: str) -> None:
    ended = _run(command, environ)
    if ended.returncode:
        why = " ".join((ended.stderr or ended.stdout).split()) or f"exit code {ended.returncode}"
        raise Failure(what, why, step, Exit.UNREACHABLE)


class Systemd:
    """systemd's manager of one user; root has one too.

    Args:
        environ: the person's environment.
    """

    name = "systemd"

    def __init__(self, environ: Mapping[str, str]) -> None:
        runtime = f"/run/user/{os.geteuid()}"  # unset after su, sudo and cron, though the manager runs
        default = {"XDG_RUNTIME_DIR": runtime} if Path(runtime).is_dir() else {}
        self._environ = default | dict(environ)
        home = environ.get("XDG_CONFIG_HOME", "")
        self._config = Path(home) if home.startswith("/") else Path.home() / ".config"
        self.file = self._config / "systemd" / "user" / units.SYSTEMD_NAME

    def text(self) -> str:
        """The unit; see `Manager`."""
        credential = self._config / "credstore" / units.CREDENTIAL
        there = credential if credential.is_file() else None
        return units.systemd_unit(program(), units.handed_on(self._environ), there)

    def check(self) -> None:
        """See `Manager`. A manager that is `degraded` has some other unit that failed, and works."""
        if shutil.which("systemctl", path=self._environ.get("PATH")) is None:
            raise Failure("There is no systemd here.", "systemctl is not installed.", _BY_HAND, Exit.UNREACHABLE)
        answer = self._systemctl("is-system-running")
        if answer.stdout.strip() in {"", "offline", "unknown"}:
            why = " ".join(answer.stderr.split()) or "It does not run for you."
            step = f"loginctl enable-linger, then log in again.  {_BY_HAND}"
            raise Failure("systemd's user manager cannot be reached.", why, step, Exit.UNREACHABLE)

    def begin(self, *, changed: bool) -> None:
        """See `Manager`; the start returns when the service is READY."""
        step = f"journalctl --user -u {units.SYSTEMD_NAME} -n 20"
        self.forget()
        _must(self._command("enable"), self._environ, "systemd could not enable the service.", step)
        ended = _run(self._command("restart" if changed else "start"), self._environ)
        if ended.returncode:
            why = self._last_words() or " ".join(ended.stderr.split())
            raise Failure("systemd could not start the service.", why, step, Exit.UNREACHABLE)

    def _command(self, verb: str) -> tuple[str, ...]:
        return ("systemctl", "--user", "--no-pager", verb, units.SYSTEMD_NAME)

    def _last_words(self) -> str:
        """What `meshmeshd` said when it did not start."""
        lines = _run(("journalctl", "--user", "-u", units.SYSTEMD_NAME, "-n", "5", "-o", "cat", "-q"), self._environ)
        said = [line for line in lines.stdout.splitlines() if line.startswith("meshmeshd: ")]
        return said[-1].removeprefix("meshmeshd: ") if said else ""

    def end(self) -> None:
        """See `Manager`."""
        self._systemctl("--quiet", "disable", "--now", units.SYSTEMD_NAME)

    def forget(self) -> None:
        """See `Manager`."""
        self._systemctl("daemon-reload")
        self._systemctl("reset-failed", units.SYSTEMD_NAME)

    def state(self) -> State:
        """See `Manager`."""
        names = ("UnitFileState", "ActiveState", "SubState", "MainPID", "StatusText")
        shown = self._systemctl("show", units.SYSTEMD_NAME, *(f"-p{name}" for name in names)).stdout
        found = dict(line.split("=", 1) for line in shown.splitlines() if "=" in line)
        pid = found.get("MainPID", "0")
        return State(
            enabled=found.get("UnitFileState") == "enabled",
            active=f"{found.get('ActiveState', 'unknown')} ({found.get('SubState', 'unknown')})",
            pid=int(pid) if pid.isdigit() else 0,
            told=found.get("StatusText", ""),
        )

    def hints(self) -> list[str]:
        """Lingering, and the screen; see `Manager`."""
        said: list[str] = []
        user = str(os.geteuid())
        if _run(("loginctl", "show-user", user, "-P", "Linger"), self._environ).stdout.strip() != "yes":
            said.append("It runs from your login to your logout. From boot on, and on: loginctl enable-linger")
        here = [name for name in _SCREEN if self._environ.get(name)]
        known = self._systemctl("show-environment").stdout
        missing = [name for name in here if not re.search(rf"^{name}=", known, re.MULTILINE)]
        if missing:
            names = " ".join([*missing, "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS"])
            said.append(
                "The user manager does not know your screen, so no browser opens from a notification. Desktops tell it "
                f"at login; here: systemctl --user import-environment {names}"
            )
        return said

    def plan(self) -> list[str]:
        """See `Manager`."""
        return [f"systemctl --user {verb}" for verb in ("daemon-reload", "enable meshmesh", "restart meshmesh")]

    def _systemctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _run(("systemctl", "--user", "--no-pager", *arguments), self._environ)


class Launchd:
    """launchd, in the session that has the screen. Written by its manual, and not run on macOS.

    Args:
        environ: the person's environment.
        paths: where the service lives; its log goes to the state folder.
    """

    name = "launchd"

    def __init__(self, environ: Mapping[str, str], paths: Paths) -> None:
        self._environ = environ
        self._log = paths.state / "meshmeshd.log"
        self._domain = f"gui/{os.geteuid()}"
        self._service = f"{self._domain}/{units.LAUNCHD_LABEL}"
        self.file = Path.home() / "Library" / "LaunchAgents" / f"{units.LAUNCHD_LABEL}.plist"

    def text(self) -> str:
        """The property list; see `Manager`."""
        return units.launch_agent(program(), units.handed_on(self._environ), self._log)

    def check(self) -> None:
        """See `Manager`."""
        answer = _run(("launchctl", "print", self._domain), self._environ)
        if answer.returncode:
            why = " ".join(answer.stderr.split()) or "There is no session with a screen."
            raise Failure("launchd cannot be reached.", why, f"Log in at the screen.  {_BY_HAND}", Exit.UNREACHABLE)

    def begin(self, *, changed: bool) -> None:
        """See `Manager`."""
        loaded = self.state().active != "not loaded"
        if loaded and changed:
            self.end()
        if changed or not loaded:
            step = f"cat {self._log}"
            self._launchctl("enable", self._service)
            command = ("launchctl", "bootstrap", self._domain, str(self.file))
            _must(command, self._environ, "launchd could not start the service.", step)

    def end(self) -> None:
        """See `Manager`."""
        self._launchctl("bootout", self._service)

    def forget(self) -> None:
        """Nothing is left to forget after `end`."""

    def state(self) -> State:
        """See `Manager`."""
        shown = self._launchctl("print", self._service)
        pid = re.search(r"^\s*pid = (\d+)", shown.stdout, re.MULTILINE)
        active = re.search(r"^\s*state = (.+)$", shown.stdout, re.MULTILINE)
        loaded = shown.returncode == 0
        return State(
            enabled=loaded,
            active=active[1] if active else "loaded" if loaded else "not loaded",
            pid=int(pid[1]) if pid else 0,
            told="",
        )

    def hints(self) -> list[str]:
        """See `Manager`."""
        return ["It runs from your login at the screen to your logout."]

    def plan(self) -> list[str]:
        """See `Manager`."""
        return [f"launchctl enable {self._service}", f"launchctl bootstrap {self._domain} {self.file}"]

    def _launchctl(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return _run(("launchctl", *arguments), self._environ)
