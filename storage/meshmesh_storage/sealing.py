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
from collections.abc import Callable, Mapping
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
_length = struct.Struct(">I").pack
_version = struct.Struct(">Iq").pack
HEAD_BYTES = _HEAD.size
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
        table, row, column = self.table.encode(), self.row.encode(), self.column.encode()
        ends = _length(len(table)), _length(len(row)), _length(len(column)), _version(8, self.version)
        return b"".join((b"meshmesh.v1", ends[0], table, ends[1], row, ends[2], column, ends[3]))


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
        """Whether a value, of which the head is enough, stands under a key that is no longer the current one."""
        return bool(_HEAD.unpack_from(sealed)[1] != self._current)

    @property
    def current(self) -> int:
        """The id of the key that values are sealed with."""
        return self._current

    @property
    def ids(self) -> frozenset[int]:
        """The ids of all keys that are held."""
        return frozenset(self._keys)

    def adopt(self, key_id: int, key: bytes) -> None:
        """Seal with a newer key from now on; what stands under the older ones still opens."""
        if key_id <= self._current or len(key) != KEY_BYTES:
            raise ValueError("a newer data key has 32 bytes and a higher id")
        self._keys[key_id] = key
        self._current = key_id

    def keep_only_current(self) -> None:
        """Forget the older keys: nothing stands under them any more."""
        self._keys = {self._current: self._keys[self._current]}
        self._ciphers.clear()

    def forget(self) -> None:
        """Forget every key; nothing is sealed or opened after this."""
        self._keys.clear()
        self._ciphers.clear()

    def wrapped(self, wrap_one: Callable[[int, bytes], bytes]) -> dict[int, bytes]:
        """Every data key, wrapped.

        Args:
            wrap_one: wraps the key of an id.
        """
        return {key_id: wrap_one(key_id, key) for key_id, key in self._keys.items()}

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
        self._index_keys: dict[str, bytes] = {}
        self.digest_key = derive(key, "digest")

    def __repr__(self) -> str:
        return "Lookup()"

    def index(self, purpose: str, text: str) -> bytes:
        """A keyed hash to look a sealed name up by.

        Args:
            purpose: which index; equal texts in two indexes do not look alike.
            text: the name.
        """
        if purpose not in self._index_keys:
            self._index_keys[purpose] = derive(self._key, f"index:{purpose}")
        return hmac.digest(self._index_keys[purpose], text.encode(), "sha256")

    def wrapped(self, wrap_one: Callable[[int, bytes], bytes]) -> dict[int, bytes]:
        """The look-up key, wrapped; see `Sealer.wrapped`."""
        return {LOOKUP_KEY: wrap_one(LOOKUP_KEY, self._key)}

    def forget(self) -> None:
        """Forget the key; nothing is looked up after this."""
        self._key = self.digest_key = b""
        self._index_keys.clear()


class Wrapper:
    """Wraps keys of one vault under a master key, without holding the master key itself.

    Args:
        master_key: 32 bytes.
        vault_id: the vault's.
    """

    def __init__(self, master_key: bytes, vault_id: bytes) -> None:
        self._cipher = AESGCM(derive(master_key, "wrap"))
        self.vault_id = vault_id
        self.check = key_check(master_key, vault_id)

    def __repr__(self) -> str:
        return "Wrapper()"

    def fits(self, master_key: bytes) -> bool:
        """Whether this is the master key."""
        return hmac.compare_digest(key_check(master_key, self.vault_id), self.check)

    def wrap(self, key_id: int, key: bytes) -> bytes:
        """A key of the vault: nonce, ciphertext and tag."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, key, _wrap_data(key_id, self.vault_id))


@dataclass(slots=True)
class VaultKeys:
    """What an open vault works with; `wrapper` is another one when the master key is another."""

    sealer: Sealer
    lookup: Lookup
    wrapper: Wrapper

    def wrapped(self, wrapper: Wrapper) -> dict[int, bytes]:
        """All keys of the vault, wrapped under a master key."""
        return self.lookup.wrapped(wrapper.wrap) | self.sealer.wrapped(wrapper.wrap)

    @property
    def are_forgotten(self) -> bool:
        """Whether the vault was closed."""
        return not self.sealer.ids

    def forget(self) -> None:
        """Forget every key, as far as Python lets go of memory."""
        self.sealer.forget()
        self.lookup.forget()


def random_key() -> bytes:
    """A new key."""
    return os.urandom(KEY_BYTES)


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
    return _unwrap(master_key, wrapped, _wrap_data(key_id, vault_id))


def unwrap_first(master_key: bytes, key_id: int, vault_id: bytes, wrapped: bytes) -> bytes:
    """The key of a vault of the first layout, whose ids had 4 bytes.

    Raises:
        SealBroken: as `unwrap`.
    """
    return _unwrap(master_key, wrapped, _wrap_data(key_id, vault_id, ">I"))


def _unwrap(master_key: bytes, wrapped: bytes, bound_to: bytes) -> bytes:
    try:
        nonce, body = wrapped[:NONCE_BYTES], wrapped[NONCE_BYTES:]
        return AESGCM(derive(master_key, "wrap")).decrypt(nonce, body, bound_to)
    except (InvalidTag, ValueError):
        raise SealBroken("key") from None


def key_check(master_key: bytes, vault_id: bytes) -> bytes:
    """A value that only the right master key gives, and that tells nothing of it."""
    return hmac.digest(derive(master_key, "check"), vault_id, "sha256")


def _wrap_data(key_id: int, vault_id: bytes, form: str = ">q") -> bytes:
    return b"meshmesh.v1.key" + struct.pack(form, key_id) + hashlib.sha256(vault_id).digest()
