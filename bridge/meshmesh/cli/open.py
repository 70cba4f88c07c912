"""`meshmesh open`: the dashboard, or an org itself, in the browser of whoever sits here.

The dashboard's address is worth nothing to another user of this machine. A link into an org signs in whoever opens it
first, so no argument of a command may hold it, where all users can read it: the browser gets a file of ours to open.
"""

import os
import sys
import time
from html import escape
from pathlib import Path

import click

from meshmesh.cli.completing import complete_connections
from meshmesh.cli.presence import request
from meshmesh.cli.signing_in import has_browser
from meshmesh.cli.terminal import Terminal
from meshmesh.exits import Exit
from meshmesh.failures import Failure
from meshmesh.http1 import segment
from meshmesh.paths import resolve

PAGE_NAME = "open.html"
PAGE_SECONDS = 5.0  # a browser that starts first has read it by then
_PAGE = '<!doctype html><meta charset="utf-8"><meta name="referrer" content="no-referrer">{}\n'
_GO = '<meta http-equiv="refresh" content="0; url={}">'


@click.command("open")
@click.argument("name", required=False, shell_complete=complete_connections)
@click.option(
    "-o", "--target-org", "target", metavar="NAME", help="The same as NAME.", shell_complete=complete_connections
)
@click.pass_context
def open_(context: click.Context, *, name: str | None, target: str | None) -> None:
    """Open the dashboard in a browser, or the org of connection NAME, signed in.

    Where none can be opened, the address is printed: it works once, within a minute, and makes who opens it the owner, or
    the connection's user.

    NAME needs a connection with the scope web, which MeshMesh does not ask for by itself; without it this says how.
    """
    if name and target and name != target:
        raise click.UsageError(f"NAME is {name!r} and --target-org is {target!r}: give one of them.", context)
    terminal = context.ensure_object(Terminal)
    asked = name or target
    if asked:
        _open_org(terminal, asked)
    else:
        _open_dashboard(terminal)


def _open_dashboard(terminal: Terminal) -> None:
    answer = terminal.service.request("POST", "/v1/launch-codes", {}, attempt="open the dashboard")
    address = answer.json.text("url")
    if _browse(terminal, address):
        terminal.say("Your browser opens the dashboard.")
    else:
        _print(terminal, address)


def _open_org(terminal: Terminal, name: str) -> None:
    target = f"/v1/connections/{segment(name)}/open"
    link = request(terminal, "POST", target, {}, attempt=f"open the org of {name!r}").json.text("url")
    if not has_browser(terminal.environ, sys.platform):
        _print(terminal, link)
        return
    page = _write_page(resolve(terminal.environ).runtime, link)
    try:
        if _browse(terminal, page.as_uri()):
            terminal.say(f"Your browser opens the org of {name}. If not: MESHMESH_NO_BROWSER=1 meshmesh open {name}")
            time.sleep(PAGE_SECONDS)
        else:
            _print(terminal, link)
    finally:
        page.unlink(missing_ok=True)


def _write_page(folder: Path, link: str) -> Path:
    page = folder / PAGE_NAME
    page.unlink(missing_ok=True)
    try:
        descriptor = os.open(page, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        step = "Have the link printed: MESHMESH_NO_BROWSER=1 meshmesh open NAME"
        raise Failure("The page for the browser was not written.", str(error), step, Exit.CANNOT_CREATE) from None
    with open(descriptor, "w", encoding="utf-8") as file:
        file.write(_PAGE.format(_GO.format(escape(link))))
    return page


def _browse(terminal: Terminal, address: str) -> bool:
    if not has_browser(terminal.environ, sys.platform):
        return False
    import webbrowser

    return webbrowser.open(address)


def _print(terminal: Terminal, address: str) -> None:
    terminal.say("Open this address in a browser within a minute; it works once:")
    terminal.show(address)
