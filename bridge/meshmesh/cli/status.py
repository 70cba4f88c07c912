"""`meshmesh` and `meshmesh status`: how things are."""

import click

from meshmesh.cli.options import json_option
from meshmesh.cli.output import ago, kind_word, status_word, table, terminal_width
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.problems import next_step

EMPTY = "No connection yet. Next: meshmesh connect NAME, or meshmesh connect --demo"


@click.command()
@pass_terminal
def short(terminal: Terminal) -> None:
    """The state in a few lines."""
    answer = terminal.service.request("GET", "/v1/connections", attempt="read the connections").json
    rows = [_short_row(one, terminal) for one in answer.children("connections")]
    if not rows:
        terminal.show(EMPTY)
    for line in table(("NAME", "KIND", "STATUS", ""), rows, terminal_width(terminal.environ))[1:] if rows else []:
        terminal.show(line)


def _short_row(one: Document, terminal: Terminal) -> tuple[str, str, str, str]:
    step = next_step(one.child("next"))
    last = step or used(one, terminal)
    return one.text("name"), kind_word(one.text("kind")), status_word(one.text("status")), last


def used(one: Document, terminal: Terminal) -> str:
    """When a connection was used last, and by whom."""
    by = one.optional_text("last_used_by")
    when = ago(one.optional_text("last_used_at"), terminal.now())
    return f"{when} by {by}" if by and when != "never" else when


@click.command()
@json_option
@pass_terminal
def status(terminal: Terminal, as_json: bool) -> None:
    """Show the service and every connection."""
    answer = terminal.service.request("GET", "/status", attempt="read the status")
    if as_json:
        terminal.show_json(answer)
        return
    found = answer.json
    terminal.show(
        f"MeshMesh {found.text('version')} - http://localhost:{found.number('port')} (pid {found.number('pid')})"
        f" - vault {found.text('vault')}"
    )
    terminal.show(found.optional_text("detail"))
    for note in found.texts("notes"):
        terminal.show(note)
    connections = found.children("connections")
    if connections:
        terminal.show("")
    for line in connection_table(connections, terminal) if connections else []:
        terminal.show(line)
    step = next_step(found.child("next"))
    if step:
        terminal.show("")
        terminal.show(f"Next: {step}")


def connection_table(connections: list[Document], terminal: Terminal) -> list[str]:
    """One line a connection, and below those that are not well the reason."""
    rows = [
        (
            one.text("name"),
            kind_word(one.text("kind")),
            status_word(one.text("status")),
            used(one, terminal),
            one.optional_text("username"),
        )
        for one in connections
    ]
    lines = table(("NAME", "ORG KIND", "STATUS", "LAST USED", "USER"), rows, terminal_width(terminal.environ))
    ill = [one for one in connections if one.optional_text("reason")]
    return lines + ([""] if ill else []) + [f"{one.text('name')}: {one.optional_text('detail')}" for one in ill]
