"""The laws of formats: a migration that has landed is never changed, and a vault of every format that ever was opens.

The old vaults are made with the statements of their day around sealed rows that were made after the document.
"""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmesh_storage import apps, clients, connections, pins, rekeying, rotations, schema, sign_ins
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.errors import NameTaken, VaultCorrupt, VaultTampered
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import PinRecord
from meshmesh_storage.vault import FILE_NAME, Vault

FOLDER = Path(__file__).with_name("vectors")
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
# SHA-256 of each migration that people have run, as JSON; a new one is added here with the version that brings it.
LANDED = (
    "ffb7b283efd52db9c0e5a13c71dd07188d2c21207ee079af23d4f10992086165",
    "6a2eb7a2b9fe2d6f4526d9da0cc7045b9da1c3e0e9878d4a3c83c2ca37869320",
    "bfcb840281c4fec7f7c37df88d32dd729e0dfd034c2a2ad3110fa046414d8800",
    "1a0ca52bf26ab9690417b67e60bfc3fdd8f1e89ab0674737486a7e9c41f64fdf",
)


def old_vault(home: Path, version: int) -> KeyFile:
    """A vault of a format, with a row in every table of format 1, and its key."""
    (home / "vault").mkdir(mode=0o700)
    path = home / "vault" / FILE_NAME
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as db:
        db.executescript((FOLDER / "vault-v1.sql").read_text())
        for migration in schema.MIGRATIONS[1:version]:
            for statement in migration:
                db.execute(statement)
        db.execute(f"PRAGMA user_version = {version}")
    key = home / "master.key"
    key.touch(0o600)
    vectors = json.loads((FOLDER / "sealed-v1.json").read_text())
    key.write_bytes(base64.b64encode(bytes.fromhex(vectors["master_key"])))
    return KeyFile(key)


def first_vault(home: Path) -> KeyFile:
    """A vault that the very first version made, and its key."""
    (home / "vault").mkdir(mode=0o700)
    path = home / "vault" / FILE_NAME
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as db:
        db.executescript((FOLDER / "vault-first.sql").read_text())
    key = home / "master.key"
    key.touch(0o600)
    key.write_bytes(base64.b64encode(bytes(range(32))))
    return KeyFile(key)


async def test_a_vault_of_the_first_layout_opens(tmp_path: Path) -> None:
    """Its rows are there and a name is taken, its data key can be replaced, and it opens like any other afterwards."""
    key = first_vault(tmp_path)
    for _ in range(2):
        vault = await Vault.open(tmp_path / "vault", key, now=NOW)
        try:
            async with vault.transaction() as tx:
                (acme,) = await connections.load_all(tx)
                with pytest.raises(NameTaken):
                    await connections.insert(tx, replace(acme, id="another"))
                assert (acme.refresh_token, acme.username) == ("5Aep861-refresh", "ada@acme.example")
                assert [one.client_secret for one in await apps.load_all(tx)] == ["app-secret"]
                assert [one.name for one in await clients.load_all(tx)] == ["Claude Code"]
                assert len(await rotations.load_all(tx)) == 1
                assert await sign_ins.load_all(tx) == []
            rows = await ActivityLog.open(tmp_path / "vault", vault.sealer)
            try:
                await rekeying.add_data_key(vault, now=NOW)
                await rekeying.reseal(vault, rows)
            finally:
                await rows.close()
        finally:
            await vault.close()
    header = await Vault.look(tmp_path / "vault")
    assert header is not None
    assert (header.version, header.is_first) == (schema.LATEST, False)


@pytest.mark.parametrize(
    "harm",
    [
        "DELETE FROM apps",
        "UPDATE connections SET status = 'needs_you'",
        "UPDATE digests SET sealed = zeroblob(90) WHERE id = 'clients'",
        "DELETE FROM digests WHERE id = 'apps'",
        "UPDATE data_keys SET wrapped = zeroblob(60)",
    ],
)
async def test_a_first_vault_that_was_tampered_with_stays_as_it_is(harm: str, tmp_path: Path) -> None:
    """What its own digests do not vouch for is not carried over."""
    key = first_vault(tmp_path)
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME, isolation_level=None)) as db:
        db.execute(harm)
    with pytest.raises((VaultTampered, VaultCorrupt)):
        await Vault.open(tmp_path / "vault", key, now=NOW)
    with closing(sqlite3.connect(tmp_path / "vault" / FILE_NAME)) as db:
        assert db.execute("SELECT count(*) FROM sqlite_master WHERE name = 'keys'").fetchone() == (0,)


@pytest.mark.parametrize("number", range(len(LANDED)))
def test_what_has_landed_is_never_changed(number: int) -> None:
    """A vault that was made by it is out there, and its layout is held to these statements."""
    assert hashlib.sha256(json.dumps(schema.MIGRATIONS[number]).encode()).hexdigest() == LANDED[number]


@pytest.mark.parametrize("version", range(1, schema.LATEST + 1))
async def test_every_format_opens(version: int, tmp_path: Path) -> None:
    """From each format to this one in one go: every row is there, new ones can be written, and it opens again."""
    key = old_vault(tmp_path, version)
    for turn in range(2):
        vault = await Vault.open(tmp_path / "vault", key, now=NOW)
        try:
            async with vault.transaction() as tx:
                (acme,) = await connections.load_all(tx)
                with pytest.raises(NameTaken):
                    await connections.insert(tx, replace(acme, id="another"))
                assert acme.refresh_token == "5Aep861-refresh"
                assert [one.client_secret for one in await apps.load_all(tx)] == ["app-secret"]
                assert len(await clients.load_all(tx)) == 1
                assert len(await rotations.load_all(tx)) == 1
                assert (await pins.load(tx) is None) == (turn == 0)
                await pins.put(tx, PinRecord(salt=b"s", memory_kib=64, iterations=1, lanes=1, digest=b"d"))
            await vault.verify()
            rows = await ActivityLog.open(tmp_path / "vault", vault.sealer)
            await rows.close()
        finally:
            await vault.close()
    header = await Vault.look(tmp_path / "vault")
    assert header is not None
    assert header.version == schema.LATEST
    assert header.note == {"kind": "file"}  # of vaults from before there was another source
