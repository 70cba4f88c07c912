"""How an attempt begins: what is sent to the authorize endpoint, and what is looked at before a browser opens."""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import parse_qsl

from meshmesh_daemon.adapters.salesforce import Lost, Outside
from meshmesh_daemon.core import oauth
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import transport_failure
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.core.oauth import Registration
from meshmesh_daemon.core.preflight import authorize_failure
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.usecases.exchange import sign_in_failed
from meshmesh_storage.records import Connection, Environment, Flow, SignIn

LIFETIME = timedelta(minutes=10)
STATE_BYTES = 32  # 256 bits
VERIFIER_BYTES = 64  # 86 characters; RFC 7636, section 4.1 allows 43 to 128
REGISTERED_PORT = 1717  # Salesforce's apps know http://localhost:1717/OauthRedirect and no other


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnApp:
    """The person's own External Client App."""

    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    flow: Flow = Flow.AUTHORIZATION_CODE


class Beginning:
    """Makes attempts.

    Args:
        outside: the way to Salesforce.
        policy: which hosts are believed.
        clock: the time.
        port: gives our TCP port, which is part of the callback.
    """

    def __init__(self, *, outside: Outside, policy: HostPolicy, clock: Clock, port: Callable[[], int]) -> None:
        self._outside = outside
        self._policy = policy
        self._clock = clock
        self._port = port

    def check_port(self, origin: str) -> None:
        """Refuse a sign-in that could never come back.

        Args:
            origin: the login host.

        Raises:
            Problem: 409 where Salesforce would send the person to another port than ours.
        """
        local = origin in self._policy.extra_login_origins or origin == self._policy.demo_origin
        if self._port() != REGISTERED_PORT and not local:
            raise Problem(
                409,
                "not_allowed",
                f"Salesforce sends people back to port {REGISTERED_PORT} only, and this service runs on port "
                f"{self._port()}. Start it on port {REGISTERED_PORT} to sign in to Salesforce.",
                next_step=Next(
                    "Stop this service, and start it on that port", f"MESHMESH_PORT={REGISTERED_PORT} meshmeshd"
                ),
            )

    def record(
        self,
        *,
        name: str,
        environment: Environment,
        origin: str,
        app: OwnApp,
        asked: tuple[str, ...],
        replaces: Connection | None = None,
    ) -> SignIn:
        """A new attempt, with its `state`, its PKCE verifier and its address.

        Args:
            name: the connection's, or "" where it is to be named after its org.
            environment: which door of Salesforce.
            origin: the login host.
            app: who asks.
            asked: scopes.
            replaces: the connection that is signed in again.
        """
        state, verifier = secrets.token_urlsafe(STATE_BYTES), secrets.token_urlsafe(VERIFIER_BYTES)
        redirect_uri = f"http://localhost:{self._port()}/OauthRedirect"
        now = self._clock.now()
        return SignIn(
            id=secrets.token_urlsafe(16),
            state=state,
            code_verifier=verifier,
            connection_id=replaces.id if replaces else None,
            name=name,
            environment=environment,
            client_id=app.client_id,
            client_secret=app.client_secret,
            login_origin=origin,
            redirect_uri=redirect_uri,
            scopes=asked,
            authorize_url=oauth.authorize_url(
                origin,
                Registration(client_id=app.client_id),
                redirect_uri=redirect_uri,
                scopes=asked,
                state=state,
                code_verifier=verifier,
                prompt_login=self._policy.is_generic(origin),
                login_hint=replaces.username if replaces else None,
            ),
            created_at=now,
            expires_at=now + LIFETIME,
        )

    async def look_ahead(self, record: SignIn) -> None:
        """Ask the authorize address as a visitor without cookies, before a browser does.

        Raises:
            Problem: `sign_in_failed`, in our words.
        """
        try:
            answer = await self._outside.get(record.authorize_url)
        except Lost as lost:
            raise sign_in_failed(transport_failure(lost.kind)) from None
        failure = authorize_failure(
            authorize_url=record.authorize_url,
            redirect_uri=record.redirect_uri,
            status=answer.status,
            location=answer.headers.get("location", ""),
            body=answer.body,
        )
        if failure is not None:
            raise sign_in_failed(failure)


def read_pasted(url: str, redirect_uri: str) -> dict[str, str]:
    """The parameters of an address that a browser elsewhere ended at.

    Args:
        url: what the person pasted.
        redirect_uri: the attempt's own callback; nothing else is taken.

    Raises:
        Problem: 422 naming `url`.
    """
    address, _, query = url.strip().partition("?")
    if address != redirect_uri:
        raise bad_field("url", f"must be the whole address that the browser ended at: {redirect_uri}?...")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=50)
    except ValueError:
        raise bad_field("url", "does not parse.") from None
    values = dict(pairs)
    if len(values) != len(pairs):
        raise bad_field("url", "holds a parameter twice.")
    return values


def wish_of(record: SignIn) -> tuple[object, ...]:
    """What a person asked for; two attempts that agree in it are one."""
    return (
        record.name,
        record.environment,
        record.login_origin,
        record.client_id,
        record.client_secret,
        record.scopes,
        record.connection_id,
    )
