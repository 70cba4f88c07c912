"""HTTP/1.1 as values: what is composed, what is read, and what is refused."""

from collections.abc import Callable
from urllib.parse import unquote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh import http1

SIZED = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-One: two\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;note=1\r\nhel\r\n0002\r\nlo\r\n0\r\nX-Trailer: yes\r\n\r\n"
)
TO_THE_END = b"HTTP/1.1 200 OK\r\n\r\nhello"
INTERIM = b"HTTP/1.1 100 Continue\r\n\r\n" + SIZED


def receiving(raw: bytes, size: int = 65536) -> Callable[[int], bytes]:
    """A `recv` that gives bytes in parts of one size."""
    parts = [raw[at : at + size] for at in range(0, len(raw), size)]
    return lambda _most: parts.pop(0) if parts else b""


@pytest.mark.parametrize("raw", [SIZED, CHUNKED, TO_THE_END, INTERIM], ids=["sized", "chunked", "closed", "interim"])
@given(size=st.integers(1, 120))
@settings(max_examples=25)
def test_an_answer_reads_the_same_however_it_arrives(raw: bytes, size: int) -> None:
    """The parts in which the bytes arrive make no difference."""
    answer = http1.read(receiving(raw, size))

    assert (answer.status, answer.body) == (200, b"hello")


def test_headers_are_found_by_lower_case_name() -> None:
    """Names of headers are read without regard to their case."""
    assert http1.read(receiving(SIZED)).headers["x-one"] == "two"


@pytest.mark.parametrize("raw", [SIZED, CHUNKED], ids=["sized", "chunked"])
def test_a_cut_answer_is_never_taken_for_a_whole_one(raw: bytes) -> None:
    """Every proper beginning of an answer whose end is marked is refused."""
    for length in range(len(raw)):
        with pytest.raises(http1.MalformedAnswer):
            http1.read(receiving(raw[:length]))


@pytest.mark.parametrize("status", [204, 304])
def test_what_has_no_body_is_not_waited_for(status: int) -> None:
    """204 and 304 end with their head."""
    assert http1.read(receiving(f"HTTP/1.1 {status} X\r\n\r\n".encode())).body == b""


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n\r\n",
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nContent-Length: five\r\n\r\nhello",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n\r\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"x" * (http1.MAX_HEAD + 1),
    ],
)
def test_what_is_no_answer_is_refused(raw: bytes) -> None:
    """Another protocol, a length or a chunk that makes no sense, a head without an end."""
    with pytest.raises(http1.MalformedAnswer):
        http1.read(receiving(raw))


def test_a_request_is_composed_line_by_line() -> None:
    """The method, the target and the headers stand where RFC 9112 wants them."""
    raw = http1.compose("POST", "/v1/x?a=b", {"Host": "localhost"}, b"{}")

    assert raw == b"POST /v1/x?a=b HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize("evil", ["a\r\nX: y", "a\nb", "a\0b", "a\x7fb", "é"])
def test_nothing_breaks_out_of_its_line(evil: str) -> None:
    """A control or non-ASCII character in the target or in a header is refused."""
    with pytest.raises(ValueError, match="character"):
        http1.compose("GET", "/", {"Authorization": f"Bearer {evil}"})
    with pytest.raises(ValueError, match="character"):
        http1.compose("GET", f"/{evil}", {})


@given(st.text(max_size=30))
@settings(max_examples=50)
def test_a_segment_comes_back_as_it_went(text: str) -> None:
    """Percent-encoding round-trips, and what is encoded has one segment."""
    encoded = http1.segment(text)

    assert not set(encoded) & set("/?#&= \r\n")
    assert unquote(encoded) == text.encode("utf-8", "replace").decode()
