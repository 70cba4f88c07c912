"""Programs that the owner has denied for good: they are turned away before anybody is asked.

It protects the person's patience, not the vault: a program that gives another name is asked about again, unless it is an
extension, which cannot choose its origin.
"""

import secrets
from dataclasses import dataclass, field

from meshmesh_daemon.core.activity import OWNER, Deed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import not_found
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_storage import refusals
from meshmesh_storage.records import Refusal
from meshmesh_storage.vault import Vault


@dataclass(slots=True)
class Refusals:
    """The refusals that are kept.

    Args:
        vault: where they are.
        activity: is told of each one that is kept or lifted.
        clock: the time.
    """

    vault: Vault
    activity: Activity
    clock: Clock
    _kept: dict[str, Refusal] = field(default_factory=dict[str, Refusal])

    async def load(self) -> None:
        """Read what the vault holds."""
        async with self.vault.transaction() as tx:
            self._kept = {refusal.id: refusal for refusal in await refusals.load_all(tx)}

    def all(self) -> list[Refusal]:
        """Every refusal, the oldest first."""
        return sorted(self._kept.values(), key=lambda refusal: refusal.created_at)

    def forbids(self, *, name: str, exe: str | None, origin: str | None) -> bool:
        """Whether a program that asks was refused for good."""
        return self._found(name=name, exe=exe, origin=origin) is not None

    async def keep(self, *, name: str, exe: str | None, origin: str | None) -> Refusal:
        """Refuse a program from now on; on disk when this returns.

        Args:
            name: what it calls itself.
            exe: its executable, where it was seen.
            origin: of the browser extension that it is, or None.
        """
        found = self._found(name=name, exe=exe, origin=origin)
        if found is not None:
            return found
        refusal = Refusal(id=secrets.token_hex(4), name=name, exe=exe, origin=origin, created_at=self.clock.now())
        async with self.vault.transaction() as tx:
            await refusals.put(tx, refusal)
        self._kept[refusal.id] = refusal
        detail = f"{name} ({_seen(refusal)}) is not asked about again."
        self.activity.note(OWNER, Deed.REFUSAL_KEPT, detail=detail)
        return refusal

    async def lift(self, refusal_id: str) -> None:
        """Let a program ask again.

        Raises:
            Problem: 404.
        """
        refusal = self._kept.get(refusal_id)
        if refusal is None:
            raise not_found("refusal", refusal_id)
        async with self.vault.transaction() as tx:
            await refusals.delete(tx, refusal_id)
        self._kept.pop(refusal_id, None)
        self.activity.note(OWNER, Deed.REFUSAL_LIFTED, detail=f"{refusal.name} ({_seen(refusal)}) may ask again.")

    def _found(self, *, name: str, exe: str | None, origin: str | None) -> Refusal | None:
        for refusal in self._kept.values():
            if origin is not None or refusal.origin is not None:
                same = refusal.origin == origin
            else:
                same = (refusal.exe, refusal.name.casefold()) == (exe, name.casefold())
            if same:
                return refusal
        return None


def _seen(refusal: Refusal) -> str:
    return refusal.origin or refusal.exe or "not seen"
