"""The tables, as numbered migrations. A migration that has landed is never changed; a new one is added.

A migration that adds or drops columns of a table under the digest also has to reckon that table's digest anew.
"""

import sqlite3
from contextlib import closing
from dataclasses import dataclass

APPLICATION_ID = 0x4D4D5631  # "MMV1", so that `file` and we know a vault from any other database

MIGRATIONS: tuple[tuple[str, ...], ...] = (
    (
        "CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT",
        "CREATE TABLE keys (id INTEGER PRIMARY KEY, wrapped BLOB NOT NULL, created_at TEXT NOT NULL) STRICT",
        "CREATE TABLE digest (id INTEGER PRIMARY KEY CHECK (id = 1), version INTEGER NOT NULL, sealed BLOB NOT NULL) STRICT",
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
    ("CREATE TABLE pins (id TEXT PRIMARY KEY, version INTEGER NOT NULL, profile BLOB NOT NULL) STRICT",),
    ("CREATE TABLE refusals (id TEXT PRIMARY KEY, version INTEGER NOT NULL, profile BLOB NOT NULL) STRICT",),
    (
        "CREATE TABLE plans (id TEXT PRIMARY KEY, version INTEGER NOT NULL, client_index BLOB NOT NULL,"
        " live INTEGER NOT NULL, profile BLOB NOT NULL) STRICT",
        "CREATE TABLE plan_bytes (id TEXT PRIMARY KEY, version INTEGER NOT NULL, content BLOB NOT NULL) STRICT",
    ),
)
LATEST = len(MIGRATIONS)


@dataclass(frozen=True, slots=True)
class Table:
    """A table whose rows are under the digest: its plain and its sealed columns, besides id and version.

    The first `unique` of the plain columns are unique, each for itself.
    """

    name: str
    plain: tuple[str, ...]
    sealed: tuple[str, ...]
    unique: int = 0

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column, in the order that the digest takes them."""
        return (*self.clear, *self.sealed)

    @property
    def clear(self) -> tuple[str, ...]:
        """Every column that is not sealed; the first of those that the digest takes."""
        return ("id", "version", *self.plain)


APPS = Table("apps", ("client_index",), ("profile", "secret"), unique=1)
CONNECTIONS = Table(
    "connections", ("name_index", "app_id", "generation", "status"), ("profile", "session", "refresh"), unique=1
)
CLIENTS = Table("clients", (), ("profile",))
SIGN_INS = Table("sign_ins", (), ("profile",))
ROTATIONS = Table("rotations", ("generation", "sent_at"), ())
PINS = Table("pins", (), ("profile",))
REFUSALS = Table("refusals", (), ("profile",))
PLANS = Table("plans", ("client_index", "live"), ("profile",))
PLAN_BYTES = Table("plan_bytes", (), ("content",))
TABLES = (APPS, CONNECTIONS, CLIENTS, SIGN_INS, ROTATIONS, PINS, PLANS, PLAN_BYTES, REFUSALS)

LAYOUT = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def layout() -> set[tuple[object, ...]]:
    """What `LAYOUT` gives in a vault of the latest format: its tables and their indexes, no trigger and no view."""
    with closing(sqlite3.connect(":memory:")) as db:
        for migration in MIGRATIONS:
            for statement in migration:
                db.execute(statement)
        return set(db.execute(LAYOUT))
