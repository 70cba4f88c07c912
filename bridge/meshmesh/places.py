"""Where MeshMesh keeps things, as plain strings: the folders of platformdirs, computed by hand on Linux.

Importing platformdirs costs as much as the whole of `meshmesh token`, and pathlib brings urllib with it, so neither is
touched here. A test holds the result equal to platformdirs. One departure: where somebody else has taken the name of the
runtime folder in /tmp, ours lies in the state folder, where platformdirs would give up.
"""

import os
import stat
import sys

from meshmesh import wire

TYPE_CHECKING = False  # as in `typing`, whose import takes longer than all of this
if TYPE_CHECKING:
    from collections.abc import Mapping

_PRIVATE = 0o700
_WRITABLE_BY_OTHERS = 0o022


class Folders:
    """The four folders. A plain class: `dataclasses` and `typing` each take longer to import than all of this."""

    __slots__ = ("config", "data", "runtime", "state")

    def __init__(self, *, config: str, data: str, state: str, runtime: str) -> None:
        self.config = config
        self.data = data
        self.state = state
        self.runtime = runtime


def folders(environ: "Mapping[str, str]") -> Folders:
    """The four folders.

    Args:
        environ: the environment; `MESHMESH_HOME` puts all four under one folder.
    """
    home = environ.get(wire.ENV_HOME)
    if home:
        base = os.path.abspath(home)
        return Folders(config=f"{base}/config", data=f"{base}/data", state=f"{base}/state", runtime=f"{base}/runtime")
    if sys.platform != "linux":
        return _by_platformdirs()
    state = _xdg(environ, "XDG_STATE_HOME", "/.local/state")
    return Folders(
        config=_xdg(environ, "XDG_CONFIG_HOME", "/.config"),
        data=_xdg(environ, "XDG_DATA_HOME", "/.local/share"),
        state=state,
        runtime=_runtime(environ, state),
    )


def socket_path(environ: "Mapping[str, str]") -> str:
    """The owner's door."""
    return environ.get(wire.ENV_SOCKET) or f"{folders(environ).runtime}/{wire.SOCKET_NAME}"


def _xdg(environ: "Mapping[str, str]", name: str, default: str) -> str:
    value = environ.get(name, "")
    base = value if value.startswith("/") else _home(environ) + default
    return os.path.normpath(f"{base}/{wire.APP_NAME}")


def _home(environ: "Mapping[str, str]") -> str:
    home = environ.get("HOME", "")
    if home.startswith("/"):
        return home
    import pwd

    return pwd.getpwuid(os.getuid()).pw_dir


def _runtime(environ: "Mapping[str, str]", state: str) -> str:
    given = environ.get("XDG_RUNTIME_DIR", "")
    usual = f"/run/user/{os.geteuid()}"
    temporary = f"{_temporary_folder(environ)}/runtime-{os.geteuid()}"
    if given.startswith("/") and _is_private(given, missing_ok=True):
        base = given
    elif _is_private(usual, missing_ok=False):
        base = usual
    elif _is_private(temporary, missing_ok=True):
        base = temporary
    else:
        return f"{state}/run"
    return os.path.normpath(f"{base}/{wire.APP_NAME}")


def _temporary_folder(environ: "Mapping[str, str]") -> str:
    named = (environ.get(name, "") for name in ("TMPDIR", "TEMP", "TMP"))
    usable = (path for path in named if path.startswith("/") and os.access(path, os.W_OK | os.X_OK))
    return next(usable, "/tmp")  # noqa: S108 - what is taken there is checked by _is_private


def _is_private(path: str, *, missing_ok: bool) -> bool:
    """Whether nobody else can read the folder or put another one in its place."""
    path = os.path.normpath(path)
    try:
        above = os.stat(os.path.dirname(path))
        if above.st_uid not in {0, os.geteuid()}:
            return False
        if above.st_mode & _WRITABLE_BY_OTHERS and not above.st_mode & stat.S_ISVTX:
            return False
        found = os.lstat(path)
    except FileNotFoundError:
        return missing_ok
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == _PRIVATE


def _by_platformdirs() -> Folders:
    import platformdirs

    return Folders(
        config=platformdirs.user_config_dir(wire.APP_NAME),
        data=platformdirs.user_data_dir(wire.APP_NAME),
        state=platformdirs.user_state_dir(wire.APP_NAME),
        runtime=platformdirs.user_runtime_dir(wire.APP_NAME),
    )
