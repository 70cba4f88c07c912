"""A connection at work: Salesforce's REST through the broker, plans, and the libraries that people know."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import TYPE_CHECKING

from meshmesh.client import asking
from meshmesh.client.asking import Params, Record
from meshmesh.client.line import Line
from meshmesh.client.planning import Draft, plans
from meshmesh.client.talk import Json, Reply
from meshmesh.client.views import Connection, Plan, Token

if TYPE_CHECKING:
    import httpx
    from simple_salesforce.api import Salesforce

APPROVAL_SECONDS = 15 * 60  # a plan lives as long


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """What any Salesforce library takes, good for this program and this connection alone.

    `access_token` is a handle: the broker puts the org's token in its place, and Salesforce does not know it.
    """

    instance_url: str
    access_token: str = field(repr=False)
    api_version: str


def session_of(connection: Connection, line: Line) -> Session:
    """What a library takes to use this connection as this program."""
    return Session(
        instance_url=connection.broker_url,
        access_token=f"{connection.org_id}!{line.token or ''}",
        api_version=connection.api_version,
    )


class Org:
    """A connection that this program uses. Close it, or use it in a `with`.

    Args:
        line: the way to the service.
        connection: the connection, as it stood.
    """

    def __init__(self, line: Line, connection: Connection) -> None:
        self.connection = connection
        self._line = line
        self._opened = ExitStack()

    def __repr__(self) -> str:
        return f"Org({self.name!r}, mode={self.connection.mode!r})"

    def __enter__(self) -> "Org":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what `simple_salesforce` and `httpx` opened."""
        self._opened.close()

    @property
    def name(self) -> str:
        """The connection's name."""
        return self.connection.name

    def look(self) -> Connection:
        """The connection as it stands now; Salesforce is not called."""
        self.connection = self._line.run(asking.connection(self.name))
        return self.connection

    def request(
        self, method: str, path: str, *, json: Json = None, params: Params | None = None, wait: int = 0
    ) -> Reply:
        """One request to Salesforce's REST.

        Args:
            method: the method.
            path: from `/services/` on, or relative to the newest version's resources, such as `sobjects/Account`.
            json: what to send; None for nothing.
            params: the query.
            wait: seconds to wait where the owner must approve the write, or sign in again, first.

        Returns:
            Salesforce's answer; `.json()` gives its body.

        Raises:
            ApprovalRequired: the write is held; the same request, sent after the approval, brings its answer.
            PlanRejected: the owner said no while it waited.
            ReconnectRequired: a person must sign in again.
            SalesforceError: Salesforce refused.
            Error: another error of this package.
        """
        return self._line.run(asking.brokered(self.connection, method, path, body=json, params=params, wait=wait))

    def query(self, soql: str) -> Iterator[Record]:
        """The records of a query, fetched page by page as they are taken.

        Raises:
            SalesforceError: Salesforce refused.
            Error: another error of this package.
        """
        page = self._line.run(asking.page(self.connection, "query", {"q": soql}))
        yield from page.records
        while page.next_path:
            page = self._line.run(asking.page(self.connection, page.next_path))
            yield from page.records

    def plan(self, reason: str) -> "PlanDraft":
        """Propose changes together: `with org.plan("why") as plan:`.

        Args:
            reason: why, in one sentence that the owner reads.
        """
        return PlanDraft(self._line, self.connection, reason)

    def plans(self) -> list[Plan]:
        """This program's plans for this connection, as they stand."""
        return [plan for plan in self._line.run(plans()) if plan.connection == self.name]

    def token(self, *, min_ttl: int = 0, wait: int = 0) -> Token:
        """The access token itself, where this program was granted it.

        Args:
            min_ttl: seconds for which it must be good.
            wait: seconds to wait where a person must sign in again first.

        Raises:
            TokenNotGranted: this program may only use the broker.
            Error: another error of this package.
        """
        return self._line.run(asking.token(self.name, min_ttl=min_ttl, wait=wait))

    def session(self) -> Session:
        """Address and handle for any other library."""
        return session_of(self.connection, self._line)

    def simple_salesforce(self) -> "Salesforce":
        """A ready `simple_salesforce.Salesforce`; needs `meshmesh[simple-salesforce]`."""
        from meshmesh.client.libraries import simple_salesforce

        return self._opened.enter_context(simple_salesforce(self.session(), self.name))

    def httpx(self) -> "httpx.Client":
        """A ready `httpx.Client` whose paths begin with `/services/`; needs `meshmesh[httpx]`."""
        from meshmesh.client.libraries import httpx_client

        return self._opened.enter_context(httpx_client(self.session()))


class PlanDraft(Draft):
    """A plan: collected in a `with` block, handed in at its end, nothing where the block fails.

    Args:
        line: the way to the service.
        org: the connection to change.
        reason: why.
    """

    def __init__(self, line: Line, org: Connection, reason: str) -> None:
        super().__init__(org, reason)
        self._line = line

    def __enter__(self) -> "PlanDraft":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._line.run(self.hand_in())

    def wait(self, seconds: int = APPROVAL_SECONDS) -> Plan:
        """The plan once it was carried out, with what Salesforce answered to each request; see `Draft.outcome`."""
        return self._line.run(self.outcome(seconds))

    def withdraw(self) -> None:
        """Take it back before the owner decides."""
        self._line.run(self.take_back())
