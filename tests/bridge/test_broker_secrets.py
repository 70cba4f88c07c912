"""What a hostile or merely talkative org answers: the token never reaches a client, nor a client's headers the org."""

import base64
import gzip
import json
import os
import socket
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import replace
from urllib.parse import quote

import pytest

from support.faults import Fault, Line, Passage, lines
from support.peer import Client, connect, peer
from support.service import Answer, start

LIMITS = "/services/data/v66.0/limits"
ECHO = "/services/apexrest/demo/echo"
Org = tuple[Client, Line]


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Org]:
    """A client in Build Mode, and the line to its org, on which answers can be made up."""
    with ExitStack() as stack:
        behind = stack.enter_context(peer(tmp_path_factory.mktemp("org")))
        (line,) = stack.enter_context(lines(behind.origin, 1))
        service = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
        stack.callback(service.stop)
        connect(service, "org", line.origin)
        yield Client.pair(service, "org"), line


def ask(org: Org, path: str = LIMITS, *, method: str = "GET", fault: Fault | None = None, **headers: str) -> Answer:
    """A request through the broker, answered by the org, or by a fault in its place."""
    client, line = org
    if fault is not None:
        line.fail(fault)
    try:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = client.service.call(method, f"/o/org{path}", token=client.token, headers=named)
        return replace(answer, body=unchunked(answer.body)) if "transfer-encoding" in answer.headers else answer
    finally:
        line.mend()


def says(token: str, form: Callable[[str], bytes], encoding: str = "") -> Fault:
    """An answer that holds the token in some form."""
    body = b'{"said": "' + form(token) + b'"}'
    if encoding == "gzip":
        body = gzip.compress(body, mtime=0)
    headers = {"Content-Type": "application/json"} | ({"Content-Encoding": encoding} if encoding else {})
    return lambda passage: passage.answer(200, headers, body)


FORMS: Mapping[str, Callable[[str], bytes]] = {
    "as it is": lambda token: token.encode(),
    "without the org": lambda token: token.partition("!")[2].encode(),
    "half of it": lambda token: token.partition("!")[2][: len(token) // 2].encode(),
    "in a URL": lambda token: quote(f"https://x/secur/frontdoor.jsp?sid={token}", safe="").encode(),
    "Base64": lambda token: base64.b64encode(token.encode()),
    "Base64, moved": lambda token: base64.b64encode(b"x" + token.encode()),
}


@pytest.mark.parametrize("encoding", ["", "gzip"])
@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_the_token_is_struck_out_of_a_body(org: Org, form: Callable[[str], bytes], encoding: str) -> None:
    """Whatever the org wraps it in, the answer arrives whole, with stars where the token was."""
    token = org[0].held("org")
    answer = ask(org, fault=says(token, form, encoding))

    assert answer.status == 200
    middle = len(form(token)) // 2
    assert form(token)[middle - 16 : middle + 16] not in answer.body
    assert b"****" in answer.body
    assert answer.body.startswith(b'{"said": "')
    assert answer.body.endswith(b'"}')


def test_the_token_is_found_across_the_borders_of_pieces(org: Org) -> None:
    """An answer that comes letter by letter is looked through as a whole."""
    token = org[0].held("org")

    def dribble(passage: Passage) -> None:
        passage.send_response_only(200)
        passage.send_header("Transfer-Encoding", "chunked")
        passage.end_headers()
        for letter in f"<{token}>":
            passage.wfile.write(b"1\r\n" + letter.encode() + b"\r\n")
            passage.wfile.flush()
        passage.wfile.write(b"0\r\n\r\n")

    answer = ask(org, fault=dribble)

    assert token.partition("!")[2].encode()[:20] not in answer.body
    assert b"*>" in answer.body


def test_the_token_is_struck_out_of_headers(org: Org) -> None:
    """A Location of the org's that carries its own session is no way to get it."""
    token = org[0].held("org")

    def point(passage: Passage) -> None:
        passage.answer(201, {"Location": f"/secur/frontdoor.jsp?sid={token}", "Warning": token}, b"{}")

    answer = ask(org, fault=point)

    assert token.partition("!")[2] not in str(answer.headers)
    assert answer.headers["location"].startswith(
        f"http://localhost:{org[0].service.port}/o/org/secur/frontdoor.jsp?sid=00D"
    )


def test_code_of_the_org_cannot_say_its_session(org: Org) -> None:
    """Apex may print its session id; the client reads stars."""
    answer = ask(org, ECHO)

    assert answer.status == 200
    assert answer.json()["session"].startswith("00D")
    assert set(answer.json()["session"].partition("!")[2]) == {"*"}


def test_who_one_is_leads_back_here(org: Org) -> None:
    """The addresses in the identity's documents are ours, so that a client's next call brings its handle to us."""
    client, line = org
    info = ask(org, "/services/oauth2/userinfo").json()
    root = ask(org, "/services/data/v66.0").json()
    prefix = f"http://localhost:{client.service.port}/o/org"
    identity = ask(org, root["identity"].removeprefix(prefix)).json()

    assert root["identity"].startswith(f"{prefix}/id/")
    for document in (info, identity):
        assert all(f"{url}/".startswith(prefix + "/") for url in document["urls"].values())
        assert client.held("org").partition("!")[2] not in json.dumps(document)
    assert line.origin not in json.dumps([info["urls"], identity["urls"]])


def test_a_handle_in_the_query_becomes_the_token(org: Org) -> None:
    """jsforce's `oauth_token` reaches the org with the live session in the handle's place."""
    client, line = org
    path = ask(org, "/services/data/v66.0").json()["identity"].partition("/o/org")[2]
    answer = client.service.call("GET", f"/o/org{path}?format=json&oauth_token=00Dx!{client.token}")

    assert answer.status == 200, answer.body
    assert line.seen[-1].endswith(f"&oauth_token={quote(client.held('org'))}")
    assert client.token not in line.seen[-1]
    twice = f"/o/org{path}?oauth_token={client.token}&oauth_token={client.token}"
    assert client.service.call("GET", twice).status == 400


def test_the_org_is_asked_for_what_can_be_opened(org: Org) -> None:
    """Whatever encodings a client takes, the org is asked for gzip at most; a range is asked for as it is."""
    seen: list[str] = []

    def look(passage: Passage) -> None:
        seen.append(str(passage.headers["Accept-Encoding"]))
        passage.answer(200, {"Content-Type": "application/json"}, b"{}")

    ask(org, fault=look, Accept_Encoding="br, zstd, gzip")
    ask(org, fault=look, Range="bytes=0-10")

    assert seen == ["gzip", "identity"]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Encoding": "br"}, b"x"),
        ({"Content-Encoding": "deflate"}, zlib.compress(b"{}")),
        ({"Content-Encoding": "gzip, gzip"}, gzip.compress(gzip.compress(b"{}", mtime=0), mtime=0)),
    ],
)
def test_what_cannot_be_opened_does_not_pass(org: Org, headers: dict[str, str], body: bytes) -> None:
    """An answer that nobody could look through is none."""
    assert ask(org, fault=lambda passage: passage.answer(200, headers, body)).status == 502


def test_a_broken_archive_never_ends_cleanly(org: Org) -> None:
    """A gzip answer that stops in the middle is cut for the client too; a short one is none."""
    client, line = org
    short = gzip.compress(b"{}" * 100, mtime=0)[:-10]
    long = gzip.compress(os.urandom(300_000), mtime=0)[:-20]
    headers = {"Content-Encoding": "gzip"}

    assert ask(org, fault=lambda passage: passage.answer(200, headers, short)).status == 502
    line.fail(lambda passage: passage.answer(200, headers, long))
    with socket.create_connection(("127.0.0.1", client.service.port), 30) as sock:
        lines_ = f"Host: localhost:{client.service.port}\r\nAuthorization: Bearer {client.token}"
        sock.sendall(f"GET /o/org{LIMITS} HTTP/1.1\r\n{lines_}\r\n\r\n".encode())
        got = bytearray()
        with suppress(ConnectionResetError):
            while piece := sock.recv(65536):
                got += piece
    line.mend()

    assert got.startswith(b"HTTP/1.1 200")
    assert not got.endswith(b"0\r\n\r\n")


def test_a_long_answer_is_the_same_packed_or_not(org: Org) -> None:
    """Half a MiB arrives whole and unchanged, through gzip as without."""
    body = b"".join(b"%06d,row\n" % number for number in range(50_000))
    plain = ask(org, fault=lambda passage: passage.answer(200, {"Content-Type": "text/csv"}, body))
    headers = {"Content-Type": "text/csv", "Content-Encoding": "gzip"}
    packed = ask(org, fault=lambda passage: passage.answer(200, headers, gzip.compress(body, mtime=0)))

    assert plain.body == body
    assert plain.headers["content-length"] == str(len(body))
    assert "content-encoding" not in packed.headers
    assert packed.body == body


def unchunked(rest: bytes) -> bytes:
    """A chunked body, put together."""
    body = b""
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        body += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return body


def test_what_the_limits_are_is_told(org: Org) -> None:
    """Sforce-Limit-Info passes; cookies, the server's name and the hop's headers do not."""

    def talk(passage: Passage) -> None:
        told = {
            "Set-Cookie": "sid=1",
            "Server": "x",
            "Keep-Alive": "5",
            "Sforce-Limit-Info": "api-usage=1/5",
            "X-B3": "y",
        }
        passage.answer(200, told, b"{}")

    answer = ask(org, fault=talk)

    assert answer.headers["sforce-limit-info"] == "api-usage=1/5"
    assert not {"set-cookie", "server", "keep-alive", "x-b3"} & set(answer.headers)
