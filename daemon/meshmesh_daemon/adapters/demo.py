"""The demo org as the service sees it: a peer behind an address, with levers.

It has its own short-lived client sessions: the demo org is on the loopback, and the one session to Salesforce is
held to Salesforce's hosts.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import aiohttp

from meshmesh_daemon.core.problems import Problem

_TIMEOUT = aiohttp.ClientTimeout(total=20)


@dataclass(frozen=True, slots=True)
class DemoPeer:
    """Where the demo org is, and the file with the key of its levers."""

    origin: str
    lever_key_file: Path

    async def lever(self, name: str, body: Mapping[str, object] | None = None) -> dict[str, object]:
        """Pull a lever.

        Args:
            name: `expire-session`, `revoke`, `outage`, `reset` or `rotation`.
            body: what the lever takes.

        Returns:
            What the demo org answered.

        Raises:
            Problem: 503 when it does not answer, 422 when it refuses the body.
        """
        key = (await asyncio.to_thread(self.lever_key_file.read_text)).strip()
        headers = {"Authorization": f"Lever {key}"}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT) as session,
                session.post(f"{self.origin}/demo/{name}", json=body or {}, headers=headers) as answer,
            ):
                document: object = await answer.json(content_type=None)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            raise Problem(503, "offline", "The demo org does not answer.", retry_after=5) from None
        if status >= 400:  # noqa: PLR2004 - the class of errors
            raise Problem(422, "bad_field", f"The demo org refused the lever {name!r}.")
        return cast("dict[str, object]", document) if isinstance(document, dict) else {}
