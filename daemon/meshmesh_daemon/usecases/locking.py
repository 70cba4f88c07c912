"""What opens a vault that was locked: a person's passphrase, or a person beside the key that is stored.

The PIN's hash lies in the vault itself, so a PIN is proven after the stored key has opened the vault and before anything of
it is used; a wrong one closes it again, and is counted in there as always. What is remembered here lives in memory: a
restart opens a vault with a stored key by itself, as at login.
"""

from dataclasses import dataclass

from meshmesh_daemon.adapters.key_sources import PASSPHRASE
from meshmesh_daemon.adapters.notifications import Notifications
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.presence import Tries
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_daemon.usecases.presence import Consent, Presence


@dataclass(frozen=True, slots=True)
class _OutOfReach:
    """The PIN of a locked vault: whether there is one is known, and nothing more."""

    is_set: bool

    async def check(self, pin: str) -> None:
        """Impossible: `Gate.demand` says so beforehand."""
        raise NotImplementedError(len(pin))


class Gate:
    """Judges who may open the vault.

    Args:
        clock: the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._tries = Tries()
        self._pin_is_set = False
        self.needs_person = False

    def remember(self, *, source: str, serious: bool, pin_is_set: bool, has_buttons: bool) -> None:
        """The vault is about to be locked.

        Args:
            source: where its key is kept.
            serious: whether there is more in it than the demo org.
            pin_is_set: whether there is an approval PIN.
            has_buttons: whether a person could press a button.

        Raises:
            Problem: 403, nothing could open it again.
        """
        needs_person = serious and source != PASSPHRASE
        if needs_person and not (pin_is_set or has_buttons):
            raise Problem(
                403,
                "presence_required",
                "Nothing could unlock the vault again: that needs a person, and no approval PIN is set yet.",
                next_step=Next("Set an approval PIN, then lock", "meshmesh pin"),
                members={"ways": []},
            )
        self.needs_person, self._pin_is_set = needs_person, pin_is_set

    def forget(self) -> None:
        """There is another vault now."""
        self.needs_person = False

    async def demand(self, screen: Notifications, consent: Consent) -> bool:
        """A person must be there where the vault was locked by one.

        Args:
            screen: where a button can be pressed.
            consent: what the request brought.

        Returns:
            Whether the PIN is still to be proven, once the vault is open.

        Raises:
            Problem: 403 `presence_required` with `ways`.
        """
        if not self.needs_person:
            return False
        if consent.pin is not None:
            return True
        presence = Presence(pins=_OutOfReach(self._pin_is_set), screen=screen, desks=Desks(), clock=self._clock)
        await presence.demand("Unlock MeshMesh?", ["Programs may use your Salesforce orgs again."], consent)
        return False

    # --- The passphrase: it is presence itself -----------------------------------------------------------------------

    def passphrase_required(self) -> Problem:
        """The refusal where none was sent."""
        return Problem(
            403,
            "presence_required",
            "The vault opens with its passphrase.",
            next_step=Next("Type it", "meshmesh unlock"),
            members={"ways": ["passphrase"]},
        )

    def begin_try(self) -> None:
        """A passphrase is about to be tried; until `end_tries` it counts as a wrong one.

        Raises:
            Problem: 429 while tries do not count.
        """
        wait = self._tries.wait(self._clock.now())
        if wait:
            raise Problem(429, "rate_limited", "Too many wrong passphrases.", retry_after=int(wait) + 1)
        self._tries = self._tries.after_failure(self._clock.now())

    def end_tries(self) -> None:
        """It was right."""
        self._tries = Tries()
