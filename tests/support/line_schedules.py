"""A real `meshmeshd`, an org that rotates, and a line with TLS between them on which everything goes wrong in turn.

`Schedule.run` lets troubles follow each other while programs ask, mends the line, and judges as the org sees it.
"""

import random
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import trustme

from support import faults
from support.faults import JSON, PAGE, PORTAL, TOKEN_PATH, Fault, Line, Passage, certified, lines, says
from support.peer import MANAGED, Client, Family, Peer, connect, peer, reconnect, view
from support.service import Answer, start

NAME = "acme"
CALLERS = 5
MENDED_SECONDS = 30.0
REFUSAL = '{"error":"invalid_grant","error_description":"expired access/refresh token"}'


class Loss(AssertionError):
    """A law was broken."""


def passes(passage: Passage) -> None:
    """All is well."""
    passage.answer(*passage.carried_out())


def cuts_the_answer(passage: Passage) -> None:
    """The org has carried it out, and half of its answer arrives."""
    status, headers, body = passage.carried_out()
    passage.answer(status, headers, body[: len(body) // 2], promised=len(body))


FAULTS: dict[str, Fault] = {
    "all is well": passes,
    "latency": faults.takes_its_time,
    "slow bytes": faults.drips,
    "reset": faults.resets,
    "closed": faults.closes,
    "cut short": faults.breaks_off,
    "answer cut": cuts_the_answer,
    "answer lost": faults.loses_the_answer,
    "garbage": faults.talks_garbage,
    "broken chunks": faults.sends_broken_chunks,
    "captive portal": says(200, PORTAL, PAGE),
    "portal that says so": says(511, PORTAL, PAGE),
    "redirect": says(302, "", PAGE, Location="http://portal.invalid/"),
    "500": says(500, ""),
    "503": says(503, REFUSAL, JSON, Retry_After="1"),
    "429": says(429, "", PAGE, Retry_After="1"),
    "forged refusal": says(400, REFUSAL, PAGE),
}
TLS = "certificate of a stranger"


@dataclass
class Gauge:
    """Counts requests for tokens that are at the org's side of the line at the same time."""

    now: int = 0
    most: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def watched(self, fault: Fault) -> Fault:
        """A fault that counts."""

        def counted(passage: Passage) -> None:
            counts = passage.path == TOKEN_PATH
            with self.lock:
                self.now += counts
                self.most = max(self.most, self.now)
            try:
                fault(passage)
            finally:
                with self.lock:
                    self.now -= counts

        return counted


@dataclass
class Schedules:
    """One connection, and the troubles that it meets."""

    org: Peer
    line: Line
    client: Client
    chance: random.Random
    gauge: Gauge = field(default_factory=Gauge)
    met: Counter[str] = field(default_factory=Counter[str])

    def run(self) -> str:
        """One schedule.

        Returns:
            `kept`, or `told` where an answer was lost that had rotated the token.

        Raises:
            Loss: a law was broken.
        """
        for _ in range(self.chance.randint(2, 5)):
            self._trouble(self.chance.choice([*FAULTS, TLS]))
            with ThreadPoolExecutor(CALLERS) as crowd:
                answers = list(crowd.map(self._call, [self._chosen() for _ in range(CALLERS)]))
            wrong = [answer for answer in answers if answer.status not in {200, 409, 503}]
            if wrong:
                raise Loss(f"a caller was answered {wrong[0].status} {wrong[0].body!r}")
            time.sleep(self.chance.uniform(0, 0.3))
        self.line.mend()
        self.line.fail(self.gauge.watched(passes))
        return self._judged()

    def _trouble(self, name: str) -> None:
        self.met[name] += 1
        self.line.mend()
        if name == TLS:
            self.line.present(certified(trustme.CA()))
        else:
            self.line.fail(self.gauge.watched(FAULTS[name]), only_token=self.chance.random() < 0.5)

    def _chosen(self) -> Callable[[], Answer]:
        session = self.client.ask(NAME)
        if session.status == 200 and self.chance.random() < 0.7:
            held = str(session.json()["access_token"])
            return lambda: self.client.reject(NAME, held)
        return self.chance.choice([lambda: self.client.ask(NAME), lambda: self.client.rest(NAME)])

    @staticmethod
    def _call(call: Callable[[], Answer]) -> Answer:
        return call()

    def _judged(self) -> str:
        if self.gauge.most > 1:
            raise Loss(f"{self.gauge.most} refreshes at the same time")
        answer = self._refreshed()
        grant, seen = self._grant(), view(self.client.service, NAME)
        if answer.status == 200:
            if not grant.live or seen["status"] != "connected":
                raise Loss(f"a token was given, and the grant is {grant.why}, the connection {seen['status']}")
            return "kept"
        if answer.status != 409 or answer.json()["reason"] != "rotation_interrupted":
            raise Loss(f"on a line that works again: {answer.status} {answer.body!r}")
        if grant.why != "refresh_token_reused":
            raise Loss(f"a person is asked for, and the grant is {grant.why or 'live'}")
        reconnect(self.client.service, NAME, context=self.line.trusted)
        return "told"

    def _refreshed(self) -> Answer:
        """A refresh that must now work, or be refused for good."""
        deadline = time.monotonic() + MENDED_SECONDS
        while True:
            answer = self.client.ask(NAME)
            if answer.status == 200:
                answer = self.client.reject(NAME, str(answer.json()["access_token"]))
            if answer.status != 503 or time.monotonic() > deadline:
                return answer
            time.sleep(0.1)

    def _grant(self) -> Family:
        return self.org.state().of(MANAGED)[-1]


@contextmanager
def schedules(folder: Path, seed: int) -> Generator[Schedules]:
    """A service, an org and a line, in a folder of their own."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(folder / "authority.pem"))
    with peer(folder / "org") as org, lines(org.origin, 1, authority=authority) as (line,):
        service = start(
            folder / "home",
            MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin,
            SSL_CERT_FILE=str(folder / "authority.pem"),
        )
        try:
            connect(service, NAME, line.origin, context=line.trusted)
            chance = random.Random(seed)  # noqa: S311 - which trouble comes next is no secret
            yield Schedules(org=org, line=line, client=Client.pair(service, NAME), chance=chance)
        finally:
            service.stop()
