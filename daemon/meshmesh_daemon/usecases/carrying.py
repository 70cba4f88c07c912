"""Carrying a held request out: exactly its bytes, with the session that is live now, and never twice.

A request goes out a second time after one answer only: that its session had ended, which means that nothing was carried
out. Whoever asks for the carrying learns which of three things happened: Salesforce answered, the request surely did not
run (`NotSent`), or it may have run (`Unknown`).
"""

import json
import math
from collections.abc import Mapping
from typing import Protocol, cast
from urllib.parse import urlsplit

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost
from meshmesh_daemon.core.classify import Json
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, transport_failure
from meshmesh_daemon.core.passing import answer_headers, with_token
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.core.redaction import Needles, Redactor
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.plan_records import HeldRequest, Result
from meshmesh_storage.records import Connection

_OK, _SERVER_ERROR = 200, 500
_RETRY_SECONDS = 5


class NotSent(Exception):
    """The request surely was not carried out.

    Args:
        problem: why.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


class Unknown(Exception):
    """The request may have been carried out.

    Args:
        detail: what is known, in a sentence.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class WayOut(Protocol):
    """What a carrier needs of the world; `adapters.salesforce.Salesforce` is it."""

    async def carry(self, method: str, url: str, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """See `Salesforce.carry`."""
        ...


class Carrier:
    """Carries requests out.

    Args:
        sessions: gives live ones.
        salesforce: the way out.
        clock: the time.
    """

    def __init__(self, *, sessions: Sessions, salesforce: WayOut, clock: Clock) -> None:
        self._sessions = sessions
        self._salesforce = salesforce
        self._clock = clock

    async def carry(self, desk: Desk, request: HeldRequest, *, who: str) -> Result:
        """Send one request.

        Args:
            desk: the connection's.
            request: what was held, and approved.
            who: the name of the client that asked for it, for the notification where the connection needs somebody.

        Returns:
            What Salesforce answered, without the token. An error answer is one too.

        Raises:
            NotSent: it surely did not run.
            Unknown: it may have run.
        """
        live = await self._live(desk, who)
        answer, failure = await self._sent(desk, live, request)
        if failure is not None and failure.refreshable:
            live = await self._live(desk, who, rejected=_token(live))
            answer, failure = await self._sent(desk, live, request)
        if failure is None:
            return _result(answer, live)
        raise await self._refused(desk, live, answer, failure, who)

    async def read(self, desk: Desk, path: str, *, who: str = "") -> "Json | None":
        """GET a resource of the org's.

        Args:
            desk: the connection's.
            path: path and query, such as `/services/data/v66.0/sobjects/Account/001...`.
            who: as in `carry`.

        Returns:
            The document, or None where there is none: the record is gone, or may not be read.

        Raises:
            NotSent: nothing was learnt: the connection, or the org, is in trouble.
        """
        request = HeldRequest(method="GET", target=path, headers=(("Accept", "application/json"),), body=b"")
        try:
            result = await self.carry(desk, request, who=who)
        except Unknown as unknown:
            problem = Problem(503, "offline", f"{desk.stored.name}: {unknown.detail}", retry_after=_RETRY_SECONDS)
            raise NotSent(problem) from None
        if result.status != _OK:
            return None
        try:
            return cast("Json", json.loads(result.body))
        except (ValueError, RecursionError):
            return None

    async def _live(self, desk: Desk, who: str, *, rejected: str | None = None) -> Connection:
        try:
            return await self._sessions.live_within(desk, 0, who=who, rejected=rejected)
        except Problem as problem:
            raise NotSent(problem) from None

    async def _sent(self, desk: Desk, live: Connection, request: HeldRequest) -> tuple[HttpAnswer, Failure | None]:
        headers, body = with_token(urlsplit(request.target).path, request.headers, request.body, _token(live))
        try:
            answer = await self._salesforce.carry(request.method, live.instance_url + request.target, headers, body)
        except HostRefused:
            await self._sessions.note_refused_host(desk, live)
            raise NotSent(_offline(live, "MeshMesh does not send to this host any more.")) from None
        except Lost as lost:
            self._sessions.note_lost(desk, live, lost.kind)
            detail = transport_failure(lost.kind).detail
            if lost.sent:
                raise Unknown(f"{detail} Whether the request was carried out is not known.") from None
            raise NotSent(_offline(live, detail)) from None
        failure = answer.failure(self._clock.now())
        return answer, failure

    async def _refused(
        self, desk: Desk, live: Connection, answer: HttpAnswer, failure: Failure, who: str
    ) -> NotSent | Unknown:
        """What an answer means that is about the connection, and not about the request."""
        if failure.refreshable:
            self._sessions.note_rejected(desk, live)
            return NotSent(_offline(live, "The session had ended, and so had the next one."))
        await self._sessions.note_failure(desk, live, failure)
        if failure.action is Action.RETRY and answer.status >= _SERVER_ERROR:
            return Unknown(f"{failure.detail} Whether the request was carried out is not known.")
        if failure.action is not Action.RETRY:
            try:
                await self._live(desk, who)
            except NotSent as refused:
                return refused  # as every later call is refused
        return NotSent(_offline(live, failure.detail, failure.retry_after))


def _token(live: Connection) -> str:
    return live.session.access_token if live.session else ""


def _result(answer: HttpAnswer, live: Connection) -> Result:
    redactor = Redactor(Needles(_token(live)))
    # a body in an encoding that was not asked for cannot be looked through for the token
    body = b"" if answer.headers.get("content-encoding", "identity") != "identity" else redactor.whole(answer.body)
    return Result(status=answer.status, headers=answer_headers(answer.headers.items(), redactor), body=body)


def _offline(live: Connection, detail: str, wait: float | None = None) -> Problem:
    return Problem(503, "offline", f"{live.name}: {detail}", retry_after=math.ceil(wait or _RETRY_SECONDS))
