"""Who may knock: the attack list of the loopback, as a table, against the running service."""

import socket
import sys
from contextlib import ExitStack
from pathlib import Path

import pytest

from meshmesh_bridge.arrivals import MAX_OTHER
from meshmesh_daemon.core.pairing import make_token
from support.service import Answer, Service, StartService, start
from support.stranger import as_other_user

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
def test_only_our_own_names_are_answered(service: Service, host: str, status: int) -> None:
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
def test_odd_forms_are_refused(service: Service, top: str) -> None:
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
def test_web_pages_get_nothing(service: Service, target: str, headers: dict[str, str]) -> None:
    """A page of another site, or of another port, is refused on every route that gives data."""
    filled = {name: value.format(port=service.port) for name, value in headers.items()}

    assert service.call("GET", target, headers=filled).status in {401, 403}


def test_a_page_may_be_navigated_to_from_anywhere(service: Service) -> None:
    """A link on another site may open our front page, which shows no name."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    answer = service.call("GET", "/", headers=headers | {"Accept": "text/html"})

    assert answer.status == 200
    assert b"demo" not in answer.body.replace(b"--demo", b"")


@pytest.mark.parametrize(("method", "target"), [*OWNER_ONLY, *CLIENT_ONLY])
def test_an_unpaired_program_gets_nothing(service: Service, method: str, target: str) -> None:
    """Without a credential TCP gives 401 with a challenge."""
    answer = service.call(method, target, {} if method == "POST" else None)

    assert answer.status == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert answer.headers["content-type"].startswith("application/problem+json")


@pytest.mark.parametrize("owner_door", [False, True])
@pytest.mark.parametrize(("method", "target"), OWNER_ONLY)
def test_a_client_is_never_the_owner(service: Service, method: str, target: str, owner_door: bool) -> None:
    """A pairing token makes its bearer a client on either door."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    answer = service.call(method, target, {} if method == "POST" else None, token=token, owner=owner_door)

    assert answer.status == 403
    assert answer.json()["code"] == "owner_only"


@pytest.mark.parametrize("token", ["nonsense", "mmp_" + "A" * 43, "mmp_" + "_" * 60])
def test_an_unknown_token_is_said(service: Service, token: str) -> None:
    """A token that is not known is 401 with `invalid_token`, on either door."""
    answer = service.call("GET", "/v1/me", token=token)

    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["www-authenticate"]
    assert service.call("GET", "/v1/me", token=token, owner=True).status == 401


def test_a_mistyped_token_is_told_from_one_that_has_ended(service: Service) -> None:
    """Who copied half of a token reads that, and not that somebody took it away."""
    ended = make_token(bytes(32))
    told = [service.call("GET", "/v1/me", token=token).json()["detail"] for token in (ended, ended[:-1])]

    assert ["has ended" in detail for detail in told] == [True, False]
    assert "cut short" in told[1]


def test_both_families_are_served(service: Service) -> None:
    """Browsers resolve localhost either way: 127.0.0.1 and ::1 answer alike."""
    request = f"GET /healthz HTTP/1.1\r\nHost: localhost:{service.port}\r\nConnection: close\r\n\r\n".encode()

    assert service.raw(request).status == 200
    assert service.raw(request, family=socket.AF_INET6).status == 200


def test_every_answer_carries_the_headers(service: Service) -> None:
    """No sniffing, no framing, no store, no referrer; refusals too."""
    for target in ("/status", "/", "/nowhere", "/v1/me"):
        headers = service.call("GET", target).headers
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'none'" in headers["content-security-policy"]
        assert headers["referrer-policy"] == "no-referrer"
        assert "server" not in headers


def test_another_user_is_open(service: Service) -> None:
    """A pairing token in another user's hands is worth nothing: their socket is not the owner's."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})

    def ask() -> str:
        status = service.call("GET", "/v1/connections/demo/token", token=token).status
        pairing = service.call("POST", "/v1/pair", {"client_name": "stranger"}).status
        return f"{status} {pairing}"

    assert as_other_user(ask) == "401 403"


def test_the_redirect_has_one_spelling(service: Service) -> None:
    """An encoded or differently cased path is not the redirect."""
    for path in ("/Oauth%52edirect", "/oauthredirect", "/OauthRedirect/", "/OAuthRedirect"):
        assert service.call("GET", f"{path}?state=x&code=y").status == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH"])
def test_a_wrong_method_says_which_are_right(service: Service, method: str) -> None:
    """405 names the methods."""
    answer = service.call(method, "/status", {} if method != "DELETE" else None)

    assert answer.status == 405
    assert "GET" in str(answer.json()["detail"])


EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
STRANGER = "chrome-extension://ponmlkjihgfedcbaponmlkjihgfedcba"


@pytest.fixture(scope="module")
def extension(service: Service) -> str:
    """The pairing token of an extension that may read `demo`."""
    asked = service.call("POST", "/v1/pair", {"client_name": "extension"}, headers={"Origin": EXTENSION})
    assert asked.headers["access-control-allow-origin"] == EXTENSION
    grants = {"grants": [{"connection": "demo", "mode": "read"}]}
    service.call("POST", f"/v1/pairings/{asked.json()['user_code']}/approve", grants, owner=True)
    collected = {"device_code": asked.json()["device_code"]}
    given = service.call("POST", "/v1/pair/token", collected, headers={"Origin": EXTENSION})
    return str(given.json()["access_token"])


def preflight(service: Service, target: str, method: str, origin: str, **more: str) -> Answer:
    """What a browser asks before it sends."""
    headers = {"Origin": origin, "Access-Control-Request-Method": method, "Sec-Fetch-Site": "cross-site"}
    return service.call("OPTIONS", target, headers={**headers, **{k.replace("_", "-"): v for k, v in more.items()}})


@pytest.mark.parametrize(
    ("target", "method", "origin"),
    [
        ("/v1/pair", "POST", EXTENSION),
        ("/v1/pair", "POST", STRANGER),
        ("/v1/pair/token", "POST", "moz-extension://7a1c9d3e-2b4f-4c6d-8e0f-1a2b3c4d5e6f"),
        ("/v1/me", "GET", EXTENSION),
        ("/v1/connections/demo", "GET", EXTENSION),
        ("/v1/connections/demo/token", "POST", EXTENSION),
        ("/status", "GET", EXTENSION),
        ("/o/demo/services/data/v66.0/sobjects/Account/1", "PATCH", EXTENSION),
    ],
)
def test_a_preflight_is_answered_exactly(
    service: Service, extension: str, target: str, method: str, origin: str
) -> None:
    """The origin, the method and the known headers that were asked for, and nothing wider."""
    asked = "authorization, content-type, x-evil, sforce-query-options, cookie"
    answer = preflight(service, target, method, origin, Access_Control_Request_Headers=asked)
    allowed = {
        name.removeprefix("access-control-allow-"): value
        for name, value in answer.headers.items()
        if name.startswith("access-control-allow-")
    }

    assert (answer.status, answer.body) == (204, b"")
    assert allowed == {
        "origin": origin,
        "methods": method,
        "headers": "authorization, content-type, sforce-query-options",
    }
    assert answer.headers["vary"] == "Origin"


@pytest.mark.parametrize(("asked", "said"), [("true", "true"), ("false", None), ("", None)])
def test_a_private_network_is_allowed_when_asked(
    service: Service, extension: str, asked: str, said: str | None
) -> None:
    """Chrome's Private Network Access is answered where it asks, and only there."""
    answer = preflight(service, "/v1/me", "GET", EXTENSION, Access_Control_Request_Private_Network=asked)

    assert answer.headers.get("access-control-allow-private-network") == said


@pytest.mark.parametrize(
    ("target", "method", "origin"),
    [
        ("/v1/me", "GET", STRANGER),
        ("/status", "GET", STRANGER),
        ("/o/demo/services/data", "GET", STRANGER),
        ("/v1/clients", "GET", EXTENSION),
        ("/v1/connections", "POST", EXTENSION),
        ("/v1/pairings/ABCD-EFGH/approve", "POST", EXTENSION),
        ("/OauthRedirect", "GET", EXTENSION),
        ("/nowhere", "GET", EXTENSION),
        ("/v1/pair", "DELETE", EXTENSION),
        ("/v1/pair", "OPTIONS", EXTENSION),
        ("/v1/pair", "EVIL", EXTENSION),
        ("/v1/pair", "POST", "https://evil.example"),
        ("/v1/pair", "POST", "null"),
        ("/v1/pair", "POST", "*"),
        ("/v1/pair", "POST", "http://localhost:1"),
        ("/v1/pair", "POST", "http://localhost:{port}"),
        ("/v1/pair", "POST", "chrome-extension://"),
        ("/v1/pair", "POST", f"{EXTENSION}/page.html"),
        ("/v1/pair", "POST", "chrome-extension://a b"),
        ("/v1/pair", "POST", f"evil-{EXTENSION}"),
    ],
)
def test_no_other_preflight_is_answered(
    service: Service, extension: str, target: str, method: str, origin: str
) -> None:
    """403 without one word that lets a browser go on."""
    answer = preflight(service, target, method, origin.format(port=service.port))

    assert answer.status == 403
    assert not [name for name in answer.headers if name.startswith("access-control-allow-")]


@pytest.mark.parametrize("target", ["/", "/status", "/v1/me", "/v1/pair", "/o/demo/services/data", "/nowhere"])
@pytest.mark.parametrize("owner", [False, True])
def test_options_is_a_preflight_or_nothing(service: Service, target: str, owner: bool) -> None:
    """OPTIONS that asks nothing is 405 on both doors, and is not sent on to an org."""
    assert service.call("OPTIONS", target, owner=owner).status == 405


def test_a_paired_extension_reads_its_answers_and_its_refusals(service: Service, extension: str) -> None:
    """CORS headers stand on every answer to its origin, also on 404 and under /o/."""
    for target, status in [
        ("/v1/me", 200),
        ("/v1/connections/nowhere", 404),
        ("/status", 200),
        ("/o/demo/services/data/v66.0/limits", 200),
        ("/o/nowhere/services/data", 404),
        ("/v1/clients", 403),
    ]:
        answer = service.call("GET", target, token=extension, headers={"Origin": EXTENSION})
        assert answer.status == status, target
        if target != "/v1/clients":  # no extension may ask for what is the owner's, so it is told nothing
            assert answer.headers["access-control-allow-origin"] == EXTENSION, target
            assert "Retry-After" in answer.headers["access-control-expose-headers"]
            assert answer.headers["vary"] == "Origin"


def test_an_extensions_token_is_bound_to_its_origin(service: Service, extension: str) -> None:
    """From another extension, from our own page or from a site it is refused; Chrome's GET without an Origin passes."""
    for origin in (STRANGER, f"http://localhost:{service.port}", "https://evil.example"):
        assert service.call("GET", "/v1/me", token=extension, headers={"Origin": origin}).status == 403
    for target in ("/v1/me", "/o/demo/services/data"):
        assert service.call("GET", target, token=extension).status == 200


def test_a_programs_token_is_not_an_extensions(service: Service, extension: str) -> None:
    """A token that was given to a program is refused from an extension's origin, a paired one too."""
    token = service.pair({"connection": "demo", "mode": "read"})

    for origin in (EXTENSION, STRANGER):
        assert service.call("GET", "/v1/me", token=token, headers={"Origin": origin}).status == 403


def test_an_unpaired_origin_is_told_nothing(service: Service) -> None:
    """Without a pairing there is no CORS header on any answer, and a page's request is refused before its token."""
    token = service.pair({"connection": "demo", "mode": "read"})
    for target in ("/v1/me", "/status", "/o/demo/services/data"):
        answer = service.call("GET", target, token=token, headers={"Origin": STRANGER})
        assert answer.status == 403
        assert "access-control-allow-origin" not in answer.headers


def test_a_revoked_extension_is_a_stranger_again(start_service: StartService) -> None:
    """With its pairing an extension's origin loses its preflights."""
    service = start_service()
    asked = service.call("POST", "/v1/pair", {"client_name": "x"}, headers={"Origin": EXTENSION}).json()
    approved = service.call("POST", f"/v1/pairings/{asked['user_code']}/approve", {"grants": []}, owner=True)
    assert preflight(service, "/v1/me", "GET", EXTENSION).status == 204
    service.call("DELETE", f"/v1/clients/{approved.json()['id']}", owner=True)

    assert preflight(service, "/v1/me", "GET", EXTENSION).status == 403


def test_where_the_platform_cannot_tell_a_pairing_token_counts_alone(tmp_path: Path) -> None:
    """Without uids programs pair and use their tokens over TCP as ever, and no cap meant for others holds them up."""
    program = (
        "from meshmesh_daemon.adapters import peers\n"
        "peers.CAN_TELL_UID = False\n"
        "from meshmesh_bridge import serve\n"
        "raise SystemExit(serve.main([]))"
    )
    service = start(tmp_path / "home", program=(sys.executable, "-c", program))
    try:
        token = service.pair({"connection": "demo", "mode": "read"})
        seen = [service.call("GET", "/v1/me", token=token).status, service.call("GET", "/v1/me").status]
        with ExitStack() as stack:
            for _ in range(MAX_OTHER):
                stack.enter_context(socket.create_connection(("127.0.0.1", service.port)))
            seen.append(service.call("GET", "/v1/connections/demo", token=token).status)
    finally:
        service.stop()

    assert seen == [200, 401, 200]
