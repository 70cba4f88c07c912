"""A second org as a process of its own, and what a person does about it: sign in to it, pull its levers, count.

It outlives every `meshmeshd` of a test, so that what it holds after a crash is the measure of what was lost.
"""

import http.client
import json
import ssl
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPSHandler, ProxyHandler, build_opener

from support.demo_org import Buttons
from support.service import Answer, Service

MAX_PAGES = 10
LIMITS = "/services/data/v66.0/limits"
MANAGED = "PlatformCLI"  # the app of sign-ins that name none; its refresh tokens rotate

Json = dict[str, object]


@dataclass(frozen=True, kw_only=True)
class Family:
    """One grant and the refresh tokens that came of it."""

    id: str
    app: str
    live: bool
    why: str | None
    rotations: int


@dataclass(frozen=True, kw_only=True)
class State:
    """What the org has counted."""

    families: tuple[Family, ...]
    refreshes: int
    requests: int
    writes: int
    sessions: int

    def of(self, app: str) -> tuple[Family, ...]:
        """The grants of one app, oldest first."""
        return tuple(family for family in self.families if family.app == app)


@dataclass(frozen=True, kw_only=True)
class Peer:
    """An org that runs."""

    origin: str
    process: subprocess.Popen[str]
    lever_key: str = field(repr=False)

    def lever(self, name: str, /, **document: object) -> Json:
        """Pull a lever, which must work."""
        return self._lever("POST", name, document)

    def app(self, client_id: str, **policies: object) -> None:
        """Add an app whose refresh tokens rotate, or change one."""
        self.lever("app", **{"client_id": client_id, "rotation": True, **policies})

    def play(self, status: int, body: object = "", *, where: str = "token", times: int = 1, **more: object) -> None:
        """The answers to the next requests, in place of the real ones, or `after="after"` they were carried out."""
        self.lever("answer", where=where, status=status, body=body, times=times, **more)

    def state(self) -> State:
        """What it counts now."""
        document = self._lever("GET", "state", None)
        grants, tokens = document["grants"], document["token_requests"]
        assert isinstance(grants, list)
        assert isinstance(tokens, dict)
        return State(
            families=tuple(_family(grant) for grant in grants),  # pyright: ignore[reportUnknownVariableType, reportUnknownArgumentType]
            refreshes=int(tokens.get("refresh_token", 0)),  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]
            requests=int(str(document["requests"])),
            writes=int(str(document["writes"])),
            sessions=int(str(document["access_tokens_live"])),
        )

    def _lever(self, method: str, name: str, document: Mapping[str, object] | None) -> Json:
        status, body = _ask(
            f"{self.origin}/demo/{name}",
            method=method,
            body=b"" if document is None else json.dumps(document).encode(),
            headers={"Authorization": f"Lever {self.lever_key}"},
        )
        assert status == 200, body
        answer: Json = json.loads(body)
        return answer


def _family(grant: Json) -> Family:
    tokens, why = grant["refresh_tokens"], grant["revoked_reason"]
    assert isinstance(tokens, dict)
    return Family(
        id=str(grant["id"]),
        app=str(grant["client_id"]),
        live=grant["state"] == "live",
        why=None if why is None else str(why),
        rotations=int(str(tokens["used"])),  # pyright: ignore[reportUnknownArgumentType]
    )


@contextmanager
def peer(folder: Path) -> Generator[Peer]:
    """An org in a process of its own, ended with the block."""
    command = [sys.executable, "-m", "meshmesh_demo", "--folder", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            word, _, origin = process.stdout.readline().strip().partition(" ")
            assert word == "origin", "the org did not start"
            yield Peer(origin=origin, process=process, lever_key=(folder / "lever.key").read_text())
        finally:
            process.terminate()
            process.wait(20)


def _ask(url: str, *, method: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
    parts = urlsplit(url)
    line = http.client.HTTPConnection(parts.netloc, timeout=20)
    try:
        line.request(method, parts.path, body or None, dict(headers))
        answer = line.getresponse()
        return answer.status, answer.read()
    finally:
        line.close()


def walk(url: str, *, context: ssl.SSLContext | None = None) -> None:
    """Click through sign-in pages to their end, as the org's first user: the first button of each page."""
    browser = build_opener(ProxyHandler({}), HTTPCookieProcessor(), HTTPSHandler(context=context))
    form: dict[str, str] | None = None
    for _ in range(MAX_PAGES):
        with browser.open(url, None if form is None else urlencode(form).encode(), 20) as answer:
            url, page = answer.geturl(), answer.read().decode()
        forms = Buttons(page).forms
        if not forms:
            return
        action, hidden, buttons = forms[0]
        url, form = urljoin(url, action), {**hidden, **dict(buttons[:1])}
    raise AssertionError("the pages do not end")


def connect(
    service: Service,
    name: str,
    origin: str,
    *,
    context: ssl.SSLContext | None = None,
    **asked: object,
) -> None:
    """Make a connection by a sign-in at an org's address; `asked` is what else is asked for (`app`, `scopes`)."""
    asked |= {"environment": "custom", "domain": origin, "name": name}
    begun = service.call("POST", "/v1/connections", asked, owner=True)
    if begun.status == 201:  # client credentials need no browser
        return
    assert begun.status == 202, begun.body
    _finish(service, begun.json()["sign_in"], context)


def reconnect(service: Service, name: str, *, context: ssl.SSLContext | None = None) -> None:
    """Press Reconnect and sign in again."""
    begun = service.call("POST", f"/v1/connections/{name}/reconnect", owner=True)
    if begun.status == 201:
        return
    assert begun.status == 202, begun.body
    _finish(service, begun.json()["sign_in"], context)


def _finish(service: Service, sign_in: Mapping[str, str], context: ssl.SSLContext | None) -> None:
    walk(sign_in["authorize_url"], context=context)
    ended = service.call("GET", f"/v1/sign-ins/{sign_in['id']}", owner=True).json()
    assert ended["status"] == "done", ended


@dataclass(frozen=True, kw_only=True)
class Client:
    """A paired program that may do everything with some connections."""

    service: Service
    token: str

    @classmethod
    def pair(cls, service: Service, *names: str) -> "Client":
        """Pair it."""
        grants = [{"connection": name, "mode": "build", "raw_token": True} for name in names]
        return cls(service=service, token=service.pair(*grants))

    def ask(self, name: str) -> Answer:
        """Ask for the token."""
        return self._call("GET", f"/v1/connections/{name}/token")

    def held(self, name: str) -> str:
        """The token, which must be there."""
        answer = self.ask(name)
        assert answer.status == 200, (answer.status, answer.headers, answer.body)
        return str(answer.json()["access_token"])

    def reject(self, name: str, dead: str) -> Answer:
        """Say that a token got a 401, and ask for another."""
        return self._call("POST", f"/v1/connections/{name}/token", json.dumps({"rejected": dead}))

    def rest(self, name: str) -> Answer:
        """A read through the broker."""
        return self._call("GET", f"/o/{name}{LIMITS}")

    def _call(self, method: str, target: str, body: str | None = None) -> Answer:
        """One call, with more patience than the service has with an org that hangs."""
        line = http.client.HTTPConnection("127.0.0.1", self.service.port, timeout=60)
        host = {"Host": f"localhost:{self.service.port}", "Authorization": f"Bearer {self.token}"}
        line.request(method, target, body, host | ({"Content-Type": "application/json"} if body else {}))
        answer = line.getresponse()
        read = Answer(answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read())
        line.close()
        return read


def view(service: Service, name: str) -> Json:
    """How a connection is said to be, once no refresh is under way."""
    deadline = time.monotonic() + 40
    while True:
        seen: Json = service.call("GET", f"/v1/connections/{name}", owner=True).json()
        if seen["status"] != "refreshing" or time.monotonic() > deadline:
            return seen
        time.sleep(0.05)
