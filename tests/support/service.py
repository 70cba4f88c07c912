"""`meshmeshd` as a process of its own, and a raw way to talk to it."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

START_SECONDS = 30.0
PIN = "the test's own pin"
MESHMESHD = (str(Path(sys.executable).with_name("meshmeshd")),)
_TELLING = """
import sys
from meshmesh_bridge.program import main
code = main()
print("loaded:", *sys.modules, file=sys.stderr)
sys.exit(code)
"""
TELLING = (sys.executable, "-c", _TELLING)  # becomes the service, and tells at its end what it has loaded
# With these a test's service would raise its bubbles on the screen of whoever runs the tests.
_OF_THE_DESKTOP = {"DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR", "DISPLAY", "WAYLAND_DISPLAY", "INVOCATION_ID"}


@dataclass
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON; a test looks into it freely."""
        return json.loads(self.body)


def exchange(sock: socket.socket, request: bytes, *, head: bool = False) -> Answer:
    """Send raw bytes and read one answer; the connection is the caller's."""
    sock.settimeout(30)
    sock.sendall(request)
    raw = b""
    while b"\r\n\r\n" not in raw:
        chunk = sock.recv(65536)
        if not chunk:
            raise ConnectionError(f"closed after {len(raw)} bytes")
        raw += chunk
    top, _, body = raw.partition(b"\r\n\r\n")
    lines = top.decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])}
    wanted = 0 if head else int(headers.get("content-length", "-1"))
    while wanted < 0 or len(body) < wanted:
        chunk = sock.recv(65536)
        if not chunk:
            break
        body += chunk
    return Answer(int(lines[0].split()[1]), headers, body)


@dataclass
class Service:
    """One `meshmeshd` in a home of its own."""

    home: Path
    process: subprocess.Popen[bytes]
    port: int
    environ: dict[str, str] = field(repr=False)

    @property
    def socket_path(self) -> Path:
        """The owner's door."""
        return self.home / "runtime" / "meshmesh.sock"

    @property
    def log(self) -> str:
        """What it wrote to stderr so far."""
        return (self.home / "stderr.log").read_text()

    @property
    def loaded(self) -> set[str]:
        """The modules that it had loaded at its end, where it was started by `TELLING`."""
        return set(self.log.rpartition("loaded:")[2].split())

    def raw(self, request: bytes, *, family: socket.AddressFamily = socket.AF_INET, head: bool = False) -> Answer:
        """Raw bytes over a new TCP connection."""
        address = "::1" if family == socket.AF_INET6 else "127.0.0.1"
        with socket.socket(family) as sock:
            sock.connect((address, self.port))
            return exchange(sock, request, head=head)

    def call(
        self,
        method: str,
        target: str,
        body: object = None,
        *,
        owner: bool = False,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One call over a door: TCP, or the owner's socket."""
        lines = {"Authorization": f"Bearer {token}"} if token else {}
        payload = b"" if body is None else json.dumps(body).encode()
        if payload:
            lines["Content-Type"] = "application/json"
        return self.send(method, target, payload, owner=owner, headers={**lines, **(headers or {})})

    def send(
        self,
        method: str,
        target: str,
        payload: bytes = b"",
        *,
        owner: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request with exactly this body."""
        lines = {"Host": f"localhost:{self.port}", "Connection": "close"}
        if payload:
            lines["Content-Length"] = str(len(payload))
        lines |= headers or {}
        top = f"{method} {target} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines.items())
        with socket.socket(socket.AF_UNIX if owner else socket.AF_INET) as sock:
            sock.connect(str(self.socket_path) if owner else ("127.0.0.1", self.port))
            return exchange(sock, top.encode() + b"\r\n" + payload, head=method == "HEAD")

    def cli(self, *arguments: str, environ: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run `meshmesh` against this service."""
        command = [str(Path(sys.executable).with_name("meshmesh")), *arguments]
        environment = self.environ | {"MESHMESH_NO_BROWSER": "1"} | (environ or {})
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)

    def eventually(self, holds: Callable[[], bool], *, seconds: float = 10.0) -> bool:
        """Whether something becomes true soon."""
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
        return True

    def pair(self, *grants: Mapping[str, object], name: str = "test program") -> str:
        """Pair a program and give its token; the approval PIN is set where an org asks for a person."""
        asked = self.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read"}]}).json()
        target = f"/v1/pairings/{asked['user_code']}/approve"
        approved = self.call("POST", target, {"grants": list(grants)}, owner=True)
        if approved.status == 403 and approved.json()["code"] == "presence_required":
            self.call("POST", "/v1/pin", {"pin": PIN}, owner=True)
            approved = self.call("POST", target, {"grants": list(grants), "pin": PIN}, owner=True)
        assert approved.status == 200, approved.body
        given = self.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]})
        assert given.status == 200, given.body
        return str(given.json()["access_token"])

    def kill(self) -> None:
        """SIGKILL, from outside."""
        self.process.kill()
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)


def environment(home: Path, **extra: str) -> dict[str, str]:
    """The variables of a service and its command line in a home of their own."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("MESHMESH_") and name not in _OF_THE_DESKTOP
    }
    return kept | {"MESHMESH_HOME": str(home), "MESHMESH_PORT": "0"} | extra


def start(home: Path, *, program: Sequence[str] = MESHMESHD, **extra: str) -> Service:
    """Start `meshmeshd`, or a program that becomes it, and wait until both doors are open."""
    home.mkdir(mode=0o700, exist_ok=True)
    endpoint = home / "runtime" / "endpoint.json"
    endpoint.unlink(missing_ok=True)
    environ = environment(home, **extra)
    with (home / "stderr.log").open("ab") as log:
        process = subprocess.Popen(program, env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    deadline = time.monotonic() + START_SECONDS
    while not endpoint.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            process.wait(10)
            raise RuntimeError(f"meshmeshd did not start:\n{(home / 'stderr.log').read_text()}")
        time.sleep(0.02)
    port = int(json.loads(endpoint.read_text())["port"])
    return Service(home, process, port, environ | {"MESHMESH_PORT": str(port)})


class StartService(Protocol):
    """Starts a service that is ended with the test."""

    def __call__(self, home: Path | None = None, **extra: str) -> Service:
        """A running service; `extra` are further variables of its environment."""
        ...
