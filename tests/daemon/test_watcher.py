"""The watcher finds out before a job does; waiting callers go on when somebody has mended it."""

import asyncio
from dataclasses import replace

import pytest

from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.watcher import Watcher
from meshmesh_storage.records import Reason, Status
from support.clock import settle, until
from support.floor import ACME, APP, Floor
from support.outside import INSTANCE, ORG, USER, json_answer, oauth_error, page, tokens

DAY = 24 * 3600
REVOKED = oauth_error("invalid_grant", "expired access/refresh token")


def watcher(floor: Floor) -> asyncio.Task[None]:
    """A running watcher."""
    watching = Watcher(desks=floor.desks, sessions=floor.sessions, connections=floor.connections, clock=floor.clock)
    return asyncio.create_task(watching.run())


async def test_the_person_hears_it_before_the_job_does(floor: Floor) -> None:
    """A grant that died overnight is found within a day, with no caller at all."""
    floor.outside.token_answers = [REVOKED]
    task = watcher(floor)
    await settle()
    await floor.clock.advance(DAY + 120)

    await until(lambda: floor.desk().view.status is Status.NEEDS_YOU)
    task.cancel()


async def test_a_quiet_day_costs_one_refresh(floor: Floor) -> None:
    """Rarely and cheaply: one token request a day, which keeps the refresh token alive too."""
    floor.outside.token_answers = [tokens("00Dx!2", "r2"), tokens("00Dx!3", "r3"), tokens("00Dx!4", "r4")]
    task = watcher(floor)
    await settle()
    for _ in range(48):
        await floor.clock.advance(3600)
    task.cancel()

    assert len(floor.outside.refreshes()) == 2
    assert floor.desk().stored.refresh_token == "r3"


async def test_needs_you_is_left_to_the_person(floor: Floor) -> None:
    """What only the person can mend is not tried again, for days."""
    await floor.connections.put(
        replace(ACME, generation=2, status=Status.NEEDS_YOU, reason=Reason.REFRESH_TOKEN_REVOKED), APP
    )
    floor.outside.asked.clear()
    task = watcher(floor)
    await settle()
    await floor.clock.advance(3 * DAY)
    task.cancel()

    assert floor.outside.refreshes() == []


async def test_eight_hours_asleep_are_no_storm_and_no_expiry(floor: Floor) -> None:
    """After a resume what is due is spread over half a minute, at most eight at once."""
    for number in range(2, 40):
        await floor.connections.put(replace(ACME, id=f"c{number}", name=f"acme-{number}"), APP)
    await settle()
    floor.outside.asked.clear()
    floor.outside.token_answers = [tokens(f"00Dx!n{number}", "r") for number in range(100)]
    task = watcher(floor)
    await settle()
    floor.clock.jump(2 * DAY)
    await floor.clock.advance(60)
    at_once = len(floor.outside.refreshes())
    for _ in range(40):
        await floor.clock.advance(1)

    assert at_once < 10
    await until(lambda: len(floor.outside.refreshes()) == 39)
    await until(lambda: {desk.view.status for desk in floor.desks.opened} == {Status.CONNECTED})
    task.cancel()


async def test_what_an_admin_mended_recovers_by_itself(floor: Floor) -> None:
    """A blocked connection is probed every six hours, and a working call ends the block."""
    blocked = replace(ACME, generation=2, status=Status.BLOCKED, reason=Reason.API_DISABLED, detail="no API")
    await floor.connections.put(blocked, APP)
    floor.outside.others["/services/data/v66.0"] = json_answer({"identity": "x"})
    task = watcher(floor)
    await settle()
    await floor.clock.advance(7 * 3600)

    await until(lambda: floor.desk().stored.status is Status.CONNECTED)
    task.cancel()
    assert floor.outside.refreshes() == []


async def test_a_waiting_caller_goes_on_after_reconnect(floor: Floor) -> None:
    """`Prefer: wait`: the call that met a dead session gets the token of the new sign-in."""
    floor.outside.token_answers = [REVOKED]
    caller = asyncio.create_task(floor.sessions.live_within(floor.desk(), 30, who="nightly.py", rejected="00Dx!first"))
    await settle()
    assert not caller.done()
    assert floor.waiting.names("c1") == ("nightly.py",)
    floor.outside.token_answers = [tokens("00Dx!again", "r", id=f"https://login.salesforce.com/id/{ORG}/{USER}")]
    view = await floor.sign_ins.begin_reconnect(floor.desk().view)
    assert view.authorize_url is not None
    state = view.authorize_url.split("state=")[1].split("&")[0]
    await floor.sign_ins.finish({"state": state, "code": "c"})
    live = await asyncio.wait_for(caller, 5)

    assert live.session is not None
    assert live.session.access_token == "00Dx!again"


async def test_a_waiting_caller_outlasts_trouble(floor: Floor) -> None:
    """A short outage is waited out, with one attempt each Retry-After."""
    floor.outside.token_answers = [page(503), page(503), tokens("00Dx!2", "r2")]
    with pytest.raises(Problem):
        await floor.sessions.live_within(floor.desk(), 0, who="nightly.py", rejected="00Dx!first")
    caller = asyncio.create_task(floor.sessions.live_within(floor.desk(), 30, who="nightly.py"))
    for _ in range(20):
        await floor.clock.advance(1)
    live = await asyncio.wait_for(caller, 5)

    assert live.session is not None
    assert live.session.access_token == "00Dx!2"


async def test_a_test_is_one_call(floor: Floor) -> None:
    """`test` asks the org once; a dead session is renewed for it, and what it finds is the status."""
    resources = "/services/data/v66.0"
    floor.outside.others[resources] = json_answer({"identity": "x"})

    assert (await floor.connections.test("c1")).status is Status.CONNECTED
    assert [path for path, _ in floor.outside.asked] == [resources]
    floor.outside.others[resources] = json_answer(
        [{"errorCode": "INVALID_SESSION_ID", "message": "This session is not valid for use with the REST API"}], 401
    )
    assert (await floor.connections.test("c1")).reason is Reason.IP_RESTRICTED
    floor.outside.others[resources] = page(200)
    assert (await floor.connections.test("c1")).status is Status.BLOCKED
    floor.outside.others[resources] = json_answer({"identity": "x"})
    assert (await floor.connections.test("c1")).status is Status.CONNECTED


async def test_a_dead_session_is_renewed_by_a_test(floor: Floor) -> None:
    """A 401 during a test is a reason to refresh, not to complain."""
    resources = "/services/data/v66.0"
    floor.outside.others[resources] = json_answer(
        [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}], 401
    )
    floor.outside.token_answers = [tokens("00Dx!2", "r2")]
    floor.outside.before_answer = lambda: floor.outside.others.update({resources: json_answer({"identity": "x"})})

    assert (await floor.connections.test("c1")).status is Status.CONNECTED
    assert floor.desk().stored.refresh_token == "r2"


async def test_a_host_that_settings_took_away_gets_nothing(floor: Floor) -> None:
    """A refresh to a host that is no longer allowed is refused by our last line, and told as a setting."""
    gone = replace(ACME, id="c9", name="gone", login_origin="http://localhost:4999", instance_url=INSTANCE)
    await floor.connections.put(gone, APP)
    floor.outside.refuse_hosts = True
    with pytest.raises(Problem) as caught:
        await floor.token(name="gone", rejected="00Dx!first")

    assert caught.value.members["reason"] == "app_misconfigured"
    assert "extra_login_origins" in caught.value.detail
