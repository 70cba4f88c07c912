"""Paired programs: list, change, end."""

from datetime import datetime

import click

from meshmesh.cli.completing import complete_clients, complete_connections
from meshmesh.cli.options import MODES, Duration, json_option
from meshmesh.cli.output import ago, moment, table, terminal_width, until
from meshmesh.cli.pairing import approve, deny, pair
from meshmesh.cli.presence import request
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import Failure
from meshmesh.http1 import segment

_UNDER_WAY_SECONDS = 1  # so that a grant that only stays ends no later than before, which would need a person


@click.group()
def client() -> None:
    """Everything about paired programs."""


@click.command()
@json_option
@pass_terminal
def clients(terminal: Terminal, as_json: bool) -> None:
    """List the paired programs and what they may do."""
    answer = terminal.service.request("GET", "/v1/clients", attempt="list the programs")
    if as_json:
        terminal.show_json(answer)
        return
    listed = answer.json.children("clients")
    if not listed:
        terminal.show("No program is paired. Pair one: meshmesh pair NAME")
        return
    rows = [
        (one.text("name"), _grants(one), ago(one.optional_text("last_used_at"), terminal.now()), one.text("id"))
        for one in listed
    ]
    for line in table(("NAME", "MAY", "LAST USED", "ID"), rows, terminal_width(terminal.environ)):
        terminal.show(line)


def _grants(one: Document) -> str:
    grants = (
        f"{grant.text('connection')}:{grant.text('mode')}" + (":token" if grant.flag("raw_token") else "")
        for grant in one.children("grants")
    )
    return ", ".join(grants) or "nothing"


@click.command()
@click.argument("client", metavar="CLIENT", shell_complete=complete_clients)
@click.argument("connection", metavar="CONNECTION", shell_complete=complete_connections)
@click.argument("mode", type=click.Choice(MODES))
@click.option("--for", "seconds", type=Duration(), metavar="TIME", help="Only for so long, such as 30m or 8h.")
@json_option
@pass_terminal
def mode(terminal: Terminal, *, client: str, connection: str, mode: str, seconds: int | None, as_json: bool) -> None:
    """Let CLIENT use CONNECTION in MODE: read, plan (writes are held) or build (all passes).

    Without --for, a mode that is not wider ends when the grant would have ended.
    """
    attempt = f"change what {client!r} may do"
    found = _find(terminal, client, attempt)
    held = _held(found, terminal.now())
    changed = _changed(held.pop(connection, {}), mode, seconds) | {"connection": connection}
    target = f"/v1/clients/{segment(found.text('id'))}"
    answer = request(terminal, "PATCH", target, {"grants": [*held.values(), changed]}, attempt=attempt)
    if as_json:
        terminal.show_json(answer)
        return
    now = (grant for grant in answer.json.children("grants") if grant.text("connection") == connection)
    left = [until(grant.optional_text("expires_at"), terminal.now()) for grant in now]
    for_so_long = "".join(f", for {time}" for time in left if time)
    terminal.say(f"{found.text('name')} may now use {connection} in mode {mode}{for_so_long}.")


def _held(client: Document, now: datetime) -> dict[str, dict[str, object]]:
    """What a program may do now, by connection, in the shape that grants it again."""
    held: dict[str, dict[str, object]] = {}
    for grant in client.children("grants"):
        kept: dict[str, object] = {
            "connection": grant.text("connection"),
            "mode": grant.text("mode"),
            "raw_token": grant.flag("raw_token"),
        }
        ends = moment(grant.optional_text("expires_at"))
        if ends is not None:
            left = int((ends - now).total_seconds()) - _UNDER_WAY_SECONDS
            if left <= 0:
                continue
            kept["expires_in"] = left
        held[grant.text("connection")] = kept
    return held


def _changed(before: dict[str, object], mode: str, seconds: int | None) -> dict[str, object]:
    """A grant in another mode; one that gives no more than before does not last longer either, if not told to."""
    changed: dict[str, object] = {"mode": mode, "raw_token": before.get("raw_token") is True and mode == "build"}
    narrower = bool(before) and MODES.index(mode) <= MODES.index(str(before["mode"]))
    ends = before.get("expires_in") if seconds is None and narrower else seconds
    return changed if ends is None else changed | {"expires_in": ends}


@click.command()
@click.argument("client", metavar="CLIENT", shell_complete=complete_clients)
@json_option
@pass_terminal
def revoke(terminal: Terminal, client: str, as_json: bool) -> None:
    """End the pairing of CLIENT, a name or an id, at once."""
    attempt = f"revoke {client!r}"
    found = _find(terminal, client, attempt)
    answer = terminal.service.request("DELETE", f"/v1/clients/{segment(found.text('id'))}", attempt=attempt)
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say(f"{found.text('name')} is out: its token is worth nothing any more.")


@click.command()
@json_option
@pass_terminal
def refusals(terminal: Terminal, as_json: bool) -> None:
    """List the programs that are turned away without asking you."""
    answer = terminal.service.request("GET", "/v1/refusals", attempt="list the refusals")
    if as_json:
        terminal.show_json(answer)
        return
    listed = answer.json.children("refusals")
    if not listed:
        terminal.show("No program is turned away. To do so: meshmesh deny CODE --always")
        return
    rows = [
        (
            one.text("id"),
            one.text("client_name"),
            one.optional_text("origin") or one.optional_text("exe") or "not known",
            ago(one.optional_text("created_at"), terminal.now()),
        )
        for one in listed
    ]
    for line in table(("ID", "SAYS IT IS", "SEEN", "SINCE"), rows, terminal_width(terminal.environ)):
        terminal.show(line)


@click.command("allow-again")
@click.argument("refusal", metavar="PROGRAM")
@json_option
@pass_terminal
def allow_again(terminal: Terminal, refusal: str, as_json: bool) -> None:
    """Let PROGRAM, a name or the id of a refusal, ask to be paired again."""
    attempt = f"let {refusal!r} ask again"
    listed = terminal.service.request("GET", "/v1/refusals", attempt=attempt).json.children("refusals")
    found = _chosen(
        [(one.text("id"), one.text("client_name")) for one in listed], refusal, attempt, "meshmesh client refusals"
    )
    answer = terminal.service.request("DELETE", f"/v1/refusals/{segment(found)}", attempt=attempt)
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say("It may ask again. Nothing was given to it.")


@click.command("new-token")
@json_option
@pass_terminal
def new_token(terminal: Terminal, as_json: bool) -> None:
    """Replace the pairing token in MESHMESH_TOKEN: print the next one, on one line.

    The present one is good until the next one is first used. Where the answer was lost, run it again.
    """
    answer = terminal.service.request("POST", "/v1/me/token", {}, attempt="get a new pairing token")
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.show(answer.json.text("access_token"))


def _chosen(listed: list[tuple[str, str]], wanted: str, attempt: str, command: str) -> str:
    """The id of what is meant by an id, or by a name that stands once."""
    found = [one for one, _ in listed if one == wanted] or [one for one, name in listed if name == wanted]
    if len(found) == 1:
        return found[0]
    what = f"Could not {attempt}."
    if found:
        raise Failure(what, f"{len(found)} have this name: {', '.join(found)}.", "Give the id.", Exit.USAGE)
    raise Failure(what, f"None is called {wanted!r}.", command, Exit.NOT_FOUND)


def _find(terminal: Terminal, client: str, attempt: str) -> Document:
    listed = terminal.service.request("GET", "/v1/clients", attempt=attempt).json.children("clients")
    by_id = [one for one in listed if one.text("id") == client]
    found = by_id or [one for one in listed if one.text("name") == client]
    if len(found) == 1:
        return found[0]
    what = f"Could not {attempt}."
    if found:
        ids = ", ".join(one.text("id") for one in found)
        raise Failure(what, f"{len(found)} programs have this name: {ids}.", "Give the id.", Exit.USAGE)
    raise Failure(what, f"No paired program is called {client!r}.", "meshmesh clients", Exit.NOT_FOUND)


client.add_command(pair)
client.add_command(approve)
client.add_command(deny)
client.add_command(revoke)
client.add_command(clients, "list")
client.add_command(refusals)
client.add_command(allow_again)
client.add_command(new_token)
