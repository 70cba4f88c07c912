"""The tables, as numbered migrations. A migration that has landed is never changed; a new one is added."""

from dataclasses import dataclass

APPLICATION_ID = 0x4D4D5631  # "MMV1", so that `file` and we know a vault from any other database

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
        "CREATE TABLE data_keys (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL, created_at TEXT NOT NULL) STRICT",
        "CREATE TABLE digests (id TEXT PRIMARY KEY, version INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
        "CREATE TABLE apps (id TEXT PRIMARY KEY, version INTEGER NOT NULL, client_index BLOB NOT NULL UNIQUE,"
        " profile BLOB NOT NULL, secret BLOB) STRICT",
        "CREATE TABLE connections (id TEXT PRIMARY KEY, version INTEGER NOT NULL, name_index BLOB NOT NULL UNIQUE,"
        " app_id TEXT NOT NULL, generation INTEGER NOT NULL, status TEXT NOT NULL, profile BLOB NOT NULL,"
        " session BLOB, refresh BLOB) STRICT",
        "CREATE TABLE clients (id TEXT PRIMARY KEY, version INTEGER NOT NULL, profile BLOB NOT NULL) STRICT",
        "CREATE TABLE sign_ins (id TEXT PRIMARY KEY, version INTEGER NOT NULL, profile BLOB NOT NULL) STRICT",
        "CREATE TABLE rotations (id TEXT PRIMARY KEY, version INTEGER NOT NULL, generation INTEGER NOT NULL,"
        " sent_at TEXT NOT NULL) STRICT",
    ),
)
LATEST = len(MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are under the digest: its plain and its sealed columns, besides id and version."""

    name: str
    plain: tuple[str, ...]
    sealed: tuple[str, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order that the digest takes them."""
        return ("id", "version", *self.plain, *self.sealed)


APPS = Table("apps", ("client_index",), ("profile", "secret"))
CONNECTIONS = Table("connections", ("name_index", "app_id", "generation", "status"), ("profile", "session", "refresh"))
CLIENTS = Table("clients", (), ("profile",))
SIGN_INS = Table("sign_ins", (), ("profile",))
ROTATIONS = Table("rotations", ("generation", "sent_at"), ())
TABLES = (APPS, CONNECTIONS, CLIENTS, SIGN_INS, ROTATIONS)
