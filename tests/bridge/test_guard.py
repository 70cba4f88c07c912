"""Who may knock: the attack list of the loopback, as a table, against the running service."""

import os
import socket

import pytest

OWNER_ONLY = [
    ("POST", "/v1/connections"),
    ("GET", "/v1/sign-ins/x"),
    ("GET", "/v1/pairings"),
    ("GET", "/v1/clients"),
    ("DELETE", "/v1/clients/x"),
    ("POST", "/v1/demo/reset"),
    ("DELETE", "/v1/connections/demo"),
    ("POST", "/v1/connections/demo/reconnect"),
]
CLIENT_ONLY = [("GET", "/v1/me"), ("GET", "/v1/connections"), ("GET", "/v1/connections/demo/token")]


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost:{port}", 200),
        ("127.0.0.1:{port}", 200),
        ("[::1]:{port}", 200),
        ("localhost", 421),
        ("localhost.:{port}", 421),
        ("LOCALHOST:{port}", 421),
        ("evil.example", 421),
        ("evil.example:{port}", 421),
        ("localhost:{port}.evil.example", 421),
        ("user@localhost:{port}", 421),
        ("localhost:1", 421),
        ("", 421),
        ("0.0.0.0:{port}", 421),
        ("127.1:{port}", 421),
    ],
)
def test_only_our_own_names_are_answered(service, host: str, status: int) -> None:
    """A rebound name never reaches a handler."""
    answer = service.call("GET", "/status", headers={"Host": host.format(port=service.port)})

    assert answer.status == status
    assert "server" not in answer.headers


@pytest.mark.parametrize(
    "top",
    [
        "GET http://evil.example/status HTTP/1.1\r\nHost: localhost:{port}\r\n",
        "GET http://localhost:{port}/status HTTP/1.1\r\nHost: evil.example\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n",
        "GET /status HTTP/1.0\r\n",
        "GET /status HTTP/1.0\r\nHost: localhost:{port}\r\n",
        "GET //status HTTP/1.1\r\nHost: localhost:{port}\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 3\r\n",
        "POST /v1/pair HTTP/1.1\r\nHost: localhost:{port}\r\nTransfer-Encoding: gzip, chunked\r\n",
        "POST /v1/pair HTTP/1.1\r\nHost: localhost:{port}\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n",
        "TRACE /status HTTP/1.1\r\nHost: localhost:{port}\r\n",
        "GET /status HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer S\0ECRET\r\n",
    ],
)
def test_odd_forms_are_refused(service, top: str) -> None:
    """What two readers could read in two ways is refused, without a Server header and without an echo."""
    request = top.format(port=service.port) + "Connection: close\r\n\r\nabc"
    answer = service.raw(request.encode())

    assert 400 <= answer.status < 500
    assert "server" not in answer.headers
    assert b"ECRET" not in answer.body
    assert "ECRET" not in service.log


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:1"},
        {"Origin": "chrome-extension://abcdefghijklmnop"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://localhost:{port}", "Sec-Fetch-Site": "cross-site"},
    ],
)
@pytest.mark.parametrize("target", ["/status", "/v1/connections", "/v1/me", "/healthz"])
def test_web_pages_get_nothing(service, target: str, headers: dict[str, str]) -> None:
    """A page of another site, or of another port, is refused on every route that gives data."""
    filled = {name: value.format(port=service.port) for name, value in headers.items()}

    assert service.call("GET", target, headers=filled).status in {401, 403}


def test_a_page_may_be_navigated_to_from_anywhere(service) -> None:
    """A link on another site may open our front page, which shows no name."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = service.call("GET", "/", headers=headers | {"Accept": "text/html"})

    assert answer.status == 200
    assert b"demo" not in answer.body.replace(b"--demo", b"")


@pytest.mark.parametrize(("method", "target"), [*OWNER_ONLY, *CLIENT_ONLY])
def test_an_unpaired_program_gets_nothing(service, method: str, target: str) -> None:
    """Without a credential TCP gives 401 with a challenge."""
    answer = service.call(method, target, {} if method == "POST" else None)

    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("owner_door", [False, True])
@pytest.mark.parametrize(("method", "target"), OWNER_ONLY)
def test_a_client_is_never_the_owner(service, method: str, target: str, owner_door: bool) -> None:
    """A pairing token makes its bearer a client on either door."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    answer = service.call(method, target, {} if method == "POST" else None, token=token, owner=owner_door)

    assert answer.status == 403
    assert answer.json()["code"] == "owner_only"


@pytest.mark.parametrize("token", ["nonsense", "mmp_" + "A" * 43, "mmp_" + "_" * 60])
def test_an_unknown_token_is_said(service, token: str) -> None:
    """A token that is not known is 401 with `invalid_token`, on either door."""
    answer = service.call("GET", "/v1/me", token=token)

    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert service.call("GET", "/v1/me", token=token, owner=True).status == 401


def test_both_families_are_served(service) -> None:
    """Browsers resolve localhost either way: 127.0.0.1 and ::1 answer alike."""
    request = f"GET /healthz HTTP/1.1\r\nHost: localhost:{service.port}\r\nConnection: close\r\n\r\n".encode()

    assert service.raw(request).status == 200
    assert service.raw(request, family=socket.AF_INET6).status == 200


def test_every_answer_carries_the_headers(service) -> None:
    """No sniffing, no framing, no store, no referrer; refusals too."""
    for target in ("/status", "/", "/nowhere", "/v1/me"):
        headers = service.call("GET", target).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_another_user_is_open(service) -> None:
    """A pairing token in another user's hands is worth nothing: their socket is not the owner's."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # the kernel files a socket under the user who makes it, so no account is needed
        os.setgid(4242)
        os.setuid(4242)
        status = service.call("GET", "/v1/connections/demo/token", token=token).status
        pairing = service.call("POST", "/v1/pair", {"client_name": "stranger"}).status
        os.write(write, f"{status} {pairing}".encode())
        os._exit(0)
    os.close(write)
    seen = os.read(read, 64).decode()
    os.waitpid(child, 0)
    os.close(read)

    assert seen == "401 403"


def test_the_redirect_has_one_spelling(service) -> None:
    """An encoded or differently cased path is not the redirect."""
    for path in ("/Oauth%52edirect", "/oauthredirect", "/OauthRedirect/", "/OAuthRedirect"):
        assert service.call("GET", f"{path}?state=x&code=y").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_says_which_are_right(service, method: str) -> None:
    """405 names the methods."""
    answer = service.call(method, "/status", {} if method != "DELETE" else None)

    assert answer.status == 405
    assert "GET" in str(answer.json()["detail"])
