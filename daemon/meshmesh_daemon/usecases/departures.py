"""How refreshes leave for a login host: few at once, and one after the other.

A machine that resumes has every session to renew. Two hundred handshakes in one instant would be a burst that no login
host likes, and would keep the loop from answering anybody else meanwhile.

A hundred orgs share login.salesforce.com, so a place must never be held by who hangs: it counts for a second only, and
a place that comes free goes to the org that has least under way. So behind any number of refreshes of an org that hangs,
the first one of another waits for a second at most.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from meshmesh_daemon.core.clock import Clock

AT_ONCE = 8  # at one host
HELD_SECONDS = 1.0  # longer than a healthy token endpoint takes
APART_SECONDS = 0.0025  # about what one costs us: those that leave together come back together, and wait for each other


@dataclass(slots=True, eq=False)
class _Departure:
    org_id: str
    urgent: bool
    turn: asyncio.Future[None]
    has_place: bool = False


@dataclass(slots=True)
class _Host:
    free: int = AT_ONCE
    not_before: float = 0.0  # monotonic
    timer: asyncio.Task[None] | None = None
    under_way: Counter[str] = field(default_factory=Counter[str])  # by org, those that hold no place any more too
    waiting: list[_Departure] = field(default_factory=list[_Departure])


class Departures:
    """The places at every host.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def place(self, origin: str, org_id: str, *, urgent: bool = True) -> AsyncGenerator[None, None]:
        """Wait for a place at a login host, and have it during the block, or for as long as it counts.

        Args:
            origin: the host's.
            org_id: whose call it is.
            urgent: whether somebody waits for it; what is not urgent goes when nothing urgent waits.
        """
        host = self._hosts.setdefault(origin, _Host())
        mine = _Departure(org_id, urgent, asyncio.get_running_loop().create_future())
        host.waiting.append(mine)
        self._let_go(host)
        held: asyncio.Task[None] | None = None
        try:
            await mine.turn
            held = asyncio.create_task(self._give_back_soon(host, mine))
            yield
        finally:
            if held is not None:
                held.cancel()
            if mine in host.waiting:
                host.waiting.remove(mine)
            else:
                host.under_way -= Counter((org_id,))
            self._give_back(host, mine)

    async def _give_back_soon(self, host: _Host, mine: _Departure) -> None:
        await self._clock.sleep(HELD_SECONDS)
        self._give_back(host, mine)

    def _give_back(self, host: _Host, mine: _Departure) -> None:
        if mine.has_place:
            mine.has_place = False
            host.free += 1
            self._let_go(host)

    def _let_go(self, host: _Host) -> None:
        """Let the next one go, if one may: who waits longest, of those whose org has least under way."""
        if not host.waiting or not host.free or host.timer is not None:
            return
        now = self._clock.monotonic()
        if host.under_way and now < host.not_before:
            host.timer = asyncio.create_task(self._let_go_later(host, host.not_before - now))
            return
        following = min(host.waiting, key=lambda one: (not one.urgent, host.under_way[one.org_id]))
        host.waiting.remove(following)
        host.free -= 1
        host.under_way[following.org_id] += 1
        following.has_place = True
        host.not_before = now + APART_SECONDS
        following.turn.set_result(None)
        self._let_go(host)

    async def _let_go_later(self, host: _Host, seconds: float) -> None:
        await self._clock.sleep(seconds)
        host.timer = None
        self._let_go(host)
