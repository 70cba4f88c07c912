"""Sign-ins: one attempt, one code, one end; and what a reconnect may replace."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from meshmesh_daemon.adapters.salesforce import HttpAnswer, Lost
from meshmesh_daemon.core.errors import error_page_failure
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.attempts import SignInView
from meshmesh_daemon.usecases.beginning import OwnApp
from meshmesh_storage import sign_ins
from meshmesh_storage.records import Environment, Flow, Kind, Status
from support.clock import settle
from support.floor import ACME, APP, EXTRA, LOGIN, Floor, build
from support.outside import INSTANCE, ORG, USER, Answer, FakeOutside, json_answer, oauth_error, page, tokens

ORGANIZATION = "/services/data/v66.0/query"
SANDBOX: dict[str, object] = {
    "Name": "Acme UAT",
    "IsSandbox": True,
    "OrganizationType": "Enterprise Edition",
    "TrialExpirationDate": None,
}
PRODUCTION: dict[str, object] = SANDBOX | {"Name": "Acme", "IsSandbox": False}


def org_says(floor: Floor, record: dict[str, object], username: str = "ada@acme.example") -> None:
    """What the org answers about itself and its user."""
    floor.outside.others["/services/data"] = json_answer([{"version": "59.0"}, {"version": "66.0"}])
    floor.outside.others[ORGANIZATION] = json_answer({"totalSize": 1, "done": True, "records": [record]})
    floor.outside.others["/services/oauth2/userinfo"] = json_answer({"preferred_username": username})


async def begin(
    floor: Floor,
    name: str | None = "new",
    *,
    environment: Environment = Environment.PRODUCTION,
    domain: str | None = None,
    app: OwnApp | None = None,
    wanted: list[str] | None = None,
) -> SignInView:
    """A sign-in to a new connection."""
    return await floor.sign_ins.begin(name=name, environment=environment, domain=domain, app=app, wanted=wanted)


def state_of(view: SignInView) -> str:
    """The `state` in an attempt's address."""
    assert view.authorize_url is not None
    return parse_qs(urlsplit(view.authorize_url).query)["state"][0]


async def come_back(floor: Floor, view: SignInView, **query: str) -> SignInView | None:
    """The browser comes back."""
    return await floor.sign_ins.finish({"state": state_of(view), "code": "aPrx"} | query)


def failure(view: SignInView | None) -> Problem:
    """The error that an attempt ended with."""
    assert view is not None
    assert view.status == "failed"
    assert view.error is not None
    return view.error


async def test_a_sign_in_becomes_a_connection(floor: Floor) -> None:
    """The code is exchanged with our verifier, the org is asked who it is, and the result is in the vault."""
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!new", "refresh-new")]
    view = await begin(floor)
    ended = await come_back(floor, view)

    assert ended is not None
    assert ended.connection is not None
    made = ended.connection
    assert (ended.status, made.name, made.kind, made.username) == ("done", "new", Kind.PRODUCTION, "ada@acme.example")
    assert (made.org_id, made.user_id, made.instance_url, made.api_version) == (ORG, USER, INSTANCE, "66.0")
    form = floor.outside.refreshes()[0]
    assert (form["code"], form["redirect_uri"]) == ("aPrx", "http://localhost:1717/OauthRedirect")
    assert len(form["code_verifier"]) >= 43
    assert await floor.token(name="new") == "00Dx!new"


async def test_a_state_counts_once(floor: Floor) -> None:
    """A second load of the redirect changes nothing, and the code is exchanged once."""
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!new", "r")]
    view = await begin(floor)
    await come_back(floor, view)

    assert await come_back(floor, view) is None
    assert len(floor.outside.refreshes()) == 1


@pytest.mark.parametrize("state", ["", "x", "A" * 43, "\ud800"])
async def test_a_wrong_state_changes_nothing(floor: Floor, state: str) -> None:
    """Nobody's `state` ends nobody's sign-in, an error beside it neither."""
    view = await begin(floor)

    assert await floor.sign_ins.finish({"state": state, "code": "c"}) is None
    assert await floor.sign_ins.finish({"state": state, "error": "access_denied"}) is None
    assert (await floor.sign_ins.get(view.id)).status == "waiting"
    assert floor.outside.refreshes() == []


async def test_ten_minutes_are_the_end(floor: Floor) -> None:
    """An old attempt is expired, its state dead, and the page explains the org that never sends anybody back."""
    view = await begin(floor)
    await floor.clock.advance(600)

    assert await come_back(floor, view) is None
    seen = await floor.sign_ins.get(view.id)
    assert seen.status == "expired"
    assert seen.error is not None
    assert "installed" in seen.error.detail


async def test_a_cancelled_attempt_is_dead_at_once(floor: Floor) -> None:
    """After a withdrawal the redirect is nobody's, on disk too."""
    view = await begin(floor)

    assert (await floor.sign_ins.cancel(view.id)).status == "cancelled"
    assert await come_back(floor, view) is None
    async with floor.vault.transaction() as tx:
        assert await sign_ins.load_all(tx) == []


async def test_a_restart_does_not_lose_a_redirect(floor: Floor, tmp_path: Path) -> None:
    """An open attempt is in the vault: the redirect after a restart still finds its verifier."""
    view = await begin(floor)
    await floor.activity.close()
    await floor.vault.close()
    outside = FakeOutside(token_answers=[tokens("00Dx!new", "r")])
    again = await build(tmp_path, clock=floor.clock, outside=outside)

    ended = await again.sign_ins.finish({"state": state_of(view), "code": "c"})
    assert ended is not None
    assert ended.status == "done"
    await again.sessions.close()
    floor.vault, floor.activity = again.vault, again.activity  # what the fixture closes


async def test_the_same_wish_is_one_attempt(floor: Floor) -> None:
    """A person who asks twice gets the same address; another wish is another attempt."""
    first, second = await begin(floor), await begin(floor)
    other = await begin(floor, "other")

    assert first.id == second.id
    assert other.id != first.id


async def test_one_open_reconnect_a_connection(floor: Floor) -> None:
    """A second reconnect gives the address of the first, with the user's name filled in."""
    first = await floor.sign_ins.begin_reconnect(floor.desk().view)
    second = await floor.sign_ins.begin_reconnect(floor.desk().view)

    assert first.id == second.id
    assert first.authorize_url is not None
    assert parse_qs(urlsplit(first.authorize_url).query)["login_hint"] == ["ada@acme.example"]


async def test_a_reconnect_keeps_name_and_id_and_ends_the_old_grant(floor: Floor) -> None:
    """The same org and user: new tokens under the old name, then the old grant is revoked at Salesforce."""
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!again", "refresh-again")]
    view = await floor.sign_ins.begin_reconnect(floor.desk().view)
    ended = await come_back(floor, view)
    await settle()

    assert ended is not None
    assert ended.connection is not None
    assert (ended.connection.id, ended.connection.name, ended.connection.generation) == ("c1", "acme", 2)
    assert ("/services/oauth2/revoke", {"token": "refresh-1"}) in floor.outside.asked


OTHERS = [
    {"id": f"{LOGIN}/id/00D000000000099EAA/{USER}"},
    {"id": f"{LOGIN}/id/{ORG}/005000000000002AAA"},
]


@pytest.mark.parametrize("changed", OTHERS)
async def test_a_reconnect_as_somebody_else_replaces_nothing(floor: Floor, changed: dict[str, str]) -> None:
    """Another org or user: the old connection stays, and the person may keep the new one under its own name."""
    org_says(floor, PRODUCTION, "eve@acme.example")
    floor.outside.token_answers = [tokens("00Dx!eve", "refresh-eve", **changed)]
    view = await floor.sign_ins.begin_reconnect(floor.desk().view)
    ended = await come_back(floor, view)

    assert failure(ended).members["reason"] == "org_changed"
    assert ended is not None
    assert ended.keepable
    assert floor.desk().stored.refresh_token == "refresh-1"
    kept = await floor.sign_ins.keep(view.id, "eves")
    assert kept.connection is not None
    assert (kept.status, kept.connection.name, kept.connection.username) == ("done", "eves", "eve@acme.example")
    assert floor.desk().stored.refresh_token == "refresh-1"


async def test_what_nobody_keeps_is_given_back(floor: Floor) -> None:
    """After ten minutes the grant that was not kept is revoked, and can not be kept any more."""
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!eve", "refresh-eve", **OTHERS[1])]
    view = await floor.sign_ins.begin_reconnect(floor.desk().view)
    await come_back(floor, view)
    await settle()
    await floor.clock.advance(600)

    assert ("/services/oauth2/revoke", {"token": "refresh-eve"}) in floor.outside.asked
    with pytest.raises(Problem, match="nothing to keep"):
        await floor.sign_ins.keep(view.id, "eves")


async def test_a_sandbox_that_is_production_is_held(floor: Floor) -> None:
    """Asked for a sandbox and got production: nothing is stored until the person says so."""
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!prod", "refresh-prod")]
    view = await begin(floor, None, environment=Environment.SANDBOX)
    ended = await come_back(floor, view)

    assert "production" in failure(ended).detail
    assert [one.name for one in await floor.connections.all()] == ["acme"]
    kept = await floor.sign_ins.keep(view.id, None)
    assert kept.connection is not None
    assert kept.connection.name == "acme-2"


async def test_a_sandbox_is_a_sandbox(floor: Floor) -> None:
    """What the org says of itself decides, and it is named after its host."""
    org_says(floor, SANDBOX)
    floor.outside.token_answers = [tokens("00Dx!uat", "r", instance_url="https://acme--uat.sandbox.my.salesforce.com")]
    view = await begin(floor, None, environment=Environment.SANDBOX)
    ended = await come_back(floor, view)

    assert ended is not None
    assert ended.connection is not None
    assert (ended.connection.kind, ended.connection.name) == (Kind.SANDBOX, "acme-uat")


@pytest.mark.parametrize(
    "changed",
    [
        {"instance_url": "https://evil.example"},
        {"instance_url": "http://acme.my.salesforce.com"},
        {"instance_url": "https://acme.my.salesforce.com.evil.example"},
        {"instance_url": EXTRA},
        {"id": f"https://evil.example/id/{ORG}/{USER}"},
        {"instance_url": ""},
        {"id": ""},
        {"id": f"{LOGIN}/id/{ORG}"},
    ],
)
async def test_an_answer_of_doubtful_origin_keeps_nothing(floor: Floor, changed: dict[str, str]) -> None:
    """A host that is not Salesforce's, or half an answer: nothing is stored, and no token is sent anywhere."""
    floor.outside.token_answers = [tokens("00Dx!new", "r", **changed)]
    ended = await come_back(floor, await begin(floor))

    assert failure(ended).code == "sign_in_failed"
    assert [one.name for one in await floor.connections.all()] == ["acme"]
    assert [path for path, _ in floor.outside.asked] == ["/services/oauth2/token"]


@pytest.mark.parametrize("issuer", ["https://evil.example", "http://login.salesforce.com", "nonsense"])
async def test_a_mix_up_is_noticed(floor: Floor, issuer: str) -> None:
    """RFC 9207: an `iss` of somebody else ends the sign-in before the code goes anywhere."""
    ended = await come_back(floor, await begin(floor), iss=issuer)

    assert failure(ended).code == "sign_in_failed"
    assert floor.outside.refreshes() == []


@pytest.mark.parametrize(
    ("query", "title"),
    [
        ({"error": "access_denied", "error_description": "end-user denied authorization"}, "You said no"),
        ({"error": "OAUTH_APP_BLOCKED", "error_description": "this app is blocked by admin"}, ""),
        ({"code": ""}, ""),
    ],
)
async def test_an_error_in_the_redirect_is_told(floor: Floor, query: dict[str, str], title: str) -> None:
    """Each ends the attempt with a title and a sentence of ours."""
    ended = await come_back(floor, await begin(floor), **query)

    assert title in str(failure(ended).members["title"])
    if title:
        step = failure(ended).next_step
        assert step is not None
        assert step.command == "meshmesh connect new"
    assert failure(ended).detail


@pytest.mark.parametrize("answer", [Lost("dns", sent=False), page(503), page(200), oauth_error("invalid_grant", "x")])
async def test_trouble_at_the_exchange_is_told(floor: Floor, answer: Answer) -> None:
    """A code that cannot be exchanged ends the attempt; nothing is stored."""
    floor.outside.token_answers = [answer]
    ended = await come_back(floor, await begin(floor))

    assert failure(ended).code == "sign_in_failed"
    assert [one.name for one in await floor.connections.all()] == ["acme"]


async def test_a_user_without_the_api_is_kept_as_blocked(floor: Floor) -> None:
    """Org and user are pinned by the `id` alone; that REST refuses this user is told as the connection's state."""
    refused = [{"errorCode": "API_CURRENTLY_DISABLED", "message": "API is disabled for this User"}]
    floor.outside.others["/services/data"] = json_answer([{"version": "66.0"}])
    floor.outside.others[ORGANIZATION] = json_answer(refused, 403)
    floor.outside.token_answers = [tokens("00Dx!new", "r")]
    ended = await come_back(floor, await begin(floor))

    assert ended is not None
    assert ended.connection is not None
    assert (ended.status, ended.connection.status) == ("done", Status.BLOCKED)
    assert ended.connection.reason == "api_disabled"


async def test_an_own_app_sends_its_secret_and_is_shared(floor: Floor) -> None:
    """Client id and secret go with the code, and live in one app record for all its connections."""
    own = OwnApp(client_id="3MVG9own", client_secret="s3cret")
    org_says(floor, PRODUCTION)
    floor.outside.others["/services/oauth2/authorize"] = page(200, "<html>login</html>")
    for name in ("one", "two"):
        floor.outside.token_answers = [tokens(f"00Dx!{name}", "r")]
        await come_back(floor, await begin(floor, name, app=own))
    one, two = floor.desk("one").stored, floor.desk("two").stored

    assert one.app_id == two.app_id != APP.id
    assert floor.outside.refreshes()[-1]["client_secret"] == "s3cret"


@pytest.mark.parametrize(
    ("answer", "word"),
    [
        (page(400, "error=invalid_client_id&amp;error_description=client%20identifier%20invalid"), "My Domain"),
        (page(302, location="http://localhost:1717/OauthRedirect?error=invalid_scope&state=x"), "scopes"),
        (
            page(
                302,
                location="/setup/secur/RemoteAccessErrorPage.apexp?error=redirect_uri_mismatch&error_description=x",
            ),
            "allback",
        ),
    ],
)
async def test_an_own_app_is_looked_at_before_the_browser(floor: Floor, answer: HttpAnswer, word: str) -> None:
    """An error page of the authorize address ends the sign-in at once, in our words, and nothing stays open."""
    floor.outside.others["/services/oauth2/authorize"] = answer
    with pytest.raises(Problem) as caught:
        await begin(floor, app=OwnApp(client_id="3MVG9own"))

    assert caught.value.code == "sign_in_failed"
    assert word in caught.value.detail
    async with floor.vault.transaction() as tx:
        assert await sign_ins.load_all(tx) == []


async def test_an_error_page_ends_an_attempt_by_paste(floor: Floor) -> None:
    """A browser left on Salesforce's error page: its address tells the end."""
    view = await begin(floor)
    told = error_page_failure(
        "https://acme.my.salesforce.com/setup/secur/RemoteAccessErrorPage.apexp"
        "?error=invalid_client&error_description=app+must+be+installed+into+org"
    )
    assert told is not None
    ended = await floor.sign_ins.fail(view.id, told)

    assert failure(ended).members["message_for_admin"]
    assert await come_back(floor, view) is None


async def test_client_credentials_need_no_browser(floor: Floor) -> None:
    """A My Domain and a secret: connected at once, renewed by itself, no scopes, no refresh token."""
    org_says(floor, PRODUCTION)
    own = OwnApp(client_id="3MVG9own", client_secret="s3cret", flow=Flow.CLIENT_CREDENTIALS)
    floor.outside.token_answers = [tokens("00Dx!cc"), tokens("00Dx!cc2")]
    custom, domain = Environment.CUSTOM, "acme.my.salesforce.com"
    view = await begin(floor, "robot", environment=custom, domain=domain, app=own)

    assert view.status == "done"
    assert await floor.token(name="robot", rejected="00Dx!cc") == "00Dx!cc2"
    assert {form["grant_type"] for form in floor.outside.refreshes()} == {"client_credentials"}
    with pytest.raises(Problem, match="scopes"):
        await begin(floor, "robot2", environment=custom, domain=domain, app=own, wanted=["api"])


async def test_the_fourth_of_five_sign_ins_is_said(floor: Floor) -> None:
    """Salesforce drops the oldest of six: the person is told when it is near."""
    for number in range(2, 4):
        await floor.connections.put(replace(ACME, id=f"c{number}", name=f"acme-{number}"), APP)
    org_says(floor, PRODUCTION)
    floor.outside.token_answers = [tokens("00Dx!new", "r")]
    ended = await come_back(floor, await begin(floor))

    assert ended is not None
    assert ended.note is not None
    assert "4 of the 5" in ended.note


async def test_a_pushed_out_sign_in_is_told_for_what_it_is(floor: Floor) -> None:
    """A refusal after five newer sign-ins of the same user and app is `sign_in_limit`: our records show it."""
    for number in range(2, 7):
        later = ACME.signed_in_at + timedelta(minutes=number)
        await floor.connections.put(replace(ACME, id=f"c{number}", name=f"acme-{number}", signed_in_at=later), APP)
    floor.outside.token_answers = [oauth_error("invalid_grant", "expired access/refresh token")]
    with pytest.raises(Problem) as caught:
        await floor.token(rejected="00Dx!first")

    assert caught.value.members["reason"] == "sign_in_limit"


async def test_too_many_open_attempts_are_refused(floor: Floor) -> None:
    """Open attempts are bounded."""
    for number in range(32):
        await begin(floor, f"n{number}")
    with pytest.raises(Problem) as caught:
        await begin(floor, "one-more")

    assert (caught.value.status, caught.value.code) == (429, "rate_limited")
