"""What a person reads of the activity: a table at 80 columns, lines of JSON, a verdict."""

import json
import time

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

Shape = dict[str, object]
EMPTY: Shape = {"activity": [], "next": None}


def row(seq: int, detail: str, **members: object) -> Shape:
    """A row of the API."""
    usual: Shape = {
        "seq": seq,
        "at": "2026-11-25T16:47:57.123Z",
        "actor": {"kind": "client", "id": "1f00", "name": "Claude Code"},
        "action": "token.given",
        "connection": "acme",
        "outcome": "done",
        "detail": detail,
        "hash": "ab" * 32,
    }
    return usual | members


OWNER = {"kind": "owner", "id": "owner", "name": "owner"}
GIVEN = row(1998, "Access token handed out.")
WRITTEN = row(
    1999,
    "POST /services/data/v66.0/sobjects/Account: Salesforce answered 400.",
    action="write.answered",
    outcome="failed",
)
DENIED = row(2000, "sneaky was turned away.", action="pairing.denied", connection=None, actor=OWNER)
LISTED: Shape = {"activity": [GIVEN, WRITTEN, DENIED], "next": None}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> None:
    """A terminal in Greenwich."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()


def test_the_activity_reads_as_a_table(far_end: FarEnd, cli: Cli) -> None:
    """The newest rows, newest last, 80 columns; what did not go well says so."""
    far_end.on("GET /v1/activity?last=50", reply(200, LISTED))
    ran = cli("activity")

    assert (ran.code, ran.err) == (0, "")
    assert ran.out.splitlines() == [
        "ROW   WHEN          WHO           CONNECTION    WHAT",
        "1998  25 Nov 16:47  Claude Code   acme          Access token handed out.",
        "1999  25 Nov 16:47  Claude Code   acme          failed: POST /services/data/v66.",
        "                                                0/sobjects/Account: Salesforce",
        "                                                answered 400.",
        "2000  25 Nov 16:47  owner                       sneaky was turned away.",
    ]
    assert max(map(len, ran.out.splitlines())) <= 80


def test_an_activity_without_rows_says_so(far_end: FarEnd, cli: Cli) -> None:
    """One sentence."""
    far_end.on("GET /v1/activity?last=50", reply(200, EMPTY))

    assert cli("activity").out == "Nothing has happened yet.\n"


def test_json_is_the_body_of_the_api(far_end: FarEnd, cli: Cli) -> None:
    """As it came."""
    far_end.on("GET /v1/activity?last=50", reply(200, LISTED))

    assert json.loads(cli("activity", "--json").out) == LISTED


def test_json_lines_are_every_row_in_order(far_end: FarEnd, cli: Cli) -> None:
    """Page after page to the end, one row a line."""
    far_end.on("GET /v1/activity?after=0&limit=1000", reply(200, {"activity": [GIVEN, WRITTEN], "next": 1999}))
    far_end.on("GET /v1/activity?after=1999&limit=1000", reply(200, {"activity": [DENIED], "next": None}))

    assert [json.loads(line) for line in cli("activity", "--json-lines").out.splitlines()] == [GIVEN, WRITTEN, DENIED]


def test_follow_shows_what_comes(far_end: FarEnd, cli: Cli) -> None:
    """The newest, then each page that the service had to wait for, until the service ends."""
    far_end.on("GET /v1/activity?last=50", reply(200, {"activity": [GIVEN], "next": None}))
    far_end.on("GET /v1/activity?after=1998&limit=1000", reply(200, EMPTY), reply(200, {"activity": [WRITTEN]}))
    far_end.on("GET /v1/activity?after=1999&limit=1000", problem(503, "vault_trouble", "It is stopping."))
    ran = cli("activity", "--follow")

    assert [line[:4].strip() for line in ran.out.splitlines()] == ["ROW", "1998", "1999", "", ""]
    assert ran.code == 75
    assert far_end.asked[-1].headers["prefer"] == "wait=25"


def test_a_whole_chain_is_said(far_end: FarEnd, cli: Cli) -> None:
    """The sentence of the service, exit 0."""
    verdict = {"whole": True, "rows": 3, "bad_row": None, "detail": "All 3 rows (1 to 3) are there."}
    far_end.on("GET /v1/activity/verify", reply(200, verdict))
    ran = cli("activity", "--verify")

    assert (ran.code, ran.out) == (0, "All 3 rows (1 to 3) are there.\n")
    assert json.loads(cli("activity", "--verify", "--json").out) == verdict


def test_a_broken_chain_needs_you(far_end: FarEnd, cli: Cli) -> None:
    """The sentence names the row; exit 77."""
    verdict = {"whole": False, "rows": 1, "bad_row": 2, "detail": "Row 2 was changed."}
    far_end.on("GET /v1/activity/verify", reply(200, verdict))
    ran = cli("activity", "--verify")

    assert (ran.code, ran.out) == (77, "Row 2 was changed.\n")


def test_an_unreadable_row_is_shown(far_end: FarEnd, cli: Cli) -> None:
    """Damage does not hide the rest."""
    broken = row(7, "This row was changed.", at=None, connection=None, outcome="failed", hash=None, actor=OWNER)
    far_end.on("GET /v1/activity?last=50", reply(200, {"activity": [broken, GIVEN], "next": None}))

    assert "failed: This row was changed." in cli("activity").out


def test_what_does_not_go_together_is_refused(far_end: FarEnd, cli: Cli) -> None:
    """--verify is no list, and a list without an end is no JSON document."""
    assert cli("activity", "--verify", "--follow").code == 64
    assert cli("activity", "--follow", "--json").code == 64
    assert far_end.calls() == []
