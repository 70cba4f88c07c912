"""`meshmesh lend`: the port for another program, for as long as a command runs or a time passes.

The service knows this process and takes the port back when it ends, however it ends. The command's own end is enough for
it to be asked for back at once.
"""

import os
import sys
from pathlib import PurePath

import click

from meshmesh.cli.execute import run_child
from meshmesh.cli.options import Duration
from meshmesh.cli.output import moment
from meshmesh.cli.report import three_lines
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.failures import Failure

USUAL_SECONDS = 120
_COMMAND = "meshmesh.command"


class _UntouchedCommand(click.Command):
    """Everything after the first `--` is the command's; there may be none."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mark = args.index("--") if "--" in args else len(args)
        ctx.meta[_COMMAND] = args[mark + 1 :]
        return super().parse_args(ctx, args[:mark])


@click.command(cls=_UntouchedCommand, options_metavar="[OPTIONS] [-- CMD...]")
@click.option("--for", "seconds", type=Duration(), metavar="T", help="How long at most: 30s, 2m (the default), 1h.")
@click.option("--back", is_flag=True, help="Take it back now.")
@click.pass_context
def lend(context: click.Context, *, seconds: int | None, back: bool) -> None:
    """Lend port 1717 to another program: meshmesh lend -- sf org login web

    Without a command it is lent for the time alone. Meanwhile sign-ins to MeshMesh wait; the command line works on.
    """
    terminal = context.ensure_object(Terminal)
    command: list[str] = context.meta[_COMMAND]
    if back:
        if command or seconds:
            raise click.UsageError("--back stands alone.", context)
        _say_back(terminal, _take_back(terminal))
        return
    body: dict[str, object] = {"seconds": seconds or USUAL_SECONDS}
    if command:
        body["pid"] = os.getpid()
    given = terminal.service.request("POST", "/v1/lend", body, attempt="lend the port").json
    until = moment(given.text("until"))
    words = f"until {until.astimezone():%H:%M:%S}" if until else "for a while"
    if not command:
        terminal.say(f"Port {given.number('port')} is lent {words}. Back earlier: meshmesh lend --back")
        return
    terminal.say(f"Port {given.number('port')} is lent to {PurePath(command[0]).name}, {words} at the latest.")
    code = run_child(command, terminal.environ, who="meshmesh lend")
    if until is None or terminal.now() < until:  # after that it may be lent to somebody else already
        try:
            _say_back(terminal, _take_back(terminal))
        except Failure as failure:
            print(three_lines(failure), end="", file=sys.stderr)
    context.exit(code)


def _take_back(terminal: Terminal) -> Document:
    return terminal.service.request("DELETE", "/v1/lend", attempt="take the port back").json


def _say_back(terminal: Terminal, port: Document) -> None:
    taken = port.text("status") == "ours"
    terminal.say(f"Port {port.number('port')} is back." if taken else port.optional_text("detail"))
