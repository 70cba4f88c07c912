"""The second half of the composition root: the rooms, and what outlives their closing, once the doors are bound.

A vault that cannot be opened is no reason to vanish: the doors stay open, the status says what is wrong, and nothing on
disk is touched.
"""

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from meshmesh import wire
from meshmesh.paths import Paths
from meshmesh_bridge.house import House
from meshmesh_bridge.keeping import Keeper
from meshmesh_daemon.adapters.key_sources import KeySources
from meshmesh_daemon.adapters.notifications import notifications


@asynccontextmanager
async def furnished(house: House, paths: Paths) -> AsyncGenerator[None, None]:
    """The house with its rooms; without them, and with the reason said, while the vault is locked or cannot be opened.

    Args:
        house: gets its rooms.
        paths: where everything is kept.

    Raises:
        UnsafePath: a file that others may read; the service does not start.
    """
    async with AsyncExitStack() as stack:
        if house.settings.notifications_enabled:
            house.screen = await stack.enter_async_context(notifications(sys.platform, os.environ, house.clock))
        keeper = Keeper(house, paths, key_sources(house.settings.vault.key, paths), stack)
        house.keeping = keeper
        stack.push_async_callback(keeper.close)
        await keeper.start()
        yield


def key_sources(wanted: str, paths: Paths) -> KeySources:
    """Where the master key of this installation can be.

    Args:
        wanted: the setting.
        paths: where everything is kept.
    """
    return KeySources(
        wanted=wanted,
        config=paths.config,
        credentials=os.environ.get("CREDENTIALS_DIRECTORY"),
        apart=bool(os.environ.get(wire.ENV_HOME)),
    )
