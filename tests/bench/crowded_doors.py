"""Crowds at both doors that want nothing good: idle and slow connections, a listener that never reads, sizes past the limits.

    .venv-test/bin/python tests/bench/crowded_doors.py [--crowd 500] [--events 200]

Meanwhile an honest program goes on over each door. Prints what was answered, how long an honest call took, and what
memory did; ends with 1 where an honest caller was not served, where memory was not bounded, where something past a limit
was taken or something at it was not, or where the crowd's descriptors were not given back.
"""

import argparse
import resource
import socket
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from meshmesh_bridge.bodies import MAX_BODY
from meshmesh_bridge.heads import MAX_HEADER_BYTES
from meshmesh_bridge.serve import MAX_FIELD, MAX_LINE
from support.meter import descriptors, resident
from support.service import Service, start

MOST_GROWTH_KIB = 64 * 1024
LEFT_OVER = 8  # descriptors that may be open for other reasons
GIVEN_BACK_SECONDS = 30.0
STALLED_SECONDS = 45.0  # within which a listener that takes nothing is cut off
BIG = 100_000  # characters in a held change, so that each event is large
ROOT = "/services/data/v66.0"


@dataclass
class Trial:
    """One service, an honest program, and what was found."""

    service: Service
    token: str
    base_kib: int
    base_files: int | None
    peak_kib: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list[str])

    @classmethod
    def of(cls, service: Service) -> "Trial":
        """Pair the honest program, and see what the service holds before."""
        token = service.pair({"connection": "demo", "mode": "plan"})
        service.call("GET", "/v1/me", token=token)
        pid = service.process.pid
        return cls(service, token, resident(pid), descriptors(pid))

    def honest(self, when: str, calls: int = 10) -> None:
        """Honest calls over both doors, while something goes on."""
        for _ in range(calls):
            begun = time.monotonic()
            for what, answer in (
                ("port", self.service.call("GET", "/v1/me", token=self.token)),
                ("socket", self.service.call("GET", "/v1/clients", owner=True)),
            ):
                if answer.status != 200:
                    self.wrong.append(f"{when}: an honest call over the {what} got {answer.status}")
            self.slowest = max(self.slowest, time.monotonic() - begun)
        self.peak_kib = max(self.peak_kib, resident(self.service.process.pid))
        grown = (resident(self.service.process.pid) - self.base_kib) / 1024
        print(f"{when:<58}{grown:>+9.1f} MiB{self.slowest * 1000:>9.0f} ms")

    def check(self, what: str, status: int, *right: int) -> None:
        """A single answer."""
        print(f"{what:<58}{status:>9}")
        if status not in right:
            self.wrong.append(f"{what}: {status}, not {' or '.join(map(str, right))}")


def dial(service: Service, *, owner: bool) -> socket.socket:
    """A connection at one of the doors."""
    sock = socket.socket(socket.AF_UNIX if owner else socket.AF_INET)
    sock.connect(str(service.socket_path) if owner else ("127.0.0.1", service.port))  # waits where the backlog is full
    sock.settimeout(30)
    return sock


@contextmanager
def crowd(service: Service, count: int) -> Generator[list[socket.socket]]:
    """So many connections at each door."""
    with ExitStack() as stack:
        yield [stack.enter_context(dial(service, owner=owner)) for owner in (False, True) for _ in range(count)]


def crowds(trial: Trial, count: int) -> None:
    """Idle, then a dribbled head, then a dribbled body."""
    host = f"Host: localhost:{trial.service.port}\r\n"
    with crowd(trial.service, count) as idle:
        trial.honest(f"{len(idle)} idle connections")
        for sock in idle:
            sock.sendall(f"GET /v1/me HTTP/1.1\r\n{host}X-Slow: ".encode())
        for _ in range(5):
            for sock in idle:
                sock.sendall(b"a")
            trial.honest(f"{len(idle)} dribble a head", calls=2)
    with crowd(trial.service, count) as slow:
        for sock in slow:
            sock.sendall(
                f"POST /v1/pair HTTP/1.1\r\n{host}Content-Type: application/json\r\nContent-Length: 5000\r\n\r\n".encode()
            )
        for _ in range(5):
            for sock in slow:
                sock.sendall(b" ")
            trial.honest(f"{len(slow)} dribble a body", calls=2)
    trial.honest("when they are gone")


def deaf(trial: Trial, events: int) -> None:
    """A listener with a small window never reads, while large events are told; it must be cut off, and nobody waits."""
    with socket.socket(socket.AF_INET) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        sock.connect(("127.0.0.1", trial.service.port))
        sock.sendall(
            f"GET /v1/events HTTP/1.1\r\nHost: localhost:{trial.service.port}\r\n"
            f"Authorization: Bearer {trial.token}\r\n\r\n".encode()
        )
        if not trial.service.eventually(lambda: _is_open(trial.service, sock)):
            trial.wrong.append("the listener that never reads is not there")
        for number in range(events):
            body = {"Name": f"Never {number}", "Description": "x" * BIG}
            request = {"method": "POST", "path": f"{ROOT}/sobjects/Account", "body": body}
            plan = trial.service.call(
                "POST", "/v1/plans", {"connection": "demo", "requests": [request]}, token=trial.token
            )
            if plan.status != 201:
                trial.wrong.append(f"a plan beside a deaf listener: {plan.status} {plan.body[:200]!r}")
                return
            trial.service.call("DELETE", f"/v1/plans/{plan.json()['id']}", token=trial.token)
        trial.honest(f"{events * 2} events to a listener that never reads")
        if not trial.service.eventually(lambda: not _is_open(trial.service, sock), seconds=STALLED_SECONDS):
            trial.wrong.append("a listener that never reads was not cut off")
    trial.honest("when it is cut off")


def _is_open(service: Service, sock: socket.socket) -> bool:
    """Whether the service still holds its side of a connection, by the kernel's table."""
    near, far = f":{service.port:04X}", f":{sock.getsockname()[1]:04X}"
    rows = (line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:])
    return any(row[1].endswith(near) and row[2].endswith(far) and row[3] == "01" for row in rows)


def limits(trial: Trial) -> None:
    """Bodies, lines and headers at their limits and past them, at both doors."""
    for owner in (False, True):
        _sizes_of_bodies(trial, owner=owner)
        _sizes_of_heads(trial, owner=owner)


def _sizes_of_bodies(trial: Trial, *, owner: bool) -> None:
    for size, right in ((MAX_BODY, (400, 422)), (MAX_BODY + 1, (413,))):
        headers = {"Content-Type": "application/json"}
        answer = trial.service.send("POST", "/v1/pair", b'"' + b"x" * (size - 2) + b'"', owner=owner, headers=headers)
        trial.check(f"{_name(owner=owner)}: a body of {size}", answer.status, *right)


def _sizes_of_heads(trial: Trial, *, owner: bool) -> None:
    many = {f"X-{number}": "x" * 2000 for number in range(MAX_HEADER_BYTES // 2000 + 2)}
    for what, target, headers, right in (
        (f"a header of {MAX_FIELD - 100}", "/v1/me", {"X-Long": "x" * (MAX_FIELD - 100)}, (200,)),
        (f"a header of {MAX_FIELD * 2}", "/v1/me", {"X-Long": "x" * MAX_FIELD * 2}, (400, 431)),
        (f"headers of {MAX_HEADER_BYTES} and more", "/v1/me", many, (400, 431)),
        (f"an address of {MAX_LINE - 200}", f"/v1/me?x={'x' * (MAX_LINE - 208)}", {}, (200, 422)),
        (f"an address of {MAX_LINE + 100}", f"/v1/me?x={'x' * (MAX_LINE + 92)}", {}, (400, 414)),
    ):
        lines = {"Authorization": f"Bearer {trial.token}", **headers}
        answer = trial.service.send("GET", target, owner=owner, headers=lines)
        trial.check(f"{_name(owner=owner)}: {what}", answer.status, *right)


def _name(*, owner: bool) -> str:
    return "socket" if owner else "port"


def given_back(trial: Trial) -> None:
    """The crowd's descriptors are closed again."""
    before, pid = trial.base_files, trial.service.process.pid
    if before is None:
        print("the kernel does not tell us its descriptors")
        return
    held = trial.service.eventually(lambda: (descriptors(pid) or 0) <= before + LEFT_OVER, seconds=GIVEN_BACK_SECONDS)
    print(f"descriptors: {before} before, {descriptors(pid)} in the end")
    if not held:
        trial.wrong.append(f"{descriptors(pid)} descriptors are open, {before} were")


def main() -> int:
    """Try one service, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--crowd", type=int, default=500)
    parser.add_argument("--events", type=int, default=200)
    asked = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory() as folder:
        service = start(Path(folder) / "home")
        try:
            trial = Trial.of(service)
            limits(trial)
            crowds(trial, asked.crowd)
            deaf(trial, asked.events)
            given_back(trial)
        finally:
            service.stop()
    if trial.peak_kib - trial.base_kib > MOST_GROWTH_KIB:
        trial.wrong.append(f"memory grew by {(trial.peak_kib - trial.base_kib) / 1024:.0f} MiB")
    for what in trial.wrong:
        print(f"WRONG: {what}")
    return 1 if trial.wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
