"""A soak: mixed work on one `meshmeshd` for as long as you like, while sessions end every few seconds.

    .venv-test/bin/python tests/bench/soak.py [--minutes 20]

Programs take tokens, read and write through the broker, hand in plans and have them approved, listen to events, pair and
are revoked. Prints memory and descriptors over time. The first third lets caches and pools fill; of the rest the median
of the second half is compared with that of the first. Ends with 1 where memory or descriptors grew, or where a call got
an answer that it must not get.
"""

import argparse
import socket
import statistics
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.meter import descriptors, resident
from support.peer import Client, Peer, connect, peer
from support.service import Service, start

ROOT = "/services/data/v66.0"
NAME = "acme"
EXPIRY_SECONDS = 3.0
SAMPLE_SECONDS = 0.5
MOST_GROWTH = 0.06  # of the memory that it had in the first half
MOST_DESCRIPTORS = 10
ROWS = 10  # of the table


@dataclass
class Work:
    """What goes on, and what came of it."""

    service: Service
    org: Peer
    build: Client
    plan_token: str
    done: Counter[str] = field(default_factory=Counter[str])
    wrong: Counter[str] = field(default_factory=Counter[str])
    ended: threading.Event = field(default_factory=threading.Event)

    def expect(self, what: str, status: int, *right: int, body: bytes = b"") -> None:
        """Count an answer; 503 and 409 are wrong as well, since here the org is well and nobody is needed."""
        self.done[what] += 1
        if status not in right:
            self.wrong[f"{what}: {status} {body[:200]!r}"] += 1

    def tokens(self) -> None:
        """Take the token, and report it dead as a program does that got a 401."""
        answer = self.build.ask(NAME)
        self.expect("token", answer.status, 200, body=answer.body)
        if answer.status == 200 and self.done["token"] % 20 == 0:
            again = self.build.reject(NAME, str(answer.json()["access_token"]))
            self.expect("token again", again.status, 200, body=again.body)

    def reads(self) -> None:
        """Query through the broker."""
        target = f"/o/{NAME}{ROOT}/query?q={quote('SELECT Id, Name FROM Account LIMIT 5')}"
        answer = self.service.call("GET", target, token=self.build.token)
        self.expect("read", answer.status, 200, body=answer.body)

    def writes(self) -> None:
        """Make a record through the broker, and take it away again."""
        target = f"/o/{NAME}{ROOT}/sobjects/Account"
        made = self.service.call("POST", target, {"Name": "Soaked"}, token=self.build.token)
        self.expect("create", made.status, 201, body=made.body)
        if made.status == 201:
            gone = self.service.call("DELETE", f"{target}/{made.json()['id']}", token=self.build.token)
            self.expect("delete", gone.status, 204, body=gone.body)

    def plans(self) -> None:
        """Hand in a plan on the demo org, and have it approved, rejected or withdrawn."""
        number = self.done["plan"]
        found = self.service.call(
            "GET", f"/o/demo{ROOT}/query?q={quote('SELECT Id FROM Account LIMIT 1')}", token=self.plan_token
        )
        record = found.json()["records"][0]["Id"]
        request = {"method": "PATCH", "path": f"{ROOT}/sobjects/Account/{record}", "body": {"Name": f"Soaked {number}"}}
        body = {"connection": "demo", "requests": [request]}
        plan = self.service.call("POST", "/v1/plans", body, token=self.plan_token)
        self.expect("plan", plan.status, 201, body=plan.body)
        path = f"/v1/plans/{plan.json()['id']}"
        if number % 3 == 0:
            decided = self.service.call("POST", f"{path}/approve", {}, owner=True)
        elif number % 3 == 1:
            decided = self.service.call("POST", f"{path}/reject", {"reason": "soaked"}, owner=True)
        else:
            decided = self.service.call("DELETE", path, token=self.plan_token)
        self.expect("plan decided", decided.status, 200, 202, 204, body=decided.body)
        self.ended.wait(0.5)

    def events(self) -> None:
        """Listen for a moment, and go away without a word."""
        with socket.create_connection(("127.0.0.1", self.service.port), timeout=5) as sock:
            sock.sendall(
                f"GET /v1/events HTTP/1.1\r\nHost: localhost:{self.service.port}\r\n"
                f"Authorization: Bearer {self.build.token}\r\n\r\n".encode()
            )
            with suppress(TimeoutError):
                self.expect("events", int(sock.recv(65536).split()[1]), 200)
                sock.settimeout(0.5)
                while sock.recv(65536):
                    pass

    def pairs(self) -> None:
        """Pair a program, let it look who it is, and revoke it."""
        token = self.service.pair({"connection": "demo", "mode": "read"}, name=f"soaked {self.done['pairing']}")
        me = self.service.call("GET", "/v1/me", token=token)
        self.expect("pairing", me.status, 200, body=me.body)
        gone = self.service.call("DELETE", f"/v1/clients/{me.json()['id']}", owner=True)
        self.expect("revoked", gone.status, 200, 204, body=gone.body)
        self.ended.wait(1.0)

    def expires(self) -> None:
        """Every session ends, at both orgs; and another day begins, of which no request is used."""
        self.org.lever("expire-session")
        self.org.lever("org", api_requests_used=0)
        self.service.call("POST", "/v1/demo/expire-session", {}, owner=True)
        self.done["expiry"] += 1
        self.ended.wait(EXPIRY_SECONDS)

    @property
    def kinds(self) -> tuple[Callable[[], None], ...]:
        """Each goes on in a thread of its own."""
        return (self.tokens, self.reads, self.writes, self.plans, self.events, self.pairs, self.expires)

    def go_on(self, kind: Callable[[], None]) -> None:
        """One kind of work until the end; what breaks off is counted, and the work goes on."""
        while not self.ended.is_set():
            try:
                kind()
            except Exception as error:  # noqa: BLE001 - a soak reports everything
                self.wrong[f"{kind.__name__}: {type(error).__name__}: {error}"] += 1
            self.ended.wait(0.02)


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What it holds at one moment."""

    seconds: float
    kib: int
    files: int


def soak(work: Work, seconds: float) -> list[Sample]:
    """Work for so long, and look at the process all the while."""
    threads = [threading.Thread(target=work.go_on, args=(kind,), daemon=True) for kind in work.kinds]
    for thread in threads:
        thread.start()
    begun, samples, pid = time.monotonic(), list[Sample](), work.service.process.pid
    while (spent := time.monotonic() - begun) < seconds and work.service.process.poll() is None:
        samples.append(Sample(seconds=spent, kib=resident(pid), files=descriptors(pid) or 0))
        time.sleep(SAMPLE_SECONDS)
    work.ended.set()
    for thread in threads:
        thread.join(30)
    return samples


def judge(samples: list[Sample], work: Work) -> bool:
    """Print, and say whether all was well."""
    print(f"{'seconds':>9}{'memory, MiB':>14}{'descriptors':>14}")
    for sample in samples[:: max(len(samples) // ROWS, 1)]:
        print(f"{sample.seconds:>9.0f}{sample.kib / 1024:>14.1f}{sample.files:>14}")
    kept = samples[len(samples) // 3 :]
    halves = kept[: len(kept) // 2], kept[len(kept) // 2 :]
    kib = [statistics.median(sample.kib for sample in half) for half in halves]
    files = [statistics.median(sample.files for sample in half) for half in halves]
    print(
        f"memory {kib[0] / 1024:.1f} -> {kib[1] / 1024:.1f} MiB ({kib[1] / kib[0] - 1:+.1%}, at most {MOST_GROWTH:+.0%})"
    )
    print(f"descriptors {files[0]:.0f} -> {files[1]:.0f} (at most {MOST_DESCRIPTORS:+})")
    print("done: " + ", ".join(f"{what} {count}" for what, count in sorted(work.done.items())))
    for what, count in work.wrong.most_common(20):
        print(f"wrong, {count} times: {what}")
    flat = kib[1] <= kib[0] * (1 + MOST_GROWTH) and files[1] - files[0] <= MOST_DESCRIPTORS
    return flat and not work.wrong and work.service.process.poll() is None


def main() -> int:
    """Soak a service of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=20.0)
    asked = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        org = stack.enter_context(peer(folder / "org"))
        service = start(folder / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        stack.callback(service.stop)
        connect(service, NAME, org.origin)
        build = Client.pair(service, NAME)
        work = Work(service, org, build, service.pair({"connection": "demo", "mode": "plan"}))
        samples = soak(work, asked.minutes * 60)
        return 0 if judge(samples, work) else 1


if __name__ == "__main__":
    raise SystemExit(main())
