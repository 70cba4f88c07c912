"""What every room of an open vault stands on, and is closed with."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass

from meshmesh_bridge.house import House
from meshmesh_daemon.adapters.notifications import Notifications
from meshmesh_daemon.adapters.salesforce import Salesforce
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_storage.vault import Vault


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """The parts that rooms share. What a room has to end goes on the `stack` when it is built."""

    house: House
    stack: AsyncExitStack
    vault: Vault
    activity: Activity
    salesforce: Salesforce
    policy: HostPolicy
    screen: Notifications
    desks: Desks
    waiting: Waiting

    @property
    def clock(self) -> Clock:
        """The house's clock."""
        return self.house.clock

    @property
    def base(self) -> str:
        """Our own address."""
        return f"http://localhost:{self.house.port}"


async def end(task: asyncio.Task[None]) -> None:
    """Stop a task, and wait until it has stopped."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
