"""Pairing over the doors: a kept no and its undoing, a new pairing token, and what no paired program may decide."""

import re
import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from meshmesh_bridge.guard import Need
from meshmesh_bridge.wings import all_routes
from support.service import Answer, Service, start
from support.stranger import as_other_user

EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
MESHMESH = str(Path(sys.executable).with_name("meshmesh"))
BUILD: dict[str, object] = {"connection": "demo", "mode": "build", "raw_token": True}
EMPTY: dict[str, object] = {}
# everything that only the owner may do, whoever adds to it
DECISIONS: list[tuple[str, str, object]] = [
    (route.method, re.sub(r"{\w+}", "x", route.path), EMPTY if route.body is not None else None)
    for route in all_routes()
    if route.need is Need.OWNER
]


def ask(service: Service, name: str = "tool", **headers: str) -> Any:
    """A program asks to be paired."""
    answer = service.call("POST", "/v1/pair", {"client_name": name}, headers=headers)
    assert answer.status == 200, answer.body
    return answer.json()


def opened(service: Service) -> str:
    """A session of the dashboard."""
    code = service.call("POST", "/v1/launch-codes", {}, owner=True).json()["launch_code"]
    return str(service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}).json()["session"])


def status(service: Service, token: str) -> int:
    """How a token is answered."""
    return service.call("GET", "/v1/me", token=token).status


def test_a_no_for_good_can_be_undone(service: Service) -> None:
    """The program is told so at once, nobody is asked, and after `allow-again` it may ask."""
    asked = ask(service, "pest")
    denied = service.cli("deny", str(asked["user_code"]), "--always")
    again = service.call("POST", "/v1/pair", {"client_name": "Pest"})
    polled = service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]})
    listed = service.call("GET", "/v1/refusals", owner=True).json()["refusals"]
    table = service.cli("client", "refusals")
    lifted = service.cli("client", "allow-again", "pest")

    assert (denied.returncode, "not be asked about again" in denied.stderr) == (0, True)
    assert (again.status, again.json()["code"]) == (403, "not_allowed")
    assert polled.json() == {"error": "access_denied"}
    assert [(one["client_name"], "python" in one["exe"], one["origin"]) for one in listed] == [("pest", True, None)]
    assert "pest" in table.stdout
    assert lifted.returncode == 0
    assert service.call("GET", "/v1/refusals", owner=True).json()["refusals"] == []
    assert service.cli("client", "allow-again", "pest").returncode == 66
    asked = ask(service, "pest")
    assert service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True).status == 204


def test_the_owner_sees_one_request_of_one_program(service: Service) -> None:
    """The last one; it says which process asks. Another program's stays beside it."""
    ask(service, "first")
    second, other = ask(service, "second"), ask(service, "extension", Origin=EXTENSION)
    shown = {one["client_name"]: one for one in service.call("GET", "/v1/pairings", owner=True).json()["pairings"]}

    assert set(shown) == {"second", "extension"}
    assert isinstance(shown["second"]["seen"]["pid"], int)
    assert shown["extension"]["seen"]["origin"] == EXTENSION
    for asked in (second, other):
        assert service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True).status == 204


def test_a_client_replaces_its_token(service: Service) -> None:
    """The new one is the same client; the old one is good until the new one is used, by either door."""
    old = service.pair(BUILD)
    given = service.call("POST", "/v1/me/token", {}, token=old)
    new = str(given.json()["access_token"])

    assert given.status == 200
    assert given.json()["client_id"] == service.call("GET", "/v1/me", token=old).json()["id"]
    assert [one["connection"] for one in given.json()["grants"]] == ["demo"]
    assert [status(service, old), status(service, new), status(service, old)] == [200, 200, 401]
    assert service.call("GET", "/o/demo/services/data/v66.0/limits", token=new).status == 200
    assert service.call("GET", "/v1/me", token=old, owner=True).status == 401
    assert new not in service.log
    ran = service.cli("client", "new-token", environ={"MESHMESH_TOKEN": new})
    assert [status(service, ran.stdout.strip()), status(service, new)] == [200, 401]
    assert service.cli("client", "new-token").returncode == 77


def test_a_crash_between_the_tokens_loses_none(service: Service) -> None:
    """A killed service that starts again knows the old and the new one, and the new one's use ends the old one."""
    home = service.home.parent / "crash"
    first = start(home)
    old = first.pair(BUILD)
    new = str(first.call("POST", "/v1/me/token", {}, token=old).json()["access_token"])
    first.kill()
    second = start(home)
    try:
        assert [status(second, old), status(second, new), status(second, old)] == [200, 200, 401]
    finally:
        second.stop()


@pytest.mark.parametrize("door", ["tcp", "socket", "dashboard"])
def test_a_paired_program_decides_nothing(service: Service, door: str) -> None:
    """With its token it is that client on the owner's socket and beside a live session of the dashboard too: 403."""
    token, session = service.pair(BUILD), opened(service)
    headers = {"MeshMesh-Session": session} if door == "dashboard" else {}
    for method, target, body in DECISIONS:
        answer = service.call(method, target, body, token=token, owner=door == "socket", headers=headers)
        assert (answer.status, answer.json()["code"]) == (403, "owner_only"), target
    begun = service.call("POST", "/v1/dashboard-sessions", {"launch_code": "x"}, token=token, owner=door == "socket")
    assert begun.status == 403


def test_nobody_decides_without_a_credential(service: Service) -> None:
    """Over TCP: 401, or 403 for an extension's page; another user with a stolen session: 401."""
    session = opened(service)
    for method, target, body in DECISIONS:
        assert service.call(method, target, body).status == 401, target
        assert service.call(method, target, body, headers={"Origin": EXTENSION}).status == 403, target

    def knock() -> str:
        return " ".join(
            str(service.call(method, target, body, headers={"MeshMesh-Session": session}).status)
            for method, target, body in DECISIONS
        )

    assert set(as_other_user(knock).split()) == {"401"}


def test_a_child_of_exec_decides_nothing(service: Service) -> None:
    """What `exec` starts is that client at the owner's socket, with its token taken out of its environment as well."""
    asked = ask(service, "friend")
    code = str(asked["user_code"])
    ran = service.cli(
        "exec", "demo", "--", "env", "-u", "MESHMESH_TOKEN", MESHMESH, "approve", code, "--grant", "demo:build"
    )
    denied = service.cli("exec", "demo", "--", "env", "-u", "MESHMESH_TOKEN", "setsid", "-w", MESHMESH, "deny", code)

    assert ran.returncode == denied.returncode == 77, (ran.stderr, denied.stderr)
    assert "a paired program cannot" in ran.stderr
    waiting = service.call("GET", "/v1/pairings", owner=True).json()["pairings"]
    assert code in [one["user_code"] for one in waiting]
    assert service.call("POST", f"/v1/pairings/{code}/deny", {}, owner=True).status == 204


def test_a_paired_extension_never_holds_the_token(service: Service) -> None:
    """Its grants may be Build, never the token itself, whichever way it is asked for."""
    asked = ask(service, "extension", Origin=EXTENSION)
    target = f"/v1/pairings/{asked['user_code']}/approve"
    refused = service.call("POST", target, {"grants": [BUILD]}, owner=True)
    approved = service.call("POST", target, {"grants": [BUILD | {"raw_token": False}]}, owner=True).json()
    token = str(service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json()["access_token"])
    widened = service.call("PATCH", f"/v1/clients/{approved['id']}", {"grants": [BUILD]}, owner=True)
    wish: dict[str, object] = {"purpose": "x", "mode": "build", "raw_token": True}

    assert refused.status == widened.status == 422
    assert service.call("POST", "/v1/access-requests", wish, token=token).status == 422
    assert service.call("GET", "/v1/connections/demo/token", token=token).status == 403
    new = service.call("POST", "/v1/me/token", {}, token=token, headers={"Origin": EXTENSION})
    assert new.status == 200
    headers = {"Origin": "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba"}
    assert service.call("GET", "/v1/me", token=new.json()["access_token"], headers=headers).status == 403


def test_a_stream_of_the_dashboard_ends_with_its_session(service: Service) -> None:
    """It is ended, well-formed, when the sessions are; another owner's stream over the socket goes on."""
    session = opened(service)
    with socket.create_connection(("127.0.0.1", service.port), 30) as sock:
        head = f"GET /v1/events HTTP/1.1\r\nHost: localhost:{service.port}\r\nMeshMesh-Session: {session}\r\n\r\n"
        sock.sendall(head.encode())
        begun = sock.recv(65536)
        ended: Answer = service.call("DELETE", "/v1/dashboard-sessions", owner=True)
        rest = b""
        while piece := sock.recv(65536):
            rest += piece
            if rest.endswith(b"0\r\n\r\n"):
                break

    assert begun.startswith(b"HTTP/1.1 200 OK")
    assert ended.status == 204
    assert rest.endswith(b"0\r\n\r\n")
    assert service.call("GET", "/v1/clients", headers={"MeshMesh-Session": session}).status == 401


def test_what_was_decided_left_its_rows(service: Service) -> None:
    """Refusals, denials, tokens and sessions are in the activity."""
    rows = service.call("GET", "/v1/activity?limit=500", owner=True).json()["activity"]
    actions = {row["action"] for row in rows}

    assert {
        "refusal.kept",
        "refusal.lifted",
        "pairing.denied",
        "client.rotated",
        "dashboard.opened",
    } <= actions


def test_a_repeated_request_under_a_key_is_the_same_one(service: Service) -> None:
    """`Idempotency-Key` on what a program asks: the same answer for the same words, 422 for others."""
    token = service.pair({"connection": "demo", "mode": "read"})
    wish = {"purpose": "count", "mode": "read"}
    for target, body, name in (("/v1/pair", {"client_name": "twice"}, None), ("/v1/access-requests", wish, token)):
        headers = {"Idempotency-Key": "k-1"}
        first, again = (service.call("POST", target, body, token=name, headers=headers) for _ in range(2))
        other = service.call("POST", target, body | {next(iter(body)): "other"}, token=name, headers=headers)
        assert first.json() == again.json()
        assert (first.status == again.status, first.status < 300, other.status) == (True, True, 422)
        assert [one["field"] for one in other.json()["errors"]] == ["Idempotency-Key"]
