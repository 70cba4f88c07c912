"""`meshmesh import-sf`: the orgs that sf knows, connected by sign-ins of our own. No token of sf's is read or copied."""

import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from meshmesh.cli import sf_orgs
from meshmesh.cli.options import json_option
from meshmesh.cli.output import table, terminal_width
from meshmesh.cli.report import three_lines
from meshmesh.cli.sf_orgs import SfOrg
from meshmesh.cli.signing_in import finish
from meshmesh.cli.terminal import Terminal
from meshmesh.exits import Exit
from meshmesh.failures import Failure


@click.command("import-sf")
@click.argument("orgs", metavar="[ORG]...", nargs=-1)
@click.option("--all", "every", is_flag=True, help="All that are not connected yet.")
@click.option("--paste", is_flag=True, help="The browser is on another machine: paste the address it ends at.")
@json_option
@click.pass_context
def import_sf(context: click.Context, *, orgs: tuple[str, ...], every: bool, paste: bool, as_json: bool) -> None:
    """Connect orgs that sf knows, by alias or username; each signs in afresh.

    Without ORG they are listed, and you choose. sf keeps its own sign-ins, and MeshMesh never touches them.
    """
    terminal = context.ensure_object(Terminal)
    known = sf_orgs.read(Path.home(), terminal.now().date())
    connected = _connected(terminal) if known else {}
    if as_json:
        print(json.dumps({"orgs": [_shape(org, connected) for org in known], "next": None}), flush=True)
        return
    if not known:
        terminal.say("sf knows no org here (~/.sfdx). Next: meshmesh connect NAME")
        return
    chosen = _named(orgs, known, context) if orgs else _open(known, connected) if every else None
    if chosen is None:
        _show(terminal, known, connected)
        chosen = _asked(terminal, known, connected, context) if terminal.may_ask and _open(known, connected) else []
    failed = [org for org in chosen if not _signed_in(terminal, org, paste=paste)]
    if failed:
        context.exit(Exit.NOT_ALLOWED)


def _connected(terminal: Terminal) -> dict[tuple[str, str], str]:
    """The names of connections, by org and user."""
    listed = terminal.service.request("GET", "/v1/connections", attempt="read the connections").json
    return {
        _key(one.optional_text("org_id"), one.optional_text("username")): one.text("name")
        for one in listed.children("connections")
    }


def _key(org_id: str, username: str) -> tuple[str, str]:
    return org_id[:15], username.lower()  # the 15 letters before the check sum are the id


def _name_of(org: SfOrg, connected: dict[tuple[str, str], str]) -> str | None:
    return connected.get(_key(org.org_id, org.username))


def _open(known: Sequence[SfOrg], connected: dict[tuple[str, str], str]) -> list[SfOrg]:
    return [org for org in known if not org.expired and _name_of(org, connected) is None]


def _shape(org: SfOrg, connected: dict[tuple[str, str], str]) -> dict[str, object]:
    return {
        "username": org.username,
        "alias": org.alias or None,
        "kind": org.kind,
        "domain": org.domain or None,
        "expired": org.expired,
        "connection": _name_of(org, connected),
    }


def _show(terminal: Terminal, known: Sequence[SfOrg], connected: dict[tuple[str, str], str]) -> None:
    rows = [
        (str(number), org.alias or "-", org.kind, _note(org, connected), org.username)
        for number, org in enumerate(known, start=1)
    ]
    for line in table(("", "ALIAS", "KIND", "", "USER"), rows, terminal_width(terminal.environ)):
        terminal.show(line)


def _note(org: SfOrg, connected: dict[tuple[str, str], str]) -> str:
    name = _name_of(org, connected)
    return f"connected: {name}" if name else "expired" if org.expired else ""


def _asked(
    terminal: Terminal, known: Sequence[SfOrg], connected: dict[tuple[str, str], str], context: click.Context
) -> list[SfOrg]:
    answer = terminal.ask("Which ones (numbers, all, none)", "an alias, a username or --all").lower()
    if answer in {"all", "none"}:
        return _open(known, connected) if answer == "all" else []
    return _named([word for word in re.split(r"[,\s]+", answer) if word], known, context)


def _named(words: Sequence[str], known: Sequence[SfOrg], context: click.Context) -> list[SfOrg]:
    """Orgs by alias, username, or their number in the list."""
    chosen: list[SfOrg] = []
    for word in words:
        found = [org for number, org in enumerate(known, start=1) if word in {org.alias, org.username, str(number)}]
        if not found:
            raise click.UsageError(f"sf knows no org {word!r}; without a name they are listed.", context)
        chosen += [org for org in found if org not in chosen]
    return chosen


def _signed_in(terminal: Terminal, org: SfOrg, *, paste: bool) -> bool:
    attempt = f"connect {org.name!r}"
    terminal.say(f"{org.alias or org.username}: sign in as {org.username}")
    try:
        answer = terminal.service.request("POST", "/v1/connections", {"name": org.name, **org.wish}, attempt=attempt)
        finish(terminal, answer, attempt, paste=paste, as_json=False)
    except Failure as failure:
        print(three_lines(failure), end="", file=sys.stderr, flush=True)
        return False
    return True
