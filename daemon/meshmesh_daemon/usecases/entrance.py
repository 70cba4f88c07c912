"""The dashboard's own door, for a page that was opened without `meshmesh open`: a person is asked for, as for any consent.

A program without a credential may knock here too. So one knock is answered at a time, the notification shows the number
that the page shows, and after a "no" nobody is asked again for a while. Wrong PINs count as everywhere.
"""

from datetime import timedelta

from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.dashboard import Dashboard, Launch
from meshmesh_daemon.usecases.presence import Consent, Presence

QUIET = timedelta(minutes=10)
_BY_TERMINAL = Next("Open the dashboard from a terminal", command="meshmesh open")


class Entrance:
    """Lets a person in.

    Args:
        dashboard: gives the session.
        presence: asks for the person.
        clock: the time.
    """

    def __init__(self, *, dashboard: Dashboard, presence: Presence, clock: Clock) -> None:
        self._dashboard = dashboard
        self._presence = presence
        self._clock = clock
        self._asking = False
        self._quiet_until = 0.0

    @property
    def ways(self) -> list[str]:
        """How a person can be seen just now: `pin`, `notification`, both or neither."""
        return self._presence.ways

    async def enter(self, number: int | None, consent: Consent) -> Launch:
        """A session for the person who was seen.

        Args:
            number: what the page shows, for the person to compare.
            consent: what the request brought.

        Raises:
            Problem: 403 `presence_required` or `not_allowed`, 429 while somebody is being asked, or has said no lately.
        """
        if consent.wait and consent.pin is None:
            await self._ask(number, consent)
        else:
            await self._demand([], consent)
        return self._dashboard.open()

    async def _ask(self, number: int | None, consent: Consent) -> None:
        now = self._clock.monotonic()
        if self._asking or now < self._quiet_until:
            wait = max(int(self._quiet_until - now) + 1, 1)
            detail = "Somebody was asked for the dashboard a moment ago."
            raise Problem(429, "rate_limited", detail, next_step=_BY_TERMINAL, retry_after=wait)
        self._asking = True
        try:
            shown = f"The page shows the number {number}." if number is not None else "It shows no number."
            await self._demand([shown, "Approve only if it is yours."], consent)
        except Problem as problem:
            if problem.code == "not_allowed":
                self._quiet_until = self._clock.monotonic() + QUIET.total_seconds()
            raise
        finally:
            self._asking = False

    async def _demand(self, lines: list[str], consent: Consent) -> None:
        try:
            await self._presence.demand("Open the dashboard in a browser?", lines, consent)
        except Problem as problem:
            if problem.code != "presence_required" or consent.pin is not None:
                raise
            raise Problem(
                403,
                problem.code,
                "The dashboard opens for a person: by the approval PIN, a notification, or from a terminal.",
                next_step=_BY_TERMINAL,
                members=problem.members,
            ) from None
