"""What a command did, for the tests that run one."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """The exit code, stdout and stderr of a command."""

    code: int
    out: str
    err: str


Cli = Callable[..., Ran]
