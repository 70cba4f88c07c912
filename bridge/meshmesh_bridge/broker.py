"""The broker: Salesforce's own REST under `/o/{name}/`, for clients that hold a handle and never the token.

Invariants: what is sent on is rebuilt from the form that was judged; only listed headers pass, either way; a request goes
to the connection's own instance and nowhere else; a 401 of Salesforce's never reaches a client, since clients loop on it.
"""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass

from aiohttp import ClientResponse, hdrs, web
from multidict import CIMultiDict, CIMultiDictProxy

from meshmesh import wire
from meshmesh_bridge.bodies import STALL_SECONDS, paced, prefer_wait
from meshmesh_bridge.caller import Caller
from meshmesh_bridge.passage import SFORCE, pass_on, peek, plain
from meshmesh_daemon.adapters.salesforce import HostRefused, Lost, Salesforce
from meshmesh_daemon.core.activity import Deed, Outcome, program
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, rest_failure, transport_failure
from meshmesh_daemon.core.problems import Next, Problem, not_found
from meshmesh_daemon.core.reads import is_clear_read
from meshmesh_daemon.core.targets import BadTarget, Target, read_target
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.activity_rows import Actor
from meshmesh_storage.records import Connection, Grant, Mode

SERVICES = "/services/"
REPEATABLE = 1024 * 1024  # a body up to this size is kept, to send it once more after a refresh
_TOKEN_PARAMETER = "oauth_token"  # noqa: S105 - jsforce's way to send the token in a query
_SESSION_HEADER = "X-SFDC-Session"
_OVERRIDES = ("X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override")
_REQUEST_HEADERS = frozenset(
    {
        "accept",
        "accept-encoding",
        "accept-language",
        "content-type",
        "content-encoding",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "range",
        "soapaction",
        "x-prettyprint",
        "x-chatter-entity-encoding",
    }
)
_OAUTH = "/services/oauth2"
_OPEN_OAUTH = frozenset({"/services/oauth2/userinfo"})
_ERROR = 400
RETRY_SECONDS = 5


def handle_of(headers: CIMultiDictProxy[str], query: Mapping[str, str]) -> str | None:
    """The pairing token in a request under `/o/`: as Bearer, as Bulk's session header, or as jsforce's query parameter.

    A handle is `<org id>!<pairing token>`; what stands before the last `!` is not looked at.
    """
    scheme, _, token = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() not in {"bearer", "oauth"}:
        token = headers.get(_SESSION_HEADER) or query.get(_TOKEN_PARAMETER, "")
    token = token.strip().rpartition("!")[2]
    return token or None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Job:
    """One request on its way: judged, and ready to be sent with whatever token is live."""

    who: str
    method: str
    target: Target
    headers: CIMultiDict[str]
    body: bytes | AsyncIterator[bytes] | None
    session_header: bool

    @property
    def repeatable(self) -> bool:
        """Whether the body can be sent a second time."""
        return self.body is None or isinstance(self.body, bytes)

    def headers_with(self, live: Connection) -> CIMultiDict[str]:
        """The headers, with the real token where the client had put its handle."""
        token = live.session.access_token if live.session else ""
        headers = self.headers.copy()
        if self.session_header:
            headers[_SESSION_HEADER] = token
        else:
            headers[hdrs.AUTHORIZATION] = f"Bearer {token}"
        return headers


class Broker:
    """Serves `/o/{name}/...`.

    Args:
        desks: the connections.
        sessions: gives live ones.
        access: what a client was granted.
        salesforce: the way out.
        activity: is told of each write.
        clock: the time.
        base: gives our own address, such as `http://localhost:1717`.
    """

    def __init__(
        self,
        *,
        desks: Desks,
        sessions: Sessions,
        access: Access,
        salesforce: Salesforce,
        activity: Activity,
        clock: Clock,
        base: Callable[[], str],
    ) -> None:
        self._desks = desks
        self._sessions = sessions
        self._access = access
        self._salesforce = salesforce
        self._activity = activity
        self._clock = clock
        self._base = base

    async def handle(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """One brokered request.

        Args:
            request: as it came.
            caller: who asks, as the guard found out.

        Raises:
            Problem: answered as Salesforce's error array.
        """
        target = _target(request)
        desk, grant = self._granted(caller, target.name)
        _check(request, target, grant)
        who = caller.client.name if caller.client else ""
        job = await _job(request, target, who)
        self._desks.note_use(desk.stored.id, who, self._clock.now())
        live = await self._sessions.live_within(desk, prefer_wait(request), who=who)
        if is_clear_read(job.method, job.target.path, job.target.value("q")):
            return await self._passed(request, job, desk, live)
        return await self._written(request, job, desk, live, program(caller.client))

    async def _written(
        self, request: web.Request, job: _Job, desk: Desk, live: Connection, actor: Actor
    ) -> web.StreamResponse:
        """Pass a write on, between two rows of the activity: that it goes out, and what came of it."""
        what = f"{job.method} {job.target.path}"
        name, outcome, result = job.target.name, Outcome.UNKNOWN, "no answer came"
        await self._activity.record(actor, Deed.WRITE_SENT, connection=name, outcome=Outcome.BEGUN, detail=what)
        try:
            response = await self._passed(request, job, desk, live)
            outcome = Outcome.FAILED if response.status >= _ERROR else Outcome.DONE
            result = f"Salesforce answered {response.status}"
            return response
        except Problem as problem:
            outcome = Outcome.UNKNOWN if problem.code == wire.Code.OFFLINE else Outcome.FAILED
            result = problem.code
            raise
        finally:
            detail = f"{what}: {result}."
            self._activity.note(actor, Deed.WRITE_ANSWERED, connection=name, outcome=outcome, detail=detail)

    async def _passed(self, request: web.Request, job: _Job, desk: Desk, live: Connection) -> web.StreamResponse:
        """Send, and once more with a fresh session where the first had ended."""
        response = await self._send(request, job, desk, live)
        if response is None and job.repeatable:
            token = live.session.access_token if live.session else ""
            live = await self._sessions.live_within(desk, 0, who=job.who, rejected=token)
            response = await self._send(request, job, desk, live)
        if response is None:
            self._sessions.note_rejected(desk, live)
            raise Problem(503, wire.Code.OFFLINE, "The session had ended. Send the request again.", retry_after=1)
        return response

    def _granted(self, caller: Caller, name: str) -> tuple[Desk, Grant]:
        desk = self._desks.named(name)
        grant = self._access.grant_for(caller.client, desk.stored.id) if desk and caller.client else None
        if desk is None or grant is None:
            raise not_found("connection", name)
        return desk, grant

    async def _send(self, request: web.Request, job: _Job, desk: Desk, live: Connection) -> web.StreamResponse | None:
        """Send, and stream the answer; None where the session had ended, so that nothing was executed."""
        url = live.instance_url + job.target.rebuilt()
        try:
            async with self._salesforce.stream(job.method, url, job.headers_with(live), job.body) as answer:
                peeked = await peek(answer) if answer.status >= _ERROR else b""
                failure = self._judge(answer, peeked)
                if failure is None:
                    if desk.trouble is not None and answer.status < _ERROR:
                        await self._sessions.note_success(desk, live)
                    prefix = f"{self._base()}{wire.BROKER_PREFIX}{live.name}"
                    return await pass_on(request, answer, peeked, live, prefix=prefix, path=job.target.path)
        except HostRefused:
            await self._sessions.note_refused_host(desk, live)
            await self._sessions.live_within(desk, 0, who=job.who)  # refuses, with the reason
            raise
        except Lost as lost:
            self._sessions.note_lost(desk, live, lost.kind)
            raise _gone(lost, live) from None
        if failure.refreshable:
            return None
        await self._sessions.note_failure(desk, live, failure)
        if failure.action is not Action.RETRY:
            await self._sessions.live_within(desk, 0, who=job.who)  # refuses, as every later call is refused
        wait = math.ceil(failure.retry_after or RETRY_SECONDS)
        raise Problem(503, wire.Code.OFFLINE, f"{live.name}: {failure.detail}", retry_after=wait)

    def _judge(self, answer: ClientResponse, peeked: bytes) -> Failure | None:
        """What an error answer says of the connection; None where it is the client's own affair."""
        if answer.status < _ERROR:
            return None
        return rest_failure(
            status=answer.status,
            content_type=answer.content_type,
            body=plain(peeked, answer.headers.get(hdrs.CONTENT_ENCODING, "")),
            headers={name.lower(): value for name, value in answer.headers.items()},
            now=self._clock.now(),
        )


def _target(request: web.Request) -> Target:
    try:
        target = read_target(request.raw_path, wire.BROKER_PREFIX)
    except BadTarget as bad:
        raise Problem(400, wire.Code.BAD_REQUEST, f"The address could be read in two ways: {bad}.") from None
    if not target.path.startswith((SERVICES, "/id/")):
        raise not_found("address", target.path)
    return target


def _check(request: web.Request, target: Target, grant: Grant) -> None:
    if any(name in request.headers for name in _OVERRIDES):
        raise Problem(400, wire.Code.BAD_REQUEST, "A method override is not taken here; send the method itself.")
    if target.path.lower().startswith(_OAUTH) and target.path not in _OPEN_OAUTH:
        raise Problem(403, wire.Code.NOT_ALLOWED, "Salesforce's sign-in endpoints are not brokered.")
    if grant.mode is not Mode.BUILD and not is_clear_read(request.method, target.path, target.value("q")):
        raise Problem(
            403,
            wire.Code.READ_ONLY,
            f"This program may only read {target.name!r} (mode {grant.mode.value}).",
            next_step=Next("Let it write", f"meshmesh mode CLIENT {target.name} build"),
        )


async def _job(request: web.Request, target: Target, who: str) -> _Job:
    headers: CIMultiDict[str] = CIMultiDict()
    for name, value in request.headers.items():
        lower = name.lower()
        if lower in _REQUEST_HEADERS or lower.startswith(SFORCE):
            headers.add(name, value)
    query = tuple((key, value) for key, value in target.query if key != _TOKEN_PARAMETER)
    return _Job(
        who=who,
        method=request.method,
        target=Target(name=target.name, path=target.path, query=query),
        headers=headers,
        body=await _body(request),
        session_header=_SESSION_HEADER in request.headers,
    )


async def _body(request: web.Request) -> bytes | AsyncIterator[bytes] | None:
    if not request.can_read_body:
        return None
    begun = bytearray()
    pieces = paced(request)
    async for piece in pieces:
        begun += piece
        if len(begun) > REPEATABLE:
            return _continued(request, bytes(begun), pieces)
    return bytes(begun)


async def _continued(request: web.Request, begun: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield begun
    try:
        async for piece in pieces:
            yield piece
    except Problem:
        # half of it is with the org: the caller is cut off, which cancels its handler and so the request to the org
        if request.transport is not None:
            request.transport.abort()
        await asyncio.sleep(STALL_SECONDS)
        raise


def _gone(lost: Lost, live: Connection) -> Problem:
    failure = transport_failure(lost.kind)
    detail = failure.detail
    if lost.sent:
        detail += " Whether the request was carried out is not known."
    return Problem(503, wire.Code.OFFLINE, f"{live.name}: {detail}", retry_after=RETRY_SECONDS)
