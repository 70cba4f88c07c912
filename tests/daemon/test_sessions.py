"""Live sessions: who gets a token, who waits, and what a failure makes of a connection."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.salesforce import HttpAnswer, Lost
from meshmesh_daemon.core.problems import Problem
from meshmesh_storage import connections, rotations
from meshmesh_storage.records import Connection, Reason, RotationIntent, Status
from support.clock import FakeClock, settle, until
from support.floor import ACME, APP, FIRST, Floor, build
from support.outside import INSTANCE, Answer, FakeOutside, json_answer, oauth_error, page, tokens

REVOKED = oauth_error("invalid_grant", "expired access/refresh token")


async def stored(floor: Floor) -> Connection:
    """What the vault holds."""
    async with floor.vault.transaction() as tx:
        connection = await connections.get(tx, ACME.id)
    assert connection is not None
    return connection


async def open_intents(floor: Floor) -> list[RotationIntent]:
    """The refreshes whose answer is not stored."""
    async with floor.vault.transaction() as tx:
        return await rotations.load_all(tx)


async def refused(floor: Floor) -> Problem:
    """The refusal that a caller gets."""
    with pytest.raises(Problem) as caught:
        await floor.token(rejected=FIRST.access_token)
    return caught.value


async def test_a_cached_token_asks_nobody(floor: Floor) -> None:
    """A session whose end is not known is given without a call."""
    assert await floor.token() == "00Dx!first"
    assert floor.outside.asked == []


async def test_a_rejected_token_is_replaced_and_the_rotation_stored(floor: Floor) -> None:
    """The new access token leaves only with the rotated refresh token in the vault."""
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]

    assert await floor.token(rejected="00Dx!first") == "00Dx!second"
    kept = await stored(floor)
    assert (kept.refresh_token, kept.generation) == ("refresh-2", 2)
    assert await open_intents(floor) == []


async def test_a_report_about_another_token_is_no_evidence(floor: Floor) -> None:
    """A `rejected` that is not the present token changes nothing: the present one is given."""
    for other in ("00Dx!old", "é", "\ud800", ""):
        assert await floor.token(rejected=other) == "00Dx!first"
    assert floor.outside.asked == []


async def test_a_thousand_callers_make_one_refresh(floor: Floor) -> None:
    """Everybody who meets a dead session waits for the same refresh."""
    floor.outside.gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    callers = [asyncio.create_task(floor.token(rejected="00Dx!first")) for _ in range(1000)]
    await settle()
    floor.outside.gate.set()

    assert set(await asyncio.gather(*callers)) == {"00Dx!second"}
    assert len(floor.outside.refreshes()) == 1


async def test_a_caller_that_goes_away_does_not_end_the_refresh(floor: Floor) -> None:
    """A request that was sent may have rotated the token: its answer is taken in any case."""
    floor.outside.gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    caller = asyncio.create_task(floor.token(rejected="00Dx!first"))
    await settle()
    caller.cancel()
    await settle()
    floor.outside.gate.set()

    await until(lambda: floor.desk().stored.refresh_token == "refresh-2")
    assert (await stored(floor)).refresh_token == "refresh-2"


async def test_one_org_that_hangs_does_not_hold_up_another(floor: Floor) -> None:
    """While a refresh hangs, another connection's cached token is given."""
    await floor.connections.put(replace(ACME, id="c2", name="other"), APP)
    floor.outside.gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!second")]
    hanging = asyncio.create_task(floor.token(rejected="00Dx!first"))
    await settle()

    assert floor.desk().view.status is Status.REFRESHING
    assert await floor.token(name="other") == "00Dx!first"
    floor.outside.gate.set()
    await hanging


async def test_expiry_is_learnt_by_introspection_off_the_hot_path(floor: Floor) -> None:
    """After a refresh the lifetime is asked once; `min_ttl` then means something."""
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2"), tokens("00Dx!third", "refresh-3")]
    floor.outside.others["/services/oauth2/introspect"] = json_answer({"active": True, "exp": 9000, "iat": 1800})
    await floor.token(rejected="00Dx!first")
    await until(lambda: (now := floor.desk().stored.session) is not None and now.expires_at is not None)
    session = (await stored(floor)).session

    assert session is not None
    assert session.expires_at == floor.clock.now() + timedelta(seconds=7200)
    await floor.clock.advance(7000)
    assert await floor.token() == "00Dx!second"
    assert await floor.token(min_ttl=600) == "00Dx!third"


async def test_an_app_that_may_not_introspect_is_asked_once(floor: Floor) -> None:
    """A refused introspection is not repeated after every refresh."""
    floor.outside.token_answers = [tokens("00Dx!second", "r2"), tokens("00Dx!third", "r3")]
    await floor.token(rejected="00Dx!first")
    await settle()
    await floor.token(rejected="00Dx!second")
    await settle()

    assert [path for path, _ in floor.outside.asked].count("/services/oauth2/introspect") == 1


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (REVOKED, Reason.REFRESH_TOKEN_REVOKED),
        (oauth_error("invalid_grant", "token validity expired"), Reason.SESSION_EXPIRED),
        (oauth_error("invalid_grant", "inactive user"), Reason.USER_INACTIVE),
        (oauth_error("invalid_client", "invalid client credentials"), Reason.APP_MISCONFIGURED),
        (oauth_error("OAUTH_APP_BLOCKED", "this app is blocked by admin"), Reason.APP_BLOCKED),
    ],
)
async def test_definite_evidence_needs_somebody(floor: Floor, answer: HttpAnswer, reason: Reason) -> None:
    """A JSON error of the table is believed, stored, said, and not tried again by callers."""
    floor.outside.token_answers = [answer]
    problem = await refused(floor)
    again = await refused(floor)

    assert (problem.status, problem.code, problem.members["reason"]) == (409, "reconnect_required", reason.value)
    assert again.code == "reconnect_required"
    assert (await stored(floor)).reason is reason
    assert len(floor.outside.refreshes()) == 1
    assert await open_intents(floor) == []


TROUBLE: list[Answer] = [
    Lost("dns", sent=False),
    Lost("connect", sent=False),
    Lost("tls", sent=False),
    Lost("timeout", sent=True),
    Lost("reset", sent=True),
    Lost("truncated", sent=True),
    page(200),
    page(302, location="http://portal.example/"),
    page(400),
    page(401),
    page(403),
    page(407),
    page(420),
    page(429, **{"retry-after": "3"}),
    page(500),
    page(503),
    page(511),
    json_answer({"error": "server_error"}, 400),
    json_answer({"error": "a_new_word", "error_description": "?"}, 400),
    json_answer(["surprise"], 400),
    json_answer({}, 401),
    oauth_error("invalid_grant", "token request is already being processed"),
    oauth_error("invalid_grant", "login rate exceeded"),
    HttpAnswer(status=200, content_type="application/json", headers={}, body=b'{"access_token": "00D'),
    HttpAnswer(status=400, content_type="application/json", headers={}, body=b'{"error": "invalid_gr'),
    HttpAnswer(status=400, content_type="application/json", headers={}, body=b""),
]


@pytest.mark.parametrize("answer", TROUBLE, ids=str)
async def test_trouble_is_never_an_expiry(floor: Floor, answer: Answer) -> None:
    """Whatever the network does, the connection is offline, mends itself, and nothing is stored against it."""
    floor.outside.token_answers = [answer, tokens("00Dx!second", "refresh-2")]
    problem = await refused(floor)

    assert (problem.status, problem.code) == (503, "offline")
    assert problem.retry_after is not None
    assert floor.desk().view.status is Status.OFFLINE
    assert (await stored(floor)).status is Status.CONNECTED
    await floor.clock.advance(1900)
    assert await floor.token() == "00Dx!second"
    assert floor.desk().view.status is Status.CONNECTED


async def test_after_trouble_callers_do_not_hammer(floor: Floor) -> None:
    """Within the wait that the refusal names, nobody is asked again."""
    floor.outside.token_answers = [page(503)]
    first = await refused(floor)
    second = await refused(floor)

    assert len(floor.outside.refreshes()) == 1
    assert second.retry_after is not None
    assert first.retry_after is not None
    assert second.retry_after <= first.retry_after <= 5


@pytest.mark.parametrize("lost", [Lost("reset", sent=True), Lost("truncated", sent=True), page(500)], ids=str)
async def test_a_lost_rotation_is_told_for_what_it_is(floor: Floor, lost: Answer) -> None:
    """An answer that was lost after sending is looked at again within ten seconds; a refusal then is `rotation_interrupted`."""
    floor.outside.token_answers = [lost, REVOKED]
    await refused(floor)
    assert len(await open_intents(floor)) == 1
    await floor.clock.advance(10)

    await until(lambda: floor.desk().view.reason is Reason.ROTATION_INTERRUPTED)
    assert await open_intents(floor) == []


async def test_a_lost_answer_without_rotation_mends_itself(floor: Floor) -> None:
    """Where the old refresh token still works, the delayed attempt mends the connection without a caller."""
    floor.outside.token_answers = [Lost("reset", sent=True), tokens("00Dx!second", "refresh-2")]
    await refused(floor)
    await floor.clock.advance(10)

    await until(lambda: floor.desk().view.status is Status.CONNECTED)
    assert await floor.token() == "00Dx!second"


async def test_a_request_that_never_left_leaves_no_doubt(floor: Floor) -> None:
    """A refusal after a failed connect is a plain revocation: nothing can have been rotated."""
    floor.outside.token_answers = [Lost("dns", sent=False), REVOKED]
    await refused(floor)
    assert await open_intents(floor) == []
    await floor.clock.advance(6)

    assert (await refused(floor)).members["reason"] == "refresh_token_revoked"


async def test_a_crash_between_send_and_commit_is_settled_at_start(floor: Floor, tmp_path: Path) -> None:
    """An intent found at start gets one attempt; a refusal then says that the rotation was interrupted."""
    async with floor.vault.transaction() as tx:
        await rotations.begin(tx, RotationIntent(connection_id="c1", generation=1, sent_at=floor.clock.now()))
    outside = FakeOutside(token_answers=[REVOKED])
    again = await build(tmp_path, clock=FakeClock(), outside=outside)
    await again.sessions.settle()
    await settle()
    await again.clock.advance(10)

    await until(lambda: again.desk().view.reason is Reason.ROTATION_INTERRUPTED)
    assert "never arrived" in (again.desk().view.detail or "")
    await again.close()


async def test_a_late_answer_never_overwrites_a_reconnect(floor: Floor) -> None:
    """An answer for an old generation is dropped: what the person signed in to stays."""
    floor.outside.gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!late", "refresh-late")]
    caller = asyncio.create_task(floor.token(rejected="00Dx!first"))
    await settle()
    fresh = replace(FIRST, access_token="00Dx!reconnected")
    await floor.connections.put(replace(ACME, generation=2, session=fresh, refresh_token="refresh-9"), APP)
    floor.outside.gate.set()

    assert await caller == "00Dx!reconnected"
    assert (await stored(floor)).refresh_token == "refresh-9"
    assert await floor.token() == "00Dx!reconnected"


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "https://login.salesforce.com/id/00D000000000099EAA/005000000000001AAA"},
        {"id": "https://login.salesforce.com/id/00D000000000062EAA/005000000000002AAA"},
        {"instance_url": "https://other.my.salesforce.com"},
        {"instance_url": "https://evil.example"},
        {"id": "https://evil.example/id/00D000000000062EAA/005000000000001AAA"},
    ],
)
async def test_an_answer_for_somebody_else_replaces_nothing(floor: Floor, changed: dict[str, str]) -> None:
    """Another org, user or host: the tokens are dropped, and the person is told."""
    floor.outside.token_answers = [tokens("00Dx!other", "refresh-other", **changed)]
    problem = await refused(floor)
    kept = await stored(floor)

    assert problem.members["reason"] == "org_changed"
    assert (kept.refresh_token, kept.instance_url, kept.generation) == ("refresh-1", INSTANCE, 1)


async def test_thirty_idle_days_are_said(floor: Floor) -> None:
    """A vague `expired access/refresh token` after thirty idle days is `idle_timeout`: our own records show it."""
    await floor.clock.advance(31 * 24 * 3600)
    floor.outside.token_answers = [REVOKED]

    assert (await refused(floor)).members["reason"] == "idle_timeout"


@pytest.mark.parametrize(
    ("scopes", "reason"), [(("api",), "scope_missing"), (("api", "refresh_token"), "session_expired")]
)
async def test_without_a_refresh_token_the_end_is_said(floor: Floor, scopes: tuple[str, ...], reason: str) -> None:
    """A sign-in that brought no refresh token ends with its session, and nobody is asked."""
    bare = replace(ACME, id="c2", name="bare", refresh_token=None, scopes=scopes)
    await floor.connections.put(bare, APP)
    floor.outside.asked.clear()
    with pytest.raises(Problem) as caught:
        await floor.token(name="bare", rejected="00Dx!first")

    assert caught.value.members["reason"] == reason
    assert floor.outside.refreshes() == []


async def test_a_secret_goes_with_the_refresh(floor: Floor) -> None:
    """An app with a secret sends it with code and refresh alike."""
    app = replace(APP, id="a2", client_id="own", client_secret="s3cret")
    await floor.connections.put(replace(ACME, id="c2", name="own", app_id="a2"), app)
    floor.outside.token_answers = [tokens("00Dx!second")]
    await floor.token(name="own", rejected="00Dx!first")

    form = floor.outside.refreshes()[0]
    assert (form["client_id"], form["client_secret"], form["grant_type"]) == ("own", "s3cret", "refresh_token")


async def test_a_clock_that_jumps_is_no_evidence(floor: Floor) -> None:
    """A wall clock that is a day off renews early or late, and never needs the person."""
    floor.outside.token_answers = [tokens("00Dx!second", "r2"), tokens("00Dx!third", "r3"), tokens("00Dx!4", "r4")]
    floor.outside.others["/services/oauth2/introspect"] = json_answer({"active": True, "exp": 9000, "iat": 1800})
    await floor.token(rejected="00Dx!first")
    await settle()
    floor.clock.jump(24 * 3600)
    await floor.token()
    floor.clock.jump(-2 * 24 * 3600)
    await floor.token()

    assert floor.desk().view.status is Status.CONNECTED


async def test_a_name_that_is_given_during_a_refresh_stays(floor: Floor) -> None:
    """The refresh began under the old name; neither the vault nor the look-up goes back to it."""
    floor.outside.gate = asyncio.Event()
    floor.outside.token_answers = [tokens("00Dx!second", "refresh-2")]
    asking = asyncio.create_task(floor.token(rejected="00Dx!first"))
    await asyncio.sleep(0)
    await floor.connections.rename(ACME.id, "renamed")
    floor.outside.gate.set()

    assert await asking == "00Dx!second"
    assert await floor.desks.named("acme") is None
    assert floor.desk("renamed").stored.session == (await stored(floor)).session
    assert (await stored(floor)).name == "renamed"
