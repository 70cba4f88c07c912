"""What holds under fire, in a short form: each command of this folder that proves it, as anyone can run it by hand.

`kill_rounds.py` is not among them: its short form is `tests/e2e/test_kill.py`.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parent
COMMANDS = (
    ("crowded_doors.py", "--crowd", "60", "--events", "60"),
    ("fault_schedules.py", "--schedules", "0", "--real", "1"),
    ("soak.py", "--minutes", "0.25"),
)


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """One of the commands, to its end."""
    return subprocess.run(
        [sys.executable, str(BENCH / command[0]), *command[1:]], capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_it_holds(command: tuple[str, ...]) -> None:
    """The command finds nothing wrong."""
    done = run(*command)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris has no build for this Python")
def test_no_input_breaks_a_parser() -> None:
    """A second of fuzzing for each target, from the seeds that are kept."""
    done = run("fuzz.py", "--seconds", "1")

    assert done.returncode == 0, done.stdout
    assert done.stdout.count(" ok") == len(list((BENCH / "seeds").iterdir()))
