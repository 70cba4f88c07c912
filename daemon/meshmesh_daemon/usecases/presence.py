"""Presence: proof that a person is there, before power is widened on an org that is not the demo.

Two ways: the approval PIN, sent with the request, or the Approve button of our OS notification, for which the request
waits. The button is believed only from the service that drew it (see the adapter). Programs of the same user can imitate
both; SECURITY.md says so.
"""

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.notice import Button, Notice, clipped
from meshmesh_daemon.core.presence import widens
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.desks import Desks
from meshmesh_storage.records import Connection, Grant, Kind

APPROVE = "approve"
DENY = "deny"
_STEPS = {"pin": "type the approval PIN", "notification": "press Approve in the notification"}


@dataclass(frozen=True, slots=True)
class Consent:
    """What a request brings to prove that a person is there.

    `pin` is the approval PIN as it was typed; `wait` is how long the request waits for the button (seconds); `given` says
    that a person was asked for the same thing already.
    """

    pin: str | None = field(default=None, repr=False)
    wait: float = 0.0
    given: bool = False


class PinCheck(Protocol):
    """Knows the approval PIN."""

    @property
    def is_set(self) -> bool:
        """Whether there is one."""
        ...

    async def check(self, pin: str) -> None:
        """Hold a PIN against it; see `Pins`."""
        ...


class Presence:
    """Asks for a person.

    Args:
        pins: the approval PIN.
        screen: where a person can press Approve.
        desks: the connections, to tell the demo org from others.
        clock: the time.
    """

    def __init__(self, *, pins: PinCheck, screen: Notifications, desks: Desks, clock: Clock) -> None:
        self._pins = pins
        self._screen = screen
        self._desks = desks
        self._clock = clock

    async def for_grants(self, who: str, before: Sequence[Grant], after: Sequence[Grant], consent: Consent) -> None:
        """A person must be there for every grant that gives more than there was, but for the demo org.

        Args:
            who: the client's name.
            before: what it has.
            after: what it is to have.
            consent: what the request brought.

        Raises:
            Problem: 403 `presence_required` with `ways`, 403 `not_allowed` after Deny, 429.
        """
        touched = [(await self._desks.get(grant.connection_id), grant) for grant in widens(before, after)]
        serious = [(desk.stored, grant) for desk, grant in touched if desk and desk.stored.kind is not Kind.DEMO]
        if serious:
            title = f"Let {clipped(who)} use Salesforce?"
            await self.demand(title, [_line(*one) for one in serious], consent)

    async def demand(self, title: str, lines: Sequence[str], consent: Consent) -> None:
        """Ask for a person.

        Args:
            title: what is to be approved, as a question.
            lines: what it means, a line each.
            consent: what the request brought.

        Raises:
            Problem: as `for_grants`.
        """
        if consent.given:
            return
        if consent.pin is not None:
            await self._pins.check(consent.pin)
            return
        if consent.wait and self._screen.has_buttons:
            await self._press(title, tuple(lines), consent.wait)
            return
        raise self._required()

    async def _press(self, title: str, lines: tuple[str, ...], wait: float) -> None:
        key = f"presence:{secrets.token_hex(8)}"
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def heard(what: Pressed | Dismissed) -> None:
            if not answer.done():
                answer.set_result(what.button if isinstance(what, Pressed) else DENY)

        notice = Notice(
            key=key, title=title, lines=lines, buttons=(Button(APPROVE, "Approve"), Button(DENY, "Deny")), click=None
        )
        self._screen.show(notice, heard)
        timer = asyncio.ensure_future(self._clock.sleep(wait))
        try:
            await asyncio.wait((answer, timer), return_when=asyncio.FIRST_COMPLETED)
        finally:
            timer.cancel()
            self._screen.withdraw(key)
        if not answer.done():
            raise self._required()
        if answer.result() != APPROVE:
            raise Problem(403, "not_allowed", "The person at the screen said no.")

    @property
    def ways(self) -> list[str]:
        """How a person can be seen just now: `pin`, `notification`, both or neither."""
        ways = ["pin"] if self._pins.is_set else []
        return [*ways, "notification"] if self._screen.has_buttons else ways

    def _required(self) -> Problem:
        ways = self.ways
        if not ways:
            return Problem(
                403,
                "presence_required",
                "This widens what a program may do, so a person must approve it, and no approval PIN is set yet.",
                next_step=Next("Set an approval PIN, then try again", "meshmesh pin"),
                members={"ways": []},
            )
        step = ", or ".join(_STEPS[way] for way in ways)
        return Problem(
            403,
            "presence_required",
            "This widens what a program may do, so a person must approve it.",
            next_step=Next(step[:1].upper() + step[1:]),
            members={"ways": ways},
        )


def _line(connection: Connection, grant: Grant) -> str:
    kind = "PRODUCTION" if connection.kind is Kind.PRODUCTION else connection.kind.value
    token = ", and hold its token" if grant.raw_token else ""
    return f"{clipped(connection.name)} ({kind}): {grant.mode.value}{token}"
