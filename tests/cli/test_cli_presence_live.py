"""A person and a real service, with an org that is not the demo: what asks for the PIN, what is remembered, what limits."""

import json
import re
import subprocess
from collections.abc import Iterator

import pytest

from support.peer import Peer, connect, peer
from support.service import Service, StartService, start
from support.typist import PROGRAM, Typed, at_terminal

PIN = "correct horse"
TOKEN = re.compile(r"00D\w{12}!\S{60,}\n")


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """An org that the service does not know as its own demo."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, org: Peer) -> Iterator[Service]:
    """A service with the connection `acme` and a PIN."""
    running = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    try:
        connect(running, "acme", org.origin)
        assert typing(running, "pin", types=(PIN, PIN)).code == 0
        yield running
    finally:
        running.stop()


@pytest.fixture
def acme(service: Service) -> Service:
    """The service, with a terminal that was allowed nothing yet."""
    service.cli("revoke", "terminal")
    return service


def typing(service: Service, *arguments: str, types: tuple[str, ...] = ()) -> Typed:
    """Run a command against a service, at a terminal where somebody types."""
    return at_terminal(service.environ, *arguments, types=types)


def piped(service: Service, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command against a service, without a terminal."""
    return subprocess.run(
        [PROGRAM, *arguments], env=service.environ, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
        start_new_session=True, check=False,
    )  # fmt: skip


def code_of(service: Service, name: str) -> str:
    """The code of a program that asks to be paired."""
    return str(service.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read"}]}).json()["user_code"])


def test_a_program_is_let_in_by_the_pin(acme: Service) -> None:
    """Nobody at a terminal: 77; a wrong PIN is asked for again; the right one lets it in."""
    command = ("approve", code_of(acme, "tool"), "--grant", "acme:read")
    refused = piped(acme, *command)
    ran = typing(acme, *command, types=("wrong", PIN))

    assert (refused.returncode, "type the approval PIN" in refused.stderr) == (77, True)
    assert (ran.code, ran.err) == (0, "That is not the approval PIN.\nApproved: acme:read\n")
    assert PIN not in ran.all
    assert PIN not in acme.log


def test_the_demo_org_asks_for_nobody(acme: Service) -> None:
    """Approving, tokens and `exec` on the demo org need no terminal."""
    assert piped(acme, "approve", code_of(acme, "toy"), "--grant", "demo:build:token").returncode == 0
    assert piped(acme, "token", "demo").returncode == 0
    assert piped(acme, "exec", "demo", "--", "true").returncode == 0


def test_wider_asks_and_narrower_does_not(acme: Service) -> None:
    """`mode` to build needs the PIN, back to read needs nobody."""
    typing(acme, "approve", code_of(acme, "worker"), "--grant", "acme:plan", types=(PIN,))

    assert piped(acme, "mode", "worker", "acme", "build").returncode == 77
    assert typing(acme, "mode", "worker", "acme", "build", types=(PIN,)).code == 0
    assert piped(acme, "mode", "worker", "acme", "read").returncode == 0
    assert piped(acme, "mode", "worker", "acme", "plan").returncode == 77


def test_exec_asks_once(acme: Service) -> None:
    """The PIN is typed before the command starts; for hours afterwards `exec`, `env` and `token` ask no more."""
    refused = piped(acme, "exec", "acme", "--", "echo", "ran")
    wrong = typing(acme, "exec", "acme", "--", "echo", "ran", types=("wrong", ""))
    ran = typing(acme, "exec", "acme", "--", "echo", "ran", types=(PIN,))

    assert (refused.returncode, refused.stdout) == (wrong.code, wrong.out) == (125, "")
    assert (ran.code, ran.out, ran.screen) == (0, "ran\n", "Approval PIN: \r\n")
    assert piped(acme, "exec", "acme", "--", "echo", "again").stdout == "again\n"
    assert piped(acme, "env", "acme").returncode == 0
    assert TOKEN.fullmatch(piped(acme, "token", "acme").stdout)


@pytest.mark.parametrize("arguments", [("token", "acme"), ("token", "-o", "acme", "--min-ttl", "60")])
def test_a_token_asks_once_until_the_terminal_is_revoked(acme: Service, arguments: tuple[str, ...]) -> None:
    """On either way the PIN brings the one line; revoking `terminal` asks again."""
    first = typing(acme, *arguments, types=(PIN,))
    then = piped(acme, *arguments)
    revoked = piped(acme, "revoke", "terminal")
    after = piped(acme, *arguments)

    assert TOKEN.fullmatch(first.out), first.all
    assert then.stdout == first.out
    assert (revoked.returncode, after.returncode, after.stdout) == (0, 77, "")


def test_the_terminal_is_limited_like_any_program(acme: Service) -> None:
    """In mode read it reads through the broker and gets no token; widening it again needs the PIN."""
    typing(acme, "exec", "acme", "--", "true", types=(PIN,))
    limited = piped(acme, "mode", "terminal", "acme", "read")
    token = piped(acme, "token", "acme")

    assert (limited.returncode, limited.stderr) == (0, "terminal may now use acme in mode read, for 11 h.\n")
    assert (token.returncode, token.stdout) == (77, "")
    assert token.stderr.splitlines()[1] == "  The client 'terminal' may use 'acme' in mode read only."
    assert piped(acme, "exec", "acme", "--", "true").returncode == 125
    assert piped(acme, "exec", "acme", "--mode", "read", "--", "true").returncode == 0
    assert piped(acme, "mode", "terminal", "acme", "build").returncode == 77


def test_the_first_pin_and_the_next(start_service: StartService, org: Peer) -> None:
    """Without a PIN its command is named; a new one needs the old one, and then the old one is worth nothing."""
    service = start_service(MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    connect(service, "acme", org.origin)
    command = ("approve", code_of(service, "tool"), "--grant", "acme:read")
    without = typing(service, *command)
    short = typing(service, "pin", types=("123", "123"))

    assert (without.code, without.err.splitlines()[-1]) == (77, "  Next: meshmesh pin")
    assert (short.code, "4 to 64 characters" in short.err) == (64, True)
    assert typing(service, "pin", types=("first one", "first one")).code == 0
    assert typing(service, "pin", types=(PIN, PIN, "wrong", "first one")).code == 0
    assert typing(service, *command, types=("first one", PIN)).code == 0


def test_too_many_wrong_pins_must_wait(start_service: StartService, org: Peer) -> None:
    """After five the right one does not count either: 75, with the seconds."""
    service = start_service(MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    connect(service, "acme", org.origin)
    typing(service, "pin", types=(PIN, PIN))
    command = ("approve", code_of(service, "tool"), "--grant", "acme:read", "--json")
    assert typing(service, *command, types=("1111", "2222", "3333")).code == 77
    ran = typing(service, *command[:-1], types=("4444", "5555", PIN))

    assert ran.code == 75
    assert re.search(r"Next: Wait \d\d? s and run the command again\.", ran.err)
    assert json.loads(typing(service, *command, types=(PIN,)).err)["code"] == "rate_limited"


def test_the_org_itself_opens_for_a_person_only(acme: Service, org: Peer) -> None:
    """A link into the org takes what the token takes: the PIN; without the scope nobody is asked in vain."""
    narrow = piped(acme, "open", "acme")
    connect(acme, "acme-web", org.origin, scopes=["api", "refresh_token", "web"])
    without = piped(acme, "open", "acme-web")
    typed = typing(acme, "open", "acme-web", types=(PIN,))

    assert (narrow.returncode, narrow.stdout) == (77, "")
    assert f"--domain {org.origin} --scope api --scope refresh_token --scope web" in narrow.stderr
    assert (without.returncode, without.stdout) == (77, "")
    assert typed.code == 0
    assert typed.out.startswith(f"{org.origin}/secur/frontdoor.jsp?otp=")
    assert "otp=" not in acme.log
    rows = acme.call("GET", "/v1/activity", owner=True).json()["activity"]
    opened = next(row for row in rows if row["action"] == "org.opened")
    assert (opened["actor"]["id"], opened["connection"]) == ("terminal", "acme-web")
    assert "otp=" not in str(rows)
