"""Sending a judged request on, and its answer back: once, and once more where the session had ended before it ran."""

import math
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace

from aiohttp import ClientResponse, hdrs, web
from yarl import URL

from meshmesh import wire
from meshmesh_bridge.letters import Letter
from meshmesh_bridge.passage import Passage, Reading
from meshmesh_bridge.per_session import PerSession
from meshmesh_daemon.adapters.salesforce import HostRefused, Lost, Salesforce
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.errors import Action, Failure, rest_failure, transport_failure
from meshmesh_daemon.core.inflating import NotInflatable
from meshmesh_daemon.core.passing import TOKEN_PARAMETER, with_token
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.core.redaction import Needles
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.records import Connection

RETRY_SECONDS = 5
_ERROR = 400
Heard = Callable[[int, bytes], None]  # the status of an answer, and the beginning of its body


@dataclass(frozen=True, slots=True, kw_only=True)
class Errand:
    """A request to send.

    Args:
        request: the client's.
        letter: what is sent.
        desk: the connection's.
        who: the client's name, for the notification where the connection needs somebody.
        heard: is told what Salesforce answered, before the client is.
    """

    request: web.Request
    letter: Letter
    desk: Desk
    who: str
    heard: Heard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sending:
    """The way to the orgs.

    Args:
        sessions: gives live ones.
        salesforce: the way out.
        clock: the time.
        base: gives our own address, such as `http://localhost:1717`.
    """

    sessions: Sessions
    salesforce: Salesforce
    clock: Clock
    base: Callable[[], str]
    needles: PerSession[Needles]

    def passage(self, request: web.Request, live: Connection, path: str) -> Passage:
        """The way back to a client."""
        prefix = f"{self.base()}{wire.BROKER_PREFIX}{live.name}"
        return Passage(request=request, live=live, prefix=prefix, path=path, needles=self.needles.of(live))

    async def send(self, errand: Errand, live: Connection) -> web.StreamResponse:
        """Send a request, and once more with a fresh session where the first had ended.

        Args:
            errand: what to send.
            live: the connection with a live session.

        Raises:
            Problem: 502, 503, or that the connection needs somebody.
        """
        response = await self._once(errand, live)
        if response is None and errand.letter.repeatable:
            live = await self.sessions.live_within(errand.desk, 0, who=errand.who, rejected=_token(live))
            response = await self._once(errand, live)
        if response is None:
            self.sessions.note_rejected(errand.desk, live)
            raise Problem(503, wire.Code.OFFLINE, "The session had ended. Send the request again.", retry_after=1)
        return response

    async def _once(self, errand: Errand, live: Connection) -> web.StreamResponse | None:
        """Send, and give the answer on; None where the session had ended, so that nothing was executed."""
        desk, letter = errand.desk, errand.letter
        url, headers, body = _addressed(letter, live)
        try:
            async with self.salesforce.stream(letter.method, url, headers, body) as answer:
                reading = Reading(answer)
                failure = await self._judge(answer, reading)
                if failure is None:
                    if desk.trouble is not None and answer.status < _ERROR:
                        await self.sessions.note_success(desk, live)
                    if errand.heard is not None:
                        errand.heard(answer.status, await reading.peek())
                    return await self.passage(errand.request, live, letter.target.path).pass_on(answer, reading)
        except HostRefused:
            await self.sessions.note_refused_host(desk, live)
            await self.sessions.live_within(desk, 0, who=errand.who)  # refuses, with the reason
            raise
        except NotInflatable:
            raise Problem(502, wire.Code.SALESFORCE_ANSWER, "Salesforce's answer cannot be unpacked.") from None
        except Lost as lost:
            self.sessions.note_lost(desk, live, lost.kind)
            raise _gone(lost, live) from None
        if failure.refreshable:
            return None
        await self.sessions.note_failure(desk, live, failure)
        if failure.action is not Action.RETRY:
            await self.sessions.live_within(desk, 0, who=errand.who)  # refuses, as every later call is refused
        wait = math.ceil(failure.retry_after or RETRY_SECONDS)
        raise Problem(503, wire.Code.OFFLINE, f"{live.name}: {failure.detail}", retry_after=wait)

    async def _judge(self, answer: ClientResponse, reading: Reading) -> Failure | None:
        """What an error answer says of the connection; None where it is the client's own affair."""
        if answer.status < _ERROR:
            return None
        return rest_failure(
            status=answer.status,
            content_type=answer.content_type,
            body=await reading.peek(),
            headers={name.lower(): value for name, value in answer.headers.items()},
            now=self.clock.now(),
        )


def needles_of(live: Connection) -> Needles:
    """What is looked for in the answers to a connection's requests."""
    return Needles(_token(live))


def _token(live: Connection) -> str:
    return live.session.access_token if live.session else ""


def _addressed(letter: Letter, live: Connection) -> tuple[URL, dict[str, str], bytes | AsyncIterator[bytes] | None]:
    """A request with the live token where the client had put its handle."""
    token = _token(live)
    target = letter.target
    if letter.shows_token:
        target = replace(target, query=(*target.query, (TOKEN_PARAMETER, token)))
    whole = letter.body if isinstance(letter.body, bytes) else b""
    headers, body = with_token(target.path, letter.headers, whole, token)
    partial = letter.method == hdrs.METH_HEAD or "range" in map(str.lower, headers)
    headers[hdrs.ACCEPT_ENCODING] = "identity" if partial else "gzip"  # what can be opened, to look it through
    address = live.instance_url + target.rebuilt()
    url = URL(address, encoded=True)
    if str(url) != address:
        raise Problem(400, wire.Code.BAD_REQUEST, "The address could be read in two ways.")
    return url, headers, (body or None) if isinstance(letter.body, bytes) else letter.body


def _gone(lost: Lost, live: Connection) -> Problem:
    failure = transport_failure(lost.kind)
    detail = failure.detail
    if lost.sent:
        detail += " Whether the request was carried out is not known."
    return Problem(503, wire.Code.OFFLINE, f"{live.name}: {detail}", retry_after=RETRY_SECONDS)
