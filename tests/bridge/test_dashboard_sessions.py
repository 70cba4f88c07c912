"""Who becomes the owner over TCP: our own page of the owner's user, by a code from the socket, and nobody else."""

import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from meshmesh_bridge.pages import POLICY
from support.service import Answer, Service, StartService
from support.stranger import as_other_user

EVIL = "https://evil.example"
EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
OWNERS = ["/v1/pairings", "/v1/clients", "/v1/connections", "/v1/activity"]


def launch_code(service: Service) -> str:
    """A code, as `meshmesh open` gets it."""
    answer = service.call("POST", "/v1/launch-codes", {}, owner=True)
    assert answer.status == 200, answer.body
    return str(answer.json()["launch_code"])


def exchange(service: Service, code: str, headers: Mapping[str, str] | None = None, token: str | None = None) -> Answer:
    """A code to a session."""
    return service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}, headers=headers, token=token)


@pytest.fixture(scope="module")
def session(service: Service) -> str:
    """A live session."""
    answer = exchange(service, launch_code(service))
    assert answer.status == 200, answer.body
    return str(answer.json()["session"])


def ours(service: Service, headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with this service's own port."""
    return {name: value.format(port=service.port) for name, value in headers.items()}


def test_the_address_carries_the_code_in_its_fragment(service: Service) -> None:
    """The fragment never reaches a server or a log; the page is the one at localhost."""
    answer = service.call("POST", "/v1/launch-codes", {}, owner=True).json()

    assert answer["url"] == f"http://localhost:{service.port}/#launch={answer['launch_code']}"
    assert len(answer["launch_code"]) == 43
    assert answer["launch_code"] not in service.log


@pytest.mark.parametrize("target", OWNERS)
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Origin": "http://localhost:{port}", "Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "same-origin"},
        {"Sec-Fetch-Site": "none"},
    ],
)
def test_a_session_is_the_owner(service: Service, session: str, target: str, headers: dict[str, str]) -> None:
    """From our own page, and from a program that has it, it opens what is the owner's."""
    answer = service.call("GET", target, headers=ours(service, headers) | {"MeshMesh-Session": session})

    assert answer.status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": EVIL},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": EXTENSION},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
def test_a_session_is_nobody_on_another_page(service: Service, session: str, headers: dict[str, str]) -> None:
    """Neither is a code exchanged for another origin, nor does a session count there; the code is not used up."""
    code = launch_code(service)
    filled = ours(service, headers)

    assert exchange(service, code, filled).status == 403
    assert service.call("GET", "/v1/clients", headers=filled | {"MeshMesh-Session": session}).status == 403
    assert exchange(service, code).status == 200


def test_a_paired_extension_with_a_session_is_nobody(service: Service, session: str) -> None:
    """Its origin may ask for what clients get; the session does not count there."""
    asked = service.call("POST", "/v1/pair", {"client_name": "x"}, headers={"Origin": EXTENSION}).json()
    service.call("POST", f"/v1/pairings/{asked['user_code']}/approve", {"grants": []}, owner=True)
    answer = service.call("GET", "/v1/connections", headers={"Origin": EXTENSION, "MeshMesh-Session": session})

    assert answer.status == 401


@pytest.mark.parametrize("value", ["x", "A" * 43, "x" * 2000])
def test_what_is_no_session_is_said(service: Service, value: str) -> None:
    """An unknown session is 401 with the way back in."""
    answer = service.call("GET", "/v1/connections", headers={"MeshMesh-Session": value})

    assert (answer.status, answer.json()["code"]) == (401, "unknown_credential")
    assert answer.json()["next"]["command"] == "meshmesh open"


def test_two_sessions_are_none(service: Service, session: str) -> None:
    """A request that names two could be read in two ways."""
    top = (
        f"GET /v1/clients HTTP/1.1\r\nHost: localhost:{service.port}\r\nConnection: close\r\n"
        f"MeshMesh-Session: {session}\r\nMeshMesh-Session: {session}\r\n\r\n"
    )

    assert service.raw(top.encode()).status == 401


def test_a_pairing_token_beside_a_session_wins(service: Service, session: str) -> None:
    """Who shows a pairing token is that client, never the owner; an unknown token is refused and not passed over."""
    token = service.pair({"connection": "demo", "mode": "read"})
    headers = {"MeshMesh-Session": session}

    assert service.call("GET", "/v1/clients", token=token, headers=headers).status == 403
    assert service.call("GET", "/v1/me", token=token, headers=headers).json()["name"] == "test program"
    assert service.call("GET", "/v1/clients", token="mmp_" + "A" * 43, headers=headers).status == 401
    assert exchange(service, launch_code(service), token=token).status == 403


def test_a_code_works_once_and_an_unknown_one_never(service: Service) -> None:
    """Used: 410. Unknown: 401 with a challenge."""
    code = launch_code(service)
    first, again, unknown = exchange(service, code), exchange(service, code), exchange(service, "A" * 43)

    assert [first.status, again.status, unknown.status] == [200, 410, 401]
    assert sorted(first.json()) == ["expires_at", "session"]
    assert "www-authenticate" in unknown.headers


@pytest.mark.parametrize("who", ["open", "client", "client at the socket", "session"])
def test_only_the_owners_socket_gives_codes(service: Service, session: str, who: str) -> None:
    """Not a program, paired or not, and not a session either: none outlives its twelve hours."""
    token = service.pair({"connection": "demo", "mode": "build"}) if "client" in who else None
    headers = {"MeshMesh-Session": session} if who == "session" else {}
    answer = service.call("POST", "/v1/launch-codes", {}, owner="socket" in who, token=token, headers=headers)

    assert answer.status == (401 if who == "open" else 403)


def test_a_child_of_exec_gets_no_code(service: Service) -> None:
    """`meshmesh open` below `exec` is that client, also without its variables."""
    inner = f"env -u MESHMESH_TOKEN -u MESHMESH_URL {Path(sys.executable).with_name('meshmesh')} open"
    ran = service.cli("exec", "demo", "--", "sh", "-c", inner)

    assert (ran.returncode, ran.stdout) == (77, "")


def test_another_user_is_never_the_owner(service: Service, session: str) -> None:
    """Neither with a live session nor with a live code, however it got them."""
    code = launch_code(service)

    def ask() -> str:
        headers = {"MeshMesh-Session": session}
        reading = [service.call("GET", target, headers=headers).status for target in ("/v1/clients", "/v1/connections")]
        return f"{reading} {exchange(service, code).status}"

    assert as_other_user(ask) == "[401, 401] 403"
    assert exchange(service, code).status == 200


def test_the_broker_knows_no_owner(service: Service, session: str) -> None:
    """A session manages; it does not read orgs."""
    answer = service.call("GET", "/o/demo/services/data/v66.0/limits", headers={"MeshMesh-Session": session})

    assert answer.status == 401


def test_a_page_knows_no_owner(service: Service, session: str) -> None:
    """What can be navigated to shows no name, with a session too."""
    answer = service.call("GET", "/", headers={"MeshMesh-Session": session})

    assert (answer.status, b"demo" in answer.body) == (200, False)


def test_a_restart_ends_every_session_and_code(start_service: StartService) -> None:
    """Both are in memory alone."""
    first = start_service()
    code, live = launch_code(first), str(exchange(first, launch_code(first)).json()["session"])
    assert first.call("GET", "/v1/clients", headers={"MeshMesh-Session": live}).status == 200
    first.stop()
    again = start_service(first.home)

    assert again.call("GET", "/v1/clients", headers={"MeshMesh-Session": live}).status == 401
    assert exchange(again, code).status == 401
    assert not [path for path in first.home.rglob("*") if path.is_file() and live.encode() in path.read_bytes()]


@pytest.mark.parametrize("path", ["/", "/pair", "/r/nothing", "/connections/demo", "/connections/nothing"])
def test_the_pages_are_one_shell_for_anybody(service: Service, path: str) -> None:
    """Byte for byte the same, with the strict policy, whatever the address names."""
    accept = {"Accept": "text/html"}
    answer, front = service.call("GET", path, headers=accept), service.call("GET", "/", headers=accept)

    assert (answer.status, answer.body) == (200, front.body)
    assert answer.headers["content-security-policy"] == POLICY
    assert answer.headers["cross-origin-opener-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"
    assert b"<noscript>" in answer.body
    assert b"unsafe" not in POLICY.encode()


def test_the_other_pages_run_no_script(service: Service) -> None:
    """The dashboard's policy is the dashboard's alone."""
    policy = service.call("GET", "/signed-in/nothing").headers["content-security-policy"]

    assert "script-src" not in policy
    assert "connect-src" not in policy


def test_wrong_codes_are_limited(start_service: StartService) -> None:
    """429 with Retry-After after ten in a minute; the log names no code."""
    service = start_service()
    answers = [exchange(service, f"wr0ng-{number}") for number in range(11)]

    assert [answer.status for answer in answers] == [401] * 10 + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert "wr0ng" not in service.log
