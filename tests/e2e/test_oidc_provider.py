"""A real `meshmeshd` against an OAuth server that nobody here wrote: what holds at it holds by the RFCs, not by habit.

The server insists on PKCE, rotates refresh tokens, and ends the whole grant when a used one comes again, so that a
second renewal works only where the first was followed to the letter.
"""

import time
from collections.abc import Callable, Iterator
from itertools import count

import pytest

from support.attempts import Attempt, House
from support.oidc import Provider, provider
from support.peer import Client, view
from support.person import Person
from support.service import StartService, start

ADA, EVE = "ada@peer.example", "eve@peer.example"
CONFIDENTIAL = {"client_id": "3MVG9.confidential", "client_secret": "confidential-secret"}
ROBOT = {"client_id": "3MVG9.robot", "client_secret": "robot-secret"}
PATIENCE = 20.0


@pytest.fixture(scope="module")
def there() -> Iterator[Provider]:
    """The server."""
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def house(there: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """One service for the tests that do not end it."""
    service = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=there.origin)
    yield House(service=service, origin=there.origin)
    service.stop()


_NUMBERS = count(1)


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"peer-{next(_NUMBERS)}"


def connect(house: House, name: str, **asked: object) -> None:
    """Connect as Ada."""
    ended = house.begin(name, **asked).end(Person(ADA))
    assert ended.status == "done", ended.told.body


def soon(is_so: Callable[[], bool]) -> bool:
    """Whether something that nobody waits for has happened in the end."""
    deadline = time.monotonic() + PATIENCE
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def test_the_server_means_it(there: Provider) -> None:
    """A sign-in without a PKCE challenge comes back refused: what follows could fail."""
    query = "response_type=code&client_id=PlatformCLI&redirect_uri=http://localhost:1717/OauthRedirect&scope=api"
    refused = Person(ADA).come_back(f"{there.origin}/services/oauth2/authorize?{query}")

    assert "error=invalid_request" in refused


def test_a_sign_in_through_the_servers_own_pages(house: House, name: str) -> None:
    """Login, consent, redirect, exchange: connected, with org and user as the server named them."""
    ended = house.begin(name).end(Person(ADA))
    seen = view(house.service, name)

    assert (ended.page.status, ended.page.url.endswith(f"/signed-in/{ended.id}")) == (200, True)
    assert ADA in ended.page.text
    assert ended.status == "done"
    assert (seen["status"], seen["username"], seen["org_name"]) == ("connected", ADA, "Peer")
    assert (seen["kind"], seen["org_id"]) == ("production", "00D000000000001EAA")
    assert (seen["login_host"], seen["instance_url"]) == (house.origin, house.origin)
    assert seen["scopes"] == ["api", "refresh_token"]


def test_its_token_is_lent_and_used(house: House, there: Provider, name: str) -> None:
    """The token that a program gets is alive at the server, its end is learnt by introspection, the broker uses it."""
    connect(house, name)
    client = Client.pair(house.service, name)
    token = client.held(name)

    assert there.is_live(token)
    assert soon(lambda: client.ask(name).json()["expires_at"] is not None)
    assert client.rest(name).status == 200


@pytest.mark.parametrize("app", [None, CONFIDENTIAL], ids=["public", "with a secret"])
def test_renewals_follow_the_rotation(there: Provider, start_service: StartService, app: object) -> None:
    """Three renewals in a row, across a kill: each uses the refresh token that the one before it brought."""
    service = start_service(MESHMESH_EXTRA_LOGIN_ORIGINS=there.origin)
    house = House(service=service, origin=there.origin)
    connect(house, "peer", app=app)
    client = Client.pair(service, "peer")
    tokens = [client.held("peer")]
    for _ in range(2):
        tokens.append(str(client.reject("peer", tokens[-1]).json()["access_token"]))
    service.kill()
    client = Client(service=start_service(service.home, MESHMESH_EXTRA_LOGIN_ORIGINS=there.origin), token=client.token)
    tokens.append(str(client.reject("peer", tokens[-1]).json()["access_token"]))

    assert len(set(tokens)) == 4
    assert client.rest("peer").status == 200
    assert view(client.service, "peer")["status"] == "connected"


def test_a_reconnect_keeps_the_connection_and_ends_the_old_grant(house: House, there: Provider, name: str) -> None:
    """The same user: name and grants stay, the new tokens live, and the old ones are dead at the server."""
    connect(house, name)
    client = Client.pair(house.service, name)
    old = client.held(name)
    ended = house.begin_reconnect(name).end(Person(ADA))
    new = client.held(name)

    assert ended.status == "done"
    assert ended.told.json()["connection"] == name
    assert new != old
    assert soon(lambda: not there.is_live(old))
    assert there.is_live(new)
    assert client.reject(name, new).status == 200


def test_a_reconnect_as_somebody_else_replaces_nothing(house: House, name: str) -> None:
    """Another user: the attempt says so, the old tokens live on, and who came can be kept under a name of its own."""
    connect(house, name)
    client = Client.pair(house.service, name)
    old, before = client.held(name), view(house.service, name)
    ended = house.begin_reconnect(name).end(Person(EVE))
    error = ended.told.json()["error"]

    assert (ended.status, ended.told.json()["keepable"]) == ("failed", True)
    assert (error["code"], error["reason"]) == ("sign_in_failed", "org_changed")
    assert EVE in error["detail"]
    assert ADA in error["detail"]
    assert ended.page.status == 400
    assert (client.held(name), view(house.service, name)["username"]) == (old, before["username"])
    assert client.reject(name, old).status == 200
    kept = house.call("POST", f"/v1/sign-ins/{ended.id}/keep", {"name": f"{name}-eve"})
    assert (kept.status, kept.json()["connection"]) == (200, f"{name}-eve")
    assert view(house.service, f"{name}-eve")["username"] == EVE


def test_a_disconnect_is_a_revocation(house: House, there: Provider, name: str) -> None:
    """The grant is dead at the server when the answer comes, and another connection of the same user is not."""
    connect(house, name)
    connect(house, f"{name}-other")
    client = Client.pair(house.service, name, f"{name}-other")
    gone, other = client.held(name), client.held(f"{name}-other")
    ended = house.call("DELETE", f"/v1/connections/{name}")

    assert (ended.status, ended.json()["revoked"]) == (200, True)
    assert not there.is_live(gone)
    assert there.is_live(other)
    assert house.call("GET", f"/v1/connections/{name}").status == 404


def test_who_says_no_is_told_so(house: House, name: str) -> None:
    """The server's `access_denied` ends the attempt; nothing is stored."""
    ended = house.begin(name).end(Person(ADA, allows=False))

    assert ended.status == "failed"
    assert ended.told.json()["error"]["title"] == "You said no"
    assert "You said no" in ended.page.text
    assert house.call("GET", f"/v1/connections/{name}").status == 404


def test_a_grant_that_the_server_ended_needs_the_person(house: House, there: Provider, name: str) -> None:
    """`invalid_grant` in the server's own words is definite: needs_you, until a reconnect mends it."""
    connect(house, name)
    client = Client.pair(house.service, name)
    token = client.held(name)
    there.revoke(token)
    refused = client.reject(name, token)
    seen = view(house.service, name)

    assert (refused.status, refused.json()["reason"]) == (409, "refresh_token_revoked")
    assert (seen["status"], seen["reason"]) == ("needs_you", "refresh_token_revoked")
    assert house.begin_reconnect(name).end(Person(ADA)).status == "done"
    assert client.rest(name).status == 200


def test_an_app_runs_as_itself(house: House, there: Provider, name: str) -> None:
    """Client credentials: connected without a browser, renewed without a person, ended by a disconnect."""
    made = house.ask(name, app={**ROBOT, "flow": "client_credentials"})
    client = Client.pair(house.service, name)
    first = client.held(name)
    second = str(client.reject(name, first).json()["access_token"])

    assert made.status == 201, made.body
    assert made.json()["connection"]["app"] == {"client_id": ROBOT["client_id"], "flow": "client_credentials"}
    assert first != second
    assert client.rest(name).status == 200
    assert there.is_live(second, **ROBOT)
    assert house.call("DELETE", f"/v1/connections/{name}").json()["revoked"] is True
    assert not there.is_live(second, **ROBOT)


@pytest.mark.parametrize("app", [CONFIDENTIAL, {**ROBOT, "flow": "client_credentials"}], ids=["code", "credentials"])
def test_a_wrong_secret_is_told_as_that(house: House, name: str, app: dict[str, str]) -> None:
    """The server refuses the secret in either flow: a sentence about the secret, and nothing is stored."""
    begun = house.ask(name, app=app | {"client_secret": "wrong"})
    error = Attempt.of(house, begun).end(Person(ADA)).told.json()["error"] if begun.status == 202 else begun.json()

    assert error["code"] == "sign_in_failed"
    assert "secret" in error["title"]
    assert "secret" in error["next"]["label"]
    assert house.call("GET", f"/v1/connections/{name}").status == 404


@pytest.mark.parametrize(
    ("asked", "word"),
    [({"app": {"client_id": "3MVG9.unknown"}}, "client ID"), ({"app": CONFIDENTIAL, "scopes": ["api", "refresh_token", "web"]}, "permission")],
    ids=["unknown client id", "foreign scope"],
)  # fmt: skip
def test_a_mistake_is_told_before_the_browser(house: House, name: str, asked: dict[str, object], word: str) -> None:
    """With an own app the server is asked first, and its refusal is the answer."""
    refused = house.ask(name, **asked)

    assert (refused.status, refused.json()["code"]) == (400, "sign_in_failed")
    assert word in refused.json()["title"]
    assert refused.json()["next"]["label"]
