"""What a person is shown of connections that only they can help: changes in, notices out. No I/O, no clock.

Invariants, as GNOME Online Accounts keeps them: a notice is raised on healthy -> `needs_you` or `blocked`, one a
connection and reason; `offline` and `refreshing` are neither, so that the last settled state counts; news replaces a
notice in place; what recovers takes its notice away, whoever mended it. A notice holds no token and no user's name.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_daemon.core.notice import Button, Notice, clipped
from meshmesh_storage.records import Connection, Kind, Status

RECONNECT = "reconnect"
LOOK = "look"
SNOOZE = "snooze"

SNOOZE_SECONDS = 3600.0
ABANDONED_SECONDS = 600.0  # a sign-in that was begun has failed or expired by then: the notice comes back
MANY = 3  # so many at once are one digest

_DIGEST = "digest"
_MAX_NAMES = 5
_MAX_WAITING = 2


@dataclass(frozen=True, slots=True)
class Withdrawal:
    """A notice that is no longer true."""

    key: str


Waiting = Callable[[str], Sequence[str]]


@dataclass(slots=True, eq=False)
class _Bubble:
    """What is told in one notice: one connection, or many that fell together.

    `shown` is what stands on the screen. `hidden_until` is monotonic seconds, infinite where the person closed it;
    `begun_until` is the time by which a sign-in that was begun from here has ended.
    """

    key: str
    members: list[str] = field(default_factory=list[str])
    shown: Notice | None = None
    hidden_until: float = 0.0
    begun_until: float = 0.0
    remark: str | None = None

    def news(self) -> None:
        """Something else is wrong now: what was closed comes back, what was put off stays put off."""
        self.remark = None
        if math.isinf(self.hidden_until):
            self.hidden_until = 0.0


class Board:
    """What the person was told, and what follows from what has changed since.

    Args:
        base: our own address, without a slash at its end.
    """

    def __init__(self, base: str) -> None:
        self._base = base
        self._changed: dict[str, Connection | None] = {}
        self._told: dict[str, Connection] = {}
        self._bubbles: dict[str, _Bubble] = {}

    def see(self, connection_id: str, view: Connection | None) -> bool:
        """Take in how a connection is now; None where it is gone.

        Returns:
            Whether `settle` may have something to tell.
        """
        ill = view is not None and view.status in NEEDS_SOMEBODY
        if not ill and connection_id not in self._told:
            return self._changed.pop(connection_id, None) is not None
        self._changed[connection_id] = view
        return True

    def tells(self, connection_id: str) -> bool:
        """Whether a connection is in some notice."""
        return connection_id in self._told

    def settle(self, now: float, waiting: Waiting) -> list[Notice | Withdrawal]:
        """What to show and to withdraw, after a moment in which changes could fall together.

        Args:
            now: monotonic seconds.
            waiting: gives the names of the programs that wait for a connection.
        """
        fresh: list[str] = []
        for connection_id, view in self._changed.items():
            if view is None or view.status is Status.CONNECTED:
                self._forget(connection_id)
            elif view.status in NEEDS_SOMEBODY:
                self._tell(connection_id, view, fresh)
        self._changed.clear()
        self._group(fresh, now)
        return list(self._steps(now, waiting))

    def _tell(self, connection_id: str, view: Connection, fresh: list[str]) -> None:
        before = self._told.get(connection_id)
        self._told[connection_id] = view
        if before is None:
            fresh.append(connection_id)
        elif before.reason is not view.reason:
            self._bubble_of(connection_id).news()

    def _forget(self, connection_id: str) -> None:
        if self._told.pop(connection_id, None) is not None:
            self._bubble_of(connection_id).members.remove(connection_id)

    def _bubble_of(self, connection_id: str) -> _Bubble:
        return next(bubble for bubble in self._bubbles.values() if connection_id in bubble.members)

    def _group(self, fresh: Sequence[str], now: float) -> None:
        digest = self._bubbles.get(_DIGEST)
        stands = digest is not None and bool(digest.members) and now >= digest.hidden_until
        if len(fresh) >= MANY or (fresh and stands):
            digest = self._bubbles.setdefault(_DIGEST, _Bubble(_DIGEST))
            digest.members += fresh
            digest.hidden_until = 0.0
            return
        for connection_id in fresh:
            key = f"connection:{connection_id}"
            self._bubbles[key] = _Bubble(key, [connection_id])

    def _steps(self, now: float, waiting: Waiting) -> Iterator[Notice | Withdrawal]:
        for bubble in tuple(self._bubbles.values()):
            wanted = self._notice(bubble, waiting) if bubble.members and now >= bubble.hidden_until else None
            if not bubble.members:
                del self._bubbles[bubble.key]
            if wanted is not None and wanted != bubble.shown:
                yield wanted
            elif wanted is None and bubble.shown is not None:
                yield Withdrawal(bubble.key)
            bubble.shown = wanted

    def subject(self, key: str) -> Connection | None:
        """The one connection that a notice is about; None for a digest, or where there is no such notice."""
        bubble = self._bubbles.get(key)
        return self._told[bubble.members[0]] if bubble and len(bubble.members) == 1 else None

    def link(self, key: str) -> str | None:
        """Where a notice leads; None where there is no such notice."""
        bubble = self._bubbles.get(key)
        return self._link(bubble) if bubble and bubble.members else None

    def press(self, key: str, button: str, now: float) -> None:
        """The person pressed its main button; what was remarked of an earlier press is over."""
        bubble = self._bubbles.get(key)
        if bubble is not None:
            bubble.begun_until = now + ABANDONED_SECONDS if button == RECONNECT else 0.0
            bubble.remark = None

    def remark(self, key: str, sentence: str) -> None:
        """What the person wanted did not work: say it in the notice, which comes back for that."""
        bubble = self._bubbles.get(key)
        if bubble is not None:
            bubble.begun_until = bubble.hidden_until = 0.0
            bubble.remark = sentence

    def hide(self, key: str, now: float) -> None:
        """The notice has left the screen: closed by the person, or by the service after a button was pressed.

        It stays away until there is news. After Reconnect it comes back if nothing has recovered by then.
        """
        bubble = self._bubbles.get(key)
        if bubble is None:
            return
        unsaid = bubble.remark is not None and bubble.shown is not None and bubble.remark not in bubble.shown.lines
        bubble.shown = None
        if not unsaid:
            bubble.hidden_until = bubble.begun_until if now < bubble.begun_until else math.inf

    def snooze(self, key: str, now: float) -> None:
        """The person wants to hear of it later."""
        if key in self._bubbles:
            self._bubbles[key].hidden_until = now + SNOOZE_SECONDS

    def _link(self, bubble: _Bubble) -> str:
        return f"{self._base}/r/{bubble.members[0]}" if len(bubble.members) == 1 else f"{self._base}/"

    def _notice(self, bubble: _Bubble, waiting: Waiting) -> Notice:
        members = [self._told[member] for member in bubble.members]
        clients = dict.fromkeys(name for member in bubble.members for name in waiting(member))
        words = _of_one(members[0]) if len(members) == 1 else _of_many(members)
        said = (words.line, _waiting(list(clients)), bubble.remark)
        return Notice(
            key=bubble.key,
            title=words.title,
            lines=tuple(line for line in said if line),
            buttons=(words.button, Button(SNOOZE, "In an hour")),
            click=words.button.key,
            link=self._link(bubble),
            command=words.command,
        )


@dataclass(frozen=True, slots=True)
class _Words:
    title: str
    line: str
    button: Button
    command: str


def _of_one(connection: Connection) -> _Words:
    name, org = _named(connection), clipped(connection.org_name)
    line = f"{org}: {connection.detail}" if connection.detail else org
    if connection.status is Status.NEEDS_YOU:
        button = Button(RECONNECT, "Reconnect")
        return _Words(f"{name}: please sign in again", line, button, f"meshmesh reconnect {connection.name}")
    return _Words(f"{name} is blocked", line, Button(LOOK, "What to do"), f"meshmesh test {connection.name}")


def _of_many(members: Sequence[Connection]) -> _Words:
    names = [_named(connection) for connection in members]
    more = len(names) - _MAX_NAMES
    listed = ", ".join(names[:_MAX_NAMES]) + (f" and {more} more" if more > 0 else "")
    return _Words(f"{len(members)} connections need you", f"{listed}.", Button(LOOK, "Show"), "meshmesh status")


def _named(connection: Connection) -> str:
    return f"{connection.name} (PRODUCTION)" if connection.kind is Kind.PRODUCTION else connection.name


def _waiting(clients: Sequence[str]) -> str | None:
    names = [clipped(name) for name in clients]
    more = len(names) - _MAX_WAITING
    if not names:
        return None
    if len(names) == 1:
        return f"{names[0]} is waiting."
    if more > 0:
        return f"{', '.join(names[:_MAX_WAITING])} and {more} more are waiting."
    return f"{' and '.join(names)} are waiting."
