"""What Tab offers: commands, options, and the names that the service on this machine knows."""

import shutil
import subprocess
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

Tab = Callable[[str], list[str]]
GRANTS: list[object] = []


@pytest.fixture
def tab(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> Tab:
    """What is offered for the last word of a line."""

    def press(line: str) -> list[str]:
        monkeypatch.setenv("_MESHMESH_COMPLETE", "bash_complete")
        monkeypatch.setenv("COMP_WORDS", line)
        monkeypatch.setenv("COMP_CWORD", str(len(line.split(" ")) - 1))
        return [offered.partition(",")[2] for offered in cli().out.splitlines() if offered]

    return press


@pytest.fixture
def known(far_end: FarEnd) -> FarEnd:
    """A far end with two connections, three programs and two requests."""
    soon = (datetime.now(UTC) + timedelta(minutes=9)).strftime("%Y-%m-%dT%H:%M:%SZ")
    connections = [{"name": "acme-prod"}, {"name": "acme-uat"}]
    named = {"1f00": "nightly.py", "2f00": "Claude Code", "3f00": "$(reboot)", "4f00": "twin", "5f00": "twin"}
    clients = [{"id": identity, "name": name, "grants": GRANTS} for identity, name in named.items()]
    pairing = {"user_code": "BGSG-ZRJW", "client_name": "Claude\nCode", "expires_at": soon}
    far_end.on("GET /v1/connections", reply(200, {"connections": connections}))
    far_end.on("GET /v1/clients", reply(200, {"clients": clients}))
    far_end.on("GET /v1/pairings", reply(200, {"pairings": [pairing]}))
    far_end.on("GET /v1/access-requests", reply(200, {"access_requests": [{"id": "ask-77", "purpose": "leads"}]}))
    far_end.on("GET /v1/plans", reply(200, {"plans": [{"id": "pl_7Q2", "client": "Claude Code"}]}))
    return far_end


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(far_end: FarEnd, cli: Cli, shell: str) -> None:
    """Each shell gets a script that asks this program; nothing is asked of the service."""
    ran = cli("completion", shell)

    assert ran.code == 0
    assert f"_MESHMESH_COMPLETE={shell}_complete" in ran.out
    assert far_end.asked == []


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("meshmesh conn", ["connect", "connections"]),
        ("meshmesh connect --dom", ["--domain"]),
        ("meshmesh completion z", ["zsh"]),
        ("meshmesh token acme-", ["acme-prod", "acme-uat"]),
        ("meshmesh token -o acme-u", ["acme-uat"]),
        ("meshmesh exec acme-p", ["acme-prod"]),
        ("meshmesh open acme-u", ["acme-uat"]),
        ("meshmesh doctor acme-u", ["acme-uat"]),
        ("meshmesh revoke ", ["nightly.py", "2f00", "3f00", "4f00", "5f00"]),
        ("meshmesh mode nightly.py acme-p", ["acme-prod"]),
        ("meshmesh mode nightly.py acme-prod b", ["build"]),
        ("meshmesh approve bg", ["BGSG-ZRJW"]),
        ("meshmesh deny ask", ["ask-77"]),
        ("meshmesh plan approve pl", ["pl_7Q2"]),
        ("meshmesh client revoke nig", ["nightly.py"]),
        ("meshmesh help exi", ["exit-codes"]),
        ("meshmesh demo out", ["outage"]),
    ],
)
def test_a_line_is_completed(known: FarEnd, tab: Tab, line: str, offered: list[str]) -> None:
    """Names come from the service; a program's name is offered only where a shell takes it as one plain word."""
    assert tab(line) == offered


def test_trouble_offers_nothing_and_says_nothing(far_end: FarEnd, tab: Tab, monkeypatch: pytest.MonkeyPatch) -> None:
    """A locked vault, an answer that is none, and no service at all are no reason to write into somebody's line."""
    far_end.on("GET /v1/connections", problem(423, "vault_locked", "The vault is locked."))
    assert tab("meshmesh token a") == []
    far_end.on("GET /v1/connections", b"hello\r\n\r\n")
    assert tab("meshmesh token a") == []
    monkeypatch.setenv("MESHMESH_SOCKET", "/nowhere")
    assert tab("meshmesh token a") == []


def test_a_word_of_a_program_adds_no_line(known: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """fish shows what a program calls itself beside its code; a line break in it stays out of the shell's way."""
    monkeypatch.setenv("_MESHMESH_COMPLETE", "fish_complete")
    monkeypatch.setenv("COMP_WORDS", "meshmesh approve ")
    monkeypatch.setenv("COMP_CWORD", "")

    assert "BGSG-ZRJW" in cli().out
    assert "\nCode" not in cli().out


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_takes_the_script(cli: Cli) -> None:
    """A real bash sources it and knows the command then."""
    script = cli("completion", "bash").out
    line = f"{script}\ncomplete -p meshmesh"
    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, timeout=30, check=False)

    assert (ran.returncode, ran.stderr) == (0, "")
    assert "_meshmesh_completion" in ran.stdout
