"""`meshmesh help`: commands by their path, and topics that are true."""

import re

import pytest

from meshmesh import exits, wire
from meshmesh.cli.help import FILES, TOPICS
from support.command_line import Cli
from support.far_end import FarEnd


@pytest.mark.parametrize("words", [(), ("connect",), ("client", "revoke"), ("demo", "outage"), ("help",)])
def test_a_command_is_explained_as_by_its_own_option(far_end: FarEnd, cli: Cli, words: tuple[str, ...]) -> None:
    """`help A B` says what `A B --help` says, without a service."""
    ran = cli("help", *words)

    assert (ran.code, ran.err) == (0, "")
    assert ran.out == cli(*words, "--help").out
    assert far_end.asked == []


@pytest.mark.parametrize("topic", [*TOPICS, FILES])
def test_a_topic_fits(far_end: FarEnd, cli: Cli, topic: str) -> None:
    """Each is a page of 80 columns, named in the command's own help."""
    ran = cli("help", topic)

    assert ran.code == 0
    assert 5 < ran.out.count("\n") < 25
    assert topic == FILES or max(len(line) for line in ran.out.splitlines()) <= 80
    assert topic in cli("help", "help").out


def test_the_exit_codes_are_those_of_the_program(cli: Cli) -> None:
    """None is missing, none is made up."""
    told = {int(code) for code in re.findall(r"^ +(\d+)  ", cli("help", "exit-codes").out, re.MULTILINE)}

    assert told == {int(code) for code in exits.Exit}


def test_the_variables_are_those_that_are_read(cli: Cli) -> None:
    """Each of our own is told, and no other."""
    told = set(re.findall(r"MESHMESH_\w+", cli("help", "environment").out))

    assert told == {value for name, value in vars(wire).items() if name.startswith("ENV_")}


def test_the_files_are_those_of_this_installation(far_end: FarEnd, cli: Cli) -> None:
    """The door that is named is the one that the command line goes to."""
    assert f"  {far_end.path}\n" in cli("help", "files").out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("exit",), "There is no command or topic 'exit'."),
        (("exitcodes",), "There is no command or topic 'exitcodes'. Did you mean 'exit-codes'?"),
        (("client", "revok"), "There is no command or topic 'revok'. Did you mean 'revoke'?"),
        (("token", "acme"), "meshmesh token has no 'acme' in it."),
    ],
)
def test_what_is_not_there_is_suggested(cli: Cli, words: tuple[str, ...], said: str) -> None:
    """A slip of the finger ends with 64 and the nearest word."""
    ran = cli("help", *words)

    assert ran.code == 64
    assert ran.err.splitlines()[0] == f"meshmesh help: {said}"
