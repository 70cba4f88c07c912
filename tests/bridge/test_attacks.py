"""Attacks on the door and through the broker, one a row: smuggling, replays, another user, hostile orgs, guesses."""

import gzip
import os
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from urllib.parse import parse_qsl, quote, urlsplit

import pytest

from support.faults import Fault, Line, Passage, lines, says
from support.guesses import guess
from support.peer import Client, connect, peer, view
from support.person import Person
from support.service import Answer, Service, StartService, start
from support.stranger import as_other_user

EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
BUILD: dict[str, object] = {"connection": "demo", "mode": "build", "raw_token": True}
SMUGGLED = "GET /healthz HTTP/1.1\r\nHost: localhost:{port}\r\nX-Smuggled: yes\r\n\r\n"
as_root = pytest.mark.skipif(os.getuid() != 0, reason="only root can make sockets of another user")


def everything(service: Service, raw: str) -> bytes:
    """All that is answered to raw bytes, until the other side closes or has nothing more to say."""
    with socket.create_connection(("127.0.0.1", service.port), 10) as sock:
        sock.sendall(raw.format(port=service.port).encode("latin-1"))
        sock.settimeout(1)
        read = b""
        try:
            while chunk := sock.recv(65536):
                read += chunk
        except (TimeoutError, ConnectionResetError):
            pass
        return read


def refusals(read: bytes) -> list[bytes]:
    """The statuses of what was answered, each of which must be a refusal; the parser answers in other versions too."""
    statuses = re.findall(rb"HTTP/\d\.\d (\d{3}) ", read)
    assert all(status.startswith(b"4") for status in statuses), read
    return statuses


@pytest.mark.parametrize(
    "lines",
    [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 5",
        "Content-Length: 5\r\nContent-Length: 0",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 1_0",
        "Content-Length: 5 5",
        "Content-Length : 0",
        "Transfer-Encoding: chunked, identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: gzip, chunked",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding: identity",
        "Transfer-Encoding : chunked",
        "Transfer-Encoding:\x0bchunked",
        "X: a\r\n Transfer-Encoding: chunked",
        "X: a\nTransfer-Encoding: chunked",
        "X: a\rTransfer-Encoding: chunked",
        "X\0: a",
        "X Y: a",
    ],
)
def test_a_body_whose_end_is_in_doubt_ends_the_connection(service: Service, lines: str) -> None:
    """One refusal, no second answer: what stands behind the doubtful body is not taken for a request."""
    head = "POST /v1/pair HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    read = everything(service, f"{head}{lines}\r\n\r\n0\r\n\r\n{SMUGGLED}")

    assert len(refusals(read)) == 1, read
    assert b"Server:" not in read


@pytest.mark.parametrize("size", ["zz", "-1", "0x5", "5 5", "fffffffffffffffff"])
def test_a_chunk_without_a_length_ends_the_connection(service: Service, size: str) -> None:
    """A chunk whose size does not read is 400 and the end, not the beginning of another request."""
    head = "POST /v1/pair HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Type: application/json\r\n"
    read = everything(service, f"{head}Transfer-Encoding: chunked\r\n\r\n{size}\r\nabcde\r\n0\r\n\r\n{SMUGGLED}")

    assert len(refusals(read)) <= 1, read
    assert b'"status": "ok"' not in read


@pytest.mark.parametrize(
    ("target", "lines", "status"),
    [
        ("/v1/connections", "Host: localhost:{port}", 401),
        ("/v1/pair", "Host: evil.example", 421),
        ("/v1/pair", "Host: localhost:{port}\r\nOrigin: https://evil.example", 403),
        ("/o/demo/services/data", "Host: localhost:{port}", 401),
        ("/v1/nowhere", "Host: localhost:{port}", 404),
        ("/status", "Host: localhost:{port}", 405),
        ("/v1/pair", "Host: localhost:{port}\r\nContent-Encoding: gzip", 415),
        ("/v1/me/token", "Host: localhost:{port}", 401),
        (
            "/o/nowhere/services/data/v66.0/sobjects/Account",
            "Host: localhost:{port}\r\nAuthorization: Bearer {token}",
            404,
        ),
    ],
)
def test_nobody_is_told_to_go_on_before_the_guard(service: Service, target: str, lines: str, status: int) -> None:
    """`Expect: 100-continue` of what is refused without its body gets the refusal, not an invitation to send it."""
    if "{token}" in lines:
        lines = lines.replace("{token}", service.pair({"connection": "demo", "mode": "build"}))
    read = everything(
        service, f"POST {target} HTTP/1.1\r\n{lines}\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
    )

    assert read.startswith(f"HTTP/1.1 {status} ".encode()), read


def test_a_long_body_is_not_asked_for(service: Service) -> None:
    """What is too long by its own word is 413 at once."""
    head = "POST /v1/pair HTTP/1.1\r\nHost: localhost:{port}\r\nExpect: 100-continue\r\n"
    read = everything(service, f"{head}Content-Type: application/json\r\nContent-Length: 99999999\r\n\r\n")

    assert read.startswith(b"HTTP/1.1 413 "), read


def test_who_is_admitted_is_told_to_go_on(service: Service) -> None:
    """100, and then one answer."""
    head = "POST /v1/pair/token HTTP/1.1\r\nHost: localhost:{port}\r\nExpect: 100-continue\r\n"
    read = everything(service, f"{head}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{{{{}}}}")

    assert read.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 422 ")


def test_other_expectations_and_upgrades_are_not_met(service: Service) -> None:
    """Another Expect is 417; an upgrade is ignored, and the connection goes on in HTTP/1.1."""
    assert service.call("GET", "/status", headers={"Expect": "nonsense"}).status == 417
    for protocol in ("h2c", "websocket"):
        headers = {"Connection": "Upgrade, close", "Upgrade": protocol, "HTTP2-Settings": "AAMAAABkAARAAAAAAAIAAAAA"}
        assert service.call("GET", "/status", headers=headers).status == 200


@pytest.mark.parametrize(
    "raw",
    [
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        "GET /status\r\n\r\n",
        "GET /status HTTP/9.9\r\nHost: localhost:{port}\r\n\r\n",
        "GET  /status HTTP/1.1\r\nHost:\r\n\r\n",
        "get /status HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "M-SEARCH * HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "CONNECT evil.example:443 HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "TRACE /o/demo/services/data HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer TOP\0SECRET\r\n\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer TOP\x01SECRET\x7f\r\n\r\n",
        "GET /TOP\0SECRET HTTP/1.1\r\nHost: localhost:{port}\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused_without_an_echo(service: Service, raw: str) -> None:
    """One 4xx or silence; no Server header, and not a byte of it in the answer or the log."""
    read = everything(service, raw)

    assert len(refusals(read)) == bool(read), read
    assert b"Server:" not in read
    assert b"SECRET" not in read
    assert "SECRET" not in service.log


@pytest.mark.parametrize(
    "path",
    [
        "/%73tatus/../v1/clients",
        "/v1/../v1/clients",
        "/v1/%2e%2e/v1/clients",
        "/v1//clients",
        "/V1/clients",
        "/v1/clients/",
        "/v1/clients;x=1",
        "/v1\\clients",
        "/static/../../etc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%2f..%2fetc/passwd",
        "/Oauth%52edirect?state=x&code=y",
        "/OauthRedirect/?state=x&code=y",
        "/OauthRedirect/../OauthRedirect/?state=x&code=y",
    ],
)
def test_a_path_has_one_spelling(service: Service, path: str) -> None:
    """Other spellings of an address lead nowhere; nothing outside is served."""
    answer = service.call("GET", path, owner=True)

    assert answer.status in {400, 404}, answer.body
    assert b"root:" not in answer.body


@pytest.mark.parametrize(
    "name", ["de%2Fmo", "%64emo", "demo%00", "demo%20", "DEMO", "..", "%2e", "demo;x", "dem%6f%2f.."]
)
def test_a_connections_name_has_one_spelling_under_o(service: Service, name: str) -> None:
    """The broker takes a name as it is spelled, and what is not a name is refused."""
    token = service.pair({"connection": "demo", "mode": "read"})
    answer = service.call("GET", f"/o/{name}/services/data/v66.0/limits", token=token)

    assert answer.status in {400, 404}, answer.body


STRANGERS: list[tuple[str, str, int]] = [
    ("GET", "/status", 200),
    ("GET", "/healthz", 200),
    ("GET", "/", 200),
    ("GET", "/v1/me", 401),
    ("GET", "/v1/connections", 401),
    ("GET", "/v1/connections/demo/token", 401),
    ("GET", "/o/demo/services/data", 401),
    ("GET", "/v1/clients", 401),
    ("POST", "/v1/pair", 403),
    ("POST", "/v1/pair/token", 403),
    ("GET", "/v1/nowhere", 404),
    ("GET", "/OauthRedirect?state={state}&code=x", 303),
]


@as_root
def test_another_user_is_open_on_every_route(service: Service) -> None:
    """With a stolen token, and with the state of a live sign-in, another uid still gets what the open status gives."""
    token = service.pair(BUILD)
    begun = service.call("POST", "/v1/connections", {"environment": "demo", "name": "victim"}, owner=True).json()
    sign_in = begun["sign_in"]
    state = dict(parse_qsl(urlsplit(str(sign_in["authorize_url"])).query))["state"]

    def knock() -> str:
        said: list[str] = []
        for method, target, _ in STRANGERS:
            body: object = {"client_name": "x", "device_code": "x"} if method == "POST" else None
            answer = service.call(method, target.format(state=state), body, token=token)
            leaked = b"demo" in answer.body.replace(b"meshmesh-demo", b"").replace(b"--demo", b"")
            said.append(f"{answer.status}{'!' if leaked else ''}")
        try:
            service.call("GET", "/status", owner=True)
        except OSError as error:
            said.append(type(error).__name__)
        return " ".join(said)

    assert as_other_user(knock).split() == [*(str(status) for _, _, status in STRANGERS), "PermissionError"]
    still = service.call("GET", f"/v1/sign-ins/{sign_in['id']}", owner=True).json()
    assert still["status"] == "waiting"


def signed_in(service: Service, name: str) -> tuple[object, ...]:
    """Who a connection is, and since when."""
    seen = service.call("GET", f"/v1/connections/{name}", owner=True).json()
    return tuple(seen[part] for part in ("name", "status", "org_id", "username", "signed_in_at", "grants"))


def test_a_redirect_is_good_once(service: Service) -> None:
    """A replayed redirect, one with another code, and one without a live state change nothing and say the same."""
    begun = service.call("POST", "/v1/connections", {"environment": "demo", "name": "replayed"}, owner=True).json()
    ada = Person("ada@meshmesh-demo.example.com")
    address = ada.come_back(begun["sign_in"]["authorize_url"])
    assert ada.open(address).status == 303
    done = service.call("GET", f"/v1/sign-ins/{begun['sign_in']['id']}", owner=True).json()
    before = signed_in(service, "replayed")
    state = dict(parse_qsl(urlsplit(address).query))["state"]
    replays = [
        urlsplit(address)._replace(scheme="", netloc="").geturl(),
        f"/OauthRedirect?state={state}&code=another",
        f"/OauthRedirect?state={state}&error=access_denied",
        "/OauthRedirect?state=" + "A" * 43 + "&code=x",
        "/OauthRedirect?code=x",
        "/OauthRedirect?error=access_denied",
        "/OauthRedirect",
        f"/OauthRedirect?state={state}&state={state}&code=x",
    ]
    answers = [service.call("GET", replay) for replay in replays]

    assert done["status"] == "done"
    assert [(answer.status, answer.headers["location"]) for answer in answers] == [(303, "/signed-in/old")] * 8
    assert signed_in(service, "replayed") == before
    assert service.call("GET", f"/v1/sign-ins/{begun['sign_in']['id']}", owner=True).json() == done


def test_guesses_are_refused_and_bounded(start_service: StartService) -> None:
    """Guesses at tokens, device codes and user codes get nothing and meet a limit; honest callers are served."""
    service = start_service()
    asked = service.call("POST", "/v1/pair", {"client_name": "waiting"}, headers={"Origin": EXTENSION}).json()
    tally = guess(service, 800)

    assert tally.held, tally
    assert "mmp_" not in service.log
    codes = [one["user_code"] for one in service.call("GET", "/v1/pairings", owner=True).json()["pairings"]]
    assert asked["user_code"] in codes
    assert len(codes) == 2
    refused = service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", owner=True)
    assert (refused.status, int(refused.headers["retry-after"]) <= 60) == (429, True)


def test_the_list_of_those_who_ask_is_short(start_service: StartService) -> None:
    """A program that asks again and again has one request, then 429; other programs' requests stay, and they may ask."""
    service = start_service()
    first = service.call("POST", "/v1/pair", {"client_name": "first"}, headers={"Origin": EXTENSION}).json()
    answers = [service.call("POST", "/v1/pair", {"client_name": f"spam {number}"}) for number in range(30)]
    refused = [answer for answer in answers if answer.status == 429]
    waiting = service.call("GET", "/v1/pairings", owner=True).json()["pairings"]

    assert len(refused) >= 20
    assert all(int(answer.headers["retry-after"]) > 60 for answer in refused)
    assert [one["user_code"] for one in waiting[:1]] == [first["user_code"]]
    assert len(waiting) == 2
    other = service.call("POST", "/v1/pair", {"client_name": "other"}, headers={"Origin": f"{EXTENSION}a"})
    assert other.status == 200


def raw(answer: str) -> Fault:
    """Exactly these bytes in the org's place."""

    def send(passage: Passage) -> None:
        passage.wfile.write(answer.encode("latin-1"))

    return send


JSON = "Content-Type: application/json\r\n"
HOSTILE: dict[str, tuple[Fault, int]] = {
    "redirect to another host": (says(302, "", Location="https://evil.example/x"), 502),
    "redirect to another scheme": (says(307, "", Location="//evil.example/x"), 502),
    "redirect to a script": (says(302, "", Location="javascript:alert(1)"), 502),
    "redirect under a lookalike": (raw("HTTP/1.1 302 Found\r\nLocation: {origin}.evil.example/\r\nContent-Length: 0\r\n\r\n"), 502),
    "cookies and a server's name": (
        says(200, "{}", Set_Cookie="sid=1; Path=/", Server="x", Strict_Transport_Security="max-age=1"),
        200,
    ),
    "headers for a browser": (
        says(
            200,
            "{}",
            Access_Control_Allow_Origin="*",
            Content_Security_Policy="default-src *",
            Clear_Site_Data="*",
            Refresh="0;url=https://evil.example",
            Link="<https://evil.example>; rel=preload",
            Alt_Svc='h2="evil.example:443"',
        ),
        200,
    ),
    "bare LF": (raw(f"HTTP/1.1 200 OK\n{JSON}X-A: 1\nSet-Cookie: sid=1\nContent-Length: 2\n\n{{}}"), 200),
    "folded header": (raw(f"HTTP/1.1 200 OK\r\n{JSON}X-A: 1\r\n Set-Cookie: sid=1\r\nContent-Length: 2\r\n\r\n{{}}"), 200),
    "a second answer behind the first": (
        raw(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 2\r\n\r\n{{}}HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nSECOND"),
        200,
    ),
    "two lengths": (raw(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 2\r\nContent-Length: 50\r\n\r\n{{}}"), 503),
    "a length and chunks": (
        raw(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 50\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n0\r\n\r\n"),
        503,
    ),
    "too many headers": (raw("HTTP/1.1 200 OK\r\n" + "".join(f"X-{n}: a\r\n" for n in range(3000)) + "\r\n"), 503),
    "a huge header": (raw("HTTP/1.1 200 OK\r\nX: " + "a" * 200_000 + "\r\n\r\n"), 503),
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, Line]]:
    """A client of a connection whose org turns hostile."""
    with ExitStack() as stack:
        org = stack.enter_context(peer(tmp_path_factory.mktemp("org")))
        (line,) = stack.enter_context(lines(org.origin, 1))
        service = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=line.origin)
        stack.callback(service.stop)
        connect(service, "org", line.origin)
        yield Client.pair(service, "org"), line


@pytest.mark.parametrize("row", HOSTILE)
def test_a_hostile_org_reaches_no_browser_and_no_other_host(hostile: tuple[Client, Line], row: str) -> None:
    """No redirect off the instance, no cookie, no header that a browser acts on; what does not parse is trouble."""
    client, line = hostile
    fault, status = HOSTILE[row]
    line.fail(fault)
    try:
        answer = read(client)
    finally:
        line.mend()

    assert answer.status == status, (answer.headers, answer.body)
    assert not set(answer.headers) & {
        "set-cookie", "server", "strict-transport-security", "access-control-allow-origin", "clear-site-data",
        "refresh", "link", "alt-svc",
    }  # fmt: skip
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert b"evil" not in answer.body
    assert b"SECOND" not in answer.body
    assert client.service.eventually(lambda: read(client).status == 200)


def read(client: Client) -> Answer:
    """A read through the broker."""
    return client.service.call("GET", "/o/org/services/data/v66.0/limits", token=client.token)


def test_an_answer_that_is_cut_is_cut_for_the_client_too(hostile: tuple[Client, Line]) -> None:
    """A body under its length, or without its last chunk, never ends cleanly."""
    client, line = hostile
    port, token = client.service.port, client.token
    target = "/o/org/services/data/v66.0/limits"
    lines = f"Host: localhost:{port}\r\nAuthorization: Bearer {token}\r\nConnection: close"
    request = f"GET {target} HTTP/1.1\r\n{lines}\r\n\r\n".encode()
    cut = [
        raw(f"HTTP/1.1 200 OK\r\n{JSON}Content-Length: 50\r\n\r\n{{}}"),
        raw(f"HTTP/1.1 200 OK\r\n{JSON}Transfer-Encoding: chunked\r\n\r\n2\r\n{{}}\r\n"),
    ]
    for fault in cut:
        line.fail(fault)
        with socket.create_connection(("127.0.0.1", port), 30) as sock:
            sock.sendall(request)
            got = b""
            while chunk := _received(sock):
                got += chunk
        line.mend()
        assert not got.endswith(b"0\r\n\r\n"), got
        assert b"Content-Length: 2\r\n" not in got


def _received(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize(
    "header",
    [
        "X-Sfdc-Evil : 1",
        "Sforce-Evil\x0b: 1",
        "Cookie: sid=1",
        "X-Forwarded-Host: evil.example",
        "Connection: close, Accept",
    ],
)
def test_what_a_client_adds_does_not_reach_the_org(hostile: tuple[Client, Line], header: str) -> None:
    """A header that is not listed, or does not parse, stays here."""
    client, line = hostile
    seen: list[str] = []

    def look(passage: Passage) -> None:
        seen.extend(f"{name}: {value}".lower() for name, value in passage.headers.items())
        passage.answer(*passage.carried_out())

    line.fail(look)
    name, _, value = header.partition(":")
    client.service.call(
        "GET",
        "/o/org/services/data/v66.0/limits",
        token=client.token,
        headers={"Connection": "close", name: value.strip()},
    )
    line.mend()

    assert not [one for one in seen if "evil" in one or one.startswith(("cookie:", "x-forwarded"))]
    assert not [one for one in seen if client.token.lower() in one]


@pytest.mark.parametrize(
    "path",
    [
        "/services/data/v66.0/../../../services/oauth2/token",
        "/services/data/./v66.0/limits",
        "/services/data/v66.0/%2e%2e/limits",
        "/services/data/v66.0/.%2e/limits",
        "/services/data/%76%36%36.0/limits/%2E",
        "/services/data/v66.0//limits",
        "/services/data/v66.0/limits%0d%0aX-Evil:1",
        "/services/data/v66.0/limits%00",
        "/services/data/v66.0/limits#x",
        "/services/data/v66.0/a;b=c",
    ],
)
def test_what_is_sent_on_is_what_was_judged(hostile: tuple[Client, Line], path: str) -> None:
    """A path that a client library or a server would read in another way is refused, and never sent."""
    client, line = hostile
    before = len(line.seen)
    answer = client.service.call("GET", f"/o/org{path}", token=client.token)

    assert answer.status in {400, 404}, answer.body
    assert len(line.seen) == before


def test_an_encoded_letter_is_judged_as_the_letter(hostile: tuple[Client, Line]) -> None:
    """`%71uery` is a query for the judge and for the org; what goes out is the canonical spelling."""
    client, line = hostile
    soql = quote("SELECT Id FROM Account LIMIT 1")
    answer = client.service.call("GET", f"/o/org/services/data/v66.0/%71uery?q={soql}", token=client.token)

    assert answer.status == 200, answer.body
    assert urlsplit(line.seen[-1].split(" ", 1)[1]).path == "/services/data/v66.0/query"


def test_a_bomb_stays_closed(hostile: tuple[Client, Line]) -> None:
    """A gzip bomb is refused where we would read it, and passed on unopened where we would not."""
    client, line = hostile
    bomb = gzip.compress(bytes(50_000_000))
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    sizes: list[int] = []

    def weigh(passage: Passage) -> None:
        sizes.append(len(passage.body))
        passage.answer(200, {"Content-Type": "application/json"}, b"{}")

    assert client.service.send("POST", "/v1/pair", bomb, headers=headers).status == 415
    line.fail(weigh)
    headers["Authorization"] = f"Bearer {client.token}"
    answer = client.service.send("POST", "/o/org/services/data/v66.0/sobjects/Account", bomb, headers=headers)
    line.mend()

    assert (answer.status, sizes) == (200, [len(bomb)])
    assert view(client.service, "org")["status"] == "connected"
