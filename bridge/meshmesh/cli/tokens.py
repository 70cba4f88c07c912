"""A connection for other programs: its token, or variables with a handle in its place."""

import os

import click

from meshmesh.cli.lending import lent, mint
from meshmesh.cli.options import MODES, Duration, connection_argument, json_option
from meshmesh.cli.presence import call, with_person
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.http1 import segment
from meshmesh.transport import Answer


@click.command()
@connection_argument
@click.option("--min-ttl", type=click.IntRange(min=0), metavar="S", help="At least so many seconds of life left.")
@json_option
@pass_terminal
def token(terminal: Terminal, name: str, min_ttl: int | None, as_json: bool) -> None:
    """Print the access token of connection NAME: one line, nothing else."""
    target = f"/v1/connections/{segment(name)}/token"
    attempt = f"get the token of {name!r}"
    asked = target + (f"?min_ttl={min_ttl}" if min_ttl else "")

    def send(*, pin: str | None = None, wait: int = 0) -> Answer:
        if pin is not None:
            given = call(terminal, "POST", target, {"pin": pin}, attempt=attempt)
            if not min_ttl:
                return given
        return call(terminal, "GET", asked, attempt=attempt, wait=wait)

    answer = with_person(terminal, send)
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.show(answer.json.text("access_token"))


@click.command()
@connection_argument
@click.option("--for", "seconds", type=Duration(), default="1h", metavar="TIME", help="How long; 1h by default.")
@click.option("--mode", type=click.Choice(MODES), help="plan by default; build on the demo org.")
@pass_terminal
def env(terminal: Terminal, name: str, seconds: int, mode: str | None) -> None:
    """Print variables that lend connection NAME to a shell: eval "$(meshmesh env NAME)"

    The shell gets a handle, never the token; it ends with the terminal, or when the time is over.
    """
    client = mint(
        terminal, name, program="shell", pid=_session_leader(), mode=mode, expires_in=seconds, descendants=False
    )
    for variable, value in lent(client).items():
        terminal.show(f"export {variable}={_quoted(value)}")


def _session_leader() -> int:
    """The process that lives as long as the terminal does: our parent may be a subshell that is gone in a moment."""
    leader = os.getsid(0)
    try:
        os.kill(leader, 0)
    except OSError:
        return os.getppid()
    return leader or os.getppid()  # 0: the leader is outside of this container


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
