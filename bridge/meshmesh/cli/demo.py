"""`meshmesh demo`: the demo org's levers."""

import click

from meshmesh.cli.options import Duration
from meshmesh.cli.terminal import Terminal, pass_terminal

_LAST = "Watch: meshmesh status"


@click.group()
def demo() -> None:
    """Let things go wrong in the demo org, and see what MeshMesh makes of it."""


def _pull(terminal: Terminal, lever: str, body: dict[str, object], told: str) -> None:
    terminal.service.request("POST", f"/v1/demo/{lever}", body, attempt=f"{lever.replace('-', ' ')} in the demo org")
    terminal.say(told)


@demo.command()
@pass_terminal
def expire(terminal: Terminal) -> None:
    """End every session of the demo org: it renews itself at the next call."""
    _pull(terminal, "expire-session", {}, f"Every session of the demo org has ended. {_LAST}")


@demo.command()
@pass_terminal
def revoke(terminal: Terminal) -> None:
    """Take MeshMesh's access away, as an admin would: the connection needs you then."""
    _pull(terminal, "revoke", {}, "Access to the demo org is revoked. Mend it: meshmesh reconnect demo")


@demo.command()
@click.argument("kind", type=click.Choice(["5xx", "hang", "reset"]), default="5xx")
@click.option("--for", "seconds", type=Duration(), default="30s", metavar="TIME", help="How long; 30s by default.")
@pass_terminal
def outage(terminal: Terminal, kind: str, seconds: int) -> None:
    """Let the demo org fail for a while: answers of 5xx, no answers, or cut ones."""
    body: dict[str, object] = {"kind": kind, "seconds": seconds}
    _pull(terminal, "outage", body, f"The demo org is out for {seconds} s ({kind}). {_LAST}")


@demo.command()
@pass_terminal
def reset(terminal: Terminal) -> None:
    """Put the demo org's data back as it was at the first start."""
    _pull(terminal, "reset", {}, "The demo org's data is as at the first start.")
