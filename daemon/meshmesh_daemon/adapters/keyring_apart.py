"""The `keyring` library in a process of its own: `python -I -m meshmesh_daemon.adapters.keyring_apart`, begun by keyring.py.

One request comes in on stdin, one answer goes out on stdout. Some of the library's backends keep nothing, or keep it in
the clear: only those of the list below are used, and nobody is asked to unlock one. A Secret Service (Linux) is first asked
over D-Bus, within bounds, whether it is open: the library would wait, without an end, for a prompt that nobody sees.
"""

import importlib
import json
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING, Protocol, cast

from meshmesh_daemon.adapters.keyring import ELSEWHERE, NoKeyring, silent
from meshmesh_daemon.adapters.own_process import close_process
from meshmesh_storage.errors import KeyLocked, KeyUnavailable

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "meshmesh"
# The backends that keep a secret: module and class, the best one first.
_REAL = {
    "keyring.backends.SecretService": "Keyring",
    "keyring.backends.kwallet": "DBusKeyring",
    "keyring.backends.libsecret": "Keyring",
    "keyring.backends.macOS": "Keyring",
    "keyring.backends.Windows": "WinVaultKeyring",
}
_SECRET_SERVICE = next(iter(_REAL))


class _Backend(Protocol):
    def get_password(self, service: str, username: str) -> str | None: ...

    def set_password(self, service: str, username: str, password: str) -> None: ...

    def delete_password(self, service: str, username: str) -> None: ...


def main() -> None:
    """Answer the one request."""
    close_process()
    request = json.load(sys.stdin)
    try:
        answer: dict[str, str | None] = {"text": _done(request)}
    except Exception as error:  # noqa: BLE001 - every backend has errors of its own
        told = _in_our_words(error)
        answer = {"refused": told.code, "sentence": str(told), "next": told.next_step}
    json.dump(answer, sys.stdout)


def _done(request: dict[str, str]) -> str | None:
    backend, name = _ready(float(request["seconds"])), request["name"]
    match request["do"]:
        case "get":
            return backend.get_password(SERVICE, name)
        case "put":
            backend.set_password(SERVICE, name, request["text"])
        case "remove":
            backend.delete_password(SERVICE, name)
        case _:
            pass  # it is there, and open
    return None


def _ready(seconds: float) -> _Backend:
    """The backend, open."""
    from keyring import core

    chosen = core.load_env() or core.load_config()  # the person's own choice, which may be to have none
    names = [type(chosen).__module__] if chosen else [name for name in _REAL if _is_viable(name)]
    if not names or names[0] not in _REAL:
        raise NoKeyring("There is no keyring here that keeps a secret.", ELSEWHERE)
    if names[0] == _SECRET_SERVICE:
        _check_secret_service(seconds)
    return cast("_Backend", chosen or _class(names[0])())


def _is_viable(name: str) -> bool:
    return bool(_class(name).viable)


def _class(name: str) -> "type[KeyringBackend]":
    found: type[KeyringBackend] = getattr(importlib.import_module(name), _REAL[name])
    return found


def _check_secret_service(seconds: float) -> None:
    import secretstorage

    with closing(secretstorage.dbus_init()) as bus:
        ask = cast("Callable[..., object]", bus.send_and_get_reply)  # pyright: ignore[reportUnknownMemberType]  # no types
        bus.send_and_get_reply = partial(ask, timeout=seconds)  # pyright: ignore
        try:
            locked = secretstorage.Collection(bus).is_locked()
        except secretstorage.ItemNotFoundException:
            raise NoKeyring("The keyring of this desktop was never set up.", ELSEWHERE) from None
    if locked:
        raise KeyLocked("The keyring of your desktop is locked.", "Unlock it, as at login; MeshMesh goes on by itself.")


def _in_our_words(error: Exception) -> KeyUnavailable:
    if isinstance(error, KeyUnavailable):
        return error
    kind = type(error)
    if isinstance(error, TimeoutError):
        return silent()
    if kind.__name__ in {"KeyringLocked", "LockedException"}:
        return KeyLocked("The keyring of your desktop is locked.", "Unlock it; MeshMesh goes on by itself.")
    if isinstance(error, ImportError | OSError) or kind.__name__ in {
        "NoKeyringError",
        "InitError",
        "SecretServiceNotAvailableException",
    }:
        return NoKeyring(f"There is no keyring here ({kind.__name__}).", ELSEWHERE)
    return KeyUnavailable(f"The keyring refused ({kind.__name__}).", ELSEWHERE)


if __name__ == "__main__":
    main()
