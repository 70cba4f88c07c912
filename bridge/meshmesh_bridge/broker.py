"""The broker: Salesforce's own REST under `/o/{name}/`, for clients that hold a handle and never the token.

Invariants: what is sent on is rebuilt from the form that was judged; only listed headers pass, either way; a request goes
to the connection's own instance and nowhere else; a 401 of Salesforce's never reaches a client, since clients loop on it;
under Plan Mode nothing but a read, or the making and filling of a Bulk job, leaves before a person said so; in Build Mode
nothing leaves that would be carried out a second time as an item of a plan.
"""

from collections.abc import Callable
from datetime import timedelta

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.bodies import prefer_wait
from meshmesh_bridge.caller import Caller
from meshmesh_bridge.filling import watched
from meshmesh_bridge.handles import pairing_token
from meshmesh_bridge.holding import Holding, given
from meshmesh_bridge.letters import (
    MAX_HELD,
    REPEATABLE,
    Letter,
    brokered_target,
    passing_headers,
    plain,
    read_letter,
    read_whole,
)
from meshmesh_bridge.per_head import PerHead
from meshmesh_bridge.per_session import PerSession
from meshmesh_bridge.sending import Errand, Heard, Sending, needles_of
from meshmesh_daemon.adapters.salesforce import Salesforce
from meshmesh_daemon.core import soap
from meshmesh_daemon.core.activity import Deed, Outcome, program
from meshmesh_daemon.core.classify import Kind
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Problem, not_found
from meshmesh_daemon.core.targets import Target
from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.bulk_jobs import BulkJobs
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.plan_records import Result
from meshmesh_storage.records import Client, Connection, Grant, Mode

_ERROR = 400
_USE_NOTED_EVERY = timedelta(seconds=1)
_IN_DOUBT = frozenset({wire.Code.OFFLINE, wire.Code.SALESFORCE_ANSWER})  # whether it was carried out


class Broker:
    """Serves `/o/{name}/...`.

    Args:
        desks: the connections.
        sessions: gives live ones.
        access: what a client was granted.
        plans: holds writes under Plan Mode.
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
        plans: Plans,
        salesforce: Salesforce,
        activity: Activity,
        clock: Clock,
        base: Callable[[], str],
    ) -> None:
        self._desks = desks
        self._sessions = sessions
        self._access = access
        self._plans = plans
        self._activity = activity
        self._clock = clock
        self._jobs = BulkJobs()
        self._headers = PerHead(passing_headers)
        needles = PerSession(needles_of)
        desks.listen(needles.changed)
        self._sending = Sending(sessions=sessions, salesforce=salesforce, clock=clock, base=base, needles=needles)
        self._holding = Holding(plans=plans, jobs=self._jobs, base=base)

    async def handle(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """One brokered request.

        Args:
            request: as it came.
            caller: who asks, as the guard found out.

        Raises:
            Problem: answered in the called API's own shape.
        """
        target, headers = brokered_target(request), self._headers.of(request)
        begun: bytes | None = None
        client = caller.client
        if client is None:
            client, begun = await self._said_later(request)
        desk, grant = await self._granted(client, target.name)
        keep = self._kept(request, client, desk, grant, target)
        letter = await read_letter(request, target, headers, grant.mode, begun, keep=keep)
        if request.body_exists:  # else nothing was waited for
            await self._check_still(client, letter, grant.mode)
        self._note_use(desk, client.name)
        if letter.verdict.kind is Kind.READ:
            return await self._read(request, client, desk, grant, letter)
        return await self._write(request, client, desk, grant, letter)

    def _kept(self, request: web.Request, client: Client, desk: Desk, grant: Grant, target: Target) -> int:
        """How much of a body is read whole: in Build Mode all that was held, where it may be the same request again."""
        if grant.mode is not Mode.BUILD or not request.can_read_body:
            return REPEATABLE
        path = plain(target).rebuilt()
        twins = self._plans.twins_are_possible(client, desk.stored.id, request.method, path)
        return MAX_HELD if twins else REPEATABLE

    def _note_use(self, desk: Desk, who: str) -> None:
        """Once a second is often enough: the copy of the record that it takes is not free."""
        now, stored = self._clock.now(), desk.stored
        last = stored.last_used_at
        if last is None or stored.last_used_by != who or now - last >= _USE_NOTED_EVERY:
            self._desks.note_use(stored.id, who, now)

    async def _said_later(self, request: web.Request) -> tuple[Client, bytes]:
        """Who sends a SOAP request whose handle stands in its envelope only, with the body that was read for it."""
        body = await read_whole(request, Mode.BUILD)
        try:
            session = soap.read_envelope(body).session
        except soap.BadEnvelope as bad:
            raise Problem(400, wire.Code.BAD_REQUEST, f"The envelope is not taken: {bad}.") from None
        token = pairing_token(body[slice(*session)].decode("ascii", "replace")) if session else None
        client = self._access.authenticate(token) if token else None
        if client is None or client.origin is not None:
            raise Problem(401, wire.Code.UNKNOWN_CREDENTIAL, "This session is no pairing token, or has ended.")
        return client, body

    async def _granted(self, client: Client, name: str) -> tuple[Desk, Grant]:
        desk = await self._desks.named(name)
        grant = self._access.grant_for(client, desk.id) if desk else None
        if desk is None or grant is None:
            raise not_found("connection", name)
        return desk, grant

    async def _check_still(self, client: Client, letter: Letter, mode: Mode) -> None:
        """Refuse what the owner has changed while a body came, or while a session was waited for."""
        _, grant = await self._granted(self._access.get(client.id), letter.target.name)
        if grant.mode is not mode:
            raise Problem(403, wire.Code.NOT_ALLOWED, "What this program may do was changed meanwhile. Send it again.")

    async def _read(
        self, request: web.Request, client: Client, desk: Desk, grant: Grant, letter: Letter
    ) -> web.StreamResponse:
        wait, live = prefer_wait(request), self._sessions.live_now(desk)
        if live is None:
            live = await self._sessions.live_within(desk, wait, who=client.name)
            await self._check_still(client, letter, grant.mode)
        heard: Heard | None = None
        if letter.verdict.prepares:
            letter, heard = watched(letter, self._jobs, desk.stored.id, grant.mode, self._plans.live())
        errand = Errand(request=request, letter=letter, desk=desk, who=client.name, heard=heard)
        return await self._sending.send(errand, live)

    async def _write(
        self, request: web.Request, client: Client, desk: Desk, grant: Grant, letter: Letter
    ) -> web.StreamResponse:
        """Answer what was answered once already, hold it, or send it."""
        if letter.repeatable:
            held = letter.held()
            answer: Result | web.StreamResponse | None = await self._plans.recorded(client, desk.stored.id, held)
            if answer is None and grant.mode is Mode.PLAN:
                await self._sessions.live_within(desk, 0, who=client.name)  # what could not run is not held
                answer = await self._holding.hold(request, client, desk, letter, held)
            if isinstance(answer, Result):
                return given(request, answer, self._sending.passage(request, desk.stored, letter.target.path))
            if answer is not None:
                return answer
        live = await self._sessions.live_within(desk, prefer_wait(request), who=client.name)
        await self._check_still(client, letter, grant.mode)
        if letter.repeatable and grant.mode is Mode.BUILD:
            claimed = await self._plans.claim(client, desk.stored.id, letter.held())
            if claimed is not None:
                return given(request, claimed, self._sending.passage(request, live, letter.target.path))
            await self._check_still(client, letter, grant.mode)
        return await self._written(request, client, desk, live, letter)

    async def _written(
        self, request: web.Request, client: Client, desk: Desk, live: Connection, letter: Letter
    ) -> web.StreamResponse:
        """Pass a write on, between two rows of the activity: that it goes out, and what came of it."""
        actor, what = program(client), f"{letter.method} {letter.target.path}"
        name, outcome, result = letter.target.name, Outcome.UNKNOWN, "no answer came"
        await self._activity.record(actor, Deed.WRITE_SENT, connection=name, outcome=Outcome.BEGUN, detail=what)
        try:
            errand = Errand(request=request, letter=letter, desk=desk, who=client.name)
            response = await self._sending.send(errand, live)
            outcome = Outcome.FAILED if response.status >= _ERROR else Outcome.DONE
            result = f"Salesforce answered {response.status}"
            return response
        except Problem as problem:
            outcome = Outcome.UNKNOWN if problem.code in _IN_DOUBT else Outcome.FAILED
            result = problem.code
            raise
        finally:
            detail = f"{what}: {result}."
            self._activity.note(actor, Deed.WRITE_ANSWERED, connection=name, outcome=outcome, detail=detail)
