"""`python -m meshmesh_demo --folder DIR [--port N]`: an org in the foreground, until SIGTERM or SIGINT."""

import argparse
import asyncio
import signal
from datetime import UTC, datetime
from pathlib import Path

from meshmesh_demo.server import serve


def _system_clock() -> datetime:
    """The one place of this package where the machine's time is read."""
    return datetime.now(UTC)


async def _serve(folder: Path, port: int) -> None:
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with serve(folder, clock=_system_clock, port=port) as org:
        print(f"origin {org.origin}", flush=True)  # noqa: T201 - the one line that its starter reads
        await ended.wait()


def main() -> None:
    """Serve an org."""
    parser = argparse.ArgumentParser(prog="python -m meshmesh_demo", description="Serve a small Salesforce org.")
    parser.add_argument("--folder", type=Path, required=True, help="where the org keeps its data")
    parser.add_argument("--port", type=int, default=0, help="loopback port; 0 takes the last one or a free one")
    arguments = parser.parse_args()
    asyncio.run(_serve(arguments.folder, arguments.port))


if __name__ == "__main__":
    main()
