"""A person at a terminal of their own: commands that get it as their controlling terminal, whatever their stdin is."""

import os
import pty
import select
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

PROGRAM = str(Path(sys.executable).with_name("meshmesh"))
PATIENCE_SECONDS = 30.0
INTERRUPT, END_OF_INPUT = "\x03", "\x04"  # Ctrl-C and Ctrl-D
# Takes a terminal as its own and becomes the program, or starts it in the background; `nowhere` takes none.
_SIT_DOWN = """
import fcntl, os, subprocess, sys, termios
where, terminal, *command = sys.argv[1:]
if where != "nowhere":
    fcntl.ioctl(os.open(terminal, os.O_RDWR), termios.TIOCSCTTY, 0)
if where == "background":
    sys.exit(subprocess.run(command, process_group=0).returncode)
os.execv(command[0], command)
"""


@dataclass(frozen=True, kw_only=True)
class Typed:
    """What a command did, and what the screen showed of its questions."""

    code: int
    out: str
    err: str
    screen: str
    echoes: bool

    @property
    def all(self) -> str:
        """Everything that could be read."""
        return self.out + self.err + self.screen


def at_terminal(
    environ: Mapping[str, str], *arguments: str, types: tuple[str, ...] = (), stdin: str = "", where: str = "foreground"
) -> Typed:
    """Run `meshmesh` at a terminal, and type a line at each of its questions.

    Args:
        environ: its environment.
        arguments: its arguments.
        types: the lines, one a question, or a key that ends the input.
        stdin: what is piped into it.
        where: in the `foreground` of the terminal, in its `background`, or `nowhere`: without one.
    """
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", _SIT_DOWN, where, os.ttyname(theirs), PROGRAM, *arguments]
    pipe = subprocess.PIPE
    screen = b""
    try:
        with subprocess.Popen(
            command, env=environ, stdin=pipe, stdout=pipe, stderr=pipe, text=True, start_new_session=True
        ) as process:
            try:
                for line in types:
                    screen += _question(ours, process)
                    os.write(ours, (line if line in {INTERRUPT, END_OF_INPUT} else f"{line}\n").encode())
                out, err = process.communicate(stdin, timeout=PATIENCE_SECONDS)
            finally:
                process.kill()
        screen += _read(ours, 0.0)
        echoes = bool(termios.tcgetattr(theirs)[3] & termios.ECHO)
    finally:
        os.close(ours)
        os.close(theirs)
    return Typed(code=process.returncode, out=out, err=err, screen=screen.decode(), echoes=echoes)


def _question(ours: int, process: subprocess.Popen[str]) -> bytes:
    seen = b""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not seen.endswith(b": "):
        if process.poll() is not None or time.monotonic() > deadline:
            raise AssertionError(f"no question: {seen!r}, {process.stderr.read() if process.stderr else ''}")
        seen += _read(ours, 0.1)
    return seen


def _read(ours: int, seconds: float) -> bytes:
    ready, _, _ = select.select([ours], [], [], seconds)
    return os.read(ours, 4096) if ready else b""
