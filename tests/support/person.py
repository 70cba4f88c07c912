"""A person who signs in by HTTP, at whichever server's pages.

A `Person` has a browser without scripts: it keeps cookies, follows redirects, fills in who it is and presses the button
that fits. It can stop where a browser would come back to us, so that a test has the address in its hand.
"""

import http.cookiejar
from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.error import HTTPError
from urllib.parse import urlencode, urljoin, urlsplit
from urllib.request import HTTPCookieProcessor, HTTPRedirectHandler, OpenerDirector, ProxyHandler, build_opener

CALLBACK_PATH = "/OauthRedirect"
MAX_PAGES = 16


@dataclass(frozen=True, kw_only=True)
class Page:
    """Where a browser is."""

    url: str
    status: int
    text: str
    location: str | None = None


@dataclass
class Form:
    """A form of a page: where it goes, its fields, and its buttons' values by name."""

    action: str
    fields: dict[str, str] = field(default_factory=dict[str, str])
    kinds: dict[str, str] = field(default_factory=dict[str, str])
    buttons: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])

    def has_text(self) -> bool:
        """Whether somebody must write something into it."""
        return "text" in self.kinds.values()


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.forms: list[Form] = []
        self.links: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(Form(given["action"]))
        elif tag == "a":
            self.links.append(given.get("href", ""))
        elif tag == "input" and self.forms:
            self.forms[-1].fields[given["name"]] = given.get("value", "")
            self.forms[-1].kinds[given["name"]] = given.get("type", "text")
        elif tag == "button" and self.forms:
            self.forms[-1].buttons.append((given.get("name", ""), given.get("value", "")))


class _Stay(HTTPRedirectHandler):
    """A redirect is an answer like any other."""

    def redirect_request(self, *_request: object, **_more: object) -> None:
        """Do not follow."""


@dataclass
class Person:
    """Somebody with a browser of their own.

    Args:
        login: who they say they are.
        allows: whether they allow what an app asks for.
    """

    login: str
    allows: bool = True
    _browser: OpenerDirector = field(init=False, repr=False)

    def __post_init__(self) -> None:
        jar = http.cookiejar.CookieJar()
        self._browser = build_opener(ProxyHandler({}), _Stay(), HTTPCookieProcessor(jar))

    def go(self, url: str) -> Page:
        """Sign in, and see the page at the end."""
        return self._walk(url, stop=False)

    def come_back(self, authorize_url: str) -> str:
        """Sign in, as far as the address that would end it; it is not opened."""
        back = self._walk(authorize_url, stop=True).location
        assert back is not None, "the server's pages do not lead back"
        return back

    def open(self, url: str, form: Mapping[str, str] | None = None) -> Page:
        """One request; a redirect is not followed."""
        body = None if form is None else urlencode(form).encode()
        try:
            with self._browser.open(url, body, 20) as answer:
                status, headers, text = answer.status, answer.headers, answer.read().decode()
        except HTTPError as error:
            with error:
                status, headers, text = error.code, error.headers, error.read().decode()
        location = headers.get("Location")
        return Page(url=url, status=status, text=text, location=urljoin(url, location) if location else None)

    def _walk(self, url: str, *, stop: bool) -> Page:
        page = self.open(url)
        for _ in range(MAX_PAGES):
            if page.location is not None:
                if stop and urlsplit(page.location).path == CALLBACK_PATH:
                    return page
                page = self.open(page.location)
                continue
            act = self._act(page)
            if act is None or urlsplit(page.url).path.startswith("/signed-in/"):
                return page
            page = self.open(*act)
        raise AssertionError(f"the pages do not end; the last one is {page.url}")

    def _act(self, page: Page) -> tuple[str, Mapping[str, str] | None] | None:
        """What this person does on a page: an address, with a form where one is sent."""
        read = _Reader(page.text)
        for form in read.forms:
            if form.has_text():
                said = {name: self.login for name, kind in form.kinds.items() if kind in {"text", "password"}}
                return urljoin(page.url, form.action), form.fields | said
        if not read.forms:
            return None
        if not self.allows:
            abort = next((link for link in read.links if link.endswith("/abort")), None)
            if abort:
                return urljoin(page.url, abort), None
        form = read.forms[0]
        wanted = "allow" if self.allows else "deny"
        pressed = {name: value for name, value in form.buttons if name and value == wanted}
        return urljoin(page.url, form.action), form.fields | pressed
