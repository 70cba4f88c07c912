"""The laws of the format: it is what `storage/FORMAT.md` and these vectors say, in both directions, in every version.

The vectors were not made by this code but after the document, with HMAC and AES-GCM alone.
"""

import base64
import hashlib
import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import pytest

from meshmesh_storage import apps, clients, connections, fingerprint, rotations, schema
from meshmesh_storage.digest import Ledger, Value, macs_from_bytes, macs_to_bytes, row_mac
from meshmesh_storage.errors import NameTaken
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import Mode
from meshmesh_storage.sealing import (
    Lookup,
    Place,
    Sealer,
    key_check,
    seal_with,
    table_cipher,
    unwrap,
    wrap_with,
)
from meshmesh_storage.vault import FILE_NAME, Vault

FOLDER = Path(__file__).with_name("vectors")
FORMAT = Path(__file__).parents[2] / "storage" / "FORMAT.md"
NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


class WrappedKey(TypedDict):
    """A key of the vault."""

    id: int
    key: str
    nonce: str
    wrapped: str


class SealedValue(TypedDict):
    """A value in its place."""

    key_id: int
    table: str
    row: str
    column: str
    version: int
    nonce: str
    value: str
    associated_data: str
    sealed: str


class Index(TypedDict):
    """The hash that a name is found by."""

    purpose: str
    text: str
    hash: str


class RowMac(TypedDict):
    """A row and its MAC."""

    table: str
    values: list[str | int | dict[str, str] | None]
    mac: str


class SealedDigest(TypedDict):
    """The one row of the table `digest`."""

    version: int
    key_id: int
    document: str
    nonce: str
    sealed: str


class SealedFingerprint(TypedDict):
    """What `vault.fingerprint` holds."""

    version: int
    key_id: int
    file: str
    macs: list[str]
    content: str
    nonce: str
    sealed: str


class Vectors(TypedDict):
    """sealed-v1.json."""

    master_key: str
    vault_id: str
    key_check: str
    keys: list[WrappedKey]
    sealed: list[SealedValue]
    indexes: list[Index]
    row_macs: list[RowMac]
    digest: SealedDigest
    fingerprint: SealedFingerprint


VECTORS: Vectors = json.loads((FOLDER / "sealed-v1.json").read_text())
MASTER_KEY, VAULT_ID = bytes.fromhex(VECTORS["master_key"]), bytes.fromhex(VECTORS["vault_id"])
KEYS = {one["id"]: bytes.fromhex(one["key"]) for one in VECTORS["keys"]}
LOOKUP = Lookup(KEYS[0])
SEALER = Sealer({key_id: key for key_id, key in KEYS.items() if key_id}, 2)


def test_the_key_check() -> None:
    """A master key is known by its check value."""
    assert key_check(MASTER_KEY, VAULT_ID).hex() == VECTORS["key_check"]


@pytest.mark.parametrize("vector", VECTORS["keys"])
def test_wrapped_keys_both_ways(vector: WrappedKey) -> None:
    """The wrap opens, and the same nonce wraps to the same bytes."""
    wrapped, key = bytes.fromhex(vector["wrapped"]), bytes.fromhex(vector["key"])

    assert unwrap(MASTER_KEY, vector["id"], VAULT_ID, wrapped) == key
    assert wrap_with(MASTER_KEY, vector["id"], VAULT_ID, bytes.fromhex(vector["nonce"]), key) == wrapped


@pytest.mark.parametrize("vector", VECTORS["sealed"])
def test_sealed_values_both_ways(vector: SealedValue) -> None:
    """The value opens in its place, and the same nonce seals to the same bytes."""
    place = Place(vector["table"], vector["row"], vector["column"], vector["version"])
    value, sealed, nonce = (bytes.fromhex(vector[name]) for name in ("value", "sealed", "nonce"))
    cipher = table_cipher(KEYS[vector["key_id"]], vector["table"])

    assert place.associated_data().hex() == vector["associated_data"]
    assert SEALER.open(sealed, place) == value
    assert seal_with(cipher, vector["key_id"], nonce, value, place) == sealed


@pytest.mark.parametrize("vector", VECTORS["indexes"])
def test_hashes_of_names(vector: Index) -> None:
    """A name is found by the same hash for ever, whatever data keys come and go."""
    assert LOOKUP.index(vector["purpose"], vector["text"]).hex() == vector["hash"]


@pytest.mark.parametrize("vector", VECTORS["row_macs"])
def test_macs_of_rows(vector: RowMac) -> None:
    """Each type of value has its encoding."""
    values: list[Value] = [
        bytes.fromhex(value["bytes"]) if isinstance(value, dict) else value for value in vector["values"]
    ]

    assert row_mac(LOOKUP.digest_key, vector["table"], values).to_bytes(32, "big").hex() == vector["mac"]


def test_the_sealed_digest_both_ways() -> None:
    """The document, its place and its seal; its sums are those of the row MACs."""
    vector = VECTORS["digest"]
    place = Place("digest", "1", "sealed", vector["version"])
    ledger = Ledger.open(SEALER, vector["version"], bytes.fromhex(vector["sealed"]))
    cipher = table_cipher(KEYS[vector["key_id"]], "digest")
    sealed = seal_with(cipher, vector["key_id"], bytes.fromhex(vector["nonce"]), ledger.to_bytes(), place)

    assert ledger.to_bytes().decode() == vector["document"]
    assert {table: digest.total for table, digest in ledger.digests.items()} == {
        one["table"]: int(one["mac"], 16) for one in VECTORS["row_macs"]
    }
    assert sealed.hex() == vector["sealed"]


def test_the_fingerprint_both_ways() -> None:
    """The hash of the file and the MACs of the rows, in their order, at a place of their own."""
    vector = VECTORS["fingerprint"]
    place = fingerprint.place(vector["version"])
    hashed = hashlib.sha256(vector["file"].encode()).digest()
    content = hashed + macs_to_bytes(int(mac, 16) for mac in vector["macs"])
    cipher = table_cipher(KEYS[vector["key_id"]], "fingerprint")
    sealed = seal_with(cipher, vector["key_id"], bytes.fromhex(vector["nonce"]), content, place)

    assert content.hex() == vector["content"]
    assert SEALER.open(bytes.fromhex(vector["sealed"]), place) == content
    assert list(macs_from_bytes(content[len(hashed) :])) == [int(mac, 16) for mac in vector["macs"]]
    assert sealed.hex() == vector["sealed"]


async def test_a_vault_of_format_1_opens(tmp_path: Path) -> None:
    """A whole vault of this format, its data keys rotated once, opens in every later version."""
    (tmp_path / "vault").mkdir(mode=0o700)
    path = tmp_path / "vault" / FILE_NAME
    path.touch(0o600)
    with closing(sqlite3.connect(path)) as db:
        db.executescript((FOLDER / "vault-v1.sql").read_text())
    key = tmp_path / "vault.key"
    key.touch(0o600)
    key.write_bytes(base64.b64encode(MASTER_KEY) + b"\n")

    vault = await Vault.open(tmp_path / "vault", KeyFile(key), now=NOW)
    async with vault.transaction() as tx:
        (acme,) = await connections.load_all(tx)
        with pytest.raises(NameTaken):
            await connections.insert(tx, replace(acme, id="another"))
        assert (acme.username, acme.refresh_token, acme.generation) == ("ada@acme.example", "5Aep861-refresh", 5)
        assert [app.client_secret for app in await apps.load_all(tx)] == ["app-secret"]
        assert [one.grants[0].mode for one in await clients.load_all(tx)] == [Mode.READ]
        assert [one.generation for one in await rotations.load_all(tx)] == [5]
        await connections.update(tx, acme, expected_generation=5)
    await vault.verify()
    await vault.close()


def test_the_document_names_every_table_and_column() -> None:
    """FORMAT.md grows with the schema."""
    words = FORMAT.read_text()
    names = {name for table in schema.TABLES for name in (table.name, *table.columns)}

    assert [name for name in sorted(names) if f"`{name}`" not in words] == []
