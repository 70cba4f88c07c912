"""Which headers pass through the broker, and where the live token goes. Pure; the same for a request that is passed on
at once and for one that was held.

Only listed headers pass, either way. The token stands where the API that is called looks for it, and nowhere else: Bulk 1
in `X-SFDC-Session`, SOAP in the envelope's `sessionId`, everything else in `Authorization`.
"""

from collections.abc import Iterable

from meshmesh_daemon.core import soap
from meshmesh_daemon.core.redaction import Redactor

SESSION_HEADER = "X-SFDC-Session"
TOKEN_PARAMETER = "oauth_token"  # noqa: S105 - jsforce's way to send the token in a query
BULK_V1 = "/services/async/"
SOAP = "/services/soap/"
Headers = tuple[tuple[str, str], ...]

_SFORCE = "sforce-"
_OF_REQUESTS = frozenset(
    {
        "accept",
        "accept-language",
        "content-type",
        "content-encoding",
        "if-match",
        "if-none-match",
        "if-modified-since",
        "if-unmodified-since",
        "range",
        "soapaction",
        "x-prettyprint",
        "x-chatter-entity-encoding",
    }
)
_OF_ANSWERS = frozenset(
    {
        "content-type",
        "content-length",
        "content-disposition",
        "content-range",
        "accept-ranges",
        "etag",
        "last-modified",
        "location",
        "retry-after",
        "warning",
        "allow",
    }
)


def request_headers(headers: Iterable[tuple[str, str]]) -> Headers:
    """The headers of a client's request that reach the org: neither its handle, nor cookies, nor those of the hop."""
    return tuple([(name, value) for name, value in headers if _passes(name, _OF_REQUESTS)])


def answer_headers(headers: Iterable[tuple[str, str]], redactor: Redactor) -> Headers:
    """The headers of the org's answer that reach the client, without the token."""
    return tuple([(name, redactor.text(value)) for name, value in headers if _passes(name, _OF_ANSWERS)])


def _passes(name: str, listed: frozenset[str]) -> bool:
    lower = name.lower()
    return lower in listed or lower.startswith(_SFORCE)


def is_bulk_v1(path: str) -> bool:
    """Whether a path is Bulk 1's, which speaks XML of its own."""
    return path.lower().startswith(BULK_V1)


def is_soap(path: str) -> bool:
    """Whether a path is a SOAP API's."""
    return path.lower().startswith(SOAP)


def with_token(path: str, headers: Headers, body: bytes, token: str) -> tuple[dict[str, str], bytes]:
    """A request as the org gets it: the live token stands where the API looks for it.

    Args:
        path: behind the connection's prefix.
        headers: those of the request that pass.
        body: the whole body; of SOAP with the placeholder in the session's place. Empty where it is streamed.
        token: the live access token.

    Returns:
        Headers and body. A header that was sent twice is one now, which means the same (RFC 9110, section 5.3).
    """
    joined: dict[str, str] = {}
    names: dict[str, str] = {}
    for name, value in headers:
        known = names.setdefault(name.lower(), name)
        joined[known] = f"{joined[known]}, {value}" if known in joined else value
    if body and is_soap(path):
        swapped = soap.with_session(body, token)
        if swapped != body:
            return joined, swapped
    if is_bulk_v1(path):
        return joined | {SESSION_HEADER: token}, body
    return joined | {"Authorization": f"Bearer {token}"}, body
