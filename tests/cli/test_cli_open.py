"""`meshmesh open`: a browser where there is one, one line on stdout where there is none."""

import webbrowser
from pathlib import Path

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


LINK = "https://acme.my.salesforce.com/secur/frontdoor.jsp?otp=0tp&cshc=x"


@pytest.fixture
def acme(far_end: FarEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    """A far end that gives a link into the org of `acme`."""
    far_end.on("POST /v1/connections/acme/open", reply(200, {"url": LINK, "expires_at": "2026-11-25T12:01:00Z"}))
    (tmp_path / "runtime").mkdir()
    monkeypatch.setenv("MESHMESH_HOME", str(tmp_path))
    return far_end


@pytest.mark.parametrize("arguments", ["acme", "-o acme", "acme --target-org acme"])
def test_an_org_without_a_browser_is_a_link(acme: FarEnd, cli: Cli, arguments: str) -> None:
    """The link is the one line on stdout, and stands nowhere else."""
    ran = cli("open", *arguments.split())

    assert (ran.code, ran.out) == (0, f"{LINK}\n")
    assert "0tp" not in ran.err


@pytest.mark.parametrize("opens", [True, False])
def test_no_command_line_holds_a_link_into_an_org(
    acme: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, opens: bool
) -> None:
    """The browser gets a file that only we can read, which leads on and is gone afterwards."""
    pages: list[tuple[str, int, str]] = []

    def browse(address: str) -> bool:
        page = Path(address.removeprefix("file://"))
        pages.append((address, page.stat().st_mode & 0o777, page.read_text()))
        return opens

    monkeypatch.setattr(webbrowser, "open", browse)
    monkeypatch.setattr("meshmesh.cli.open.PAGE_SECONDS", 0.0)
    monkeypatch.delenv("MESHMESH_NO_BROWSER")
    monkeypatch.setenv("DISPLAY", ":0")
    ran = cli("open", "acme")
    address, mode, page = pages[0]

    assert (ran.code, ran.out) == (0, "" if opens else f"{LINK}\n")
    assert "0tp" not in address + ran.err
    assert mode == 0o600
    assert 'content="0; url=https://acme.my.salesforce.com/secur/frontdoor.jsp?otp=0tp&amp;cshc=x"' in page
    assert list((tmp_path / "runtime").iterdir()) == []


def test_two_names_are_one_too_many(acme: FarEnd, cli: Cli) -> None:
    """NAME and --target-org must agree."""
    ran = cli("open", "acme", "-o", "other")

    assert ran.code == 64
    assert acme.asked == []


def test_a_connection_without_the_scope_says_how_to_get_it(far_end: FarEnd, cli: Cli) -> None:
    """The refusal's own next step is what is printed, with 77."""
    step = {"label": "Connect once more", "command": "meshmesh connect acme-web --scope web", "url": None}
    refusal = problem(403, "scope_missing", "It has no scope 'web'.", next=step)
    far_end.on("POST /v1/connections/acme/open", refusal)
    ran = cli("open", "acme")

    assert (ran.code, ran.out) == (77, "")
    assert ran.err.splitlines()[-1] == "  Next: meshmesh connect acme-web --scope web"
