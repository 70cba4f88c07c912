"""Salesforce libraries on the broker: they get a handle where they expect a token, and never notice.

simple-salesforce speaks https only and drops the path of an instance URL. It is given a host that does not exist, and a
session that turns what goes there to the broker and can reach nothing else: no other adapter is mounted, and a name
under `.invalid` never resolves (RFC 6761, section 6.4).
"""

from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from meshmesh.client.asking import refusal
from meshmesh.client.errors import Error, SalesforceError
from meshmesh.client.talk import PATIENCE_SECONDS, Reply
from meshmesh.exits import Exit

if TYPE_CHECKING:
    import httpx
    from requests import PreparedRequest, Response
    from simple_salesforce.api import Salesforce

    from meshmesh.client.org import Session

HOST = "broker.meshmesh.invalid"


@contextmanager
def simple_salesforce(session: "Session", name: str) -> "Generator[Salesforce]":
    """simple-salesforce, for as long as the block lasts.

    Args:
        session: address and handle.
        name: the connection.

    Raises:
        Error: the library is not installed.
    """
    try:
        import requests
        from requests.adapters import HTTPAdapter
        from simple_salesforce.api import Salesforce
    except ImportError:
        raise _missing("simple-salesforce") from None

    def to_broker(request: "PreparedRequest") -> "PreparedRequest":
        request.url = session.instance_url + (request.url or "").removeprefix(f"https://{HOST}")
        return request

    def hear(response: "Response", *_arguments: object, **_options: object) -> None:
        raise_ours(response, name)

    with requests.Session() as http:
        http.trust_env = False  # no proxy between us and the loopback, and no netrc
        http.auth = to_broker  # the last word on a request before its adapter is looked for
        http.hooks["response"].append(hear)
        http.adapters.clear()
        http.mount(f"{session.instance_url}/", HTTPAdapter())
        yield Salesforce(instance=HOST, session_id=session.access_token, session=http, version=session.api_version)


def raise_ours(response: "Response", name: str) -> None:
    """Raise for a refusal of MeshMesh's own; Salesforce's are left to the library.

    Raises:
        Error: the typed error.
    """
    if response.ok:
        return
    headers = {header.lower(): value for header, value in response.headers.items()}
    error = refusal(Reply(status=response.status_code, headers=headers, body=response.content), name)
    if not isinstance(error, SalesforceError):
        raise error


@contextmanager
def httpx_client(session: "Session") -> "Generator[httpx.Client]":
    """An httpx client, for as long as the block lasts.

    Args:
        session: address and handle.

    Raises:
        Error: the library is not installed.
    """
    try:
        import httpx
    except ImportError:
        raise _missing("httpx") from None
    headers = {"Authorization": f"Bearer {session.access_token}"}
    with httpx.Client(
        base_url=session.instance_url, headers=headers, trust_env=False, timeout=PATIENCE_SECONDS
    ) as client:
        yield client


def _missing(library: str) -> Error:
    step = f"pip install 'meshmesh[{library}]'"
    return Error(f"{library} is not installed.", "It is an extra.", step, Exit.SETTINGS)
