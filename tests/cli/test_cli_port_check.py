"""The port in `meshmesh doctor`: lent, kept by the system, kept by Windows."""

import os
import sys
from pathlib import Path

import pytest

from meshmesh.cli import port_check
from meshmesh.cli.installation import Check, Level
from meshmesh.documents import Document
from meshmesh.paths import resolve

NETSH = """
Protocol tcp Port Exclusion Ranges

Start Port    End Port
----------    --------
      1661        1760
      5357        5357
     50000       50059     *

* - Administered port exclusions.
"""


def checked(tmp_path: Path, status: Document | None = None, **environ: str) -> list[Check]:
    """What is said of the port."""
    variables = {"MESHMESH_HOME": str(tmp_path), "MESHMESH_PORT": "1717", "PATH": str(tmp_path)} | environ
    return list(port_check.checks(variables, resolve(variables), status))


def test_a_lent_port_is_told_in_the_services_words(tmp_path: Path) -> None:
    """A warning, and nobody is blamed for holding it."""
    note = "Port 1717 is lent until 12:00:00 UTC: no sign-in can come back until then."
    status = Document({"port": 1717, "pid": os.getpid(), "notes": [note]})

    assert checked(tmp_path, status) == [Check(Level.WARN, "port", note)]


def test_a_border_of_the_kernels_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the line that moves it."""
    border = tmp_path / "border"
    border.write_text("2000\n")
    monkeypatch.setattr(port_check, "_LOWEST", border)
    found = [check for check in checked(tmp_path) if check.level is Level.FAIL and "for root" in check.detail]

    assert [check.step for check in found] == ["sudo sysctl net.ipv4.ip_unprivileged_port_start=1024"]


def test_the_numbers_are_read_whatever_the_language(tmp_path: Path) -> None:
    """Only the numbers count."""
    assert port_check.excluded(NETSH) == [(1661, 1760), (5357, 5357), (50000, 50059)]
    assert port_check.excluded(NETSH.replace("Start Port", "Startport").replace("\n", "\r\n")) == [
        (1661, 1760),
        (5357, 5357),
        (50000, 50059),
    ]
    assert port_check.excluded("") == []


@pytest.fixture
def windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Linux inside Windows, as far as the check can tell."""
    kernel = tmp_path / "osrelease"
    kernel.write_text("5.15.153.1-microsoft-standard-WSL2\n")
    monkeypatch.setattr(port_check, "_KERNEL", kernel)
    return tmp_path


def test_a_range_that_windows_keeps_is_named(windows: Path) -> None:
    """With the range, and what frees the port."""
    netsh = windows / "netsh.exe"
    netsh.write_text(f"#!{sys.executable}\nprint({NETSH!r})\n")
    netsh.chmod(0o755)
    found = checked(windows)[-1]

    assert (found.level, "1661-1760" in found.detail) == (Level.FAIL, True)
    assert "net stop winnat" in found.step
    assert "startport=1717" in found.step


def test_a_windows_without_such_a_range(windows: Path) -> None:
    """Then only who reaches whom is said."""
    found = checked(windows)[-1]

    assert (found.level, found.name) == (Level.OK, "wsl")
    assert "localhostForwarding" in found.detail


def test_sf_is_told_how_to_get_the_port(tmp_path: Path) -> None:
    """Where it is installed, and the port is the one that it wants."""
    sf = tmp_path / "sf"
    sf.write_text("")
    sf.chmod(0o755)

    assert "meshmesh lend -- sf org login web" in checked(tmp_path)[-1].detail
    assert not [check for check in checked(tmp_path, MESHMESH_PORT="1718") if check.name == "sf"]
