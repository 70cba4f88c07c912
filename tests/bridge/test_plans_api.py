"""Plans over a real service: an agent hands in and looks, the owner decides, and no door lets an agent decide."""

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from support.org_state import writes
from support.service import Answer, Service

ROOT = "/services/data/v66.0"


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    """A client in Plan Mode on the demo org."""
    return service.pair({"connection": "demo", "mode": "plan"}, name="agent")


def account(service: Service, token: str) -> str:
    """An account of the demo org, by its id."""
    found = service.call("GET", f"/o/demo{ROOT}/query?q=SELECT+Id+FROM+Account+LIMIT+1", token=token)
    return str(found.json()["records"][0]["Id"])


def create(name: str) -> dict[str, object]:
    """A request that makes an account."""
    return {"method": "POST", "path": f"{ROOT}/sobjects/Account", "body": {"Name": name}}


def submit(service: Service, token: str, *requests: dict[str, object], **members: object) -> Answer:
    """Hand a plan in."""
    body = {"connection": "demo", "requests": list(requests) or [create("Acme")]} | members
    return service.call("POST", "/v1/plans", body, token=token)


def decide(service: Service, plan_id: str, verb: str, body: object = None) -> Answer:
    """The owner's decision."""
    return service.call("POST", f"/v1/plans/{plan_id}/{verb}", {} if body is None else body, owner=True)


def test_a_plan_is_handed_in_looked_at_and_approved(service: Service, token: str) -> None:
    """From 201 `held` with before and after, to the answers of Salesforce in its items; the org is as it says."""
    record = account(service, token)
    change: dict[str, object] = {
        "method": "PATCH",
        "path": f"{ROOT}/sobjects/Account/{record}",
        "body": {"Industry": "Energy"},
    }
    made = submit(service, token, change, create("Two"), reason="tidy up")
    plan = made.json()
    seen = service.call("GET", f"/v1/plans/{plan['id']}", token=token)
    approved = decide(service, plan["id"], "approve").json()

    assert (made.status, made.headers["location"]) == (201, f"/v1/plans/{plan['id']}")
    assert {name: plan[name] for name in ("connection", "client", "reason", "status")} == {
        "connection": "demo",
        "client": "agent",
        "reason": "tidy up",
        "status": "held",
    }
    assert plan["url"] == f"http://localhost:{service.port}/plans/{plan['id']}"
    assert seen.json() == plan
    (first,) = plan["items"][0]["changes"]
    assert (first["record"], first["field"], first["after"]) == (record, "Industry", "Energy")
    assert len(plan["items"][0]["sha256"]) == 64
    assert (approved["status"], [item["status"] for item in approved["items"]]) == ("done", ["done", "done"])
    assert approved["items"][1]["result"]["status"] == 201
    assert approved["items"][1]["result"]["body"]["success"] is True
    stored = service.call("GET", f"/o/demo{ROOT}/sobjects/Account/{record}", token=token).json()
    assert stored["Industry"] == "Energy"


def test_a_held_write_names_its_plan_and_then_gives_the_answer_once(service: Service, token: str) -> None:
    """Through the broker: 403 with the plan's id, after the yes what Salesforce said, and then a new item."""
    body = {"Name": "Through the broker"}
    path = f"/o/demo{ROOT}/sobjects/Account"
    held = service.call("POST", path, body, token=token)
    plan_id = held.headers["meshmesh-plan"]
    assert decide(service, plan_id, "approve").json()["status"] == "done"
    before = writes(service)
    answer, again = (service.call("POST", path, body, token=token) for _ in range(2))

    assert (held.status, held.json()[0]["errorCode"]) == (403, "MESHMESH_APPROVAL_REQUIRED")
    assert (answer.status, answer.json()["success"]) == (201, True)
    assert (again.status, writes(service)) == (403, before)


def test_a_waiting_agent_is_answered_by_the_decision(service: Service, token: str) -> None:
    """`Prefer: wait=N` brings the rejection, with the owner's words, as soon as it is made."""
    plan_id = submit(service, token).json()["id"]
    answers: list[Answer] = []

    def wait() -> None:
        answers.append(service.call("GET", f"/v1/plans/{plan_id}", token=token, headers={"Prefer": "wait=25"}))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert decide(service, plan_id, "reject", {"reason": "not today"}).json()["status"] == "rejected"
    waiting.join(20)

    assert [(one.json()["status"], one.json()["rejection"]) for one in answers] == [("rejected", "not today")]


def test_a_plan_is_withdrawn_by_its_client(service: Service, token: str) -> None:
    """204 once, then 409; to another client it is not there, and it cannot be approved any more."""
    plan_id = submit(service, token).json()["id"]
    other = service.pair({"connection": "demo", "mode": "plan"})
    path = f"/v1/plans/{plan_id}"

    assert service.call("DELETE", path, token=other).status == 404
    assert service.call("GET", path, token=other).status == 404
    assert service.call("DELETE", path, token=token).status == 204
    assert service.call("DELETE", path, token=token).json()["code"] == "already_decided"
    assert decide(service, plan_id, "approve").status == 409


def test_an_undo_is_a_plan_of_the_owners(service: Service, token: str) -> None:
    """201 with the plan that takes the other back; approved, the record is gone."""
    plan_id = submit(service, token, create("Short life")).json()["id"]
    assert decide(service, plan_id, "undo").json()["code"] == "no_undo"
    done = decide(service, plan_id, "approve").json()
    record = done["items"][0]["result"]["body"]["id"]
    undo = decide(service, plan_id, "undo")
    undone = decide(service, undo.json()["id"], "approve").json()

    assert done["can_be_undone"] is True
    assert (undo.status, undo.json()["undoes"], undone["status"]) == (201, plan_id, "done")
    assert service.call("GET", f"/o/demo{ROOT}/sobjects/Account/{record}", token=token).status == 404


def test_lists_have_pages(service: Service, token: str) -> None:
    """`next` is an address that leads on; `show=open` leaves out what is over; a client sees its own."""
    other = service.pair({"connection": "demo", "mode": "plan"})
    ids = [submit(service, other, create(name)).json()["id"] for name in "abc"]
    decide(service, ids[2], "reject")
    first = service.call("GET", "/v1/plans?limit=2", token=other).json()
    second = service.call("GET", first["next"], token=other).json()
    waiting = service.call("GET", "/v1/plans?show=open", token=other).json()
    everybody = service.call("GET", "/v1/plans", owner=True).json()

    assert [one["id"] for one in first["plans"] + second["plans"]] == list(reversed(ids))
    assert second["next"] is None
    assert [one["id"] for one in waiting["plans"]] == [ids[1], ids[0]]
    assert {"agent", "test program"} <= {one["client"] for one in everybody["plans"]}
    for query in ("show=some", "limit=0", "page=2", f"after={'x' * 65}"):
        assert service.call("GET", f"/v1/plans?{query}", token=other).status == 422


def test_the_same_key_is_the_same_plan(service: Service, token: str) -> None:
    """`Idempotency-Key`: handed in twice, held once."""
    body = {"connection": "demo", "requests": [create("Once")]}
    ids = {
        service.call("POST", "/v1/plans", body, token=token, headers={"Idempotency-Key": "k-1"}).json()["id"]
        for _ in range(2)
    }

    assert len(ids) == 1


@pytest.mark.parametrize(
    ("requests", "field"),
    [
        ([], "requests"),
        ([{"method": "GET", "path": f"{ROOT}/query?q=SELECT+Id+FROM+Account"}], "requests[0]"),
        ([create("a"), {"method": "GET", "path": f"{ROOT}/limits"}], "requests[1]"),
        ([{"method": "POST", "path": "/services/oauth2/token", "body": "x"}], "requests[0]"),
        ([{"method": "PUT", "path": "/secur/frontdoor.jsp"}], "requests[0].path"),
        ([{"method": "POST", "path": f"{ROOT}/../x"}], "requests[0].path"),
        ([{"method": "POST", "path": f"{ROOT}/sobjects/Account?oauth_token=x"}], "requests[0].path"),
        ([{"method": "TRACE", "path": ROOT}], "requests[0].method"),
        ([{"method": "POST"}], "requests[0].path"),
        ([create("a") | {"headers": {"Accept": 7}}], "requests[0].headers.Accept"),
        ([create("a") | {"headers": ["Accept"]}], "requests[0].headers"),
        ([create("a") | {"headers": {"Content-Encoding": "deflate"}}], "requests[0].headers.Content-Encoding"),
        ([create("a") | {"headers": {"x-http-method-override": "PUT"}}], "requests[0].headers.x-http-method-override"),
        (
            [create("a") | {"headers": {"Content-Type": "application/json", "content-type": "text/xml"}}],
            "requests[0].headers.content-type",
        ),
        ([create("a") | {"urgent": True}], "requests[0].urgent"),
    ],
)
def test_what_cannot_be_held_names_the_request(
    service: Service, token: str, requests: list[dict[str, object]], field: str
) -> None:
    """A read, what is never brokered, an address with two meanings: 422 with the field, and no plan."""
    before = service.call("GET", "/v1/plans?show=open", token=token).json()["plans"]
    answer = service.call("POST", "/v1/plans", {"connection": "demo", "requests": requests}, token=token)

    assert answer.status == 422, answer.body
    assert answer.json()["errors"][0]["field"] == field
    assert service.call("GET", "/v1/plans?show=open", token=token).json()["plans"] == before


def test_who_may_hand_in(service: Service) -> None:
    """A client that may only read: 403; without the connection: 404; the owner: 403; nobody: 401."""
    reader, stranger = service.pair({"connection": "demo", "mode": "read"}), service.pair()
    body = {"connection": "demo", "requests": [create("x")]}

    assert service.call("POST", "/v1/plans", body, token=reader).json()["code"] == "meshmesh_read_only"
    assert service.call("POST", "/v1/plans", body, token=stranger).status == 404
    assert service.call("POST", "/v1/plans", body, owner=True).status == 403
    assert service.call("POST", "/v1/plans", body).status == 401


def dashboard_session(service: Service) -> str:
    """A session of the owner's dashboard."""
    code = service.call("POST", "/v1/launch-codes", {}, owner=True).json()["launch_code"]
    origin = {"Origin": f"http://localhost:{service.port}"}
    made = service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}, headers=origin)
    return str(made.json()["session"])


@pytest.fixture(scope="module")
def exec_child(service: Service) -> Iterator[subprocess.Popen[str]]:
    """A process that `exec` lends to: what it sends over the owner's socket, it sends as that client."""
    program = (
        "import socket, sys\n"
        "for line in sys.stdin:\n"
        "    s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1])\n"
        "    s.sendall(bytes.fromhex(line.strip()))\n"
        "    raw = b''\n"
        "    while part := s.recv(65536):\n"
        "        raw += part\n"
        "    print(raw.split()[1].decode(), flush=True)\n"
    )
    lender = "import subprocess, sys; subprocess.run(sys.argv[1:])"  # as `exec` stands above the command it lends to
    child = subprocess.Popen(
        [sys.executable, "-c", lender, sys.executable, "-c", program, str(service.socket_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    grants = [{"connection": "demo", "mode": "plan"}]
    minted = service.call("POST", "/v1/clients", {"name": "child", "pid": child.pid, "grants": grants}, owner=True)
    assert minted.status == 201, minted.body
    yield child
    child.communicate(timeout=20)


def as_child(child: subprocess.Popen[str], port: int, method: str, path: str, body: object) -> int:
    """The status of a call that the child makes over the owner's socket, without any credential."""
    payload = json.dumps(body).encode()
    top = (
        f"{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(payload)}\r\n\r\n"
    )
    assert child.stdin
    assert child.stdout
    child.stdin.write((top.encode() + payload).hex() + "\n")
    child.stdin.flush()
    return int(child.stdout.readline())


@pytest.mark.parametrize("verb", ["approve", "reject", "undo"])
def test_no_door_lets_an_agent_decide(
    service: Service, token: str, exec_child: subprocess.Popen[str], verb: str
) -> None:
    """Not with its token on either door, not beside a dashboard's session, not as a child of `exec`, not as nobody."""
    plan_id = submit(service, token).json()["id"]
    path = f"/v1/plans/{plan_id}/{verb}"
    session = {"MeshMesh-Session": dashboard_session(service)}
    before = writes(service)

    assert service.call("POST", path, {}, token=token).json()["code"] == "owner_only"
    assert service.call("POST", path, {}, token=token, owner=True).json()["code"] == "owner_only"
    assert service.call("POST", path, {}, token=token, headers=session).json()["code"] == "owner_only"
    assert as_child(exec_child, service.port, "POST", path, {}) == 403
    assert service.call("POST", path, {}).status == 401
    assert service.call("POST", path, {}, headers={"MeshMesh-Session": "guess"}).status == 401
    assert service.call("GET", f"/v1/plans/{plan_id}", token=token).json()["status"] == "held"
    assert writes(service) == before


def test_an_agent_can_neither_change_nor_reorder(service: Service, token: str) -> None:
    """There is no way to put or patch a plan, not even for the owner."""
    plan_id = submit(service, token).json()["id"]
    for method in ("PUT", "PATCH"):
        for target in (f"/v1/plans/{plan_id}", f"/v1/plans/{plan_id}/items"):
            assert service.call(method, target, {"items": []}, token=token).status in {404, 405}
            assert service.call(method, target, {"items": []}, owner=True).status in {404, 405}


def test_the_dashboard_of_the_owner_decides(service: Service, token: str) -> None:
    """With its session alone, from its own origin, it is the owner."""
    plan_id = submit(service, token).json()["id"]
    headers = {
        "MeshMesh-Session": dashboard_session(service),
        "Origin": f"http://localhost:{service.port}",
        "Sec-Fetch-Site": "same-origin",
    }
    answer = service.call("POST", f"/v1/plans/{plan_id}/approve", {}, headers=headers)

    assert (answer.status, answer.json()["status"]) == (200, "done")


def test_events_tell_a_client_of_its_own_plans_only(service: Service, token: str) -> None:
    """Created and decided, in the shape of the API; another client's plan is not told."""
    other = service.pair({"connection": "demo", "mode": "plan"})
    with socket.create_connection(("127.0.0.1", service.port)) as stream:
        top = f"GET /v1/events HTTP/1.1\r\nHost: localhost:{service.port}\r\nAuthorization: Bearer {token}\r\n\r\n"
        stream.sendall(top.encode())
        stream.settimeout(20)
        text = stream.recv(65536)
        while b"retry:" not in text:
            text += stream.recv(65536)
        foreign = submit(service, other).json()["id"]
        own = submit(service, token).json()["id"]
        decide(service, own, "reject")
        while b"plan.decided" not in text:
            text += stream.recv(65536)

    assert f'"id": "{own}"'.encode() in text
    assert foreign.encode() not in text


@pytest.mark.parametrize(
    ("body", "field"),
    [({"items": ["it-none"]}, "items[0]"), ({"items": []}, "items"), ({"build_for": 0}, "build_for")],
)
def test_a_bad_approval_changes_nothing(service: Service, token: str, body: dict[str, object], field: str) -> None:
    """The owner's slip is 422 with the field, and the plan waits on."""
    plan_id = submit(service, token).json()["id"]
    answer = decide(service, plan_id, "approve", body)

    assert (answer.status, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    assert service.call("GET", f"/v1/plans/{plan_id}", token=token).json()["status"] == "held"


def test_build_for_a_while(service: Service) -> None:
    """Approved with `build_for`, the client's next write passes; its grant says until when."""
    token = service.pair({"connection": "demo", "mode": "plan"})
    plan_id = submit(service, token).json()["id"]
    assert decide(service, plan_id, "approve", {"build_for": 600}).status == 200
    (grant,) = service.call("GET", "/v1/me", token=token).json()["grants"]

    assert (grant["mode"], grant["expires_at"] is not None) == ("build", True)
    written = service.call("POST", f"/o/demo{ROOT}/sobjects/Account", {"Name": "Built"}, token=token)
    assert written.status == 201


def test_agents_are_told_how_plans_work(service: Service) -> None:
    """The lines for an agent name the code of a held write and where plans are handed in."""
    text = service.call("GET", "/llms.txt").body.decode()

    assert "MESHMESH_APPROVAL_REQUIRED" in text
    assert f"POST http://localhost:{service.port}/v1/plans" in text
