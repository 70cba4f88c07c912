"""The tree of commands, and what every command ends in: an exit code and, where it failed, three lines.

Each command's module is imported when it is used; the help of the whole reads from the table below.
"""

import difflib
import importlib
import json
import os
import sys
import traceback
from collections.abc import Sequence
from importlib.metadata import version

import click

from meshmesh import exits
from meshmesh.cli.report import printable, three_lines
from meshmesh.cli.terminal import Terminal
from meshmesh.failures import Failure, ProblemError

COMPLETE = "_MESHMESH_COMPLETE"

# name -> module, attribute, help; in the order of the help page
_Table = dict[str, tuple[str, str, str]]
SECTIONS: dict[str, _Table] = {
    "Start here": {
        "quickstart": ("quickstart", "quickstart", "Try everything on the demo org, in ten seconds."),
        "status": ("status", "status", "Show the service and every connection."),
        "open": ("open", "open_", "Open the dashboard, or an org itself, in a browser."),
    },
    "Connections": {
        "connect": ("connect", "connect", "Connect a Salesforce org."),
        "connections": ("connections", "connections", "List the connections."),
        "reconnect": ("connect", "reconnect", "Sign in again; name, grants and history stay."),
        "disconnect": ("connections", "disconnect", "Revoke a connection at Salesforce and forget it."),
        "test": ("connections", "test", "Make one call to the org."),
        "token": ("tokens", "token", "Print a connection's access token."),
        "env": ("tokens", "env", "Lend a connection to a shell, by variables."),
        "exec": ("execute", "execute", "Run a command with a connection lent to it."),
    },
    "Programs": {
        "pair": ("pairing", "pair", "Pair a program, as it would itself; prints its token once."),
        "requests": ("pairing", "requests", "List who asks: to be paired, or for a connection."),
        "approve": ("pairing", "approve", "Let a program in, with grants."),
        "deny": ("pairing", "deny", "Turn a program away."),
        "pin": ("pin", "pin", "Set or change the PIN that approves; typed on the terminal only."),
        "client": ("clients", "client", "All about paired programs: pair, approve, deny, revoke, list."),
        "clients": ("clients", "clients", "List the paired programs."),
        "mode": ("clients", "mode", "Change what a program may do with a connection."),
        "revoke": ("clients", "revoke", "End a program's pairing at once."),
        "plans": ("plans", "plans", "List the changes that programs want, and that wait for you."),
        "plan": ("plans", "plan", "Show, approve, reject, withdraw or undo one plan."),
    },
    "More": {
        "activity": ("activity", "activity", "Show who did what; --verify proves that nothing was changed."),
        "doctor": ("doctor", "doctor", "Say what is wrong with a connection, or with the installation."),
        "lend": ("lend", "lend", "Lend port 1717 to another program, such as sf, for a while."),
        "import-sf": ("import_sf", "import_sf", "Connect the orgs that sf knows, each by a sign-in of its own."),
        "service": ("service_unit", "service", "Start MeshMesh at login: install, uninstall, status."),
        "lock": ("vault", "lock", "Lock the vault: nothing is handed out until it is unlocked."),
        "unlock": ("vault", "unlock", "Unlock the vault."),
        "passphrase": ("vault", "passphrase", "Have a passphrase open the vault, or change it."),
        "key": ("vault", "key", "Say where the master key is kept; move it, rotate."),
        "backup": ("vault", "backup", "Write everything to one file under a passphrase."),
        "restore": ("vault", "restore", "Put a backup in the place of the vault."),
        "demo": ("demo", "demo", "Hurt the demo org: expire, revoke, outage, reset."),
        "completion": ("completion", "completion", "Print the completion script for a shell."),
        "help": ("help", "help_", "Explain a command, or exit-codes, environment, modes, files."),
    },
}
TABLE: _Table = {name: row for section in SECTIONS.values() for name, row in section.items()}


class LazyGroup(click.Group):
    """The root: it knows the names of all commands and imports the one that is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Every name, in the order of the table."""
        return list(TABLE)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Import a command."""
        if cmd_name not in TABLE:
            return None
        module, attribute, _ = TABLE[cmd_name]
        command = getattr(importlib.import_module(f"meshmesh.cli.{module}"), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is not a command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that the arguments name, or a suggestion."""
        name = args[0]
        if name not in TABLE and not name.startswith("-"):
            close = difflib.get_close_matches(name, TABLE, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no command {name!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """The commands by section, without importing one."""
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name, text) for name, (_, _, text) in section.items()])


@click.group(
    cls=LazyGroup,
    invoke_without_command=True,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 80},
)
@click.version_option(version("meshmesh"), prog_name="meshmesh", message="%(prog)s %(version)s")
@click.pass_context
def root(context: click.Context) -> None:
    """One local home for your Salesforce connections.

    Without a command: the state in a few lines.

    \b
    meshmesh quickstart                     see all of it on the demo org
    meshmesh connect acme --domain acme.my.salesforce.com
    meshmesh exec acme -- sf data query -q "SELECT Name FROM Account"
    """
    if context.invoked_subcommand is None:
        from meshmesh.cli.status import short

        context.invoke(short)


def run(arguments: Sequence[str]) -> int:
    """Run a command line.

    Args:
        arguments: what stands behind the program's name.

    Returns:
        The exit code.
    """
    terminal = Terminal(environ=os.environ)
    instruction = os.environ.get(COMPLETE)
    if instruction:
        from click.shell_completion import shell_complete

        return shell_complete(root, {"obj": terminal}, "meshmesh", COMPLETE, instruction)
    try:
        return _run(arguments, terminal)
    except BrokenPipeError:
        _drop_stdout()
        return exits.EXIT_BROKEN_PIPE
    except OSError as error:
        _drop_stdout()
        return _fail(
            Failure("A file could not be read or written.", str(error), "df -h", exits.Exit.CANNOT_WRITE), terminal
        )
    except Exception as error:  # noqa: BLE001 - the last line of defence: a bug has an exit code of its own
        traceback.print_exception(error)
        step = "Report it, with the lines above; CONTRIBUTING.md says how."
        return _fail(Failure("This is a bug of ours.", type(error).__name__, step, exits.Exit.BUG), terminal)


def _drop_stdout() -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the interpreter's exit flushes once more


def _run(arguments: Sequence[str], terminal: Terminal) -> int:
    try:
        with root.make_context("meshmesh", list(arguments), obj=terminal) as context:
            root.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as ended:
        return ended.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return exits.Exit.USAGE
    except click.UsageError as error:
        return _usage(error)
    except Failure as failure:
        return _fail(failure, terminal)
    except (KeyboardInterrupt, click.Abort):
        print(file=sys.stderr)
        return exits.EXIT_INTERRUPTED
    return exits.Exit.OK


def _usage(error: click.UsageError) -> int:
    context = error.ctx or click.Context(root, info_name="meshmesh")
    path = context.command_path
    usage = " ".join([path, *context.command.collect_usage_pieces(context)])
    message = " ".join(error.format_message().split())
    for line in (f"{path}: {message}", f"  Usage: {usage}", f"  Next: {path} --help"):
        print(printable(line), file=sys.stderr)
    own = error.ctx is not None and error.ctx.info_name == "exec"
    return exits.EXIT_EXEC_FAILED if own else exits.Exit.USAGE


def _fail(failure: Failure, terminal: Terminal) -> int:
    if terminal.as_json and isinstance(failure, ProblemError):
        print(json.dumps(failure.document), file=sys.stderr)
    else:
        print(three_lines(failure), end="", file=sys.stderr)
    return failure.exit_code
