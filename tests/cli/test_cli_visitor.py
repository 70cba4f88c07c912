"""The browser that quickstart plays: real forms, real redirects, this machine only."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

import pytest

from meshmesh.cli.visitor import MAX_PAGES, Form, Page, check_local, shown, sign_in
from meshmesh.failures import Failure

LOGIN = """<html><head><title>Log in</title></head><body><form method="post" action="/consent?x=1">
<input type="hidden" name="csrf" value="a&amp;b"><input name="user" value="ada"><input type="checkbox" name="stay" value="1" checked>
<input type="checkbox" name="no" value="1"><input type="radio" name="org" value="1" checked><input type="radio" name="org" value="2">
<button name="go" value="first"><b>Log</b> in</button><button name="go" value="second">Other</button></form>
<form action="/other"><button>Never</button></form></body></html>"""


class Site(BaseHTTPRequestHandler):
    """Log in, consent by redirect with a cookie, and a last page; and ways that lead astray."""

    seen: list[tuple[str, dict[str, list[str]], str]] = []  # noqa: RUF012 - the handler is made anew a request

    def do_GET(self) -> None:
        """Pages by path."""
        self.seen.append((self.path, {}, self.headers.get("Cookie", "")))
        path = urlsplit(self.path).path
        if path == "/away":
            self._redirect("https://login.salesforce.com/?code=c")
        elif path == "/done":
            self._page("<title>Signed in</title>")
        elif path == "/loop":
            self._page('<form action="/loop"><input type="submit" value="Again"></form>')
        elif path == "/login":
            self._page(LOGIN)
        else:
            self.send_error(404)

    def do_POST(self) -> None:
        """The form of the login page."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        self.seen.append((self.path, parse_qs(body), ""))
        self.send_response(303)
        self.send_header("Location", "/done?code=secret")
        self.send_header("Set-Cookie", "sid=1; Path=/")
        self.end_headers()

    def _redirect(self, address: str) -> None:
        self.send_response(302)
        self.send_header("Location", address)
        self.end_headers()

    def _page(self, source: str) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(source.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    """The site's address."""
    Site.seen = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_it_presses_the_first_button_and_arrives(site: str) -> None:
    """The first form goes as its first button sends it, cookies stay, and no step tells a code."""
    told: list[str] = []
    end = sign_in(f"{site}/login?state=secret", told.append)

    assert end == f"{site}/done?code=secret"
    posted = Site.seen[1]
    assert posted[0] == "/consent?x=1"
    assert posted[1] == {"csrf": ["a&b"], "user": ["ada"], "stay": ["1"], "org": ["1"], "go": ["first"]}
    assert Site.seen[2][2] == "sid=1"
    assert told == [
        f"GET {site}/login?...", "page: Log in; pressing 'Log in'", f"POST {site}/consent?...", f"303 -> {site}/done?...", "page: Signed in",
    ]  # fmt: skip


@pytest.mark.parametrize("path", ["/away", "/missing", "/loop"])
def test_it_gives_up_on_what_leads_astray(site: str, path: str) -> None:
    """Another machine, an error page and a form without end are failures with a sentence."""
    with pytest.raises(Failure, match="did not go through"):
        sign_in(site + path, lambda _line: None)

    assert len(Site.seen) <= MAX_PAGES


@pytest.mark.parametrize(
    "address",
    [
        "https://localhost/",
        "http://example.com/",
        "http://localhost.example.com/",
        "file:///etc/passwd",
        "http://localhost@evil/",
    ],
)
def test_it_stays_on_this_machine(address: str) -> None:
    """Nothing but plain http on the loopback is visited."""
    with pytest.raises(Failure):
        check_local(address)


def test_an_address_is_shown_without_its_query() -> None:
    """State and code are nobody's to read."""
    assert shown("http://localhost:1717/OauthRedirect?code=c&state=s#x") == "http://localhost:1717/OauthRedirect?..."


def test_a_page_without_a_form_is_the_end() -> None:
    """No form, no button; and a form without an end tag still counts."""
    assert Page("<title>Signed  in</title><p>Done").form is None
    assert Page("<form><button>Go</button>").form == Form(button="Go")
