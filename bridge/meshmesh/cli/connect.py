"""`meshmesh connect` and `reconnect`: what is asked of the service; `signing_in` does the rest."""

import sys

import click

from meshmesh.cli.options import connection_argument, json_option
from meshmesh.cli.signing_in import finish
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.http1 import segment


@click.command()
@click.argument("name", required=False)
@click.option("-a", "--alias", metavar="NAME", help="The same as NAME.")
@click.option("--demo", is_flag=True, help="The demo org that comes with MeshMesh.")
@click.option("--sandbox", is_flag=True, help="Sign in at test.salesforce.com.")
@click.option("-r", "--instance-url", "--domain", "domain", metavar="D", help="The org's My Domain, or any URL of it.")
@click.option("--client-id", metavar="ID", help="Your own app's client id.")
@click.option("--client-secret-stdin", is_flag=True, help="Read your app's client secret from stdin.")
@click.option("--client-credentials", is_flag=True, help="Without a browser, as the app's run-as user.")
@click.option("--scope", "scopes", multiple=True, metavar="S", help="A scope; may be given several times.")
@click.option("--paste", is_flag=True, help="The browser is on another machine: paste the address it ends at.")
@json_option
@pass_terminal
def connect(
    terminal: Terminal,
    *,
    name: str | None,
    alias: str | None,
    demo: bool,
    sandbox: bool,
    domain: str | None,
    client_id: str | None,
    client_secret_stdin: bool,
    client_credentials: bool,
    scopes: tuple[str, ...],
    paste: bool,
    as_json: bool,
) -> None:
    """Connect a Salesforce org, as NAME."""
    if sum((demo, sandbox, domain is not None)) > 1:
        raise click.UsageError("Give one of --demo, --sandbox and --domain.")
    if name and alias and name != alias:
        raise click.UsageError(f"NAME is {name!r} and --alias is {alias!r}: give one of them.")
    environment = "demo" if demo else "sandbox" if sandbox else "custom" if domain else "production"
    body: dict[str, object] = {"environment": environment}
    if name or alias:
        body["name"] = name or alias
    if domain:
        body["domain"] = domain
    if scopes:
        body["scopes"] = list(scopes)
    app = _own_app(terminal, client_id, client_secret_stdin, client_credentials)
    if app:
        body["app"] = app
    attempt = f"connect {name or alias or environment!r}"
    answer = terminal.service.request("POST", "/v1/connections", body, attempt=attempt)
    finish(terminal, answer, attempt, paste=paste, as_json=as_json)


def _own_app(terminal: Terminal, client_id: str | None, secret_stdin: bool, credentials: bool) -> dict[str, object]:
    if not client_id:
        if secret_stdin or credentials:
            given = "--client-secret-stdin" if secret_stdin else "--client-credentials"
            raise click.UsageError(f"{given} needs --client-id.")
        return {}
    app: dict[str, object] = {"client_id": client_id}
    if secret_stdin:
        app["client_secret"] = _secret(terminal)
    app["flow"] = "client_credentials" if credentials else "authorization_code"
    return app


def _secret(terminal: Terminal) -> str:
    if terminal.may_ask:
        return terminal.ask("Client secret", "--client-secret-stdin with the secret on stdin", hidden=True)
    secret = sys.stdin.readline().strip()
    if not secret:
        raise click.UsageError("--client-secret-stdin: nothing came on stdin.")
    return secret


@click.command()
@connection_argument
@click.option("--client-secret-stdin", is_flag=True, help="The app's secret has changed: read it from stdin.")
@click.option("--paste", is_flag=True, help="The browser is on another machine: paste the address it ends at.")
@json_option
@pass_terminal
def reconnect(terminal: Terminal, name: str, client_secret_stdin: bool, paste: bool, as_json: bool) -> None:
    """Sign in to connection NAME again; its name, grants and history stay."""
    attempt = f"reconnect {name!r}"
    body = {"app": {"client_secret": _secret(terminal)}} if client_secret_stdin else {}
    answer = terminal.service.request("POST", f"/v1/connections/{segment(name)}/reconnect", body, attempt=attempt)
    finish(terminal, answer, attempt, paste=paste, as_json=as_json)
