"""What may happen to a line or an org without being an expiry: a row each, and the reason a connection is then given."""

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager

import trustme

from support import faults
from support.faults import PAGE, PORTAL, Fault, Line, certified, lines, says

REFUSAL = '{"error":"invalid_grant","error_description":"expired access/refresh token"}'

Trouble = Callable[[Line], None]


def everywhere(fault: Fault) -> Trouble:
    """Whatever is asked meets it."""
    return lambda line: line.fail(fault)


def at_the_token(fault: Fault) -> Trouble:
    """Only whoever asks for tokens meets it."""
    return lambda line: line.fail(fault, only_token=True)


def refuses(error: str, description: str, **headers: str) -> Trouble:
    """The token endpoint refuses with this error."""
    body = json.dumps({"error": error, "error_description": description})
    return at_the_token(says(400, body, **headers))


TROUBLES: dict[str, tuple[Trouble, str]] = {
    "nobody listens": (Line.take_down, "network"),
    "closed without an answer": (everywhere(faults.closes), "network"),
    "reset before the answer": (everywhere(faults.resets), "network"),
    "reset in the middle of the answer": (everywhere(faults.resets_in_the_middle), "network"),
    "cut under its Content-Length": (at_the_token(faults.breaks_off), "network"),
    "broken chunks": (at_the_token(faults.sends_broken_chunks), "network"),
    "garbage in place of HTTP": (everywhere(faults.talks_garbage), "network"),
    "no answer in time": (at_the_token(faults.hangs), "network"),
    "no end of the answer in time": (at_the_token(faults.hangs_in_the_middle), "network"),
    "an answer that is no end of bytes": (at_the_token(says(200, b"[" + b" " * 2_000_000)), "network"),
    "plain text where TLS is expected": (lambda line: line.present(None), "network"),
    "a certificate of a stranger": (lambda line: line.present(certified(trustme.CA())), "network"),
    "a portal's page": (everywhere(says(200, PORTAL, PAGE)), "network"),
    "a portal's page under 400": (at_the_token(says(400, PORTAL, PAGE)), "network"),
    "a portal's page under 401": (at_the_token(says(401, PORTAL, PAGE)), "network"),
    "a firewall's page under 403": (at_the_token(says(403, PORTAL, PAGE)), "network"),
    "302 to http": (at_the_token(says(302, "", PAGE, Location="http://portal.invalid/login")), "network"),
    "307 to another token endpoint": (at_the_token(says(307, "", Location="http://localhost:9/x")), "network"),
    "511": (at_the_token(says(511, PORTAL, PAGE)), "network"),
    "511 with a refusal in it": (at_the_token(says(511, REFUSAL)), "network"),
    "407": (everywhere(says(407, "", PAGE, Proxy_Authenticate="Basic")), "network"),
    "408": (at_the_token(says(408, "", PAGE)), "network"),
    "a refusal that is labelled as a page": (at_the_token(says(400, REFUSAL, PAGE)), "network"),
    "a refusal that breaks off": (at_the_token(says(400, REFUSAL[:40])), "network"),
    "nothing under 200": (at_the_token(says(200, "")), "network"),
    "JSON that breaks off": (at_the_token(says(200, '{"access_token":"00D')), "network"),
    "JSON of another shape": (at_the_token(says(200, '{"hello":"world"}')), "service_unavailable"),
    "tokens of the wrong types": (at_the_token(says(200, '{"access_token":7,"id":[]}')), "service_unavailable"),
    "an unknown error code": (refuses("quota_of_the_moon", "no idea"), "service_unavailable"),
    "an error that is no text": (at_the_token(says(400, '{"error":{"code":"invalid_grant"}}')), "service_unavailable"),
    "already being processed": (
        refuses("invalid_grant", "token request is already being processed"),
        "service_unavailable",
    ),
    "already being processed, in its other dress": (
        refuses("invalid_request", "Token request is already being processed"),
        "service_unavailable",
    ),
    "unknown_error": (refuses("unknown_error", "retry your request"), "service_unavailable"),
    "login rate exceeded": (refuses("invalid_grant", "login rate exceeded", Retry_After="1"), "rate_limited"),
    "429 with Retry-After": (at_the_token(says(429, "", PAGE, Retry_After="1")), "rate_limited"),
    "429 with a refusal in it": (at_the_token(says(429, REFUSAL, Retry_After="1")), "rate_limited"),
    "420": (at_the_token(says(420, PORTAL, PAGE)), "service_unavailable"),
    "500": (at_the_token(says(500, "")), "service_unavailable"),
    "502 of a gateway": (everywhere(says(502, PORTAL, PAGE)), "service_unavailable"),
    "503 with a refusal in it": (at_the_token(says(503, REFUSAL)), "service_unavailable"),
    "503 under maintenance": (
        everywhere(says(503, "<html>Down for Maintenance</html>", PAGE)),
        "service_unavailable",
    ),
    "504": (everywhere(says(504, "", PAGE)), "service_unavailable"),
}  # fmt: skip
SAFE = ("plain text where TLS is expected", "a certificate of a stranger")  # these want a line with TLS to begin with


def slug(row: str) -> str:
    """A row's name as that of its connection and app."""
    return "".join(letter if letter.isalnum() else "-" for letter in row.lower())


@contextmanager
def lines_of_troubles(behind: str, authority: trustme.CA) -> Generator[dict[str, Line]]:
    """A line to an org for each row, in which all is well so far, ended with the block."""
    with lines(behind, len(TROUBLES) - len(SAFE)) as plain, lines(behind, len(SAFE), authority=authority) as safe:
        by_row = dict(zip([row for row in TROUBLES if row not in SAFE], plain, strict=True))
        yield by_row | dict(zip(SAFE, safe, strict=True))
