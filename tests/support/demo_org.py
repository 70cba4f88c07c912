"""The demo org, really served on a loopback port, and the ways in which tests talk to it."""

import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

import aiohttp

from meshmesh_demo.server import serve

CALLBACK = "http://localhost:1717/OauthRedirect"
CLI = "PlatformCLI"
ECA, SECRET = "3MVG9.demo.external.client.app", "demo-secret-0123456789ABCDEF"
DOMAIN = "meshmesh-demo.example.com"
ADA, NORA, RITA = f"ada@{DOMAIN}", f"nora@{DOMAIN}", f"rita@{DOMAIN}"
# RFC 7636, appendix B
VERIFIER = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

Json = dict[str, object]


class PeerClock:
    """The org's time; it stands still until it is moved."""

    def __init__(self) -> None:
        self.now = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **span: float) -> None:
        """Let time pass."""
        self.now += timedelta(**span)


@dataclass
class Reply:
    """An HTTP answer, read to its end."""

    status: int
    headers: Mapping[str, str]
    text: str

    @property
    def json(self) -> object:
        """The body as JSON."""
        value: object = json.loads(self.text)
        return value

    @property
    def fields(self) -> Json:
        """The body as a JSON object."""
        value: Json = json.loads(self.text)
        return value

    @property
    def items(self) -> list[Json]:
        """The body as a JSON array of objects."""
        value: list[Json] = json.loads(self.text)
        return value

    @property
    def code(self) -> str:
        """The errorCode of Salesforce's array of errors."""
        return str(self.items[0]["errorCode"])


class Buttons(HTMLParser):
    """The forms of a page: (action, hidden fields, buttons as (name, value))."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[tuple[str, dict[str, str], list[tuple[str, str]]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append((values["action"], {}, []))
        elif tag == "input":
            self.forms[-1][1][values["name"]] = values["value"]
        elif tag == "button":
            self.forms[-1][2].append((values.get("name", ""), values.get("value", "")))


@dataclass
class Peer:
    """One served org."""

    origin: str
    lever_key: str
    clock: PeerClock
    http: aiohttp.ClientSession
    token: str = field(default="", repr=False)

    async def call(
        self,
        method: str,
        path: str,
        document: object = None,
        *,
        form: Mapping[str, str] | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """One request; with a JSON document, a form or bytes. Redirects are not followed."""
        lines = dict(headers or {})
        if self.token and path.startswith("/services/") and "Authorization" not in lines:
            lines["Authorization"] = f"Bearer {self.token}"
        body = data if document is None else json.dumps(document).encode()
        async with self.http.request(
            method, self.origin + path, data=form if body is None else body, headers=lines, allow_redirects=False
        ) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    async def rest(self, method: str, path: str, document: object = None, **headers: str) -> Reply:
        """A request below the newest version."""
        lines = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self.call(method, f"/services/data/v66.0/{path}", document, headers=lines)

    async def query(self, statement: str, **headers: str) -> Reply:
        """A SOQL query."""
        return await self.rest("GET", f"query?{urlencode({'q': statement})}", **headers)

    async def records(self, statement: str) -> list[Json]:
        """The records of a SOQL query that must work."""
        reply = await self.query(statement)
        assert reply.status == 200, reply.text
        return objects(reply.fields["records"])

    async def lever(self, lever: str, /, **document: object) -> Json:
        """Pull a lever, which must work."""
        reply = await self.call(
            "POST", f"/demo/{lever}", document, headers={"Authorization": f"Lever {self.lever_key}"}
        )
        assert reply.status == 200, reply.text
        return reply.fields

    async def state(self) -> Json:
        """What the org counts."""
        reply = await self.call("GET", "/demo/state", headers={"Authorization": f"Lever {self.lever_key}"})
        return reply.fields

    async def families(self) -> list[Json]:
        """The grants."""
        return objects((await self.state())["grants"])

    async def walk(self, path: str, *, user: str = ADA, decision: str = "allow") -> str:
        """Click through the sign-in pages as a user; gives the address outside that it ends at, or the last page."""
        reply = await self.call("GET", path)
        here = path
        for _ in range(6):
            location = reply.headers.get("Location")
            if location and not urljoin(self.origin + here, location).startswith(self.origin):
                return location
            if location:
                here = location
                reply = await self.call("GET", location)
                continue
            forms = Buttons(reply.text).forms
            if not forms:
                return reply.text
            action, hidden, buttons = forms[0]
            name = buttons[0][0]
            here = action
            reply = await self.call("POST", action, form={**hidden, name: user if name == "user" else decision})
        raise AssertionError("the pages do not end")

    async def code(self, *, user: str = ADA, decision: str = "allow", **asked: str) -> dict[str, str]:
        """What the callback gets at the end of a sign-in."""
        return callback_query(await self.walk(authorize_path(**asked), user=user, decision=decision))

    async def ask_token(self, **form: str) -> Reply:
        """A token request, without an access token on it."""
        return await self.call("POST", "/services/oauth2/token", form=form, headers={"Authorization": "None"})

    async def sign_in(self, user: str = ADA, **asked: str) -> Json:
        """A whole sign-in of the public app; later calls use its access token."""
        code = (await self.code(user=user, code_challenge=CHALLENGE, **asked))["code"]
        reply = await self.ask_token(
            grant_type="authorization_code", code=code, client_id=CLI, redirect_uri=CALLBACK, code_verifier=VERIFIER
        )
        assert reply.status == 200, reply.text
        self.token = str(reply.fields["access_token"])
        return reply.fields

    async def refresh(self, refresh_token: object) -> Reply:
        """A refresh of the public app."""
        return await self.ask_token(grant_type="refresh_token", refresh_token=str(refresh_token), client_id=CLI)


def objects(value: object) -> list[Json]:
    """A JSON array of objects, as such."""
    assert isinstance(value, list)
    return list(value)  # pyright: ignore[reportUnknownArgumentType] - a test's own reading


def authorize_path(**asked: str) -> str:
    """An authorize address of the public app, changed where asked; an empty value leaves a parameter out."""
    usual = {
        "response_type": "code", "client_id": CLI, "redirect_uri": CALLBACK, "scope": "refresh_token api web",
        "state": "s-1", "prompt": "login",
    }  # fmt: skip
    return f"/services/oauth2/authorize?{urlencode({name: one for name, one in (usual | asked).items() if one})}"


def callback_query(address: str) -> dict[str, str]:
    """The query of an address that must be the callback."""
    assert address.startswith(f"{CALLBACK}?"), address
    return dict(parse_qsl(urlsplit(address).query, strict_parsing=True))


@asynccontextmanager
async def served(folder: Path, clock: PeerClock) -> AsyncGenerator[Peer, None]:
    """An org of a folder, and a client for it."""
    async with serve(folder, clock=clock) as org, aiohttp.ClientSession() as http:
        yield Peer(org.origin, org.lever_key_file.read_text(), clock, http)
