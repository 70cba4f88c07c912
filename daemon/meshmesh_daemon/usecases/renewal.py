"""One refresh of one connection, from the journal to the disk.

Invariants: the intent is on disk before the request leaves; a rotated refresh token is on disk (synchronous=FULL) before
anyone sees its access token; an answer for an old generation is dropped; a request that may have been executed leaves
its intent open, so that a later refusal is told for what it is (`rotation_interrupted`).
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost, Outside
from meshmesh_daemon.core import lifecycle, oauth
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, transport_failure
from meshmesh_daemon.core.hosts import HostPolicy, UntrustedHost
from meshmesh_daemon.core.lifecycle import OtherIdentity, Records
from meshmesh_daemon.core.oauth import BadAnswer, Registration, TokenSet
from meshmesh_daemon.usecases.departures import Departures
from meshmesh_storage import connections, rotations
from meshmesh_storage.errors import StaleGeneration, VaultError
from meshmesh_storage.records import App, Connection, Flow, RotationIntent
from meshmesh_storage.vault import Vault

_OK = 200
_SERVER_ERROR = 500
_PORTAL = 511  # RFC 6585, section 6: made by the network, never by the server asked


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a refresh ended.

    `connection` is what is stored now; `trouble` is a failure that mends itself; `lost` says that this refresh's answer is
    missing and may have rotated the token, `rotation_open` that this one's or an earlier one's is; `unsaved` is a connection
    whose tokens the disk did not take.
    """

    connection: Connection
    trouble: Failure | None = None
    lost: bool = False
    rotation_open: bool = False
    unsaved: Connection | None = None


class Renewal:
    """Refreshes connections, one call each.

    Args:
        vault: where intents and tokens go.
        outside: the way to Salesforce.
        policy: which hosts are believed.
        clock: the time.
    """

    def __init__(self, *, vault: Vault, outside: Outside, policy: HostPolicy, clock: Clock) -> None:
        self._vault = vault
        self._outside = outside
        self._policy = policy
        self._clock = clock
        self._departures = Departures(clock)

    async def run(
        self, connection: Connection, app: App, *, rotation_open: bool, newer_sign_ins: Callable[[], Awaitable[int]]
    ) -> Outcome:
        """Refresh a connection.

        Args:
            connection: as it is stored.
            app: its app.
            rotation_open: whether an earlier refresh is still without an answer.
            newer_sign_ins: counts the sign-ins of the same user and app that came after this one. It is asked where a
                refusal is to be told for what it is, since it goes through all connections.

        Raises:
            StaleGeneration: the connection has moved on, or is gone; nothing was sent, or the answer was dropped.
            VaultUnwritable: the intent could not be written; nothing was sent.
        """
        form = _form(connection, app)
        if form is None:
            return await self._settled(lifecycle.without_refresh_token(connection), connection.generation)
        try:
            answer = await self._sent(connection, form)
        except HostRefused:
            return await self._settled(lifecycle.host_refused(connection), connection.generation)
        except Lost as lost:
            return await self._lost(connection, transport_failure(lost.kind), lost=lost.sent, before=rotation_open)
        tokens = _tokens(answer)
        if tokens is not None:
            return await self._accepted(connection, tokens)
        failure = answer.token_failure(_grant_of(app), self._clock.now())
        if failure.action is Action.RETRY:
            return await self._lost(connection, failure, lost=_may_have_been_executed(answer), before=rotation_open)
        records = Records(rotation_open=rotation_open, newer_sign_ins=await newer_sign_ins())
        changed = lifecycle.failed(connection, failure, records, now=self._clock.now())
        return await self._settled(changed, connection.generation)

    async def _sent(self, connection: Connection, form: str) -> HttpAnswer:
        async with self._departures.place(connection.login_origin, connection.org_id):
            intent = RotationIntent(
                connection_id=connection.id, generation=connection.generation, sent_at=self._clock.now()
            )
            async with self._vault.transaction(together=True) as tx:
                connections.expect(tx, connection.id, connection.generation)  # it may have moved on while we waited
                await rotations.begin(tx, intent)
            return await self._outside.post_form(connection.login_origin + oauth.TOKEN_PATH, form)

    async def _accepted(self, connection: Connection, tokens: TokenSet) -> Outcome:
        try:
            origin = self._policy.trusted(tokens.instance_url, signed_in_at=connection.login_origin)
            self._policy.trusted(tokens.identity_url, signed_in_at=connection.login_origin)
            new = lifecycle.renewed(connection, tokens, instance_origin=origin, now=self._clock.now())
        except (UntrustedHost, OtherIdentity):
            return await self._settled(lifecycle.other_identity(connection), connection.generation)
        try:
            return await self._settled(new, connection.generation)
        except StaleGeneration:
            raise
        except VaultError:  # whatever keeps it from the disk: the tokens are kept, and no access token leaves
            return Outcome(connection=connection, rotation_open=True, unsaved=new)

    async def save(self, unsaved: Connection) -> Outcome:
        """Write tokens that the disk did not take before.

        Raises:
            VaultUnwritable: it still does not.
            StaleGeneration: the connection has moved on.
        """
        return await self._settled(unsaved, unsaved.generation - 1)

    async def _lost(self, connection: Connection, failure: Failure, *, lost: bool, before: bool) -> Outcome:
        rotation_open = lost or before
        if not rotation_open:
            async with self._vault.transaction(together=True) as tx:
                await rotations.finish(tx, connection.id)
        return Outcome(connection=connection, trouble=failure, lost=lost, rotation_open=rotation_open)

    async def _settled(self, new: Connection, replaces: int) -> Outcome:
        async with self._vault.transaction(together=True) as tx:
            await connections.update(tx, new, expected_generation=replaces)
            await rotations.finish(tx, new.id)
        return Outcome(connection=new)

    async def learn_expiry(self, connection: Connection, app: App) -> Connection | None:
        """Ask once how long the new session lives; Salesforce's token answer does not say.

        Returns:
            The connection with `expires_at`, stored; None where the app may not ask or the answer does not tell.

        Raises:
            Lost: nobody answered; ask again another time.
            StaleGeneration: the connection has moved on.
        """
        session = connection.session
        if session is None:
            return None
        form = oauth.introspect_form(_registration(app), session.access_token)
        async with self._departures.place(connection.login_origin, connection.org_id, urgent=False):
            answer = await self._outside.post_form(connection.login_origin + oauth.INTROSPECT_PATH, form)
        lifetime = oauth.read_lifetime(answer.body) if answer.status == _OK else None
        if lifetime is None:
            return None
        known = replace(session, expires_at=session.issued_at + timedelta(seconds=lifetime))
        async with self._vault.transaction(together=True) as tx:
            present = await connections.get(tx, connection.id) or connection  # it may be blocked by now: that stays
            learned = replace(present, session=known)
            await connections.update(tx, learned, expected_generation=connection.generation)
        return learned


def _registration(app: App) -> Registration:
    return Registration(client_id=app.client_id, client_secret=app.client_secret)


def _grant_of(app: App) -> str:
    return app.flow.value if app.flow is Flow.CLIENT_CREDENTIALS else "refresh_token"


def _form(connection: Connection, app: App) -> str | None:
    if app.flow is Flow.CLIENT_CREDENTIALS:
        return oauth.client_credentials_form(_registration(app))
    if connection.refresh_token is None:
        return None
    return oauth.refresh_form(_registration(app), connection.refresh_token)


def _tokens(answer: HttpAnswer) -> TokenSet | None:
    if answer.status != _OK:
        return None
    try:
        return oauth.read_tokens(answer.body)
    except BadAnswer:
        return None


def _may_have_been_executed(answer: HttpAnswer) -> bool:
    """Whether Salesforce itself may have rotated the token before this answer was made.

    A proxy's or portal's page (3xx, 4xx, HTML) was made instead of asking Salesforce; a 5xx, or JSON that breaks off, may
    be Salesforce's own.
    """
    if answer.status == _OK:
        return "json" in answer.content_type
    return answer.status >= _SERVER_ERROR and answer.status != _PORTAL
