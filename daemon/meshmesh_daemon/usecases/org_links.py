"""The owner's own way into an org: a single-use link for the browser, made with the session that is kept anyway."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost, Outside
from meshmesh_daemon.core import frontdoor, scopes
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_storage.records import Connection, Kind

_OK = 200
_REFUSED = frozenset({401, 403})  # a session that has ended: 403, where REST says 401


@dataclass(frozen=True, slots=True, kw_only=True)
class OrgLink:
    """A link that signs a browser in, once."""

    url: str = field(repr=False)
    expires_at: datetime


class OrgLinks:
    """Makes them.

    Args:
        connections: give live sessions.
        outside: the way to Salesforce.
        clock: the time.
    """

    def __init__(self, *, connections: Connections, outside: Outside, clock: Clock) -> None:
        self._connections = connections
        self._outside = outside
        self._clock = clock

    async def make(self, connection: Connection, *, who: str, wait: float = 0) -> OrgLink:
        """A link for one browser.

        Args:
            connection: whose org and user; it passed `check_scope`.
            who: the caller's name, for the notification where the connection needs somebody.
            wait: seconds that the caller waits for a connection that is not well.

        Raises:
            Problem: 409 `reconnect_required`; 502 `salesforce_answer`; 503 `offline`.
        """
        live = await self._connections.live(connection.id, who=who, wait=wait)
        answer = await self._ask(live)
        if answer.status in _REFUSED and live.session is not None:
            rejected = live.session.access_token
            live = await self._connections.live(connection.id, who=who, rejected=rejected, wait=wait)
            answer = await self._ask(live)
        link = frontdoor.link_in(answer.body, live.instance_url) if answer.status == _OK else None
        if link is None:
            raise Problem(
                502,
                "salesforce_answer",
                f"Salesforce gave no link for the browser (status {answer.status}).",
                next_step=Next("Find out why", f"meshmesh doctor {connection.name}"),
            )
        return OrgLink(url=link, expires_at=self._clock.now() + timedelta(seconds=frontdoor.LIFE_SECONDS))

    async def _ask(self, live: Connection) -> HttpAnswer:
        if live.session is None:
            raise Problem(503, "offline", "There is no session right now.", retry_after=1)
        url = live.instance_url + frontdoor.SINGLE_ACCESS_PATH
        try:
            return await self._outside.get(url, access_token=live.session.access_token)
        except (Lost, HostRefused):
            raise Problem(503, "offline", "The org could not be reached.", retry_after=1) from None


def check_scope(connection: Connection) -> None:
    """Refuse a connection whose session may not open a browser.

    Raises:
        Problem: as `scope_refusal` says it.
    """
    refusal = scope_refusal(connection)
    if refusal is not None:
        raise refusal


def scope_refusal(connection: Connection) -> Problem | None:
    """Why a connection's session may not open a browser, 403 `scope_missing`, and which one may; None where it may."""
    if not scopes.missing((frontdoor.SCOPE,), connection.scopes):
        return None
    wanted = " ".join(f"--scope {scope}" for scope in (*scopes.DEFAULT, frontdoor.SCOPE))
    return Problem(
        403,
        "scope_missing",
        f"The sign-in of {connection.name!r} does not cover the browser: it has no scope {frontdoor.SCOPE!r}. "
        "A second connection can have it, and the programs go on without.",
        next_step=Next("Connect once more", f"meshmesh connect {connection.name}-web {_where(connection)} {wanted}"),
    )


def _where(connection: Connection) -> str:
    return "--demo" if connection.kind is Kind.DEMO else f"--domain {connection.instance_url}"
