"""The demo org's first user: plays the browser of the first start, when the connection `demo` is made through the real redirect."""

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import urljoin

import aiohttp

from meshmesh_daemon.core.problems import Problem

_TIMEOUT = aiohttp.ClientTimeout(total=20)
_MAX_PAGES = 8  # login, consent, redirect, the clean page; more means that we go round in circles
_REDIRECTS = {301, 302, 303, 307, 308}


@dataclass(slots=True)
class _Form:
    action: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])


class _Forms(HTMLParser):
    """The forms of a page: hidden fields, and buttons as (name, value, text)."""

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[_Form] = []
        self._button: tuple[str, str] | None = None
        self._text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(_Form(values.get("action", "")))
        elif tag == "input" and self.forms and values.get("name"):
            self.forms[-1].fields[values["name"]] = values.get("value", "")
        elif tag == "button":
            self._button = (values.get("name", ""), values.get("value", ""))
            self._text = ""

    def handle_data(self, data: str) -> None:
        self._text += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "button" and self._button and self.forms:
            self.forms[-1].buttons.append((*self._button, self._text.strip()))
            self._button = None


class Visitor:
    """Clicks through the demo org's login and consent, as its first user would: the first button of each page."""

    async def visit(self, authorize_url: str) -> None:
        """Follow a sign-in to its end.

        Args:
            authorize_url: where the sign-in begins, at the demo org.

        Raises:
            Problem: 503 where a page does not answer or has nothing to click.
        """
        try:
            async with aiohttp.ClientSession(timeout=_TIMEOUT) as session:
                await self._walk(session, authorize_url)
        except (aiohttp.ClientError, TimeoutError):
            raise Problem(503, "offline", "The demo org does not answer.", retry_after=5) from None

    async def _walk(self, session: aiohttp.ClientSession, url: str) -> None:
        form: dict[str, str] | None = None
        for _ in range(_MAX_PAGES):
            method = "GET" if form is None else "POST"
            async with session.request(method, url, data=form, allow_redirects=False) as answer:
                page = await answer.text()
                location = answer.headers.get("Location")
            if answer.status in _REDIRECTS and location:
                url, form = urljoin(url, location), None
                continue
            parser = _Forms()
            parser.feed(page)
            if not parser.forms:
                return
            first = parser.forms[0]
            url, form = urljoin(url, first.action or url), dict(first.fields)
            if first.buttons and first.buttons[0][0]:
                form[first.buttons[0][0]] = first.buttons[0][1]
        raise Problem(503, "offline", "The demo org's sign-in pages do not come to an end.", retry_after=5)
