"""A person at the screen, or nobody."""

from dataclasses import dataclass, field

from meshmesh_daemon.adapters.notifications import Dismissed, Heard, Pressed
from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.pins import Pins
from meshmesh_daemon.usecases.presence import Consent, Presence
from support.floor import Floor

GIVEN = Consent(given=True)


@dataclass
class FakeScreen:
    """A screen whose person presses what the test says; `presses` None leaves every notice alone."""

    has_buttons: bool = False
    presses: str | None = None
    shown: list[Notice] = field(default_factory=list[Notice])
    withdrawn: list[str] = field(default_factory=list[str])
    listening: list[tuple[Notice, Heard]] = field(default_factory=list[tuple[Notice, Heard]])

    def show(self, notice: Notice, heard: Heard) -> None:
        """As `Notifications.show`."""
        self.shown.append(notice)
        self.listening.append((notice, heard))
        if self.presses == "close":
            heard(Dismissed(notice.key))
        elif self.presses is not None:
            heard(Pressed(notice.key, self.presses))

    def answer(self, button: str) -> None:
        """The person presses a button of the last notice, later than it was shown."""
        notice, heard = self.listening[-1]
        heard(Pressed(notice.key, button))

    def withdraw(self, key: str) -> None:
        """As `Notifications.withdraw`."""
        self.withdrawn.append(key)


def access_of(floor: Floor, processes: Processes) -> Access:
    """The clients of a floor's vault."""
    return Access(
        desks=floor.desks,
        vault=floor.vault,
        processes=processes,
        presence=presence(floor),
        activity=floor.activity,
        clock=floor.clock,
    )


def presence(floor: Floor, screen: FakeScreen | None = None, pins: Pins | None = None) -> Presence:
    """Asks for a person on a floor."""
    return Presence(
        pins=pins or Pins(vault=floor.vault, activity=floor.activity, clock=floor.clock),
        screen=screen or FakeScreen(),
        desks=floor.desks,
        clock=floor.clock,
    )
