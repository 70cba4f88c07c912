"""The rows that are kept, as frozen values: no I/O, no cipher, no clock.

Every enum here is stored or sent on the wire by its value, never by position. A field that holds a secret is
`repr=False`, so that a record can be logged or shown in a traceback without giving anything away.
"""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Environment(StrEnum):
    """Which door of Salesforce a sign-in goes through."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    CUSTOM = "custom"
    DEMO = "demo"


class Kind(StrEnum):
    """What the org says it is (`Organization.IsSandbox`, `TrialExpirationDate`, `OrganizationType`)."""

    PRODUCTION = "production"
    SANDBOX = "sandbox"
    DEVELOPER = "developer"
    SCRATCH = "scratch"
    TRIAL = "trial"
    DEMO = "demo"


class Flow(StrEnum):
    """The OAuth grant an app uses (RFC 6749, sections 4.1 and 4.4)."""

    AUTHORIZATION_CODE = "authorization_code"
    CLIENT_CREDENTIALS = "client_credentials"


class Status(StrEnum):
    """How a connection is; the words of the contract."""

    CONNECTED = "connected"
    REFRESHING = "refreshing"
    NEEDS_YOU = "needs_you"
    BLOCKED = "blocked"
    OFFLINE = "offline"


class Reason(StrEnum):
    """Why a connection is not `connected`."""

    SESSION_EXPIRED = "session_expired"
    REFRESH_TOKEN_REVOKED = "refresh_token_revoked"  # noqa: S105 - a word of the contract
    REFRESH_TOKEN_REUSED = "refresh_token_reused"  # noqa: S105 - a word of the contract
    SIGN_IN_LIMIT = "sign_in_limit"
    IDLE_TIMEOUT = "idle_timeout"
    PASSWORD_EXPIRED = "password_expired"  # noqa: S105 - a word of the contract
    ORG_CHANGED = "org_changed"
    SCOPE_MISSING = "scope_missing"
    ROTATION_INTERRUPTED = "rotation_interrupted"
    USER_INACTIVE = "user_inactive"
    APP_BLOCKED = "app_blocked"
    APP_NOT_INSTALLED = "app_not_installed"
    APP_MISCONFIGURED = "app_misconfigured"
    RUN_AS_MISSING = "run_as_missing"
    IP_RESTRICTED = "ip_restricted"
    API_DISABLED = "api_disabled"
    NETWORK = "network"
    ORG_UNAVAILABLE = "org_unavailable"
    SERVICE_UNAVAILABLE = "service_unavailable"
    RATE_LIMITED = "rate_limited"
    VAULT_LOCKED = "vault_locked"


class Mode(StrEnum):
    """What a grant lets a client do; ordered from narrow to wide."""

    READ = "read"
    PLAN = "plan"
    BUILD = "build"


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """An OAuth client registration that connections share."""

    id: str
    client_id: str
    client_secret: str | None = field(default=None, repr=False)
    flow: Flow = Flow.AUTHORIZATION_CODE
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """A live access token. `expires_at` is None where Salesforce did not tell."""

    access_token: str = field(repr=False)
    token_type: str
    issued_at: datetime
    expires_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """One org, one user, one app.

    `generation` is the stamp that late answers are held against: it grows with each stored sign-in or token set, and
    work begun under an older stamp is dropped. `org_id` and `user_id` are pinned at the first sign-in (18 characters).
    """

    id: str
    generation: int
    name: str
    environment: Environment
    kind: Kind
    app_id: str
    login_origin: str
    instance_url: str
    identity_url: str
    org_id: str
    user_id: str
    org_name: str
    username: str
    api_version: str
    scopes: tuple[str, ...]
    status: Status
    reason: Reason | None = None
    detail: str | None = None
    created_at: datetime
    signed_in_at: datetime
    last_used_at: datetime | None = None
    last_used_by: str | None = None
    session: Session | None = field(default=None, repr=False)
    refresh_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class SignIn:
    """One attempt in a browser that has not ended yet; kept so that a redirect survives a restart."""

    id: str
    state: str = field(repr=False)
    code_verifier: str = field(repr=False)
    connection_id: str | None  # None: a new connection; else the one that is being reconnected
    name: str
    environment: Environment
    client_id: str
    client_secret: str | None = field(default=None, repr=False)  # reaches the app's row only when the sign-in succeeds
    login_origin: str
    redirect_uri: str
    scopes: tuple[str, ...]
    authorize_url: str = field(repr=False)
    created_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a client may do with a connection. `then` is the narrower grant that comes back when this one ends."""

    connection_id: str
    mode: Mode
    raw_token: bool = False
    expires_at: datetime | None = None
    then: "Grant | None" = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A paired local program; of its pairing token only the SHA-256 is kept.

    `next_hash` is that of the token that will replace it: both are good until the new one is first used. `process` names the process that it ends with, as the daemon marks it; None for a client that outlives its process.
    `command_sha256` is of the whole command line that the process runs; None where nobody told it.
    """

    id: str
    name: str
    kind: str
    token_hash: bytes = field(repr=False)
    origin: str | None = None  # of a browser extension
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None = None
    grants: tuple[Grant, ...] = ()
    process: str | None = None
    command_sha256: str | None = None
    next_hash: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A program that the owner does not want to be asked about again.

    An extension is known by its `origin` alone, which it cannot choose; another program by its executable, where it was
    seen, and the name that it gave itself.
    """

    id: str
    name: str
    exe: str | None
    origin: str | None
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationIntent:
    """A refresh that was sent and whose answer is not yet stored (journal of the rotation)."""

    connection_id: str
    generation: int
    sent_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class PinRecord:
    """The approval PIN as an Argon2id hash (RFC 9106), and the wrong tries since the last right one."""

    salt: bytes = field(repr=False)
    memory_kib: int
    iterations: int
    lanes: int
    digest: bytes = field(repr=False)
    failed: int = 0
    not_before: datetime | None = None
