"""The files by which a service manager knows us, made from those that come with us: text in, text out."""

import plistlib
import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from meshmesh import wire

SYSTEMD_NAME = "meshmesh.service"
LAUNCHD_LABEL = "org.meshmesh.meshmeshd"
CREDENTIAL = "meshmesh-master-key"

# What says where a service lives and what it may do; a service manager does not know the person's shell. A proxy's
# address is not among them: it may hold a password, and a unit is no place for one.
_HANDED_ON = (
    wire.ENV_HOME,
    wire.ENV_PORT,
    wire.ENV_SOCKET,
    wire.ENV_EXTRA_LOGIN_ORIGINS,
    "XDG_CONFIG_HOME",
    "XDG_DATA_HOME",
    "XDG_STATE_HOME",
)


def _template(name: str) -> str:
    return (files("meshmesh") / "units" / name).read_text(encoding="utf-8")


def handed_on(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables that the service must have as the person has them."""
    return {name: environ[name] for name in _HANDED_ON if environ.get(name)}


def systemd_unit(program: str, variables: Mapping[str, str], credential: Path | None) -> str:
    """The user unit.

    Args:
        program: `meshmeshd`.
        variables: of its environment.
        credential: the file that holds the master key, where there is one.
    """
    lines = [f"ExecStart={_quoted(program)}"]
    lines += [f"Environment={_quoted(f'{name}={value}')}" for name, value in variables.items()]
    text = _put(_template(SYSTEMD_NAME), "ExecStart=", "\n".join(lines))
    if credential is None:
        return text
    return _put(text, "#LoadCredential=", f"LoadCredential={CREDENTIAL}:{str(credential).replace('%', '%%')}")


def _put(text: str, key: str, instead: str) -> str:
    changed, count = re.subn(rf"^{re.escape(key)}.*$", lambda _: instead, text, flags=re.MULTILINE)
    if count != 1:
        raise ValueError(f"the unit has {count} lines {key}")
    return changed


def _quoted(text: str) -> str:
    """As systemd.syntax(7) and the specifiers of systemd.unit(5) want it."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{escaped}"' if re.search(r"[\s\"\\']", text) else escaped


def launch_agent(program: str, variables: Mapping[str, str], log: Path) -> str:
    """The agent's property list; the comments stay with the file that comes with us.

    Args:
        program: `meshmeshd`.
        variables: of its environment.
        log: where its lines go.
    """
    document: dict[str, object] = plistlib.loads(_template(f"{LAUNCHD_LABEL}.plist").encode())
    document["ProgramArguments"] = [program]
    document["StandardOutPath"] = document["StandardErrorPath"] = str(log)
    if variables:
        document["EnvironmentVariables"] = dict(variables)
    return plistlib.dumps(document, sort_keys=False).decode()
