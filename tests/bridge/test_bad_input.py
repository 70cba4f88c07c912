"""Bad input: problem+json that names the field and the next step, and nothing changed."""

import json

import pytest

from support.service import Service

OWNER: list[tuple[str, str, object, str]] = [
    ("POST", "/v1/connections", {}, "environment"),
    ("POST", "/v1/connections", {"environment": "moon"}, "environment"),
    ("POST", "/v1/connections", {"environment": 7}, "environment"),
    ("POST", "/v1/connections", {"environment": "demo", "name": "Demo Org"}, "name"),
    ("POST", "/v1/connections", {"environment": "demo", "name": ""}, "name"),
    ("POST", "/v1/connections", {"environment": "demo", "name": "a" * 64}, "name"),
    ("POST", "/v1/connections", {"environment": "demo", "name": ["x"]}, "name"),
    ("POST", "/v1/connections", {"environment": "demo", "nmae": "x"}, "nmae"),
    ("POST", "/v1/connections", {"environment": "custom"}, "domain"),
    ("POST", "/v1/connections", {"environment": "custom", "domain": "evil.example"}, "domain"),
    ("POST", "/v1/connections", {"environment": "custom", "domain": "http://acme.my.salesforce.com"}, "domain"),
    ("POST", "/v1/connections", {"environment": "demo", "scopes": "api"}, "scopes"),
    ("POST", "/v1/connections", {"environment": "demo", "scopes": ["api", "refresh_token", "apii"]}, "scopes[2]"),
    ("POST", "/v1/connections", {"environment": "demo", "scopes": ["api"]}, "scopes"),
    ("POST", "/v1/connections", {"environment": "demo", "scopes": [1]}, "scopes[0]"),
    ("POST", "/v1/connections", {"environment": "demo", "app": "x"}, "app"),
    ("POST", "/v1/connections", {"environment": "demo", "app": {}}, "app.client_id"),
    ("POST", "/v1/connections", {"environment": "demo", "app": {"client_id": "x", "flow": "magic"}}, "app.flow"),
    ("POST", "/v1/connections", {"environment": "demo", "app": {"client_id": "x", "secret": "y"}}, "app.secret"),
    (
        "POST",
        "/v1/connections",
        {"environment": "sandbox", "app": {"client_id": "x", "flow": "client_credentials"}},
        "domain",
    ),
    ("PATCH", "/v1/connections/demo", {}, "name"),
    ("PATCH", "/v1/connections/demo", {"name": "no spaces"}, "name"),
    ("PATCH", "/v1/connections/demo", {"name": "x", "kind": "demo"}, "kind"),
    ("POST", "/v1/connections/demo/token", {}, "rejected"),
    ("POST", "/v1/connections/demo/token", {"rejected": 1}, "rejected"),
    ("GET", "/v1/connections/demo/token?min_ttl=soon", None, "min_ttl"),
    ("GET", "/v1/connections/demo/token?min_ttl=-1", None, "min_ttl"),
    ("GET", "/v1/connections/demo/token?min_ttl=99999999", None, "min_ttl"),
    ("GET", "/v1/connections/demo/token?min_ttl=1&min_ttl=2", None, "min_ttl"),
    ("GET", "/v1/connections/demo/token?ttl=5", None, "ttl"),
    ("POST", "/v1/pair", {}, "client_name"),
    ("POST", "/v1/pair", {"client_name": "x" * 81}, "client_name"),
    ("POST", "/v1/pair", {"client_name": "two\nlines"}, "client_name"),
    ("POST", "/v1/pair", {"client_name": "x", "client_kind": "robot"}, "client_kind"),
    ("POST", "/v1/pair", {"client_name": "x", "wants": {}}, "wants"),
    ("POST", "/v1/pair", {"client_name": "x", "wants": [{"mode": "write"}]}, "wants[0].mode"),
    ("POST", "/v1/pair", {"client_name": "x", "wants": [{"mode": "read", "raw_token": "yes"}]}, "wants[0].raw_token"),
    ("POST", "/v1/pair/token", {}, "device_code"),
    ("POST", "/v1/clients", {"name": "x", "grants": []}, "pid"),
    ("POST", "/v1/clients", {"name": "x", "grants": [], "pid": 0}, "pid"),
    ("POST", "/v1/clients", {"name": "x", "grants": [], "pid": 4194000}, "pid"),
    ("POST", "/v1/clients", {"name": "x", "pid": 1, "grants": "all"}, "grants"),
    ("POST", "/v1/clients", {"name": "x", "pid": 1, "grants": [], "command_sha256": "sf deploy"}, "command_sha256"),
    ("POST", "/v1/demo/outage", {"kind": "flood", "seconds": 1}, "kind"),
    ("POST", "/v1/demo/outage", {"kind": "5xx"}, "seconds"),
    ("POST", "/v1/demo/outage", {"kind": "5xx", "seconds": 1.5}, "seconds"),
    ("POST", "/v1/demo/outage", {"kind": "5xx", "seconds": True}, "seconds"),
    ("POST", "/v1/demo/reset", {"now": True}, "now"),
]
GRANTS: list[tuple[object, str]] = [
    ({"grants": [{"mode": "read"}]}, "grants[0].connection"),
    ({"grants": [{"connection": "nowhere", "mode": "read"}]}, "grants[0].connection"),
    ({"grants": [{"connection": "demo", "mode": "all"}]}, "grants[0].mode"),
    ({"grants": [{"connection": "demo", "mode": "read", "raw_token": True}]}, "grants[0].raw_token"),
    ({"grants": [{"connection": "demo", "mode": "read", "expires_in": 0}]}, "grants[0].expires_in"),
    (
        {"grants": [{"connection": "demo", "mode": "read"}, {"connection": "demo", "mode": "build"}]},
        "grants[1].connection",
    ),
    ({"grant": []}, "grant"),
]
NOT_JSON = [
    (b"{", 400),
    (b"[]", 400),
    (b'"x"', 400),
    (b"\xff\xfe{\x00}\x00", 400),
    (b"\xef\xbb\xbf{}", 400),
    (b'{"environment": NaN}', 400),
    (b"[" * 100_000, 400),
    (b'{"environment": "demo", "environment": "sandbox"}', 422),
    (b'{"environment": "' + b"x" * 300_000 + b'"}', 413),
]


# What the service notes by itself, whenever it learns it.
_LEARNT_LATER = {"last_used_at", "last_used_by", "session"}


def everything(service: Service) -> tuple[object, object, object]:
    """What an owner sees of all that could have changed."""
    listed = service.call("GET", "/v1/connections", owner=True).json()["connections"]
    kept = [{key: value for key, value in one.items() if key not in _LEARNT_LATER} for one in listed]
    clients = service.call("GET", "/v1/clients", owner=True).json()
    return kept, clients, service.call("GET", "/v1/pairings", owner=True).json()


@pytest.mark.parametrize(("method", "target", "body", "field"), OWNER)
def test_the_field_is_named_and_nothing_changes(
    service: Service, method: str, target: str, body: object, field: str
) -> None:
    """422 with the field, a sentence, and everything as it was."""
    before = everything(service)
    answer = service.call(method, target, body, owner=True)

    assert answer.status == 422, answer.body
    assert answer.headers["content-type"].startswith("application/problem+json")
    problem = answer.json()
    assert [error["field"] for error in problem["errors"]] == [field]
    assert {"type", "title", "status", "detail", "code", "next"} <= set(problem)
    assert everything(service) == before


@pytest.mark.parametrize(("body", "field"), GRANTS)
def test_a_bad_grant_leaves_the_request_open(service: Service, body: object, field: str) -> None:
    """An approval that cannot be taken names the grant, and can be made again."""
    asked = service.call("POST", "/v1/pair", {"client_name": "x"}, owner=True).json()
    answer = service.call("POST", f"/v1/pairings/{asked['user_code']}/approve", body, owner=True)

    assert answer.status == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    pending = service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]})
    assert (pending.status, pending.json()["error"]) == (400, "authorization_pending")
    assert service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", {}, owner=True).status == 204
    denied = service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]})
    assert (denied.status, denied.json()["error"]) == (400, "access_denied")


@pytest.mark.parametrize(("raw", "status"), NOT_JSON, ids=[str(raw[:24]) for raw, _ in NOT_JSON])
def test_a_body_has_one_meaning(service: Service, raw: bytes, status: int) -> None:
    """What two readers could read in two ways, and what is no JSON object, is refused."""
    answer = service.send("POST", "/v1/connections", raw, owner=True, headers={"Content-Type": "application/json"})

    assert answer.status == status
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_is_no_json(service: Service, content_type: str) -> None:
    """A web page's simple request (a form, text) is not taken, whatever it holds."""
    body = b'{"client_name": "x"}'
    answer = service.send("POST", "/v1/pair", body, headers={"Content-Type": content_type} if content_type else {})

    assert answer.status == 415


def test_an_encoded_body_is_refused(service: Service) -> None:
    """A body that would have to be inflated first is refused before it is read."""
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}

    assert service.send("POST", "/v1/pair", b"\x1f\x8b", headers=headers).status == 415


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "/v1/connections/nowhere"),
        ("PATCH", "/v1/connections/nowhere"),
        ("DELETE", "/v1/connections/nowhere"),
        ("POST", "/v1/connections/nowhere/reconnect"),
        ("POST", "/v1/connections/nowhere/test"),
        ("GET", "/v1/connections/nowhere/token"),
        ("GET", "/v1/sign-ins/nowhere"),
        ("DELETE", "/v1/sign-ins/nowhere"),
        ("POST", "/v1/sign-ins/nowhere/redirect"),
        ("POST", "/v1/pairings/ABCD-EFGH/approve"),
        ("POST", "/v1/pairings/ABCD-EFGH/deny"),
        ("DELETE", "/v1/clients/nowhere"),
        ("PATCH", "/v1/clients/nowhere"),
        ("GET", "/v1/nowhere"),
        ("GET", "/signed-in"),
    ],
)
def test_what_is_not_there_is_said(service: Service, method: str, target: str) -> None:
    """404 in the problem shape, whatever is in the body."""
    bodies: dict[str, object] = {"PATCH": {"name": "x"} if "connections" in target else {"grants": []}, "POST": {}}
    if target.endswith("/redirect"):
        bodies["POST"] = {"url": "http://localhost:1717/OauthRedirect?state=x&code=y"}
    if target.endswith("/approve"):
        bodies["POST"] = {"grants": []}
    answer = service.call(method, target, bodies.get(method), owner=True)

    assert answer.status == 404
    assert answer.json()["code"] == "not_found"


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://localhost:1717/OauthRedirect",
        "http://localhost:1717/elsewhere?state=x&code=y",
        "http://localhost:1717/OauthRedirect?code=y",
        "http://[::1/OauthRedirect?state=x",
    ],
)
def test_a_pasted_address_must_be_one(service: Service, url: str) -> None:
    """What is pasted is held to the redirect's form before anything else, and the sign-in stays open."""
    begun = service.call("POST", "/v1/connections", {"environment": "demo", "name": "pasted"}, owner=True).json()
    sign_in = begun["sign_in"]["id"]
    answer = service.call("POST", f"/v1/sign-ins/{sign_in}/redirect", {"url": url}, owner=True)

    assert answer.status == 422
    assert answer.json()["errors"][0]["field"] == "url"
    assert service.call("GET", f"/v1/sign-ins/{sign_in}", owner=True).json()["status"] == "waiting"


def test_a_taken_name_is_409(service: Service) -> None:
    """A second connection of one name is refused before any browser opens."""
    answer = service.call("POST", "/v1/connections", {"environment": "demo", "name": "demo"}, owner=True)

    assert (answer.status, answer.json()["code"]) == (409, "name_taken")
    assert answer.json()["next"]["command"] == "meshmesh reconnect demo"


BROKER = [
    ("GET", "/o/demo/services/../secur/frontdoor.jsp", 400),
    ("GET", "/o/demo/services/data/%2e%2e/x", 400),
    ("GET", "/o/demo/services//data", 400),
    ("GET", "/o/demo/services/data%2fv66.0", 400),
    ("GET", "/o/demo/services/data/v66.0/query?_HttpMethod=PATCH&q=x", 400),
    ("GET", "/o/demo/services/data/v66.0/\\..", 400),
    ("GET", "/o/demo/secur/frontdoor.jsp", 404),
    ("GET", "/o/demo/", 404),
    ("GET", "/o/demo", 404),
    ("GET", "/o/nowhere/services/data", 404),
    ("GET", "/o/demo/services/oauth2/token", 403),
    ("GET", "/o/demo/services/oauth2/singleaccess", 403),
    ("GET", "/o/demo/services/OAuth2/authorize", 403),
    ("GET", "/o/demo/services/data/v66.0/tooling/executeAnonymous?anonymousBody=x", 403),
    ("GET", "/o/demo/services/apexrest/x", 403),
    ("GET", "/o/demo/services/data/v66.0/query?q=SELECT+Id+FROM+Account+FOR+VIEW", 403),
    ("DELETE", "/o/demo/services/data/v66.0/sobjects/Account/001000000000001AAA", 403),
]


@pytest.mark.parametrize(("method", "target", "status"), BROKER)
def test_the_broker_refuses_in_salesforces_shape(service: Service, method: str, target: str, status: int) -> None:
    """A reader's odd addresses and writes are refused as Salesforce's error array, and nothing is sent on."""
    token = service.pair({"connection": "demo", "mode": "read"})
    answer = service.call(method, target, token=token)

    assert answer.status == status, answer.body
    (error,) = json.loads(answer.body)
    assert set(error) == {"errorCode", "message"}


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
def test_a_method_override_is_refused(service: Service, header: str) -> None:
    """A header that would change the method at the other side is refused in every mode."""
    token = service.pair({"connection": "demo", "mode": "build"})
    answer = service.call("GET", "/o/demo/services/data", token=token, headers={header: "PATCH"})

    assert answer.status == 400
