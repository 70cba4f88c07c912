"""A screen and a browser in memory, and the person in front of them."""

from dataclasses import dataclass, field

from meshmesh_daemon.adapters.notifications import Dismissed, Heard, Pressed
from meshmesh_daemon.core.notice import Notice
from support.clock import settle


@dataclass
class Screen:
    """Notifications in memory; `told` is every show and withdrawal in order."""

    has_buttons: bool = True
    open: dict[str, Notice] = field(default_factory=dict[str, Notice])
    told: list[str] = field(default_factory=list[str])
    heard: Heard | None = None
    last: str = ""

    def show(self, notice: Notice, heard: Heard) -> None:
        """As `Notifications.show`."""
        self.open[notice.key] = notice
        self.told.append(notice.title)
        self.heard, self.last = heard, notice.key

    def withdraw(self, key: str) -> None:
        """As `Notifications.withdraw`."""
        del self.open[key]
        self.told.append(f"- {key}")

    async def press(self, button: str, key: str = "", *, closes: bool = False) -> None:
        """The person presses a button, of the last bubble if no other is named; some services close it with that."""
        assert self.heard is not None
        self.heard(Pressed(key or self.last, button))
        if closes:
            await self.close(key)
        await settle()

    async def close(self, key: str = "") -> None:
        """The person closes a bubble."""
        assert self.heard is not None
        key = key or self.last
        del self.open[key]
        self.heard(Dismissed(key))
        await settle()


@dataclass
class FakeBrowser:
    """Remembers what it was given."""

    there: bool = True
    opened: list[str] = field(default_factory=list[str])

    async def open(self, address: str) -> bool:
        """As `Browser.open`."""
        self.opened.append(address)
        return self.there
