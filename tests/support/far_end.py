"""A far end that answers from a table, over a UNIX socket and over TCP, and keeps what it was asked."""

import json
import socket
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, object]:
        """The body as a JSON object."""
        value: dict[str, object] = json.loads(self.body)
        return value


def reply(status: int, body: object = None, *, media: str = "application/json") -> bytes:
    """The bytes of an answer with a JSON body, or with none."""
    content = b"" if body is None else json.dumps(body).encode()
    top = f"HTTP/1.1 {status} Whatever\r\nContent-Type: {media}\r\nContent-Length: {len(content)}\r\n\r\n"
    return top.encode() + content


def problem(status: int, code: str, detail: str, **members: object) -> bytes:
    """The bytes of a problem document."""
    document = {"type": "about:blank", "title": "No", "status": status, "detail": detail, "code": code, "next": None}
    return reply(status, document | members, media="application/problem+json")


@dataclass
class FarEnd:
    """The service, as far as its callers can tell.

    `answers` maps `METHOD target` to raw answers: each is used once, the last for ever. What is not there is 404.
    """

    path: Path
    answers: dict[str, list[bytes]] = field(default_factory=dict[str, list[bytes]])
    asked: list[Asked] = field(default_factory=list[Asked])

    def __post_init__(self) -> None:
        self._doors = [socket.socket(socket.AF_UNIX), socket.socket(socket.AF_INET)]
        self._doors[0].bind(str(self.path))
        self._doors[1].bind(("127.0.0.1", 0))
        for door in self._doors:
            door.listen(16)
            threading.Thread(target=self._serve, args=(door,), daemon=True).start()

    @property
    def port(self) -> int:
        """The TCP port."""
        return int(self._doors[1].getsockname()[1])

    def on(self, call: str, *raw: bytes) -> None:
        """Answer a call, such as `GET /status`, with raw bytes."""
        self.answers[call] = list(raw)

    def calls(self) -> list[str]:
        """What was asked, as `METHOD target`."""
        return [f"{one.method} {one.target}" for one in self.asked]

    def close(self) -> None:
        """Close both doors."""
        for door in self._doors:
            door.shutdown(socket.SHUT_RDWR)
            door.close()

    def _serve(self, door: socket.socket) -> None:
        while True:
            try:
                caller, _ = door.accept()
            except OSError:
                return
            with caller:
                self._answer(caller)

    def _answer(self, caller: socket.socket) -> None:
        raw = b""
        while b"\r\n\r\n" not in raw:
            part = caller.recv(65536)
            if not part:
                return
            raw += part
        top, _, body = raw.partition(b"\r\n\r\n")
        first, *lines = top.decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        while len(body) < int(headers.get("content-length", "0")):
            body += caller.recv(65536)
        method, target, _ = first.split(" ")
        self.asked.append(Asked(method=method, target=target, headers=headers, body=body))
        waiting = self.answers.get(f"{method} {target}", [problem(404, "not_found", "There is no such thing here.")])
        caller.sendall(waiting.pop(0) if len(waiting) > 1 else waiting[0])
