"""What Salesforce refuses in so many words: a row each, how it comes about, and the step that mends it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from support.demo_org import ADA
from support.peer import Client, Json, Peer, connect, reconnect
from support.service import Answer, Service
from support.troubles import slug

SECRET = "a secret of the test"
AtTheOrg = Callable[[Peer, str], None]


def nothing(_org: Peer, _app: str) -> None:
    """Leave the org as it is."""


def app(**policies: object) -> AtTheOrg:
    """An admin changes the app."""
    return lambda org, client_id: org.app(client_id, **policies)


def user(**switches: bool) -> AtTheOrg:
    """An admin changes the user."""
    return lambda org, _app: void(org.lever("user", username=ADA, **switches))


def refuses(error: str, description: str) -> AtTheOrg:
    """The token endpoint refuses once, in Salesforce's words."""
    return lambda org, _app: org.play(400, {"error": error, "error_description": description})


def rest_refuses(status: int, code: str, message: str) -> AtTheOrg:
    """The REST API refuses once."""
    return lambda org, _app: org.play(status, [{"errorCode": code, "message": message}], where="rest")


def answers_for(*, org_id: str = "", instance: str = "") -> AtTheOrg:
    """The next refresh brings tokens of somebody else."""

    def play(org: Peer, _app: str) -> None:
        identity = f"{org.origin}/id/{org_id or '00D000000000001AAA'}/005000000000001AAA"
        tokens = {"access_token": "00Dx!other", "refresh_token": "other", "token_type": "Bearer"}
        org.play(200, tokens | {"instance_url": instance or org.origin, "id": identity, "issued_at": "1700000000000"})

    return play


def void(_value: object) -> None:
    """Drop a value where only the act is wanted."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One refusal: how it comes about, what is said of it, and what the org's admin does about it."""

    reason: str
    make: AtTheOrg
    undo: AtTheOrg = nothing
    status: str = "blocked"
    by_rest: bool = False
    policies: Mapping[str, object] = field(default_factory=dict[str, object])
    own_app: Mapping[str, object] = field(default_factory=dict[str, object])


ROBOT: Json = {"secret": SECRET, "client_credentials": True, "run_as": ADA}
ROBOT_APP: Json = {"client_secret": SECRET, "flow": "client_credentials"}
REFUSALS = {
    # REST first: these want a session that lives
    "the user may not use the API": Row(
        reason="api_disabled", make=user(api=False), undo=user(api=True), by_rest=True
    ),
    "the session is not valid for REST": Row(
        reason="ip_restricted",
        make=rest_refuses(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API"),
        by_rest=True,
    ),
    "the password has expired": Row(
        reason="password_expired",
        status="needs_you",
        make=user(password_expired=True),
        undo=user(password_expired=False),
        by_rest=True,
    ),
    "the app is not listed for the API": Row(
        reason="app_blocked",
        make=rest_refuses(403, "CLIENT_NOT_ACCESSIBLE_FOR_USER", "client is not accessible for this user"),
        by_rest=True,
    ),
    "the sign-in was revoked": Row(
        reason="refresh_token_revoked",
        status="needs_you",
        make=refuses("invalid_grant", "expired access/refresh token"),
    ),
    "the sign-in ran out": Row(
        reason="session_expired", status="needs_you", make=refuses("invalid_grant", "token validity expired")
    ),
    "the user is switched off": Row(reason="user_inactive", make=user(active=False), undo=user(active=True)),
    "the app is blocked": Row(reason="app_blocked", make=app(blocked=True), undo=app(blocked=False)),
    "the user is not admitted": Row(
        reason="app_blocked", make=app(permitted_users=["rita@example.com"]), undo=app(permitted_users=[ADA])
    ),
    "the app is not installed": Row(
        reason="app_not_installed", make=refuses("invalid_client", "app must be installed into org")
    ),
    "the client id is unknown": Row(
        reason="app_misconfigured", make=refuses("invalid_client_id", "client identifier invalid")
    ),
    "the secret is wrong": Row(
        reason="app_misconfigured",
        policies={"secret": SECRET, "secret_for_code": True, "secret_for_refresh": True},
        own_app={"client_secret": SECRET},
        make=app(secret="another one"),
        undo=app(secret=SECRET),
    ),
    "there is no run-as user": Row(
        reason="run_as_missing", policies=ROBOT, own_app=ROBOT_APP, make=app(run_as=None), undo=app(run_as=ADA)
    ),
    "client credentials are off": Row(
        reason="app_blocked",
        policies=ROBOT,
        own_app=ROBOT_APP,
        make=app(client_credentials=False),
        undo=app(client_credentials=True),
    ),
    "the network is not let in": Row(
        reason="ip_restricted", make=app(ip_restricted=True), undo=app(ip_restricted=False)
    ),
    "another org answers": Row(reason="org_changed", status="needs_you", make=answers_for()),
    "another host answers": Row(
        reason="org_changed", status="needs_you", make=answers_for(instance="https://acme.my.salesforce.com")
    ),
    "no refresh token was given": Row(
        reason="session_expired", status="needs_you", make=nothing, policies={"refresh_policy": "zero"}
    ),
}  # fmt: skip


def connect_for(service: Service, org: Peer, row: str) -> None:
    """Make a row's own connection, by an app of its own."""
    case = REFUSALS[row]
    org.app(slug(row), **case.policies)
    connect(service, slug(row), org.origin, app={"client_id": slug(row), **case.own_app})


def meet(client: Client, org: Peer, row: str, dead: str) -> tuple[Answer, Answer]:
    """Let a row happen and a program meet it; what the API and the broker answer. REST rows want a session that lives."""
    case, name = REFUSALS[row], slug(row)
    if not case.by_rest:
        org.lever("expire-session")
    case.make(org, name)
    if case.by_rest:
        broker = client.rest(name)
        return client.ask(name), broker
    return client.reject(name, dead), client.rest(name)


def mend(service: Service, row: str) -> None:
    """Do what a row's connection names as its next step; the cause must be gone."""
    if REFUSALS[row].status == "blocked":
        tested = service.call("POST", f"/v1/connections/{slug(row)}/test", owner=True)
        assert tested.status == 200, tested.body
    else:
        reconnect(service, slug(row))
