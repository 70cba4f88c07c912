"""Sign-ins: from `connect` to a committed connection, and from `reconnect` to the same one renewed.

Invariants: an attempt counts once and for ten minutes; its code is exchanged once; org and user of a reconnect are the
pinned ones or nothing is replaced; the connection is on disk before anybody is told of it.
"""

import asyncio
import secrets
from collections.abc import Mapping, Sequence

from meshmesh_daemon.core import scopes
from meshmesh_daemon.core.activity import OWNER, Deed, Outcome
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Failure
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.core.names import check_name
from meshmesh_daemon.core.problems import Problem, bad_field
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.attempts import Attempt, Attempts, SignInView, too_late
from meshmesh_daemon.usecases.beginning import Beginning, OwnApp, read_pasted, wish_of
from meshmesh_daemon.usecases.connections import Connections, name_taken
from meshmesh_daemon.usecases.exchange import Exchange, Held, Wish, sign_in_failed
from meshmesh_daemon.usecases.holding import Holding
from meshmesh_storage import sign_ins
from meshmesh_storage.records import App, Connection, Environment, Flow, SignIn
from meshmesh_storage.vault import Vault

MAX_APPROVALS = 5
NEAR_LIMIT = 4


class SignIns:
    """Begins and ends attempts.

    Args:
        vault: keeps open attempts over a restart.
        connections: where a result is put.
        beginning: makes attempts.
        exchange: turns a code into a connection.
        policy: which hosts are believed.
        activity: is told how each attempt begins and ends.
        clock: the time.
        managed_client_id: the app that is used where the person brings none.
    """

    def __init__(
        self,
        *,
        vault: Vault,
        connections: Connections,
        beginning: Beginning,
        exchange: Exchange,
        policy: HostPolicy,
        activity: Activity,
        clock: Clock,
        managed_client_id: str,
    ) -> None:
        self._vault = vault
        self._connections = connections
        self._exchange = exchange
        self._beginning = beginning
        self._policy = policy
        self._activity = activity
        self._clock = clock
        self._managed = managed_client_id
        self._attempts = Attempts()
        self._holding = Holding(exchange, clock)

    async def load(self) -> None:
        """Take up the attempts that were open when the service ended; old ones are forgotten."""
        now = self._clock.now()
        async with self._vault.transaction() as tx:
            for record in await sign_ins.load_all(tx):
                if now < record.expires_at:
                    self._attempts.add(record)
                else:
                    await sign_ins.delete(tx, record.id)

    async def begin(
        self,
        *,
        name: str | None,
        environment: Environment,
        domain: str | None = None,
        app: OwnApp | None = None,
        wanted: Sequence[str] | None = None,
    ) -> SignInView:
        """Begin a sign-in to a new connection.

        Args:
            name: the connection's name, or None to be named after its org.
            environment: which door of Salesforce.
            domain: the My Domain, as any address of the org.
            app: the person's own app, or None for the managed one.
            wanted: scopes, by name or label; None asks for the default.

        Returns:
            An attempt that waits for the browser, or one that is done (client credentials).

        Raises:
            Problem: 409 `name_taken`, 422 with the field, 429.
        """
        if name is not None:
            self._check_free(name)
        origin = self._policy.login_origin(environment, domain)
        own = app is not None
        app = app or OwnApp(client_id=self._managed)
        if app.flow is Flow.CLIENT_CREDENTIALS:
            if wanted:
                raise bad_field("scopes", "the client credentials flow takes no scopes; the app's own are used.")
            wish = Wish(name=name or "", environment=environment, login_origin=origin, app=self._app(app))
            return await self._without_browser(wish)
        self._beginning.check_port(origin)
        record = self._beginning.record(
            name=name or "", environment=environment, origin=origin, app=app, asked=scopes.check(wanted)
        )
        same = self._same_wish(record)
        if same is not None:
            return await self._view(same)
        if own:
            await self._beginning.look_ahead(record)
        return await self._opened(record)

    async def begin_reconnect(self, connection: Connection, *, client_secret: str | None = None) -> SignInView:
        """Begin a sign-in that renews a connection: same app, host and scopes, the user's name filled in.

        Args:
            connection: which; it keeps its name, grants and history.
            client_secret: the app's new secret, where it has changed; it is kept if the sign-in works.

        Returns:
            The open attempt where there is one already.

        Raises:
            Problem: 404, 422, 429.
        """
        for attempt in self._attempts.open():
            if attempt.record.connection_id != connection.id or self._clock.now() >= attempt.record.expires_at:
                continue
            if client_secret is None or client_secret == attempt.record.client_secret:
                return await self._view(attempt)
            await self._close(attempt, "cancelled")  # the person has another secret to try
        app = self._connections.app_of(connection)
        origin = connection.login_origin
        if not self._policy.may_receive_secret(origin):
            raise bad_field("name", f"the login host of {connection.name!r} is no longer among the allowed ones.")
        own = OwnApp(
            client_id=app.client_id if app else self._managed,
            client_secret=client_secret or (app.client_secret if app else None),
            flow=app.flow if app else Flow.AUTHORIZATION_CODE,
        )
        if own.flow is Flow.CLIENT_CREDENTIALS:
            wish = Wish(
                name=connection.name,
                environment=connection.environment,
                login_origin=origin,
                app=self._app(own),
                replaces=connection.id,
            )
            return await self._without_browser(wish)
        self._beginning.check_port(origin)
        granted = (scope for scope in connection.scopes if scope in _KNOWN)
        record = self._beginning.record(
            name=connection.name,
            environment=connection.environment,
            origin=origin,
            app=own,
            asked=scopes.check(list(dict.fromkeys((*granted, *scopes.DEFAULT)))),
            replaces=connection,
        )
        if own.client_id != self._managed:
            await self._beginning.look_ahead(record)
        return await self._opened(record)

    async def _opened(self, record: SignIn) -> SignInView:
        attempt = self._attempts.add(record)
        try:
            async with self._vault.transaction() as tx:
                await sign_ins.insert(tx, record)
        except BaseException:
            self._attempts.close(attempt)
            raise
        self._note(Deed.SIGN_IN_BEGUN, attempt, Outcome.BEGUN, f"A browser is awaited, from {record.login_origin}.")
        return await self._view(attempt)

    def _note(self, action: Deed, attempt: Attempt, outcome: Outcome, detail: str) -> None:
        self._activity.note(OWNER, action, connection=attempt.record.name or None, outcome=outcome, detail=detail)

    def _note_end(self, attempt: Attempt) -> None:
        outcome = Outcome.DONE if attempt.status == "done" else Outcome.FAILED
        detail = f"The sign-in is {attempt.status}." + (f" {attempt.error.detail}" if attempt.error else "")
        self._note(Deed.SIGN_IN_ENDED, attempt, outcome, detail)

    def _same_wish(self, record: SignIn) -> Attempt | None:
        """An open attempt for the same thing: a person who asks twice gets one sign-in, not two."""
        for attempt in self._attempts.open():
            other = attempt.record
            if self._clock.now() < other.expires_at and wish_of(other) == wish_of(record) and record.name:
                return attempt
        return None

    async def _without_browser(self, wish: Wish) -> SignInView:
        if self._policy.is_generic(wish.login_origin):
            raise bad_field("domain", "the client credentials flow needs the org's My Domain.")
        try:
            connection = await self._exchange.client_credentials(wish)
        except Held as held:  # there is no page to decide on: it is given back, and told
            await self._exchange.drop(held.connection)
            held.problem.members.pop("keepable", None)
            raise held.problem from None
        return SignInView(id="", status="done", expires_at=self._clock.now(), connection=connection)

    async def finish(self, query: Mapping[str, str]) -> SignInView | None:
        """End the attempt that a redirect's `state` names.

        Args:
            query: the redirect's parameters, each once.

        Returns:
            How it ended, or None where no live attempt has this `state`: nothing was changed.
        """
        attempt = self._attempts.take(query.get("state", ""), self._clock.now())
        if attempt is None:
            return None
        record = attempt.record
        wish = Wish(
            name=record.name,
            environment=record.environment,
            login_origin=record.login_origin,
            app=self._app(OwnApp(client_id=record.client_id, client_secret=record.client_secret)),
            replaces=record.connection_id,
            asked=record.scopes,
            withdrawn=attempt.ended.is_set,
        )
        try:
            async with self._vault.transaction() as tx:
                await sign_ins.delete(tx, record.id)
            connection = await self._exchange.redirect(
                wish, query, redirect_uri=record.redirect_uri, code_verifier=record.code_verifier
            )
        except Held as held:
            self._holding.hold(attempt, held)
        except Problem as problem:
            attempt.end("failed", error=problem)
        except BaseException:
            attempt.end("failed", error=Problem(500, "internal", "The sign-in broke off. Begin it again."))
            raise
        else:
            attempt.end("done", connection_id=connection.id)
        finally:
            self._note_end(attempt)
        return await self._view(attempt)

    async def finish_pasted(self, sign_in_id: str, url: str) -> SignInView:
        """End an attempt by the address that a browser elsewhere ended at, under the same checks as the redirect.

        Args:
            sign_in_id: the attempt.
            url: the whole address.

        Raises:
            Problem: 404, 410 for an attempt that has ended, 422 for an address that is not this attempt's; nothing changed.
        """
        attempt = self._attempts.get(sign_in_id)
        if attempt.ended.is_set() or (await self._view(attempt)).status != "waiting":
            raise Problem(410, "expired", "This sign-in has ended. Begin another.")
        query = read_pasted(url, attempt.record.redirect_uri)
        if not self._attempts.is_of(attempt, query.get("state", "")):
            raise bad_field("url", "belongs to another sign-in, or to one that ended.")
        ended = await self.finish(query)
        return ended or await self._view(attempt)

    async def keep(self, sign_in_id: str, name: str | None) -> SignInView:
        """Keep what a sign-in brought although it is not what was asked for, under a name of its own.

        Args:
            sign_in_id: the attempt.
            name: the name, or None to be named after the org.

        Raises:
            Problem: 404, 409 where there is nothing to keep, 422 for a name that cannot be one.
        """
        attempt = self._attempts.get(sign_in_id)
        if name is not None:
            self._check_free(name)
        await self._holding.keep(attempt, name or "")
        self._note_end(attempt)
        return await self._view(attempt)

    async def close(self) -> None:
        """Give back what was held; nobody can decide about it any more."""
        await self._holding.close(self._attempts.all())

    def _check_free(self, name: str) -> None:
        check_name(name)
        if name in self._connections.names:
            raise name_taken(name)

    async def fail(self, sign_in_id: str, failure: Failure) -> SignInView:
        """End an attempt whose browser was left on an error page of Salesforce's.

        Args:
            sign_in_id: the attempt.
            failure: what that page says.

        Raises:
            Problem: 404.
        """
        attempt = self._attempts.get(sign_in_id)
        if not attempt.ended.is_set():
            await self._close(attempt, "failed", error=sign_in_failed(failure))
        return await self._view(attempt)

    def _app(self, own: OwnApp) -> App:
        known = self._connections.find_app(own.client_id, own.flow)
        return App(
            id=known.id if known else secrets.token_hex(8),
            client_id=own.client_id,
            client_secret=own.client_secret or (known.client_secret if known else None),
            flow=own.flow,
            created_at=known.created_at if known else self._clock.now(),
        )

    async def get(self, sign_in_id: str) -> SignInView:
        """One attempt.

        Raises:
            Problem: 404.
        """
        return await self._view(self._attempts.get(sign_in_id))

    async def wait(self, sign_in_id: str, seconds: int) -> SignInView:
        """One attempt, when it has ended or after `seconds`.

        Raises:
            Problem: 404.
        """
        attempt = self._attempts.get(sign_in_id)
        if seconds and not attempt.ended.is_set():
            try:
                async with asyncio.timeout(seconds):
                    await attempt.ended.wait()
            except TimeoutError:
                pass
        return await self._view(attempt)

    async def cancel(self, sign_in_id: str) -> SignInView:
        """Withdraw an attempt; its `state` is dead at once. One that has ended stays as it is.

        Raises:
            Problem: 404.
        """
        attempt = self._attempts.get(sign_in_id)
        if not attempt.ended.is_set():
            await self._close(attempt, "cancelled")
        return await self._view(attempt)

    async def cancel_of(self, connection_id: str) -> None:
        """Withdraw the open attempts of a connection that goes away."""
        for attempt in self._attempts.open():
            if attempt.record.connection_id == connection_id:
                await self._close(attempt, "cancelled")

    async def _close(self, attempt: Attempt, status: str, *, error: Problem | None = None) -> None:
        self._attempts.close(attempt)
        attempt.end(status, error=error)
        self._note_end(attempt)
        async with self._vault.transaction() as tx:
            await sign_ins.delete(tx, attempt.record.id)

    async def _view(self, attempt: Attempt) -> SignInView:
        record = attempt.record
        old = attempt.status == "waiting" and self._clock.now() >= record.expires_at
        if old:
            self._attempts.close(attempt)
            attempt.end("expired", error=too_late())
            self._note_end(attempt)
        connection = await self._connections.by_id(attempt.connection_id) if attempt.connection_id else None
        return SignInView(
            id=record.id,
            status=attempt.status,
            authorize_url=record.authorize_url if attempt.status == "waiting" else None,
            expires_at=record.expires_at,
            connection=connection,
            error=attempt.error,
            keepable=attempt.held is not None,
            note=await self._approvals(connection) if connection else None,
        )

    async def _approvals(self, connection: Connection) -> str | None:
        """Salesforce keeps five approvals per user and app, and silently drops the oldest with a sixth."""
        used = await self._connections.approvals_like(connection)
        if used < NEAR_LIMIT:
            return None
        return f"This is sign-in {used} of the {MAX_APPROVALS} that Salesforce keeps for one user and app."


_KNOWN = frozenset(scope.name for scope in scopes.SCOPES)
