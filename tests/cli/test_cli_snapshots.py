"""What people read, whole, at 80 columns: each case is a file under `snapshots/`, compared exactly.

After a change that is meant: RENEW_SNAPSHOTS=1 pytest tests/cli/test_cli_snapshots.py, and read the difference.
"""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

SNAPSHOTS = Path(__file__).parent / "snapshots"
LONG_AGO = "2025-01-19T08:00:00Z"
Json = dict[str, object]
Answers = Mapping[str, Json | bytes]


def at(**past: float) -> str:
    """A place for a time of the API, so long before the test; negative is after it."""
    return f"{timedelta(**past, seconds=30).total_seconds():.0f} s ago"


def teach(far_end: FarEnd, answers: Answers) -> None:
    """Have the far end answer, with times that are right now."""

    def moment(ago: re.Match[str]) -> str:
        return (datetime.now(UTC) - timedelta(seconds=int(ago[1]))).strftime("%Y-%m-%dT%H:%M:%SZ")

    for call, body in answers.items():
        raw = (
            body
            if isinstance(body, bytes)
            else reply(200, json.loads(re.sub(r"(-?\d+) s ago", moment, json.dumps(body))))
        )
        far_end.on(call, raw)


def connection(name: str, kind: str, **members: object) -> Json:
    """A connection as the owner sees it."""
    usual: Json = {
        "name": name, "kind": kind, "status": "connected", "reason": None, "detail": None, "next": None,
        "username": f"ana@{name}.example.com", "signed_in_at": at(hours=2), "last_used_at": None, "last_used_by": None,
    }  # fmt: skip
    return usual | members


RECONNECT = {"label": "Reconnect", "command": "meshmesh reconnect acme-prod", "url": "http://localhost:1717/r/c1"}
PROD = connection(
    "acme-prod", "production", status="needs_you", reason="idle_timeout", next=RECONNECT,
    detail="Nobody used it for 30 days, so Salesforce ended the sign-in.", last_used_at=LONG_AGO, last_used_by="nightly.py",
)  # fmt: skip
UAT = connection("acme-uat", "sandbox", last_used_at=at(minutes=2), last_used_by="Claude Code")
BETA = connection(
    "beta-dev", "developer", last_used_at=at(days=1, hours=2), last_used_by="\u55b6\u696d\u30c4\u30fc\u30eb"
)
LISTED: Json = {"connections": [PROD, UAT, BETA, connection("demo", "demo")], "next": None}
STATUS: Json = LISTED | {
    "version": "1.2.3", "pid": 4711, "port": 1717, "vault": "unlocked", "counts": {"connected": 3, "needs_you": 1},
    "detail": "1 of 4 connections needs you.", "next": RECONNECT, "key": "keyring",
}  # fmt: skip
GRANTS = [{"connection": "acme-uat", "mode": "plan", "raw_token": False, "expires_at": None}]
CLIENTS: Json = {
    "clients": [
        {"id": "1f00c0de1f00c0de", "name": "Claude Code", "grants": GRANTS, "last_used_at": at(minutes=2)},
        {"id": "2f00c0de2f00c0de", "name": "nightly.py", "grants": [], "last_used_at": LONG_AGO},
    ]
}
PAIRINGS: Json = {
    "pairings": [
        {
            "user_code": "BGSG-ZRJW", "client_name": "Claude Code", "wants": [{"connection": "acme-uat", "mode": "plan"}],
            "seen": {"exe": "/usr/bin/node", "parent": "zsh", "origin": None}, "expires_at": at(minutes=-9),
        }
    ]
}  # fmt: skip
ACCESS: Json = {
    "access_requests": [
        {
            "id": "ask-3J8vQ2", "client": "Claude Code", "mode": "read", "raw_token": False, "expires_at": at(minutes=-14),
            "purpose": "Look up which leads came from the fair",
        }
    ]
}  # fmt: skip
LEAD = {"record": "Lead 00Q5g00000AbCdE", "field": "Status", "before": "Open", "after": "Closed"}
ITEMS = [
    {
        "id": f"item-{number}", "summary": f"Update Lead 00Q5g00000AbCd{number}", "status": "held", "note": None,
        "result": None, "changes": [LEAD, LEAD | {"field": "Company", "before": "Caf\u00e9 & Co", "after": "Caf\u00e9 " * 20}],
    }
    for number in (1, 2)
]  # fmt: skip
PLAN: Json = {
    "id": "pl_7Q2", "client": "Claude Code", "connection": "acme-uat", "status": "held", "reason": "Clean up the leads",
    "rejection": None, "expires_at": at(minutes=-12), "can_be_approved": True, "can_be_undone": False, "items": ITEMS,
}  # fmt: skip
EVIDENCE = ["The org's host answers; it offers API version 66.0.", "Salesforce ended the sign-in: it was not used."]
SICK: Json = {
    "verdict": "session_expired", "evidence": EVIDENCE, "message_for_admin": None, "next": RECONNECT | {"label": "Sign in"},
}  # fmt: skip
REFUSED = problem(409, "reconnect_required", "acme-prod needs you. Nobody used it for 30 days.", next=RECONNECT)
BAD = problem(422, "bad_field", "scopes[0]: Salesforce has no scope of this name. Did you mean 'web'?", errors=[])

CASES: dict[str, tuple[str, Answers]] = {
    "help": ("--help", {}),
    "help-connect": ("help connect", {}),
    "help-exit-codes": ("help exit-codes", {}),
    "help-environment": ("help environment", {}),
    "short": ("", {"GET /v1/connections": LISTED}),
    "short-empty": ("", {"GET /v1/connections": {"connections": []}}),
    "status": ("status", {"GET /status": STATUS}),
    "connections": ("connections", {"GET /v1/connections": LISTED}),
    "test": ("test acme-prod", {"POST /v1/connections/acme-prod/test": PROD}),
    "doctor-connection": ("doctor acme-prod", {"POST /v1/connections/acme-prod/diagnose": SICK}),
    "clients": ("clients", {"GET /v1/clients": CLIENTS}),
    "requests": (
        "requests",
        {"GET /v1/pairings": PAIRINGS, "GET /v1/access-requests": ACCESS},
    ),
    "plans": ("plans", {"GET /v1/plans?show=open": {"plans": [PLAN], "next": None}}),
    "plan-show": ("plan show pl_7Q2", {"GET /v1/plans/pl_7Q2": PLAN}),
    "refused": ("token -o acme-prod", {"GET /v1/connections/acme-prod/token": REFUSED}),
    "bad-field": ("connect x --scope wep", {"POST /v1/connections": BAD}),
    "not-there": ("test nowhere", {}),
    "usage": ("connect --sandbx", {}),
}


def transcript(ran_code: int, out: str, err: str) -> str:
    """A run as a file keeps it: what came on stdout, what on stderr, and the exit code."""
    talk = "".join(f"2> {line}\n" for line in err.splitlines())
    return f"{out}{talk}exit {int(ran_code)}\n"


@pytest.mark.parametrize("name", CASES)
def test_a_command_prints_what_it_printed(far_end: FarEnd, cli: Cli, name: str) -> None:
    """To the letter, within 80 columns but for sentences on stderr and in full names."""
    command, answers = CASES[name]
    teach(far_end, answers)
    ran = cli(*command.split())
    found = transcript(ran.code, ran.out, ran.err)
    path = SNAPSHOTS / f"{name}.txt"
    if os.environ.get("RENEW_SNAPSHOTS"):
        path.write_text(found)

    assert found == path.read_text()


def test_no_snapshot_is_left_over() -> None:
    """Each file belongs to a case."""
    assert {path.stem for path in SNAPSHOTS.iterdir()} == set(CASES)


@pytest.mark.parametrize("no_color", ["", "1"])
def test_a_terminal_gets_the_same_as_a_pipe(far_end: FarEnd, no_color: str) -> None:
    """On a terminal of 80 columns the bytes are those of the snapshot: no colour that a word does not say."""
    teach(far_end, {"GET /status": STATUS})
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    environ = {name: value for name, value in os.environ.items() if name not in {"COLUMNS", "NO_COLOR"}}
    program = str(Path(sys.executable).with_name("meshmesh"))
    try:
        environ |= {"TERM": "xterm-256color"} | ({"NO_COLOR": no_color} if no_color else {})
        subprocess.run(
            [program, "status"], env=environ, stdin=theirs, stdout=theirs, stderr=theirs, timeout=30, check=True
        )
        shown = os.read(ours, 65536).decode().replace("\r\n", "\n")
    finally:
        os.close(ours)
        os.close(theirs)

    assert transcript(0, shown, "") == (SNAPSHOTS / "status.txt").read_text()


@pytest.mark.parametrize(
    "name", ["status", "connections", "clients", "requests", "plans", "plan-show", "test", "doctor-connection"]
)
def test_what_reads_has_json(far_end: FarEnd, cli: Cli, name: str) -> None:
    """Every reading command prints the API's body with `--json`, and nothing else."""
    command, answers = CASES[name]
    teach(far_end, answers)
    ran = cli(*command.split(), "--json")

    assert ran.err == ""
    assert isinstance(json.loads(ran.out), dict)
