"""Who asks, and deciding on what a paired program asks for."""

import json
from datetime import UTC, datetime, timedelta

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, reply
from support.service import Service

PAIRINGS, ACCESS = "GET /v1/pairings", "GET /v1/access-requests"
NOTHING: dict[str, object] = {"pairings": [], "next": None}
NO_ACCESS: dict[str, object] = {"access_requests": [], "next": None}


def soon() -> str:
    """Nine and a half minutes from now."""
    return (datetime.now(UTC) + timedelta(minutes=9, seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")


def access_request(**members: object) -> dict[str, object]:
    """A paired program's request."""
    one = {"id": "ask-0f1e", "client": "agent", "mode": "read", "raw_token": False, "purpose": "count accounts"}
    return one | {"expires_at": soon()} | members


def pairing() -> dict[str, object]:
    """A program's request to be paired."""
    return {"user_code": "BGSG-ZRJW", "client_name": "new", "wants": [], "seen": {"exe": "/x"}, "expires_at": soon()}


def test_requests_lists_both_kinds(far_end: FarEnd, cli: Cli) -> None:
    """Programs that want to be paired, then paired ones that want a connection, each in a table of its own."""
    asked = [access_request(), access_request(id="ask-0f1f", mode="build", raw_token=True)]
    far_end.on(PAIRINGS, reply(200, NOTHING | {"pairings": [pairing()]}))
    far_end.on(ACCESS, reply(200, NO_ACCESS | {"access_requests": asked}))

    assert cli("requests").out.splitlines() == [
        "CODE       SAYS IT IS  WANTS  SEEN  LEFT",
        "BGSG-ZRJW  new         -      /x    10 min",
        "",
        "ID        PROGRAM  WANTS        LEFT    FOR",
        "ask-0f1e  agent    read         10 min  count accounts",
        "ask-0f1f  agent    build:token  10 min  count accounts",
    ]


def test_requests_leaves_out_a_table_without_rows(far_end: FarEnd, cli: Cli) -> None:
    """Only what is asked for is shown; where nobody asks, that is a sentence."""
    far_end.on(PAIRINGS, reply(200, NOTHING))
    far_end.on(ACCESS, reply(200, NO_ACCESS | {"access_requests": [access_request()]}), reply(200, NO_ACCESS))

    assert cli("requests").out.startswith("ID ")
    assert cli("requests").out == "Nobody asks for anything.\n"


def test_requests_as_json_is_both_lists(far_end: FarEnd, cli: Cli) -> None:
    """`--json` prints what the API answered to both questions, in one object."""
    body = NO_ACCESS | {"access_requests": [access_request()]}
    far_end.on(PAIRINGS, reply(200, NOTHING))
    far_end.on(ACCESS, reply(200, body))

    assert json.loads(cli("requests", "--json").out) == NOTHING | body


def test_approve_takes_the_id_of_a_request(far_end: FarEnd, cli: Cli) -> None:
    """One `--grant` says which connection, and how."""
    far_end.on("POST /v1/access-requests/ask-0f1e/approve", reply(200, {"id": "ask-0f1e"}))
    ran = cli("approve", "ask-0f1e", "--grant", "acme:build:token")

    assert (ran.code, ran.err) == (0, "Approved: acme:build:token\n")
    thirty_days = 30 * 24 * 3600
    assert far_end.asked[0].json == {
        "connection": "acme",
        "mode": "build",
        "raw_token": True,
        "expires_in": thirty_days,
    }


@pytest.mark.parametrize(
    ("grants", "words"),
    [((), "--grant NAME:MODE"), (("--grant", "a:read", "--grant", "b:read"), "takes one --grant")],
)
def test_a_request_is_never_approved_by_guess(far_end: FarEnd, cli: Cli, grants: tuple[str, ...], words: str) -> None:
    """Without a grant, or with two, nothing is sent: 64."""
    ran = cli("approve", "ask-0f1e", *grants)

    assert ran.code == 64
    assert words in ran.err
    assert far_end.asked == []


def test_deny_takes_the_id_of_a_request(far_end: FarEnd, cli: Cli) -> None:
    """`deny ID` is one call."""
    far_end.on("POST /v1/access-requests/ask-0f1e/deny", reply(204))

    assert cli("deny", "ask-0f1e").code == 0
    assert far_end.calls() == ["POST /v1/access-requests/ask-0f1e/deny"]


def test_a_real_request_is_listed_and_approved(service: Service) -> None:
    """The id that the service gives is one that the command line knows."""
    token = service.pair(name="agent")
    asked = service.call("POST", "/v1/access-requests", {"purpose": "look", "mode": "read"}, token=token).json()
    listed = service.cli("requests").stdout
    approved = service.cli("approve", asked["id"], "--grant", "demo:read")

    assert asked["id"] in listed
    assert approved.returncode == 0, approved.stderr
    assert service.call("GET", "/v1/connections/demo", token=token).status == 200
