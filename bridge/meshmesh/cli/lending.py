"""Lending a connection to a process: a client is minted for it, and told where the broker is by its environment."""

from collections.abc import Mapping
from dataclasses import dataclass

from meshmesh import wire
from meshmesh.cli.presence import request
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.failures import UnexpectedAnswer
from meshmesh.http1 import segment
from meshmesh.transport import Transport

# sf and jsforce would send the handle to the proxy, in clear.
PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


@dataclass(frozen=True, slots=True, kw_only=True)
class LentClient:
    """A minted client and the connection that it may use."""

    id: str
    token: str
    connection: Document

    @property
    def name(self) -> str:
        """The connection's name."""
        return self.connection.text("name")


def mint(
    terminal: Terminal,
    name: str,
    *,
    program: str,
    pid: int,
    mode: str | None,
    raw_token: bool = False,
    expires_in: int | None = None,
    descendants: bool = True,
    command_sha256: str | None = None,
) -> LentClient:
    """A client with a grant on one connection, which ends with a process; a person may be asked first.

    Args:
        terminal: where the service is.
        name: the connection's name.
        program: what the client is called.
        pid: the process that it ends with.
        mode: read, plan or build; None is plan, and build on the demo org.
        raw_token: whether it may hold the real token (mode build).
        expires_in: seconds after which the grant ends, or None.
        descendants: whether whatever the process starts is this client, with or without its token.
        command_sha256: of the command line, whose next run goes on with what this one leaves; None where none does.
    """
    attempt = f"lend {name!r}"
    connection = terminal.service.request("GET", f"/v1/connections/{segment(name)}", attempt=attempt).json
    usual = "build" if raw_token or connection.text("kind") == "demo" else "plan"
    grant: dict[str, object] = {"connection": connection.text("name"), "mode": mode or usual, "raw_token": raw_token}
    if expires_in is not None:
        grant["expires_in"] = expires_in
    body: dict[str, object] = {"name": program, "grants": [grant], "pid": pid, "descendants": descendants}
    if command_sha256 is not None:
        body["command_sha256"] = command_sha256
    given = request(terminal, "POST", "/v1/clients", body, attempt=attempt).json
    return LentClient(id=given.text("id"), token=given.text("access_token"), connection=connection)


def lent(client: LentClient) -> dict[str, str]:
    """The variables that let programs, unmodified `sf` and jsforce among them, use a lent connection."""
    broker = client.connection.text("broker_url")
    base, found, _ = broker.partition(wire.BROKER_PREFIX)
    if not found:
        raise UnexpectedAnswer("The broker's address is not below /o/.")
    return {
        "SF_TARGET_ORG": f"{client.connection.text('org_id')}!{client.token}",
        "SF_ORG_INSTANCE_URL": broker,
        wire.ENV_URL: base,
        wire.ENV_TOKEN: client.token,
        wire.ENV_CONNECTION: client.name,
    }


def real_token(client: LentClient, service: Transport) -> dict[str, str]:
    """The variables of `--token`: the access token itself, asked for as the minted client."""
    as_client = Transport(service.door, client.token)
    target = f"/v1/connections/{segment(client.name)}/token"
    given = as_client.request("GET", target, attempt=f"get the token of {client.name!r}").json
    token = given.text("access_token")
    return {
        "SF_ACCESS_TOKEN": token,
        "SALESFORCE_ACCESS_TOKEN": token,
        "SALESFORCE_INSTANCE_URL": given.text("instance_url"),
    }


def child_environment(environ: Mapping[str, str], variables: Mapping[str, str]) -> dict[str, str]:
    """The environment of a command that a connection is lent to."""
    return {name: value for name, value in environ.items() if name not in PROXY_VARIABLES} | dict(variables)
