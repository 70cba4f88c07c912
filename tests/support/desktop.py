"""A desktop of our own: a session bus, a screen, real notification services, a person who presses buttons.

Everything lives in one folder and is ended by pid. The bus knows only the service files of that folder, which is empty: nothing
is started that a test did not start.
"""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

Seen = TypeVar("Seen")

NAME = "org.freedesktop.Notifications"
PATIENCE_SECONDS = 20.0
_WIDTH, _HEIGHT = 1600, 1200
_SCALE = 2  # so that a picture is sharp on the screens of today
_LIBRARIES = Path("/usr/lib")
_BUS = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth><servicedir>{services}</servicedir>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/><allow own="*"/></policy>
</busconfig>"""
_DUNST = """[global]
origin = top-left
offset = 20x20
width = (300, 300)
height = 200
notification_limit = 5
idle_threshold = 0
mouse_left_click = do_action, close_current
dmenu = {menu}
"""
_MENU = """#!/bin/sh
grep -m1 ",$(cat {choice})]"
"""
_BROWSER = """#!{python}
import pathlib, sys
from meshmesh.cli.visitor import sign_in
address = sys.argv[1]
with pathlib.Path({opened!r}).open("a") as opened:
    opened.write(address + "\\n")
if "/services/oauth2/authorize" in address:
    sign_in(address, lambda step: None)
"""


def until(look: Callable[[], Seen | None], *, seconds: float = PATIENCE_SECONDS) -> Seen:
    """Look again and again until there is something to see."""
    deadline = time.monotonic() + seconds
    while not (seen := look()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"nothing to see after {seconds} s")
        time.sleep(0.05)
    return seen


@dataclass
class Desktop:
    """A session: its folder, its variables, and the programs that were started in it."""

    folder: Path
    environ: dict[str, str]
    started: list[subprocess.Popen[bytes]] = field(default_factory=list[subprocess.Popen[bytes]])

    @property
    def opened(self) -> list[str]:
        """The addresses that the browser was given."""
        file = self.folder / "opened"
        return file.read_text().splitlines() if file.exists() else []

    @property
    def notified(self) -> str:
        """Every call and signal of the notification service's, as `dbus-monitor` prints them."""
        return (self.folder / "monitor.log").read_text()

    def begin(self, *command: str, log: str = "programs.log", **extra: str) -> subprocess.Popen[bytes]:
        """Start a program in the session; it is ended with it."""
        with (self.folder / log).open("ab") as out:
            process = subprocess.Popen(
                command, env=self.environ | extra, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT
            )
        self.started.append(process)
        return process

    def run(self, *command: str) -> str:
        """Run a program in the session to its end, and give what it printed."""
        ended = subprocess.run(command, env=self.environ, capture_output=True, text=True, timeout=20, check=False)
        return ended.stdout.strip()

    def owned(self) -> bool:
        """Whether there is a notification service."""
        asked = ("dbus-send", "--session", "--print-reply=literal", "--dest=org.freedesktop.DBus", "/")
        return "true" in self.run(*asked, "org.freedesktop.DBus.NameHasOwner", f"string:{NAME}")

    def dunst(self) -> subprocess.Popen[bytes]:
        """Start dunst, a service without drawn buttons."""
        process = self.begin("dunst", "-conf", str(self.folder / "dunstrc"))
        until(self.owned)
        return process

    def xfce(self) -> subprocess.Popen[bytes]:
        """Start xfce4-notifyd, a service that draws buttons."""
        self.begin(str(next(_LIBRARIES.glob("*/xfce4/xfconf/xfconfd"))))
        process = self.begin(str(next(_LIBRARIES.glob("*/xfce4/notifyd/xfce4-notifyd"))), GDK_SCALE=str(_SCALE))
        until(self.owned)
        return process

    def displayed(self) -> int:
        """How many bubbles dunst shows."""
        return int(self.run("dunstctl", "count", "displayed") or 0)

    def click(self) -> None:
        """Click on dunst's bubble."""
        self.run("dunstctl", "action", "0")

    def choose(self, button: str) -> None:
        """Choose a button, by its key, from the menu of dunst's bubble."""
        (self.folder / "choice").write_text(button)
        self.run("dunstctl", "context")

    def dismiss(self) -> None:
        """Close dunst's bubble."""
        self.run("dunstctl", "close")

    def bubble(self) -> "Box | None":
        """Where xfce4-notifyd has drawn its bubble."""
        for window in self.run("xdotool", "search", "--onlyvisible", "--name", ".*").split():
            shell = self.run("xdotool", "getwindowgeometry", "--shell", window)
            numbers = dict(line.split("=") for line in shell.splitlines() if "=" in line)
            if numbers:
                box = Box(*(int(numbers[side]) for side in ("X", "Y", "WIDTH", "HEIGHT")))
                if 40 * _SCALE < box.width < _WIDTH and 40 * _SCALE < box.height < _HEIGHT:
                    return box
        return None

    def press_first_button(self) -> None:
        """Press the left button of xfce4-notifyd's bubble with the pointer."""
        box = until(self.bubble)
        at = (str(box.x + 60 * _SCALE), str(box.y + box.height - 30 * _SCALE))
        self.run("xdotool", "mousemove", *at, "sleep", "0.3", "click", "1")

    def picture(self, file: Path) -> None:
        """Write a picture of xfce4-notifyd's bubble."""
        box = until(self.bubble)
        area = f"{box.width}x{box.height}+{box.x}+{box.y}"
        self.run("import", "-window", "root", "-crop", area, "+repage", str(file))

    def end(self) -> None:
        """End what still runs, the youngest first."""
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(5)
                except subprocess.TimeoutExpired:
                    process.kill()
                    process.wait(5)


@dataclass(frozen=True)
class Box:
    """A rectangle on the screen."""

    x: int
    y: int
    width: int
    height: int


@contextmanager
def bus(folder: Path) -> Generator[Desktop, None, None]:
    """A session with a bus and no screen.

    Args:
        folder: new or empty; its path must be short enough for a socket.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    socket = folder / "bus"
    config = folder / "bus.conf"
    (folder / "services").mkdir(exist_ok=True)
    config.write_text(_BUS.format(path=socket, services=folder / "services"))
    desktop = Desktop(folder, _variables(folder) | {"DBUS_SESSION_BUS_ADDRESS": f"unix:path={socket}"})
    try:
        desktop.begin("dbus-daemon", f"--config-file={config}", "--nofork", "--nopidfile")
        until(socket.exists)
        yield desktop
    finally:
        desktop.end()


@contextmanager
def desktop(folder: Path) -> Generator[Desktop, None, None]:
    """A session with a bus, a screen, a browser that plays the person at the demo org, and nobody who notifies."""
    with bus(folder) as session:
        _write_program(folder / "menu", _MENU.format(choice=folder / "choice"))
        (folder / "dunstrc").write_text(_DUNST.format(menu=folder / "menu"))
        (folder / "bin").mkdir()
        script = _BROWSER.format(python=sys.executable, opened=str(folder / "opened"))
        _write_program(folder / "bin" / "xdg-open", script)
        session.environ["DISPLAY"] = _screen(session)
        session.begin("dbus-monitor", f"interface='{NAME}'", log="monitor.log")
        until(lambda: session.notified)
        yield session


def _screen(session: Desktop) -> str:
    """Start an X server on a free display, and give its name."""
    reading, writing = os.pipe()
    with os.fdopen(reading) as told, (session.folder / "programs.log").open("ab") as out:
        try:
            command = ("Xvfb", "-displayfd", str(writing), "-screen", "0", f"{_WIDTH}x{_HEIGHT}x24", "-nolisten", "tcp")
            screen = subprocess.Popen(command, env=session.environ, pass_fds=(writing,), stdout=out, stderr=out)
        finally:
            os.close(writing)
        session.started.append(screen)
        return f":{told.readline().strip()}"


def _variables(folder: Path) -> dict[str, str]:
    home = folder / "home"
    home.mkdir(exist_ok=True)
    return {
        "HOME": str(home),
        "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
        "LANG": "C.UTF-8",
        "XDG_RUNTIME_DIR": str(folder),
        "XDG_CONFIG_HOME": str(home / ".config"),
        "XDG_DATA_HOME": str(home / ".local" / "share"),
        "XDG_CACHE_HOME": str(home / ".cache"),
        "NO_AT_BRIDGE": "1",
        "GSETTINGS_BACKEND": "memory",
    }


def _write_program(file: Path, text: str) -> None:
    file.write_text(text)
    file.chmod(0o755)
