"""What a command may reach: the environment, the service, the clock, and the person at the terminal.

Data goes to stdout, talk to stderr. Nobody is asked anything where stdin is no terminal or `MESHMESH_NO_INPUT` is set:
the refusal then names the flag that would have answered. A secret that proves a person is read from the controlling
terminal, whatever stdin is.
"""

import os
import sys
import termios
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import click

from meshmesh import exits, wire
from meshmesh.cli.report import printable
from meshmesh.failures import Failure
from meshmesh.transport import Answer, Transport, from_environment

_KEYBOARD = "/dev/tty"
_LOCAL_MODES = 3  # of what tcgetattr gives


def _system_time() -> datetime:
    return datetime.now(UTC)


@dataclass(kw_only=True)
class Terminal:
    """The surroundings of one command.

    Args:
        environ: the environment.
        now: the time.
        as_json: whether the person asked for JSON; refusals are JSON then too.
    """

    environ: Mapping[str, str]
    now: Callable[[], datetime] = field(default=_system_time)
    as_json: bool = False

    @cached_property
    def service(self) -> Transport:
        """The way to the service."""
        return from_environment(self.environ)

    @property
    def may_ask(self) -> bool:
        """Whether there is a person to ask."""
        return not self.environ.get(wire.ENV_NO_INPUT) and sys.stdin.isatty()

    @property
    def has_keyboard(self) -> bool:
        """Whether a person can type on the controlling terminal now."""
        if self.environ.get(wire.ENV_NO_INPUT):
            return False
        try:
            with open(_KEYBOARD, "rb", buffering=0) as keyboard:
                return os.tcgetpgrp(keyboard.fileno()) == os.getpgrp()  # a job in the background would only be stopped
        except OSError:
            return False

    def secret(self, question: str) -> str:
        """A line that is typed on the controlling terminal, unseen; "" for Enter alone.

        What was typed ahead of the question is no answer to it.

        Raises:
            Abort: the end of input was typed.
        """
        with open(_KEYBOARD, "r+b", buffering=0) as keyboard:
            before = termios.tcgetattr(keyboard)
            unseen = before.copy()
            unseen[_LOCAL_MODES] &= ~termios.ECHO
            try:
                termios.tcsetattr(keyboard, termios.TCSAFLUSH, unseen)
                keyboard.write(printable(question).encode())
                line = keyboard.readline()
            finally:
                termios.tcsetattr(keyboard, termios.TCSADRAIN, before)
                keyboard.write(b"\n")
        if not line:
            raise click.Abort
        return line.removesuffix(b"\n").decode("utf-8", "surrogateescape")

    def say(self, text: str) -> None:
        """Talk: a line on stderr."""
        print(printable(text), file=sys.stderr, flush=True)

    def show(self, text: str) -> None:
        """Data: a line on stdout, at once, since whoever reads a pipe may wait for it."""
        print(printable(text), flush=True)

    def show_json(self, answer: Answer) -> None:
        """The body of an answer as it came; an empty object where it has none."""
        print(answer.body.decode("utf-8", "replace") or "{}", flush=True)

    def confirm(self, question: str, flag: str) -> None:
        """Go on only if the person says yes.

        Args:
            question: what is asked, with its question mark.
            flag: the option that says yes beforehand.

        Raises:
            Failure: nobody can be asked (exit 64), or the answer is no.
        """
        if not self.may_ask:
            raise unanswered(question, flag)
        if not click.confirm(question, err=True):
            raise Failure(
                "Nothing was changed.", "You said no.", "Run the command again to say yes.", exits.Exit.NOT_ALLOWED
            )

    def ask(self, question: str, flag: str, *, hidden: bool = False) -> str:
        """A line that the person types.

        Raises:
            Failure: nobody can be asked (exit 64).
        """
        if not self.may_ask:
            raise unanswered(question, flag)
        answer: str = click.prompt(question, err=True, hide_input=hidden)
        return answer.strip()


def unanswered(question: str, flag: str) -> Failure:
    """The refusal where a question cannot be put."""
    return Failure(
        "This needs an answer, and there is nobody to ask.", question, f"Add {flag} to the command.", exits.Exit.USAGE
    )


pass_terminal = click.make_pass_decorator(Terminal)
