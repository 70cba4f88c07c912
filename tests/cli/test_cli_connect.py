"""`meshmesh connect` and `reconnect`: what is asked, how the person is sent to a browser, how it ends."""

import io
import json

import pytest

from meshmesh.cli.signing_in import has_browser
from support.command_line import Cli
from support.far_end import FarEnd, problem, reply

ADDRESS = "https://acme.my.salesforce.com/services/oauth2/authorize?state=s"
FOUND = {"name": "acme", "kind": "production", "org_name": "ACME", "username": "ana@acme.com", "status": "connected"}
OWN_APP = "--client-id 3MVG --domain acme.my.salesforce.com"


def sign_in(status: str, **members: object) -> dict[str, object]:
    """A sign-in as the API shows it."""
    usual = {
        "id": "s1",
        "status": status,
        "authorize_url": ADDRESS,
        "expires_at": None,
        "connection": None,
        "error": None,
    }
    return usual | members


@pytest.fixture
def signing_in(far_end: FarEnd) -> FarEnd:
    """A far end where a sign-in is waited for twice and then done."""
    far_end.on("POST /v1/connections", reply(202, {"sign_in": sign_in("waiting")}))
    far_end.on("POST /v1/connections/acme/reconnect", reply(202, {"sign_in": sign_in("waiting")}))
    far_end.on("GET /v1/sign-ins/s1", reply(200, sign_in("waiting")), reply(200, sign_in("done", connection="acme")))
    far_end.on("GET /v1/connections/acme", reply(200, FOUND))
    return far_end


def test_connect_prints_the_address_and_waits(signing_in: FarEnd, cli: Cli) -> None:
    """Without a browser the address is the one line on stdout; the waiting is by long polls."""
    ran = cli("connect", "acme")

    assert (ran.code, ran.out) == (0, f"{ADDRESS}\n")
    assert "You're in: acme is ACME (PRODUCTION)" in ran.err
    assert [one.headers.get("prefer") for one in signing_in.asked[1:3]] == ["wait=50", "wait=50"]


@pytest.mark.parametrize(
    ("arguments", "body"),
    [
        ("acme", {"name": "acme", "environment": "production"}),
        ("", {"environment": "production"}),
        ("-a acme --sandbox", {"name": "acme", "environment": "sandbox"}),
        ("--demo", {"environment": "demo"}),
        ("acme -r https://acme.my.salesforce.com", {"name": "acme", "environment": "custom", "domain": "https://acme.my.salesforce.com"}),
        ("acme --scope api --scope web", {"name": "acme", "environment": "production", "scopes": ["api", "web"]}),
        (
            f"acme {OWN_APP}",
            {
                "name": "acme", "environment": "custom", "domain": "acme.my.salesforce.com",
                "app": {"client_id": "3MVG", "flow": "authorization_code"},
            },
        ),
    ],
)  # fmt: skip
def test_options_become_the_body(signing_in: FarEnd, cli: Cli, arguments: str, body: dict[str, object]) -> None:
    """Each option ends as a member of the request, in the words of the API."""
    assert cli("connect", *arguments.split()).code == 0
    assert signing_in.asked[0].json == body


def test_a_secret_comes_by_stdin_alone(far_end: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client secret is read from stdin; where no browser is needed there is nothing to wait for."""
    monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
    far_end.on("POST /v1/connections", reply(201, {"connection": FOUND}))
    far_end.on("GET /v1/connections/acme", reply(200, FOUND))
    ran = cli("connect", "acme", *OWN_APP.split(), "--client-credentials", "--client-secret-stdin")

    assert ran.code == 0
    assert far_end.asked[0].json["app"] == {
        "client_id": "3MVG",
        "client_secret": "s3cret",
        "flow": "client_credentials",
    }
    assert "s3cret" not in ran.out + ran.err


def test_an_empty_stdin_is_no_secret(far_end: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on stdin is refused with 64 before anything is asked."""
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    ran = cli("connect", "acme", *OWN_APP.split(), "--client-secret-stdin")

    assert (ran.code, far_end.asked) == (64, [])


def test_reconnect_keeps_the_name(signing_in: FarEnd, cli: Cli) -> None:
    """`reconnect` begins a sign-in of the same connection; `--json` prints the connection at its end."""
    ran = cli("reconnect", "-o", "acme", "--json")

    assert signing_in.calls()[0] == "POST /v1/connections/acme/reconnect"
    assert json.loads(ran.out.partition("\n")[2]) == FOUND


def test_the_pasted_address_ends_it(signing_in: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--paste` hands the address in that the browser ended at."""
    pasted = "http://localhost:1717/OauthRedirect?code=c&state=s"
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{pasted}\n"))
    signing_in.on("POST /v1/sign-ins/s1/redirect", reply(200, sign_in("done", connection="acme")))
    ran = cli("connect", "acme", "--paste")

    assert ran.code == 0
    assert signing_in.asked[1].json == {"url": pasted}
    assert "code=c" not in ran.out + ran.err


@pytest.mark.parametrize(
    ("ended", "code", "words"),
    [
        (
            sign_in("failed", error={"status": 409, "code": "sign_in_failed", "detail": "You said no."}),
            77,
            "You said no.",
        ),
        (sign_in("expired"), 77, "Nobody signed in within ten minutes."),
        (sign_in("cancelled"), 77, "The sign-in was cancelled."),
    ],
)
def test_a_sign_in_that_fails_says_why(
    signing_in: FarEnd, cli: Cli, ended: dict[str, object], code: int, words: str
) -> None:
    """Each bad end has its sentence, its next step, and no success on stdout."""
    signing_in.on("GET /v1/sign-ins/s1", reply(200, ended))
    ran = cli("connect", "acme")

    assert ran.code == code
    assert ran.err.splitlines()[-3] == "meshmesh: Could not connect 'acme'."
    assert ran.err.splitlines()[-2].strip() == words


def test_a_taken_name_is_said(far_end: FarEnd, cli: Cli) -> None:
    """409 from the service is a usage error with its next step."""
    step = {"label": "Reconnect", "command": "meshmesh reconnect acme", "url": None}
    far_end.on("POST /v1/connections", problem(409, "name_taken", "There is a connection 'acme' already.", next=step))
    ran = cli("connect", "acme")

    assert ran.code == 64
    assert ran.err.splitlines()[-1] == "  Next: meshmesh reconnect acme"


def test_over_ssh_the_tunnel_is_explained(signing_in: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is reached by ssh, the line that forwards the port is printed with the address."""
    monkeypatch.setenv("SSH_CONNECTION", "10.0.0.9 50000 10.0.0.5 22")
    signing_in.on("GET /status", reply(200, {"port": 1717}))
    ran = cli("connect", "acme")

    assert "ssh -L 1717:localhost:1717 10.0.0.5" in ran.err
    assert ran.out == f"{ADDRESS}\n"


@pytest.mark.parametrize(
    ("environ", "platform", "expected"),
    [
        ({"DISPLAY": ":0"}, "linux", True), ({"WAYLAND_DISPLAY": "w"}, "linux", True), ({}, "linux", False), ({}, "darwin", True),
        ({"DISPLAY": ":0", "SSH_CONNECTION": "x"}, "linux", False), ({"DISPLAY": ":0", "MESHMESH_NO_BROWSER": "1"}, "linux", False),
        ({"SSH_CONNECTION": "x"}, "darwin", False),
    ],
)  # fmt: skip
def test_a_browser_is_opened_only_where_there_is_one(environ: dict[str, str], platform: str, expected: bool) -> None:
    """No screen, a remote shell, or the person's wish: the address is printed instead."""
    assert has_browser(environ, platform) is expected
