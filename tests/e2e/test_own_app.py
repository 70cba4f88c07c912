"""The person's own External Client App, set up as the guide says in its eight steps, with each of Advanced Settings.

Each combination ends connected, or with the one sentence that tells what to do.
"""

from collections.abc import Iterator

import pytest

from support.demo_org import ADA, RITA
from support.own_app import SECRET, Setting, is_refusal, own, robot, side_by_side
from support.peer import Client, Json, view
from support.person import Person

PUBLIC: Json = {"secret": None, "secret_for_code": False, "secret_for_refresh": False}


@pytest.fixture(scope="module")
def setting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Setting]:
    """One service and one org for all."""
    with side_by_side(tmp_path_factory.mktemp("org"), tmp_path_factory.mktemp("home")) as made:
        yield made


@pytest.fixture
def name(setting: Setting) -> Iterator[str]:
    """A name that no other test has."""
    with setting.fresh_name() as mine:
        yield mine


# --- The eight steps -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("environment", ["production", "custom"])
def test_the_eight_steps_end_connected(setting: Setting, name: str, environment: str) -> None:
    """Client id, secret and the org's address: signed in, renewed by itself, and the app is shown without its secret."""
    seen = setting.connect(name, own(setting.eight_steps()), environment=environment)
    client = Client.pair(setting.house.service, name)
    setting.org.lever("expire-session")

    assert (seen["status"], seen["username"], seen["scopes"]) == ("connected", ADA, ["api", "refresh_token"])
    assert client.rest(name).status == 200
    assert SECRET not in str(seen)


@pytest.mark.parametrize("scopes", [
    ["api", "refresh_token"], ["api", "offline_access"], ["api", "offline_access", "refresh_token"],
    ["Manage user data via APIs (api)", "Perform requests at any time (refresh_token, offline_access)"],
])  # fmt: skip
def test_the_guides_scopes_in_every_spelling(setting: Setting, name: str, scopes: list[str]) -> None:
    """`offline_access` is `refresh_token`, Setup's labels are their names: the sign-in lasts."""
    seen = setting.connect(name, own(setting.eight_steps()), scopes=scopes)
    client = Client.pair(setting.house.service, name)
    setting.org.lever("expire-session")

    assert seen["scopes"] == ["api", "refresh_token"]
    assert client.rest(name).status == 200


def test_the_sandbox_switch_at_a_sandbox(setting: Setting, name: str) -> None:
    """The org says that it is a sandbox: connected, as one."""
    setting.org.lever("org", is_sandbox=True)
    try:
        seen = setting.connect(name, own(setting.eight_steps()), environment="sandbox")
    finally:
        setting.org.lever("org", is_sandbox=False)

    assert (seen["status"], seen["kind"]) == ("connected", "sandbox")


def test_the_sandbox_switch_at_another_org(setting: Setting, name: str) -> None:
    """The address beats the switch, and the org is none: nothing is stored until the person says so."""
    ended = setting.house.begin(name, app=own(setting.eight_steps()), environment="sandbox").end(Person(ADA))
    error = ended.told.json()["error"]

    assert (ended.status, ended.told.json()["keepable"], error["code"]) == ("failed", True, "sign_in_failed")
    assert "You asked for a sandbox" in error["detail"]
    assert "without the Sandbox switch" in error["next"]["label"]
    assert name not in setting.house.names()
    kept = setting.house.call("POST", f"/v1/sign-ins/{ended.id}/keep", {"name": name})
    assert (kept.status, kept.json()["status"]) == (200, "done")
    assert view(setting.house.service, name)["kind"] == "developer"


@pytest.mark.parametrize(
    ("environment", "status", "code", "words"),
    [
        ("production", 409, "not_allowed", ("port 1717",)),
        ("sandbox", 409, "not_allowed", ("port 1717",)),
        ("custom", 422, "bad_field", ("domain", "My Domain")),
    ],
)
@pytest.mark.parametrize("domain", [None, "acme.my.salesforce.com"])
def test_without_a_reachable_door_there_is_one_sentence(
    setting: Setting, name: str, *, environment: str, domain: str | None, status: int, code: str, words: tuple[str, ...]
) -> None:
    """Salesforce's own hosts know port 1717 only, and `custom` needs an address: refused at once."""
    if domain and environment == "custom":
        status, code, words = 409, "not_allowed", ("port 1717",)
    answer = setting.house.ask(name, app=own(setting.eight_steps()), environment=environment, domain=domain)

    assert is_refusal(answer, status, code, *words)


@pytest.mark.parametrize("secret", [None, "wrong"])
def test_a_secret_that_is_not_the_apps(setting: Setting, name: str, secret: str | None) -> None:
    """Missing or wrong: the sign-in ends with a sentence about the secret; with the right one the same app connects."""
    client_id = setting.eight_steps()
    ended = setting.house.begin(name, app=own(client_id, secret)).end(Person(ADA))
    error = ended.told.json()["error"]

    assert (ended.status, error["code"]) == ("failed", "sign_in_failed")
    assert "secret is wrong or missing" in error["title"]
    assert "right secret" in error["next"]["label"]
    assert "secret is wrong or missing" in ended.page.text
    assert name not in setting.house.names()
    assert setting.connect(name, own(client_id))["status"] == "connected"


def test_a_secret_that_changed_is_taken_with_a_new_connection(setting: Setting, name: str) -> None:
    """The admin rotates the secret: one sign-in with the new one serves every connection of the app."""
    client_id = setting.eight_steps()
    setting.connect(f"{name}-old", own(client_id))
    setting.org.app(client_id, secret="another secret")
    setting.connect(f"{name}-new", own(client_id, "another secret"), login=RITA)
    client = Client.pair(setting.house.service, f"{name}-old", f"{name}-new")
    setting.org.lever("expire-session")

    assert (client.rest(f"{name}-old").status, client.rest(f"{name}-new").status) == (200, 200)


@pytest.mark.parametrize("policies", [{"pkce_required": True}, {"rotation": True}, PUBLIC, PUBLIC | {"pkce_required": True}],
                         ids=["pkce", "rotation", "public", "public with pkce"])  # fmt: skip
def test_other_ways_to_tick_the_boxes(setting: Setting, name: str, policies: Json) -> None:
    """PKCE required, rotation, no secret: connected and renewed all the same."""
    setting.connect(name, own(setting.eight_steps(**policies), None if "secret" in policies else SECRET))
    client = Client.pair(setting.house.service, name)
    for _ in range(2):
        setting.org.lever("expire-session")
        assert client.rest(name).status == 200


# --- Client credentials ----------------------------------------------------------------------------------------------


def test_client_credentials_without_a_run_as_user(setting: Setting, name: str) -> None:
    """As the eight steps leave it: refused with a message for the admin, and once there is a user it connects."""
    client_id = setting.eight_steps()
    refused = setting.house.ask(name, app=robot(client_id))

    assert is_refusal(refused, 400, "sign_in_failed", "Run As user")
    assert "Run As user" in refused.json()["message_for_admin"]
    assert refused.json()["next"]["label"]
    assert name not in setting.house.names()
    setting.org.app(client_id, run_as=RITA)
    assert setting.house.ask(name, app=robot(client_id)).status == 201


def test_client_credentials_renew_by_themselves(setting: Setting, name: str) -> None:
    """No browser, no scopes, no refresh token: the session ends, and the next call works."""
    made = setting.house.ask(name, app=robot(setting.eight_steps(run_as=RITA)))
    client = Client.pair(setting.house.service, name)
    setting.org.lever("expire-session")

    assert made.status == 201, made.body
    assert made.json()["connection"]["username"] == RITA
    assert made.json()["connection"]["app"]["flow"] == "client_credentials"
    assert client.rest(name).status == 200
    assert setting.house.call("POST", f"/v1/connections/{name}/reconnect").status == 201


@pytest.mark.parametrize(
    ("policies", "secret", "words"),
    [
        ({"client_credentials": False}, SECRET, ("client credentials flow is off",)),
        ({"run_as": "ada@nowhere.example"}, SECRET, ("Run As user",)),
        ({"run_as": RITA}, "wrong", ("secret is wrong or missing",)),
        ({"run_as": RITA, "blocked": True}, SECRET, ("must allow this app",)),
        ({"run_as": RITA, "installed": False}, SECRET, ("not installed",)),
        ({"run_as": RITA, "ip_restricted": True}, SECRET, ("from this network",)),
    ],
)
def test_client_credentials_that_are_refused(
    setting: Setting, name: str, policies: Json, secret: str, words: tuple[str, ...]
) -> None:
    """Each has its own sentence and next step; nothing is stored."""
    refused = setting.house.ask(name, app=robot(setting.eight_steps(**policies), secret))

    assert is_refusal(refused, 400, "sign_in_failed", *words)
    assert refused.json()["next"]["label"]
    assert name not in setting.house.names()


@pytest.mark.parametrize(
    "asked", [{"environment": "production", "domain": None}, {"environment": "sandbox", "domain": None}]
)
def test_client_credentials_need_the_orgs_own_address(setting: Setting, name: str, asked: Json) -> None:
    """The generic hosts do not serve this flow."""
    answer = setting.house.ask(name, app=robot(setting.eight_steps()), **asked)

    assert is_refusal(answer, 422, "bad_field", "domain", "My Domain")


def test_client_credentials_take_no_scopes(setting: Setting, name: str) -> None:
    """The app's own are used; to ask for others is refused."""
    answer = setting.house.ask(name, app=robot(setting.eight_steps(run_as=RITA)), scopes=["api", "refresh_token"])

    assert is_refusal(answer, 422, "bad_field", "takes no scopes")


def test_a_run_as_user_that_changed_replaces_nothing(setting: Setting, name: str) -> None:
    """The admin chose another Run As user: Reconnect says who came, and the connection stays as it was."""
    client_id = setting.eight_steps(run_as=RITA)
    setting.house.ask(name, app=robot(client_id))
    setting.org.app(client_id, run_as=ADA)
    answer = setting.house.call("POST", f"/v1/connections/{name}/reconnect")

    assert is_refusal(answer, 400, "sign_in_failed", RITA, ADA)
    assert answer.json()["next"]["label"]
    assert view(setting.house.service, name)["username"] == RITA


def test_client_credentials_with_the_sandbox_switch(setting: Setting, name: str) -> None:
    """The org is no sandbox: said at once, and nothing is stored or left at the org."""
    before = setting.org.state().sessions
    answer = setting.house.ask(name, app=robot(setting.eight_steps(run_as=RITA)), environment="sandbox")

    assert is_refusal(answer, 400, "sign_in_failed", "You asked for a sandbox")
    assert name not in setting.house.names()
    assert setting.org.state().sessions == before


# --- Side by side ----------------------------------------------------------------------------------------------------


def test_apps_and_users_of_one_org_stand_side_by_side(setting: Setting, name: str) -> None:
    """Two users of one app, another app, the managed one and a robot: each renews as itself, one may go alone."""
    first, second = setting.eight_steps(run_as=RITA), setting.eight_steps(rotation=True)
    setting.connect(f"{name}-ada", own(first))
    setting.connect(f"{name}-rita", own(first), login=RITA)
    setting.connect(f"{name}-second", own(second))
    assert setting.house.begin(f"{name}-managed").end(Person(RITA)).status == "done"
    assert setting.house.ask(f"{name}-robot", app=robot(first)).status == 201
    users = {"ada": ADA, "rita": RITA, "second": ADA, "managed": RITA, "robot": RITA}
    client = Client.pair(setting.house.service, *(f"{name}-{one}" for one in users))
    setting.org.lever("expire-session")

    assert {one: client.ask(f"{name}-{one}").json()["username"] for one in users} == users
    assert [one for one in users if client.rest(f"{name}-{one}").status == 200] == list(users)
    assert setting.house.call("DELETE", f"/v1/connections/{name}-ada").json()["revoked"] is True
    setting.org.lever("expire-session")
    assert [one for one in users if client.rest(f"{name}-{one}").status == 200] == list(users)[1:]
