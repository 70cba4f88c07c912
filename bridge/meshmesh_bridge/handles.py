"""Where a client of Salesforce's puts its session, which is its handle here."""

from collections.abc import Mapping

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from meshmesh import wire

_SOAP = "/services/soap/"


def handle_in_line(authorization: str) -> str | None:
    """The pairing token in an `Authorization` line: empty where its scheme takes one that is not there, None where it
    takes none, so that the handle may stand elsewhere."""
    scheme, _, token = authorization.partition(" ")
    return (pairing_token(token) or "") if scheme.lower() in {"bearer", "oauth"} else None


def handle_elsewhere(headers: CIMultiDictProxy[str], query: Mapping[str, str]) -> str | None:
    """The pairing token in Bulk's session header, or in jsforce's query parameter."""
    from meshmesh_daemon.core.passing import SESSION_HEADER, TOKEN_PARAMETER  # late: few come this way

    return pairing_token(headers.get(SESSION_HEADER) or query.get(TOKEN_PARAMETER, ""))


def pairing_token(handle: str) -> str | None:
    """The pairing token in a handle, which is `<org id>!<pairing token>`; what stands before the last `!` is not looked at."""
    return handle.strip().rpartition("!")[2] or None


def may_stand_in_body(request: web.Request) -> bool:
    """Whether a request without a handle in its head may have it in its body, as SOAP's have."""
    path = request.rel_url.raw_path.removeprefix(wire.BROKER_PREFIX).partition("/")[2]
    return request.method == hdrs.METH_POST and f"/{path.lstrip('/')}".lower().startswith(_SOAP)
