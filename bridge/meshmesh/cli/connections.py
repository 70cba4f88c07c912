"""Connections that are there: list, test, disconnect."""

import click

from meshmesh.cli.options import connection_argument, json_option
from meshmesh.cli.output import ago, kind_word, status_word
from meshmesh.cli.status import EMPTY, connection_table
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.http1 import segment
from meshmesh.problems import next_step


@click.command()
@json_option
@pass_terminal
def connections(terminal: Terminal, as_json: bool) -> None:
    """List the connections. Local: Salesforce is not called."""
    answer = terminal.service.request("GET", "/v1/connections", attempt="list the connections")
    if as_json:
        terminal.show_json(answer)
        return
    listed = answer.json.children("connections")
    for line in connection_table(listed, terminal) if listed else [EMPTY]:
        terminal.show(line)


@click.command()
@connection_argument
@json_option
@click.pass_context
def test(context: click.Context, name: str, as_json: bool) -> None:
    """Make one call to the org of connection NAME, and say how it went."""
    terminal = context.ensure_object(Terminal)
    answer = terminal.service.request("POST", f"/v1/connections/{segment(name)}/test", {}, attempt=f"test {name!r}")
    found = answer.json
    if as_json:
        terminal.show_json(answer)
    else:
        _tell(terminal, found)
    context.exit(exit_of_status(found.text("status")))


def _tell(terminal: Terminal, found: Document) -> None:
    terminal.show(f"{found.text('name')}  {kind_word(found.text('kind'))}  {status_word(found.text('status'))}")
    terminal.show(f"  as {found.optional_text('username')}, signed in {_signed_in(terminal, found)}")
    if found.optional_text("detail"):
        terminal.show(f"  {found.optional_text('detail')}")
    step = next_step(found.child("next"))
    if step:
        terminal.show(f"  Next: {step}")


def _signed_in(terminal: Terminal, found: Document) -> str:
    return ago(found.optional_text("signed_in_at"), terminal.now())


def exit_of_status(status: str) -> Exit:
    """The exit code that a connection's status stands for."""
    if status in {"connected", "refreshing"}:
        return Exit.OK
    return Exit.TRY_AGAIN if status == "offline" else Exit.NOT_ALLOWED


@click.command()
@connection_argument
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_terminal
def disconnect(terminal: Terminal, name: str, yes: bool, as_json: bool) -> None:
    """Revoke connection NAME at Salesforce and forget it, with every grant on it."""
    target = f"/v1/connections/{segment(name)}"
    found = terminal.service.request("GET", target, attempt=f"disconnect {name!r}").json
    if not yes and found.text("kind") != "demo":
        terminal.confirm(f"Disconnect {name} ({found.optional_text('username')}) and end all grants on it?", "--yes")
    answer = terminal.service.request("DELETE", target, attempt=f"disconnect {name!r}")
    if as_json:
        terminal.show_json(answer)
        return
    revoked = "revoked at Salesforce" if answer.json.flag("revoked") else "not revoked at Salesforce"
    terminal.say(f"{name} is gone: {revoked}. {answer.json.optional_text('detail')}".rstrip())
