"""Many connections at once on asyncio: who am I there, and how is it?

Run it: python watch.py
"""

import asyncio
import sys

import meshmesh


async def main() -> int:
    """Print a line for each connection that this program may use; the exit code is one of MeshMesh's command line."""
    try:
        tool = await meshmesh.aio.pair("Watch", wants=["demo:read"])
        names = [connection.name for connection in await tool.connections()]
        for line in await asyncio.gather(*(look(tool, name) for name in names)):
            print(line)
    except meshmesh.Error as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


async def look(tool: meshmesh.aio.Program, name: str) -> str:
    """A line about a connection; one that needs somebody does not keep the others from being looked at."""
    try:
        async with tool.connect(name) as org:
            limits = (await org.request("GET", "limits")).json()
            daily = limits["DailyApiRequests"] if isinstance(limits, dict) else None
            return f"{name}: {org.connection.username}, {daily}"
    except meshmesh.Error as error:
        return f"{name}: {error}"


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
