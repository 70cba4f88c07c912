"""No spelling of a write gets past the broker: the org's own count of writes stays where it was."""

import json
from collections.abc import Mapping

import pytest

from support.bypasses import DATA, DATALOAD, SPELLINGS, Spelling
from support.org_state import writes
from support.service import Answer, Service

REFUSED = {400, 403, 404, 405, 409, 413, 415}


@pytest.fixture(scope="module")
def words(service: Service) -> dict[str, str]:
    """What stands in the rows' gaps, and a client in each mode."""
    build = service.pair({"connection": "demo", "mode": "build"}, name="builder")
    found = service.call("GET", f"/o/demo{DATA}/query?q=SELECT+Id+FROM+Account+LIMIT+1", token=build).json()
    asked = {"operation": "insert", "object": "Account"}
    job = service.call("POST", f"/o/demo{DATA}/jobs/ingest", asked, token=build).json()["id"]
    body = f'<jobInfo xmlns="{DATALOAD}"><operation>insert</operation><object>Account</object></jobInfo>'.encode()
    headers = {"X-SFDC-Session": build, "Content-Type": "application/xml"}
    first = service.send("POST", "/o/demo/services/async/66.0/job", body, headers=headers).body.decode()
    return {
        "id": found["records"][0]["Id"],
        "job": job,
        "first": first.partition("<id>")[2].partition("</id>")[0],
        "port": str(service.port),
        "plan": service.pair({"connection": "demo", "mode": "plan"}, name="planner"),
        "read": service.pair({"connection": "demo", "mode": "read"}, name="reader"),
    }


def filled(text: str, words: Mapping[str, str]) -> str:
    """A text without its gaps."""
    for name, value in words.items():
        text = text.replace(f"{{{name}}}", value)
    return text


def asked(service: Service, spelling: Spelling, words: Mapping[str, str]) -> Answer:
    """What the broker answers."""
    if spelling.raw:
        return service.raw(filled(spelling.raw.replace("{{", "{").replace("}}", "}"), words).encode("latin-1"))
    body = filled(spelling.body.decode("latin-1"), words).encode("latin-1")
    headers = {"Authorization": f"Bearer {words['token']}", **spelling.headers}
    if spelling.content_type and body:
        headers["Content-Type"] = spelling.content_type
    if spelling.target.lower().startswith("/services/async/"):
        headers["X-SFDC-Session"] = words["token"]
    return service.send(spelling.method, f"/o/demo{filled(spelling.target, words)}", body, headers=headers)


@pytest.mark.parametrize("mode", ["plan", "read"])
@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
def test_a_write_does_not_get_past(service: Service, words: dict[str, str], spelling: Spelling, mode: str) -> None:
    """It is held or refused, with an answer that no client takes for a reason to try again, and nothing changes."""
    before = writes(service)
    answer = asked(service, spelling, words | {"token": words[mode]})

    assert writes(service) == before
    if spelling.is_soap and answer.status == 500:
        assert b":Fault>" in answer.body
    else:
        assert answer.status in REFUSED, answer.body
    assert b"INTERNAL" not in answer.body


def test_the_table_is_no_wall(service: Service, words: dict[str, str]) -> None:
    """The same rows do change the org in Build Mode: what is refused above is refused for a reason."""
    build = service.pair({"connection": "demo", "mode": "build"}, name="second builder")
    for name in (
        "create",
        "composite create",
        "mutation",
        "Apex by GET",
        "SOAP create",
        "Bulk 1 batch",
        "chunks",
        "post",
    ):
        before = writes(service)
        answer = asked(service, SPELLINGS[name], words | {"token": build})
        assert answer.status in {200, 201, 204}, (name, answer.body)
        assert writes(service) > before, name


def test_reads_pass_in_every_spelling_that_is_one(service: Service, words: dict[str, str]) -> None:
    """A POST that only reads is none the worse for it."""
    envelope = SPELLINGS["SOAP create"].body.decode()
    call = envelope[envelope.index("<create>") : envelope.index("</e:Body>")]
    soap = envelope.replace(call, "<query><queryString>SELECT Id FROM Account</queryString></query>").encode()
    composite = {"compositeRequest": [{"method": "GET", "url": f"{DATA}/limits", "referenceId": "a"}]}
    reads = (
        Spelling("POST", f"{DATA}/composite/sobjects/Account", b'{"ids": ["{id}"], "fields": ["Name"]}'),
        Spelling("POST", f"{DATA}/parameterizedSearch", b'{"q": "Acme"}'),
        Spelling("POST", f"{DATA}/composite", json.dumps(composite).encode()),
        Spelling("POST", f"{DATA}/graphql", b'{"query": "query { uiapi { query { Account { edges { node { Id } } } } } }"}'),
        Spelling("POST", "/services/Soap/u/66.0", soap, "text/xml"),
    )  # fmt: skip
    for mode in ("plan", "read"):
        for read in reads:
            answer = asked(service, read, words | {"token": words[mode]})
            assert answer.status == 200, (mode, read, answer.body)
