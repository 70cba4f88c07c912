"""The person's browser, opened from the service: stand-ins for the programs that open one, as real processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.browser import SystemBrowser

ADDRESS = "http://localhost:1717/r/c1?a=1&b=$(touch%20x)"


def program(folder: Path, name: str, ending: str = "exit 0") -> None:
    """A program that writes down its arguments and its environment, and ends as told."""
    file = folder / name
    file.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {folder}/arguments\nenv > {folder}/environment\n{ending}\n')
    file.chmod(0o755)


def environ(folder: Path, **extra: str) -> dict[str, str]:
    """The environment of a service on a desktop that has these programs."""
    return {"PATH": f"{folder}:/usr/bin:/bin", "DISPLAY": ":7"} | extra


async def opens(environment: Mapping[str, str], platform: str = "linux") -> bool:
    """Whether a browser opens."""
    return await SystemBrowser(platform, environment).open(ADDRESS)


async def test_the_desktops_opener_gets_the_address_and_a_clean_environment(tmp_path: Path) -> None:
    """The address is one argument, whatever is in it; what is the service's own is not handed on."""
    program(tmp_path, "xdg-open")
    ours = {"MESHMESH_HOME": "/x", "NOTIFY_SOCKET": "/run/x", "LISTEN_FDS": "2", "PYTHONPATH": "/y", "LANG": "C.UTF-8"}

    assert await opens(environ(tmp_path, **ours))
    assert (tmp_path / "arguments").read_text() == f"{ADDRESS}\n"
    given = (tmp_path / "environment").read_text()
    assert "DISPLAY=:7" in given
    assert "LANG=C.UTF-8" in given
    assert not [name for name in ours if name != "LANG" and f"{name}=" in given]


@pytest.mark.parametrize(
    "changed",
    [{"MESHMESH_NO_BROWSER": "1"}, {"DISPLAY": ""}, {"PATH": "/nowhere"}],
    ids=["unwanted", "no screen", "no opener"],
)
async def test_where_no_browser_can_be_opened_it_says_so(tmp_path: Path, changed: dict[str, str]) -> None:
    """The caller learns it, and nothing is started."""
    program(tmp_path, "xdg-open")

    assert not await opens(environ(tmp_path) | changed)
    assert not (tmp_path / "arguments").exists()


async def test_an_opener_that_fails_is_no_browser(tmp_path: Path) -> None:
    """xdg-open exits with 3 or 4 where it finds none."""
    program(tmp_path, "xdg-open", "exit 3")

    assert not await opens(environ(tmp_path))


def test_an_opener_that_stays_has_become_the_browser(tmp_path: Path) -> None:
    """It counts as opened, and lives on when the service that opened it has ended."""
    program(tmp_path, "xdg-open", f"echo $$ > {tmp_path}/pid; exec sleep 60")
    service = (
        "import asyncio, os; from meshmesh_daemon.adapters.browser import SystemBrowser;"
        f"print(asyncio.run(SystemBrowser('linux', os.environ).open({ADDRESS!r})))"
    )
    ended = subprocess.run(
        [sys.executable, "-c", service], env=environ(tmp_path), capture_output=True, text=True, timeout=60, check=True
    )
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGTERM)  # fails where it does not live

    assert ended.stdout == "True\n"


async def test_a_systemd_unit_has_its_manager_open_the_browser(tmp_path: Path) -> None:
    """A browser of the unit's own would be confined as it is, and end with it; the manager knows the screen by itself."""
    program(tmp_path, "xdg-open")
    program(tmp_path, "systemd-run")

    assert await opens(environ(tmp_path, INVOCATION_ID="5f", DISPLAY=""))
    words = (tmp_path / "arguments").read_text().split()
    assert words == ["--user", "--quiet", "--collect", "--wait", "--", str(tmp_path / "xdg-open"), ADDRESS]


@pytest.mark.skipif(sys.platform == "darwin", reason="it would open a page")
async def test_a_missing_opener_is_no_error(tmp_path: Path) -> None:
    """As of a Mac's, elsewhere."""
    assert not await opens(environ(tmp_path), "darwin")
