"""The master key from a passphrase: Argon2id (RFC 9106), with its parameters beside the vault.

Nothing is kept that opens the vault: who knows the passphrase and has the files has all of it.
"""

import asyncio
import base64
import os
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, field

from meshmesh_storage.errors import KeyUnavailable
from meshmesh_storage.keys import KEY_BYTES

SALT_BYTES = 16
MIN_PASSPHRASE, MAX_PASSPHRASE = 8, 1024
_MOST_MEMORY_KIB, _MOST_ITERATIONS, _MOST_LANES = (
    1024 * 1024,
    32,
    16,
)  # what is read from a file costs no more than this


@dataclass(frozen=True, slots=True)
class Cost:
    """What one try costs: KiB of memory, passes over it, lanes."""

    memory_kib: int
    iterations: int
    lanes: int

    @property
    def bearable(self) -> bool:
        """Whether a file that asks for it is taken; a hostile one could ask for all the memory that there is."""
        return (
            1 <= self.lanes <= _MOST_LANES
            and 8 * self.lanes <= self.memory_kib <= _MOST_MEMORY_KIB
            and 1 <= self.iterations <= _MOST_ITERATIONS
        )


STRONG = Cost(memory_kib=256 * 1024, iterations=3, lanes=4)  # half a second


def derive_key(passphrase: str, salt: bytes, cost: Cost) -> bytes:
    """32 bytes from a passphrase; slow on purpose, so never on the loop.

    Args:
        passphrase: as it was typed; what looks the same is the same (Unicode NFC).
        salt: 16 random bytes.
        cost: of a try.
    """
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # late: only who has a passphrase pays for it

    kdf = Argon2id(
        salt=salt, length=KEY_BYTES, iterations=cost.iterations, lanes=cost.lanes, memory_cost=cost.memory_kib
    )
    return kdf.derive(unicodedata.normalize("NFC", passphrase).encode())


@dataclass(slots=True)
class PassphraseKey:
    """A passphrase that was typed, as a source.

    Args:
        passphrase: what was typed.
        note: what the vault remembers: kind, salt and cost. None for a vault that is to get this passphrase.
        cost: of a try, where the passphrase is new.
    """

    passphrase: str = field(repr=False)
    note: Mapping[str, object] = field(default_factory=lambda: {"kind": "passphrase"})
    cost: Cost = STRONG

    @property
    def kind(self) -> str:
        """The source's word."""
        return "passphrase"

    async def load(self) -> bytes | None:
        """The key that the passphrase gives; whether it is the vault's, its key check tells.

        Raises:
            KeyUnavailable: what the vault remembers is damaged.
        """
        if "salt" not in self.note:
            return None
        salt, cost = _read(self.note)
        return await asyncio.to_thread(derive_key, self.passphrase, salt, cost)

    async def create(self) -> bytes:
        """A key under a new salt."""
        salt = os.urandom(SALT_BYTES)
        self.note = {
            "kind": self.kind,
            "salt": base64.b64encode(salt).decode(),
            "memory_kib": self.cost.memory_kib,
            "iterations": self.cost.iterations,
            "lanes": self.cost.lanes,
        }
        return await asyncio.to_thread(derive_key, self.passphrase, salt, self.cost)

    async def forget(self) -> None:
        """There is nothing to take away."""


def _read(note: Mapping[str, object]) -> tuple[bytes, Cost]:
    salt, *numbers = (note.get(name) for name in ("salt", "memory_kib", "iterations", "lanes"))
    if isinstance(salt, str) and all(type(number) is int for number in numbers):
        memory_kib, iterations, lanes = (number for number in numbers if isinstance(number, int))
        cost = Cost(memory_kib, iterations, lanes)
        if cost.bearable and len(salt) <= MAX_PASSPHRASE:
            return base64.b64decode(salt), cost
    raise KeyUnavailable(
        "What the vault remembers of its passphrase was changed, or is damaged.",
        "Restore a backup: meshmeshd --restore FILE",
    )
