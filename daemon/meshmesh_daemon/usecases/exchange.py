"""From a redirect to a stored connection: the code is exchanged once, the org is asked who it is, the result committed.

A grant that ends in nothing (another org or user, a host that is not believed) is revoked at Salesforce again, so that
it does not use up one of the person's five approvals.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from meshmesh_daemon.adapters.salesforce import Lost, Outside
from meshmesh_daemon.core import oauth
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, redirect_failure, status_of, transport_failure
from meshmesh_daemon.core.hosts import HostPolicy, UntrustedHost, suggest_name
from meshmesh_daemon.core.names import next_free
from meshmesh_daemon.core.oauth import BadAnswer, Refused, Registration, TokenSet
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases import identity
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.identity import Identity
from meshmesh_storage.errors import NameTaken, StaleGeneration
from meshmesh_storage.records import App, Connection, Environment, Kind, Session, Status

_OK = 200
_SANDBOXES = {Kind.SANDBOX, Kind.SCRATCH}
_TRIES = 3  # a refresh may land between reading a connection and replacing it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a sign-in is for.

    `name` is "" where the connection is to be named after its org; `replaces` is the id of the connection that is
    signed in again; `withdrawn` says whether the person has taken the wish back meanwhile.
    """

    name: str
    environment: Environment
    login_origin: str
    app: App
    replaces: str | None = None
    asked: tuple[str, ...] = ()
    withdrawn: Callable[[], bool] = lambda: False

    @property
    def command(self) -> str:
        """What begins the same sign-in again."""
        if self.replaces:
            return f"meshmesh reconnect {self.name}"
        option = {Environment.DEMO: " --demo", Environment.SANDBOX: " --sandbox"}.get(self.environment, "")
        return f"meshmesh connect {self.name}".rstrip() + option


class Held(Exception):
    """A sign-in that worked and is not what was asked for: another org, user or kind. The person decides about it.

    Args:
        problem: what to tell.
        connection: what came of it, under no name yet; not stored.
        app: its app.
    """

    def __init__(self, problem: Problem, connection: Connection, app: App) -> None:
        super().__init__(problem.detail)
        self.problem = problem
        self.connection = connection
        self.app = app


class Exchange:
    """Trades what a sign-in brought for a connection.

    Args:
        connections: where the result is put.
        outside: the way to Salesforce.
        policy: which hosts are believed.
        clock: the time.
    """

    def __init__(self, *, connections: Connections, outside: Outside, policy: HostPolicy, clock: Clock) -> None:
        self._connections = connections
        self._outside = outside
        self._policy = policy
        self._clock = clock

    async def redirect(
        self, wish: Wish, query: Mapping[str, str], *, redirect_uri: str, code_verifier: str
    ) -> Connection:
        """The browser came back.

        Args:
            wish: what it was for.
            query: the redirect's parameters, each once.
            redirect_uri: as it was sent.
            code_verifier: PKCE's secret.

        Raises:
            Problem: `sign_in_failed`, with title, sentence and next step.
            Held: it worked, and is not what was asked for.
        """
        read = oauth.read_redirect(query)
        if isinstance(read, Refused):
            raise sign_in_failed(redirect_failure(read.error, read.description), wish)
        self._check_issuer(query.get("iss"), wish)
        form = oauth.code_form(
            _registration(wish.app), code=read.code, redirect_uri=redirect_uri, code_verifier=code_verifier
        )
        return await self._keep(wish, await self._tokens(wish, form, "authorization_code"))

    async def client_credentials(self, wish: Wish) -> Connection:
        """Sign in as the app's run-as user (RFC 6749, section 4.4).

        Raises:
            Problem: `sign_in_failed`, with title, sentence and next step.
        """
        form = oauth.client_credentials_form(_registration(wish.app))
        return await self._keep(wish, await self._tokens(wish, form, "client_credentials"))

    def _check_issuer(self, issuer: str | None, wish: Wish) -> None:
        """RFC 9207: an answer of another server than the one that was asked is a mix-up."""
        if issuer is None:
            return
        try:
            self._policy.trusted(issuer, signed_in_at=wish.login_origin)
        except UntrustedHost:
            raise _untrusted() from None

    async def _tokens(self, wish: Wish, form: str, grant: str) -> TokenSet:
        try:
            answer = await self._outside.post_form(wish.login_origin + oauth.TOKEN_PATH, form)
        except Lost as lost:
            raise sign_in_failed(transport_failure(lost.kind), wish) from None
        if answer.status == _OK:
            try:
                return oauth.read_tokens(answer.body)
            except BadAnswer as missing:
                if "json" in answer.content_type:
                    raise _incomplete(str(missing)) from None
        raise sign_in_failed(answer.token_failure(grant, self._clock.now()), wish)

    async def _keep(self, wish: Wish, tokens: TokenSet) -> Connection:
        try:
            origin = self._policy.trusted(tokens.instance_url, signed_in_at=wish.login_origin)
            self._policy.trusted(tokens.identity_url, signed_in_at=wish.login_origin)
        except UntrustedHost:
            raise _untrusted() from None  # not revoked: nothing more is sent on the word of this answer
        who = await identity.ask(self._outside, tokens, origin=origin, environment=wish.environment, clock=self._clock)
        new = self._new(wish, tokens, origin, who)
        if wish.withdrawn():
            await self.drop(new)
            raise Problem(410, "expired", "The sign-in was withdrawn while it came back. Nothing was kept.")
        if wish.replaces:
            return await self._replaced(wish, wish.replaces, new)
        if wish.environment is Environment.SANDBOX and who.known and new.kind not in _SANDBOXES:
            raise Held(_not_a_sandbox(new), new, wish.app)
        return await self.keep(new, wish.app, wish.name)

    async def keep(self, new: Connection, app: App, name: str) -> Connection:
        """Store a new connection.

        Args:
            new: what a sign-in brought.
            app: its app.
            name: the name that is wished; a free one like it is taken, and "" is named after the org.
        """
        wished = name or suggest_name(new.instance_url, new.environment)
        for _ in range(_TRIES):
            free = next_free(wished, self._connections.names)
            try:
                return await self._connections.put(replace(new, name=free), app)
            except NameTaken:
                continue
        await self.drop(new)
        raise Problem(409, "name_taken", f"There is a connection {wished!r} already.")

    async def drop(self, new: Connection) -> None:
        """Give back what nobody wants: the grant is revoked, so that it uses up none of the person's five."""
        await self._connections.revoke(new)

    def _new(self, wish: Wish, tokens: TokenSet, origin: str, who: Identity) -> Connection:
        now = self._clock.now()
        return Connection(
            id=secrets.token_urlsafe(12),
            generation=1,
            name="",
            environment=wish.environment,
            kind=who.org.kind,
            app_id=wish.app.id,
            login_origin=wish.login_origin,
            instance_url=origin,
            identity_url=tokens.identity_url,
            org_id=tokens.org_id,
            user_id=tokens.user_id,
            org_name=who.org.name,
            username=who.username,
            api_version=who.api_version,
            scopes=tokens.scopes or wish.asked,
            status=_status(who.failure),
            reason=who.failure.reason if who.failure else None,
            detail=who.failure.detail if who.failure else None,
            created_at=now,
            signed_in_at=now,
            session=Session(
                access_token=tokens.access_token, token_type=tokens.token_type, issued_at=now, expires_at=None
            ),
            refresh_token=tokens.refresh_token,
        )

    async def _replaced(self, wish: Wish, connection_id: str, fresh: Connection) -> Connection:
        for _ in range(_TRIES):
            old = await self._connections.by_id(connection_id)
            if old is None:
                await self.drop(fresh)
                raise Problem(410, "expired", "The connection was removed while you signed in.")
            if (fresh.org_id, fresh.user_id) != (old.org_id, old.user_id):
                raise Held(_somebody_else(old, fresh), fresh, wish.app)
            new = replace(
                fresh,
                id=old.id,
                name=old.name,
                generation=old.generation + 1,
                created_at=old.created_at,
                last_used_at=old.last_used_at,
                last_used_by=old.last_used_by,
            )
            try:
                kept = await self._connections.put(new, wish.app)
            except StaleGeneration:
                continue
            self._connections.revoke_later(old)
            return kept
        raise Problem(503, "offline", "The connection kept changing. Try again.", retry_after=1)


def _registration(app: App) -> Registration:
    return Registration(client_id=app.client_id, client_secret=app.client_secret)


def _status(failure: Failure | None) -> Status:
    return status_of(failure.reason) if failure and failure.reason else Status.CONNECTED


def sign_in_failed(failure: Failure, wish: Wish | None = None) -> Problem:
    """A failure of Salesforce's, as the end of a sign-in.

    Args:
        failure: what was said.
        wish: what the sign-in was for, where a next try of the same can help.
    """
    step = failure.next_for(None)
    if step is None and failure.action is Action.RETRY:
        step = Next("Try again")
    if step and step.command is None and wish and failure.action in {Action.RETRY, Action.RECONNECT}:
        step = replace(step, command=wish.command)
    members: dict[str, object] = {"title": failure.title, "message_for_admin": failure.message_for_admin}
    return Problem(
        400,
        "sign_in_failed",
        failure.detail,
        next_step=step,
        members={key: value for key, value in members.items() if value},
    )


def _untrusted() -> Problem:
    return Problem(
        400,
        "sign_in_failed",
        "The sign-in was answered in the name of a host that is not Salesforce's. Nothing was kept.",
        next_step=Next("Check the address that you signed in at, then begin again"),
        members={"title": "This did not come from Salesforce."},
    )


def _incomplete(missing: str) -> Problem:
    return Problem(
        400,
        "sign_in_failed",
        f"Salesforce's answer lacks {missing!r}, so it is not known which org this is. Nothing was kept.",
        next_step=Next("Begin the sign-in again"),
        members={"title": "Salesforce's answer was not complete."},
    )


def _not_a_sandbox(new: Connection) -> Problem:
    return Problem(
        400,
        "sign_in_failed",
        f"You asked for a sandbox, and {new.org_name} is a {new.kind.value} org. Nothing was kept yet.",
        next_step=Next("Keep it all the same under a name of its own, or begin again without the Sandbox switch"),
        members={"title": f"That is a {new.kind.value} org.", "keepable": True},
    )


def _somebody_else(old: Connection, new: Connection) -> Problem:
    other = "another org" if new.org_id != old.org_id else "another user"
    return Problem(
        400,
        "sign_in_failed",
        f"You signed in as {other} ({new.username}, {new.org_name}), and {old.name!r} belongs to {old.username}. "
        "Nothing was replaced.",
        next_step=Next("Log out of Salesforce in this browser, then try again", f"meshmesh reconnect {old.name}"),
        members={"title": "That was somebody else.", "reason": "org_changed", "keepable": True},
    )
