"""Live sessions: one refresh at a time per connection, and everybody waits for its result.

Connections never wait on each other, and a cached token is given without any wait. A refresh goes on when its callers
go away: a request that was sent may have rotated the token.
"""

import asyncio
import hmac
import logging
import math
from collections.abc import Coroutine
from datetime import timedelta
from functools import partial

from meshmesh_daemon.adapters.salesforce import Lost
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, transport_failure
from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY, Records, failed, host_refused, recovered
from meshmesh_daemon.core.problems import Next, Problem, vault_locked
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.renewal import Outcome, Renewal
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_storage import connections, rotations
from meshmesh_storage.errors import StaleGeneration, VaultError
from meshmesh_storage.records import Connection, Status
from meshmesh_storage.vault import Vault

log = logging.getLogger("meshmesh.sessions")

RETRY_SECONDS = 5.0  # after trouble, callers make us ask Salesforce again at most this often
SETTLE_SECONDS = 2.0  # a lost rotation is looked at again after this, well inside the promised ten seconds
SPENT_SECONDS = 5.0  # a token that ends sooner is not handed out any more
FRESH_SECONDS = 60.0  # a session this young is not renewed only because `min_ttl` asks for more than the org gives
DRAIN_SECONDS = 10.0


class Sessions:
    """Gives sessions that can be used.

    Args:
        desks: the connections.
        vault: where they are kept.
        renewal: does one refresh.
        waiting: is told which programs met a connection that needs somebody.
        clock: the time.
    """

    def __init__(self, *, desks: Desks, vault: Vault, renewal: Renewal, waiting: Waiting, clock: Clock) -> None:
        self._desks = desks
        self._vault = vault
        self._renewal = renewal
        self._waiting = waiting
        self._clock = clock
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False
        self._silent_apps: set[str] = set()  # that may not introspect: asked once, not after every refresh

    async def settle(self) -> None:
        """Look after the refreshes that a crash cut off: one attempt each, soon."""
        async with self._vault.transaction() as tx:
            cut_off = await rotations.load_all(tx)
        for intent in cut_off:
            desk = await self._desks.get(intent.connection_id)
            if desk is not None:
                desk.rotation_open = True
                self._spawn(self._settle(desk, SETTLE_SECONDS))

    def send_away(self) -> None:
        """Give no session from now on; who waits for one is told that the vault is locked."""
        self._closed = True
        self._desks.wake()

    async def close(self) -> None:
        """Let refreshes that were sent come to their end (ten seconds), then stop."""
        flights = [desk.flight for desk in self._desks.opened if desk.flight]
        if flights:
            await asyncio.wait(flights, timeout=DRAIN_SECONDS)
        pending = [*self._tasks, *(flight for flight in flights if not flight.done())]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def live(self, desk: Desk, *, min_ttl: int = 0, rejected: str | None = None) -> Connection:
        """The connection, with a session that can be used.

        Args:
            desk: the connection's.
            min_ttl: seconds that the session must still live, where its end is known.
            rejected: an access token that got a 401; it counts only if it is the present one.

        Raises:
            Problem: 409 `reconnect_required` with the reason, 503 `offline` with Retry-After, 423 `vault_locked`.
        """
        if self._closed:
            raise vault_locked()
        session = desk.stored.session
        if rejected is not None and session and _same(rejected, session.access_token):
            desk.dead_generation = desk.stored.generation
        refuse_unwell(desk)
        if not self._usable(desk, min_ttl):
            await self._renewed(desk)
        return desk.stored

    def live_now(self, desk: Desk, *, min_ttl: int = 0) -> Connection | None:
        """The connection, where its session can be used without anybody being waited for; see `live`."""
        well = not self._closed and desk.stored.status not in NEEDS_SOMEBODY
        return desk.stored if well and self._usable(desk, min_ttl) else None

    async def live_within(
        self, desk: Desk, seconds: float, *, who: str, min_ttl: int = 0, rejected: str | None = None
    ) -> Connection:
        """As `live`, but a caller that can wait goes on as soon as the connection is mended.

        Args:
            desk: the connection's.
            seconds: how long the caller waits (`Prefer: wait`).
            who: the caller's name, for the notification.
            min_ttl: as in `live`.
            rejected: as in `live`.

        Raises:
            Problem: as `live`, when the time is over.
        """
        ready = self.live_now(desk, min_ttl=min_ttl) if rejected is None else None
        if ready is not None:
            return ready
        deadline = self._clock.monotonic() + seconds
        while True:
            try:
                return await self.live(desk, min_ttl=min_ttl, rejected=rejected)
            except Problem as problem:
                if desk.stored.status in NEEDS_SOMEBODY:
                    self._waiting.note(desk.stored.id, who)
                left = deadline - self._clock.monotonic()
                if left <= 0 or self._closed or not self._desks.has(desk):
                    raise
                with self._desks.change_of(desk.stored.id) as changed:  # what `live` itself changed is no news
                    await self._pause(changed, min(left, problem.retry_after or left))

    async def _pause(self, changed: asyncio.Event, seconds: float) -> None:
        ends = (asyncio.ensure_future(changed.wait()), asyncio.ensure_future(self._clock.sleep(seconds)))
        try:
            await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for end in ends:
                end.cancel()

    async def renew(self, desk: Desk) -> None:
        """Renew a session ahead of its end; trouble is noted on the desk and no reason to complain."""
        try:
            await self._renewed(desk)
        except Problem:
            return

    def _usable(self, desk: Desk, min_ttl: int) -> bool:
        stored = desk.stored
        session = stored.session
        if session is None or desk.dead_generation == stored.generation:
            return False
        if session.expires_at is None:
            return True
        now = self._clock.now()
        young = now - session.issued_at < timedelta(seconds=FRESH_SECONDS)
        needed = SPENT_SECONDS if young else max(min_ttl, SPENT_SECONDS)
        return session.expires_at - now > timedelta(seconds=needed)

    async def _renewed(self, desk: Desk) -> None:
        generation = desk.stored.generation
        if desk.flight is None:
            wait = desk.not_before - self._clock.monotonic()
            if wait > 0:
                raise _offline(desk, wait)
            self._depart(desk)
        if desk.flight is not None:
            await asyncio.shield(desk.flight)
        refuse_unwell(desk)
        if desk.stored.generation == generation:
            raise _offline(desk, max(desk.not_before - self._clock.monotonic(), 1.0))

    def _depart(self, desk: Desk, *, settling: bool = False) -> None:
        before = desk.view
        desk.flight = asyncio.create_task(self._fly(desk, settling=settling))
        self._desks.tell(before, desk.view)

    async def _fly(self, desk: Desk, *, settling: bool) -> None:
        try:
            outcome = await self._refresh(desk)
        except StaleGeneration:
            log.info("a late answer for an old generation was dropped")
            outcome = None
        except VaultError as error:
            log.error("%s %s", error, error.next_step)  # noqa: TRY400 - its sentence is the whole of it
            outcome = None
            desk.not_before = self._clock.monotonic() + RETRY_SECONDS
        finally:
            before, desk.flight = desk.view, None
        if outcome is None or not self._desks.has(desk):
            self._desks.tell(before, desk.view)
            return
        self._land(desk, outcome)
        if outcome.lost and not settling:
            pause = (outcome.trouble.retry_after if outcome.trouble else None) or 0.0
            self._spawn(self._settle(desk, max(pause, SETTLE_SECONDS)))

    async def _refresh(self, desk: Desk) -> Outcome:
        if desk.unsaved is not None:
            return await self._renewal.save(desk.unsaved)
        app = self._desks.apps[desk.stored.app_id]
        newer = partial(self._newer_sign_ins, desk)
        return await self._renewal.run(desk.stored, app, rotation_open=desk.rotation_open, newer_sign_ins=newer)

    async def _newer_sign_ins(self, desk: Desk) -> int:
        return sum(one.signed_in_at > desk.stored.signed_in_at for one in await self._desks.siblings(desk.stored))

    def _land(self, desk: Desk, outcome: Outcome) -> None:
        renewed = outcome.connection.generation != desk.stored.generation
        self._desks.place(outcome.connection)
        before = desk.view
        desk.rotation_open = outcome.rotation_open
        desk.unsaved = outcome.unsaved
        desk.trouble = outcome.trouble
        if outcome.unsaved or outcome.trouble:
            wait = outcome.trouble.retry_after if outcome.trouble else None
            desk.not_before = self._clock.monotonic() + (RETRY_SECONDS if wait is None else wait)
            self._desks.tell(before, desk.view)
        elif renewed:
            self._spawn(self._learn_expiry(desk, outcome.connection))

    async def _settle(self, desk: Desk, delay: float) -> None:
        """One delayed attempt for a refresh whose answer was lost: it mends the connection, or tells what happened.

        If that one meets trouble again, callers and the watcher go on at their own pace.
        """
        await self._clock.sleep(delay)
        gone = not self._desks.has(desk)
        if gone or not desk.rotation_open or desk.flight or desk.stored.status in NEEDS_SOMEBODY:
            return
        self._depart(desk, settling=True)

    async def _learn_expiry(self, desk: Desk, connection: Connection) -> None:
        app = self._desks.apps[connection.app_id]
        if app.id in self._silent_apps:
            return
        try:
            learned = await self._renewal.learn_expiry(connection, app)
        except (Lost, VaultError):
            return  # the session itself is stored; its end will show as a 401
        if learned is None:
            self._silent_apps.add(app.id)
        elif self._desks.has(desk) and desk.stored.generation == connection.generation:
            self._desks.place(learned)

    def note_tokens(self, desk: Desk) -> None:
        """A sign-in brought tokens: learn when they end, off the hot path."""
        self._spawn(self._learn_expiry(desk, desk.stored))

    def note_rejected(self, desk: Desk, seen: Connection) -> None:
        """Salesforce answered that the session is over: the next caller gets another."""
        if desk.stored.generation == seen.generation:
            desk.dead_generation = seen.generation

    async def note_failure(self, desk: Desk, seen: Connection, failure: Failure) -> None:
        """Salesforce refused a REST call for a reason that concerns the connection.

        Args:
            desk: the connection's.
            seen: the connection whose session was used; evidence about an older generation is dropped.
            failure: what the answer means.
        """
        if desk.stored.generation != seen.generation:
            return
        if failure.action is Action.RETRY:
            before, desk.trouble = desk.view, failure
            self._desks.tell(before, desk.view)
            return
        changed = failed(desk.stored, failure, Records(), now=self._clock.now())
        await self._store(desk, changed)

    async def note_refused_host(self, desk: Desk, seen: Connection) -> None:
        """Our own settings no longer let the connection's host have its token."""
        if desk.stored.generation == seen.generation:
            await self._store(desk, host_refused(desk.stored))

    async def note_success(self, desk: Desk, seen: Connection) -> None:
        """A REST call worked: whatever stood against the connection is over."""
        if desk.stored.generation != seen.generation:
            return
        if desk.trouble is not None:
            before, desk.trouble = desk.view, None
            self._desks.tell(before, desk.view)
        if desk.stored.status is Status.BLOCKED:
            await self._store(desk, recovered(desk.stored))

    def note_lost(self, desk: Desk, seen: Connection, kind: str) -> None:
        """A REST call got no answer."""
        if desk.stored.generation == seen.generation:
            before, desk.trouble = desk.view, transport_failure(kind)
            self._desks.tell(before, desk.view)

    async def refresh_now(self, desk: Desk) -> None:
        """Join the refresh under way, or begin one, whatever stands against the connection."""
        if desk.flight is None:
            self._depart(desk)
        if desk.flight is not None:
            await asyncio.shield(desk.flight)

    async def _store(self, desk: Desk, changed: Connection) -> None:
        try:
            async with self._vault.transaction() as tx:
                await connections.update(tx, changed, expected_generation=desk.stored.generation)
        except StaleGeneration:
            return
        self._desks.place(changed)

    def _spawn(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "replace"), other.encode())


def refuse_unwell(desk: Desk) -> None:
    """Refuse what needs a session while only a person can mend the connection.

    Args:
        desk: the connection's.

    Raises:
        Problem: 409 `reconnect_required` with the reason.
    """
    connection = desk.stored
    if connection.status in NEEDS_SOMEBODY:
        verb = "reconnect" if connection.status is Status.NEEDS_YOU else "test"
        raise Problem(
            409,
            "reconnect_required",
            connection.detail or f"The connection {connection.name!r} needs you.",
            next_step=Next(
                "Reconnect" if verb == "reconnect" else "Look at what blocks it", f"meshmesh {verb} {connection.name}"
            ),
            members={"reason": connection.reason.value if connection.reason else None, "connection": connection.name},
        )


def _offline(desk: Desk, wait: float) -> Problem:
    view = desk.view
    return Problem(
        503,
        "offline",
        view.detail or "Salesforce could not be asked for a new session. MeshMesh tries again by itself.",
        retry_after=math.ceil(wait),
        members={"reason": view.reason.value if view.reason else None, "connection": view.name},
    )
