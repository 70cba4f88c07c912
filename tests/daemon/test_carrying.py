"""A held request is carried out once, or it is said plainly that it was not, or that nobody knows."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost
from meshmesh_daemon.usecases.carrying import Carrier, NotSent, Unknown
from meshmesh_storage.plan_records import HeldRequest
from support.floor import FIRST, Floor
from support.outside import json_answer, page, tokens

PATH = "/services/data/v66.0/sobjects/Account"
REQUEST = HeldRequest(method="POST", target=PATH, headers=(("Content-Type", "application/json"),), body=b'{"Name":"A"}')
ENDED = json_answer([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], 401)
MADE = json_answer({"id": "001000000000001AAA", "success": True}, 201, location=f"{PATH}/001000000000001AAA")

Answer = HttpAnswer | Lost | HostRefused


@dataclass
class Out:
    """Answers in their order, and what was sent."""

    answers: list[Answer]
    sent: list[tuple[str, str, dict[str, str], bytes]] = field(
        default_factory=list[tuple[str, str, dict[str, str], bytes]]
    )

    async def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """The next answer."""
        self.sent.append((method, url, dict(headers), body))
        answer = self.answers.pop(0)
        if isinstance(answer, HttpAnswer):
            return answer
        raise answer


def carrier(floor: Floor, *answers: Answer) -> tuple[Carrier, Out]:
    """A carrier whose org gives these answers."""
    out = Out(list(answers))
    return Carrier(sessions=floor.sessions, salesforce=out, clock=floor.clock), out


async def test_the_bytes_go_out_as_they_are(floor: Floor) -> None:
    """Method, address, headers and body are those that were held; the session is the live one."""
    carry, out = carrier(floor, MADE)
    result = await carry.carry(floor.desk(), REQUEST, who="agent")

    ((method, url, headers, body),) = out.sent
    assert (method, url, body) == ("POST", f"https://acme.my.salesforce.com{PATH}", REQUEST.body)
    assert headers == {"Content-Type": "application/json", "Authorization": f"Bearer {FIRST.access_token}"}
    assert (result.status, json.loads(result.body)["success"]) == (201, True)
    assert dict(result.headers) == {"location": f"{PATH}/001000000000001AAA"}


async def test_an_ended_session_is_renewed_and_the_request_sent_once_more(floor: Floor) -> None:
    """INVALID_SESSION_ID means that nothing was carried out, so the second time is the first."""
    floor.outside.token_answers.append(tokens("00Dx!second", "refresh-2"))
    carry, out = carrier(floor, ENDED, MADE)
    result = await carry.carry(floor.desk(), REQUEST, who="agent")

    assert result.status == 201
    assert [headers["Authorization"] for _, _, headers, _ in out.sent] == [
        "Bearer 00Dx!first",
        "Bearer 00Dx!second",
    ]


async def test_there_is_no_third_time(floor: Floor) -> None:
    """A fresh session that ends at once is trouble, and the request surely did not run."""
    floor.outside.token_answers.append(tokens("00Dx!second", "refresh-2"))
    carry, out = carrier(floor, ENDED, ENDED)
    with pytest.raises(NotSent) as not_sent:
        await carry.carry(floor.desk(), REQUEST, who="agent")

    assert not_sent.value.problem.status == 503
    assert len(out.sent) == 2


async def test_a_refusal_of_salesforces_is_an_answer(floor: Floor) -> None:
    """A validation rule that says no has answered; it is no reason to try again."""
    refused = json_answer([{"errorCode": "FIELD_CUSTOM_VALIDATION_EXCEPTION", "message": "no"}], 400)
    carry, out = carrier(floor, refused)

    assert (await carry.carry(floor.desk(), REQUEST, who="agent")).status == 400
    assert len(out.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [
        Lost("connect", sent=False),
        Lost("dns", sent=False),
        HostRefused("acme.my.salesforce.com"),
        json_answer([{"errorCode": "API_DISABLED_FOR_ORG", "message": "The REST API is not enabled"}], 403),
        json_answer([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], 403),
    ],
    ids=["nobody there", "no address", "a host that is not let", "no API", "the day's limit"],
)
async def test_what_surely_did_not_run_is_said(floor: Floor, answer: Answer) -> None:
    """A request that did not arrive, or was turned away before it ran, was not sent."""
    carry, out = carrier(floor, answer)
    with pytest.raises(NotSent):
        await carry.carry(floor.desk(), REQUEST, who="agent")

    assert len(out.sent) == 1


@pytest.mark.parametrize(
    "answer",
    [Lost("timeout", sent=True), Lost("reset", sent=True), Lost("truncated", sent=True), page(502), page(503)],
    ids=["no answer in time", "cut before an answer", "half an answer", "a gateway's page", "a page of the org's"],
)
async def test_what_may_have_run_is_never_sent_again(floor: Floor, answer: Answer) -> None:
    """Without an answer of Salesforce's own nobody knows, and nobody guesses."""
    carry, out = carrier(floor, answer)
    with pytest.raises(Unknown, match="not known"):
        await carry.carry(floor.desk(), REQUEST, who="agent")

    assert len(out.sent) == 1


async def test_a_connection_that_needs_the_person_sends_nothing(floor: Floor) -> None:
    """Nothing leaves without a session."""
    floor.outside.token_answers.append(json_answer({"error": "invalid_grant"}, 400))
    with pytest.raises(Exception, match=r".+"):
        await floor.token(rejected=FIRST.access_token)
    carry, out = carrier(floor)
    with pytest.raises(NotSent) as not_sent:
        await carry.carry(floor.desk(), REQUEST, who="agent")

    assert not_sent.value.problem.code == "reconnect_required"
    assert out.sent == []


async def test_reading_gives_the_document_or_none(floor: Floor) -> None:
    """A record that is gone is None; trouble is no answer."""
    gone = json_answer([{"errorCode": "NOT_FOUND", "message": "gone"}], 404)
    carry, _ = carrier(floor, json_answer({"Name": "A"}), gone, Lost("reset", sent=True), page(200, "<html>"))

    assert await carry.read(floor.desk(), f"{PATH}/1?fields=Name") == {"Name": "A"}
    assert await carry.read(floor.desk(), f"{PATH}/2") is None
    with pytest.raises(NotSent):
        await carry.read(floor.desk(), f"{PATH}/3")
    assert await carry.read(floor.desk(), f"{PATH}/4") is None
