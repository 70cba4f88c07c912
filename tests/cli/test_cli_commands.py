"""What people type and what they read: golden transcripts at 80 columns, and refusals."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

import click
import pytest

from meshmesh.cli.program import TABLE, root, run
from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

TWO_HOURS_AGO = (datetime.now(UTC) - timedelta(hours=2, minutes=5)).strftime("%Y-%m-%dT%H:%M:%SZ")
RECONNECT = {"label": "Reconnect", "command": "meshmesh reconnect acme-prod", "url": "http://localhost:1717/r/1"}


def connection(name: str, **members: object) -> dict[str, object]:
    """A connection as the owner sees it."""
    usual: dict[str, object] = {
        "name": name,
        "status": "connected",
        "reason": None,
        "detail": None,
        "next": None,
        "kind": "sandbox",
        "org_id": "00D000000000001AAA",
        "username": f"ana@{name}.example.com",
        "broker_url": f"http://localhost:1717/o/{name}",
        "last_used_at": None,
        "last_used_by": None,
        "signed_in_at": TWO_HOURS_AGO,
    }
    return usual | members


ACME = connection("acme-uat", last_used_at=TWO_HOURS_AGO, last_used_by="Claude Code")
PRODUCTION = connection(
    "acme-prod",
    kind="production",
    status="needs_you",
    reason="idle_timeout",
    detail="Unused for 30 days, so Salesforce ended it.",
    next=RECONNECT,
    username="a.very.long.user.name.of.somebody@an-even-longer-domain.example.com",
)
TABLE_80 = [
    "NAME       ORG KIND    STATUS     LAST USED               USER",
    "acme-prod  PRODUCTION  needs you  never                   a.very.long.user.na...",
    "acme-uat   sandbox     connected  2 h ago by Claude Code  ana@acme-uat.exampl...",
]
LISTED = {"connections": [PRODUCTION, ACME], "next": None}


def test_connections_read_as_a_table(far_end: FarEnd, cli: Cli) -> None:
    """One line a connection, 80 columns, production in capitals, the reason below."""
    far_end.on("GET /v1/connections", reply(200, LISTED))
    ran = cli("connections")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [*TABLE_80, "", "acme-prod: Unused for 30 days, so Salesforce ended it."]


def test_no_argument_is_a_short_status(far_end: FarEnd, cli: Cli) -> None:
    """A line a connection; who needs you says how to mend it."""
    far_end.on("GET /v1/connections", reply(200, LISTED))

    assert cli().out.splitlines() == [
        "acme-prod  PRODUCTION  needs you  meshmesh reconnect acme-prod",
        "acme-uat   sandbox     connected  2 h ago by Claude Code",
    ]


def test_status_says_all(far_end: FarEnd, cli: Cli) -> None:
    """The service, the sentence, the table, the next step."""
    body = {
        "version": "1.2.3",
        "pid": 42,
        "port": 1717,
        "vault": "unlocked",
        "counts": {"connected": 1},
        "detail": "1 of 2 connections need you.",
    }
    far_end.on("GET /status", reply(200, body | LISTED | {"next": RECONNECT}))

    assert cli("status").out.splitlines() == [
        "MeshMesh 1.2.3 - http://localhost:1717 (pid 42) - vault unlocked",
        "1 of 2 connections need you.",
        "",
        *TABLE_80,
        "",
        "acme-prod: Unused for 30 days, so Salesforce ended it.",
        "",
        "Next: meshmesh reconnect acme-prod",
    ]


def test_clients_read_as_a_table(far_end: FarEnd, cli: Cli) -> None:
    """Name, what it may do, when it was used, its id; `client list` is the same."""
    grants = [
        {"connection": "acme", "mode": "plan", "raw_token": False},
        {"connection": "demo", "mode": "build", "raw_token": True},
    ]
    listed: list[dict[str, object]] = [
        {"id": "1f00", "name": "Claude Code", "grants": grants, "last_used_at": None},
        {"id": "2f00", "name": "idle", "grants": []},
    ]
    far_end.on("GET /v1/clients", reply(200, {"clients": listed, "next": None}))

    assert cli("clients").out.splitlines() == [
        "NAME         MAY                          LAST USED  ID",
        "Claude Code  acme:plan, demo:build:token  never      1f00",
        "idle         nothing                      never      2f00",
    ]
    assert cli("client", "list").out == cli("clients").out


def test_requests_tell_what_is_said_from_what_was_seen(far_end: FarEnd, cli: Cli) -> None:
    """The claimed name and the program that was seen stand in columns of their own."""
    soon = (datetime.now(UTC) + timedelta(minutes=9, seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    one = {
        "user_code": "BGSG-ZRJW",
        "client_name": "Claude Code",
        "wants": [{"connection": "acme", "mode": "read"}, {"connection": None, "mode": "plan"}],
        "seen": {"exe": "/usr/bin/node", "parent": "zsh", "uid": 1000, "origin": None},
        "expires_at": soon,
    }
    far_end.on("GET /v1/pairings", reply(200, {"pairings": [one], "next": None}))
    far_end.on("GET /v1/access-requests", reply(200, {"access_requests": [], "next": None}))

    assert cli("requests").out.splitlines() == [
        "CODE       SAYS IT IS   WANTS              SEEN                    LEFT",
        "BGSG-ZRJW  Claude Code  acme:read, ?:plan  /usr/bin/node from zsh  10 min",
    ]


@pytest.mark.parametrize(
    ("command", "call", "key", "words"),
    [
        ("connections", "GET /v1/connections", "connections", "No connection yet."),
        ("", "GET /v1/connections", "connections", "No connection yet."),
        ("clients", "GET /v1/clients", "clients", "No program is paired."),
    ],
)
def test_an_empty_list_is_a_sentence(
    far_end: FarEnd, cli: Cli, *, command: str, call: str, key: str, words: str
) -> None:
    """Nothing to list is said, with what to do, and is no failure."""
    far_end.on(call, reply(200, {key: [], "next": None}))
    ran = cli(*command.split())

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.startswith(words)


@pytest.mark.parametrize(
    ("command", "call", "body"),
    [
        ("status", "GET /status", {"version": "1", "extra": [1]}),
        ("connections", "GET /v1/connections", {"connections": [], "next": None}),
        ("clients", "GET /v1/clients", {"clients": [], "next": None}),
        ("test acme", "POST /v1/connections/acme/test", {"name": "acme", "status": "connected"}),
        ("token acme", "GET /v1/connections/acme/token", {"access_token": "x"}),
    ],
)
def test_json_is_the_body_of_the_api(
    far_end: FarEnd, cli: Cli, command: str, call: str, body: dict[str, object]
) -> None:
    """`--json` prints what the API answered, and nothing else."""
    far_end.on(call, reply(200, body))
    ran = cli(*command.split(), "--json")

    assert (ran.code, ran.err) == (0, "")
    assert json.loads(ran.out) == body


def test_a_refusal_under_json_is_the_problem_document(far_end: FarEnd, cli: Cli) -> None:
    """A script that asked for JSON gets the document on stderr, and stdout stays empty."""
    far_end.on("GET /v1/connections", problem(423, "vault_locked", "The vault is locked."))
    ran = cli("connections", "--json")

    assert (ran.code, ran.out) == (75, "")
    assert json.loads(ran.err)["code"] == "vault_locked"


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ("conect", "meshmesh: There is no command 'conect'. Did you mean 'connect'?"),
        ("connect --sandbx", "meshmesh connect: No such option '--sandbx'. Did you mean '--sandbox'?"),
        ("connect --demo --sandbox", "meshmesh connect: Give one of --demo, --sandbox and --domain."),
        ("connect a -a b", "meshmesh connect: NAME is 'a' and --alias is 'b': give one of them."),
        ("connect --client-credentials", "meshmesh connect: --client-credentials needs --client-id."),
        ("token", "meshmesh token: Missing NAME of a connection."),
        ("test a -o b", "meshmesh test: NAME is 'a' and --target-org is 'b': give one of them."),
        ("token a --min-ttl -1", "meshmesh token: Invalid value for '--min-ttl'"),
        ("mode x acme write", "meshmesh mode: Invalid value for"),
        ("mode x acme plan --for soon", "meshmesh mode: Invalid value for '--for': 'soon' is not a length of time such as 15m, 2h or 7d."),
        ("approve ABCD --grant acme", "meshmesh approve: Invalid value for '--grant': 'acme' is not NAME:MODE or NAME:MODE:token"),
        ("approve ABCD --grant a:read:token", "meshmesh approve: Invalid value for '--grant': 'a:read:token': the token itself needs"),
        ("env", "meshmesh env: Missing NAME of a connection."),
        ("completion tcsh", "meshmesh completion: Invalid value for"),
    ],
)  # fmt: skip
def test_a_mistyped_command_is_three_lines(far_end: FarEnd, cli: Cli, arguments: str, line: str) -> None:
    """Usage is refused with 64: what is wrong, how it is typed, where the help is; nothing is asked of the service."""
    ran = cli(*arguments.split())
    path = f"meshmesh {arguments.split(maxsplit=1)[0]}" if "conect" not in arguments else "meshmesh"
    what, usage, step = ran.err.splitlines()

    assert (ran.code, ran.out) == (64, "")
    assert what.startswith(line)
    assert usage.startswith(f"  Usage: {path} [OPTIONS]")
    assert step == f"  Next: {path} --help"
    assert far_end.asked == []


def test_help_needs_no_service_and_imports_no_command(far_end: FarEnd, cli: Cli) -> None:
    """The help of the whole names every command, fits 80 columns and reads from a table."""
    ran = cli("--help")

    assert ran.code == 0
    assert all(f"  {name} " in ran.out for name in TABLE)
    assert max(len(line) for line in ran.out.splitlines()) <= 80
    assert far_end.asked == []


@pytest.mark.parametrize("name", TABLE)
def test_every_command_of_the_table_is_there(name: str) -> None:
    """The table leads to a command, whose own help says the same and fits 80 columns."""
    context = click.Context(root, info_name="meshmesh")
    command = root.get_command(context, name)

    assert command is not None
    assert command.name == name
    text = command.get_help(click.Context(command, parent=context, info_name=name, max_content_width=80))
    assert max(len(line) for line in text.splitlines()) <= 80


def test_disconnect_asks_and_names_the_flag(far_end: FarEnd, cli: Cli) -> None:
    """Where nobody can be asked it refuses with 64 and `--yes`; with `--yes` it goes on; the demo org asks for none."""
    far_end.on("GET /v1/connections/acme", reply(200, ACME))
    far_end.on("GET /v1/connections/demo", reply(200, connection("demo", kind="demo")))
    far_end.on("DELETE /v1/connections/acme", reply(200, {"revoked": True, "detail": "Done."}))
    far_end.on("DELETE /v1/connections/demo", reply(200, {"revoked": False, "detail": "It was out."}))
    refused = cli("disconnect", "acme")

    assert refused.code == 64
    assert "--yes" in refused.err
    assert "DELETE /v1/connections/acme" not in far_end.calls()
    assert cli("disconnect", "acme", "--yes").err == "acme is gone: revoked at Salesforce. Done.\n"
    assert cli("disconnect", "-o", "demo").err == "demo is gone: not revoked at Salesforce. It was out.\n"


@pytest.mark.parametrize(("status", "code"), [("connected", 0), ("needs_you", 77), ("blocked", 77), ("offline", 75)])
def test_a_test_ends_with_what_it_found(far_end: FarEnd, cli: Cli, status: str, code: int) -> None:
    """The exit code tells well from needing you and from trouble."""
    found = connection("acme", status=status, detail="A sentence.", next=RECONNECT)
    far_end.on("POST /v1/connections/acme/test", reply(200, found))
    ran = cli("test", "acme")

    assert ran.code == code
    assert ran.out.splitlines()[0] == f"acme  sandbox  {status.replace('_', ' ')}"


def test_mode_keeps_the_other_grants(far_end: FarEnd, cli: Cli) -> None:
    """One grant changes; the others stay with their ends; the real token goes with Build alone."""
    ends = (datetime.now(UTC) + timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    grants = [
        {"connection": "acme", "mode": "build", "raw_token": True, "expires_at": None},
        {"connection": "demo", "mode": "read", "raw_token": False, "expires_at": ends},
    ]
    client = {"id": "1f00", "name": "tool", "grants": grants}
    far_end.on("GET /v1/clients", reply(200, {"clients": [client]}))
    far_end.on("PATCH /v1/clients/1f00", reply(200, client))
    ran = cli("mode", "tool", "acme", "plan", "--for", "30m")
    sent = cast("list[dict[str, int]]", far_end.asked[-1].json["grants"])

    assert ran.code == 0
    assert sent[1] == {"connection": "acme", "mode": "plan", "raw_token": False, "expires_in": 1800}
    assert 3500 < sent[0].pop("expires_in") <= 3600
    assert sent[0] == {"connection": "demo", "mode": "read", "raw_token": False}


def test_a_client_is_found_by_id_or_by_a_name_of_its_own(far_end: FarEnd, cli: Cli) -> None:
    """Two programs of one name: the ids are named (64); nobody of that name: 66."""
    clients: list[dict[str, object]] = [{"id": one, "name": "tool", "grants": []} for one in ("1f00", "2f00")]
    far_end.on("GET /v1/clients", reply(200, {"clients": clients}))
    far_end.on("DELETE /v1/clients/2f00", reply(204))
    twice = cli("revoke", "tool")

    assert (twice.code, "1f00, 2f00" in twice.err) == (64, True)
    assert cli("client", "revoke", "2f00").code == 0
    assert cli("revoke", "other").code == 66


@pytest.mark.parametrize(
    ("arguments", "call", "body"),
    [
        ("expire", "expire-session", {}),
        ("revoke", "revoke", {}),
        ("reset", "reset", {}),
        ("outage", "outage", {"kind": "5xx", "seconds": 30}),
        ("outage hang --for 2m", "outage", {"kind": "hang", "seconds": 120}),
    ],
)
def test_the_levers_of_the_demo_org(
    far_end: FarEnd, cli: Cli, arguments: str, call: str, body: dict[str, object]
) -> None:
    """Each lever is one call."""
    far_end.on(f"POST /v1/demo/{call}", reply(200, {}))

    assert cli("demo", *arguments.split()).code == 0
    assert far_end.asked[0].json == body


def test_a_closed_pipe_is_no_bug(far_end: FarEnd) -> None:
    """`meshmesh ... | head -0` ends as other programs do, without a traceback."""
    many = [connection(f"org-{number}") for number in range(3000)]
    far_end.on("GET /v1/connections", reply(200, {"connections": many}))
    program = Path(sys.executable).with_name("meshmesh")
    line = f"{program} connections | head -1; exit ${{PIPESTATUS[0]}}"
    ran = subprocess.run(["bash", "-c", line], env=os.environ, capture_output=True, text=True, timeout=30, check=False)

    assert (ran.returncode, ran.stderr) == (141, "")


def test_a_bug_of_ours_has_a_code_of_its_own(far_end: FarEnd, capfd: pytest.CaptureFixture[str]) -> None:
    """What nobody foresaw ends with 70 and the way to report it, after its traceback."""
    code = run([cast("str", 5)])
    said = capfd.readouterr().err

    assert code == 70
    assert "Traceback" in said
    assert "Report it" in said.splitlines()[-1]


READING = (
    "status", "connections", "test", "token", "requests", "clients", "client list", "client refusals", "plans", "plan show",
    "activity", "doctor", "import-sf", "service status", "key",
)  # fmt: skip
ABOUT_A_CONNECTION = ("open", "reconnect", "disconnect", "test", "token", "env", "exec", "doctor")


def options_of(path: str) -> set[str]:
    """The options of a command, by its path."""
    context = click.Context(root, info_name="meshmesh")
    command: click.Command = root
    for word in path.split():
        assert isinstance(command, click.Group)
        found = command.get_command(context, word)
        assert found is not None, path
        command = found
    return {option for parameter in command.params if isinstance(parameter, click.Option) for option in parameter.opts}


@pytest.mark.parametrize("path", READING)
def test_every_reading_command_has_json(path: str) -> None:
    """A script never has to parse a table."""
    assert "--json" in options_of(path)


@pytest.mark.parametrize("path", ABOUT_A_CONNECTION)
def test_the_habits_of_sf_are_understood(path: str) -> None:
    """Whoever types `-o` for an org out of habit is understood."""
    assert {"-o", "--target-org"} <= options_of(path)
    assert {"-a", "--alias", "-r", "--instance-url"} <= options_of("connect")
