"""The diagnosis of one connection: the probe ladder climbed with its live session, inside twenty seconds.

Invariants: whatever a look finds changes the connection only through `Sessions`, as any other call would; a look that
fails ends nothing but itself unless it is vital; the ladder ends at the first thing that is wrong.
"""

import asyncio

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost, Outside
from meshmesh_daemon.core import diagnosis, diagnosis_complaint, diagnosis_ladder
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.diagnosis import Diagnosis
from meshmesh_daemon.core.diagnosis_complaint import Complaint
from meshmesh_daemon.core.diagnosis_findings import Findings, Subject
from meshmesh_daemon.core.diagnosis_ladder import HOST, LADDER, RESOURCES, Step
from meshmesh_daemon.core.diagnosis_readers import Answered
from meshmesh_daemon.core.diagnosis_words import CORE_OBJECTS, of_failure, of_reason
from meshmesh_daemon.core.errors import Action, Failure, transport_failure
from meshmesh_daemon.core.problems import Problem, not_found
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_storage.records import Connection, Reason, Status

LOOK_SECONDS = 8.0
ALL_SECONDS = 20.0
_OK = 200
_PASSING = {Reason.NETWORK, Reason.SERVICE_UNAVAILABLE}  # met by a look that is not vital: no verdict


class Diagnoses:
    """Says what is wrong with a connection.

    Args:
        desks: the connections.
        sessions: gives live sessions, and is told what was found.
        outside: the way to Salesforce.
        clock: the time.
    """

    def __init__(self, *, desks: Desks, sessions: Sessions, outside: Outside, clock: Clock) -> None:
        self._desks = desks
        self._sessions = sessions
        self._outside = outside
        self._clock = clock

    async def diagnose(self, connection_id: str, *, error: str | None = None) -> Diagnosis:
        """Look at everything that could be wrong with a connection.

        Args:
            connection_id: which.
            error: what failed for the person: an error code or message of Salesforce.

        Raises:
            Problem: 404 where it is not there; 503 where the session could not be renewed for a reason of our own.
        """
        desk = await self._desks.get(connection_id)
        if desk is None:
            raise not_found("connection", connection_id)
        complaint = diagnosis_complaint.read(error) if error else None
        climb = _Climb(desk, Findings(subject=self._subject(desk)), self._sessions, self._outside, self._clock)
        await climb.all(_steps(complaint))
        return diagnosis.diagnose(climb.findings, complaint)

    def _subject(self, desk: Desk) -> Subject:
        stored = desk.stored
        return Subject(
            name=stored.name,
            username=stored.username,
            user_id=stored.user_id,
            org_name=stored.org_name,
            org_id=stored.org_id,
            instance_url=stored.instance_url,
            api_version=stored.api_version,
            client_id=self._desks.apps[stored.app_id].client_id,
            scopes=stored.scopes,
            now=self._clock.now(),
        )


def _steps(complaint: Complaint | None) -> tuple[Step, ...]:
    named = complaint.sobject if complaint else None
    if named is None or named in CORE_OBJECTS:
        return LADDER
    return (*LADDER, diagnosis_ladder.object_step(named))


class _Climb:
    """One diagnosis under way."""

    def __init__(self, desk: Desk, findings: Findings, sessions: Sessions, outside: Outside, clock: Clock) -> None:
        self.findings = findings
        self._desk = desk
        self._sessions = sessions
        self._outside = outside
        self._clock = clock
        self._deadline = clock.monotonic() + ALL_SECONDS
        self._renewed = False

    async def all(self, steps: tuple[Step, ...]) -> None:
        """Host, session, and step by step until one ends it."""
        await self._look(HOST)
        if self.findings.ending is None:
            await self._enter()
        for step in steps:
            if self.findings.ending is not None:
                return
            if self._left() <= 0:
                self.findings = self.findings.saw("Salesforce is slow: there was no time to look at the rest.")
                return
            await self._look(step)

    def _left(self) -> float:
        return self._deadline - self._clock.monotonic()

    async def _enter(self) -> None:
        """Get a session; one that is blocked is not believed, but tried as it is: the admin may have mended it."""
        stored = self._desk.stored
        self._desk.not_before = 0.0
        if stored.status is Status.BLOCKED:
            self.findings = self.findings.saw(f"Until now it was blocked: {stored.detail}")
            if stored.session is None:
                await self._renew()
            return
        try:
            async with asyncio.timeout(self._left()):
                await self._sessions.live(self._desk)
        except TimeoutError:
            self._end(transport_failure("timeout"))
        except Problem as problem:
            self._end_as_shown(problem)

    async def _renew(self) -> None:
        """Another session, once: what was seen until now was the old one's end."""
        seen, self._renewed = self._desk.stored, True
        self._sessions.note_rejected(self._desk, seen)
        try:
            async with asyncio.timeout(self._left()):
                await self._sessions.refresh_now(self._desk)
        except TimeoutError:
            self._end(transport_failure("timeout"))
            return
        if self._desk.stored.generation != seen.generation:
            self.findings = self.findings.saw("The session had ended, and was renewed without you.")
        else:
            self._end_as_shown(Problem(503, "offline", "The session could not be renewed just now.", retry_after=5))

    def _end_as_shown(self, problem: Problem) -> None:
        """End with the reason that the connection shows now; without one it is trouble of our own."""
        view = self._desk.view
        if view.reason is None:
            raise problem
        self.findings = self.findings.ended(of_reason(view.reason, view.detail))

    def _end(self, failure: Failure) -> None:
        self.findings = self.findings.ended(of_failure(failure))

    async def _look(self, step: Step) -> None:
        seen = self._desk.stored
        try:
            answer = await self._get(step, seen)
        except HostRefused:
            await self._sessions.note_refused_host(self._desk, seen)
            self._end_as_shown(Problem(503, "offline", "The host may not be asked."))
            return
        except Lost as lost:
            self._lost(step, seen, lost.kind)
            return
        if answer.status == _OK and "json" not in answer.content_type:
            self._lost(step, seen, "captive_portal")
            return
        failure = answer.failure(self._clock.now())
        await self._read(step, seen, answer, failure)

    async def _get(self, step: Step, seen: Connection) -> HttpAnswer:
        token = seen.session.access_token if seen.session and step.with_token else None
        try:
            async with asyncio.timeout(min(LOOK_SECONDS, self._left())):
                return await self._outside.get(
                    seen.instance_url + step.address(self.findings.subject), access_token=token
                )
        except TimeoutError:
            raise Lost("timeout", sent=True) from None

    def _lost(self, step: Step, seen: Connection, kind: str) -> None:
        failure = transport_failure(kind)
        if not step.vital:
            self.findings = diagnosis_ladder.passed_over(self.findings, step.what, failure.evidence)
            return
        self._sessions.note_lost(self._desk, seen, kind)
        self._end(failure)

    async def _read(self, step: Step, seen: Connection, answer: HttpAnswer, failure: Failure | None) -> None:
        told = Answered(status=answer.status, content_type=answer.content_type, body=answer.body)
        if failure is None or (not step.with_token and failure.action is not Action.RETRY):
            self.findings = diagnosis_ladder.answered(self.findings, step, told)
            if step is RESOURCES and self.findings.ending is None:
                await self._sessions.note_success(self._desk, seen)
        elif failure.refreshable and not self._renewed:
            await self._renew()
            if self.findings.ending is None:
                await self._look(step)
        elif not step.vital and failure.reason in _PASSING:
            self.findings = diagnosis_ladder.passed_over(self.findings, step.what, failure.evidence)
        else:
            if not failure.refreshable:  # a fresh session that is refused at once is no proof against the sign-in
                await self._sessions.note_failure(self._desk, seen, failure)
            self._end(failure)
