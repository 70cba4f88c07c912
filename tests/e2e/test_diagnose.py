"""All nine verdicts, end to end: the demo org plays each, the API says it, and so does `meshmesh doctor NAME`."""

import http.client
import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import pytest

from support.demo_org import ADA, CLI
from support.service import Service, StartService

Json = dict[str, object]
Pull = tuple[str, Json]


def pull(service: Service, lever: str, document: Json) -> None:
    """Pull a lever of the demo org that a service started."""
    key = (service.home / "data" / "demo" / "lever.key").read_text().strip()
    shown = service.call("GET", "/v1/connections/demo", owner=True).json()
    line = http.client.HTTPConnection(urlsplit(str(shown["instance_url"])).netloc, timeout=20)
    try:
        line.request("POST", f"/demo/{lever}", json.dumps(document), {"Authorization": f"Lever {key}"})
        assert line.getresponse().status == 200
    finally:
        line.close()


def rest(body: object, status: int = 200) -> Pull:
    """The answer to the next REST call."""
    return "answer", {"where": "rest", "status": status, "body": body}


def outage(kind: str, seconds: int = 600) -> Pull:
    """An outage; of no seconds, its end."""
    return "outage", {"kind": kind, "seconds": seconds}


def org(**fields: object) -> Pull:
    """A change of the org."""
    return "org", fields


def user(**switches: object) -> Pull:
    """A change of the user."""
    return "user", {"username": ADA, **switches}


def app(**policies: object) -> Pull:
    """A change of the app."""
    return "app", {"client_id": CLI, **policies}


def extra_license(status: str) -> Pull:
    """The permission set licence that the user has."""
    return "org", {"license": {"name": "DemoAnalytics", "status": status}}


VERSIONS = rest([{"version": "66.0"}])
NONE_LEFT = rest({"DailyApiRequests": {"Max": 15000, "Remaining": 0}})
REFUSED = rest([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], 403)
LONG_AGO = "2020-01-31T00:00:00.000+0000"


@dataclass(frozen=True)
class Play:
    """What is played, and what must come of it; `asked` is what stands in the message for the admin."""

    verdict: str
    code: int
    words: str
    evidence: str
    asked: str | None = None
    begin: tuple[Pull, ...] = ()
    end: tuple[Pull, ...] = ()

    @contextmanager
    def on(self, service: Service) -> Generator[None]:
        """While it is played."""
        for lever, document in self.begin:
            pull(service, lever, document)
        try:
            yield
        finally:
            for lever, document in self.end:
                pull(service, lever, document)


DENIED, LIMIT, ORG = "Access Denied", "A limit of the org is used up", "The org is not available"
FEATURE, LICENSE = "Connected, but a feature is off or hidden", "Connected, but a licence is missing"
PLAYS = {
    "nothing wrong": Play("ok", 0, "All is well", "the API is open to this user"),
    "no API permission": Play(
        "access_denied",
        77,
        DENIED,
        "api_currently_disabled",
        f"Manage Assignments > Add Assignment > {ADA}",
        begin=(user(api=False),),
        end=(user(api=True),),
    ),
    "a session policy": Play(
        "access_denied",
        77,
        DENIED,
        "locked to another network",
        "Lock sessions to the IP address",
        begin=(app(ip_restricted=True),),
        end=(app(ip_restricted=False),),
    ),
    "a feature that is off": Play(
        "feature_missing",
        77,
        FEATURE,
        "Lead and Case",
        "I cannot see Lead and Case",
        begin=(org(hidden=["Lead", "Case"]),),
        end=(org(hidden=[]),),
    ),
    "a licence that is off": Play(
        "license_missing",
        77,
        LICENSE,
        "Demo Analytics of this user is disabled",
        "Profile: System Administrator",
        begin=(extra_license("Disabled"),),
        end=(extra_license("Active"),),
    ),
    "no request left": Play(
        "limit", 75, LIMIT, "None of the org's 15,000", "API Usage", begin=(VERSIONS, rest({}), NONE_LEFT)
    ),
    "refused for the limit": Play("limit", 75, LIMIT, "request_limit_exceeded", "API Usage", begin=(VERSIONS, REFUSED)),
    "an org in distress": Play("org", 75, ORG, "trouble of its own", begin=(outage("5xx"),), end=(outage("5xx", 0),)),
    "a trial that is over": Play(
        "org",
        75,
        ORG,
        "ended on 2020-01-31",
        "extend or buy it",
        begin=(org(trial_expiration_date=LONG_AGO),),
        end=(org(trial_expiration_date=None),),
    ),
    "a blocked app": Play(
        "app",
        77,
        "The org does not admit the app",
        "app_blocked",
        f"{CLI} > Unblock",
        begin=(app(blocked=True),),
        end=(app(blocked=False),),
    ),
    "no line": Play(
        "network",
        75,
        "Salesforce cannot be reached from here",
        "closed before it answered",
        begin=(outage("reset"),),
        end=(outage("reset", 0),),
    ),
}


def diagnose(service: Service, body: object = None) -> Json:
    """The answer of the API."""
    answer = service.call("POST", "/v1/connections/demo/diagnose", {} if body is None else body, owner=True)
    assert answer.status == 200, answer.body
    return cast("Json", answer.json())


def texts(value: object) -> list[str]:
    """A list of texts of an answer."""
    assert isinstance(value, list)
    return [str(item) for item in cast("list[object]", value)]


@pytest.mark.parametrize("case", PLAYS)
def test_a_verdict_end_to_end(service: Service, case: str) -> None:
    """The API and the command line say what is played, and when it is over all is well again."""
    play = PLAYS[case]
    with play.on(service):
        found = diagnose(service)
    with play.on(service):
        ran = service.cli("doctor", "demo")
    message = found["message_for_admin"]

    assert set(found) == {"verdict", "evidence", "message_for_admin", "next"}
    assert found["verdict"] == play.verdict
    assert any(play.evidence in line for line in texts(found["evidence"]))
    assert (message is None) if play.asked is None else (play.asked in str(message))
    assert ran.returncode == play.code, ran.stderr
    assert ran.stdout.startswith(f"demo: {play.words}\n")
    assert play.evidence in ran.stdout
    assert ("Message for your admin" in ran.stdout) is (message is not None)
    assert diagnose(service)["verdict"] == "ok"
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "connected"


def test_a_sign_in_that_was_revoked_end_to_end(start_service: StartService) -> None:
    """Session Expired: the API and the command line send the person to Reconnect, and no admin is asked."""
    service = start_service()
    pull(service, "revoke", {})
    found = diagnose(service)
    ran = service.cli("doctor", "demo")

    assert (found["verdict"], found["message_for_admin"]) == ("session_expired", None)
    assert found["next"] == {"label": "Reconnect", "command": "meshmesh reconnect demo", "url": None}
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "needs_you"
    assert (ran.returncode, ran.stdout.splitlines()[0]) == (77, "demo: Session Expired")
    assert ran.stdout.splitlines()[-1] == "Next: Reconnect: meshmesh reconnect demo"


def test_a_session_that_ended_is_no_verdict(service: Service) -> None:
    """An expired session is renewed on the way."""
    pull(service, "expire-session", {})
    found = diagnose(service)

    assert found["verdict"] == "ok"
    assert any("renewed without you" in line for line in texts(found["evidence"]))


def test_what_a_tool_printed_is_explained(service: Service) -> None:
    """Connected, but the feature is off: told by the error alone, over both doors of the product."""
    error = '[{"errorCode":"FUNCTIONALITY_NOT_ENABLED","message":"[ServiceAutomationFamily]"}]'
    found = diagnose(service, {"error": error})
    ran = service.cli("doctor", "demo", "--error", f"400\n{error}", "--json")

    assert found["verdict"] == "feature_missing"
    assert "ServiceAutomationFamily" in str(found["message_for_admin"])
    assert ran.returncode == 77
    assert json.loads(ran.stdout)["message_for_admin"] == found["message_for_admin"]


def test_the_diagnosis_is_the_owners(service: Service) -> None:
    """Neither a client nor anybody on the port gets it."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    target = "/v1/connections/demo/diagnose"

    assert service.call("POST", target, {}, token=token).status == 403
    assert service.call("POST", target, {}).status == 401
    assert service.call("POST", "/v1/connections/nowhere/diagnose", {}, owner=True).status == 404


def test_a_diagnosis_is_safe_to_paste(service: Service) -> None:
    """No token is in what is answered, printed or logged, even where the pasted error holds it."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    access = str(service.call("GET", "/v1/connections/demo/token", token=token).json()["access_token"])
    answer = service.call("POST", "/v1/connections/demo/diagnose", {"error": f"INVALID_TYPE {access}"}, owner=True)
    ran = service.cli("doctor", "demo", "--error", f"INVALID_TYPE {access}")

    assert answer.status == 200
    for said in (answer.body.decode(), ran.stdout, ran.stderr, service.log):
        assert access not in said
        assert access.partition("!")[2] not in said


@pytest.mark.parametrize("body", [{"error": 7}, {"error": ""}, {"error": "x" * 5000}, {"erorr": "x"}])
def test_bad_input_is_named(service: Service, body: Json) -> None:
    """A field that cannot be taken is refused by name, before the org is asked."""
    refused = service.call("POST", "/v1/connections/demo/diagnose", body, owner=True)

    assert refused.status == 422
    assert refused.json()["errors"][0]["field"] in {"error", "erorr"}


def test_the_api_describes_it(service: Service) -> None:
    """OpenAPI has the route, with a sentence."""
    paths = service.call("GET", "/openapi.json").json()["paths"]

    assert "say what is wrong" in paths["/v1/connections/{name}/diagnose"]["post"]["summary"]
