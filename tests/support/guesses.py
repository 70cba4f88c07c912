"""Guesses at what lets a program in, over both doors of a running service, while honest callers go on.

A quarter each: pairing tokens and device codes over TCP, user codes and device codes over the owner's socket, on
connections that are kept open.
"""

import http.client
import json
import secrets
import socket
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from support.service import Service

HONEST_EVERY = 250  # guesses between two honest calls
MOST_GROWTH_KIB = 24 * 1024
LETTERS = "BCDFGHJKLMNPQRSTVWXZ"


class _Door(http.client.HTTPConnection):
    """A connection over one of the doors that is kept open."""

    def __init__(self, service: Service, *, owner: bool) -> None:
        super().__init__("localhost", service.port, timeout=30)
        self._path = str(service.socket_path) if owner else None

    def connect(self) -> None:
        """Connect to the socket, or to the port."""
        if self._path is None:
            super().connect()
            return
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(30)
        self.sock.connect(self._path)

    def ask(self, method: str, target: str, body: object = None, token: str | None = None) -> tuple[int, bytes]:
        """One request; a line that was closed after a refusal is opened again."""
        headers = {"Content-Type": "application/json"} if body is not None else {}
        headers |= {"Authorization": f"Bearer {token}"} if token else {}
        self.request(method, target, None if body is None else json.dumps(body), headers)
        answer = self.getresponse()
        return answer.status, answer.read()


@dataclass
class Tally:
    """What came of it."""

    answers: Counter[str] = field(default_factory=Counter[str])
    taken: int = 0
    refused: int = 0
    slowest: float = 0.0
    growth_kib: int = 0

    @property
    def held(self) -> bool:
        """Whether no guess was taken, no honest caller refused, and the limits were there."""
        limited = all(self.answers[f"{kind} 429"] for kind in ("device code", "user code", "socket's device code"))
        return not self.taken and not self.refused and limited and self.growth_kib < MOST_GROWTH_KIB


def guess(service: Service, guesses: int) -> Tally:
    """Guess, a quarter at each kind of secret.

    Args:
        service: runs, and is the only one that is attacked.
        guesses: how many.
    """
    token = service.pair({"connection": "demo", "mode": "read"})
    tally, waiting = Tally(), _Waiting(service)
    with closing(_Door(service, owner=False)) as near, closing(_Door(service, owner=True)) as far:
        attempts = _attempts(near, far)
        for _ in range(guesses // 10):  # what the first ones make grow is not a leak
            _count(tally, *next(attempts))
        before = _memory(service)
        for number in range(guesses - guesses // 10):
            _count(tally, *next(attempts))
            if number % HONEST_EVERY == 0:
                _live(service, tally, token, waiting)
        tally.growth_kib = _memory(service) - before
    return tally


def _attempts(near: _Door, far: _Door) -> Iterator[tuple[str, int, bytes]]:
    while True:
        yield "pairing token", *near.ask("GET", "/v1/me", token=f"mmp_{secrets.token_hex(24)}x")
        yield "device code", *near.ask("POST", "/v1/pair/token", {"device_code": secrets.token_urlsafe(32)})
        code = "".join(secrets.choice(LETTERS) for _ in range(8))
        yield "user code", *far.ask("POST", f"/v1/pairings/{code}/approve", {"grants": []})
        yield "socket's device code", *far.ask("POST", "/v1/pair/token", {"device_code": secrets.token_urlsafe(32)})


def _count(tally: Tally, kind: str, status: int, body: bytes) -> None:
    tally.answers[f"{kind} {status}"] += 1
    tally.taken += status not in {400, 401, 404, 429} or b"access_token" in body


class _Waiting:
    """A program that waits for its approval, and asks again when nobody approved it in time."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._code = self._ask()

    def _ask(self) -> str:
        asked = self._service.call("POST", "/v1/pair", {"client_name": "waits"})
        return str(asked.json()["device_code"])

    def is_served(self) -> bool:
        """Whether it is told how things are."""
        answer = self._service.call("POST", "/v1/pair/token", {"device_code": self._code})
        error = answer.json().get("error")
        if error == "expired_token":
            self._code = self._ask()
        return answer.status == 400 and error in {"authorization_pending", "slow_down", "expired_token"}


def _live(service: Service, tally: Tally, token: str, waiting: _Waiting) -> None:
    """Honest callers go on: the paired one is served, the waiting one is told to wait."""
    began = time.monotonic()
    served = service.call("GET", "/v1/me", token=token).status == 200
    tally.slowest = max(tally.slowest, time.monotonic() - began)
    tally.refused += (not served) + (not waiting.is_served())


def _memory(service: Service) -> int:
    """What the service holds, in KiB."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
