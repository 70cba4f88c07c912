"""The diagnosis as a use case: the ladder on a fake Salesforce, and what it makes of the connection."""

import asyncio
from dataclasses import dataclass, field, replace

import pytest

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost
from meshmesh_daemon.core.diagnosis import Diagnosis
from meshmesh_daemon.core.diagnosis_findings import Verdict
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.diagnosis import Diagnoses
from meshmesh_storage import connections
from meshmesh_storage.records import Reason, Status
from support.clock import FakeClock
from support.floor import ACME, FIRST, Floor
from support.outside import Answer, FakeOutside, json_answer, oauth_error, page, tokens

DATA = "/services/data"
ROOT = f"{DATA}/v66.0"
VERSIONS = json_answer([{"version": "66.0"}])
RESOURCES = json_answer({"query": f"{ROOT}/query"})
EXPIRED = json_answer([{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], 401)
LOCKED_OUT = json_answer(
    [{"errorCode": "INVALID_SESSION_ID", "message": "This session is not valid for use with the REST API"}], 401
)
NO_API = json_answer([{"errorCode": "API_CURRENTLY_DISABLED", "message": "API is disabled for this User"}], 403)
USED_UP = json_answer([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "TotalRequests Limit exceeded."}], 403)
REVOKED = oauth_error("invalid_grant", "expired access/refresh token")


@pytest.fixture(autouse=True)
def well(floor: Floor) -> None:
    """An org in which all is well, as far as the ladder's vital steps go."""
    floor.outside.others |= {
        DATA: VERSIONS,
        ROOT: RESOURCES,
        "/services/oauth2/userinfo": json_answer({"name": "Ada", "preferred_username": "ada@acme.example"}),
        f"{ROOT}/limits": json_answer({"DailyApiRequests": {"Max": 10, "Remaining": 5}}),
        f"{ROOT}/query": json_answer({"records": []}),
    }
    for name in ("Account", "Contact", "Lead", "Opportunity", "Case"):
        floor.outside.others[f"{ROOT}/sobjects/{name}"] = json_answer({})


async def diagnosed(floor: Floor, error: str | None = None) -> Diagnosis:
    """The diagnosis of `acme`."""
    diagnoses = Diagnoses(desks=floor.desks, sessions=floor.sessions, outside=floor.outside, clock=floor.clock)
    return await diagnoses.diagnose(ACME.id, error=error)


def says(found: Diagnosis, text: str) -> bool:
    """Whether a line of the evidence says it."""
    return any(text in line for line in found.evidence)


async def test_a_connection_that_works_is_ok(floor: Floor) -> None:
    """Every step is asked once, the host without the token, and no line holds the token."""
    found = await diagnosed(floor)
    asked = [path for path, _ in floor.outside.asked]

    assert found.verdict is Verdict.OK
    assert asked[:3] == [DATA, "/services/oauth2/userinfo", ROOT]
    assert asked.count(f"{ROOT}/query") == 6
    assert floor.outside.asked[0][1] == {"access_token": ""}
    assert "first" not in repr(found)


class _Forgetful(FakeOutside):
    """Knows no session but the one that the next refresh gives."""

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        answer = await super().get(url, access_token=access_token)
        return EXPIRED if access_token == FIRST.access_token else answer


async def test_a_session_that_ended_is_renewed_on_the_way(floor: Floor) -> None:
    """A 401 is no verdict where the sign-in still gives a session."""
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    floor.outside = _Forgetful(others=floor.outside.others)
    found = await diagnosed(floor)

    assert found.verdict is Verdict.OK
    assert says(found, "renewed without you")
    assert floor.desk().stored.generation == 2


async def test_a_sign_in_that_was_revoked_is_session_expired(floor: Floor) -> None:
    """The connection needs the person from now on, as any other call would have found."""
    floor.outside.others[ROOT] = EXPIRED
    floor.outside.token_answers = [REVOKED]
    found = await diagnosed(floor)

    assert found.verdict is Verdict.SESSION_EXPIRED
    assert found.message_for_admin is None
    assert floor.desk().view.status is Status.NEEDS_YOU


async def test_a_connection_that_needs_the_person_asks_for_no_token(floor: Floor) -> None:
    """What only the person can mend is told from what is stored; only the host is looked at."""
    await keep(floor, status=Status.NEEDS_YOU, reason=Reason.IDLE_TIMEOUT, detail="Unused for 30 days.")
    found = await diagnosed(floor)

    assert found.verdict is Verdict.SESSION_EXPIRED
    assert says(found, "Unused for 30 days.")
    assert [path for path, _ in floor.outside.asked] == [DATA]


async def keep(floor: Floor, **changed: object) -> None:
    """Change what is stored of `acme`."""
    connection = replace(ACME, **changed)  # type: ignore[arg-type]
    async with floor.vault.transaction() as tx:
        await connections.update(tx, connection, expected_generation=ACME.generation)
    floor.desks.place(connection)


REFUSALS: dict[str, tuple[Answer, Verdict, Status, Reason]] = {
    "API off for the user": (NO_API, Verdict.ACCESS_DENIED, Status.BLOCKED, Reason.API_DISABLED),
    "a session that may not use the API": (LOCKED_OUT, Verdict.ACCESS_DENIED, Status.BLOCKED, Reason.IP_RESTRICTED),
    "requests used up": (USED_UP, Verdict.LIMIT, Status.OFFLINE, Reason.RATE_LIMITED),
    "an org that is gone": (page(420), Verdict.ORG, Status.OFFLINE, Reason.ORG_UNAVAILABLE),
    "an org in distress": (page(503), Verdict.ORG, Status.OFFLINE, Reason.SERVICE_UNAVAILABLE),
    "a portal": (page(200), Verdict.NETWORK, Status.OFFLINE, Reason.NETWORK),
    "no line": (Lost("reset", sent=True), Verdict.NETWORK, Status.OFFLINE, Reason.NETWORK),
}


@pytest.mark.parametrize("case", REFUSALS)
async def test_the_first_failure_is_the_verdict_and_is_noted(floor: Floor, case: str) -> None:
    """The ladder ends there, and the connection says the same as the diagnosis."""
    answer, verdict, status, reason = REFUSALS[case]
    floor.outside.others[ROOT] = answer
    found = await diagnosed(floor)
    view = floor.desk().view

    assert found.verdict is verdict
    assert (view.status, view.reason) == (status, reason)
    assert floor.outside.asked[-1][0] == ROOT


async def test_the_host_is_looked_at_first(floor: Floor) -> None:
    """Without a line nothing else is asked."""
    floor.outside.others[DATA] = Lost("dns", sent=False)
    found = await diagnosed(floor)

    assert found.verdict is Verdict.NETWORK
    assert floor.desk().view.reason is Reason.NETWORK
    assert len(floor.outside.asked) == 1


async def test_a_host_that_wants_a_token_is_alive(floor: Floor) -> None:
    """What a host says to a call without a token is no evidence against the connection."""
    floor.outside.others[DATA] = EXPIRED

    assert (await diagnosed(floor)).verdict is Verdict.OK


async def test_what_the_admin_mended_is_well_again(floor: Floor) -> None:
    """A connection that was blocked is looked at afresh, and is connected afterwards."""
    await keep(floor, status=Status.BLOCKED, reason=Reason.API_DISABLED, detail="No API.")
    found = await diagnosed(floor)

    assert found.verdict is Verdict.OK
    assert says(found, "Until now it was blocked: No API.")
    assert floor.desk().view.status is Status.CONNECTED


async def test_a_blocked_connection_without_a_session_tries_to_get_one(floor: Floor) -> None:
    """An app that is unblocked gives a session again; one that is not is told by what the token endpoint says."""
    await keep(floor, status=Status.BLOCKED, reason=Reason.APP_BLOCKED, detail="Blocked.", session=None)
    floor.outside.token_answers = [oauth_error("app_blocked"), tokens("00Dx!second", "refresh-2")]

    assert (await diagnosed(floor)).verdict is Verdict.APP
    assert (await diagnosed(floor)).verdict is Verdict.OK
    assert floor.desk().view.status is Status.CONNECTED


class _Forbidden(FakeOutside):
    """No host may be asked."""

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:  # noqa: ARG002
        raise HostRefused(url)


async def test_our_own_refusal_of_the_host_is_told(floor: Floor) -> None:
    """A host that the settings no longer allow is the app's verdict."""
    floor.outside = _Forbidden()
    found = await diagnosed(floor)

    assert found.verdict is Verdict.APP
    assert floor.desk().view.reason is Reason.APP_MISCONFIGURED


@pytest.mark.parametrize("answer", [Lost("timeout", sent=True), page(503), page(404), json_answer([], 403)])
async def test_a_list_that_fails_ends_only_itself(floor: Floor, answer: HttpAnswer | Lost) -> None:
    """Trouble with a list that is not vital is a line, not a verdict, and no mark on the connection."""
    floor.outside.others[f"{ROOT}/limits"] = answer
    found = await diagnosed(floor)

    assert found.verdict is Verdict.OK
    assert says(found, "The org's limits could not be looked at")
    assert floor.desk().view.status is Status.CONNECTED


async def test_a_limit_that_a_list_meets_is_the_verdict(floor: Floor) -> None:
    """The last request of the day may be used up in the middle of the ladder."""
    floor.outside.others[f"{ROOT}/query"] = USED_UP

    assert (await diagnosed(floor)).verdict is Verdict.LIMIT


async def test_a_fresh_session_that_is_refused_is_not_held_against_the_sign_in(floor: Floor) -> None:
    """The verdict says what was seen; the connection is not marked as needing the person."""
    floor.outside.others[ROOT] = EXPIRED
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    found = await diagnosed(floor)

    assert found.verdict is Verdict.SESSION_EXPIRED
    assert floor.desk().view.status is Status.CONNECTED
    assert len(floor.outside.refreshes()) == 1


@dataclass
class _Slow(FakeOutside):
    """Takes its time with every answer."""

    clock: FakeClock = field(default_factory=FakeClock)
    seconds: float = 0.0

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        await self.clock.advance(self.seconds)
        return await super().get(url, access_token=access_token)


async def test_it_takes_no_longer_than_twenty_seconds(floor: Floor) -> None:
    """When the time is over the rest is left, and the evidence says so."""
    floor.outside = _Slow(others=floor.outside.others, clock=floor.clock, seconds=6)
    found = await diagnosed(floor)

    assert len(floor.outside.asked) == 4
    assert found.verdict is Verdict.OK
    assert says(found, "no time to look at the rest")


async def test_a_renewal_that_hangs_is_not_waited_for_longer(floor: Floor) -> None:
    """A token endpoint that does not answer is a network in trouble, and the refresh goes on."""
    await keep(floor, session=replace(FIRST, expires_at=floor.clock.now()))
    floor.outside.gate = gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    floor.outside = _Slow(others=floor.outside.others, clock=floor.clock, seconds=19.99)
    found = await diagnosed(floor)
    flight = floor.desk().flight

    assert found.verdict is Verdict.NETWORK
    assert flight is not None
    gate.set()
    await flight
    assert floor.desk().stored.refresh_token == "refresh-2"


async def test_a_renewal_that_hangs_is_not_cut_off(floor: Floor) -> None:
    """A diagnosis that is given up leaves the refresh that it joined to its end: it may have rotated the token."""
    floor.outside.others[ROOT] = EXPIRED
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    floor.outside.gate = asyncio.Event()
    asking = asyncio.create_task(diagnosed(floor))
    while not floor.outside.refreshes():
        await asyncio.sleep(0)
    asking.cancel()
    floor.outside.gate.set()
    flight = floor.desk().flight
    assert flight is not None
    await flight

    assert floor.desk().stored.refresh_token == "refresh-2"


async def test_an_error_about_another_object_is_looked_up(floor: Floor) -> None:
    """An object that the error names is asked for, too."""
    floor.outside.others[f"{ROOT}/sobjects/Quote"] = page(404)
    found = await diagnosed(floor, "INVALID_TYPE: sObject type 'Quote' is not supported.")

    assert found.verdict is Verdict.FEATURE_MISSING
    assert says(found, "This user cannot see Quote.")
    assert floor.outside.asked[-1][0] == f"{ROOT}/sobjects/Quote"


async def test_a_connection_that_is_not_there_is_404(floor: Floor) -> None:
    """Nothing is asked about a connection that was removed."""
    diagnoses = Diagnoses(desks=floor.desks, sessions=floor.sessions, outside=floor.outside, clock=floor.clock)
    with pytest.raises(Problem) as caught:
        await diagnoses.diagnose("c9")

    assert caught.value.status == 404
