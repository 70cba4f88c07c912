"""`meshmesh exec`: a command with a connection lent to it, for as long as it runs.

It exits as the command does, and passes signals on. Its own failures are 125, so that they are not taken for the
command's.
"""

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from hashlib import sha256
from pathlib import PurePath

import click

from meshmesh import exits
from meshmesh.cli.adopting import adopting
from meshmesh.cli.lending import LentClient, child_environment, lent, mint, real_token
from meshmesh.cli.options import MODES, connection_argument
from meshmesh.cli.report import three_lines
from meshmesh.cli.terminal import Terminal
from meshmesh.failures import Failure
from meshmesh.http1 import segment

_COMMAND = "meshmesh.command"
_FORWARDED = frozenset({signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2})
_LOOK_AGAIN_SECONDS = 1.0  # SIGCHLD is lost where another thread of this process does not block it
_FROM_A_KEY = 128  # SI_KERNEL: a key of the terminal, whose signal reached the child too (one process group)


class _UntouchedCommand(click.Command):
    """Everything after the first `--` is the command's, whatever it looks like."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        mark = args.index("--") if "--" in args else len(args)
        own, command = args[:mark], args[mark + 1 :]
        parsed = super().parse_args(ctx, own)
        if not command and not ctx.resilient_parsing:
            raise click.UsageError("Missing the command to run: put it after --.", ctx)
        ctx.meta[_COMMAND] = command
        return parsed


@click.command("exec", cls=_UntouchedCommand, options_metavar="[OPTIONS] -- CMD...")
@connection_argument
@click.option("--mode", type=click.Choice(MODES), help="plan by default; build on the demo org.")
@click.option("--token", "with_token", is_flag=True, help="Hand over the access token itself too.")
@click.pass_context
def execute(context: click.Context, name: str, mode: str | None, with_token: bool) -> None:
    """Run a command with connection NAME lent to it: meshmesh exec NAME -- CMD...

    The command gets a handle that works with sf, jsforce and others, never the token (but with --token), and that
    ends with the command.
    """
    terminal = context.ensure_object(Terminal)
    command: list[str] = context.meta[_COMMAND]
    try:
        client = mint(
            terminal,
            name,
            program=PurePath(command[0]).name,
            pid=os.getpid(),
            mode=mode,
            raw_token=with_token,
            command_sha256=sha256(b"\0".join(map(os.fsencode, command))).hexdigest(),
        )
        code = _run_lent(terminal, client, command, with_token=with_token)
    except Failure as failure:
        print(three_lines(failure), end="", file=sys.stderr)
        code = exits.EXIT_EXEC_FAILED
    context.exit(code)


def _run_lent(terminal: Terminal, client: LentClient, command: Sequence[str], *, with_token: bool) -> int:
    try:
        variables = lent(client) | (real_token(client, terminal.service) if with_token else {})
        with adopting():
            return run_child(command, child_environment(terminal.environ, variables))
    finally:
        with suppress(Failure):  # it ends with this process in any case
            terminal.service.request("DELETE", f"/v1/clients/{segment(client.id)}", attempt="end the handle")


def run_child(command: Sequence[str], environ: Mapping[str, str], *, who: str = "meshmesh exec") -> int:
    """Run a command to its end, passing signals on to it.

    Args:
        command: the program and its arguments.
        environ: its environment.
        who: says it where the command cannot be run.

    Returns:
        Its exit code; 128 + N where signal N ended it; 127 where there is no such command, 126 where it is none.
    """
    waited = _FORWARDED | {signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, waited)
    try:
        child = os.posix_spawnp(
            command[0], list(command), dict(environ), setsigmask=before, setsigdef=[signal.SIGPIPE, signal.SIGXFSZ]
        )
        return _await(child, waited)
    except FileNotFoundError:
        print(f"{who}: {command[0]}: command not found", file=sys.stderr)
        return exits.EXIT_NO_COMMAND
    except PermissionError:
        print(f"{who}: {command[0]}: not executable", file=sys.stderr)
        return exits.EXIT_NOT_EXECUTABLE
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _await(child: int, waited: frozenset[signal.Signals]) -> int:
    while True:
        arrived = signal.sigtimedwait(waited, _LOOK_AGAIN_SECONDS)
        status = _reap(child)
        if status is not None:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if arrived and arrived.si_signo != signal.SIGCHLD and arrived.si_code != _FROM_A_KEY:
            os.kill(child, arrived.si_signo)


def _reap(child: int) -> int | None:
    """The child's status, once it has ended; what it left behind ends here too."""
    ended, status = -1, 0
    while ended not in {0, child}:
        ended, status = os.waitpid(-1, os.WNOHANG)
    return status if ended else None
