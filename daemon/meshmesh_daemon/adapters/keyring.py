"""The keyring of the desktop, asked in a process of its own (keyring_apart.py), which ends with its one answer.

The library and its ciphers would be a fifth of the service's memory, for one look at the start. What hangs in it, ends
with its process. A key goes through pipes alone: it stands in no argument, no environment, no log and no file.
"""

import asyncio
import json
import sys
from contextlib import suppress

from meshmesh_storage.errors import KeyLocked, KeyUnavailable

CALL_SECONDS = 2.0  # of one call over D-Bus
LIMIT_SECONDS = 10.0  # of all that one look or write takes
ELSEWHERE = 'Choose another place for the key: [vault] key = "file" (or "passphrase") in config.toml'
_PROGRAM = ("-I", "-m", "meshmesh_daemon.adapters.keyring_apart")


class NoKeyring(KeyUnavailable):
    """There is no keyring on this machine, or none that is a real one."""

    code = "no_keyring"


_REFUSALS = {kind.code: kind for kind in (KeyUnavailable, KeyLocked, NoKeyring)}


class SystemKeyring:
    """A `Keyring` of storage's on the real one."""

    async def check(self) -> None:
        """Whether it is there and open; nobody is asked to open it.

        Raises:
            NoKeyring: there is none.
            KeyLocked: it is locked.
            KeyUnavailable: it does not answer.
        """
        await _asked("check")

    async def get(self, name: str) -> str | None:
        """See `Keyring`."""
        return await _asked("get", name)

    async def put(self, name: str, text: str) -> None:
        """See `Keyring`."""
        await _asked("put", name, text)

    async def remove(self, name: str) -> None:
        """See `Keyring`."""
        await _asked("remove", name)


async def _asked(do: str, name: str = "", text: str = "") -> str | None:
    """What the other process answers, within bounds."""
    request = json.dumps({"do": do, "name": name, "text": text, "seconds": CALL_SECONDS})
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            said = await _spoken(request.encode())
    except TimeoutError:
        raise silent() from None
    try:
        answer: dict[str, str | None] = json.loads(said)
    except ValueError:
        raise KeyUnavailable("The keyring refused (it ended without an answer).", ELSEWHERE) from None
    refused = answer.get("refused")
    if refused is not None:
        raise _REFUSALS[refused](answer["sentence"] or "", answer["next"] or "")
    return answer["text"]


async def _spoken(request: bytes) -> bytes:
    pipe, nothing = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    process = await asyncio.create_subprocess_exec(sys.executable, *_PROGRAM, stdin=pipe, stdout=pipe, stderr=nothing)
    try:
        said, _ = await process.communicate(request)
    finally:
        with suppress(ProcessLookupError):
            process.kill()  # it hangs, or nobody waits for it any more
        await process.wait()
    return said


def silent() -> KeyUnavailable:
    """It does not answer."""
    return KeyUnavailable(
        "The keyring does not answer.", "Look at your desktop's keyring service, then: meshmesh unlock"
    )
