"""A home with as much in it as a figure asks for, written through the storage's own doors."""

import asyncio
import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from meshmesh_storage import apps, clients, connections
from meshmesh_storage.activity import MOST_AT_ONCE, ActivityLog
from meshmesh_storage.activity_rows import Actor, ActorKind, Entry
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App, Client, Connection, Environment, Grant, Kind, Mode, Session, Status
from meshmesh_storage.vault import Vault

ORG = "00D000000000001EAA"
USER = "005000000000001AAA"
LIFE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Seed:
    """How much; `origin` is where the connections signed in, `expired` whether their sessions are over."""

    connections: int = 0
    clients: int = 0
    activity_rows: int = 0
    origin: str = "http://localhost:9"
    expired: bool = False


def seed(home: Path, wanted: Seed) -> None:
    """Fill the vault and the activity of a home whose service is not running."""
    asyncio.run(_seed(home, wanted))


async def _seed(home: Path, wanted: Seed) -> None:
    now = datetime.now(UTC)
    for folder in (home, home / "data", home / "config"):
        folder.mkdir(mode=0o700, exist_ok=True)
    vault = await Vault.open(home / "data", KeyFile(home / "config" / "master.key"), now=now)
    try:
        async with vault.transaction() as tx:
            await apps.put(tx, App(id="seed", client_id="PlatformCLI", created_at=now))
            for number in range(wanted.connections):
                await connections.insert(tx, _connection(number, wanted, now))
            for number in range(wanted.clients):
                await clients.put(tx, _client(number, wanted, now))
        await _fill_activity(vault, home / "data", wanted.activity_rows, now)
    finally:
        await vault.close()


def _connection(number: int, wanted: Seed, now: datetime) -> Connection:
    expires = now - LIFE if wanted.expired else now + LIFE
    return Connection(
        id=f"seed{number}",
        generation=1,
        name=f"seed-{number}",
        environment=Environment.CUSTOM,
        kind=Kind.SANDBOX,
        app_id="seed",
        login_origin=wanted.origin,
        instance_url=wanted.origin,
        identity_url=f"{wanted.origin}/id/{ORG}/{USER}",
        org_id=ORG,
        user_id=USER,
        org_name="Seed",
        username=f"user{number}@seed.example.com",
        api_version="66.0",
        scopes=("api", "refresh_token"),
        status=Status.CONNECTED,
        created_at=now,
        signed_in_at=now,
        session=Session(
            access_token=f"{ORG[:15]}!{hashlib.sha256(str(number).encode()).hexdigest()}",
            token_type="Bearer",
            issued_at=now - 2 * LIFE,
            expires_at=expires,
        ),
        refresh_token=f"refresh-{number}",
    )


def _client(number: int, wanted: Seed, now: datetime) -> Client:
    grants = (Grant(connection_id=f"seed{number % wanted.connections}", mode=Mode.PLAN),) if wanted.connections else ()
    return Client(
        id=f"client{number}",
        name=f"program {number}",
        kind="script",
        token_hash=hashlib.sha256(f"token {number}".encode()).digest(),
        created_at=now,
        expires_at=now + 30 * LIFE,
        grants=grants,
    )


async def _fill_activity(vault: Vault, folder: Path, rows: int, now: datetime) -> None:
    if not rows:
        return
    log = await ActivityLog.open(folder, vault.sealer)
    entry = Entry(
        at=now,
        actor=Actor(ActorKind.CLIENT, "client0", "program 0"),
        action="token.given",
        connection="seed-0",
        outcome="done",
        detail="Access token handed out.",
    )
    try:
        for begin in range(0, rows, MOST_AT_ONCE):
            await log.append([entry] * min(MOST_AT_ONCE, rows - begin))
    finally:
        await log.close()
