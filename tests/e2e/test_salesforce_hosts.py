"""The guide's eight steps at Salesforce's own hosts, on the registered port: production, sandbox, My Domain.

The hosts are led to an org on this machine by a proxy that the service trusts; each request is told by the host that it
was meant for, so that a secret or a code which went astray would be seen.
"""

import socket
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import parse_qs, urlsplit

import pytest

from support.demo_org import ADA
from support.peer import Client, Json, Peer, peer, view
from support.person import Person
from support.salesforce_hosts import INSTANCE, SalesforceHosts, salesforce_hosts
from support.service import Answer, Service, start

PORT = 1717
SECRET = "a secret of the test"
CALLBACK = f"http://localhost:{PORT}/OauthRedirect"
LOGIN, TEST = "https://login.salesforce.com", "https://test.salesforce.com"
AUTHORIZE, TOKEN = "/services/oauth2/authorize", "/services/oauth2/token"
OWN: Json = {"client_id": "3MVG9.own", "client_secret": SECRET}
LIGHTNING = "https://acme.lightning.force.com/lightning/setup/SetupOneHome/home"


@dataclass(frozen=True, kw_only=True)
class World:
    """The service on its registered port, and Salesforce."""

    service: Service
    org: Peer
    hosts: SalesforceHosts

    def ask(self, **asked: object) -> Answer:
        """Ask for a connection with the app of the eight steps."""
        whole = {"name": "acme", "app": OWN} | asked
        body = {key: value for key, value in whole.items() if value is not None}
        return self.service.call("POST", "/v1/connections", body, owner=True)

    def end(self, begun: Answer) -> Json:
        """Sign in as Ada, and see how the attempt ended."""
        assert begun.status == 202, begun.body
        attempt = begun.json()["sign_in"]
        Person(ADA).go(self.hosts.inside(attempt["authorize_url"]))
        told: Json = self.service.call("GET", f"/v1/sign-ins/{attempt['id']}", owner=True).json()
        return told


def is_free(port: int) -> bool:
    """Whether nobody listens on a port."""
    for family, address in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
        try:
            with socket.socket(family) as sock:
                if sock.connect_ex((address, port)) == 0:
                    return False
        except OSError:
            continue
    return True


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Everything in its place; the registered port is given back at the end."""
    if not is_free(PORT):
        pytest.fail(f"port {PORT} is in use: a MeshMesh runs here, or another program's sign-in")
    with (
        peer(tmp_path_factory.mktemp("org")) as org,
        salesforce_hosts(org.origin, tmp_path_factory.mktemp("net")) as hosts,
    ):
        org.app("3MVG9.own", scopes=["api", "refresh_token", "offline_access"], callbacks=[CALLBACK], secret=SECRET,
                secret_for_code=True, secret_for_refresh=True, client_credentials=True, rotation=False)  # fmt: skip
        service = start(tmp_path_factory.mktemp("home"), MESHMESH_PORT=str(PORT), **hosts.environ)
        yield World(service=service, org=org, hosts=hosts)
        service.stop()


@pytest.fixture(autouse=True)
def _afresh(world: World) -> Iterator[None]:
    """No connection but the demo, and no request seen yet."""
    world.hosts.take_seen()
    yield
    world.service.call("DELETE", "/v1/connections/acme", owner=True)


@pytest.mark.parametrize(
    ("environment", "domain", "login_host", "is_sandbox"),
    [
        ("production", None, LOGIN, False),
        ("sandbox", None, TEST, True),
        ("production", "acme.my.salesforce.com", INSTANCE, False),
        ("custom", "acme.my.salesforce.com", INSTANCE, False),
        ("custom", "acme", INSTANCE, False),
        ("custom", LIGHTNING, INSTANCE, False),
        ("sandbox", LIGHTNING, INSTANCE, True),
    ],
)
def test_every_door_ends_connected(
    world: World, *, environment: str, domain: str | None, login_host: str, is_sandbox: bool
) -> None:
    """The Sandbox switch and the My Domain lead to their host, and nothing is sent to another one of the two."""
    world.org.lever("org", is_sandbox=is_sandbox)
    begun = world.ask(environment=environment, domain=domain)
    query = parse_qs(urlsplit(str(begun.json()["sign_in"]["authorize_url"])).query)
    told = world.end(begun)
    seen = view(world.service, "acme")
    asked = world.hosts.take_seen()

    assert told["status"] == "done", told
    assert (seen["login_host"], seen["instance_url"], seen["status"]) == (login_host, INSTANCE, "connected")
    assert seen["kind"] == ("sandbox" if is_sandbox else "developer")
    assert query["redirect_uri"] == [CALLBACK]
    assert query.get("prompt") == (None if login_host == INSTANCE else ["login"])
    assert [f"GET {login_host}{AUTHORIZE}", f"POST {login_host}{TOKEN}"] == [
        one for one in asked if "oauth2/authorize" in one or "oauth2/token" in one
    ]


@pytest.mark.parametrize("environment", ["production", "sandbox"])
def test_a_renewal_goes_where_the_sign_in_was(world: World, environment: str) -> None:
    """The session ends: the refresh token and the secret go to the login host, REST to the instance."""
    world.org.lever("org", is_sandbox=environment == "sandbox")
    world.end(world.ask(environment=environment))
    client = Client.pair(world.service, "acme")
    world.org.lever("expire-session")
    world.hosts.take_seen()

    assert client.rest("acme").status == 200
    renewals = [one for one in world.hosts.take_seen() if TOKEN in one]
    assert renewals == [f"POST {LOGIN if environment == 'production' else TEST}{TOKEN}"]


def test_a_sandbox_that_was_not_one(world: World) -> None:
    """The Sandbox switch, and the org says production: asked, not stored."""
    world.org.lever("org", is_sandbox=False, organization_type="Enterprise Edition")
    told = world.end(world.ask(environment="sandbox"))
    world.org.lever("org", organization_type="Developer Edition")
    error = told["error"]

    assert (told["status"], told["keepable"]) == ("failed", True)
    assert isinstance(error, dict)
    assert "production" in str(error["title"])  # pyright: ignore[reportUnknownArgumentType]


@pytest.mark.parametrize("environment", ["production", "sandbox"])
def test_an_app_that_the_generic_host_does_not_know(world: World, environment: str) -> None:
    """No domain given, client id unknown there: the sentence asks for the My Domain, and for a little patience."""
    refused = world.ask(environment=environment, app={"client_id": "3MVG9.nobody"})
    told = refused.json()

    assert (refused.status, told["code"]) == (400, "sign_in_failed")
    assert all(word in told["detail"] for word in ("My Domain", "2 to 10 minutes"))
    assert "My Domain" in told["next"]["label"]


@pytest.mark.parametrize(
    ("environment", "domain", "word"),
    [
        ("production", "test.salesforce.com", "sandbox orgs"),
        ("sandbox", "login.salesforce.com", "production orgs"),
        ("custom", None, "needs its address"),
        ("custom", "acme.my.site.com", "My Domain"),
        ("production", "acme.my.salesforce.com.evil.example", "not one of Salesforce's hosts"),
    ],
)
def test_a_door_that_is_none(world: World, environment: str, domain: str | None, word: str) -> None:
    """Refused with one sentence about the domain; nobody was asked anything."""
    refused = world.ask(environment=environment, domain=domain)

    assert (refused.status, refused.json()["errors"][0]["field"]) == (422, "domain")
    assert word in refused.json()["detail"]
    assert world.hosts.take_seen() == []


def test_client_credentials_at_the_my_domain(world: World) -> None:
    """No Run As user: one sentence; with one: connected at the My Domain, where its secret went and nowhere else."""
    robot = OWN | {"flow": "client_credentials"}
    asked: Json = {"environment": "custom", "domain": "acme", "app": robot}
    refused = world.ask(**asked)
    world.org.app("3MVG9.own", run_as=ADA)
    made = world.ask(**asked)
    world.org.app("3MVG9.own", run_as=None)
    seen = world.hosts.take_seen()

    assert (refused.status, "Run As user" in refused.json()["title"]) == (400, True)
    assert made.status == 201, made.body
    assert [one for one in seen if TOKEN in one] == [f"POST {INSTANCE}{TOKEN}"] * 2
    assert {urlsplit(one.partition(" ")[2]).netloc for one in seen} == {"acme.my.salesforce.com"}
