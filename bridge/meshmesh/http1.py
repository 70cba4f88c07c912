"""HTTP/1.1 (RFC 9112) as values: a request composed, an answer read; the socket is the caller's.

One request a connection, no keep-alive: what a command line needs, and small enough that `meshmesh token` affords it,
where `http.client` alone would double the time of the whole command. Nothing is imported.
"""

TYPE_CHECKING = False  # as in `typing`; the import of `collections` takes longer than all of this
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

MAX_HEAD = 64 * 1024
_CHUNK = 65536
_HEX = b"0123456789ABCDEFabcdef"
_UNRESERVED = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")


class MalformedAnswer(Exception):
    """The other end does not speak HTTP/1.1, or hung up in the middle of an answer."""


class RawAnswer:
    """An answer, read to its end: the status, the headers by lower-case name, the bytes of the body."""

    __slots__ = ("body", "headers", "status")

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body


def segment(text: str) -> str:
    """A path segment with everything but unreserved characters percent-encoded (RFC 3986, section 2.3)."""
    return "".join(chr(byte) if byte in _UNRESERVED else f"%{byte:02X}" for byte in text.encode("utf-8", "replace"))


def compose(method: str, target: str, headers: "Mapping[str, str]", body: bytes | None = None) -> bytes:
    """The bytes of a request that asks for the connection to be closed after the answer.

    Args:
        method: the method.
        target: path and query, encoded already.
        headers: further headers; `Host` must be among them.
        body: the content, or None for none.

    Raises:
        ValueError: something would break out of its line.
    """
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    lines.append("Connection: close")
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    for line in lines:
        if not line.isascii() or not line.isprintable():
            raise ValueError("A request line or header holds a character that HTTP does not allow there.")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("ascii") + (body or b"")


def read(receive: "Callable[[int], bytes]") -> RawAnswer:
    """Read one answer to its end; interim answers (1xx) are passed over.

    Args:
        receive: gives at most so many bytes, and none at the end, as `socket.recv` does.

    Raises:
        MalformedAnswer: what came is no HTTP/1.1 answer, or it was cut.
    """
    source = _Source(receive)
    status, headers = _read_head(source)
    while status < 200:  # noqa: PLR2004 - 1xx
        status, headers = _read_head(source)
    return RawAnswer(status, headers, _read_body(source, status, headers))


class _Source:
    def __init__(self, receive: "Callable[[int], bytes]") -> None:
        self._receive = receive
        self._held = b""

    def until(self, mark: bytes) -> bytes:
        while mark not in self._held:
            if len(self._held) > MAX_HEAD:
                raise MalformedAnswer("the head of the answer does not end")
            self._more()
        part, _, self._held = self._held.partition(mark)
        return part

    def exactly(self, length: int) -> bytes:
        while len(self._held) < length:
            self._more()
        part, self._held = self._held[:length], self._held[length:]
        return part

    def rest(self) -> bytes:
        parts = [self._held]
        while part := self._receive(_CHUNK):
            parts.append(part)
        return b"".join(parts)

    def _more(self) -> None:
        part = self._receive(_CHUNK)
        if not part:
            raise MalformedAnswer("the answer was cut")
        self._held += part


def _read_head(source: _Source) -> tuple[int, dict[str, str]]:
    first, *lines = source.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    version, _, rest = first.partition(" ")
    status = rest[:3]
    if version not in {"HTTP/1.1", "HTTP/1.0"} or not (status.isascii() and status.isdigit()):
        raise MalformedAnswer("the answer is not HTTP")
    split = (line.partition(":") for line in lines)
    return int(status), {name.lower(): value.strip() for name, _, value in split}


def _read_body(source: _Source, status: int, headers: "Mapping[str, str]") -> bytes:
    if status in {204, 304}:
        return b""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return _read_chunks(source)
    length = headers.get("content-length")
    if length is None:
        return source.rest()
    if not (length.isascii() and length.isdigit()):
        raise MalformedAnswer("the length of the answer is not a number")
    return source.exactly(int(length))


def _read_chunks(source: _Source) -> bytes:
    parts: list[bytes] = []
    while size := _chunk_size(source.until(b"\r\n")):
        parts.append(source.exactly(size))
        if source.exactly(2) != b"\r\n":
            raise MalformedAnswer("a chunk is longer than it says")
    while source.until(b"\r\n"):  # the trailer section
        pass
    return b"".join(parts)


def _chunk_size(line: bytes) -> int:
    digits = line.partition(b";")[0].strip()
    if not digits or digits.strip(_HEX):  # `int` alone would take a sign, `0x` and underscores
        raise MalformedAnswer("the size of a chunk is not a number")
    return int(digits, 16)
