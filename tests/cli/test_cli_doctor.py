"""`meshmesh doctor`: transcripts of every verdict against a table, and the look at an installation in a folder."""

import fcntl
import json
import os
import socket
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmesh.cli.doctor import VERDICTS
from support.command_line import Cli
from support.far_end import FarEnd, problem, reply
from support.service import Service

ENDPOINT = '{"pid": 4194304, "port": 1717, "socket": "/gone", "version": "0"}'


def diagnosis(verdict: str, **members: object) -> dict[str, object]:
    """An answer of the API."""
    return {"verdict": verdict, "evidence": ["It was looked at."], "message_for_admin": None, "next": None} | members


TRANSCRIPT = """\
acme: Access Denied

  - You are signed in.
  - The API is closed.

Message for your admin, to copy:
----------------------------------------------------------------------------
Hi, please.

User: ada@acme.example
----------------------------------------------------------------------------

Next: Send the message: meshmesh test acme
"""


def test_a_diagnosis_reads_as_verdict_evidence_message_and_step(far_end: FarEnd, cli: Cli) -> None:
    """The verdict in words, the evidence as a list, the message in a block to copy, the next step last."""
    body = diagnosis(
        "access_denied",
        evidence=["You are signed in.", "The API is closed."],
        message_for_admin="Hi, please.\n\nUser: ada@acme.example",
        next={"label": "Send the message", "command": "meshmesh test acme", "url": None},
    )
    far_end.on("POST /v1/connections/acme/diagnose", reply(200, body))
    ran = cli("doctor", "acme")

    assert (ran.code, ran.out, ran.err) == (77, TRANSCRIPT, "")


@pytest.mark.parametrize(
    ("verdict", "code"),
    [
        ("ok", 0),
        ("access_denied", 77),
        ("session_expired", 77),
        ("feature_missing", 77),
        ("license_missing", 77),
        ("app", 77),
        ("limit", 75),
        ("org", 75),
        ("network", 75),
    ],
)
def test_each_verdict_has_words_and_an_exit_code(far_end: FarEnd, cli: Cli, verdict: str, code: int) -> None:
    """0 for ok, 77 where a person or an admin is needed, 75 where time mends it; `--json` prints the body."""
    body = diagnosis(verdict)
    far_end.on("POST /v1/connections/acme/diagnose", reply(200, body))
    told = cli("doctor", "-o", "acme")
    data = cli("doctor", "acme", "--json")

    assert told.code == data.code == code
    assert told.out.startswith(f"acme: {VERDICTS[verdict][0]}\n")
    assert json.loads(data.out) == body


def test_a_verdict_of_a_later_version_is_not_guessed(far_end: FarEnd, cli: Cli) -> None:
    """An unknown verdict is an answer that cannot be read (exit 76)."""
    far_end.on("POST /v1/connections/acme/diagnose", reply(200, diagnosis("cosmic")))

    assert cli("doctor", "acme").code == 76


def test_what_a_tool_printed_is_sent_along_in_one_line(far_end: FarEnd, cli: Cli) -> None:
    """Salesforce's messages have line breaks, which the API does not take."""
    far_end.on("POST /v1/connections/acme/diagnose", reply(200, diagnosis("ok")))
    cli("doctor", "acme", "--error", "INVALID_FIELD:\n  No such column\t'X'")

    assert far_end.asked[0].json == {"error": "INVALID_FIELD: No such column 'X'"}


def test_a_connection_that_is_not_there_is_66(far_end: FarEnd, cli: Cli) -> None:
    """The refusal reads like every other command's."""
    far_end.on("POST /v1/connections/acme/diagnose", problem(404, "not_found", "There is no connection 'acme' here."))
    ran = cli("doctor", "acme")

    assert (ran.code, ran.out) == (66, "")
    assert "Could not diagnose 'acme'." in ran.err


@pytest.mark.parametrize("arguments", [["--error", "X"], ["a", "-o", "b"]])
def test_what_cannot_be_meant_is_a_usage_error(far_end: FarEnd, cli: Cli, arguments: list[str]) -> None:
    """An error without a connection, two names: exit 64, and nothing is asked."""
    assert cli("doctor", *arguments).code == 64
    assert far_end.asked == []


# --- The installation ----------------------------------------------------------------------------------------------


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation of its own, as a stopped service leaves it, below the person's home folder."""
    for name in ("MESHMESH_URL", "MESHMESH_TOKEN", "MESHMESH_SOCKET", "DISPLAY", "WAYLAND_DISPLAY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "ana" / "mesh"
    for name in ("config", "data", "state", "runtime"):
        (home / name).mkdir(parents=True, mode=0o700)
    private(home / "config" / "master.key", "secret-of-the-vault")
    private(home / "data" / "vault.db", "")
    private(home / "runtime" / "meshmesh.lock", "4194304\n")
    monkeypatch.setenv("MESHMESH_HOME", str(home))
    monkeypatch.setenv("HOME", str(tmp_path / "ana"))
    monkeypatch.setenv("MESHMESH_PORT", "0")
    return home


def private(path: Path, content: str) -> None:
    """A 0600 file."""
    path.write_text(content)
    path.chmod(0o600)


def mode(path: Path) -> str:
    """The mode of a path."""
    return f"{stat.S_IMODE(path.lstat().st_mode):04o}"


def checked(cli: Cli, *arguments: str) -> dict[str, tuple[str, str]]:
    """Level and detail by name, out of the JSON; of several of one name the last."""
    document = json.loads(cli("doctor", "--json", *arguments).out)
    return {check["name"]: (check["level"], check["detail"]) for check in document["checks"]}


def test_an_installation_that_does_not_run_is_told(home: Path, cli: Cli) -> None:
    """Every part has a line; the person's name is not in it, nor is the key; a stopped service is no failure."""
    ran = cli("doctor")
    found = checked(cli)

    assert ran.code == 0
    assert "~/mesh/config (0700)" in ran.out
    assert "ana" not in ran.out.replace("meshmesh", "")
    assert "secret-of-the-vault" not in ran.out
    assert found["service"] == ("warn", "It does not run.")
    assert found["vault"] == ("ok", "there; only the service can open it")
    assert found["key"][1].startswith("a key file, ~/mesh/config/master.key")
    assert set(found) >= {"versions", "port", "ipv6", "browser", "notifications", "network", "runtime"}


def test_modes_that_are_open_are_told_and_mended(home: Path, cli: Cli) -> None:
    """`doctor` says what others can read, exit 78; `--fix` closes it and says so; then all is well."""
    (home / "data").chmod(0o755)
    (home / "config" / "master.key").chmod(0o644)
    before = cli("doctor")
    mended = cli("doctor", "--fix")

    assert before.code == 78
    assert "~/mesh/config/master.key is open to others (0644)." in before.out
    assert mended.code == 0
    assert " fixed  ~/mesh/data is closed to others now (0700)." in mended.out
    assert (mode(home / "data"), mode(home / "config" / "master.key")) == ("0700", "0600")
    assert "fixed" not in cli("doctor", "--fix").out


def test_a_link_is_told_and_left_alone(home: Path, tmp_path: Path, cli: Cli) -> None:
    """What a link leads to is not ours to change."""
    target = tmp_path / "elsewhere"
    target.write_text("x")
    target.chmod(0o644)
    (home / "config" / "config.toml").symlink_to(target)
    ran = cli("doctor", "--fix")

    assert ran.code == 78
    assert "config.toml is a link." in ran.out
    assert mode(target) == "0644"


def leave_behind(home: Path) -> tuple[Path, Path]:
    """The socket and `endpoint.json` of a service that was killed."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(str(home / "runtime" / "meshmesh.sock"))
    private(home / "runtime" / "endpoint.json", ENDPOINT)
    return home / "runtime" / "meshmesh.sock", home / "runtime" / "endpoint.json"


def test_what_a_dead_service_left_is_removed(home: Path, cli: Cli) -> None:
    """The socket and endpoint.json of a service that is gone go too, and only with `--fix`."""
    left = leave_behind(home)

    assert checked(cli)["service"] == ("warn", "It does not run, and left its socket or endpoint.json behind.")
    assert all(path.exists() for path in left)
    assert "is removed" in cli("doctor", "--fix").out
    assert not any(path.exists() for path in left)


def test_a_service_that_hangs_loses_nothing(home: Path, cli: Cli) -> None:
    """Whoever holds the lock lives, whether it answers or not: nothing is removed."""
    left = leave_behind(home)
    with (home / "runtime" / "meshmesh.lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        ran = cli("doctor", "--fix")

    assert ran.code == 78
    assert "It runs, and does not answer." in ran.out
    assert all(path.exists() for path in left)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A program of ours on a port."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def test_who_holds_the_port_is_named(
    home: Path, cli: Cli, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port in other hands is a failure with the program's name and pid; a free one is fine."""
    port = listener.getsockname()[1]
    monkeypatch.setenv("MESHMESH_PORT", str(port))
    level, held = checked(cli)["port"]
    listener.close()

    assert (level, f"{port} is held by" in held, f"(pid {os.getpid()})" in held) == ("fail", True, True)
    assert checked(cli)["port"] == ("ok", f"{port} is free")


def test_the_port_of_the_settings_is_looked_at(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the variable config.toml says which port; settings that do not parse count for nothing."""
    monkeypatch.delenv("MESHMESH_PORT")
    private(home / "config" / "config.toml", "port = 0\n")
    assert checked(cli)["port"] == ("ok", "any free one (MESHMESH_PORT=0)")
    private(home / "config" / "config.toml", "port = = 0\n")

    assert "1717" in checked(cli)["port"][1]


def test_a_proxy_is_named_without_its_password(home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the variable's name is told: its value may hold a password."""
    monkeypatch.setenv("HTTPS_PROXY", "http://ana:hunter2@proxy.example:3128")
    ran = cli("doctor")

    assert "HTTPS_PROXY" in ran.out
    assert "hunter2" not in ran.out + cli("doctor", "--json").out


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        (
            {"MESHMESH_NO_BROWSER": "1"},
            ("ok", "none is opened (MESHMESH_NO_BROWSER is set): addresses are printed"),
        ),
        ({"PATH": "/nowhere", "DISPLAY": ":1"}, ("warn", "none can be opened: xdg-open is missing")),
        ({"PATH": "/nowhere"}, ("warn", "none can be opened: there is no screen")),
    ],
)
def test_the_browser(
    home: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: tuple[str, str]
) -> None:
    """Whether a sign-in can open by itself."""
    monkeypatch.delenv("MESHMESH_NO_BROWSER", raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)

    assert checked(cli)["browser"] == expected


@pytest.fixture
def answering(far_end: FarEnd, home: Path, monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    """A service of a table that answers for the installation; requested in this order, since both set the place."""
    monkeypatch.setenv("MESHMESH_SOCKET", str(far_end.path))
    return far_end


def test_a_service_in_trouble_is_told_with_its_step(answering: FarEnd, cli: Cli) -> None:
    """What the service says of its vault, and how many connections need somebody, come with what to do."""
    body = {
        "version": "0.1.0",
        "pid": os.getpid(),
        "port": answering.port,
        "vault": "trouble",
        "counts": {"connected": 2, "needs_you": 1, "blocked": 0},
        "detail": f"The key file {Path.home()}/mesh/config/master.key does not hold a key.",
        "next": {"label": "Put back the right file.", "command": None, "url": None},
    }
    answering.on("GET /status", reply(200, body))
    ran = cli("doctor")
    found = checked(cli)

    assert ran.code == 78
    assert found["vault"] == ("fail", "The key file ~/mesh/config/master.key does not hold a key.")
    assert "-> Put back the right file." in ran.out
    assert found["connections"] == ("warn", "2 connected, 1 needs you")
    assert found["port"] == ("ok", f"{answering.port} is ours")


def test_an_installation_that_was_never_started_is_well(
    tmp_path: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking makes nothing: folders that are not there yet stay so, also with `--fix`."""
    monkeypatch.setenv("MESHMESH_HOME", str(tmp_path / "new"))
    monkeypatch.setenv("MESHMESH_PORT", "0")
    ran = cli("doctor", "--fix")
    found = checked(cli)

    assert ran.code == 0
    assert found["data"][1].endswith("(not there yet)")
    assert found["vault"] == ("ok", "none yet")
    assert found["key"] == ("ok", "none yet; the service makes one when it makes the vault")
    assert not (tmp_path / "new").exists()


def test_mending_and_a_connection_go_together(answering: FarEnd, home: Path, cli: Cli) -> None:
    """With NAME, `--fix` mends first and says so on stderr; stdout is the diagnosis."""
    answering.on("POST /v1/connections/acme/diagnose", reply(200, diagnosis("ok")))
    (home / "data").chmod(0o755)
    ran = cli("doctor", "acme", "--fix")

    assert ran.code == 0
    assert answering.path.exists()  # it is listened at, though nobody holds this home's lock
    assert ran.err == "fixed: ~/mesh/data is closed to others now (0700).\n"
    assert ran.out.startswith("acme: All is well\n")


def test_a_running_installation_is_told_without_names(service: Service) -> None:
    """Pid, port, vault and counts of the service; the connections' names only with `--names`."""
    ran = service.cli("doctor")
    document = json.loads(service.cli("doctor", "--json", "--names").stdout)
    found = {check["name"]: (check["level"], check["detail"]) for check in document["checks"]}

    assert ran.returncode == 0
    assert "demo" not in ran.stdout
    assert found["port"] == ("ok", f"{service.port} is ours")
    assert found["vault"] == ("ok", "unlocked")
    assert found["connections"] == ("ok", "1 connected")
    assert f"(pid {service.process.pid})" in found["service"][1]
    assert document["names"] == ["demo: connected"]
    assert "demo: connected" in service.cli("doctor", "--names").stdout
