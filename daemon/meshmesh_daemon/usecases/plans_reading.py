"""Reading what a request would change: once when it is held, and once more right before it runs.

It never holds a request up for long, and a read that fails is no reason not to hold it; the person is told that the old
values are not known.
"""

import asyncio
from collections.abc import Sequence
from typing import Protocol

from meshmesh_daemon.core import plan_fields
from meshmesh_daemon.core.classify import Json, Part
from meshmesh_daemon.core.plan_fields import Fields
from meshmesh_daemon.usecases.carrying import NotSent
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_storage.plan_records import HeldRequest, Result, Touch

READ_SECONDS = 5.0  # for all reads of one request
READS_AT_ONCE = 4


class Carrying(Protocol):
    """The way to the org; `carrying.Carrier` is it."""

    async def carry(self, desk: Desk, request: HeldRequest, *, who: str) -> Result:
        """See `Carrier.carry`."""
        ...

    async def read(self, desk: Desk, path: str, *, who: str = "") -> "Json | None":
        """See `Carrier.read`."""
        ...


class Reading:
    """Reads old values.

    Args:
        carrier: the way to the org.
    """

    def __init__(self, carrier: Carrying) -> None:
        self._carrier = carrier
        self._slots = asyncio.Semaphore(READS_AT_ONCE)

    async def touches(self, desk: Desk, parts: Sequence[Part], *, who: str) -> tuple[Touch, ...]:
        """What a request does to which records, with what is there now as far as it could be read.

        Args:
            desk: the connection's.
            parts: of the request.
            who: the client, for the notification where the connection needs somebody.
        """
        touches = plan_fields.touches_of(parts)
        rows: dict[int, Fields] = {}
        lookups = plan_fields.lookups(parts, desk.stored.api_version)
        if lookups:
            reads = [asyncio.ensure_future(self._read(desk, lookup, rows, who)) for lookup in lookups]
            try:
                await asyncio.wait(reads, timeout=READ_SECONDS)
            finally:
                for read in reads:
                    read.cancel()
                await asyncio.gather(*reads, return_exceptions=True)
        return plan_fields.with_rows(touches, parts, rows)

    async def _read(self, desk: Desk, lookup: plan_fields.Lookup, rows: dict[int, Fields], who: str) -> None:
        async with self._slots:
            try:
                answer = await self._carrier.read(desk, lookup.path, who=who)
            except NotSent:
                return
        rows.update(plan_fields.rows_of(lookup, answer))
