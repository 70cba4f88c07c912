"""Cross-origin answers for browser extensions (Fetch standard, section 3.2): exact, never `*`, never for web pages.

The guard decides whose origin may ask; here is only what the browser is then told.
"""

import re

from aiohttp import hdrs, web

EXTENSION = re.compile(r"(?:chrome|moz)-extension://[0-9A-Za-z._-]{1,64}")
CORS_ORIGIN: web.RequestKey[str] = web.RequestKey("cors_origin", str)

_PRIVATE_NETWORK = "Access-Control-Request-Private-Network"
_ALLOW_PRIVATE_NETWORK = "Access-Control-Allow-Private-Network"
_MAX_AGE = "600"
_HEADERS = frozenset(
    {
        "authorization",
        "content-type",
        "idempotency-key",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-unmodified-since",
        "last-event-id",
        "prefer",
        "soapaction",
        "x-prettyprint",
        "x-sfdc-session",
    }
)
_SFORCE = re.compile(r"sforce-[a-z-]{1,60}")
_READABLE = "Content-Disposition, ETag, Location, MeshMesh-Plan, Retry-After, Sforce-Limit-Info, WWW-Authenticate"


def answer_headers(origin: str) -> dict[str, str]:
    """What lets a page of this origin read the answer."""
    return {
        hdrs.ACCESS_CONTROL_ALLOW_ORIGIN: origin,
        hdrs.ACCESS_CONTROL_EXPOSE_HEADERS: _READABLE,
        hdrs.VARY: hdrs.ORIGIN,
    }


def preflight_answer(request: web.Request, method: str) -> web.Response:
    """The answer to a preflight that may go on; who asks is in the request already.

    Args:
        request: the preflight.
        method: the method that is asked for, which the address takes.
    """
    asked = request.headers.get(hdrs.ACCESS_CONTROL_REQUEST_HEADERS, "").lower().split(",")
    names = sorted({name.strip() for name in asked})
    allowed = [name for name in names if name in _HEADERS or _SFORCE.fullmatch(name)]
    headers: dict[str, str] = {
        hdrs.ACCESS_CONTROL_ALLOW_METHODS: method,
        hdrs.ACCESS_CONTROL_ALLOW_HEADERS: ", ".join(allowed),
        hdrs.ACCESS_CONTROL_MAX_AGE: _MAX_AGE,
    }
    if request.headers.get(_PRIVATE_NETWORK) == "true":
        headers[_ALLOW_PRIVATE_NETWORK] = "true"
    return web.Response(status=204, headers=headers)
