"""The envelope around every sensitive value: seal and open, bound to the place where the value stands.

Format of a sealed value (`FORMAT.md` has the vectors): one byte suite (1 = AES-256-GCM under an HKDF-SHA256 subkey of
the table), four bytes key id, twelve bytes random nonce, ciphertext and tag. The associated data names table, row id,
column and row version, so that a value opens in its own place only.
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
        parts = (self.table.encode(), self.row.encode(), self.column.encode(), struct.pack(">Q", self.version))
        return b"meshmesh.v1" + b"".join(struct.pack(">I", len(part)) + part for part in parts)


class Sealer:
    """Seals with the current key and opens with any that is held.

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
        nonce = os.urandom(NONCE_BYTES)
        head = _HEAD.pack(SUITE, self._current)
        cipher = self._cipher(self._current, place.table)
        return head + nonce + cipher.encrypt(nonce, value, head + place.associated_data())

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
        head, nonce = sealed[: _HEAD.size], sealed[_HEAD.size : _HEAD.size + NONCE_BYTES]
        try:
            return self._cipher(key_id, place.table).decrypt(
                nonce, sealed[_HEAD.size + NONCE_BYTES :], head + place.associated_data()
            )
        except InvalidTag:
            raise SealBroken(place.table) from None

    def needs_reseal(self, sealed: bytes) -> bool:
        """Whether a value stands under a key that is no longer the current one."""
        return bool(_HEAD.unpack_from(sealed)[1] != self._current)

    def index(self, purpose: str, text: str) -> bytes:
        """A keyed hash to look a sealed name up by.

        Args:
            purpose: which index; equal texts in two indexes do not look alike.
            text: the name.
        """
        return hmac.digest(self.derive(f"index:{purpose}"), text.encode(), "sha256")

    def derive(self, purpose: str) -> bytes:
        """A 32-byte key for another purpose, out of the current data key."""
        return derive(self._keys[self._current], purpose)

    def _cipher(self, key_id: int, table: str) -> AESGCM:
        if (key_id, table) not in self._ciphers:
            self._ciphers[key_id, table] = AESGCM(derive(self._keys[key_id], f"seal:{table}"))
        return self._ciphers[key_id, table]


def derive(key: bytes, purpose: str) -> bytes:
    """HKDF-SHA256 (RFC 5869) without salt: the input is a uniformly random key already."""
    return HKDF(SHA256(), KEY_BYTES, None, b"meshmesh.v1:" + purpose.encode()).derive(key)


def wrap(master_key: bytes, key_id: int, vault_id: bytes, data_key: bytes) -> bytes:
    """A data key under the master key: nonce, ciphertext and tag."""
    nonce = os.urandom(NONCE_BYTES)
    return nonce + AESGCM(derive(master_key, "wrap")).encrypt(nonce, data_key, _wrap_data(key_id, vault_id))


def unwrap(master_key: bytes, key_id: int, vault_id: bytes, wrapped: bytes) -> bytes:
    """The data key.

    Raises:
        SealBroken: another master key, vault or key id.
    """
    try:
        nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return AESGCM(derive(master_key, "wrap")).decrypt(nonce, body, _wrap_data(key_id, vault_id))
    except (InvalidTag, ValueError):
        raise SealBroken("data key") from None


def key_check(master_key: bytes, vault_id: bytes) -> bytes:
    """A value that only the right master key gives, and that tells nothing of it."""
    return hmac.digest(derive(master_key, "check"), vault_id, "sha256")


def _wrap_data(key_id: int, vault_id: bytes) -> bytes:
    return b"meshmesh.v1.key" + struct.pack(">I", key_id) + hashlib.sha256(vault_id).digest()
