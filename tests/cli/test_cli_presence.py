"""What needs a person at the command line: the PIN is typed on the terminal, or the button is pressed; nothing else will do."""

import json
import os
from datetime import UTC, datetime, timedelta
from typing import cast

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply
from support.typist import END_OF_INPUT, INTERRUPT, Typed, at_terminal

PIN = "4711 or so"
SAID = "A person must approve it."
APPROVE = ("approve", "BGSG-ZRJW", "--grant", "acme:read")
APPROVING = "POST /v1/pairings/BGSG-ZRJW/approve"
TOKEN = "/v1/connections/acme/token"
LONG_AGO, SOON = ((datetime.now(UTC) + timedelta(hours=hours)).strftime("%Y-%m-%dT%H:%M:%SZ") for hours in (-1, 5))
GRANTS = [
    {"connection": "acme", "mode": "build", "raw_token": True, "expires_at": SOON},
    {"connection": "old", "mode": "build", "raw_token": True, "expires_at": LONG_AGO},
    {"connection": "uat", "mode": "plan", "raw_token": False, "expires_at": None},
]
ACME = {
    "name": "acme", "kind": "production", "org_id": "00D000000000002AAA", "broker_url": "http://localhost:1717/o/acme",
}  # fmt: skip


def required(*ways: str, detail: str = SAID) -> bytes:
    """The refusal that asks for a person."""
    step = {"label": "Set one", "command": "meshmesh pin", "url": None} if not ways else None
    return problem(403, "presence_required", detail, ways=list(ways), next=step)


WRONG = required("pin", detail="That is not the approval PIN.")
TOO_SHORT = problem(422, "bad_field", "must have 4 to 64 characters.", errors=[{"field": "pin", "detail": "x"}])
IS_SET = problem(422, "bad_field", "A PIN is set already.", errors=[{"field": "current", "detail": "x"}])
LATER = problem(429, "rate_limited", "Too many wrong PINs.").replace(b"\r\n", b"\r\nRetry-After: 31\r\n", 1)


@pytest.fixture
def acme(far_end: FarEnd) -> FarEnd:
    """A far end with a connection and a program that has grants."""
    far_end.on("GET /v1/connections/acme", reply(200, ACME))
    far_end.on("GET /v1/clients", reply(200, {"clients": [{"id": "1f00", "name": "tool", "grants": GRANTS}]}))
    far_end.on("DELETE /v1/clients/1f00", reply(204))
    return far_end


def typing(
    *arguments: str, types: tuple[str, ...] = (), where: str = "foreground", stdin: str = "", no_input: str = ""
) -> Typed:
    """Run a command at a terminal where somebody types."""
    environ = os.environ | {"MESHMESH_NO_INPUT": no_input}
    return at_terminal(environ, *arguments, types=types, where=where, stdin=stdin)


def sent(far_end: FarEnd, call: str) -> list[dict[str, object]]:
    """The bodies that a call came with."""
    return [one.json for one in far_end.asked if f"{one.method} {one.target}" == call]


@pytest.mark.parametrize(
    ("command", "call", "answer"),
    [
        (APPROVE, APPROVING, {"id": "1f"}),
        (("client", *APPROVE), APPROVING, {"id": "1f"}),
        (("approve", "ask-1", "--grant", "acme:read"), "POST /v1/access-requests/ask-1/approve", {"id": "ask-1"}),
        (("mode", "tool", "uat", "build"), "PATCH /v1/clients/1f00", {"id": "1f00", "grants": []}),
        (("exec", "acme", "--", "true"), "POST /v1/clients", {"id": "1f00", "access_token": "mmp_t"}),
        (("env", "acme"), "POST /v1/clients", {"id": "1f00", "access_token": "mmp_t"}),
    ],
)
def test_the_pin_goes_from_the_terminal_into_the_request(
    acme: FarEnd, command: tuple[str, ...], call: str, answer: dict[str, object]
) -> None:
    """The same request is sent again with the PIN in its body, and the PIN is seen nowhere; stdin is left alone."""
    acme.on(call, required("pin"), reply(200, answer))
    ran = typing(*command, types=(PIN,), stdin="from a pipe\n")
    first, second = sent(acme, call)

    assert ran.code == 0, ran.all
    assert (second.pop("pin"), second) == (PIN, first)
    assert ran.screen == "Approval PIN: \r\n"
    assert PIN not in ran.all
    assert ran.echoes


@pytest.mark.parametrize("command", [("token", "acme"), ("token", "-o", "acme")])
def test_a_token_is_handed_out_for_the_pin(acme: FarEnd, command: tuple[str, ...]) -> None:
    """On either way one line is printed; the PIN is the whole body, and not in the address."""
    acme.on(f"GET {TOKEN}", required("pin"))
    acme.on(f"POST {TOKEN}", reply(200, {"access_token": "00D!secret"}))
    ran = typing(*command, types=(PIN,))

    assert (ran.code, ran.out, ran.err) == (0, "00D!secret\n", "")
    assert sent(acme, f"POST {TOKEN}") == [{"pin": PIN}]


def test_a_token_keeps_its_least_life_when_the_pin_was_typed(acme: FarEnd) -> None:
    """`--min-ttl` is asked for again once the terminal is allowed."""
    acme.on(f"GET {TOKEN}?min_ttl=60", required("pin"), reply(200, {"access_token": "00D!long"}))
    acme.on(f"POST {TOKEN}", reply(200, {"access_token": "00D!short"}))

    assert typing("token", "acme", "--min-ttl", "60", types=(PIN,)).out == "00D!long\n"


def test_a_wrong_pin_may_be_typed_again(acme: FarEnd) -> None:
    """The sentence of the service stands before the next question."""
    acme.on(APPROVING, required("pin"), WRONG, WRONG, reply(200, {"id": "1f"}))
    ran = typing(*APPROVE, types=("1111", "2222", PIN))

    assert ran.code == 0
    assert ran.err.splitlines() == ["That is not the approval PIN."] * 2 + ["Approved: acme:read"]


@pytest.mark.parametrize(("command", "call", "code"), [
    (APPROVE, APPROVING, 77),
    (("exec", "acme", "--", "echo", "ran"), "POST /v1/clients", 125),
])  # fmt: skip
def test_three_wrong_pins_are_enough(acme: FarEnd, command: tuple[str, ...], call: str, code: int) -> None:
    """After the third the command ends, and `exec` has started nothing."""
    acme.on(call, required("pin"), WRONG)
    ran = typing(*command, types=("1111", "2222", "3333"))

    assert (ran.code, ran.out) == (code, "")
    assert [one.get("pin") for one in sent(acme, call)] == [None, "1111", "2222", "3333"]
    assert "That is not the approval PIN." in ran.err.splitlines()[-2]


@pytest.mark.parametrize(("command", "call", "code"), [
    (APPROVE, APPROVING, 75),
    (("exec", "acme", "--", "echo", "ran"), "POST /v1/clients", 125),
])  # fmt: skip
def test_too_many_wrong_pins_say_how_long_to_wait(acme: FarEnd, command: tuple[str, ...], call: str, code: int) -> None:
    """429 is not tried again; the seconds are those of `Retry-After`."""
    acme.on(call, required("pin"), LATER)
    ran = typing(*command, types=(PIN,))

    assert (ran.code, ran.out) == (code, "")
    assert ran.err.splitlines()[1:] == ["  Too many wrong PINs.", "  Next: Wait 31 s and run the command again."]
    assert len(sent(acme, call)) == 2


def test_where_no_pin_is_set_the_command_that_sets_one_is_named(acme: FarEnd) -> None:
    """Without any way nobody is asked, not even on a terminal."""
    acme.on(APPROVING, required())
    ran = typing(*APPROVE)

    assert (ran.code, ran.screen) == (77, "")
    assert ran.err.splitlines() == ["meshmesh: Could not approve BGSG-ZRJW.", f"  {SAID}", "  Next: meshmesh pin"]


def test_enter_alone_takes_the_button_instead(acme: FarEnd) -> None:
    """Where there are both ways, an empty line sends the request to wait for the notification, without a PIN."""
    acme.on(APPROVING, required("pin", "notification"), reply(200, {"id": "1f"}))
    ran = typing(*APPROVE, types=("",))
    last = acme.asked[-1]

    assert ran.code == 0
    assert "Press Approve in the notification.\n" in ran.err
    assert (last.headers["prefer"], "pin" in last.json) == ("wait=55", False)


@pytest.mark.parametrize("ways", [("notification",), ("pin", "notification")])
def test_without_a_terminal_the_button_is_waited_for(acme: FarEnd, cli: Cli, ways: tuple[str, ...]) -> None:
    """Once, and said on stderr; what is printed is the same as ever."""
    acme.on(f"GET {TOKEN}", required(*ways), reply(200, {"access_token": "00D!secret"}))
    ran = cli("token", "acme")

    assert (ran.code, ran.out, ran.err) == (0, "00D!secret\n", "Press Approve in the notification.\n")
    assert [one.headers.get("prefer") for one in acme.asked] == [None, "wait=55"]


@pytest.mark.parametrize(
    ("raw", "words"),
    [(required("notification"), SAID), (problem(403, "not_allowed", "The person said no."), "The person said no.")],
)
def test_a_button_that_is_not_pressed_is_a_no(acme: FarEnd, cli: Cli, raw: bytes, words: str) -> None:
    """Nobody there, or Deny: 77, and it is not tried a third time."""
    acme.on(APPROVING, required("notification"), raw)
    ran = cli(*APPROVE)

    assert (ran.code, ran.err.count("\n"), len(acme.asked)) == (77, 4, 2)
    assert words in ran.err


@pytest.mark.parametrize(("where", "no_input"), [("nowhere", ""), ("background", ""), ("foreground", "1")])
def test_where_nobody_can_type_the_pin_is_not_asked_for(acme: FarEnd, where: str, no_input: str) -> None:
    """A pipe with the PIN in it helps nothing: 77 after one request, in three lines that say where to type it."""
    acme.on(APPROVING, required("pin"))
    ran = typing(*APPROVE, where=where, stdin=f"{PIN}\n", no_input=no_input)

    assert (ran.code, ran.screen, len(acme.asked)) == (77, "", 1)
    assert ran.err.splitlines() == [
        "meshmesh: Could not approve BGSG-ZRJW.",
        f"  {SAID}",
        "  Next: Run it in a terminal, without MESHMESH_NO_INPUT, and type the approval PIN.",
    ]


@pytest.mark.parametrize(("line", "code"), [("", 77), (END_OF_INPUT, 130), (INTERRUPT, 130)])
def test_who_types_nothing_approves_nothing(acme: FarEnd, line: str, code: int) -> None:
    """Enter alone, the end of input and Ctrl-C send no PIN, and the terminal echoes again."""
    acme.on(APPROVING, required("pin"))
    ran = typing(*APPROVE, types=(line,))

    assert (ran.code, len(acme.asked), ran.echoes) == (code, 1, True)


def test_a_script_reads_the_ways_as_json(acme: FarEnd, cli: Cli) -> None:
    """Under `--json` the refusal is the problem document, with `ways`."""
    acme.on(APPROVING, required("pin"))
    ran = cli(*APPROVE, "--json")

    assert (ran.code, ran.out) == (77, "")
    assert json.loads(ran.err)["ways"] == ["pin"]


@pytest.mark.parametrize(
    ("arguments", "left"),
    [(("acme", "read"), 5 * 3600), (("acme", "build"), 5 * 3600), (("acme", "read", "--for", "9h"), 9 * 3600), (("uat", "build"), None), (("uat", "read"), None), (("new", "read"), None)],
)  # fmt: skip
def test_a_mode_that_is_not_wider_lasts_no_longer(
    acme: FarEnd, cli: Cli, arguments: tuple[str, ...], left: int | None
) -> None:
    """What narrows needs no person, so it must not outlast the grant; grants that are over are not brought back."""
    acme.on("PATCH /v1/clients/1f00", reply(200, {"id": "1f00", "grants": GRANTS}))
    assert cli("mode", "tool", *arguments).code == 0
    grants = cast("list[dict[str, int]]", sent(acme, "PATCH /v1/clients/1f00")[0]["grants"])
    ends = grants[-1].get("expires_in")

    assert {str(grant["connection"]) for grant in grants} == {"acme", "uat", arguments[0]}
    assert ends is left if ends is None or left is None else left - 3600 < ends <= left


def test_pin_asks_twice(far_end: FarEnd) -> None:
    """The first PIN is typed twice, unseen, and sent once."""
    far_end.on("POST /v1/pin", reply(204))
    ran = typing("pin", types=(PIN, PIN), stdin="from a pipe\n")

    assert (ran.code, ran.out, ran.err) == (0, "", "The approval PIN is set.\n")
    assert ran.screen == "New approval PIN: \r\nThe same again: \r\n"
    assert [one.json for one in far_end.asked] == [{"pin": PIN}]


def test_pin_asks_for_the_one_that_is_set(far_end: FarEnd) -> None:
    """Only where there is one; a wrong one may be typed again."""
    far_end.on("POST /v1/pin", IS_SET, WRONG, reply(204))
    ran = typing("pin", types=(PIN, PIN, "1111", "2222"))

    assert (ran.code, ran.err) == (0, "That is not the approval PIN.\nThe approval PIN is set.\n")
    assert [one.json.get("current") for one in far_end.asked] == [None, "1111", "2222"]


@pytest.mark.parametrize(
    ("types", "raw", "asked", "code", "words"),
    [
        ((PIN, "another"), (), 0, 64, "The two are not the same."),
        (("123", "123"), (TOO_SHORT,), 1, 64, "must have 4 to 64 characters."),
        ((PIN, PIN, ""), (IS_SET,), 1, 64, "A PIN is set already."),
        ((PIN, PIN, "1", "2", "3"), (IS_SET, WRONG), 4, 77, "That is not the approval PIN."),
        ((PIN, PIN, "1"), (IS_SET, LATER), 2, 75, "Too many wrong PINs."),
    ],
)
def test_a_pin_that_is_not_set_says_why(
    far_end: FarEnd, *, types: tuple[str, ...], raw: tuple[bytes, ...], asked: int, code: int, words: str
) -> None:
    """Two that differ are not sent; refusals of the service are told in its words."""
    far_end.on("POST /v1/pin", *raw)
    ran = typing("pin", types=types)

    assert (ran.code, len(far_end.asked)) == (code, asked)
    assert f"  {words}" in ran.err.splitlines()
    assert PIN not in ran.all


@pytest.mark.parametrize(("where", "no_input"), [("nowhere", ""), ("background", ""), ("foreground", "1")])
def test_pin_is_not_read_from_a_pipe(far_end: FarEnd, where: str, no_input: str) -> None:
    """Where nobody can type: 64, a sentence, and nothing is sent."""
    ran = typing("pin", where=where, stdin=f"{PIN}\n{PIN}\n", no_input=no_input)

    assert (ran.code, ran.out, ran.screen) == (64, "", "")
    assert ran.err.splitlines()[1] == "  It is typed on a terminal and nowhere else, and there is none."
    assert far_end.asked == []
