"""The canary: everything is run once with secrets that are known, and no output of any kind may hold one of them.

A line between the service and its org hears what passes there: refresh tokens, codes, verifiers. What is *meant* to hold a
secret (the answers that hand out a token or a code, the address of a sign-in) is the only thing that is not looked at.
"""

import base64
import json
import re
import socket
import subprocess
import threading
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from meshmesh_bridge.bodies import parse_object
from meshmesh_daemon.core.problems import Problem
from support.demo_org import ADA
from support.faults import TOKEN_PATH, Line, Passage, lines
from support.peer import Peer, peer
from support.person import Person
from support.service import Answer, Service, start

CLIENT_SECRET = "canary-client-secret-4b1c7d"
PIN = "canary-pin-90210"
LOOSE = "canary-loose-3f9a2e"  # planted in every place where no secret belongs
LIMITS = "/o/org/services/data/v66.0/limits"
APP = "3MVG9.canary"
TOKEN_FIELDS = ("access_token", "refresh_token", "id_token", "code", "code_verifier", "client_secret", "token")
BUILD: dict[str, object] = {"connection": "org", "mode": "build", "raw_token": True}


@dataclass
class Evidence:
    """What was secret, and what came out."""

    secrets: dict[str, str] = field(default_factory=dict[str, str])
    outputs: dict[str, bytes] = field(default_factory=dict[str, bytes])

    def learn(self, name: str, secret: object) -> str:
        """A secret that is not planted, but made on the way."""
        assert isinstance(secret, str)
        assert len(secret) > 5
        self.secrets[f"{name} {len(self.secrets)}"] = secret
        return secret

    def put(self, name: str, *content: bytes) -> None:
        """Something that came out."""
        self.outputs[name] = self.outputs.get(name, b"") + b"\n".join(content)


class Ear:
    """Hears what passes at the token endpoint."""

    def __init__(self, evidence: Evidence) -> None:
        self._evidence = evidence

    def __call__(self, passage: Passage) -> None:
        """Pass on, and remember what was secret in it."""
        status, headers, body = passage.carried_out()
        if passage.path == TOKEN_PATH or passage.path.endswith(("/revoke", "/introspect")):
            self._hear(dict(parse_qsl(passage.body.decode())))
            with suppress(Problem):
                self._hear(parse_object(body))
        passage.answer(status, headers, body)

    def _hear(self, said: Mapping[str, object]) -> None:
        for name in TOKEN_FIELDS:
            if said.get(name) and said[name] not in self._evidence.secrets.values():
                self._evidence.learn(f"heard {name}", said[name])


class Echo:
    """An org whose refusals repeat what was sent, secrets and all."""

    def __call__(self, passage: Passage) -> None:
        """Refuse, quoting."""
        sent = f"{passage.body.decode()} {passage.headers.get('Authorization', '')}"
        description = f"expired access/refresh token {sent} {LOOSE}"
        body: object = {"error": "invalid_grant", "error_description": description}
        if passage.path.startswith("/services/data"):
            body = [{"errorCode": "INVALID_SESSION_ID", "message": description}]
            passage.answer(401, {"Content-Type": "application/json"}, json.dumps(body).encode())
            return
        passage.answer(400, {"Content-Type": "application/json"}, json.dumps(body).encode())


@dataclass(kw_only=True)
class Play:
    """The run itself, step by step."""

    service: Service
    org: Peer
    line: Line
    evidence: Evidence

    def call(self, method: str, target: str, body: object = None, **how: object) -> Answer:
        """A call whose answer may hold no secret."""
        answer = self.service.call(method, target, body, **how)  # type: ignore[arg-type]
        self.evidence.put("answers", repr(answer.headers).encode(), answer.body)
        return answer

    def hand_out(self, method: str, target: str, body: object = None, **how: object) -> Answer:
        """A call whose answer is there to hand out a secret."""
        return self.service.call(method, target, body, **how)  # type: ignore[arg-type]

    def sign_in(self, begun: Answer) -> None:
        """A person signs in; the address they come back to, its pages, and the attempt."""
        attempt = begun.json()["sign_in"]
        asked = dict(parse_qsl(urlsplit(str(attempt["authorize_url"])).query))
        self.evidence.learn("state", asked["state"])
        person = Person(ADA)
        address = person.come_back(attempt["authorize_url"])
        self.evidence.learn("code", dict(parse_qsl(urlsplit(address).query))["code"])
        for url in (address, address, address.replace("code=", "code=x")):
            page = person.open(url)
            assert page.location is not None
            self.evidence.put(
                "pages", page.text.encode(), page.location.encode(), person.open(page.location).text.encode()
            )
        done = self.hand_out("GET", f"/v1/sign-ins/{attempt['id']}", owner=True)
        assert done.json()["status"] == "done", done.body

    def connect(self) -> None:
        """A connection with an app of its own, and what goes wrong on the way."""
        app = {"client_id": APP, "client_secret": CLIENT_SECRET}
        asked = {"environment": "custom", "domain": self.line.origin, "name": "org", "app": app}
        begun = self.hand_out("POST", "/v1/connections", asked, owner=True)
        assert begun.status == 202, begun.body
        self.sign_in(begun)
        for wrong in (
            {**asked, "app": {**app, "secret": LOOSE}},
            {**asked, "environment": CLIENT_SECRET},
            {**asked, "domain": f"https://{LOOSE}@evil.example/{CLIENT_SECRET}"},
            {**asked, "scopes": ["api", "refresh_token", LOOSE]},
            {**asked, "app": {**app, "flow": LOOSE}},
            {**asked, "app": CLIENT_SECRET},
            {**asked, "name": "second", "app": {**app, "client_secret": LOOSE, "flow": "client_credentials"}},
        ):
            assert self.call("POST", "/v1/connections", wrong, owner=True).status >= 400

    def pair(self) -> str:
        """A client that may have the token; its code, its token, and guesses at both."""
        asked = self.hand_out("POST", "/v1/pair", {"client_name": "canary", "wants": [{"mode": "read"}]}).json()
        device_code = self.evidence.learn("device code", asked["device_code"])
        self.call("POST", "/v1/pair/token", {"device_code": device_code, "client_id": LOOSE})
        self.call("POST", "/v1/pair/token", {"device_code": LOOSE})
        self.call("GET", "/v1/pairings", owner=True)
        grants: list[dict[str, object]] = [{"connection": "demo", "mode": "read"}, BUILD]
        wrong = {"grants": [{"connection": "org", "mode": PIN}], "pin": PIN}
        self.call("POST", f"/v1/pairings/{asked['user_code']}/approve", wrong, owner=True)
        self.call("POST", "/v1/pin", {"pin": PIN}, owner=True)
        approved = {"grants": grants, "pin": PIN}
        self.call("POST", f"/v1/pairings/{asked['user_code']}/approve", approved, owner=True)
        given = self.hand_out("POST", "/v1/pair/token", {"device_code": device_code})
        assert given.status == 200, given.body
        return self.evidence.learn("pairing token", given.json()["access_token"])

    def use(self, token: str) -> None:
        """Tokens, the broker, sessions that end, secrets where none belongs."""
        target = "/v1/connections/org/token"
        held = self.evidence.learn("access token", self.hand_out("GET", target, token=token).json()["access_token"])
        self.evidence.learn("token's key", held.partition("!")[2])
        fresh = self.hand_out("POST", target, {"rejected": held}, token=token).json()["access_token"]
        self.evidence.learn("second access token", fresh)
        for path in (LIMITS, "/o/org/services/data", "/o/org/services/oauth2/userinfo"):
            assert self.call("GET", path, token=token).status == 200, path
        account = "/o/org/services/data/v66.0/sobjects/Account"
        self.call("POST", account, {"Name": "canary"}, token=token)
        self.call("POST", account, {"Nmae": "canary"}, token=f"00D000000000001!{token}")
        self.call("GET", f"{LIMITS}?oauth_token={quote(token)}")
        self.call("GET", f"{LIMITS}?oauth_token={LOOSE}&access_token={quote(held)}")
        self.call("GET", LIMITS, headers={"X-SFDC-Session": token})
        self.call("GET", "/o/org/services/oauth2/token", token=token)
        self.org.lever("expire-session")
        assert self.call("GET", LIMITS, token=token).status == 200

    def misplace(self, token: str) -> None:
        """Secrets in headers, queries, bodies and heads that do not parse."""
        for headers in (
            {"Authorization": f"Basic {base64.b64encode(LOOSE.encode()).decode()}"},
            {"Authorization": f"Bearer {token}x"},
            {"Authorization": token},
            {"Cookie": f"sid={token}", "Referer": f"http://localhost/{token}", "User-Agent": token},
            {"Origin": f"https://{LOOSE}.example"},
            {"Host": f"{LOOSE}.example"},
            {"MeshMesh-Session": LOOSE, "Idempotency-Key": token, "Prefer": f"wait={LOOSE}"},
            {"Content-Type": LOOSE, "Content-Encoding": LOOSE},
        ):
            self.call("GET", "/v1/me", headers=headers)
            self.call("POST", "/v1/pair/token", {"device_code": token}, headers=headers)
        for body in ({"rejected": [token]}, {"rejected": {"a": token}}, {"rejected": 1, "min_ttl": token}):
            self.call("POST", "/v1/connections/org/token", body, token=token)
        self.call("GET", f"/v1/connections/org/token?min_ttl={token}", token=token)
        for raw in (
            f"GET /status HTTP/1.1\r\nHost: localhost:{self.service.port}\r\nAuthorization: Bearer {token}\0\r\n\r\n",
            f"GET /{token}\x01 HTTP/1.1\r\nHost: localhost:{self.service.port}\r\n\r\n",
            f"{LOOSE} /status HTTP/1.1\r\nHost: localhost:{self.service.port}\r\n{token}\r\n\r\n",
            f"POST /v1/pair HTTP/1.1\r\nHost: localhost:{self.service.port}\r\nContent-Length: {token}\r\n\r\n",
        ):
            with suppress(ConnectionError):
                answer = self.service.raw(raw.encode("latin-1"))
                self.evidence.put("answers", repr(answer.headers).encode(), answer.body)
        # who asks so is told what they asked, in the answer and nowhere else
        self.service.call("GET", f"/v1/connections/{token}", owner=True)
        self.service.call("PATCH", "/v1/connections/org", {"name": f"{CLIENT_SECRET}!"}, owner=True)
        self.service.call("POST", "/v1/pair", {LOOSE: 1})
        self.call("POST", "/v1/launch-codes", {"pin": PIN}, owner=True, token=token)

    def break_and_mend(self, token: str) -> None:
        """An org that quotes what it refuses, a grant that ends, a diagnosis, a reconnect, an outage."""
        self.org.lever("expire-session")
        self.line.fail(Echo())
        for _ in range(2):
            self.call("GET", LIMITS, token=token)
            self.call("GET", "/v1/connections/org/token", token=token)
        self.call("GET", "/v1/connections/org", owner=True)
        self.call("POST", "/v1/connections/org/test", owner=True)
        self.call("POST", "/v1/connections/org/diagnose", {"error": f"INVALID_SESSION_ID {LOOSE}"}, owner=True)
        self.line.fail(Ear(self.evidence))
        self.sign_in(self.hand_out("POST", "/v1/connections/org/reconnect", owner=True))
        assert self.call("GET", LIMITS, token=token).status == 200
        self.org.lever("outage", kind="5xx", seconds=1)
        self.call("GET", LIMITS, token=token)
        self.call("POST", "/v1/connections/org/diagnose", owner=True)
        assert self.service.eventually(lambda: self.service.call("GET", LIMITS, token=token).status == 200)

    def look(self, token: str) -> None:
        """Everything that shows something."""
        for target in (
            *("/", "/status", "/v1/connections", "/v1/clients", "/v1/pairings", "/v1/me", "/v1/activity"),
            *("/v1/activity/verify", "/v1/access-requests", "/openapi.json", "/docs", "/llms.txt", "/pair", "/r/x"),
        ):
            for headers in ({}, {"Accept": "text/html", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}):
                self.call("GET", target, owner=True, headers=headers)
                self.call("GET", target, headers=headers)
                self.call("GET", target, token=token, headers=headers)
        for command in (
            *(("status",), ("connections",), ("clients",), ("activity",), ("doctor",), ("requests",), ("plans",)),
            *(("connections", "--json"), ("clients", "--json"), ("status", "--json"), ("doctor", "--json")),
            *(("test", "org"), ("token", "nowhere"), ("approve", LOOSE + "!"), ("activity", "--verify")),
        ):
            done = self.service.cli(*command)
            self.evidence.put("command line", done.stdout.encode(), done.stderr.replace(LOOSE + "!", "").encode())
        proc = Path(f"/proc/{self.service.process.pid}")
        for name in ("cmdline", "environ"):
            self.evidence.put("process", (proc / name).read_bytes())
        listed = subprocess.run(["ps", "axeww"], capture_output=True, check=False).stdout
        ours = f" {self.service.process.pid} ".encode()
        self.evidence.put("process", *(one for one in listed.splitlines() if ours in b" " + one))

    def end(self) -> None:
        """Disconnect, and stop."""
        self.call("DELETE", "/v1/connections/org", owner=True)


def listen(service: Service, evidence: Evidence) -> socket.socket:
    """Hear the owner's events."""
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(str(service.socket_path))
    sock.sendall(b"GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")

    def hear() -> None:
        with suppress(OSError):
            while piece := sock.recv(65536):
                evidence.put("events", piece)

    threading.Thread(target=hear, daemon=True).start()
    return sock


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evidence]:
    """Everything, once."""
    made = Evidence(secrets={"client secret": CLIENT_SECRET, "PIN": PIN, "loose": LOOSE})
    home, folder = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("org")
    with ExitStack() as stack:
        org = stack.enter_context(peer(folder))
        (line,) = stack.enter_context(lines(org.origin, 1))
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin, MESHMESH_TOKEN=f"mmp_{LOOSE}")
        service.environ.pop("MESHMESH_TOKEN")
        stack.callback(service.stop)
        stack.callback(listen(service, made).close)
        org.app(APP, secret=CLIENT_SECRET, secret_for_code=True, secret_for_refresh=True)
        line.fail(Ear(made))
        play = Play(service=service, org=org, line=line, evidence=made)
        play.connect()
        token = play.pair()
        play.use(token)
        play.misplace(token)
        play.break_and_mend(token)
        play.look(token)
        made.put("files while it runs", *contents(home, folder))
        play.end()
        assert service.stop() == 0
        made.put("files afterwards", *contents(home, folder))
        made.put("log", service.log.encode())
        yield made


def contents(*folders: Path) -> list[bytes]:
    """Every file of the service and the org, but the tests' own."""
    found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
    return [str(path).encode() + path.read_bytes() for path in found]


def forms(secret: str) -> set[bytes]:
    """How a secret may be spelled."""
    raw = secret.encode()
    encoded = base64.b64encode(raw).decode().rstrip("=")
    return {
        raw,
        quote(secret, safe="").encode(),
        json.dumps(secret)[1:-1].encode(),
        encoded.encode(),
        raw.hex().encode(),
    }


OUTPUTS = ("answers", "pages", "events", "command line", "process", "files while it runs", "files afterwards", "log")


@pytest.mark.parametrize("output", OUTPUTS)
def test_no_output_holds_a_secret(evidence: Evidence, output: str) -> None:
    """None of the secrets, in no spelling, in none of the places."""
    content = evidence.outputs[output]
    found = sorted({name for name, secret in evidence.secrets.items() for form in forms(secret) if form in content})

    assert content
    assert not found, [
        content[max(0, match.start() - 120) : match.end() + 20]
        for name in found[:3]
        for match in list(re.finditer(re.escape(evidence.secrets[name].encode()), content))[:2]
    ]


def test_the_canary_sings(evidence: Evidence) -> None:
    """The run saw each kind of secret; a search for none would prove nothing."""
    kinds = {name.rstrip("0123456789").strip() for name in evidence.secrets}

    assert kinds >= {
        "client secret",
        "PIN",
        "loose",
        "state",
        "code",
        "device code",
        "pairing token",
        "access token",
        "second access token",
        "heard access_token",
        "heard refresh_token",
        "heard code_verifier",
    }
    assert set(evidence.outputs) == set(OUTPUTS)
