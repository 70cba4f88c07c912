"""Killing `meshmeshd` in the middle of refreshes, and holding what it says afterwards against what the org knows.

What else it is killed in is in `kills_in_deeds`. After every kill the databases must be whole: the vault opens, its
digest is right, and every row of the activity follows from the one before.

The org rotates refresh tokens and ends a grant whose old token is used again, so a lost token cannot hide: the next
refresh shows it. `Campaign.round` kills once, starts the service again on the same home, and judges:
    - a client that got an access token can refresh afterwards: the refresh token that came with it is on disk;
    - otherwise a refresh works, or the connection says `rotation_interrupted`, and then the org did end the grant.
Anything else is a `Loss`: an error that names the round.
"""

import http.client
import random
import sqlite3
import threading
import time
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from support.faults import Line, Passage, lines
from support.peer import MANAGED, Client, Family, Peer, connect, peer, reconnect, view
from support.seeding import Seed
from support.seeding import seed as fill
from support.service import Service, start

NAME = "acme"
SETTLED_SECONDS = 10.0  # within which a lost rotation is mended or told, after a start
MOMENT = 0.012  # seconds in which an answer is read and committed, with some room
STRETCH = 0.25  # seconds of a loop of refreshes
FULL = Seed(connections=60, clients=10, activity_rows=400)  # so that what goes through all of it takes a while
CLOSED = (OSError, http.client.HTTPException)


class Phase(StrEnum):
    """When the service is killed."""

    ASKED = "the org has the request and has done nothing yet"
    ROTATED = "the org has rotated and not answered yet"
    HALF = "half of the answer is on its way"
    ANSWERED = "the answer is being read and stored"
    TOKEN_OUT = "the client has its access token"
    ANY = "any moment of a loop of refreshes"


class End(StrEnum):
    """What became of the connection."""

    KEPT = "kept"
    TOLD = "told"


class Loss(AssertionError):
    """A rotated token was lost and nobody was told, or the person was told of a loss that was none."""


@dataclass
class Campaign:
    """One home, one org, and the service that is killed again and again."""

    service: Service
    org: Peer
    line: Line
    chance: random.Random
    lasting: dict[str, float] = field(default_factory=dict[str, float])  # seconds, of what it is killed in
    client: Client = field(init=False)

    def round(self, phase: Phase, *, alone: bool = False) -> End:
        """Kill once and judge.

        Args:
            phase: when to kill.
            alone: nobody asks afterwards; the service finds out and tells by itself.

        Raises:
            Loss: see the module.
        """
        held, before = self.client.held(NAME), self._grant()
        received = self._kill(phase, held)
        self.restart(phase)
        lost = self._grant().rotations - before.rotations - received
        if alone:
            self._wait_until_settled()
        end = self._refreshed(phase)
        self._judge(phase, end, lost)
        if end is End.TOLD:
            reconnect(self.service, NAME)
        return end

    def restart(self, when: str) -> None:
        """Start again where it was killed, on a line that works, and look whether everything on disk is whole.

        Raises:
            Loss: it is not.
        """
        self.line.mend()
        self.service = start(self.service.home, MESHMESH_EXTRA_LOGIN_ORIGINS=self.line.origin)
        self.client = Client(service=self.service, token=self.client.token)
        status = self.service.call("GET", "/status", owner=True).json()
        if status["vault"] != "unlocked":
            raise Loss(f"{when}: the vault is {status['vault']}: {status['detail']}")
        proof = self.service.cli("activity", "--verify")
        if proof.returncode:
            raise Loss(f"{when}: the activity is not whole: {proof.stdout}{proof.stderr}")
        for file in ("vault.db", "activity.db"):
            told = _checked(self.service.home / "data" / file)
            if told != "ok":
                raise Loss(f"{when}: {file}: {told}")

    def _grant(self) -> Family:
        return self.org.state().of(MANAGED)[-1]

    def _kill(self, phase: Phase, held: str) -> int:
        """Kill at the phase; how many access tokens the client had got by then."""
        if phase is Phase.ANY:
            return self._kill_in_a_loop(held)
        reached = threading.Event()
        if phase is not Phase.TOKEN_OUT:
            self.line.fail(lambda passage: self._on_the_way(passage, phase, reached), only_token=True)
        with ThreadPoolExecutor(1) as caller:
            answer = caller.submit(self.client.reject, NAME, held)
            if phase is Phase.TOKEN_OUT:
                answer.result()
            elif not reached.wait(20):
                raise AssertionError(f"{phase}: it was not reached")
            self.service.kill()
            with suppress(*CLOSED):
                return int(answer.result().status == 200)
        return 0

    def _on_the_way(self, passage: Passage, phase: Phase, reached: threading.Event) -> None:
        if phase is not Phase.ASKED:
            status, headers, body = passage.carried_out()
            if phase is Phase.HALF:
                passage.answer(status, headers, body[: len(body) // 2], promised=len(body))
            elif phase is Phase.ANSWERED:
                passage.answer(status, headers, body)
                time.sleep(self.chance.uniform(0, MOMENT))
                self.service.process.kill()
        reached.set()
        passage.linger()

    def _kill_in_a_loop(self, held: str) -> int:
        """Refresh and refresh until the kill comes, at no moment in particular."""
        killer = threading.Timer(self.chance.uniform(0, STRETCH), self.service.process.kill)
        killer.start()
        received = 0
        with suppress(*CLOSED):
            while True:
                answer = self.client.reject(NAME, held)
                assert answer.status == 200, answer.body
                received, held = received + 1, str(answer.json()["access_token"])
        killer.join()
        self.service.process.wait(10)
        return received

    def _wait_until_settled(self) -> None:
        """Nobody asks: wait for the service's own attempt."""
        before, deadline = self.org.state().refreshes, time.monotonic() + SETTLED_SECONDS
        while self.org.state().refreshes == before:
            if time.monotonic() > deadline:
                raise Loss("a refresh that a crash cut off was not looked after in time")
            time.sleep(0.05)
        seen = view(self.service, NAME)
        if seen["status"] not in {"connected", "needs_you"}:
            raise Loss(f"the service's own attempt ended in {seen['status']}, {seen['reason']}")

    def _refreshed(self, phase: Phase) -> End:
        """Force a refresh: what it brings is how the connection really is."""
        deadline = time.monotonic() + SETTLED_SECONDS
        while True:
            answer = self.client.ask(NAME)
            if answer.status == 200:
                answer = self.client.reject(NAME, str(answer.json()["access_token"]))
            if answer.status != 503 or time.monotonic() > deadline:
                break
            time.sleep(0.1)
        if answer.status == 200:
            return End.KEPT
        if answer.status != 409 or answer.json()["reason"] != "rotation_interrupted":
            raise Loss(f"{phase}: {answer.status} {answer.body.decode()}")
        return End.TOLD

    def _judge(self, phase: Phase, end: End, lost: int) -> None:
        """Hold it against what the org knows."""
        grant, seen = self._grant(), view(self.service, NAME)
        shown = (seen["status"], seen["reason"])
        if end is End.KEPT and not (grant.live and shown == ("connected", None)):
            raise Loss(f"{phase}: a refresh worked, but the grant is {grant.why}, and the connection {shown}")
        if end is End.TOLD and (lost != 1 or grant.why != "refresh_token_reused"):
            raise Loss(f"{phase}: told of a loss, but {lost} answers were missing, and the grant is {grant.why}")
        if end is End.TOLD and (shown != ("needs_you", "rotation_interrupted") or not seen["detail"]):
            raise Loss(f"{phase}: the loss is not told: {shown}")


def _checked(file: Path) -> str:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True, timeout=10)) as database:
        return str(database.execute("PRAGMA integrity_check").fetchone()[0])


@contextmanager
def campaign(folder: Path, seed: int) -> Generator[Campaign]:
    """A service and an org to kill at, in a folder of their own."""
    home = folder / "home"
    (home / "config").mkdir(mode=0o700, parents=True)
    home.chmod(0o700)
    settings = home / "config" / "config.toml"
    settings.touch(0o600)
    settings.write_text("[demo]\nenabled = false\n")  # the org that matters here is another process
    fill(home, FULL)
    with peer(folder / "org") as org, lines(org.origin, 1) as (line,):
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
        made = Campaign(service=service, org=org, line=line, chance=random.Random(seed))  # noqa: S311 - when to kill is no secret
        try:
            connect(service, NAME, line.origin)
            made.client = Client.pair(service, NAME)
            yield made
        finally:
            made.service.kill()
