"""`meshmesh pin`: the approval PIN, set or changed by whoever sits at the terminal."""

import click

from meshmesh.cli.presence import call, typed
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.exits import Exit
from meshmesh.failures import Failure, ProblemError
from meshmesh.transport import Answer

_ATTEMPT = "set the approval PIN"


@click.command()
@pass_terminal
def pin(terminal: Terminal) -> None:
    """Set the approval PIN, or change it.

    MeshMesh asks for it before a program may do more than before with an org that is not the demo. It has 4 to 64
    characters.

    It is typed on a terminal and nowhere else. No option, variable or pipe takes it: an agent could use them as well as
    you.
    """
    if not terminal.has_keyboard:
        raise Failure(
            f"Could not {_ATTEMPT}.",
            "It is typed on a terminal and nowhere else, and there is none.",
            "Run meshmesh pin in a terminal, without MESHMESH_NO_INPUT.",
            Exit.USAGE,
        )
    new = terminal.secret("New approval PIN: ")
    if terminal.secret("The same again: ") != new:
        raise Failure(f"Could not {_ATTEMPT}.", "The two are not the same.", "meshmesh pin", Exit.USAGE)
    try:
        _put(terminal, {"pin": new})
    except ProblemError as problem:
        is_set = "current" in (field for field, _ in problem.errors)
        if not is_set or not typed(
            terminal, "The approval PIN until now: ", lambda current: _put(terminal, {"pin": new, "current": current})
        ):
            raise
    terminal.say("The approval PIN is set.")


def _put(terminal: Terminal, body: dict[str, object]) -> Answer:
    return call(terminal, "POST", "/v1/pin", body, attempt=_ATTEMPT)
