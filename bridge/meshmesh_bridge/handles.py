"""Where a client of Salesforce's puts its session, which is its handle here."""

from collections.abc import Mapping

from aiohttp import hdrs, web
from multidict import CIMultiDictProxy

from meshmesh import wire

_SOAP = "/services/soap/"


def handle_of(headers: CIMultiDictProxy[str], query: Mapping[str, str]) -> str | None:
    """The pairing token in a request under `/o/`: as Bearer, as Bulk's session header, or as jsforce's query parameter.

    A handle is `<org id>!<pairing token>`; what stands before the last `!` is not looked at.
    """
    scheme, _, token = headers.get(hdrs.AUTHORIZATION, "").partition(" ")
    if scheme.lower() not in {"bearer", "oauth"}:
        from meshmesh_daemon.core.passing import SESSION_HEADER, TOKEN_PARAMETER  # late: few come this way

        token = headers.get(SESSION_HEADER) or query.get(TOKEN_PARAMETER, "")
    return pairing_token(token)


def pairing_token(handle: str) -> str | None:
    """The pairing token in a handle."""
    return handle.strip().rpartition("!")[2] or None


def may_stand_in_body(request: web.Request) -> bool:
    """Whether a request without a handle in its head may have it in its body, as SOAP's have."""
    path = request.rel_url.raw_path.removeprefix(wire.BROKER_PREFIX).partition("/")[2]
    return request.method == hdrs.METH_POST and f"/{path.lstrip('/')}".lower().startswith(_SOAP)
