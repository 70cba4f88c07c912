"""A Salesforce that answers what it is told to, in memory, and remembers what it was asked."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, urlsplit

from meshmesh_daemon.adapters.salesforce import HostRefused, HttpAnswer, Lost

ORG, USER = "00D000000000062EAA", "005000000000001AAA"
INSTANCE = "https://acme.my.salesforce.com"

Answer = HttpAnswer | Lost


def json_answer(document: object, status: int = 200, **headers: str) -> HttpAnswer:
    """A JSON answer."""
    body = json.dumps(document).encode()
    return HttpAnswer(status=status, content_type="application/json", headers=headers, body=body)


def tokens(access: str, refresh: str | None = None, **changed: object) -> HttpAnswer:
    """A good token answer of Salesforce's shape."""
    document: dict[str, object] = {
        "access_token": access,
        "instance_url": INSTANCE,
        "id": f"https://login.salesforce.com/id/{ORG}/{USER}",
        "token_type": "Bearer",
        "issued_at": "1700000000000",
        "scope": "api refresh_token",
    }
    if refresh:
        document["refresh_token"] = refresh
    return json_answer(document | changed)


def oauth_error(error: str, description: str = "", status: int = 400) -> HttpAnswer:
    """A refusal of the token endpoint."""
    return json_answer({"error": error, "error_description": description}, status)


def page(status: int = 200, text: str = "<html>hello</html>", **headers: str) -> HttpAnswer:
    """What a portal or proxy answers."""
    return HttpAnswer(status=status, content_type="text/html", headers=headers, body=text.encode())


@dataclass
class FakeOutside:
    """Answers by path; a path without an answer is a bug of the test.

    `gate`, where it is set, holds the answers of the token endpoint until it opens.
    """

    token_answers: list[Answer] = field(default_factory=list[Answer])
    others: dict[str, Answer] = field(default_factory=dict[str, Answer])
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list[tuple[str, dict[str, str]]])
    gate: asyncio.Event | None = None
    before_answer: Callable[[], None] | None = None
    refuse_hosts: bool = False

    async def post_form(self, url: str, form: str) -> HttpAnswer:
        """As `Salesforce.post_form`."""
        path = urlsplit(url).path
        if self.refuse_hosts:
            raise HostRefused(url)
        self.asked.append((path, dict(parse_qsl(form))))
        if path.endswith("/token"):
            if self.gate is not None:
                await self.gate.wait()
            if self.before_answer is not None:
                self.before_answer()
            return _given(self.token_answers.pop(0))
        return _given(self.others.get(path, page(404)))

    async def get(self, url: str, *, access_token: str | None = None) -> HttpAnswer:
        """As `Salesforce.get`."""
        path = urlsplit(url).path
        self.asked.append((path, {"access_token": access_token or ""}))
        return _given(self.others.get(path, page(404)))

    def refreshes(self) -> list[dict[str, str]]:
        """The forms that the token endpoint got."""
        return [form for path, form in self.asked if path.endswith("/token")]


def _given(answer: Answer) -> HttpAnswer:
    if isinstance(answer, Lost):
        raise answer
    return answer
