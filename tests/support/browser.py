"""A real Chromium: a person who signs in, and a web site of somebody else's on another loopback port."""

import contextlib
import shutil
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

from playwright.sync_api import Browser, ConsoleMessage, Page, Request, Response, expect, sync_playwright

from support.service import Service

# As root Chromium needs its sandbox off; the others keep it from calling home, which a closed network makes slow.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# Of what Playwright adds: a page may open a tab only when it may at a person's.
UNWANTED = ("--disable-popup-blocking",)
TIMEOUT = 15_000.0  # milliseconds; a page that hangs fails its own test and not the whole run
expect.set_options(timeout=TIMEOUT)  # its usual five seconds are less than Argon2 takes on a busy machine


@contextlib.contextmanager
def chromium() -> Generator[Browser]:
    """The system's Chromium, headless, with a profile that is thrown away."""
    path = shutil.which("chromium") or shutil.which("chromium-browser")
    assert path, "the browser tests need Chromium: apt-get install chromium fonts-dejavu-core"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=ARGUMENTS, ignore_default_args=UNWANTED)
        yield browser
        browser.close()


@dataclass
class Tab:
    """A tab of a browser, and what happened in it."""

    page: Page
    complaints: list[str] = field(default_factory=list[str])
    answers: list[Response] = field(default_factory=list[Response])

    def __post_init__(self) -> None:
        self.page.set_default_timeout(TIMEOUT)
        self.page.on("console", self._said)
        self.page.on("requestfailed", self._failed)
        self.page.on("response", self._answered)

    def _said(self, message: ConsoleMessage) -> None:
        self.complaints.append(f"{message.type}: {message.text} ({message.location.get('url')})")

    def _failed(self, request: Request) -> None:
        self.complaints.append(f"{request.failure}: {request.url}")

    def _answered(self, answer: Response) -> None:
        self.answers.append(answer)

    @property
    def text(self) -> str:
        """What a person reads on the page."""
        return self.page.inner_text("main")

    def log_in(self, user: str) -> None:
        """Press a user's button on the demo org's login page, and see the page that follows."""
        self._press(user)

    def decide(self, decision: str) -> None:
        """Press `Allow` or `Deny` on the demo org's consent page, and see the page that follows."""
        self._press(decision)

    def _press(self, button: str) -> None:
        with self.page.expect_navigation():
            self.page.get_by_role("button", name=button).click()

    def history(self) -> list[str]:
        """Every address that the back button could lead to, and this one."""
        devtools = self.page.context.new_cdp_session(self.page)
        told = cast("dict[str, Any]", devtools.send("Page.getNavigationHistory"))  # pyright: ignore[reportUnknownMemberType]
        return [str(entry["url"]) for entry in told["entries"]]


@dataclass(frozen=True, kw_only=True)
class SignIn:
    """An attempt that was begun at the owner's door."""

    service: Service
    id: str
    authorize_url: str

    @property
    def status(self) -> str:
        """How it stands."""
        return str(self.service.call("GET", f"/v1/sign-ins/{self.id}", owner=True).json()["status"])

    def cancel(self) -> None:
        """Withdraw it at the owner's door."""
        assert self.service.call("DELETE", f"/v1/sign-ins/{self.id}", owner=True).status == 200


def begin(service: Service, name: str, *, reconnect: bool = False) -> SignIn:
    """Begin a sign-in to the demo org, for a new connection or for one that is there."""
    if reconnect:
        answer = service.call("POST", f"/v1/connections/{name}/reconnect", owner=True)
    else:
        answer = service.call("POST", "/v1/connections", {"environment": "demo", "name": name}, owner=True)
    assert answer.status == 202, answer.body
    begun = answer.json()["sign_in"]
    return SignIn(service=service, id=begun["id"], authorize_url=begun["authorize_url"])


class _Page(BaseHTTPRequestHandler):
    """Answers every address with the site's one page."""

    def do_GET(self) -> None:
        assert isinstance(self.server, _Site)
        content = self.server.html.encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


class _Site(ThreadingHTTPServer):
    html = ""


@dataclass(frozen=True, kw_only=True)
class Stranger:
    """Somebody else's web site on this machine."""

    site: _Site
    origin: str

    def show(self, html: str) -> None:
        """The page that it serves from now on."""
        self.site.html = f'<!doctype html><link rel="icon" href="data:,"><body>{html}</body>'


@contextlib.contextmanager
def stranger(host: str) -> Generator[Stranger]:
    """A web site at `http://{host}:` and any free port of the loopback."""
    with _Site(("127.0.0.1", 0), _Page) as site:
        threading.Thread(target=site.serve_forever, daemon=True).start()
        shown = Stranger(site=site, origin=f"http://{host}:{site.server_address[1]}")
        shown.show("")
        yield shown
        site.shutdown()
