"""Clients and their grants: who a pairing token belongs to, and what it may do with a connection.

Their tokens are `pairing_tokens.py`'s affair. A client's grants are what the vault holds.
"""

import secrets
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import timedelta

from meshmesh_daemon.adapters.processes import Mark, Processes
from meshmesh_daemon.core import pairing
from meshmesh_daemon.core.activity import OWNER, SERVICE, Deed, grants_sentence
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.grants import current, with_fallback
from meshmesh_daemon.core.problems import Problem, bad_field
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.clients import Clients, Listener
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.pairing_tokens import LIFE, PairingTokens, hash_of
from meshmesh_daemon.usecases.presence import Consent, Presence
from meshmesh_storage import clients
from meshmesh_storage.records import Client, Grant, Kind, Mode
from meshmesh_storage.vault import Vault

EXEC = "exec"  # the kind of a client whose process's descendants are that client on the owner's door too
TERMINAL = "terminal"
DEFAULT_GRANT_DAYS = 30
_WIDTH = {Mode.READ: 0, Mode.PLAN: 1, Mode.BUILD: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedGrant:
    """A grant as the owner words it; `expires_in` is seconds, None for as long as the client lives."""

    connection: str
    mode: Mode
    raw_token: bool = False
    expires_in: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """A program that becomes a client. `pid` ends it with that process, whose command line `command_sha256` is of."""

    name: str
    kind: str
    origin: str | None = None
    pid: int | None = None
    command_sha256: str | None = None


class Access:
    """The clients.

    Args:
        desks: the connections, to name them.
        vault: where clients are kept.
        processes: watches those that a client ends with.
        presence: asks for a person before a client may do more than before, by whichever door that is.
        activity: is told of each client and grant.
        clock: the time.
    """

    def __init__(
        self,
        *,
        desks: Desks,
        vault: Vault,
        processes: Processes,
        presence: Presence,
        activity: Activity,
        clock: Clock,
    ) -> None:
        self._desks = desks
        self._vault = vault
        self._processes = processes
        self._presence = presence
        self._activity = activity
        self._clock = clock
        self._clients = Clients()
        self.tokens = PairingTokens(clients=self._clients, vault=vault, activity=activity, clock=clock)

    def listen(self, listener: Listener) -> None:
        """Be told of each change of a client, as (before, after); None is a client that was revoked."""
        self._clients.listen(listener)

    async def load(self) -> None:
        """Read what the vault holds; clients whose process has ended meanwhile are forgotten."""
        async with self._vault.transaction() as tx:
            found = await clients.load_all(tx)
        for client in found:
            self._clients.keep(client)
        for client in self.all():
            if client.process:
                self._watch(client.id, Mark.read(client.process))

    async def close(self) -> None:
        """Wait for what is being written."""
        await self.tokens.close()

    def all(self) -> list[Client]:
        """Every client."""
        return self._clients.all()

    def get(self, client_id: str) -> Client:
        """One client.

        Raises:
            Problem: 404.
        """
        return self._clients.get(client_id)

    def authenticate(self, token: str) -> Client | None:
        """The client of a pairing token, if it is known and has not expired."""
        return self.tokens.authenticate(token)

    def again(self, seen: Client) -> Client | None:
        """The client as it is now, if the token that it was known by before would still be taken."""
        return self.tokens.again(seen)

    def client_of_process(self, pid: int) -> Client | None:
        """The client that `exec` minted for a process; whatever that process starts is this client too."""
        for client in self._clients.all():
            if client.kind == EXEC and client.process and Mark.read(client.process).pid == pid:
                return client
        return None

    def grant_for(self, client: Client, connection_id: str) -> Grant | None:
        """What a client may do with a connection now."""
        for grant in client.grants:
            if grant.connection_id == connection_id:
                live = current(grant, self._clock.now()) if grant.expires_at else grant
                if live is not None:
                    return live
        return None

    def live_grants(self, client: Client) -> list[Grant]:
        """What a client may do now."""
        now = self._clock.now()
        return [live for grant in client.grants if (live := current(grant, now)) is not None]

    def terminal(self) -> Client | None:
        """The built-in client that the owner's own `token`, `exec` and `env` act as, where it has been used."""
        return self._clients.find(TERMINAL)

    async def make_terminal(self) -> Client:
        """The built-in client; its token is nobody's, since it acts over the owner's door only."""
        known = self.terminal()
        if known is not None:
            return known
        client = Client(
            id=TERMINAL,
            name=TERMINAL,
            kind=TERMINAL,
            token_hash=secrets.token_bytes(32),
            created_at=self._clock.now(),
            expires_at=None,
        )
        await self._put(client)
        return client

    async def narrowed(self, wanted: WantedGrant) -> WantedGrant:
        """What is given by default: no raw token, a production org at most `plan`, thirty days."""
        desk = await self._desks.named(wanted.connection)
        careful = desk is not None and desk.stored.kind is Kind.PRODUCTION
        mode = Mode.PLAN if careful and _WIDTH[wanted.mode] > _WIDTH[Mode.PLAN] else wanted.mode
        days = DEFAULT_GRANT_DAYS * 24 * 3600
        return WantedGrant(connection=wanted.connection, mode=mode, expires_in=days)

    async def admit(self, new: NewClient, wanted: Sequence[WantedGrant], consent: Consent) -> tuple[Client, str]:
        """Make a client; on disk when this returns.

        Args:
            new: what it is.
            wanted: what it may do.
            consent: what the request brought to prove that a person is there.

        Returns:
            The client and its pairing token, which is not kept.

        Raises:
            Problem: 422 naming the grant, or the process; 403 `presence_required`.
        """
        mark = self._processes.mark(new.pid) if new.pid is not None else None
        if new.pid is not None and mark is None:
            raise bad_field("pid", "is not a running process of this user.")
        token = pairing.make_token(secrets.token_bytes(pairing.TOKEN_BYTES))
        client = Client(
            id=secrets.token_hex(8),
            name=new.name,
            kind=new.kind,
            token_hash=hash_of(token),
            origin=new.origin,
            created_at=self._clock.now(),
            expires_at=None if mark else self._clock.now() + LIFE,
            grants=self._grants(wanted, origin=new.origin),
            process=str(mark) if mark else None,
            command_sha256=new.command_sha256,
        )
        await self._presence.for_grants(client.name, (), client.grants, consent)
        await self._record(Deed.CLIENT_MINTED if mark else Deed.PAIRING_APPROVED, client)
        await self._put(client)
        if mark:
            self._watch(client.id, mark)
        return client, token

    async def regrant(self, client_id: str, wanted: Sequence[WantedGrant], consent: Consent) -> Client:
        """Replace what a client may do, at once.

        Args:
            client_id: whose.
            wanted: all that it may do; what is left out ends.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 404, 422 naming the grant, 403 `presence_required`.
        """
        client = self.get(client_id)
        changed = replace(client, grants=self._regrants(client, wanted))
        await self._presence.for_grants(client.name, self.live_grants(client), changed.grants, consent)
        await self._record(Deed.CLIENT_GRANTED, changed)
        return await self._change(client_id, lambda client: self._regrants(client, wanted))

    def _regrants(self, client: Client, wanted: Sequence[WantedGrant]) -> tuple[Grant, ...]:
        """What a client's grants would be after `regrant`; what is wider for a while gives way to what there was."""
        had = self.live_grants(client)
        return tuple(with_fallback(grant, had) for grant in self._grants(wanted, origin=client.origin))

    async def widen(self, client_id: str, wanted: WantedGrant) -> None:
        """Give a client more on one connection for a while, after a person was asked; then it has what it had before.

        Args:
            client_id: whose.
            wanted: the grant, with its end.

        Raises:
            Problem: 404, 422 naming the member of the wish.
        """

        def widened(client: Client) -> tuple[Grant, ...]:
            *kept, new = self.extended(client, wanted)
            return (*kept, with_fallback(new, self.live_grants(client)))

        client = self.get(client_id)
        await self._record(Deed.CLIENT_GRANTED, replace(client, grants=widened(client)))
        await self._change(client_id, widened)

    async def extend(self, client_id: str, wanted: WantedGrant, consent: Consent) -> Grant:
        """Give a client one grant more, in place of what it had on that connection; its other grants stay.

        Args:
            client_id: whose.
            wanted: the grant.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 404, 422 naming the member of the wish, 403 `presence_required`.
        """
        client = self.get(client_id)
        extended = self.extended(client, wanted)
        await self._presence.for_grants(client.name, self.live_grants(client), extended, consent)
        await self._record(Deed.CLIENT_GRANTED, replace(client, grants=extended))
        client = await self._change(client_id, lambda client: self.extended(client, wanted))
        return client.grants[-1]

    def extended(self, client: Client, wanted: WantedGrant) -> tuple[Grant, ...]:
        """What a client's grants would be after `extend`; the new one is the last.

        Raises:
            Problem: 422 naming the member of the wish.
        """
        new = self._grant("", wanted, origin=client.origin)
        return (*(grant for grant in client.grants if grant.connection_id != new.connection_id), new)

    async def _change(self, client_id: str, grants: Callable[[Client], tuple[Grant, ...]]) -> Client:
        """Rewrite a client's grants: one change after the other, and none brings back a client that was revoked."""
        async with self._vault.transaction() as tx:
            before = self.get(client_id)
            after = replace(before, grants=grants(before))
            await clients.put(tx, after)
        now = self._clients.find(client_id)
        if now is not None:  # else revoked while the disk was written; that deletes the row next
            after = replace(after, token_hash=now.token_hash, next_hash=now.next_hash)  # first used meanwhile, maybe
            self._clients.keep(after)
            self._clients.tell(before, after)
        return after

    async def revoke(self, client_id: str) -> None:
        """End a client; its token is worth nothing from now on, whatever the disk says.

        Raises:
            Problem: 404.
        """
        client = self.get(client_id)
        self._activity.note(OWNER, Deed.CLIENT_REVOKED, detail=f"{client.name} is out.")
        await self._forget(client)

    async def _forget(self, client: Client) -> None:
        self._clients.drop(client)
        self._clients.tell(client, None)
        async with self._vault.transaction() as tx:
            await clients.delete(tx, client.id)

    async def end_timed(self, client_id: str) -> None:
        """End what a client may do for a time only; what it may do for good stays."""
        if self._clients.find(client_id) is not None:
            await self._change(client_id, lambda client: tuple(one for one in client.grants if one.expires_at is None))

    async def forget_connection(self, connection_id: str) -> None:
        """A connection is gone: so is every grant on it."""

        def kept(client: Client) -> tuple[Grant, ...]:
            return tuple(grant for grant in client.grants if grant.connection_id != connection_id)

        for client in self.all():
            if kept(client) != client.grants:
                with suppress(Problem):  # it was revoked meanwhile
                    await self._change(client.id, kept)

    def _grants(self, wanted: Iterable[WantedGrant], *, origin: str | None) -> tuple[Grant, ...]:
        made: list[Grant] = []
        for index, wish in enumerate(wanted):
            new = self._grant(f"grants[{index}].", wish, origin=origin)
            if any(grant.connection_id == new.connection_id for grant in made):
                raise bad_field(f"grants[{index}].connection", f"{wish.connection!r} stands twice.")
            made.append(new)
        return tuple(made)

    def _grant(self, path: str, wish: WantedGrant, *, origin: str | None) -> Grant:
        connection_id = self._desks.id_of(wish.connection)
        if connection_id is None:
            raise bad_field(f"{path}connection", f"there is no connection {wish.connection!r}.")
        check_raw_token(path, wish.mode, raw_token=wish.raw_token, origin=origin)
        ends = self._clock.now() + timedelta(seconds=wish.expires_in) if wish.expires_in else None
        return Grant(connection_id=connection_id, mode=wish.mode, raw_token=wish.raw_token, expires_at=ends)

    async def _record(self, action: Deed, client: Client) -> None:
        """Tell what a client may do from now on, before it may."""
        found = [(await self._desks.get(grant.connection_id), grant) for grant in client.grants]
        named = [(desk.stored.name, grant) for desk, grant in found if desk]
        only = named[0][0] if len(named) == 1 else None
        await self._activity.record(OWNER, action, connection=only, detail=grants_sentence(client.name, named))

    async def _put(self, client: Client) -> None:
        async with self._vault.transaction() as tx:
            await clients.put(tx, client)
        self._clients.keep(client)

    def _watch(self, client_id: str, mark: Mark) -> None:
        async def ended() -> None:
            client = self._clients.find(client_id)
            if client is not None:
                detail = f"{client.name} is out: its process has ended."
                self._activity.note(SERVICE, Deed.CLIENT_ENDED, detail=detail)
                await self._forget(client)

        self._processes.when_ended(mark, ended)


def check_raw_token(path: str, mode: Mode, *, raw_token: bool, origin: str | None) -> None:
    """Who may have the token itself.

    Args:
        path: where the member stands, for the refusal.
        mode: the grant's.
        raw_token: whether the token is wished for.
        origin: of the browser extension that the client is, or None.

    Raises:
        Problem: 422.
    """
    if raw_token and mode is not Mode.BUILD:
        raise bad_field(f"{path}raw_token", "needs the mode 'build': who holds the token can do anything.")
    if raw_token and origin:
        raise bad_field(f"{path}raw_token", "is never given to a browser extension.")
