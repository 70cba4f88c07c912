"""`meshmesh open`: a browser where there is one, one line on stdout where there is none."""

import webbrowser

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

ADDRESS = "http://localhost:1717/#launch=c0de"


@pytest.fixture
def launching(far_end: FarEnd) -> FarEnd:
    """A far end that gives a launch code."""
    given = {"launch_code": "c0de", "url": ADDRESS, "expires_at": "2026-11-25T12:01:00Z"}
    far_end.on("POST /v1/launch-codes", reply(200, given))
    return far_end


@pytest.mark.parametrize("name", ["MESHMESH_NO_BROWSER", "SSH_CONNECTION", ""])
def test_without_a_browser_the_address_is_printed(
    launching: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """It is the one line on stdout, over SSH and without a screen too."""
    monkeypatch.delenv("MESHMESH_NO_BROWSER", raising=False)
    for screen in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(screen, raising=False)
    if name:
        monkeypatch.setenv("DISPLAY", ":0")
        monkeypatch.setenv(name, "1")
    ran = cli("open")

    assert (ran.code, ran.out) == (0, f"{ADDRESS}\n")
    assert launching.calls() == ["POST /v1/launch-codes"]


@pytest.mark.parametrize("opens", [True, False])
def test_a_browser_is_opened(launching: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch, opens: bool) -> None:
    """With a screen the browser gets the address, and it is printed only where that failed."""
    opened: list[str] = []

    def browse(address: str) -> bool:
        opened.append(address)
        return opens

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.delenv("MESHMESH_NO_BROWSER", raising=False)
    monkeypatch.delenv("SSH_CONNECTION", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    ran = cli("open")

    assert opened == [ADDRESS]
    assert (ran.code, ran.out) == (0, "" if opens else f"{ADDRESS}\n")
    assert "c0de" not in ran.err
    assert launching.calls() == ["POST /v1/launch-codes"]


def test_a_paired_program_opens_nothing(far_end: FarEnd, cli: Cli) -> None:
    """What the service refuses ends the command with 77."""
    far_end.on("POST /v1/launch-codes", problem(403, "owner_only", "Only the owner can do this."))
    ran = cli("open")

    assert (ran.code, ran.out) == (77, "")
