"""Plays the person in a browser on the demo org: follows redirects, reads forms, presses the first button.

It goes to this machine only, so that it can never be made to sign in anywhere else.
"""

import http.client
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from html.parser import HTMLParser
from http.cookiejar import CookieJar
from typing import IO
from urllib.parse import urlencode, urljoin, urlsplit

from meshmesh.exits import Exit
from meshmesh.failures import Failure

MAX_PAGES = 10
TIMEOUT_SECONDS = 15
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
Tell = Callable[[str], None]


@dataclass(slots=True)
class Form:
    """The first form of a page, as its first button sends it."""

    action: str = ""
    method: str = "get"
    fields: dict[str, str] = field(default_factory=dict[str, str])
    button: str = ""


class Page(HTMLParser):
    """Reads the title and the first form out of a page."""

    def __init__(self, source: str) -> None:
        super().__init__()
        self.title = ""
        self.form: Form | None = None
        self._open: Form | None = None
        self._text_of = ""
        self.feed(source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note titles, the first form, its fields and its first button."""
        given = {name: value or "" for name, value in attrs}
        if tag == "title":
            self._text_of = "title"
        elif tag == "form" and self.form is None:
            self.form = self._open = Form(given.get("action", ""), given.get("method", "get").lower())
        elif self._open and tag == "button" and not self._open.button:
            self._text_of = "button"
            self._keep(given)
        elif self._open and tag == "input":
            self._input(self._open, given)

    def _input(self, form: Form, given: dict[str, str]) -> None:
        kind = given.get("type", "text")
        if kind == "submit":
            if not form.button:
                form.button = given.get("value", "Submit")
                self._keep(given)
        elif kind not in {"checkbox", "radio"} or (
            "checked" in given and not (kind == "radio" and given.get("name") in form.fields)
        ):
            self._keep(given)

    def _keep(self, given: dict[str, str]) -> None:
        if self._open and given.get("name"):
            self._open.fields[given["name"]] = given.get("value", "")

    def handle_data(self, data: str) -> None:
        """Take the text of the title and of the button."""
        if self._text_of == "title":
            self.title = f"{self.title} {data.strip()}".strip()
        elif self._text_of == "button" and self._open:
            self._open.button = f"{self._open.button} {data.strip()}".strip()

    def handle_endtag(self, tag: str) -> None:
        """A form ends at its end tag, a text at its element's."""
        if tag == self._text_of:
            self._text_of = ""
        if tag == "form":
            self._open = None


class _ToldRedirects(urllib.request.HTTPRedirectHandler):
    """Tells each redirect, without its query: a code or a state is nobody's to read."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell

    def redirect_request(  # noqa: PLR0917 - urllib's signature
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        """Follow on this machine only."""
        check_local(newurl)
        self._tell(f"{code} -> {shown(newurl)}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def sign_in(address: str, tell: Tell) -> str:
    """Go through a sign-in to its end.

    Args:
        address: where it begins.
        tell: is told each step.

    Returns:
        The address of the last page.

    Raises:
        Failure: it leads away from this machine, or not to the redirect.
    """
    jar = urllib.request.HTTPCookieProcessor(CookieJar())
    browser = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar, _ToldRedirects(tell))
    request = urllib.request.Request(address)  # noqa: S310 - check_local allows http alone
    for _ in range(MAX_PAGES):
        check_local(request.full_url)
        tell(f"{request.get_method()} {shown(request.full_url)}")
        at, page = _load(browser, request)
        if page.form is None:
            tell(f"page: {page.title}")
            return at
        tell(f"page: {page.title}; pressing {page.form.button!r}")
        request = _sent(page.form, at)
    raise _lost(f"It was not at its end after {MAX_PAGES} pages.")


def _load(browser: urllib.request.OpenerDirector, request: urllib.request.Request) -> tuple[str, Page]:
    try:
        with browser.open(request, timeout=TIMEOUT_SECONDS) as answer:
            return answer.url, Page(answer.read().decode("utf-8", "replace"))
    except urllib.error.HTTPError as error:
        with error:
            raise _lost(f"{shown(error.url)} answered with status {error.code}.") from None
    except (OSError, http.client.HTTPException) as error:
        raise _lost(f"{shown(request.full_url)}: {error}.") from None


def _sent(form: Form, at: str) -> urllib.request.Request:
    target = urljoin(at, form.action) if form.action else at
    data = urlencode(form.fields)
    if form.method == "post":
        return urllib.request.Request(target, data.encode())  # noqa: S310 - check_local allows http alone
    return urllib.request.Request(f"{target.partition('?')[0]}?{data}")  # noqa: S310


def check_local(address: str) -> None:
    """Refuse an address that is not plain http on this machine.

    Raises:
        Failure: it is another one.
    """
    parts = urlsplit(address)
    if parts.scheme != "http" or parts.hostname not in LOOPBACK:
        raise _lost(f"It leads to {shown(address)}, away from this machine.")


def shown(address: str) -> str:
    """An address without its query and fragment."""
    parts = urlsplit(address)
    query = "?..." if parts.query else ""
    return f"{parts.scheme}://{parts.netloc}{parts.path}{query}"


def _lost(why: str) -> Failure:
    return Failure(
        "The sign-in at the demo org did not go through.", why, "meshmesh connect --demo", Exit.UNEXPECTED_ANSWER
    )
