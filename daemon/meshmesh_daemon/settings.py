"""`config.toml` and the environment, read once into one frozen value; each room gets only its own part.

An unknown key is refused with a suggestion: a setting that is misspelt and silently ignored is worse than no start.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

DEFAULT_PORT = 1717
MANAGED_CLIENT_ID = "PlatformCLI"  # Salesforce's public CLI client: its registered callback is exactly ours
MAX_PORT = 65535
_KNOWN: dict[str, tuple[str, ...]] = {
    "": ("port", "salesforce", "demo", "notifications", "plans", "vault", "log"),
    "salesforce": ("client_id", "extra_login_origins"),
    "demo": ("enabled",),
    "notifications": ("enabled",),
    "vault": ("key", "lock_after_seconds", "lock_with_screen"),
    "plans": ("expire_seconds", "quiet_seconds", "keep_days"),
    "log": ("requests",),
}


class SettingsError(Exception):
    """A setting that cannot be taken: which, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanSettings:
    """How long plans live: until they expire, while requests still join them, and until they are forgotten."""

    expire_seconds: int = 15 * 60
    quiet_seconds: int = 5
    keep_days: int = 30


VAULT_KEYS = ("auto", "keyring", "credential", "passphrase", "file")


@dataclass(frozen=True, slots=True, kw_only=True)
class VaultSettings:
    """Where the key of a new vault is kept, and when an open one locks itself.

    `lock_after_seconds` is time without a caller, 0 for never; `lock_with_screen` locks it with the desktop's screen.
    """

    key: str = "auto"
    lock_after_seconds: int = 0
    lock_with_screen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What the person set.

    `port` 0 means any free one. `extra_login_origins` are exact origins (`https://host[:port]`) accepted as login hosts
    beside Salesforce's own; plain http only on the loopback. `log_requests` has every request logged, not only those that
    were refused.
    """

    port: int = DEFAULT_PORT
    client_id: str = MANAGED_CLIENT_ID
    extra_login_origins: tuple[str, ...] = ()
    demo_enabled: bool = True
    notifications_enabled: bool = True
    plans: PlanSettings = PlanSettings()
    vault: VaultSettings = VaultSettings()
    log_requests: bool = False


def load(config_file: Path, environ: Mapping[str, str]) -> Settings:
    """Read the settings; the environment wins over the file.

    Args:
        config_file: `config.toml`; it need not exist.
        environ: the environment variables.

    Raises:
        SettingsError: with a sentence that names the key and the place.
    """
    document = _document(config_file)
    salesforce = _table(document, "salesforce")
    demo = _table(document, "demo")
    notes = _table(document, "notifications")
    origins = environ.get("MESHMESH_EXTRA_LOGIN_ORIGINS")
    return Settings(
        port=_port(environ.get("MESHMESH_PORT"), document.get("port", DEFAULT_PORT)),
        client_id=_text("salesforce.client_id", salesforce.get("client_id", MANAGED_CLIENT_ID)),
        extra_login_origins=_origins(
            origins.split(",") if origins is not None else salesforce.get("extra_login_origins", [])
        ),
        demo_enabled=_flag("demo.enabled", demo.get("enabled", True)),
        notifications_enabled=_flag("notifications.enabled", notes.get("enabled", True)),
        plans=_plans(_table(document, "plans")),
        vault=_vault(_table(document, "vault")),
        log_requests=_flag("log.requests", _table(document, "log").get("requests", False)),
    )


def _vault(table: Mapping[str, object]) -> VaultSettings:
    usual = VaultSettings()
    key = _text("vault.key", table.get("key", usual.key))
    if key not in VAULT_KEYS:
        raise SettingsError(f"vault.key must be one of: {', '.join(VAULT_KEYS)}.")
    idle = table.get("lock_after_seconds", usual.lock_after_seconds)
    return VaultSettings(
        key=key,
        lock_after_seconds=_whole("vault.lock_after_seconds", idle, 0, 30 * 24 * 3600),
        lock_with_screen=_flag("vault.lock_with_screen", table.get("lock_with_screen", usual.lock_with_screen)),
    )


def _plans(table: Mapping[str, object]) -> PlanSettings:
    usual = PlanSettings()
    return PlanSettings(
        expire_seconds=_whole("plans.expire_seconds", table.get("expire_seconds", usual.expire_seconds), 30, 24 * 3600),
        quiet_seconds=_whole("plans.quiet_seconds", table.get("quiet_seconds", usual.quiet_seconds), 0, 300),
        keep_days=_whole("plans.keep_days", table.get("keep_days", usual.keep_days), 1, 3650),
    )


def _whole(name: str, value: object, low: int, high: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise SettingsError(f"{name} must be a whole number from {low} to {high}.")
    return value


def _document(config_file: Path) -> dict[str, object]:
    try:
        text = config_file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{config_file} cannot be read: {type(error).__name__}.") from None
    import tomllib  # late: most have no file

    try:
        document: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{config_file} is not TOML: {error}.") from None
    _check_keys(document, "")
    return document


def _table(document: Mapping[str, object], name: str) -> dict[str, object]:
    table = document.get(name, {})
    if not isinstance(table, dict):
        raise SettingsError(f"[{name}] must be a table.")
    checked = cast("dict[str, object]", table)
    _check_keys(checked, name)
    return checked


def _check_keys(table: Mapping[str, object], name: str) -> None:
    for key in table:
        if key not in _KNOWN[name]:
            import difflib  # late: for who has misspelt one

            close = difflib.get_close_matches(key, _KNOWN[name], n=1)
            hint = f"did you mean {close[0]!r}?" if close else f"known here: {', '.join(_KNOWN[name])}."
            where = f"[{name}] {key}" if name else key
            raise SettingsError(f"Unknown setting {where}: {hint}")


def _port(from_environment: str | None, from_file: object) -> int:
    if from_environment is not None:
        if not (from_environment.isascii() and from_environment.isdigit()):
            raise SettingsError(f"MESHMESH_PORT must be a number from 0 to {MAX_PORT}.")
        value: object = int(from_environment)
        name = "MESHMESH_PORT"
    else:
        value, name = from_file, "port"
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_PORT:
        raise SettingsError(f"{name} must be a number from 0 to {MAX_PORT}.")
    return value


def _text(name: str, value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise SettingsError(f"{name} must be a non-empty text.")
    return value


def _flag(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise SettingsError(f"{name} must be true or false.")
    return value


def _origins(values: object) -> tuple[str, ...]:
    if not isinstance(values, Sequence) or isinstance(values, str):
        raise SettingsError("salesforce.extra_login_origins must be a list of origins.")
    items = cast("Sequence[object]", values)
    origins = [item.strip() if isinstance(item, str) else "" for item in items]
    if len(origins) == 1 and not origins[0] and isinstance(items[0], str):
        return ()  # the environment variable is set, and empty
    return tuple(_origin(origin) for origin in origins)


def _origin(text: str) -> str:
    scheme, separator, authority = text.partition("://")
    host = authority.rsplit(":", 1)[0] if not authority.startswith("[") else authority.partition("]")[0] + "]"
    plain = text.isascii() and not any(letter in authority for letter in "/?#@\\% ")
    if not separator or not authority or not plain or scheme not in {"http", "https"}:
        raise SettingsError(
            f"extra_login_origins: {text!r} is not an origin; write scheme, host and port, nothing behind them."
        )
    if scheme == "http" and host not in {"localhost", "127.0.0.1", "[::1]"}:
        raise SettingsError(f"extra_login_origins: {text!r} must use https (plain http only on the loopback).")
    return text.lower()
