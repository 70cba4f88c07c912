"""An agent asks for a connection over a real service, and the owner decides."""

import threading

import pytest

from support.service import Answer, Service

LOOK = {"purpose": "count the accounts", "mode": "read"}


def ask(service: Service, token: str, **members: object) -> Answer:
    """A client's request."""
    return service.call("POST", "/v1/access-requests", LOOK | members, token=token)


def decide(service: Service, request_id: str, verb: str, body: object) -> Answer:
    """The owner's decision."""
    return service.call("POST", f"/v1/access-requests/{request_id}/{verb}", body, owner=True)


def test_an_approved_request_lets_the_client_in(service: Service) -> None:
    """From 202 pending to a grant that works; the owner's list names the client, and is empty afterwards."""
    token = service.pair(name="agent")
    asked = ask(service, token)
    request_id = asked.json()["id"]
    listed = service.call("GET", "/v1/access-requests", owner=True).json()
    approved = decide(service, request_id, "approve", {"connection": "demo", "mode": "plan"})
    seen = service.call("GET", f"/v1/access-requests/{request_id}", token=token).json()

    assert (asked.status, asked.headers["location"]) == (202, f"/v1/access-requests/{request_id}")
    assert {name: asked.json()[name] for name in ("status", "purpose", "mode", "connection")} == {
        "status": "pending",
        "purpose": "count the accounts",
        "mode": "read",
        "connection": None,
    }
    assert asked.json()["expires_at"].endswith("Z")
    assert [(one["id"], one["client"]) for one in listed["access_requests"]] == [(request_id, "agent")]
    assert listed["next"] is None
    assert (approved.status, approved.json()["client"]) == (200, "agent")
    assert (seen["status"], seen["connection"], seen["mode"]) == ("approved", "demo", "plan")
    assert "client" not in seen
    grants = service.call("GET", "/v1/me", token=token).json()["grants"]
    assert [(one["connection"], one["mode"], one["raw_token"]) for one in grants] == [("demo", "plan", False)]
    assert service.call("GET", "/v1/connections/demo", token=token).status == 200
    assert service.call("GET", "/v1/access-requests", owner=True).json()["access_requests"] == []


def test_a_waiting_agent_is_answered_by_the_decision(service: Service) -> None:
    """`Prefer: wait=N` brings the denial as soon as it is made."""
    token = service.pair()
    request_id = ask(service, token).json()["id"]
    answers: list[Answer] = []

    def wait() -> None:
        path = f"/v1/access-requests/{request_id}"
        answers.append(service.call("GET", path, token=token, headers={"Prefer": "wait=25"}))

    waiting = threading.Thread(target=wait)
    waiting.start()
    assert decide(service, request_id, "deny", {}).status == 204
    waiting.join(20)

    assert [answer.json()["status"] for answer in answers] == ["denied"]
    assert service.call("GET", "/v1/me", token=token).json()["grants"] == []


def test_a_decision_is_made_once(service: Service) -> None:
    """Whatever comes after the first decision is 409 `already_decided`."""
    request_id = ask(service, service.pair()).json()["id"]
    body = {"connection": "demo", "mode": "read"}
    assert decide(service, request_id, "approve", body).status == 200

    for verb, again in (("approve", body), ("deny", {})):
        answer = decide(service, request_id, verb, again)
        assert (answer.status, answer.json()["code"]) == (409, "already_decided")


def test_nobody_else_sees_or_decides(service: Service) -> None:
    """Another client's request is 404; clients list and decide nothing, the owner asks nothing, strangers 401."""
    token, other = service.pair(), service.pair()
    path = f"/v1/access-requests/{ask(service, token).json()['id']}"

    assert service.call("GET", path, token=other).status == 404
    assert service.call("GET", path, owner=True).json()["status"] == "pending"
    for method, target in (("POST", f"{path}/approve"), ("POST", f"{path}/deny"), ("GET", "/v1/access-requests")):
        body = None if method == "GET" else {"connection": "demo", "mode": "build"}
        assert service.call(method, target, body, token=token).status == 403
        assert service.call(method, target, body).status == 401
    assert service.call("POST", "/v1/access-requests", LOOK, owner=True).status == 403
    assert service.call("POST", "/v1/access-requests", LOOK).status == 401
    assert service.call("GET", path).status == 401
    assert service.call("GET", path, owner=True).json()["status"] == "pending"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "read"}, "purpose"),
        ({"purpose": "x"}, "mode"),
        ({"purpose": "x", "mode": "all"}, "mode"),
        ({"purpose": "x" * 501, "mode": "read"}, "purpose"),
        ({"purpose": "x\u0007", "mode": "read"}, "purpose"),
        ({"purpose": "x", "mode": "plan", "raw_token": True}, "raw_token"),
        ({"purpose": "x", "mode": "read", "raw_token": "yes"}, "raw_token"),
        ({"purpose": "x", "mode": "read", "connection": "demo"}, "connection"),
    ],
)
def test_bad_input_names_the_field(service: Service, body: dict[str, object], field: str) -> None:
    """A request that cannot be taken is 422 with the field; a connection cannot be named by who asks."""
    answer = service.call("POST", "/v1/access-requests", body, token=service.pair())

    assert (answer.status, [one["field"] for one in answer.json()["errors"]]) == (422, [field])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"mode": "read"}, "connection"),
        ({"connection": "demo"}, "mode"),
        ({"connection": "nope", "mode": "read"}, "connection"),
        ({"connection": "demo", "mode": "plan", "raw_token": True}, "raw_token"),
        ({"connection": "demo", "mode": "read", "expires_in": 0}, "expires_in"),
    ],
)
def test_a_bad_approval_changes_nothing(service: Service, body: dict[str, object], field: str) -> None:
    """The owner's slip is 422 with the field, and the request waits on."""
    token = service.pair()
    request_id = ask(service, token).json()["id"]
    answer = decide(service, request_id, "approve", body)

    assert (answer.status, [one["field"] for one in answer.json()["errors"]]) == (422, [field])
    assert service.call("GET", f"/v1/access-requests/{request_id}", token=token).json()["status"] == "pending"
    assert service.call("GET", "/v1/me", token=token).json()["grants"] == []


def test_the_fourth_open_request_is_too_many(service: Service) -> None:
    """It is 429 with `Retry-After`, for this client alone."""
    token = service.pair()
    assert [ask(service, token).status for _ in range(3)] == [202, 202, 202]
    answer = ask(service, token)

    assert (answer.status, answer.json()["code"]) == (429, "rate_limited")
    assert int(answer.headers["retry-after"]) > 0
    assert ask(service, service.pair()).status == 202


def test_a_pin_may_come_with_the_approval(service: Service) -> None:
    """The member `pin` is known, as in every approval."""
    request_id = ask(service, service.pair()).json()["id"]

    assert decide(service, request_id, "approve", {"connection": "demo", "mode": "read", "pin": "1234"}).status == 200
