"""Writes under Plan Mode, as the program that sends them sees it: held, waited for, answered once, in each API's shape."""

import json
import socket
import threading
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest

from support.bypasses import DATALOAD, SPELLINGS
from support.org_state import writes
from support.service import Answer, Service, exchange

DATA = "/o/demo/services/data/v66.0"
ACCOUNTS = f"{DATA}/sobjects/Account"
WAIT = {"Prefer": "wait=20"}


@pytest.fixture
def agent(service: Service) -> str:
    """A program in Plan Mode."""
    return service.pair({"connection": "demo", "mode": "plan"}, name="agent")


def created(service: Service, agent: str, name: str, **headers: str) -> Answer:
    """What comes of making an account."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    return service.call("POST", ACCOUNTS, {"Name": name}, token=agent, headers=named)


def count(service: Service, agent: str, name: str) -> int:
    """How many accounts of a name there are."""
    soql = quote(f"SELECT COUNT() FROM Account WHERE Name LIKE '{name}'")
    return int(service.call("GET", f"{DATA}/query?q={soql}", token=agent).json()["totalSize"])


def decide(service: Service, verb: str, plan_id: str, **body: object) -> Answer:
    """What the owner says to a plan."""
    return service.call("POST", f"/v1/plans/{plan_id}/{verb}", body, owner=True)


def done(service: Service, plan_id: str) -> dict[str, Any]:
    """A plan that has run."""

    def ended() -> bool:
        return look()["status"] not in {"held", "approved", "running"}

    def look() -> dict[str, Any]:
        plan: dict[str, Any] = service.call("GET", f"/v1/plans/{plan_id}", owner=True).json()
        return plan

    assert service.eventually(ended)
    return look()


def meanwhile(service: Service, agent: str, verb: str, ask: Callable[[], Answer], **body: object) -> Answer:
    """What a call that waits is answered, when the owner decides on the newest plan meanwhile."""
    answers: list[Answer] = []
    known = {plan["id"] for plan in plans(service, agent)}
    waiting = threading.Thread(target=lambda: answers.append(ask()))
    waiting.start()
    assert service.eventually(lambda: any(plan["id"] not in known for plan in plans(service, agent)))
    (plan,) = [plan for plan in plans(service, agent) if plan["id"] not in known]
    assert decide(service, verb, plan["id"], **body).status == 200
    waiting.join(30)
    return answers[0]


def plans(service: Service, agent: str) -> list[dict[str, Any]]:
    """The program's plans."""
    found: list[dict[str, Any]] = service.call("GET", "/v1/plans", token=agent).json()["plans"]
    return found


def test_a_write_is_held_and_says_where(service: Service, agent: str) -> None:
    """403 with the plan's address and its id, nothing changed, and a row of the activity that tells of it."""
    before = writes(service)
    answer = created(service, agent, "Held once")
    (error,) = answer.json()
    plan_id = answer.headers["meshmesh-plan"]
    rows = service.call("GET", "/v1/activity?limit=1000", owner=True).json()["activity"]

    assert (answer.status, error["errorCode"]) == (403, "MESHMESH_APPROVAL_REQUIRED")
    assert f"http://localhost:{service.port}/plans/{plan_id}" in error["message"]
    assert writes(service) == before
    assert [row for row in rows if row["action"] == "plan.held" and plan_id in row["detail"]]


def test_the_same_command_again_gets_the_answer_once(service: Service, agent: str) -> None:
    """After the approval the same request is answered as Salesforce answered, one time; the next one is a new write."""
    plan_id = created(service, agent, "Answered").headers["meshmesh-plan"]
    assert created(service, agent, "Answered").headers["meshmesh-plan"] == plan_id
    assert decide(service, "approve", plan_id).status == 200
    assert done(service, plan_id)["status"] == "done"
    again, third = created(service, agent, "Answered"), created(service, agent, "Answered")

    assert again.status == 201
    assert again.headers["location"].startswith(f"http://localhost:{service.port}{ACCOUNTS}/{again.json()['id']}")
    assert third.status == 403
    assert third.headers["meshmesh-plan"] != plan_id
    assert count(service, agent, "Answered") == 1


def test_a_call_that_waits_gets_salesforces_answer(service: Service, agent: str) -> None:
    """`Prefer: wait` ends with the 201 itself, which is then spent."""
    answer = meanwhile(service, agent, "approve", lambda: created(service, agent, "Waited for", **WAIT))

    assert answer.status == 201
    assert answer.json()["success"] is True
    assert count(service, agent, "Waited for") == 1
    assert created(service, agent, "Waited for").status == 403


def test_a_no_reaches_the_agent_with_its_reason(service: Service, agent: str) -> None:
    """A rejection is an error of its own, for who waits and for who asks again, and nothing was changed."""
    waited = meanwhile(service, agent, "reject", lambda: created(service, agent, "Refused", **WAIT), reason="Not now")
    plan_id = created(service, agent, "Refused too").headers["meshmesh-plan"]
    assert decide(service, "reject", plan_id, reason="Never").status == 200
    later = created(service, agent, "Refused too")

    assert (waited.status, later.status) == (403, 403)
    assert waited.json()[0]["errorCode"] == later.json()[0]["errorCode"] == "MESHMESH_PLAN_REJECTED"
    assert "Not now" in waited.json()[0]["message"]
    assert "Never" in later.json()[0]["message"]
    assert count(service, agent, "Refused%") == 0


def test_an_answer_of_salesforces_that_is_an_error_is_given_too(service: Service, agent: str) -> None:
    """What the org refuses after the approval is what the client gets."""

    def ask() -> Answer:
        return service.call("POST", ACCOUNTS, {"Nope": "x"}, token=agent, headers=WAIT)

    answer = meanwhile(service, agent, "approve", ask)

    assert answer.status == 400
    assert answer.json()[0]["errorCode"] == "INVALID_FIELD"


def test_build_mode_gives_what_is_still_to_be_given(service: Service, agent: str) -> None:
    """Approved, and switched to Build before the client came back: its repeated request is no second write."""
    plan_id = created(service, agent, "Built").headers["meshmesh-plan"]
    assert decide(service, "approve", plan_id, build_for=600).status == 200
    done(service, plan_id)
    again, second = created(service, agent, "Built"), created(service, agent, "Built")

    assert (again.status, second.status) == (201, 201)
    assert count(service, agent, "Built") == 2


def test_a_long_write_gets_its_answer_too(service: Service, agent: str) -> None:
    """Two MiB that were approved, with Build Mode besides, and sent again are one write: the answer, once."""
    body = b'{"Name": "Long"' + b" " * 2 * 1024 * 1024 + b"}"
    headers = {"Authorization": f"Bearer {agent}", "Content-Type": "application/json"}
    plan_id = service.send("POST", ACCOUNTS, body, headers=headers).headers["meshmesh-plan"]
    assert decide(service, "approve", plan_id, build_for=600).status == 200
    done(service, plan_id)
    again = service.send("POST", ACCOUNTS, body, headers=headers)

    assert again.status == 201
    assert count(service, agent, "Long") == 1
    assert service.send("POST", ACCOUNTS, body, headers=headers).status == 201
    assert count(service, agent, "Long") == 2


@pytest.mark.parametrize("padding", [0, 2 * 1024 * 1024], ids=["short", "long"])
def test_what_build_mode_sends_is_not_run_from_an_open_plan_too(service: Service, agent: str, padding: int) -> None:
    """Held, then sent by the program itself in Build Mode: its twin is out of the plan, and the rest of it waits on."""
    name = f"Twin {padding}"
    body = json.dumps({"Name": name}).encode() + b" " * padding
    headers = {"Authorization": f"Bearer {agent}", "Content-Type": "application/json"}
    plan_id = service.send("POST", ACCOUNTS, body, headers=headers).headers["meshmesh-plan"]
    assert created(service, agent, f"{name}, kept", MeshMesh_Plan=plan_id).status == 403
    client_id = service.call("GET", "/v1/me", token=agent).json()["id"]
    grants = {"grants": [{"connection": "demo", "mode": "build"}]}
    assert service.call("PATCH", f"/v1/clients/{client_id}", grants, owner=True).status == 200
    assert service.send("POST", ACCOUNTS, body, headers=headers).status == 201
    plan = service.call("GET", f"/v1/plans/{plan_id}", token=agent).json()
    assert decide(service, "approve", plan_id).status == 200
    ended = done(service, plan_id)

    assert plan["status"] == "held"
    assert [item["status"] for item in plan["items"]] == ["rejected", "held"]
    assert "sent it itself" in plan["items"][0]["note"]
    assert [item["status"] for item in ended["items"]] == ["rejected", "done"]
    assert count(service, agent, name) == count(service, agent, f"{name}, kept") == 1


def test_a_client_may_name_its_plan(service: Service, agent: str) -> None:
    """Requests under a `MeshMesh-Plan` header are items of that plan; another's is not found."""
    plan_id = created(service, agent, "Grouped 1").headers["meshmesh-plan"]
    named = created(service, agent, "Grouped 2", MeshMesh_Plan=plan_id)
    stranger = service.pair({"connection": "demo", "mode": "plan"}, name="stranger")

    assert named.headers["meshmesh-plan"] == plan_id
    assert created(service, stranger, "Grouped 3", MeshMesh_Plan=plan_id).status == 404
    items = service.call("GET", f"/v1/plans/{plan_id}", token=agent).json()["items"]
    assert len(items) == 2


def test_soap_gets_faults_and_bulk_1_gets_its_xml(service: Service, agent: str) -> None:
    """A held, and a rejected, write is an error that clients of that API can read."""
    soap = SPELLINGS["SOAP create"]

    def call() -> Answer:
        body = soap.body.replace(b"{token}", f"00Dx!{agent}".encode())
        return service.send("POST", f"/o/demo{soap.target}", body, headers={"Content-Type": "text/xml"})

    def job() -> Answer:
        body = f'<jobInfo xmlns="{DATALOAD}"><operation>insert</operation><object>Account</object></jobInfo>'.encode()
        headers = {"X-SFDC-Session": agent, "Content-Type": "application/xml"}
        return service.send("POST", "/o/demo/services/async/66.0/job", body, headers=headers)

    for ask, status, word in ((call, 500, b"<faultcode>sf:%s<"), (job, 400, b"<exceptionCode>%s<")):
        held = ask()
        assert held.status == status
        assert word % b"MESHMESH_APPROVAL_REQUIRED" in held.body
        assert decide(service, "reject", held.headers["meshmesh-plan"], reason="a < b").status == 200
        no = ask()
        assert no.status == status
        assert word % b"MESHMESH_PLAN_REJECTED" in no.body
        assert b"a &lt; b" in no.body


def test_soap_is_carried_out_with_the_live_session(service: Service, agent: str) -> None:
    """The envelope's handle is no longer in what is kept, and the session that is live then does the work."""
    soap = SPELLINGS["SOAP create"]
    body = soap.body.replace(b"{token}", agent.encode()).replace(b"Bypassed", b"By SOAP")

    def call() -> Answer:
        headers = {"Content-Type": "text/xml", "SOAPAction": '""'} | WAIT
        return service.send("POST", f"/o/demo{soap.target}", body, headers=headers)

    assert service.call("POST", "/v1/demo/expire-session", owner=True).status == 200
    answer = meanwhile(service, agent, "approve", call)

    assert answer.status == 200
    assert b"<success>true</success>" in answer.body
    assert count(service, agent, "By SOAP") == 1


@pytest.mark.parametrize("session", ["", "00Dx!mmp_unknown", "00Dx!", "a b"])
def test_an_envelope_without_a_handle_is_nobodys(service: Service, session: str) -> None:
    """SOAP callers hear INVALID_SESSION_ID as a fault, or that the envelope is not taken, and the org hears nothing."""
    body = SPELLINGS["SOAP create"].body.replace(b"{token}", session.encode())
    before = writes(service)
    answer = service.send("POST", "/o/demo/services/Soap/u/66.0", body, headers={"Content-Type": "text/xml"})

    assert answer.status == 500
    assert b"INVALID_SESSION_ID" in answer.body or b"BAD_REQUEST" in answer.body
    assert writes(service) == before


def test_a_bulk_job_is_held_as_a_whole(service: Service, agent: str) -> None:
    """It is made and filled freely; its closing shows operation, object, rows and hash, and runs once approved."""
    rows = b"Name\n" + b"".join(b"Bulk %d\n" % number for number in range(20))
    job = service.call("POST", f"{DATA}/jobs/ingest", {"operation": "insert", "object": "Account"}, token=agent).json()
    path = f"{DATA}/jobs/ingest/{job['id']}"
    upload = {"Authorization": f"Bearer {agent}", "Content-Type": "text/csv"}
    assert service.send("PUT", f"{path}/batches", rows, headers=upload).status == 201
    assert service.send("PUT", f"{path}/batches", b"Name\nOther\n", headers=upload).status == 409
    held = service.call("PATCH", path, {"state": "UploadComplete"}, token=agent)
    plan_id = held.headers["meshmesh-plan"]
    (item,) = service.call("GET", f"/v1/plans/{plan_id}", token=agent).json()["items"]

    assert held.status == 403
    assert count(service, agent, "Bulk %") == 0
    assert item["summary"] == f"Close Bulk job {job['id']}: insert Account, 20 rows"
    shown = {change["field"]: change["after"] for change in item["changes"]}
    assert (shown["operation"], shown["object"], shown["rows"]) == ("insert", "Account", 20)
    assert shown["row 1"] == {"Name": "Bulk 0"}
    assert decide(service, "approve", plan_id).status == 200
    assert done(service, plan_id)["status"] == "done"
    assert service.call("PATCH", path, {"state": "UploadComplete"}, token=agent).status == 200
    assert count(service, agent, "Bulk %") == 20


def test_what_build_mode_fills_is_shown_and_sealed(service: Service, agent: str) -> None:
    """A job that another program filled in Build Mode is shown with its rows; held, it takes no more in any mode."""
    builder = service.pair({"connection": "demo", "mode": "build"}, name="builder")
    asked = {"operation": "insert", "object": "Account"}
    job = service.call("POST", f"{DATA}/jobs/ingest", asked, token=builder).json()
    path = f"{DATA}/jobs/ingest/{job['id']}"
    upload = {"Authorization": f"Bearer {builder}", "Content-Type": "text/csv"}
    assert service.send("PUT", f"{path}/batches", b"Name\nFilled\n", headers=upload).status == 201
    held = service.call("PATCH", path, {"state": "UploadComplete"}, token=agent)
    more = service.send("PUT", f"{path}/batches", b"Name\nAdded\n", headers=upload)
    (item,) = service.call("GET", f"/v1/plans/{held.headers['meshmesh-plan']}", token=agent).json()["items"]

    assert item["summary"] == f"Close Bulk job {job['id']}: insert Account, 1 row"
    assert (more.status, more.json()[0]["errorCode"]) == (409, "MESHMESH_BULK_JOB_SEALED")


def test_too_many_plans_are_no_reason_to_repeat(service: Service, agent: str) -> None:
    """403 with our code and what to do, and no `Retry-After`: only the owner can make room."""
    ask = {"method": "POST", "path": ACCOUNTS.removeprefix("/o/demo"), "body": {"Name": "One of many"}}
    for _ in range(20):
        body = {"connection": "demo", "reason": "many", "requests": [ask]}
        assert service.call("POST", "/v1/plans", body, token=agent).status == 201
    answer = created(service, agent, "One too many")

    assert (answer.status, answer.json()[0]["errorCode"]) == (403, "MESHMESH_RATE_LIMITED")
    assert "20 plans that wait" in answer.json()[0]["message"]
    assert "retry-after" not in answer.headers


def test_a_mode_that_changes_meanwhile_counts_at_once(service: Service) -> None:
    """A write whose body was still coming when the owner switched to Plan Mode is not sent."""
    builder = service.pair({"connection": "demo", "mode": "build"}, name="builder")
    client_id = service.call("GET", "/v1/me", token=builder).json()["id"]
    body, before = b'{"Name": "Too late"}', writes(service)
    lines = f"Host: localhost:{service.port}\r\nAuthorization: Bearer {builder}\r\nContent-Type: application/json\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        sock.sendall(f"POST {ACCOUNTS} HTTP/1.1\r\n{lines}Content-Length: {len(body)}\r\n\r\n".encode() + body[:9])
        assert created(service, builder, "In time").status == 201  # by now the first request is being read
        grants = {"grants": [{"connection": "demo", "mode": "plan"}]}
        assert service.call("PATCH", f"/v1/clients/{client_id}", grants, owner=True).status == 200
        answer = exchange(sock, body[9:])

    assert answer.status == 403
    assert writes(service) == before + 1
    assert count(service, builder, "Too late") == 0


def test_an_upload_that_is_cut_is_none(service: Service, agent: str) -> None:
    """Half an upload never becomes a whole one at the org, and the closing claims nothing of it."""
    job = service.call("POST", f"{DATA}/jobs/ingest", {"operation": "insert", "object": "Account"}, token=agent).json()
    path = f"{DATA}/jobs/ingest/{job['id']}"
    rows = b"Name\n" + b"Cut off\n" * 400_000
    lines = f"Host: localhost:{service.port}\r\nAuthorization: Bearer {agent}\r\nContent-Type: text/csv\r\n"
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        sock.sendall(f"PUT {path}/batches HTTP/1.1\r\n{lines}Content-Length: {len(rows)}\r\n\r\n".encode())
        sock.sendall(rows[: len(rows) // 2])
    held = service.call("PATCH", path, {"state": "UploadComplete"}, token=agent)

    assert service.call("GET", f"{path}/unprocessedrecords", token=agent).body.strip() in {b"", b'""'}
    said = held.json()[0]["message"]
    assert "not known" in said or "without any row" in said  # as the closing comes after its beginning, or before
    assert decide(service, "approve", held.headers["meshmesh-plan"]).status == 200
    done(service, held.headers["meshmesh-plan"])
    assert count(service, agent, "Cut off") == 0


def test_what_is_too_long_to_be_looked_at_is_refused(service: Service, agent: str) -> None:
    """More than ten MiB are not held: 413 says what to do instead, and nothing was sent."""
    before = writes(service)
    body = json.dumps({"Name": "x", "Description": "y" * 10 * 1024 * 1024}).encode()
    headers = {"Authorization": f"Bearer {agent}", "Content-Type": "application/json"}
    answer = service.send("POST", ACCOUNTS, body, headers=headers)

    assert answer.status == 413
    assert "Bulk job" in answer.json()[0]["message"]
    assert writes(service) == before


def test_making_a_job_is_no_read(service: Service) -> None:
    """In mode `read` a Bulk job is not even made."""
    reader = service.pair({"connection": "demo", "mode": "read"}, name="reader")
    asked = {"operation": "insert", "object": "Account"}
    answer = service.call("POST", f"{DATA}/jobs/ingest", asked, token=reader)

    assert (answer.status, answer.json()[0]["errorCode"]) == (403, "MESHMESH_READ_ONLY")
