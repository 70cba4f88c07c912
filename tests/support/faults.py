"""The line between a service and an org, and all that can go wrong on it.

A `Line` is an address of its own in front of a `Peer`. It passes requests on, with the org's origin put in place of ours
and back, until it is told to fail. A fault is a function of one request on the line; it does what a network does.
"""

import http.client
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

TOKEN_PATH = "/services/oauth2/token"
PAGE = "text/html; charset=UTF-8"
JSON = "application/json;charset=UTF-8"
PORTAL = "<!DOCTYPE html><html><title>Welcome to Hotel Bellevue</title>Please accept our terms.</html>"


class Passage(BaseHTTPRequestHandler):
    """One request on its way to the org."""

    protocol_version = "HTTP/1.1"

    @property
    def line(self) -> "_Server":
        """The server behind the line's address."""
        assert isinstance(self.server, _Server)
        return self.server

    def setup(self) -> None:
        """Take the connection, safely where the line is."""
        self.line.opened(self.request)
        super().setup()

    def do_GET(self) -> None:
        """Pass on, or fail."""
        self._enter()

    def do_POST(self) -> None:
        """Pass on, or fail."""
        self._enter()

    def _enter(self) -> None:
        self.body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.line.seen.append(f"{self.command} {self.path}")
        fault = self.line.fault
        if fault is None or (self.line.only_token and self.path != TOKEN_PATH):
            self.answer(*self.carried_out())
            return
        self.close_connection = True
        fault(self)

    def carried_out(self) -> tuple[int, dict[str, str], bytes]:
        """The org's own answer, as if it had been asked at the line's address."""
        line, org = self.line.origin, self.line.behind
        peer = http.client.HTTPConnection(org.removeprefix("http://"), timeout=60)
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        peer.request(self.command, self.path, self.body or None, kept)
        answer = peer.getresponse()
        body = answer.read().replace(org.encode(), line.encode())
        dropped = {"content-length", "connection", "transfer-encoding"}
        headers = {
            name: value.replace(org, line) for name, value in answer.headers.items() if name.lower() not in dropped
        }
        peer.close()
        return answer.status, headers, body

    def answer(self, status: int, headers: Mapping[str, str], body: bytes, *, promised: int | None = None) -> None:
        """An answer; one that promises more than it gives breaks off."""
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) if promised is None else promised))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def reset(self) -> None:
        """Cut the connection: the other side sees RST."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def linger(self) -> None:
        """Keep the connection open and say no more, until the line is mended or ended."""
        self.line.mended.wait()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


Fault = Callable[[Passage], None]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, behind: str, context: ssl.SSLContext | None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), Passage)
        scheme = "http" if context is None else "https"
        self.origin = f"{scheme}://localhost:{self.server_address[1]}"
        self.behind = behind
        self.context = context
        self.fault: Fault | None = None
        self.only_token = False
        self.seen: list[str] = []
        self.mended = threading.Event()
        self.open: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, object]:
        """Accept; with TLS the handshake waits until its own thread reads."""
        sock, address = super().get_request()
        if self.context is not None:
            sock = self.context.wrap_socket(sock, server_side=True, do_handshake_on_connect=False)
        return sock, address

    def opened(self, sock: socket.socket) -> None:
        self.open.add(sock)

    def shutdown_request(self, request: socket.socket | tuple[bytes, socket.socket]) -> None:
        """A connection has ended."""
        if isinstance(request, socket.socket):
            self.open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A broken line is what this is for."""

    def hang_up(self) -> None:
        """End every connection that is open."""
        for sock in list(self.open):
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


@dataclass(kw_only=True)
class Line:
    """A line to an org."""

    behind: str
    authority: trustme.CA | None = None
    _server: _Server = field(init=False, repr=False)

    def __post_init__(self) -> None:
        context = certified(self.authority) if self.authority else None
        self._server = self._serve(_Server(self.behind, context))

    @staticmethod
    def _serve(server: _Server) -> _Server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        return server

    @property
    def origin(self) -> str:
        """Where the org seems to be."""
        return self._server.origin

    @property
    def trusted(self) -> ssl.SSLContext | None:
        """How a browser trusts the line; None where it has no TLS."""
        if self.authority is None:
            return None
        return ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())

    @property
    def seen(self) -> list[str]:
        """Every request that came this way, also those that failed."""
        return self._server.seen

    def fail(self, fault: Fault, *, only_token: bool = False) -> None:
        """From now on requests fail so, those for tokens only or all."""
        self._server.mended.clear()
        self._server.only_token = only_token
        self._server.fault = fault

    def present(self, context: ssl.SSLContext | None) -> None:
        """From now on show this certificate, or answer in plain text where TLS is expected."""
        self._server.context = context
        self._server.hang_up()

    def take_down(self) -> None:
        """Nobody listens any more; what was open is closed."""
        self._server.shutdown()
        self._server.hang_up()
        self._server.server_close()

    def bring_up(self) -> None:
        """Listen again, at the same address."""
        old = self._server
        self._server = self._serve(_Server(old.behind, old.context, int(old.server_address[1])))

    def mend(self) -> None:
        """All is well again."""
        old = self._server
        if old.socket.fileno() == -1:
            self.bring_up()
            return
        old.fault = None
        old.mended.set()
        if self.authority is not None:
            self.present(certified(self.authority))


@contextmanager
def lines(behind: str, count: int, *, authority: trustme.CA | None = None) -> Generator[list[Line]]:
    """Lines to an org, ended with the block."""
    made = [Line(behind=behind, authority=authority) for _ in range(count)]
    try:
        yield made
    finally:
        for line in made:
            line.mend()
            line.take_down()


def certified(authority: trustme.CA) -> ssl.SSLContext:
    """A server's side of TLS, for `localhost`, by an authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with authority.issue_cert("localhost").private_key_and_cert_chain_pem.tempfile() as file:
        context.load_cert_chain(file)
    return context


def says(status: int, body: bytes | str, kind: str = JSON, **headers: str) -> Fault:
    """An answer in the org's place: nothing was carried out."""
    content = body.encode() if isinstance(body, str) else body
    lines = {"Content-Type": kind, **{name.replace("_", "-"): value for name, value in headers.items()}}
    return lambda passage: passage.answer(status, lines, content)


def closes(passage: Passage) -> None:
    """Accept, read, close: no byte of an answer."""
    passage.connection.shutdown(socket.SHUT_RDWR)


def resets(passage: Passage) -> None:
    """Reset before the answer."""
    passage.reset()


def resets_in_the_middle(passage: Passage) -> None:
    """Reset in the middle of the answer."""
    passage.answer(200, {"Content-Type": JSON}, b'{"access_token":"00D', promised=400)
    passage.reset()


def breaks_off(passage: Passage) -> None:
    """Close before the length that was promised."""
    passage.answer(200, {"Content-Type": JSON}, b'{"access_token":"00D', promised=400)


def hangs(passage: Passage) -> None:
    """Take the request and say nothing."""
    passage.linger()


def hangs_in_the_middle(passage: Passage) -> None:
    """Begin the answer and never end it."""
    passage.answer(200, {"Content-Type": JSON}, b'{"access_token":"00D', promised=400)
    passage.linger()


def talks_garbage(passage: Passage) -> None:
    """Answer in no protocol at all."""
    passage.wfile.write(b"\x15\x03\x01\x00\x02\x02\x50\x00\xff" * 40 + b"\r\n\r\n")


def sends_broken_chunks(passage: Passage) -> None:
    """A chunked answer whose second chunk has no length."""
    passage.wfile.write(
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        b"2\r\n{}\r\nzz\r\nlost\r\n"
    )


def drips(passage: Passage) -> None:
    """The org's own answer, slowly: one byte in each packet."""
    status, headers, body = passage.carried_out()
    passage.answer(status, headers, b"", promised=len(body))
    for index in range(len(body)):
        passage.wfile.write(body[index : index + 1])
        passage.wfile.flush()
        passage.line.mended.wait(0.002)


def takes_its_time(passage: Passage) -> None:
    """The org's own answer, after a while in which a crowd can gather."""
    passage.line.mended.wait(0.5)
    passage.answer(*passage.carried_out())


def loses_the_answer(passage: Passage) -> None:
    """The org carries the request out, and its answer never arrives."""
    passage.carried_out()
    passage.reset()
