"""An org that answers its token endpoint after a delay, or never, and counts.

    python tests/support/slow_org.py DELAY_SECONDS       a negative delay: never

Prints its port. `GET /count` gives how many refreshes it has seen.
"""

import asyncio
import contextlib
import secrets
import subprocess
import sys
import time
from collections.abc import Generator
from urllib.request import urlopen

from aiohttp import web

ORG = "00D000000000001EAA"
USER = "005000000000001AAA"


class Org:
    """The state of one org."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.refreshes = 0
        self.origin = ""

    async def token(self, _request: web.Request) -> web.Response:
        """A fresh access token, after the delay."""
        self.refreshes += 1
        await asyncio.sleep(self.delay if self.delay >= 0 else 3600)
        return web.json_response(
            {
                "access_token": f"{ORG[:15]}!{secrets.token_hex(32)}",
                "instance_url": self.origin,
                "id": f"{self.origin}/id/{ORG}/{USER}",
                "token_type": "Bearer",
                "issued_at": str(int(time.time() * 1000)),
                "scope": "api refresh_token",
            }
        )

    async def introspect(self, _request: web.Request) -> web.Response:
        """Two hours, from now."""
        return web.json_response({"active": True, "exp": int(time.time()) + 7200})

    async def count(self, _request: web.Request) -> web.Response:
        """How many refreshes were asked for."""
        return web.Response(text=str(self.refreshes))


async def serve(delay: float) -> None:
    """Serve until ended."""
    org = Org(delay)
    app = web.Application()
    app.router.add_post("/services/oauth2/token", org.token)
    app.router.add_post("/services/oauth2/introspect", org.introspect)
    app.router.add_get("/count", org.count)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    org.origin = f"http://localhost:{port}"
    print(port, flush=True)  # noqa: T201 - the one line that its starter reads
    await asyncio.Event().wait()


@contextlib.contextmanager
def slow_org(delay: float) -> Generator[str]:
    """An org that runs; gives its origin."""
    process = subprocess.Popen([sys.executable, __file__, str(delay)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"http://localhost:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def refreshes(origin: str) -> int:
    """What the org has counted."""
    with urlopen(f"{origin}/count") as answer:  # noqa: S310 - our own http address
        return int(answer.read())


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(float(sys.argv[1])))
