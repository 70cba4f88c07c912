"""The laws of the bytes on disk: nothing that was sealed stands there in clear, and nothing that was deleted stays."""

import base64
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmesh_storage import apps, clients, connections, sign_ins
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import (
    App,
    Client,
    Connection,
    Environment,
    Grant,
    Kind,
    Mode,
    Session,
    SignIn,
    Status,
)
from meshmesh_storage.schema import TABLES
from meshmesh_storage.vault import FILE_NAME, Vault

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PLANTED = "planted-canary"


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    """A new vault."""
    opened = await Vault.open(tmp_path / "vault", KeyFile(tmp_path / "keys" / "vault.key"), now=NOW)
    yield opened
    await opened.close()


def planted(name: str) -> str:
    """A value that is found again wherever it stands."""
    return f"{PLANTED}-{name}"


ACME = Connection(
    id="c1",
    generation=1,
    name=planted("name"),
    environment=Environment.CUSTOM,
    kind=Kind.PRODUCTION,
    app_id="a1",
    login_origin=planted("login"),
    instance_url=planted("instance"),
    identity_url=planted("identity"),
    org_id=planted("org"),
    user_id=planted("user"),
    org_name=planted("org name"),
    username=planted("username"),
    api_version=planted("version"),
    scopes=(planted("scope"),),
    status=Status.CONNECTED,
    detail=planted("detail"),
    created_at=NOW,
    signed_in_at=NOW,
    last_used_by=planted("used by"),
    session=Session(access_token=planted("access"), token_type="Bearer", issued_at=NOW, expires_at=None),
    refresh_token=planted("refresh"),
)
ATTEMPT = SignIn(
    id="s1",
    state=planted("state"),
    code_verifier=planted("verifier"),
    connection_id=None,
    name=planted("attempt"),
    environment=Environment.CUSTOM,
    client_id=planted("client id"),
    client_secret=planted("client secret"),
    login_origin=planted("login"),
    redirect_uri=planted("redirect"),
    scopes=(planted("scope"),),
    authorize_url=planted("authorize"),
    created_at=NOW,
    expires_at=NOW,
)
AGENT = Client(
    id="p1",
    name=planted("agent"),
    kind=planted("kind"),
    token_hash=planted("hash").encode(),
    origin=planted("origin"),
    created_at=NOW,
    expires_at=None,
    grants=(Grant(connection_id=planted("granted"), mode=Mode.BUILD, raw_token=True),),
    process=planted("process"),
    command_sha256=planted("command"),
)


async def plant(vault: Vault) -> None:
    """Every family of rows, full of canaries; then all of it written over once."""
    for turn in range(2):
        async with vault.transaction() as tx:
            await apps.put(tx, App(id="a1", client_id=planted("app"), client_secret=planted("secret"), created_at=NOW))
            await clients.put(tx, AGENT)
            if turn == 0:
                await connections.insert(tx, ACME)
                await sign_ins.insert(tx, ATTEMPT)
            else:
                await connections.update(tx, ACME, expected_generation=1)


def bytes_on_disk(folder: Path) -> dict[str, bytes]:
    """Every file of the vault."""
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def forms(text: str) -> list[bytes]:
    """A text as it could stand in a file."""
    raw = text.encode()
    return [raw, text.encode("utf-16-le"), base64.b64encode(raw)[:-4], raw.hex().encode()]


async def test_nothing_that_was_planted_stands_in_clear(vault: Vault, tmp_path: Path) -> None:
    """No canary, and no key, in the database, the log or the index, open or closed."""
    await plant(vault)
    while_open = bytes_on_disk(tmp_path / "vault")
    await vault.close()
    master_key = await KeyFile(tmp_path / "keys" / "vault.key").load()
    assert master_key is not None

    assert set(while_open) == {FILE_NAME, f"{FILE_NAME}-wal", f"{FILE_NAME}-shm"}
    for content in (*while_open.values(), *bytes_on_disk(tmp_path / "vault").values()):
        for form in forms(PLANTED):
            assert form not in content
        assert master_key not in content
        assert base64.b64encode(master_key) not in content


def test_every_text_of_a_connection_is_a_canary() -> None:
    """A field that is added later is planted too, or this fails: the scan above must not grow blind."""
    free = {"id", "generation", "environment", "kind", "app_id", "status", "reason"}
    for record in (ACME, ATTEMPT, AGENT):
        for field in fields(record):
            value: object = getattr(record, field.name)
            if field.name not in free and isinstance(value, str):
                assert value.startswith(PLANTED), field.name


async def test_what_was_deleted_and_purged_is_gone(vault: Vault, tmp_path: Path) -> None:
    """Not even the sealed form of a row, or of its earlier versions, is left in any file."""
    await plant(vault)
    sealed = sealed_values(tmp_path)
    pieces = [value[at : at + 16] for value in sealed for at in range(0, len(value) - 16, 16)]
    assert any(piece in content for piece in pieces for content in bytes_on_disk(tmp_path / "vault").values())
    async with vault.transaction() as tx:
        await connections.delete(tx, "c1")
        await clients.delete(tx, "p1")
        await sign_ins.delete(tx, "s1")
        await apps.delete_unused(tx)
    await vault.purge()

    for name, content in bytes_on_disk(tmp_path / "vault").items():
        assert [piece for piece in pieces if piece in content] == [], name


async def test_a_value_that_was_replaced_and_purged_is_gone(vault: Vault, tmp_path: Path) -> None:
    """An old refresh token does not outlive its rotation, sealed or not."""
    await plant(vault)
    old = sealed_values(tmp_path)
    async with vault.transaction() as tx:
        await connections.update(tx, ACME, expected_generation=1)
        await clients.put(tx, AGENT)
        await apps.put(tx, App(id="a1", client_id="other", created_at=NOW))
        await sign_ins.delete(tx, "s1")
    await vault.purge()

    for content in bytes_on_disk(tmp_path / "vault").values():
        assert not [value for value in old if value[5:33] in content]


def sealed_values(home: Path) -> list[bytes]:
    """Every sealed value that stands in the vault now, as another program reads it."""
    with closing(sqlite3.connect(home / "vault" / FILE_NAME)) as db:
        rows = [
            row
            for table in TABLES
            if table.sealed
            for row in db.execute(f"SELECT {', '.join(table.sealed)} FROM {table.name}")
        ]
    return [value for row in rows for value in row if value is not None]
