"""What a person is shown of programs that ask for something: to be paired, or for a connection. No I/O, no clock.

Invariants: a notice tells what a program says apart from what was seen of it, and leads to where it can be looked at; it
denies and never approves. Where many ask at once they are one notice, whose words stay the same however many come.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from meshmesh_daemon.core.notice import Button, Notice, clipped
from meshmesh_daemon.core.notices import Withdrawal

REVIEW = "review"
DENY = "deny"
MANY = 3  # so many at once are one notice
FLOOD = "knocks"

_REVIEW = Button(REVIEW, "Review")
_DENY = Button(DENY, "Deny")
_COMMAND = "meshmesh requests"
_PAIR, _REQUESTS = "/pair", "/requests"  # where the dashboard shows them


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """One open request, in words. `key` names it, `page` is where it is decided; `lines` hold what others chose to say."""

    key: str
    title: str
    lines: tuple[str, ...]
    page: str


def of_program(key: str, *, name: str, seen: Sequence[str], wants: Sequence[str]) -> Knock:
    """A program that asks to be paired.

    Args:
        key: names the request.
        name: what it calls itself.
        seen: what was seen of it, the most telling first.
        wants: what it asks for, a text each.
    """
    told = [f"It says: {clipped(name)}", f"We see: {', '.join(clipped(one) for one in seen) or 'nothing of it'}"]
    if wants:
        told.append(f"It asks for: {clipped(', '.join(wants))}")
    return Knock(key=key, title="A program wants to use MeshMesh", lines=tuple(told), page=_PAIR)


def of_wish(key: str, *, client: str, mode: str, raw_token: bool, purpose: str) -> Knock:
    """A paired program that asks for a connection."""
    what = f"{mode}, and the access token itself" if raw_token else mode
    lines = (f"Mode: {what}", f'It says: "{clipped(purpose)}"')
    return Knock(key=key, title=f"{clipped(client)} asks for a connection", lines=lines, page=_REQUESTS)


@dataclass(slots=True)
class Knocks:
    """What is on the screen of those who ask, and what follows from who asks now.

    Args:
        base: our own address, without a slash at its end.
    """

    base: str
    _shown: dict[str, Notice] = field(default_factory=dict[str, Notice])
    _hidden: set[str] = field(default_factory=set[str])
    _flooded: bool = False

    def settle(self, waiting: Iterable[Knock]) -> list[Notice | Withdrawal]:
        """What to show and to withdraw.

        Args:
            waiting: every request that is open.
        """
        knocks = {knock.key: knock for knock in waiting}
        self._hidden &= knocks.keys() | {FLOOD}
        open_ones = [knock for key, knock in knocks.items() if key not in self._hidden]
        self._flooded = bool(knocks) and (self._flooded or len(open_ones) >= MANY)
        if not self._flooded:
            self._hidden.discard(FLOOD)
        wanted = self._wanted(open_ones)
        steps: list[Notice | Withdrawal] = [Withdrawal(key) for key in self._shown if key not in wanted]
        steps += [notice for key, notice in wanted.items() if self._shown.get(key) != notice]
        self._shown = wanted
        return steps

    def hide(self, key: str) -> None:
        """A notice has left the screen: what it told is not told again."""
        self._hidden.add(key)
        self._shown.pop(key, None)

    def link(self, key: str) -> str | None:
        """Where a notice leads; None where it is not shown."""
        notice = self._shown.get(key)
        return notice.link if notice else None

    def _wanted(self, knocks: Sequence[Knock]) -> dict[str, Notice]:
        if self._flooded:
            return {} if FLOOD in self._hidden else {FLOOD: self._flood()}
        return {knock.key: self._one(knock) for knock in knocks}

    def _one(self, knock: Knock) -> Notice:
        return Notice(
            key=knock.key,
            title=knock.title,
            lines=knock.lines,
            buttons=(_REVIEW, _DENY),
            click=REVIEW,
            link=self.base + knock.page,
            command=_COMMAND,
        )

    def _flood(self) -> Notice:
        return Notice(
            key=FLOOD,
            title="Several programs ask for something",
            lines=("Nothing happens until you decide.",),
            buttons=(_REVIEW,),
            click=REVIEW,
            link=self.base + _REQUESTS,
            command=_COMMAND,
        )
