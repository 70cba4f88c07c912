"""Pairing at the terminal: asking, deciding, ending."""

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

ASKED = {"device_code": "d", "user_code": "BGSG-ZRJW", "expires_in": 600, "interval": 0}
PENDING = reply(400, {"error": "authorization_pending"})


def test_pair_asks_shows_the_code_and_prints_the_token_once(far_end: FarEnd, cli: Cli) -> None:
    """The token is the only line on stdout; the code and the command to approve it are talk."""
    far_end.on("POST /v1/pair", reply(200, ASKED))
    far_end.on("POST /v1/pair/token", PENDING, PENDING, reply(200, {"access_token": "mmp_t", "client_id": "1f"}))
    ran = cli("pair", "My tool", "--want", "acme:plan")

    assert (ran.code, ran.out) == (0, "mmp_t\n")
    assert "meshmesh approve BGSG-ZRJW --grant acme:plan" in ran.err
    assert far_end.asked[0].json == {
        "client_name": "My tool",
        "wants": [{"connection": "acme", "mode": "plan", "raw_token": False}],
    }
    assert far_end.calls()[1:] == ["POST /v1/pair/token"] * 3


@pytest.mark.parametrize(
    ("raw", "code", "words"),
    [
        (reply(400, {"error": "access_denied"}), 77, "You denied it."),
        (reply(400, {"error": "expired_token"}), 77, "Nobody approved it in time."),
        (reply(400, {"error": "invented"}), 76, "Pairing answered 'invented'."),
        (problem(503, "offline", "Starting."), 75, "Starting."),
    ],
)
def test_a_pairing_that_fails_says_why(far_end: FarEnd, cli: Cli, raw: bytes, code: int, words: str) -> None:
    """Each end of RFC 8628, section 3.5, has its sentence; stdout stays empty."""
    far_end.on("POST /v1/pair", reply(200, ASKED))
    far_end.on("POST /v1/pair/token", raw)
    ran = cli("pair", "My tool")

    assert (ran.code, ran.out) == (code, "")
    assert words in ran.err


def test_approve_hands_the_grants_over(far_end: FarEnd, cli: Cli) -> None:
    """`NAME:MODE[:token]` becomes a grant each, for thirty days where nothing else is said."""
    far_end.on("POST /v1/pairings/BGSG-ZRJW/approve", reply(200, {"id": "1f"}))
    ran = cli("approve", "BGSG-ZRJW", "--grant", "acme:read", "--grant", "demo:build:token")

    assert (ran.code, ran.out, ran.err) == (0, "", "Approved: acme:read, demo:build:token\n")
    cli("approve", "BGSG-ZRJW", "--grant", "acme:read", "--for", "8h")
    first, second = (asked.json["grants"] for asked in far_end.asked)
    assert first == [
        {"connection": "acme", "mode": "read", "raw_token": False, "expires_in": 30 * 24 * 3600},
        {"connection": "demo", "mode": "build", "raw_token": True, "expires_in": 30 * 24 * 3600},
    ]
    assert second == [{"connection": "acme", "mode": "read", "raw_token": False, "expires_in": 8 * 3600}]


def test_approve_without_grants_never_guesses(far_end: FarEnd, cli: Cli) -> None:
    """Where nobody can be asked, what a program wants is not granted: 64, and `--grant` is named."""
    wants = [{"connection": "acme", "mode": "build", "raw_token": True}]
    one = {"user_code": "BGSG-ZRJW", "client_name": "tool", "wants": wants, "seen": {"exe": "/bin/x"}}
    far_end.on("GET /v1/pairings", reply(200, {"pairings": [one]}))
    ran = cli("client", "approve", "BGSG-ZRJW")

    assert ran.code == 64
    assert "--grant acme:build:token" in ran.err
    assert far_end.calls() == ["GET /v1/pairings"]


def test_deny_is_one_call(far_end: FarEnd, cli: Cli) -> None:
    """`deny CODE` answers with nothing and says so."""
    far_end.on("POST /v1/pairings/BGSG-ZRJW/deny", reply(204))

    assert cli("deny", "BGSG-ZRJW").code == 0
    assert cli("client", "deny", "BGSG-ZRJW", "--json").out == "{}\n"


def test_denying_for_good_says_so(far_end: FarEnd, cli: Cli) -> None:
    """`--always` is a member of the one call, and the way back is named; for a paired program's request it is 64."""
    far_end.on("POST /v1/pairings/BGSG-ZRJW/deny", reply(204))
    ran = cli("deny", "BGSG-ZRJW", "--always")
    wrong = cli("deny", "ask-12", "--always")

    assert (ran.code, far_end.asked[0].json) == (0, {"always": True})
    assert "meshmesh client refusals" in ran.err
    assert (wrong.code, far_end.calls()) == (64, ["POST /v1/pairings/BGSG-ZRJW/deny"])


def test_refusals_are_listed_and_lifted(far_end: FarEnd, cli: Cli) -> None:
    """By name where it stands once, by id else; what is not there is 66."""
    kept = [
        {"id": "a1", "client_name": "pest", "exe": "/bin/pest", "origin": None, "created_at": None},
        {"id": "b2", "client_name": "twin", "exe": "/bin/x", "origin": None, "created_at": None},
        {"id": "c3", "client_name": "twin", "exe": None, "origin": "chrome-extension://abc", "created_at": None},
    ]
    far_end.on("GET /v1/refusals", reply(200, {"refusals": kept, "next": None}))
    for refusal in ("a1", "c3"):
        far_end.on(f"DELETE /v1/refusals/{refusal}", reply(204))
    listed = cli("client", "refusals")
    codes = [cli("client", "allow-again", which).code for which in ("pest", "c3", "twin", "nobody")]

    assert ["pest" in listed.out, "chrome-extension://abc" in listed.out] == [True, True]
    assert codes == [0, 0, 64, 66]
    assert [call for call in far_end.calls() if call.startswith("DELETE")] == [
        "DELETE /v1/refusals/a1",
        "DELETE /v1/refusals/c3",
    ]
