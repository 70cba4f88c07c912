"""What people do with a sign-in that is under way, or that became something else: name, paste, keep, cancel, restart.

An attempt has one end, which stays as it was told, and nothing is stored that nobody asked for.
"""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from support.attempts import Attempt, House, house_of
from support.demo_org import ADA, RITA
from support.peer import Client, Peer, peer, view
from support.person import Page, Person
from support.service import StartService


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """One org for all."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def house(org: Peer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One service for all."""
    with house_of(org.origin, tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture(autouse=True)
def _only_the_demo(house: House) -> Iterator[None]:
    """Afterwards there is the demo connection and no other."""
    yield
    house.disconnect_all()


def live_grants(org: Peer) -> int:
    """How many sign-ins the org keeps."""
    return sum(family.live for family in org.state().families)


# --- Names -----------------------------------------------------------------------------------------------------------


def test_a_name_is_suggested_from_the_domain(house: House) -> None:
    """Without a name: after the host, then the next free one; a name of the person's own stays as it is."""
    for _ in range(2):
        Person(ADA).go(house.begin().authorize_url)
    Person(ADA).go(house.begin("mine").authorize_url)
    Person(ADA).go(house.begin(environment="demo", domain=None).authorize_url)

    assert sorted(house.names()) == ["demo", "demo-2", "localhost", "localhost-2", "mine"]


def test_a_name_that_is_taken(house: House) -> None:
    """Refused before anything begins, with what to do; taken meanwhile, the next free one is used."""
    refused = house.ask("demo")
    first, second = house.begin("twice"), house.begin("twice", scopes=["api", "refresh_token", "id"])
    Person(ADA).go(first.authorize_url)
    Person(ADA).go(second.authorize_url)

    assert (refused.status, refused.json()["code"]) == (409, "name_taken")
    assert "name" in refused.json()["next"]["label"]
    assert (first.told()["connection"], second.told()["connection"]) == ("twice", "twice-2")


@pytest.mark.parametrize("name", ["Acme Prod", "-acme", "acme_prod", "a" * 64, "acme/prod", "Ünïcode"])
def test_a_name_that_can_be_none(house: House, name: str) -> None:
    """422 with the field, and the nearest name where there is one."""
    refused = house.ask(name)

    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "name")


# --- The paste box ---------------------------------------------------------------------------------------------------


def test_the_address_of_a_browser_elsewhere(house: House) -> None:
    """Pasted whole it ends the sign-in as the redirect would; pasted again it is old."""
    attempt = house.begin("pasted")
    back = Person(ADA).come_back(attempt.authorize_url)
    ended = attempt.pasted(f"  {back}  ")

    assert (ended.status, ended.json()["status"], ended.json()["connection"]) == (200, "done", "pasted")
    assert attempt.pasted(back).status == 410
    assert view(house.service, "pasted")["status"] == "connected"


def test_an_address_with_an_error(house: House, org: Peer) -> None:
    """Deny, pressed in a browser elsewhere."""
    org.app("3MVG9.denied")
    attempt = house.begin(app={"client_id": "3MVG9.denied"})
    answer = attempt.pasted(Person(ADA, allows=False).come_back(attempt.authorize_url))

    assert (answer.json()["status"], answer.json()["error"]["title"]) == ("failed", "You said no")


FOREIGN = {
    "another page": "https://acme.lightning.force.com/lightning/page/home",
    "no state": "http://localhost:1717/OauthRedirect?code=aPrx",
    "another path": "http://localhost:1717/oauthredirect?code=aPrx&state=x",
    "no address": "a few words",
    "a broken one": "http://[::1/OauthRedirect?state=x",
    "a state of nobody's": "http://localhost:1717/OauthRedirect?code=aPrx&state=nobodys",
}


@pytest.mark.parametrize("what", FOREIGN)
def test_an_address_of_something_else(house: House, what: str) -> None:
    """Refused with a sentence; the attempt goes on waiting, and can still be finished."""
    attempt = house.begin("patient")
    refused = attempt.pasted(FOREIGN[what])

    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "url")
    assert attempt.told()["status"] == "waiting"
    assert attempt.pasted(Person(ADA).come_back(attempt.authorize_url)).json()["status"] == "done"


@pytest.mark.parametrize("spoilt", ["another host", "a doubled state", "a doubled code"])
def test_an_address_that_only_looks_like_ours(house: House, spoilt: str) -> None:
    """The pasted address is held to what the redirect is held to: our own host, and each parameter once."""
    attempt = house.begin()
    back = Person(ADA).come_back(attempt.authorize_url)
    query = parse_qs(urlsplit(back).query)
    wrong = {
        "another host": back.replace(f"localhost:{house.service.port}", "evil.example"),
        "a doubled state": f"{back}&state={query['state'][0]}",
        "a doubled code": f"{back}&code=aPrx",
    }[spoilt]
    refused = attempt.pasted(wrong)

    assert refused.status == 422, refused.body
    assert house.names() == ["demo"]


def test_an_address_of_another_attempt(house: House) -> None:
    """Pasted into the wrong box it ends neither; in its own box it still works."""
    mine, other = house.begin("mine"), house.begin("other")
    back = Person(ADA).come_back(other.authorize_url)
    refused = mine.pasted(back)

    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "url")
    assert (mine.told()["status"], other.told()["status"]) == ("waiting", "waiting")
    assert house.names() == ["demo"]
    assert other.pasted(back).json()["connection"] == "other"


# --- What came is not what was asked for -----------------------------------------------------------------------------


def wrong_kind(house: House) -> Attempt:
    """Asked for a sandbox, and got another org."""
    attempt = house.begin(environment="sandbox")
    Person(ADA).go(attempt.authorize_url)
    return attempt


def wrong_user(house: House) -> Attempt:
    """Reconnected, and came back as somebody else."""
    Person(ADA).go(house.begin("adas").authorize_url)
    attempt = house.begin_reconnect("adas")
    Person(RITA).go(attempt.authorize_url)
    return attempt


HELD = {"another kind": wrong_kind, "another user": wrong_user}


@pytest.mark.parametrize("door", ["the owner's", "the page's form"])
@pytest.mark.parametrize("what", HELD)
def test_it_can_be_kept_under_a_name_of_its_own(house: House, what: str, door: str) -> None:
    """By the API or by the page's own form: stored, usable, told once; nothing else was touched."""
    attempt = HELD[what](house)
    before = house.names()
    page = attempt.page
    shown = Person(ADA).open(page)
    if door == "the owner's":
        assert attempt.kept("kept").json()["status"] == "done"
    else:
        pressed = Person(ADA).open(f"{page}/keep", {"name": "kept"})
        assert (pressed.status, pressed.location) == (303, page)
    client = Client.pair(house.service, "kept")

    assert (shown.status, f'action="/signed-in/{attempt.id}/keep"' in shown.text) == (400, True)
    assert sorted(house.names()) == sorted([*before, "kept"])
    assert client.rest("kept").status == 200
    assert attempt.told()["connection"] == "kept"
    assert "kept" in Person(ADA).open(page).text
    assert attempt.kept("twice").status == 409
    if what == "another user":
        assert view(house.service, "adas")["username"] == ADA
        assert view(house.service, "kept")["username"] == RITA


@pytest.mark.parametrize("door", ["the owner's", "the page's form"])
@pytest.mark.parametrize(("name", "status"), [("demo", 409), ("Not A Name", 422)])
def test_a_name_that_will_not_do_leaves_it_to_be_kept(house: House, door: str, name: str, status: int) -> None:
    """Refused with a sentence, and the next try with a better name, or with none, works."""
    attempt = wrong_kind(house)
    page = attempt.page
    if door == "the owner's":
        assert attempt.kept(name).status == status
    else:
        refused = Person(ADA).open(f"{page}/keep", {"name": name})
        assert refused.status == status
        assert "It was not kept" in refused.text

    assert attempt.told()["keepable"] is True
    assert attempt.kept(None).json()["connection"] == "localhost"


def test_there_is_nothing_to_keep_of_other_ends(house: House) -> None:
    """A waiting, a failed and a finished attempt, and one that is none."""
    waiting, failed, done = house.begin(), house.begin(), house.begin("done")
    failed.comes_back(error="access_denied")
    Person(ADA).go(done.authorize_url)

    assert [one.kept("x").status for one in (waiting, failed, done)] == [409, 409, 409]
    assert house.call("POST", "/v1/sign-ins/nothing/keep", {}).status == 404
    assert "x" not in house.names()


# --- At the same time ------------------------------------------------------------------------------------------------


@pytest.fixture
def aside() -> Iterator[ThreadPoolExecutor]:
    """Threads for what happens meanwhile."""
    with ThreadPoolExecutor() as threads:
        yield threads


def arriving(org: Peer, attempt: Attempt, aside: ThreadPoolExecutor) -> Future[Page]:
    """A redirect that is under way: the code is exchanged, and the org takes its time to say who that is."""
    back = Person(ADA).come_back(attempt.authorize_url)
    asked = org.state().requests
    org.play(200, {}, where="rest", delay=1)
    redirect = aside.submit(Person(ADA).go, back)
    while org.state().requests < asked + 2:  # the exchange, and the question that waits
        assert not redirect.done()
    return redirect


def test_cancelled_while_its_redirect_arrives(house: House, org: Peer, aside: ThreadPoolExecutor) -> None:
    """Who cancelled has no connection, and no grant at the org either."""
    before = live_grants(org)
    attempt = house.begin("regretted")
    redirect = arriving(org, attempt, aside)
    cancelled = house.call("DELETE", f"/v1/sign-ins/{attempt.id}")
    redirect.result()

    assert cancelled.json()["status"] == "cancelled"
    assert attempt.told()["status"] == "cancelled"
    assert house.names() == ["demo"]
    assert live_grants(org) == before


def test_disconnected_while_its_reconnect_arrives(house: House, org: Peer, aside: ThreadPoolExecutor) -> None:
    """The connection does not come back, and no grant is left at the org."""
    before = live_grants(org)
    Person(ADA).go(house.begin("leaving").authorize_url)
    attempt = house.begin_reconnect("leaving")
    redirect = arriving(org, attempt, aside)
    assert house.call("DELETE", "/v1/connections/leaving").status == 200
    redirect.result()

    assert attempt.told()["status"] in {"cancelled", "failed"}
    assert house.names() == ["demo"]
    assert live_grants(org) == before


def test_a_redirect_that_comes_twice_at_once(house: House, aside: ThreadPoolExecutor) -> None:
    """One of the two ends the sign-in, the other finds an old link; the code is exchanged once."""
    attempt = house.begin("once")
    back = Person(ADA).come_back(attempt.authorize_url)
    pages = list(aside.map(Person(ADA).go, [back] * 4))

    assert sorted(urlsplit(page.url).path for page in pages) == sorted(
        ["/signed-in/old"] * 3 + [f"/signed-in/{attempt.id}"]
    )
    assert attempt.told()["status"] == "done"
    assert Client.pair(house.service, "once").rest("once").status == 200


def test_one_sign_in_a_connection_and_many_side_by_side(house: House) -> None:
    """Reconnect twice gives one address; sign-ins to several connections end in any order."""
    for name in ("one", "two"):
        Person(ADA).go(house.begin(name).authorize_url)
    first, second = ([house.begin_reconnect(name) for _ in range(2)] for name in ("one", "two"))
    Person(ADA).go(second[0].authorize_url)
    Person(ADA).go(first[0].authorize_url)

    assert (first[0], second[0]) == (first[1], second[1])
    assert parse_qs(urlsplit(first[0].authorize_url).query)["login_hint"] == [ADA]
    assert first[0].id != second[0].id
    assert (first[0].told()["connection"], second[0].told()["connection"]) == ("one", "two")


@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_restart_between_authorize_and_redirect(
    start_service: StartService, house: House, org: Peer, tmp_path: Path, end: str
) -> None:
    """The browser is still on its way: the next service finishes the sign-in, with its app and its verifier."""
    org.app("3MVG9.restarted", secret="s", secret_for_code=True, pkce_required=True)
    origins = {"MESHMESH_EXTRA_LOGIN_ORIGINS": org.origin}
    service = start_service(tmp_path / "home", **origins)
    house = House(service=service, origin=org.origin)
    attempt = house.begin("late", app={"client_id": "3MVG9.restarted", "client_secret": "s"})
    back = Person(ADA).come_back(attempt.authorize_url)
    (service.kill if end == "kill" else service.stop)()
    house = House(service=start_service(service.home, MESHMESH_PORT=str(service.port), **origins), origin=org.origin)
    page = Person(ADA).go(back)
    told = house.call("GET", f"/v1/sign-ins/{attempt.id}").json()

    assert (page.status, page.url) == (200, attempt.page)
    assert (told["status"], told["connection"]) == ("done", "late")
    assert Client.pair(house.service, "late").rest("late").status == 200
