"""`meshmesh open`: the dashboard, in the browser of whoever sits here."""

import sys

import click

from meshmesh.cli.signing_in import has_browser
from meshmesh.cli.terminal import Terminal, pass_terminal


@click.command("open")
@pass_terminal
def dashboard(terminal: Terminal) -> None:
    """Open the dashboard in a browser.

    Where none can be opened, its address is printed: it works once, within a minute, and makes who opens it the owner.
    """
    answer = terminal.service.request("POST", "/v1/launch-codes", {}, attempt="open the dashboard")
    address = answer.json.text("url")
    if has_browser(terminal.environ, sys.platform):
        import webbrowser

        if webbrowser.open(address):
            terminal.say("Your browser opens the dashboard.")
            return
    terminal.say("Open this address in a browser within a minute; it works once:")
    terminal.show(address)
