"""The envelope around every sensitive value: seal and open, bound to the place where the value stands.

Format of a sealed value (`FORMAT.md`, with vectors): one byte suite (1 = AES-256-GCM under an HKDF-SHA256 subkey of the
table), four bytes key id, twelve bytes random nonce, ciphertext and tag. The associated data names table, row id,
column and row version, so that a value opens in its own place only.

Two kinds of keys, both random and wrapped by the master key: *data keys* seal values and can be rotated one after
another; the *look-up key* makes the hashes that names are found by and the MACs of the digest, and stays when data keys
rotate, so that every look-up goes on working.
"""

import hashlib
import hmac
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

SUITE = 1
NONCE_BYTES = 12
KEY_BYTES = 32
LOOKUP_KEY = 0  # its id among the wrapped keys; data keys count from 1
_HEAD = struct.Struct(">BI")
_SHORTEST = _HEAD.size + NONCE_BYTES + 16  # head, nonce, tag


class SealBroken(Exception):
    """A value does not open: changed, moved, or sealed under a key that is not held."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a sealed value stands."""

    table: str
    row: str
    column: str
    version: int

    def associated_data(self) -> bytes:
        """An injective encoding: each part behind its length."""
        parts = (self.table.encode(), self.row.encode(), self.column.encode(), struct.pack(">q", self.version))
        return b"meshmesh.v1" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


class Sealer:
    """Seals with the current data key and opens with any that is held.

    Args:
        keys: data keys (32 bytes each) by id.
        current: the id to seal with.
    """

    def __init__(self, keys: Mapping[int, bytes], current: int) -> None:
        if current not in keys or any(len(key) != KEY_BYTES for key in keys.values()):
            raise ValueError("every data key has 32 bytes, and the current one is among them")
        self._keys = dict(keys)
        self._current = current
        self._ciphers: dict[tuple[int, str], AESGCM] = {}

    def __repr__(self) -> str:
        return f"Sealer(keys={sorted(self._keys)}, current={self._current})"

    def seal(self, value: bytes, place: Place) -> bytes:
        """The sealed form of a value.

        Args:
            value: what to keep.
            place: where it will stand.
        """
        cipher = self._cipher(self._current, place.table)
        return seal_with(cipher, self._current, os.urandom(NONCE_BYTES), value, place)

    def open(self, sealed: bytes, place: Place) -> bytes:
        """The value behind a sealed form.

        Raises:
            SealBroken: any byte or the place is not as it was sealed.
        """
        if len(sealed) < _SHORTEST:
            raise SealBroken(place.table)
        suite, key_id = _HEAD.unpack_from(sealed)
        if suite != SUITE or key_id not in self._keys:
            raise SealBroken(place.table)
        head, nonce, body = sealed[: _HEAD.size], sealed[_HEAD.size :][:NONCE_BYTES], sealed[_HEAD.size + NONCE_BYTES :]
        try:
            return self._cipher(key_id, place.table).decrypt(nonce, body, head + place.associated_data())
        except InvalidTag:
            raise SealBroken(place.table) from None

    def needs_reseal(self, sealed: bytes) -> bool:
        """Whether a value stands under a key that is no longer the current one."""
        return bool(_HEAD.unpack_from(sealed)[1] != self._current)

    def _cipher(self, key_id: int, table: str) -> AESGCM:
        if (key_id, table) not in self._ciphers:
            self._ciphers[key_id, table] = table_cipher(self._keys[key_id], table)
        return self._ciphers[key_id, table]


class Lookup:
    """Keyed hashes to look sealed names up by, and the key of the row MACs.

    Args:
        key: the look-up key, 32 bytes.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key
        self.digest_key = derive(key, "digest")

    def __repr__(self) -> str:
        return "Lookup()"

    def index(self, purpose: str, text: str) -> bytes:
        """A keyed hash to look a sealed name up by.

        Args:
            purpose: which index; equal texts in two indexes do not look alike.
            text: the name.
        """
        return hmac.digest(derive(self._key, f"index:{purpose}"), text.encode(), "sha256")


@dataclass(frozen=True, slots=True)
class VaultKeys:
    """What an open vault works with."""

    sealer: Sealer
    lookup: Lookup


def seal_with(cipher: AESGCM, key_id: int, nonce: bytes, value: bytes, place: Place) -> bytes:
    """The sealed form under a nonce of the caller's choice.

    A nonce used twice under one key gives both values away: outside of known-answer tests, use `Sealer.seal`.
    """
    head = _HEAD.pack(SUITE, key_id)
    return head + nonce + cipher.encrypt(nonce, value, head + place.associated_data())


def table_cipher(data_key: bytes, table: str) -> AESGCM:
    """The cipher of a table's values under a data key."""
    return AESGCM(derive(data_key, f"seal:{table}"))


def derive(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt: the input is a uniformly random key already."""
    return HKDF(SHA256(), KEY_BYTES, None, b"meshmesh.v1:" + purpose.encode()).derive(key)


def wrap(master_key: bytes, key_id: int, vault_id: bytes, key: bytes) -> bytes:
    """A key of the vault under the master key: nonce, ciphertext and tag."""
    return wrap_with(master_key, key_id, vault_id, os.urandom(NONCE_BYTES), key)


def wrap_with(master_key: bytes, key_id: int, vault_id: bytes, nonce: bytes, key: bytes) -> bytes:
    """`wrap` under a nonce of the caller's choice; the warning of `seal_with` stands."""
    return nonce + AESGCM(derive(master_key, "wrap")).encrypt(nonce, key, _wrap_data(key_id, vault_id))


def unwrap(master_key: bytes, key_id: int, vault_id: bytes, wrapped: bytes) -> bytes:
    """The key of the vault.

    Raises:
        SealBroken: another master key, vault or key id.
    """
    try:
        nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return AESGCM(derive(master_key, "wrap")).decrypt(nonce, body, _wrap_data(key_id, vault_id))
    except (InvalidTag, ValueError):
        raise SealBroken("key") from None


def key_check(master_key: bytes, vault_id: bytes) -> bytes:
    """A value that only the right master key gives, and that tells nothing of it."""
    return hmac.digest(derive(master_key, "check"), vault_id, "sha256")


def _wrap_data(key_id: int, vault_id: bytes) -> bytes:
    return b"meshmesh.v1.key" + struct.pack(">q", key_id) + hashlib.sha256(vault_id).digest()
