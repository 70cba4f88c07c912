"""The command line against the running service: what the tables promise, for real."""

import json
import os
import pty
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from meshmesh.cli.visitor import sign_in
from support.service import Service

PROGRAM = str(Path(sys.executable).with_name("meshmesh"))
TOKEN = re.compile(r"00D\w{12}!\S{60,}\n")


def begin(service: Service, *arguments: str) -> subprocess.Popen[str]:
    """Start a command that waits for something."""
    environ = service.environ | {"MESHMESH_NO_BROWSER": "1"}
    return subprocess.Popen(
        [PROGRAM, *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def pair(service: Service, name: str, *grants: str) -> str:
    """Pair a program by the two commands, and give its token."""
    asking = begin(service, "pair", name)
    assert asking.stderr is not None
    line = asking.stderr.readline()
    code = line.split()[3].rstrip(".")
    options = [word for grant in grants for word in ("--grant", grant)]
    approved = service.cli("approve", code, *options)
    assert approved.returncode == 0, approved.stderr
    out, _ = asking.communicate(timeout=30)
    return out


def test_status_and_lists(service: Service) -> None:
    """The demo org is there, in words and in JSON."""
    assert service.cli().stdout.startswith("demo")
    assert "demo" in service.cli("status").stdout
    listed = json.loads(service.cli("connections", "--json").stdout)
    assert [one["name"] for one in listed["connections"]] == ["demo"]
    assert service.cli("test", "demo").returncode == 0


def test_token_is_one_line_on_either_way(service: Service) -> None:
    """The short way and the long way print the same token."""
    short, long = service.cli("token", "demo"), service.cli("token", "-o", "demo")

    assert TOKEN.fullmatch(short.stdout)
    assert (short.stdout, short.stderr) == (long.stdout, "")
    assert service.cli("token", "nowhere").returncode == 66


def test_connect_goes_through_the_browser(service: Service) -> None:
    """`connect --demo` prints an address; a browser that goes there makes the connection."""
    waiting = begin(service, "connect", "second", "--demo")
    assert waiting.stdout is not None
    address = waiting.stdout.readline().strip()
    sign_in(address, lambda _line: None)
    out, said = waiting.communicate(timeout=30)

    assert (waiting.returncode, out) == (0, "")
    assert "You're in: second" in said
    assert service.cli("connect", "second", "--demo").returncode == 64
    assert service.cli("disconnect", "second").returncode == 0
    assert service.cli("disconnect", "second").returncode == 66


def test_the_pasted_address_needs_the_right_sign_in(service: Service) -> None:
    """An address of another attempt is refused, and nothing is connected."""
    pasting = subprocess.run(
        [PROGRAM, "connect", "third", "--demo", "--paste"], env=service.environ | {"MESHMESH_NO_BROWSER": "1"},
        input="http://localhost:1717/OauthRedirect?code=c&state=nobodys\n", capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip

    assert pasting.returncode == 64
    assert pasting.stderr.count("Next: ") == 1
    assert service.cli("test", "third").returncode == 66


def test_pair_approve_use_change_revoke(service: Service) -> None:
    """A program's whole life at the terminal; its token stands alone on stdout."""
    token = pair(service, "night job", "demo:build:token")
    assert re.fullmatch(r"mmp_[0-9A-Za-z_]{40,}\n", token)
    as_client = {"MESHMESH_TOKEN": token.strip()}

    assert TOKEN.fullmatch(service.cli("token", "demo", environ=as_client).stdout)
    assert service.cli("clients", environ=as_client).returncode == 77
    assert "demo:build:token" in service.cli("clients").stdout
    assert service.cli("mode", "night job", "demo", "read", "--for", "1h").returncode == 0
    assert service.cli("token", "demo", environ=as_client).returncode == 77
    listed = json.loads(service.cli("client", "list", "--json").stdout)["clients"]
    assert [one["grants"][0]["mode"] for one in listed if one["name"] == "night job"] == ["read"]
    assert service.cli("revoke", "night job").returncode == 0
    assert service.cli("token", "demo", environ=as_client).returncode == 77


def test_a_token_works_over_tcp_where_the_socket_does_not_reach(service: Service) -> None:
    """MESHMESH_URL and MESHMESH_TOKEN are enough, as in a container with the port forwarded."""
    token = pair(service, "far tool", "demo:read").strip()
    url = f"http://localhost:{service.environ['MESHMESH_PORT']}"
    far = {"MESHMESH_SOCKET": "/nowhere/door", "MESHMESH_URL": url, "MESHMESH_TOKEN": token}
    listed = json.loads(service.cli("connections", "--json", environ=far).stdout)

    assert [(one["name"], one["mode"]) for one in listed["connections"]] == [("demo", "read")]
    assert service.cli("token", "demo", environ=far).returncode == 77
    assert service.cli("revoke", "far tool").returncode == 0


def test_deny_turns_the_program_away(service: Service) -> None:
    """The one that asks ends with 77 and prints nothing on stdout; it is no longer listed."""
    asking = begin(service, "pair", "stranger", "--want", "demo:build")
    assert asking.stderr is not None
    code = asking.stderr.readline().split()[3].rstrip(".")
    assert code in service.cli("requests").stdout
    assert service.cli("approve", code).returncode == 64
    assert service.cli("deny", code).returncode == 0
    out, said = asking.communicate(timeout=30)

    assert (asking.returncode, out) == (77, "")
    assert "You denied it." in said
    assert code not in service.cli("requests").stdout


def test_exec_reads_through_the_broker_and_leaves_nothing_behind(service: Service) -> None:
    """A program that knows only its environment reads records; its client is gone afterwards."""
    code = (
        "import json, os, urllib.request as u;"
        "r = u.Request(os.environ['SF_ORG_INSTANCE_URL'] + '/services/data/v66.0/query?q=SELECT+Name+FROM+Account+LIMIT+2',"
        " headers={'Authorization': 'Bearer ' + os.environ['SF_TARGET_ORG']});"
        "print(len(json.load(u.urlopen(r))['records']))"
    )
    ran = service.cli("exec", "demo", "--", sys.executable, "-c", code)

    assert (ran.returncode, ran.stdout) == (0, "2\n")
    assert "python" not in service.cli("clients").stdout
    assert service.cli("exec", "nowhere", "--", "true").returncode == 125


def test_a_question_is_put_to_a_person(service: Service) -> None:
    """On a terminal, approving without grants shows what is asked for and takes a yes."""
    asking = begin(service, "pair", "polite", "--want", "demo:read")
    assert asking.stderr is not None
    code = asking.stderr.readline().split()[3].rstrip(".")
    ours, theirs = pty.openpty()
    environ = {name: value for name, value in service.environ.items() if name != "MESHMESH_NO_INPUT"}
    deciding = subprocess.Popen(
        [PROGRAM, "approve", code.lower()], env=environ, stdin=theirs, stderr=subprocess.PIPE, text=True
    )
    os.close(theirs)
    os.write(ours, b"y\n")
    _, said = deciding.communicate(timeout=30)
    os.close(ours)
    out, _ = asking.communicate(timeout=30)

    assert deciding.returncode == 0, said
    assert "demo:read" in said
    assert out.startswith("mmp_")


def test_the_demo_breaks_and_is_mended(start_service: Callable[[], Service]) -> None:
    """Revoked: 77 and the command that mends it; reconnecting by it mends it."""
    service = start_service()
    assert service.cli("demo", "revoke").returncode == 0
    refused = service.cli("token", "demo", "--min-ttl", "86000")
    tested = service.cli("test", "demo")

    assert tested.returncode == 77
    assert refused.returncode in {0, 77}
    assert "meshmesh reconnect demo" in service.cli().stdout
    mending = begin(service, "reconnect", "demo")
    assert mending.stdout is not None
    sign_in(mending.stdout.readline().strip(), lambda _line: None)
    mending.communicate(timeout=30)
    assert mending.returncode == 0
    assert service.cli("test", "demo").returncode == 0


@pytest.mark.parametrize("keep", [False, True])
def test_quickstart_in_an_empty_home(tmp_path: Path, keep: bool) -> None:
    """It ends with records; it leaves a service only if asked to, and no program paired."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESHMESH_")}
    environ = kept | {"MESHMESH_HOME": str(tmp_path / "home"), "MESHMESH_PORT": "0"}
    command = [PROGRAM, "quickstart", *(["--keep"] if keep else [])]
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60, check=False)

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert [line[0] for line in ran.stdout.splitlines() if re.match(r"\d\. ", line)] == list("12345")
    assert "NAME" in ran.stdout
    assert "/OauthRedirect?..." in ran.stdout
    assert "mmp_" not in ran.stdout
    assert not TOKEN.search(ran.stdout)
    after = subprocess.run([PROGRAM, "clients"], env=environ, capture_output=True, text=True, timeout=30, check=False)
    assert after.returncode == (0 if keep else 69)
    if keep:
        assert after.stdout.startswith("No program is paired.")
        endpoint = json.loads((tmp_path / "home/runtime/endpoint.json").read_text())
        os.kill(endpoint["pid"], 15)


def test_quickstart_uses_the_service_that_runs(service: Service) -> None:
    """A service that ran before runs afterwards."""
    ran = service.cli("quickstart")

    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "runs already" in ran.stdout
    assert service.cli("status").returncode == 0


def test_quickstart_says_who_holds_the_port(service: Service, tmp_path: Path) -> None:
    """A busy port is told in the service's own words, with its exit code and next step."""
    ran = service.cli("quickstart", environ={"MESHMESH_HOME": str(tmp_path / "other")})

    assert ran.returncode == 73
    assert service.environ["MESHMESH_PORT"] in ran.stderr
    assert ran.stderr.splitlines()[-1].startswith("  Next: ")


def test_an_ended_quickstart_takes_its_service_along(tmp_path: Path) -> None:
    """SIGTERM in the middle ends the service too, with the exit code that shells give."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESHMESH_")}
    environ = kept | {"MESHMESH_HOME": str(tmp_path / "home"), "MESHMESH_PORT": "0"}
    running = subprocess.Popen([PROGRAM, "quickstart"], env=environ, stdout=subprocess.PIPE, text=True)
    assert running.stdout is not None
    with running.stdout as stdout:
        assert stdout.readline().startswith("1. Service: starting")
        assert stdout.readline().strip().startswith("pid ")
        running.send_signal(signal.SIGTERM)
        stdout.read()

    assert running.wait(30) == 143
    assert not (tmp_path / "home/runtime/endpoint.json").exists()


def test_ctrl_c_ends_a_waiting_command(service: Service) -> None:
    """An interrupted `connect` ends with 130 and no traceback."""
    waiting = begin(service, "connect", "never", "--demo")
    assert waiting.stdout is not None
    assert waiting.stdout.readline()
    waiting.send_signal(signal.SIGINT)
    _, said = waiting.communicate(timeout=30)

    assert waiting.returncode == 130
    assert "Traceback" not in said
