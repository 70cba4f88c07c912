"""`meshmesh token NAME`: the shortest way, and what it must not drag along."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.far_end import FarEnd, problem, reply

TARGET = "GET /v1/connections/acme/token"
FORBIDDEN = {
    "aiohttp", "argparse", "authlib", "click", "collections", "cryptography", "dataclasses", "enum", "http.client", "json",
    "logging", "pathlib", "platformdirs", "pydantic", "re", "socket", "ssl", "typing", "urllib", "urllib.parse",
}  # fmt: skip
# The program itself, in a process that says at its end what it has imported.
SPY = """
import os, sys
before = set(sys.modules)
end = os._exit
def told(code):
    print("\\n".join(sorted(set(sys.modules) - before)), file=sys.stderr, flush=True)
    end(code)
os._exit = told
from meshmesh.cli import main
sys.argv = ["meshmesh", "token", "acme"]
main()
"""


def run(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The installed program, as a process."""
    program = str(Path(sys.executable).with_name("meshmesh"))
    environ = os.environ | variables
    return subprocess.run([program, *arguments], env=environ, capture_output=True, text=True, timeout=30, check=False)


def test_it_prints_the_token_and_nothing_else(far_end: FarEnd) -> None:
    """One line on stdout, nothing on stderr, exit 0; the caller is the owner."""
    far_end.on(TARGET, reply(200, {"access_token": "00D!secret"}))
    ran = run("token", "acme")

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "00D!secret\n", "")
    assert "authorization" not in far_end.asked[0].headers


def test_it_imports_next_to_nothing(far_end: FarEnd) -> None:
    """No framework, no HTTP client, no path library: the run is shorter than their import."""
    far_end.on(TARGET, reply(200, {"access_token": "00D!secret"}))
    ran = subprocess.run([sys.executable, "-I", "-c", SPY], capture_output=True, text=True, timeout=30, check=False)
    imported = set(ran.stderr.split())

    assert ran.stdout == "00D!secret\n"
    assert "meshmesh.cli.quick_token" in imported
    assert not {name for name in imported if name in FORBIDDEN or name.split(".")[0] in FORBIDDEN}


@pytest.mark.parametrize(
    ("body", "token"),
    [
        (b'{"access_token": "00D!secret"}', "00D!secret"),
        (b'{"access_token":"00D!secret"}', "00D!secret"),
        (b' {"access_token": "00D!secret"}', "00D!secret"),
        (b'{"token_type": "Bearer", "access_token": "00D!secret"}', "00D!secret"),
        (b'{"token_type": "{\\"access_token\\": \\"no\\"}", "access_token": "00D!secret"}', "00D!secret"),
        (b'{"access_token": "00D\\u0021sec\\"ret"}', '00D!sec"ret'),
        ('{"access_token": "00D!s\u00e9cret"}'.encode(), "00D!s\u00e9cret"),
    ],
)
def test_it_reads_json_in_whatever_form(far_end: FarEnd, body: bytes, token: str) -> None:
    """The service's own form is read without the parser of JSON; any other form is JSON all the same."""
    far_end.on(TARGET, b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
    ran = run("token", "acme", PYTHONUTF8="1")

    assert (ran.returncode, ran.stdout) == (0, token + "\n")


def test_importing_the_package_imports_nothing_else() -> None:
    """`import meshmesh` is free for those who only want the transport."""
    code = "import sys; before = set(sys.modules); import meshmesh; print(sorted(set(sys.modules) - before))"
    ran = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=30, check=True)

    assert ran.stdout.strip() == "['meshmesh']"


def test_a_pairing_token_makes_the_caller_that_client(far_end: FarEnd) -> None:
    """With MESHMESH_TOKEN the request carries it."""
    far_end.on(TARGET, reply(200, {"access_token": "00D!secret"}))
    run("token", "acme", MESHMESH_TOKEN="mmp_mine")

    assert far_end.asked[0].headers["authorization"] == "Bearer mmp_mine"


def test_a_name_stays_one_segment(far_end: FarEnd) -> None:
    """Slashes and question marks of a name do not reach another route."""
    run("token", "../demo?x=/")

    assert far_end.calls() == ["GET /v1/connections/..%2Fdemo%3Fx%3D%2F/token"]


@pytest.mark.parametrize(
    ("raw", "code", "lines"),
    [
        (
            problem(
                409,
                "reconnect_required",
                "acme needs you.",
                next={"label": "x", "command": "meshmesh reconnect acme", "url": None},
            ),
            77,
            ["meshmesh: Could not get the token of 'acme'.", "  acme needs you.", "  Next: meshmesh reconnect acme"],
        ),
        (
            problem(404, "not_found", "There is no connection 'acme' here."),
            66,
            [
                "meshmesh: Could not get the token of 'acme'.",
                "  There is no connection 'acme' here.",
                "  Next: meshmesh connections",
            ],
        ),
        (
            problem(503, "offline", "The org is out."),
            75,
            [
                "meshmesh: Could not get the token of 'acme'.",
                "  The org is out.",
                "  Next: Wait a moment and run the command again.",
            ],
        ),
    ],
)
def test_a_refusal_is_three_lines(far_end: FarEnd, raw: bytes, code: int, lines: list[str]) -> None:
    """What, why, next on stderr; nothing on stdout; the exit code of the contract; asked once."""
    far_end.on(TARGET, raw)
    ran = run("token", "acme")

    assert (ran.returncode, ran.stdout, ran.stderr.splitlines()) == (code, "", lines)
    assert far_end.calls() == [TARGET]


@pytest.mark.parametrize("raw", [reply(200, {"no": "token"}), reply(200, ["x"]), reply(200, {"access_token": 5})])
def test_a_strange_answer_is_no_token(far_end: FarEnd, raw: bytes) -> None:
    """An answer without a token ends with 76 and prints nothing on stdout."""
    far_end.on(TARGET, raw)
    ran = run("token", "acme")

    assert (ran.returncode, ran.stdout) == (76, "")


def test_without_a_service_the_long_way_explains(tmp_path: Path) -> None:
    """No socket: exit 69, and how to start the service."""
    ran = run("token", "acme", MESHMESH_HOME=str(tmp_path), MESHMESH_SOCKET="", MESHMESH_TOKEN="")

    assert ran.returncode == 69
    assert ran.stderr.splitlines()[-1].startswith("  Next: meshmeshd")


def test_the_long_way_gives_the_same(far_end: FarEnd) -> None:
    """Options take the long way: `--json` prints the body, `--min-ttl` is passed on."""
    far_end.on(TARGET, reply(200, {"access_token": "00D!secret", "scope": "api"}))
    far_end.on("GET /v1/connections/acme/token?min_ttl=60", reply(200, {"access_token": "00D!other"}))

    assert json.loads(run("token", "acme", "--json").stdout) == {"access_token": "00D!secret", "scope": "api"}
    assert run("token", "--min-ttl", "60", "-o", "acme").stdout == "00D!other\n"
    assert run("token", MESHMESH_CONNECTION="acme").stdout == "00D!secret\n"


def test_a_full_disk_is_said(far_end: FarEnd) -> None:
    """A token that cannot be written is no success: 74."""
    far_end.on(TARGET, reply(200, {"access_token": "00D!secret"}))
    program = str(Path(sys.executable).with_name("meshmesh"))
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run([program, "token", "acme"], stdout=full, stderr=subprocess.PIPE, timeout=30, check=False)

    assert ran.returncode == 74
