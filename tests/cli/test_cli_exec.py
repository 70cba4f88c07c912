"""`meshmesh exec` and `env`: a connection lent to a process, and to nobody else."""

import json
import os
import signal
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest

from meshmesh.cli.execute import run_child
from meshmesh.cli.lending import child_environment
from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

DEMO = {"name": "demo", "kind": "demo", "org_id": "00D000000000001AAA", "broker_url": "http://localhost:1717/o/demo"}
ACME = {
    "name": "acme",
    "kind": "production",
    "org_id": "00D000000000002AAA",
    "broker_url": "http://localhost:1717/o/acme",
}
LENT = {
    "SF_TARGET_ORG": "00D000000000001AAA!mmp_t",
    "SF_ORG_INSTANCE_URL": "http://localhost:1717/o/demo",
    "MESHMESH_URL": "http://localhost:1717",
    "MESHMESH_TOKEN": "mmp_t",
    "MESHMESH_CONNECTION": "demo",
}
PRINT_ENVIRONMENT = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def lending(far_end: FarEnd) -> FarEnd:
    """A far end with two connections, that mints clients."""
    far_end.on("GET /v1/connections/demo", reply(200, DEMO))
    far_end.on("GET /v1/connections/acme", reply(200, ACME))
    far_end.on("POST /v1/clients", reply(201, {"id": "1f00", "access_token": "mmp_t", "grants": []}))
    far_end.on("DELETE /v1/clients/1f00", reply(204))
    return far_end


def test_a_command_gets_a_handle_and_no_token(lending: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variables of the contract, no proxy, no access token; the client ends with the command."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    ran = cli("exec", "demo", "--", sys.executable, "-c", PRINT_ENVIRONMENT)
    seen: dict[str, str] = json.loads(ran.out)

    assert {name: seen.get(name) for name in LENT} == LENT
    assert not [name for name in seen if name.lower() in {"https_proxy", "http_proxy"} or name.endswith("ACCESS_TOKEN")]
    assert lending.calls() == ["GET /v1/connections/demo", "POST /v1/clients", "DELETE /v1/clients/1f00"]


@pytest.mark.parametrize(
    ("arguments", "grant"),
    [
        ("demo", {"connection": "demo", "mode": "build", "raw_token": False}),
        ("acme", {"connection": "acme", "mode": "plan", "raw_token": False}),
        ("acme --mode read", {"connection": "acme", "mode": "read", "raw_token": False}),
        ("-o acme", {"connection": "acme", "mode": "plan", "raw_token": False}),
    ],
)
def test_the_mode_is_plan_but_on_the_demo(lending: FarEnd, cli: Cli, arguments: str, grant: dict[str, object]) -> None:
    """One grant, on one connection, for this process."""
    assert cli("exec", *arguments.split(), "--", "true").code == 0
    minted = next(one for one in lending.asked if one.target == "/v1/clients")
    assert minted.json == {
        "name": "true",
        "pid": os.getpid(),
        "descendants": True,
        "grants": [grant],
        "command_sha256": sha256(b"true").hexdigest(),
    }


def test_another_command_is_another_mark(lending: FarEnd, cli: Cli) -> None:
    """The mark is of the whole command line: another argument, or the same letters cut elsewhere, is another."""
    for command in (("true",), ("true", "a", "b"), ("true", "a b"), ("true", "a", "b")):
        assert cli("exec", "acme", "--", *command).code == 0
    marks = [one.json["command_sha256"] for one in lending.asked if one.target == "/v1/clients"]

    assert marks[1] == marks[3]
    assert len(set(marks)) == 3


def test_the_token_itself_is_asked_for_as_the_client(lending: FarEnd, cli: Cli) -> None:
    """`--token` needs build, and the token is fetched with the minted client's credential."""
    lending.on(
        "GET /v1/connections/acme/token", reply(200, {"access_token": "00D!real", "instance_url": "https://acme"})
    )
    ran = cli("exec", "acme", "--token", "--", sys.executable, "-c", PRINT_ENVIRONMENT)
    seen: dict[str, str] = json.loads(ran.out)

    assert seen["SF_ACCESS_TOKEN"] == seen["SALESFORCE_ACCESS_TOKEN"] == "00D!real"
    assert seen["SALESFORCE_INSTANCE_URL"] == "https://acme"
    asked = next(one for one in lending.asked if one.target.endswith("/token"))
    assert asked.headers["authorization"] == "Bearer mmp_t"


def test_everything_after_the_dashes_is_untouched(lending: FarEnd, cli: Cli) -> None:
    """Options of the command, `--json` and a second `--` among them, are the command's."""
    code = "import sys; print(sys.argv[1:])"
    ran = cli("exec", "demo", "--", sys.executable, "-c", code, "--json", "-o", "x", "--", "--help")

    assert ran.out == "['--json', '-o', 'x', '--', '--help']\n"


@pytest.mark.parametrize(
    "arguments", ["demo", "demo --", "", "demo true", "demo --mode write -- true", "demo --bad -- true"]
)
def test_its_own_usage_errors_are_125(lending: FarEnd, cli: Cli, arguments: str) -> None:
    """A mistake in the line itself cannot be taken for the command's exit code."""
    ran = cli("exec", *arguments.split())

    assert (ran.code, ran.err.count("\n")) == (125, 3)
    assert lending.asked == []


def test_its_own_failures_are_125(far_end: FarEnd, cli: Cli) -> None:
    """A refusal of the service is told in three lines and ends with 125; nothing is run."""
    far_end.on("GET /v1/connections/acme", problem(423, "vault_locked", "The vault is locked."))
    ran = cli("exec", "acme", "--", sys.executable, "-c", "print('ran')")

    assert (ran.code, ran.out, ran.err.count("\n")) == (125, "", 3)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (["sh", "-c", "exit 0"], 0), (["sh", "-c", "exit 77"], 77), (["sh", "-c", "kill -TERM $$"], 143), (["sh", "-c", "kill -KILL $$"], 137),
        (["no-such-program-here"], 127), (["/etc/passwd"], 126),
    ],
)  # fmt: skip
def test_it_exits_as_the_command_does(capfd: pytest.CaptureFixture[str], command: list[str], code: int) -> None:
    """Exit codes pass, a signal is 128 + N, what cannot be run is 126 or 127."""
    assert run_child(command, os.environ) == code
    capfd.readouterr()


def test_the_client_ends_though_the_command_failed(lending: FarEnd, cli: Cli) -> None:
    """Whatever the command does, its handle is taken back."""
    assert cli("exec", "demo", "--", "sh", "-c", "exit 3").code == 3
    assert lending.calls()[-1] == "DELETE /v1/clients/1f00"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_reach_the_command(lending: FarEnd, number: signal.Signals) -> None:
    """A signal to `meshmesh exec` is passed on; the command decides how it ends, and the handle is taken back."""
    script = f"trap 'echo caught; exit 9' {number.name.removeprefix('SIG')}; echo ready; while :; do sleep 0.05; done"
    program = str(Path(sys.executable).with_name("meshmesh"))
    process = subprocess.Popen([program, "exec", "demo", "--", "sh", "-c", script], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    with process.stdout as stdout:
        assert stdout.readline() == "ready\n"
        process.send_signal(number)
        assert stdout.readline() == "caught\n"
    assert process.wait(20) == 9
    assert lending.calls()[-1] == "DELETE /v1/clients/1f00"


def test_the_environment_is_otherwise_the_same() -> None:
    """Only proxies are taken out, only what is lent is put in."""
    environ = {"PATH": "/bin", "ALL_PROXY": "x", "NO_PROXY": "y"}

    assert child_environment(environ, {"A": "b"}) == {"PATH": "/bin", "NO_PROXY": "y", "A": "b"}


def test_env_prints_what_a_shell_can_read(lending: FarEnd, cli: Cli) -> None:
    """The exports are quoted, hold a handle and no token, and the grant has an end."""
    ran = cli("env", "demo", "--for", "15m")
    read = subprocess.run(
        ["bash", "-c", f"{ran.out}\nprintf '%s|' \"$SF_TARGET_ORG\" \"$MESHMESH_CONNECTION\""],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    minted = next(one for one in lending.asked if one.target == "/v1/clients")

    assert ran.code == 0
    assert read.stdout == f"{LENT['SF_TARGET_ORG']}|demo|"
    assert minted.json["grants"] == [{"connection": "demo", "mode": "build", "raw_token": False, "expires_in": 900}]
    assert "command_sha256" not in minted.json
