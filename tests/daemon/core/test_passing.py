"""Which headers pass, and where the live token stands."""

import pytest

from meshmesh_daemon.core.passing import answer_headers, request_headers, with_token
from meshmesh_daemon.core.redaction import Needles, Redactor
from meshmesh_daemon.core.soap import PLACEHOLDER

TOKEN = "00D000000000062!AQ0AQHk.3Nw_7dXz1kPq9vRt5uYb2mLc"
ENVELOPE = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="urn:partner.soap.sforce.com"><e:Header>'
    b"<SessionHeader><sessionId>%s</sessionId></SessionHeader></e:Header><e:Body><getUserInfo/></e:Body></e:Envelope>"
)


@pytest.mark.parametrize(
    "name",
    [
        "Authorization", "Cookie", "Host", "X-SFDC-Session", "Connection", "Keep-Alive", "Proxy-Authorization", "TE",
        "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length", "Forwarded", "X-Forwarded-For", "Origin", "Referer",
        "X-HTTP-Method-Override", "Prefer", "MeshMesh-Plan", "MeshMesh-Session", "Accept-Encoding", "X-Anything",
    ],
)  # fmt: skip
def test_a_header_of_the_hop_or_the_client_stays(name: str) -> None:
    """Neither credentials nor what belongs to one connection reaches the org."""
    assert request_headers([(name, "x"), ("Accept", "y")]) == (("Accept", "y"),)


def test_salesforces_own_headers_pass() -> None:
    """What changes how a request is carried out reaches the org."""
    headers = (("Content-Type", "a/b"), ("If-Match", "x"), ("Sforce-Auto-Assign", "FALSE"), ("SOAPAction", '""'))

    assert request_headers(headers) == headers


def test_answers_keep_what_tells_the_client_something() -> None:
    """Cookies, servers' names and headers for a browser stay; the token is struck out of what passes."""
    answered = [
        ("Content-Type", "application/json"), ("Sforce-Limit-Info", "api-usage=1/2"), ("Set-Cookie", "sid=1"),
        ("Server", "x"), ("Strict-Transport-Security", "max-age=1"), ("Access-Control-Allow-Origin", "*"),
        ("Connection", "close"), ("Content-Encoding", "gzip"), ("Location", f"/secur/frontdoor.jsp?sid={TOKEN}"),
    ]  # fmt: skip
    passed = dict(answer_headers(answered, Redactor(Needles(TOKEN))))

    assert list(passed) == ["Content-Type", "Sforce-Limit-Info", "Location"]
    assert passed["Location"].startswith("/secur/frontdoor.jsp?sid=00D000000000062!***")


@pytest.mark.parametrize(
    ("path", "place"),
    [
        ("/services/data/v66.0/limits", ("Authorization", f"Bearer {TOKEN}")),
        ("/services/apexrest/x", ("Authorization", f"Bearer {TOKEN}")),
        ("/services/async/66.0/job", ("X-SFDC-Session", TOKEN)),
        ("/services/Async/66.0/job", ("X-SFDC-Session", TOKEN)),
    ],
)
def test_the_token_stands_where_the_api_looks(path: str, place: tuple[str, str]) -> None:
    """Exactly one header has it."""
    headers, body = with_token(path, (("Accept", "x"),), b"{}", TOKEN)

    assert headers == {"Accept": "x", place[0]: place[1]}
    assert body == b"{}"


def test_soap_has_it_in_the_envelope_only() -> None:
    """The placeholder becomes the session; a request without a place for it has it as a header."""
    held = ENVELOPE % PLACEHOLDER
    headers, body = with_token("/services/Soap/u/66.0", (), held, TOKEN)
    bare = held.replace(b"<sessionId>" + PLACEHOLDER + b"</sessionId>", b"")

    assert (headers, body) == ({}, ENVELOPE % TOKEN.encode())
    assert with_token("/services/Soap/u/66.0", (), bare, TOKEN) == ({"Authorization": f"Bearer {TOKEN}"}, bare)


def test_a_header_sent_twice_is_one() -> None:
    """Two lines of one name mean the same as one with both values."""
    headers, _ = with_token("/services/data", (("Sforce-Call-Options", "a"), ("sforce-call-options", "b")), b"", TOKEN)

    assert headers["Sforce-Call-Options"] == "a, b"
