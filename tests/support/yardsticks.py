"""The yardsticks: bare aiohttp, as a process of its own.

    python tests/support/yardsticks.py answer FILE        every GET is answered with the bytes of FILE
    python tests/support/yardsticks.py idle               the same with nothing to say, for memory and idle time

Prints its port, and serves until it is ended.
"""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import Generator
from pathlib import Path

from aiohttp import web

ME = Path(__file__)


async def serve(body: bytes) -> None:
    """One handler on one door."""

    async def answer(_request: web.Request) -> web.Response:
        return web.Response(body=body, content_type="application/json")

    app = web.Application()
    app.router.add_get("/{tail:.*}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    print(runner.addresses[0][1], flush=True)  # noqa: T201 - the one line that its starter reads
    await asyncio.Event().wait()


@contextlib.contextmanager
def running(*arguments: str) -> Generator[tuple[subprocess.Popen[str], int]]:
    """A yardstick that runs, and its port."""
    process = subprocess.Popen([sys.executable, str(ME), *arguments], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process, int(process.stdout.readline())
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(Path(sys.argv[2]).read_bytes() if sys.argv[1] == "answer" else b"{}"))
