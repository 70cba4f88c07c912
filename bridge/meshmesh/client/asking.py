"""What a program asks of its connections: their state, Salesforce's own REST through the broker, the token.

Where a refusal does not say enough (which page mends it, whether the name is gone), the service is asked once more:
those calls are local.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias, cast
from urllib.parse import quote, urlencode

from meshmesh import wire
from meshmesh.client.errors import (
    ApprovalRequired,
    Error,
    NotGranted,
    PlanExpired,
    PlanRejected,
    ReconnectRequired,
)
from meshmesh.client.refusals import of_api, of_broker
from meshmesh.client.talk import Call, Json, Pause, Reply, Talk
from meshmesh.client.views import Connection, Plan, Token
from meshmesh.documents import Document
from meshmesh.failures import UnexpectedAnswer
from meshmesh.http1 import segment

MAX_WAIT = 55  # seconds that one call may be held back
LOOK_AGAIN_SECONDS = 1.0
NEEDS_SOMEBODY = frozenset({"needs_you", "blocked"})
_NOT_FOUND = 404
_PATH_SAFE = "/%:@!$&'()*+,=~-._"

Params: TypeAlias = Mapping[str, str | int | float | bool]
Record: TypeAlias = dict[str, Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A part of a query's records, and where the next one is."""

    records: list[Record]
    next_path: str


def connections() -> Talk[list[Connection]]:
    """All that this program may use."""
    reply = yield Call(method="GET", target="/v1/connections")
    _check(reply, "list the connections")
    return [Connection.of(one) for one in Document.parse(reply.body).children("connections")]


def connection(name: str) -> Talk[Connection]:
    """One connection.

    Raises:
        NotGranted: this program may not use it, or there is none.
    """
    reply = yield Call(method="GET", target=f"/v1/connections/{segment(name)}")
    if reply.status == _NOT_FOUND:
        others = yield from connections()
        raise NotGranted(name, tuple(one.name for one in others))
    _check(reply, f"look at {name!r}", name)
    return Connection.of(Document.parse(reply.body))


def chosen(name: str) -> Talk[Connection]:
    """The connection of this name; without one, the only one that this program may use.

    Raises:
        NotGranted: none was named, and there are none or several.
    """
    if name:
        return (yield from connection(name))
    found = yield from connections()
    if len(found) != 1:
        raise NotGranted("", tuple(one.name for one in found))
    return found[0]


def token(name: str, *, min_ttl: int, wait: int) -> Talk[Token]:
    """The access token of a connection, where this program may have it."""
    query = f"?min_ttl={min_ttl}" if min_ttl else ""
    target = f"/v1/connections/{segment(name)}/token{query}"
    reply = yield Call(method="GET", target=target, wait=min(wait, MAX_WAIT))
    _check(reply, f"get the token of {name!r}", name)
    return Token.of(Document.parse(reply.body))


def brokered(
    org: Connection, method: str, path: str, *, body: Json = None, params: Params | None = None, wait: int = 0
) -> Talk[Reply]:
    """One request to Salesforce.

    Args:
        org: the connection to use.
        method: the method.
        path: from `/services/` on, or relative to the newest version's resources, such as `sobjects/Account`.
        body: what to send as JSON; None for nothing.
        params: the query.
        wait: seconds to wait where the owner must approve, or sign in again, first.

    Raises:
        Error: one of the errors of this package.
    """
    call = Call(
        method=method,
        target=f"{wire.BROKER_PREFIX}{segment(org.name)}{salesforce_path(org, path, params)}",
        headers={} if body is None else {"Content-Type": "application/json"},
        body=None if body is None else json.dumps(body).encode(),
    )
    left = float(wait)
    while True:
        # the same request again joins what is held, and after it ran brings its answer: it is never carried out twice
        reply = yield replace(call, wait=int(min(left, MAX_WAIT)))
        if not reply.refused:
            return reply
        error = refusal(reply, org.name)
        left -= reply.took
        if left < 1 or not isinstance(error, ApprovalRequired | ReconnectRequired):
            raise (yield from _whole(error, reply.status, org.name))
        yield Pause(LOOK_AGAIN_SECONDS)
        left -= LOOK_AGAIN_SECONDS


def _whole(error: Error, status: int, name: str) -> Talk[Error]:
    """The error with what the broker does not tell: which page mends it, or that the name is gone."""
    if isinstance(error, ReconnectRequired) or status == _NOT_FOUND:
        found = yield from connection(name)
        if isinstance(error, ReconnectRequired) and found.status in NEEDS_SOMEBODY:
            return ReconnectRequired.of(found)
    return error


def page(org: Connection, path: str, params: Params | None = None) -> Talk[Page]:
    """One page of a query."""
    reply = yield from brokered(org, "GET", path, params=params)
    document = Document.parse(reply.body)
    found = document.values.get("records")
    if not isinstance(found, list):
        raise UnexpectedAnswer("It is not the answer to a query.")
    return Page(records=cast("list[Record]", found), next_path=document.optional_text("nextRecordsUrl"))


def settled(plan_id: str, wait: int) -> Talk[Plan]:
    """A plan once nothing more will happen to it, or as it stands when the time is over.

    Args:
        plan_id: the plan.
        wait: seconds to wait at most.
    """
    left = float(wait)
    while True:
        wait = max(0, min(int(left), MAX_WAIT))
        reply = yield Call(method="GET", target=f"/v1/plans/{segment(plan_id)}", wait=wait)
        _check(reply, f"look at the plan {plan_id}")
        plan = Plan.of(Document.parse(reply.body))
        left -= reply.took
        if plan.settled or left < 1:
            return plan
        yield Pause(LOOK_AGAIN_SECONDS)  # news that do not settle it come at once, and so would the next ones
        left -= LOOK_AGAIN_SECONDS


def check_ran(plan: Plan) -> None:
    """Refuse a settled plan that was not carried out.

    Raises:
        PlanRejected: the owner said no.
        PlanExpired: nobody decided, or it was withdrawn.
    """
    if plan.status == "rejected":
        said = f"The owner rejected it: {plan.rejection}" if plan.rejection else "The owner rejected it."
        raise PlanRejected(said, plan_id=plan.id, reason=plan.rejection)
    if not plan.ran:
        raise PlanExpired(f"The plan {plan.id} is {plan.status}.", plan_id=plan.id)


def salesforce_path(org: Connection, path: str, params: Params | None = None) -> str:
    """A path from `/services/` on, encoded, with its query."""
    head, _, tail = path.partition("?")
    if not head.startswith("/services/"):
        head = f"/services/data/v{org.api_version}/{head.removeprefix('/')}"
    query = "&".join(part for part in (tail, urlencode(_plain(params or {}), quote_via=quote)) if part)
    encoded = quote(head, safe=_PATH_SAFE)
    return f"{encoded}?{query}" if query else encoded


def _plain(params: Params) -> dict[str, str]:
    """Booleans as Salesforce spells them."""
    return {name: str(value).lower() if isinstance(value, bool) else str(value) for name, value in params.items()}


def refusal(reply: Reply, name: str) -> Error:
    """The error that a refusal under `/o/` is."""
    return of_broker(reply.status, reply.headers, told(reply), name=name)


def told(reply: Reply) -> tuple[tuple[str, str], ...]:
    """Codes and messages of Salesforce's error array; of another body its beginning."""
    try:
        value = reply.json()
    except UnexpectedAnswer:
        value = None
    entries = value if isinstance(value, list) else [value]
    found = [(one.get("errorCode"), one.get("message")) for one in entries if isinstance(one, dict)]
    errors = tuple((str(code or ""), str(message or "")) for code, message in found if code or message)
    return errors or (("", reply.body[:200].decode("utf-8", "replace")),)


def _check(reply: Reply, attempt: str, name: str = "") -> None:
    if reply.refused:
        raise of_api(reply.status, reply.headers, reply.body, attempt=attempt, name=name)
