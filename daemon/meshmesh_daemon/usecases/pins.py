"""The approval PIN: kept as an Argon2id hash, its wrong tries counted on disk, so that a restart gives no new ones."""

import asyncio
import hmac
import secrets
from dataclasses import dataclass, field, replace

from meshmesh_daemon.core.activity import OWNER, SERVICE, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.presence import MAX_PIN, MIN_PIN, Tries
from meshmesh_daemon.core.problems import Next, Problem, bad_field
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_storage import pins
from meshmesh_storage.records import PinRecord
from meshmesh_storage.vault import Vault

MEMORY_KIB = 64 * 1024  # RFC 9106, section 4, second recommended option: 0.1 s here, and once an approval
ITERATIONS = 3
LANES = 4
SALT_BYTES = 16
HASH_BYTES = 32


@dataclass(slots=True)
class Pins:
    """The one PIN of a house.

    Args:
        vault: where its hash is kept.
        activity: is told when it is set, and when it is locked.
        clock: the time.
    """

    vault: Vault
    activity: Activity
    clock: Clock
    _record: PinRecord | None = None
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def load(self) -> None:
        """Read what the vault holds."""
        async with self.vault.transaction() as tx:
            self._record = await pins.load(tx)

    @property
    def is_set(self) -> bool:
        """Whether there is a PIN."""
        return self._record is not None

    async def put(self, pin: str, current: str | None) -> None:
        """Set the PIN, or change it.

        Args:
            pin: the new one, 4 to 64 characters.
            current: the one that is set, where one is.

        Raises:
            Problem: 422 for a PIN that cannot be one, 403 or 429 where `current` is missing or wrong.
        """
        if not MIN_PIN <= len(pin) <= MAX_PIN:
            raise bad_field("pin", f"must have {MIN_PIN} to {MAX_PIN} characters.")
        action, detail = Deed.PIN_SET, "The approval PIN was set."
        if self.is_set:
            action, detail = Deed.PIN_CHANGED, "The approval PIN was changed."
            if current is None:
                raise bad_field("current", "is required: a PIN is set already.")
            await self.check(current)
        salt = secrets.token_bytes(SALT_BYTES)
        empty = PinRecord(salt=salt, memory_kib=MEMORY_KIB, iterations=ITERATIONS, lanes=LANES, digest=b"")
        hashed = replace(empty, digest=await asyncio.to_thread(_digest, empty, pin))
        await self.activity.record(OWNER, action, detail=detail)
        await self._store(hashed)

    async def check(self, pin: str) -> None:
        """Hold a PIN against the one that is set; one at a time, so that tries are counted one by one.

        Raises:
            Problem: 403 `presence_required` for a wrong one, 429 while tries do not count.
        """
        async with self._turn:
            record = self._record
            if record is None:
                raise Problem(
                    403,
                    "presence_required",
                    "No approval PIN is set yet.",
                    next_step=Next("Set one", "meshmesh pin"),
                    members={"ways": ["pin"]},
                )
            tries = Tries(record.failed, record.not_before)
            wait = tries.wait(self.clock.now())
            if wait:
                raise Problem(429, "rate_limited", "Too many wrong PINs.", retry_after=int(wait) + 1)
            # counted before it is looked at: a crash in between is a wrong try, not a free one
            after = tries.after_failure(self.clock.now())
            await self._store(replace(record, failed=after.failed, not_before=after.not_before))
            if not hmac.compare_digest(await asyncio.to_thread(_digest, record, pin), record.digest):
                self._tell_locked(after)
                raise Problem(
                    403,
                    "presence_required",
                    "That is not the approval PIN.",
                    next_step=Next("Try again"),
                    members={"ways": ["pin"]},
                )
            await self._store(replace(record, failed=0, not_before=None))

    def _tell_locked(self, tries: Tries) -> None:
        wait = tries.wait(self.clock.now())
        if wait:
            detail = f"{tries.failed} wrong PINs: none counts for {round(wait)} s."
            self.activity.note(SERVICE, Deed.PIN_LOCKED, detail=detail)

    async def _store(self, record: PinRecord) -> None:
        async with self.vault.transaction() as tx:
            await pins.put(tx, record)
        self._record = record


def _digest(record: PinRecord, pin: str) -> bytes:
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # late: only who approves pays for it

    kdf = Argon2id(
        salt=record.salt,
        length=HASH_BYTES,
        iterations=record.iterations,
        lanes=record.lanes,
        memory_cost=record.memory_kib,
    )
    return kdf.derive(pin.encode())
