"""Salesforce's own hosts, by name and by https: a proxy that leads them all to one org on this machine.

The service is told of the proxy and of its authority by the environment, as in a company whose network opens TLS. What
the org says of its own address is put as `INSTANCE`, and a browser's way there is the org's plain address (`inside`).
"""

import http.client
import ssl
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import trustme

INSTANCE = "https://acme.my.salesforce.com"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, org: str) -> None:
        super().__init__(("127.0.0.1", 0), _Proxy)
        self.org = org
        self.authority = trustme.CA()
        self.seen: list[str] = []

    def certified(self, host: str) -> ssl.SSLContext:
        """A server's side of TLS for a host."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.authority.issue_cert(host).configure_cert(context)  # pyright: ignore[reportUnknownMemberType]
        return context


class _Proxy(BaseHTTPRequestHandler):
    """A tunnel to a host (RFC 9110, section 9.3.6)."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_CONNECT(self) -> None:
        """Answer in the host's place."""
        host = self.path.rpartition(":")[0]
        self.send_response_only(200)
        self.end_headers()
        self.close_connection = True
        with self.server.certified(host).wrap_socket(self.connection, server_side=True) as line:
            _Host(line, self.client_address, self.server)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class _Host(BaseHTTPRequestHandler):
    """One request to a host of Salesforce's, answered by the org."""

    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_GET(self) -> None:
        """Pass on."""
        self._pass_on()

    def do_POST(self) -> None:
        """Pass on."""
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.server.seen.append(f"{self.command} https://{self.headers['Host']}{self.path.partition('?')[0]}")
        line = http.client.HTTPConnection(urlsplit(self.server.org).netloc, timeout=20)
        line.request(self.command, self.path, body or None, {**self.headers, "Host": urlsplit(self.server.org).netloc})
        answer = line.getresponse()
        content = answer.read().replace(self.server.org.encode(), INSTANCE.encode())
        line.close()
        self.send_response_only(answer.status)
        for name in ("Content-Type", "Location"):
            if answer.headers[name]:
                self.send_header(name, answer.headers[name])
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass(frozen=True)
class SalesforceHosts:
    """All hosts of Salesforce's, as a service sees them."""

    folder: Path
    _server: _Server = field(repr=False)

    @cached_property
    def environ(self) -> dict[str, str]:
        """What a service is told of the network."""
        authority = self.folder / "authority.pem"
        self._server.authority.cert_pem.write_to_path(str(authority))
        proxy = f"http://127.0.0.1:{self._server.server_address[1]}"
        return {
            "https_proxy": proxy,
            "HTTPS_PROXY": proxy,
            "no_proxy": "",
            "NO_PROXY": "",
            "SSL_CERT_FILE": str(authority),
        }

    def inside(self, url: str) -> str:
        """The same page for a browser on this machine."""
        parts = urlsplit(url)
        return url.replace(f"{parts.scheme}://{parts.netloc}", self._server.org, 1)

    def take_seen(self) -> list[str]:
        """What was asked of which host since the last time."""
        seen, self._server.seen = self._server.seen, []
        return seen


@contextmanager
def salesforce_hosts(org: str, folder: Path) -> Generator[SalesforceHosts]:
    """The hosts in front of an org, until the end of the block."""
    with _Server(org) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield SalesforceHosts(folder, server)
        server.shutdown()
