"""When a person must be there, and how often a PIN may be tried. Values and tables; no I/O, no clock.

A person is asked for what widens power on an org that is not the demo: a new or wider grant, a longer one, the real token.
What narrows is free. A PIN has five tries; each wrong one after them doubles a wait that starts at half a minute.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from meshmesh_storage.records import Grant, Mode

MIN_PIN, MAX_PIN = 4, 64
FREE_TRIES = 5
FIRST_WAIT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(hours=1)
_WIDTH = {Mode.READ: 0, Mode.PLAN: 1, Mode.BUILD: 2}


@dataclass(frozen=True, slots=True)
class Tries:
    """Wrong tries since the last right one, and the time before which no further one counts."""

    failed: int = 0
    not_before: datetime | None = None

    def wait(self, now: datetime) -> float:
        """Seconds until the next try counts; 0 where it counts now."""
        return max((self.not_before - now).total_seconds(), 0.0) if self.not_before else 0.0

    def after_failure(self, now: datetime) -> "Tries":
        """After a wrong try."""
        failed = self.failed + 1
        if failed < FREE_TRIES:
            return replace(self, failed=failed)
        wait = min(FIRST_WAIT * 2 ** min(failed - FREE_TRIES, 16), LONGEST_WAIT)
        return Tries(failed, now + wait)


def widens(before: Sequence[Grant], after: Sequence[Grant]) -> list[Grant]:
    """The grants that give more than there was.

    Args:
        before: what a client has.
        after: what it is to have.

    Returns:
        Those of `after` that are new, wider, longer or bring the real token.
    """
    had = {grant.connection_id: grant for grant in before}
    return [grant for grant in after if _is_wider(had.get(grant.connection_id), grant)]


def is_within(grant: Grant, *, mode: Mode, raw_token: bool) -> bool:
    """Whether a grant covers a mode, and the real token where that is asked for."""
    return _WIDTH[mode] <= _WIDTH[grant.mode] and (grant.raw_token or not raw_token)


def _is_wider(old: Grant | None, new: Grant) -> bool:
    """Whether there is a moment at which the new grant gives what the old one, or what comes after it, does not."""
    while old is not None and is_within(old, mode=new.mode, raw_token=new.raw_token):
        if old.expires_at is None or (new.expires_at is not None and new.expires_at <= old.expires_at):
            return False
        old = old.then
    return True
