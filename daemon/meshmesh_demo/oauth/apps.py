"""The apps that may sign in here, as an admin sets them up: what they may ask, prove and keep."""

import hmac
import json
import re
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from meshmesh_demo.jsons import is_list
from meshmesh_demo.oauth.errors import unknown_client
from meshmesh_demo.oauth.secrets import digest
from meshmesh_demo.seed import DOMAIN
from meshmesh_demo.store import Store

SCOPES = {
    "api": "Manage user data via APIs", "web": "Manage user data via Web browsers", "full": "Full access",
    "refresh_token": "Perform requests at any time", "offline_access": "Perform requests at any time",
    "id": "Access the identity URL service", "profile": "Access the identity URL service",
    "email": "Access the identity URL service", "address": "Access the identity URL service",
    "phone": "Access the identity URL service", "openid": "Access unique user identifiers",
    "chatter_api": "Access Connect REST API resources", "custom_permissions": "Access custom permissions",
    "content": "Access content resources", "lightning": "Access Lightning applications",
    "visualforce": "Access Visualforce applications", "mcp_api": "Access Salesforce hosted MCP servers",
    "sfap_api": "Access the Salesforce API Platform", "chatbot_api": "Access chatbot services",
    "cdp_api": "Access all Data Cloud API resources", "wave_api": "Access Analytics REST API resources",
}  # fmt: skip
OFFLINE = frozenset({"refresh_token", "offline_access"})  # two names of one right
LOOPBACK_CALLBACK = "http://localhost:*/OauthRedirect"
SAMPLE_SECRET = "demo-secret-0123456789ABCDEF"  # noqa: S105 - documented, of no use beyond this demo
_IDENTITY = frozenset({"id", "profile", "email", "address", "phone"})  # one checkbox in Setup
_POLICY = re.compile(r"infinite|zero|(?:specific_lifetime|specific_inactivity):\d{1,4}:(?:HOURS|DAYS|MONTHS)")
_SECONDS = {"HOURS": 3600, "DAYS": 86_400, "MONTHS": 30 * 86_400}


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One app and its policies; the names follow Setup's."""

    client_id: str
    name: str
    secret_hash: str | None = None
    secret_for_code: bool = False
    secret_for_refresh: bool = False
    pkce_required: bool = False
    callbacks: tuple[str, ...] = (LOOPBACK_CALLBACK,)
    scopes: tuple[str, ...] = ("api", "refresh_token")
    code_flow: bool = True
    client_credentials: bool = False
    run_as: str | None = None
    rotation: bool = False
    session_seconds: int = 7200
    refresh_policy: str = "infinite"
    installed: bool = True
    blocked: bool = False
    introspection: bool = True
    ip_restricted: bool = False
    permitted_users: tuple[str, ...] | None = None

    def allows_callback(self, address: str) -> bool:
        """Whether an address is a registered callback: character by character, `*` stands for any port."""
        patterns = (re.escape(one).replace(r"localhost:\*/", r"localhost:\d{1,5}/") for one in self.callbacks)
        return any(re.fullmatch(pattern, address, re.ASCII) for pattern in patterns)

    def allows_scope(self, scope: str) -> bool:
        """Whether the app may ask for a scope."""
        own = set(self.scopes)
        if scope in OFFLINE:
            return bool(own & OFFLINE)
        covered = "full" in own or (scope in _IDENTITY and bool(own & _IDENTITY))
        return scope in own or (scope in SCOPES and covered)

    def lifetime(self, kind: str) -> int | None:
        """Seconds of a refresh policy of that kind (`specific_lifetime`, `specific_inactivity`), None where it is not it."""
        name, _, rest = self.refresh_policy.partition(":")
        number, _, unit = rest.partition(":")
        return int(number) * _SECONDS[unit] if name == kind else None

    def proves(self, secret: str) -> bool:
        """Whether that is the app's secret."""
        return self.secret_hash is not None and hmac.compare_digest(self.secret_hash, digest(secret).hex())


_CLI_SCOPES = ("api", "web", "refresh_token", "full", "id", "openid", "profile", "email", "chatter_api", "lightning")
BUILT_IN = (
    App(client_id="PlatformCLI", name="Salesforce CLI", scopes=_CLI_SCOPES, rotation=True),
    App(
        client_id="3MVG9.demo.external.client.app",
        name="Sample External Client App",
        secret_hash=digest(SAMPLE_SECRET).hex(),
        secret_for_code=True,
        secret_for_refresh=True,
        pkce_required=True,
        scopes=("api", "web", "refresh_token", "openid", "id"),
        client_credentials=True,
        run_as=f"ada@{DOMAIN}",
    ),
)


class Apps:
    """The org's apps, in memory and on disk."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._apps = {app.client_id: app for app in BUILT_IN}

    async def load(self) -> None:
        """Read what was set up before."""
        for row in await self._store.rows("SELECT body FROM apps"):
            app = changed(None, json.loads(str(row["body"])))
            self._apps[app.client_id] = app

    def get(self, client_id: str) -> App:
        """An app by its client id.

        Raises:
            OAuthError: invalid_client_id.
        """
        app = self._apps.get(client_id)
        if app is None:
            raise unknown_client()
        return app

    def all(self) -> list[App]:
        """Every app."""
        return list(self._apps.values())

    async def change(self, document: dict[str, object]) -> App:
        """Add an app or change fields of one.

        Args:
            document: fields of `App`; `client_id` names it, `secret` is kept as its hash.

        Raises:
            ValueError: a field that is unknown or of a wrong type.
        """
        given = dict(document)
        if "secret" in given:
            secret = given.pop("secret")
            given["secret_hash"] = digest(secret).hex() if isinstance(secret, str) and secret else None
        app = changed(self._apps.get(str(given.get("client_id"))), given)
        async with self._store.transaction():
            body = json.dumps(asdict(app))
            await self._store.execute("REPLACE INTO apps VALUES (?, ?)", (app.client_id, body))
        self._apps[app.client_id] = app
        return app


def changed(app: App | None, document: dict[str, object]) -> App:
    """An app with other values in some fields.

    Raises:
        ValueError: a field that is unknown or of a wrong type.
    """
    client_id = document.get("client_id")
    if not isinstance(client_id, str) or not client_id:
        raise ValueError("client_id must be a text")
    kinds = {field.name: field.type for field in fields(App)}
    for name, value in document.items():
        if name not in kinds:
            raise ValueError(f"an app has no field {name!r}")
        if not _fits(kinds[name], value):
            raise ValueError(f"{name} has a value of a wrong type")
    values: dict[str, Any] = {name: tuple(value) if is_list(value) else value for name, value in document.items()}
    made = replace(app or App(client_id=client_id, name=client_id), **values)
    if not _POLICY.fullmatch(made.refresh_policy):
        raise ValueError(
            "refresh_policy must be infinite, zero, specific_lifetime:n:UNIT or specific_inactivity:n:UNIT"
        )
    return made


def _fits(kind: object, value: object) -> bool:
    if value is None:
        return kind in (str | None, tuple[str, ...] | None)
    if is_list(value):
        texts = all(isinstance(one, str) for one in value)
        return texts and kind in (tuple[str, ...], tuple[str, ...] | None)
    if isinstance(value, str):
        return kind in (str, str | None)
    return isinstance(value, int) and kind is type(value)
