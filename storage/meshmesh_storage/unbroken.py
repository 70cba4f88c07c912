"""Work that must not stop half way, whatever becomes of who waits for it.

A database that is opened or closed half way would leave its thread behind, and the interpreter waits for that thread
when it ends.
"""

import asyncio
from collections.abc import Coroutine
from typing import TypeVar

Result = TypeVar("Result")


async def to_the_end(work: Coroutine[None, None, Result] | asyncio.Future[Result]) -> Result:
    """Wait for work until it has ended, however often the caller is cancelled meanwhile.

    Args:
        work: ends by itself, and soon.

    Raises:
        CancelledError: the caller was cancelled; the work has ended all the same, and what it gave is lost.
    """
    task = asyncio.ensure_future(work)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait({task})
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is None:
        return task.result()
    if not task.cancelled():
        task.exception()  # seen; the cancellation is what the caller is told
    raise cancelled
