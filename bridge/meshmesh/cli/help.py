"""`meshmesh help`: what `--help` says of a command, and what belongs to no single one."""

import difflib

import click

from meshmesh import wire
from meshmesh.cli.terminal import Terminal
from meshmesh.paths import resolve

_EXIT_CODES = """\
What the exit codes say
    0  done
   64  usage: mistyped, or an answer is needed and nobody can be asked
   66  there is no such connection, plan, program or request
   69  the service is not running here
   70  a bug of ours
   73  a file cannot be made
   74  a file cannot be read or written
   75  try again: held for approval, locked, offline, over a rate limit
   76  Salesforce, or the service, answered something unexpected
   77  you are needed, or it is not allowed: reconnect, approve, pair
   78  settings: config.toml or a variable cannot be used
exec and lend end as their command does. 125 is exec's own failure, 126 a
command that is not executable, 127 one that is not there, 128+N one that
signal N ended.
"""
_ENVIRONMENT = """\
Variables that are read
  MESHMESH_HOME         everything under DIR/{config,data,state,runtime}
  MESHMESH_PORT         the service's port; 1717, and 0 for any free one
  MESHMESH_SOCKET       the service's UNIX socket
  MESHMESH_URL          http://localhost:PORT, for a program without the socket
  MESHMESH_TOKEN        a pairing token: the command acts as that program
  MESHMESH_CONNECTION   the connection where NAME is left out
  MESHMESH_NO_BROWSER   print addresses, open nothing
  MESHMESH_NO_INPUT     ask nothing: end with 64, and say which flag answers
  MESHMESH_EXTRA_LOGIN_ORIGINS
                        login origins beside Salesforce's own, with commas
  HTTPS_PROXY, NO_PROXY the way to Salesforce; the loopback never takes it
  COLUMNS               how wide tables are; a pipe gets everything
There is no colour, so NO_COLOR changes nothing.
"""
_MODES = """\
What a grant lets a program do with a connection
  read    reads pass, writes are refused
  plan    reads pass, writes are held until you approve them (Plan Mode)
  build   all passes (Build Mode)
A grant is typed NAME:MODE. NAME:build:token hands out the access token too.
Change one at any time: meshmesh mode CLIENT CONNECTION MODE [--for 30m]
What waits for you: meshmesh plans, and meshmesh requests
"""
TOPICS = {"exit-codes": _EXIT_CODES, "environment": _ENVIRONMENT, "modes": _MODES}
FILES = "files"


def _complete(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from meshmesh.cli.program import TABLE

    return [word for word in (*TABLE, *TOPICS, FILES) if word.startswith(incomplete)]


@click.command("help")
@click.argument("words", nargs=-1, metavar="[COMMAND... | TOPIC]", shell_complete=_complete)
@click.pass_context
def help_(context: click.Context, words: tuple[str, ...]) -> None:
    """Explain a command, such as client revoke, or a topic: exit-codes, environment, modes, files.

    Without either: the list of all commands.
    """
    terminal = context.ensure_object(Terminal)
    match words:
        case (word,) if word in TOPICS:
            text = TOPICS[word]
        case (word,) if word == FILES:
            text = _files(terminal)
        case _:
            text = _of_command(context, words)
    for line in text.splitlines():
        terminal.show(line)


def _files(terminal: Terminal) -> str:
    paths = resolve(terminal.environ)
    return (
        f"Where things are\n"
        f"  {paths.config}\n      config.toml, which holds no secret; the key file, where there is one\n"
        f"  {paths.data}\n      the vault: worth nothing without its key\n"
        f"  {paths.state}\n      logs\n"
        f"  {paths.socket}\n      the owner's door\n"
        f"  {paths.runtime / wire.ENDPOINT_NAME}\n      port and process of the service, and no secret\n"
    )


def _of_command(context: click.Context, words: tuple[str, ...]) -> str:
    found = context.find_root()
    for word in words:
        inside = found.command
        if not isinstance(inside, click.Group):
            raise click.UsageError(f"{found.command_path} has no {word!r} in it.", context)
        command = inside.get_command(found, word)
        if command is None:
            known = [*inside.list_commands(found), *(() if found.parent else (*TOPICS, FILES))]
            close = difflib.get_close_matches(word, known, n=1)
            hint = f" Did you mean {close[0]!r}?" if close else ""
            raise click.UsageError(f"There is no command or topic {word!r}.{hint}", context)
        found = click.Context(command, parent=found, info_name=word, max_content_width=80)
    return found.get_help()
