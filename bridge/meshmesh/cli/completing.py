"""What Tab offers beside commands and options: names and codes, asked of the service on this machine.

Nothing is kept in a file for it, since names are nobody's to read; where no service runs, nothing is offered. What a
program calls itself is offered only where a shell would take it as it is: a completed word is run with the next Enter.
"""

import re

import click
from click.shell_completion import CompletionItem

from meshmesh.cli.report import printable
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.failures import Failure

PATIENCE_SECONDS = 2.0  # whoever pressed Tab waits
_PLAIN = re.compile(r"[A-Za-z0-9][\w.@-]*", re.ASCII)


def complete_connections(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Names of connections."""
    return _items(incomplete, [(one.text("name"), "") for one in _listed(context, "connections")])


def complete_clients(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Paired programs: by name, or by id where the name is shared or no plain word."""
    listed = [(one.text("id"), one.text("name")) for one in _listed(context, "clients")]
    names = [name for _, name in listed]
    words = [
        (name, "") if _PLAIN.fullmatch(name) and names.count(name) == 1 else (identity, name)
        for identity, name in listed
    ]
    return _items(incomplete, words)


def complete_codes(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What waits to be let in or turned away: codes of programs, and ids of requests for a connection."""
    words = [(one.text("user_code"), one.text("client_name")) for one in _listed(context, "pairings")]
    words += [(one.text("id"), one.text("purpose")) for one in _listed(context, "access-requests")]
    return _items(incomplete, words)


def complete_plans(context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Plans that wait."""
    return _items(incomplete, [(one.text("id"), one.text("client")) for one in _listed(context, "plans")])


def _items(incomplete: str, words: list[tuple[str, str]]) -> list[CompletionItem]:
    return [
        CompletionItem(word, help=printable(said) or None)
        for word, said in words
        if word.lower().startswith(incomplete.lower())
    ]


def _listed(context: click.Context, noun: str) -> list[Document]:
    terminal = context.find_object(Terminal)
    if terminal is None:
        return []
    try:
        answer = terminal.service.exchange("GET", f"/v1/{noun}", patience=PATIENCE_SECONDS)
        return answer.json.children(noun.replace("-", "_"))
    except Failure:
        return []
