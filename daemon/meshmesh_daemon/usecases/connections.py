"""The connections as a person manages them: look, test, rename, disconnect; and where a sign-in's result is put."""

import asyncio
import logging
from collections.abc import Container
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost, Outside
from meshmesh_daemon.core import lifecycle, oauth, orgs
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.names import check_name
from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage import apps, connections
from meshmesh_storage.errors import NameTaken, StaleGeneration, VaultError
from meshmesh_storage.records import App, Connection, Flow, Kind, Status
from meshmesh_storage.vault import Vault

log = logging.getLogger("meshmesh.connections")

_OK = 200
_NOT_A_TOKEN = 400  # RFC 7009, section 2.2.1: it is dead already
_FLIGHT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Revocation:
    """What became of a grant at Salesforce."""

    revoked: bool
    detail: str


class Connections:
    """What there is, and what is done with it.

    Args:
        desks: the connections in memory.
        sessions: gives live sessions.
        vault: where they are kept.
        outside: the way to Salesforce.
        clock: the time.
    """

    def __init__(self, *, desks: Desks, sessions: Sessions, vault: Vault, outside: Outside, clock: Clock) -> None:
        self._desks = desks
        self._sessions = sessions
        self._vault = vault
        self._outside = outside
        self._clock = clock
        self._revoking = Background()

    async def load(self) -> None:
        """Read what the vault holds."""
        async with self._vault.transaction() as tx:
            known = await apps.load_all(tx)
        self._desks.apps.update({app.id: app for app in known})
        index, look_up = partial(connections.name_index, self._vault.keys), partial(connections.look_up, self._vault)
        self._desks.take(connections.unopened(self._vault), index, look_up)

    async def close(self) -> None:
        """Finish what is under way, and write what was noted in memory only."""
        await self._revoking.finish()
        used = [desk.stored for desk in self._desks.opened if desk.used]
        try:
            async with self._vault.transaction() as tx:
                for connection in used:
                    await connections.update(tx, connection, expected_generation=connection.generation)
        except VaultError as error:  # times of use are no reason to end badly
            log.warning("times of use were not stored: %s", error)

    async def all(self) -> list[Connection]:
        """Every connection as it is now; nobody is asked."""
        return [desk.view async for desk in self._desks.each()]

    @property
    def statuses(self) -> list[Status]:
        """How every connection is, which is known without opening them."""
        return self._desks.statuses

    async def have_serious(self) -> bool:
        """Whether there is one beside the demo org, so that a person is asked for; one that cannot be read may be."""
        try:
            async with aclosing(self._desks.each()) as desks:
                async for desk in desks:
                    if desk.stored.kind is not Kind.DEMO:
                        return True
        except VaultError:
            return True
        return False

    async def by_name(self, name: str) -> Connection | None:
        """A connection by its name."""
        desk = await self._desks.named(name)
        return desk.view if desk else None

    async def by_id(self, connection_id: str) -> Connection | None:
        """A connection by its id."""
        desk = await self._desks.get(connection_id)
        return desk.view if desk else None

    def id_of(self, name: str) -> str | None:
        """The id of the connection of a name; None where the name is free."""
        return self._desks.id_of(name)

    @property
    def names(self) -> Container[str]:
        """The names that are taken."""
        return self._desks

    def find_app(self, client_id: str, flow: Flow) -> App | None:
        """The app of a client id and flow, if a connection uses it."""
        matches = (app for app in self._desks.apps.values() if (app.client_id, app.flow) == (client_id, flow))
        return next(matches, None)

    async def approvals_like(self, connection: Connection) -> int:
        """How many sign-ins of one user and app are kept here, this one among them."""
        return len(await self._desks.siblings(connection))

    def app_of(self, connection: Connection) -> App | None:
        """The app of a connection."""
        return self._desks.apps.get(connection.app_id)

    def note_use(self, connection_id: str, client_name: str) -> None:
        """Remember who used a connection last."""
        self._desks.note_use(connection_id, client_name, self._clock.now())

    async def live(
        self, connection_id: str, *, who: str, min_ttl: int = 0, rejected: str | None = None, wait: float = 0
    ) -> Connection:
        """A connection with a session that can be used; see `Sessions.live_within`."""
        return await self._sessions.live_within(
            await self._desk(connection_id), wait, who=who, min_ttl=min_ttl, rejected=rejected
        )

    def live_now(self, connection_id: str, *, min_ttl: int = 0) -> Connection | None:
        """A connection whose session can be used at once; see `Sessions.live_now`."""
        desk = self._desks.at_hand(connection_id)
        return self._sessions.live_now(desk, min_ttl=min_ttl) if desk else None

    async def put(self, connection: Connection, app: App) -> Connection:
        """Keep what a sign-in brought, new or in place of the old; on disk when this returns.

        Args:
            connection: with the next generation where it replaces one.
            app: its app, whose secret is replaced with it.

        Raises:
            NameTaken: another connection has its name.
            StaleGeneration: the connection that it replaces has moved on, or is gone.
        """
        async with self._vault.transaction() as tx:
            await apps.put(tx, app)
            if connection.generation == 1:
                await connections.insert(tx, connection)
            else:
                await connections.update(tx, connection, expected_generation=connection.generation - 1)
        self._desks.apps[app.id] = app
        desk = self._desks.place(connection)
        self._sessions.note_tokens(desk)
        return connection

    async def rename(self, connection_id: str, name: str) -> Connection:
        """Give a connection another name.

        Raises:
            Problem: 422 for a name that cannot be one, 409 `name_taken`.
        """
        desk = await self._desk(connection_id)
        known = check_name(name)
        try:
            async with self._vault.transaction() as tx:
                await connections.rename(tx, connection_id, known)
        except NameTaken:
            raise name_taken(name) from None
        except StaleGeneration:
            raise not_found("connection", desk.stored.name) from None
        self._desks.rename(desk, known)
        return desk.view

    async def test(self, connection_id: str) -> Connection:
        """Ask the org once whether the connection works (I.2 of the probe ladder: the resource list).

        Raises:
            Problem: 409 where only the person can mend it.
        """
        desk = await self._desk(connection_id)
        desk.not_before = 0.0
        if desk.stored.status is Status.NEEDS_YOU:
            await self._sessions.live(desk)
        await self.probe(desk)
        return desk.view

    async def probe(self, desk: Desk) -> None:
        """Find out how a connection is: one call, and a refresh with a second one where the session has ended."""
        tried = desk.stored
        if await self._works(desk, tried):
            return
        self._sessions.note_rejected(desk, tried)
        await self._sessions.refresh_now(desk)
        if desk.stored.generation != tried.generation:
            await self._works(desk, desk.stored)

    async def _works(self, desk: Desk, live: Connection) -> bool:
        """Whether one call is answered; False only where a fresh session would mend it."""
        if live.session is None:
            return False
        token = live.session.access_token
        url = f"{live.instance_url}{orgs.VERSIONS_PATH}/v{live.api_version}"
        try:
            answer = await self._outside.get(url, access_token=token)
        except HostRefused:
            await self._sessions.note_refused_host(desk, live)
            return True
        except Lost as lost:
            self._sessions.note_lost(desk, live, lost.kind)
            return True
        failure = answer.failure(self._clock.now())
        if failure is None and "json" not in answer.content_type:
            self._sessions.note_lost(desk, live, "captive_portal")
        elif failure is None:
            await self._sessions.note_success(desk, live)
        elif failure.refreshable:
            return False
        else:
            await self._sessions.note_failure(desk, live, failure)
        return True

    async def disconnect(self, connection_id: str) -> Revocation:
        """Revoke at Salesforce, then forget; what was kept of it is overwritten on disk.

        Returns:
            Whether Salesforce confirmed, and a sentence.
        """
        desk = await self._desk(connection_id)
        if desk.flight is not None:  # so that the newest token is the one that is revoked
            await asyncio.wait([desk.flight], timeout=_FLIGHT_SECONDS)
        revocation = await self.revoke(desk.stored)
        async with self._vault.transaction() as tx:
            await connections.delete(tx, connection_id)
            await apps.delete_unused(tx)
        self._desks.remove(connection_id)
        await self._vault.purge()
        return revocation

    async def rehome(self, connection_id: str, origin: str) -> None:
        """The demo org had to move to another port: its connection follows."""
        desk = await self._desk(connection_id)
        moved = lifecycle.rehomed(desk.stored, origin)
        async with self._vault.transaction() as tx:
            await connections.update(tx, moved, expected_generation=desk.stored.generation)
        self._desks.place(moved)

    async def revoke(self, connection: Connection) -> Revocation:
        """End a connection's grant at Salesforce; its access tokens end with the refresh token."""
        session = connection.session
        token = connection.refresh_token or (session.access_token if session else None)
        if token is None:
            return Revocation(False, "There was no token to revoke.")
        return await self.revoke_token(connection.login_origin, token)

    async def revoke_token(self, login_origin: str, token: str) -> Revocation:
        """End a token at Salesforce (RFC 7009).

        Args:
            login_origin: where it was issued.
            token: a refresh or access token.
        """
        try:
            answer = await self._outside.post_form(login_origin + oauth.REVOKE_PATH, oauth.revoke_form(token))
        except HostRefused:
            return Revocation(False, _by_hand("Your settings no longer allow its host"))
        except Lost:
            return Revocation(False, _by_hand("Salesforce could not be reached"))
        if answer.status == _OK and not _is_page(answer):
            return Revocation(True, "Revoked at Salesforce.")
        if answer.status == _NOT_A_TOKEN:
            return Revocation(True, "Salesforce had ended it already.")
        return Revocation(False, _by_hand(f"Salesforce answered {answer.status}"))

    def revoke_later(self, connection: Connection) -> None:
        """End the grant that a newer sign-in replaced; nobody waits for it."""
        self._revoking.spawn(self.revoke(connection))

    async def _desk(self, connection_id: str) -> Desk:
        desk = await self._desks.get(connection_id)
        if desk is None:
            raise not_found("connection", connection_id)
        return desk


def name_taken(name: str) -> Problem:
    """The refusal of a name that another connection has."""
    step = Next("Choose another name, or reconnect that one", f"meshmesh reconnect {name}")
    return Problem(409, "name_taken", f"There is a connection {name!r} already.", next_step=step)


def _is_page(answer: HttpAnswer) -> bool:
    return "html" in answer.content_type


def _by_hand(why: str) -> str:
    return f"{why}, so the grant may live on. End it in Salesforce: Setup > Connected Apps OAuth Usage."
