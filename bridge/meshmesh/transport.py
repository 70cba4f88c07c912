"""A thin way to the service: HTTP over its UNIX socket, or over TCP with a pairing token. Standard library only.

Over the socket the caller is the owner, unless a token is sent along: then it is that client, on either door.
"""

import json
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from meshmesh import exits, http1, places, wire
from meshmesh.documents import Document
from meshmesh.failures import Failure, UnexpectedAnswer, Unreachable
from meshmesh.problems import problem_from

TIMEOUT_SECONDS = 30.0
_LOOPBACK = {"localhost": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "[::1]": ("::1",)}


@dataclass(frozen=True, slots=True)
class UnixDoor:
    """The service's UNIX socket."""

    path: str

    @property
    def host(self) -> str:
        """What stands in `Host`: the name says nothing over a socket file."""
        return "localhost"

    def open(self, timeout: float) -> socket.socket:
        """A connected socket.

        Raises:
            OSError: nobody answers there.
        """
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        sock.settimeout(timeout)
        try:
            sock.connect(self.path)
        except OSError:
            sock.close()
            raise
        return sock


@dataclass(frozen=True, slots=True)
class TcpDoor:
    """The service's TCP port on the loopback."""

    port: int
    name: str = "localhost"

    @property
    def host(self) -> str:
        """What stands in `Host`."""
        return f"{self.name}:{self.port}"

    def open(self, timeout: float) -> socket.socket:
        """A connected socket.

        Raises:
            OSError: nobody answers there.
        """
        *others, last = _LOOPBACK[self.name]
        for address in others:
            try:
                return socket.create_connection((address, self.port), timeout)
            except OSError:
                continue
        return socket.create_connection((last, self.port), timeout)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer that is no refusal."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Document:
        """The body as a JSON object; an empty body is an empty one.

        Raises:
            UnexpectedAnswer: it is something else.
        """
        return Document.parse(self.body) if self.body else Document({})


class Transport:
    """Calls of the service.

    Args:
        door: where the service is.
        token: a pairing token, which makes the caller that client; None over the socket is the owner.
    """

    def __init__(self, door: UnixDoor | TcpDoor, token: str | None = None) -> None:
        self.door = door
        self.token = token

    def request(
        self,
        method: str,
        target: str,
        body: Mapping[str, object] | None = None,
        *,
        attempt: str = "do that",
        wait: int = 0,
    ) -> Answer:
        """One call.

        Args:
            method: the method.
            target: path and query; names in it went through `http1.segment`.
            body: a JSON object to send along, or None.
            attempt: what is tried, for the sentence of a refusal: "Could not {attempt}."
            wait: seconds that the service may hold the answer back until there is news (RFC 7240).

        Raises:
            Unreachable: no service there, or it hung up.
            ProblemError: it refused.
            UnexpectedAnswer: what answers there is not this service.
        """
        answer = self.exchange(method, target, body, wait=wait)
        if answer.status >= 400:  # noqa: PLR2004 - 4xx and 5xx
            raise problem_from(answer.status, answer.body, attempt)
        return answer

    def exchange(
        self,
        method: str,
        target: str,
        body: Mapping[str, object] | None = None,
        *,
        wait: int = 0,
        patience: float = TIMEOUT_SECONDS,
    ) -> Answer:
        """One call whose refusals are answers like all others; for the rest as `request`.

        `patience` is how long the service may work on it, beside the `wait` that it is asked for.
        """
        sent = self._compose(method, target, body, wait)
        try:
            with self.door.open(patience + wait) as sock:
                sock.sendall(sent)
                raw = http1.read(sock.recv)
        except http1.MalformedAnswer as error:
            raise UnexpectedAnswer(f"{error}.".capitalize()) from None
        except TimeoutError:
            raise Unreachable(f"It did not answer within {patience + wait:.0f} s.") from None
        except OSError as error:
            raise Unreachable(f"Nobody answers at {_place(self.door)} ({error.strerror or error}).") from None
        return Answer(status=raw.status, headers=raw.headers, body=raw.body)

    def _compose(self, method: str, target: str, body: Mapping[str, object] | None, wait: int) -> bytes:
        headers = {"Host": self.door.host, "Accept": "application/json"}
        if self.token is not None:
            headers["Authorization"] = f"Bearer {self.token}"
        if wait:
            headers["Prefer"] = f"wait={wait}"
        if body is not None:
            headers["Content-Type"] = "application/json"
        content = json.dumps(body).encode() if body is not None else None
        try:
            return http1.compose(method, target, headers, content)
        except ValueError:
            raise Failure(
                "The request was not sent.",
                f"{wire.ENV_TOKEN} holds a character that no token has.",
                f"Set {wire.ENV_TOKEN} to the token that pairing gave.",
                exits.Exit.SETTINGS,
            ) from None


def from_environment(environ: Mapping[str, str]) -> Transport:
    """The way to the service that an environment names: its socket, else `MESHMESH_URL` with `MESHMESH_TOKEN`.

    Args:
        environ: the environment, usually `os.environ`.

    Raises:
        Failure: `MESHMESH_URL` is not an address on the loopback.
    """
    token = environ.get(wire.ENV_TOKEN) or None
    door = UnixDoor(places.socket_path(environ))
    url = environ.get(wire.ENV_URL)
    if token and url and not _answers(door):
        return Transport(tcp_door(url), token)
    return Transport(door, token)


def tcp_door(url: str) -> TcpDoor:
    """The door that an address names.

    Args:
        url: `http://localhost:PORT`; a token is sent to no other machine and not in clear over a network.

    Raises:
        Failure: it is another kind of address.
    """
    rest = url.removeprefix("http://").rstrip("/")
    name, _, port = rest.rpartition(":")
    if rest == url or name not in _LOOPBACK or not (port.isascii() and port.isdigit() and 0 < int(port) < 1 << 16):
        raise Failure(
            f"{wire.ENV_URL} cannot be used.",
            f"{url!r} is not of the form http://localhost:PORT.",
            f"export {wire.ENV_URL}=http://localhost:{wire.DEFAULT_PORT}",
            exits.Exit.SETTINGS,
        )
    return TcpDoor(int(port), name)


def _answers(door: UnixDoor) -> bool:
    try:
        door.open(TIMEOUT_SECONDS).close()
    except OSError:
        return False
    return True


def _place(door: UnixDoor | TcpDoor) -> str:
    return door.path if isinstance(door, UnixDoor) else door.host
