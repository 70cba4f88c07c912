"""The activity: who did what, when, how it went; written in groups, on disk before a token leaves.

Two ways to tell. `record` waits until the row is committed, and refuses where it cannot be: whoever hands something out
calls it first, so that nothing leaves without its row (a row may tell of something that then failed, never the other way
round). `note` does not wait and never refuses: it is for what has happened anyway. Rows that a full disk did not take
are kept in memory and tried again with the next ones.

A row that comes alone is written at once, without a wait for SQLite, and is in the database soon. Rows of one turn of the
loop, and those that come while a commit is under way, go there in one statement.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

from meshmesh_daemon.core import activity
from meshmesh_daemon.core.activity import Deed, Outcome
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_storage.activity import MOST_AT_ONCE, ActivityLog
from meshmesh_storage.activity_proof import Verdict
from meshmesh_storage.activity_rows import Actor, Entry, Row
from meshmesh_storage.ailing import Ailing
from meshmesh_storage.errors import VaultError
from meshmesh_storage.records import Connection

log = logging.getLogger("meshmesh.activity")

KEPT = timedelta(days=365)
MOST_ROWS = 1_000_000
PRUNE_EVERY = timedelta(days=1)
SETTLE_SECONDS = 0.1  # a row that was written alone is in the database after so long
MOST_NOTES = 1000  # that wait for the disk; older ones are lost first, and the log says so


Done = Callable[[BaseException | None], None]


@dataclass(frozen=True, slots=True, eq=False)
class _Told:
    """One row on its way; `done` tells who waits for it, None for a note."""

    entry: Entry
    done: Done | None

    def end(self, error: BaseException | None = None) -> None:
        if self.done is not None:
            self.done(error)


class Activity(Ailing):
    """Tells the activity, and shows it. `trouble` is why the last rows could not be written, None while all is well.

    Args:
        rows: the file.
        clock: the time.
    """

    def __init__(self, *, rows: ActivityLog, clock: Clock) -> None:
        super().__init__()
        self._rows = rows
        self._clock = clock
        self._told: deque[_Told] = deque()
        self._writing: asyncio.Task[None] | None = None
        self._settling: asyncio.Task[None] | None = None
        self._is_alone = True  # nothing else was told in this turn of the loop
        self._grown = asyncio.Event()
        self._prune_at = clock.now()

    async def record(
        self,
        actor: Actor,
        action: Deed,
        *,
        connection: str | None = None,
        outcome: Outcome = Outcome.DONE,
        detail: str,
    ) -> None:
        """Tell of something; on disk when this returns.

        Args:
            actor: who.
            action: what.
            connection: the name of the connection that it concerns.
            outcome: how it went.
            detail: one sentence without a secret.

        Raises:
            Problem: 503 `vault_trouble`; what was to be told must not happen.
        """
        written = asyncio.get_running_loop().create_future()
        done = partial(_settle, written)
        self.record_soon(actor, action, connection=connection, outcome=outcome, detail=detail, done=done)
        await written

    def record_soon(
        self,
        actor: Actor,
        action: Deed,
        *,
        connection: str | None = None,
        outcome: Outcome = Outcome.DONE,
        detail: str,
        done: Done,
    ) -> None:
        """As `record`, without waiting: `done` is called once, with None or with the error that `record` would raise."""
        self._tell(_Told(self._entry(actor, action, connection, outcome, detail), done))

    def note(
        self,
        actor: Actor,
        action: Deed,
        *,
        connection: str | None = None,
        outcome: Outcome = Outcome.DONE,
        detail: str,
    ) -> None:
        """Tell of something that has happened; on disk soon. The arguments are those of `record`."""
        self._tell(_Told(self._entry(actor, action, connection, outcome, detail), None))

    def listen(self, desks: Desks) -> None:
        """From now on tell what happens to connections."""
        desks.listen(self._changed)

    def _changed(self, before: Connection | None, after: Connection | None) -> None:
        for change in activity.changes(before, after):
            self.note(change.actor, change.action, connection=change.connection, detail=change.detail)

    def _entry(self, actor: Actor, action: Deed, connection: str | None, outcome: Outcome, detail: str) -> Entry:
        return Entry(
            at=self._clock.now(),
            actor=actor,
            action=action.value,
            connection=connection,
            outcome=outcome.value,
            detail=activity.sentence(detail),
        )

    def _tell(self, told: _Told) -> None:
        if self._put(told.entry):
            told.end()
            return
        self._told.append(told)
        self._begin_to_write()

    def _put(self, entry: Entry) -> bool:
        """Write a row that comes alone; many are cheaper in one statement, and after trouble the database is asked."""
        if not self._is_alone or self._told or self._writing is not None or self.trouble is not None:
            return False
        if not self._rows.put(entry):
            return False
        self._is_alone = False
        asyncio.get_running_loop().call_soon(self._end_turn)
        if self._settling is None:
            self._settling = asyncio.create_task(self._settle_soon())
        self._grown.set()
        return True

    def _end_turn(self) -> None:
        self._is_alone = True

    async def _settle_soon(self) -> None:
        await self._clock.sleep(SETTLE_SECONDS)
        self._settling = None
        self._begin_to_write()

    @property
    def _is_owing(self) -> bool:
        return bool(self._told or self._rows.waiting)

    def _begin_to_write(self) -> None:
        if self._is_owing and self._writing is None:
            self._writing = asyncio.create_task(self._write())

    async def _write(self) -> None:
        try:
            while self._is_owing and await self._write_group():
                await self._prune()
        finally:
            self._writing = None

    async def _write_group(self) -> bool:
        group = [self._told.popleft() for _ in range(min(len(self._told), MOST_AT_ONCE))]
        try:
            await self._rows.append([told.entry for told in group])
        except VaultError as error:
            self._refuse(group, error)
            return False
        except BaseException as error:
            for told in group:
                told.end(error)
            raise
        self.trouble = None
        for told in group:
            told.end()
        self._grown.set()
        return True

    def _refuse(self, group: list[_Told], error: VaultError) -> None:
        """Nobody waits for a row that is not written; notes are kept for the next try."""
        waiting = [*group, *self._told]
        notes = [told for told in waiting if told.done is None]
        self.trouble = error
        log.error("%s Next: %s", error, error.next_step)
        if len(notes) > MOST_NOTES:
            log.error("%d rows of the activity are lost", len(notes) - MOST_NOTES)
        self._told = deque(notes[-MOST_NOTES:])
        for told in waiting:
            told.end(_unwritable(error))

    async def _prune(self) -> None:
        now = self._clock.now()
        if now < self._prune_at:
            return
        try:
            more = await self._rows.prune(now - KEPT, MOST_ROWS)
        except VaultError as error:
            log.warning("the activity could not be pruned: %s", error)
            more = False
        self._prune_at = now if more else now + PRUNE_EVERY

    async def page(self, *, after: int, limit: int, wait: float = 0) -> list[Row]:
        """Rows in their order, what was told before among them.

        Args:
            after: the number before the first one.
            limit: how many at most.
            wait: seconds to wait for a row where there is none yet.

        Raises:
            Problem: 503 where the file cannot be read.
        """
        await self._flushed()
        if wait and after >= self._rows.last:
            await self._wait_for_news(wait)
        try:
            return await self._rows.page(after, limit)
        except VaultError as error:
            raise _unwritable(error) from None

    async def _wait_for_news(self, seconds: float) -> None:
        self._grown.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._grown.wait()
        except TimeoutError:
            return

    async def newest(self) -> int:
        """The number of the newest row, what was told before among them; 0 where there is none."""
        await self._flushed()
        return self._rows.last

    async def verify(self) -> Verdict:
        """Prove that nothing was changed, put in or taken out, or name the first row that was.

        Raises:
            Problem: 503 where the file cannot be read.
        """
        await self._flushed()
        try:
            return await self._rows.verify()
        except VaultError as error:
            raise _unwritable(error) from None

    async def try_again(self) -> None:
        """Write what the disk did not take before; where nothing waits, trouble is over until the next row."""
        await self._flushed()
        if not self._is_owing:
            self.trouble = None

    async def _flushed(self) -> None:
        self._begin_to_write()
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def close(self) -> None:
        """Write what was told, then close the file; whoever waits for news is sent away."""
        if self._settling is not None:
            self._settling.cancel()
        await self._flushed()
        await self._rows.close()
        self._grown.set()


def _settle(written: asyncio.Future[None], error: BaseException | None) -> None:
    if written.done():  # who waited is gone
        return
    if error is None:
        written.set_result(None)
    else:
        written.set_exception(error)


def _unwritable(error: VaultError) -> Problem:
    return Problem(
        503,
        "vault_trouble",
        f"{error} Without its record nothing is handed out.",
        next_step=Next(error.next_step),
        retry_after=5,
    )
