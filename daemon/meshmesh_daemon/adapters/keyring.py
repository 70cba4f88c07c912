"""The keyring of the desktop, by the `keyring` library: only real ones, never a prompt, and every call ends in time.

Some of its backends keep nothing, or keep it in the clear: only those of the list below are used. A Secret
Service (Linux) is first asked over D-Bus, within bounds, whether it is open: the library would wait, without an end, for a
prompt that nobody sees. What hangs all the same is left behind in a thread that ends with the process.
"""

import asyncio
import importlib
import threading
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from meshmesh_storage.errors import KeyLocked, KeyUnavailable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "meshmesh"
CALL_SECONDS = 2.0  # of one call over D-Bus
LIMIT_SECONDS = 10.0  # of all that one look or write takes
# The backends that keep a secret: module and class, the best one first.
_REAL = {
    "keyring.backends.SecretService": "Keyring",
    "keyring.backends.kwallet": "DBusKeyring",
    "keyring.backends.libsecret": "Keyring",
    "keyring.backends.macOS": "Keyring",
    "keyring.backends.Windows": "WinVaultKeyring",
}
_SECRET_SERVICE = next(iter(_REAL))
_ELSEWHERE = 'Choose another place for the key: [vault] key = "file" (or "passphrase") in config.toml'
Given = TypeVar("Given")


class NoKeyring(KeyUnavailable):
    """There is no keyring on this machine, or none that is a real one."""

    code = "no_keyring"


class _Backend(Protocol):
    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


class SystemKeyring:
    """A `Keyring` of storage's on the real one."""

    async def check(self) -> None:
        """Whether it is there and open; nobody is asked to open it.

        Raises:
            NoKeyring: there is none.
            KeyLocked: it is locked.
            KeyUnavailable: it does not answer.
        """
        await _bounded(_ready)

    async def get(self, name: str) -> str | None:
        """See `Keyring`."""
        return await _bounded(lambda: _ready().get_password(SERVICE, name))

    async def put(self, name: str, text: str) -> None:
        """See `Keyring`."""
        await _bounded(lambda: _ready().set_password(SERVICE, name, text))

    async def remove(self, name: str) -> None:
        """See `Keyring`."""
        await _bounded(lambda: _ready().delete_password(SERVICE, name))


def _ready() -> _Backend:
    """The backend, open. Blocks."""
    from keyring import core  # late: only who keeps the key there pays for it

    chosen = core.load_env() or core.load_config()  # the person's own choice, which may be to have none
    names = [type(chosen).__module__] if chosen else [name for name in _REAL if _is_viable(name)]
    if not names or names[0] not in _REAL:
        raise NoKeyring("There is no keyring here that keeps a secret.", _ELSEWHERE)
    if names[0] == _SECRET_SERVICE:
        _check_secret_service()
    return cast("_Backend", chosen or _class(names[0])())


def _is_viable(name: str) -> bool:
    """Whether a backend could work now; the library's own list is made once, and a session may begin after us."""
    return bool(_class(name).viable)


def _class(name: str) -> "type[KeyringBackend]":
    found: type[KeyringBackend] = getattr(importlib.import_module(name), _REAL[name])
    return found


def _check_secret_service() -> None:
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        ask = cast("Callable[..., object]", bus.send_and_get_reply)  # pyright: ignore[reportUnknownMemberType]  # no types
        bus.send_and_get_reply = partial(ask, timeout=CALL_SECONDS)  # pyright: ignore
        try:
            locked = secretstorage.Collection(bus).is_locked()
        except secretstorage.ItemNotFoundException:
            raise NoKeyring("The keyring of this desktop was never set up.", _ELSEWHERE) from None
    if locked:
        raise KeyLocked("The keyring of your desktop is locked.", "Unlock it, as at login; MeshMesh goes on by itself.")


async def _bounded(work: Callable[[], Given]) -> Given:
    """Do what blocks in a thread of its own, and wait for it within bounds."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Given] = loop.create_future()

    def tell(give: Callable[[], None]) -> None:
        if not done.done():
            give()

    def run() -> None:
        try:
            given = work()
        except Exception as error:  # noqa: BLE001 - every backend has errors of its own
            report = partial(done.set_exception, _in_our_words(error))
        else:
            report = partial(done.set_result, given)
        if not loop.is_closed():
            loop.call_soon_threadsafe(tell, report)

    threading.Thread(target=run, name="keyring", daemon=True).start()
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            return await done
    except TimeoutError:
        raise _silent() from None


def _in_our_words(error: Exception) -> KeyUnavailable:
    if isinstance(error, KeyUnavailable):
        return error
    kind = type(error)
    if isinstance(error, TimeoutError):
        return _silent()
    if kind.__name__ in {"KeyringLocked", "LockedException"}:
        return KeyLocked("The keyring of your desktop is locked.", "Unlock it; MeshMesh goes on by itself.")
    if isinstance(error, ImportError | OSError) or kind.__name__ in {
        "NoKeyringError",
        "InitError",
        "SecretServiceNotAvailableException",
    }:
        return NoKeyring(f"There is no keyring here ({kind.__name__}).", _ELSEWHERE)
    return KeyUnavailable(f"The keyring refused ({kind.__name__}).", _ELSEWHERE)


def _silent() -> KeyUnavailable:
    return KeyUnavailable(
        "The keyring does not answer.", "Look at your desktop's keyring service, then: meshmesh unlock"
    )
