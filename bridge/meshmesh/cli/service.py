"""The service, started and stopped from the command line: `meshmeshd` as a child that outlives this process if asked."""

import fcntl
import json
import os
import subprocess
import sys
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from meshmesh import exits, wire
from meshmesh.failures import Failure, Unreachable
from meshmesh.paths import Paths
from meshmesh.transport import Transport, UnixDoor

START_SECONDS = 30.0
STOP_SECONDS = 15.0
_PAUSE = 0.02


def running(paths: Paths) -> bool:
    """Whether a service answers at the owner's door."""
    try:
        return Transport(UnixDoor(str(paths.socket))).exchange("GET", "/healthz").status == 200  # noqa: PLR2004
    except Unreachable:
        return False


@contextmanager
def alone(paths: Paths) -> Generator[bool]:
    """Hold the right to start and stop the service; gives whether somebody else had to be waited for.

    Two at once would each take the other's service for one that was there before.
    """
    mask = os.umask(0o077)  # for the folders above too
    for folder in (paths.state, paths.runtime):
        folder.mkdir(parents=True, exist_ok=True)
    os.umask(mask)
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    descriptor = os.open(paths.runtime / "quickstart.lock", flags, 0o600)
    try:
        waited = False
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waited = True
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield waited
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class Started:
    """A service that this process started."""

    pid: int
    port: int


@contextmanager
def started(paths: Paths, environ: Mapping[str, str], *, keep: bool) -> Generator[Started]:
    """Start `meshmeshd`, wait until both doors are open, and stop it at the end.

    Args:
        paths: where it lives; its log goes to the state folder.
        environ: its environment.
        keep: leave it running, if all went well.

    Raises:
        Failure: it ended instead, with its own words and exit code, or it took too long.
    """
    log = paths.state / "meshmeshd.log"
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW
    with os.fdopen(os.open(log, flags, 0o600), "ab") as output:
        offset = os.fstat(output.fileno()).st_size
        process = _spawn(environ, output)
    try:
        yield Started(process.pid, _await_port(process, paths.runtime / wire.ENDPOINT_NAME, log, offset))
    except BaseException:
        _stop(process)
        raise
    if not keep:
        _stop(process)


def _spawn(environ: Mapping[str, str], output: IO[bytes]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(  # noqa: S603 - our own program, beside this interpreter
            [program()],
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    except OSError as error:
        raise Failure(
            "meshmeshd could not be started.", str(error), "Install it again.", exits.Exit.UNREACHABLE
        ) from None


def _stop(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM, and SIGKILL for one that does not end."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def program() -> str:
    """`meshmeshd`, beside this interpreter."""
    return str(Path(sys.executable).with_name("meshmeshd"))


def _await_port(process: subprocess.Popen[bytes], endpoint: Path, log: Path, offset: int) -> int:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        port = _port_of(endpoint, process.pid)
        if port:
            return port
        if process.poll() is not None:
            raise _ended(process.returncode, log, offset)
        time.sleep(_PAUSE)
    raise Failure(
        "meshmeshd did not get ready.", f"It had {START_SECONDS:.0f} s.", f"cat {log}", exits.Exit.UNREACHABLE
    )


def _port_of(endpoint: Path, pid: int) -> int:
    try:
        found = json.loads(endpoint.read_bytes())
    except (FileNotFoundError, ValueError):
        return 0
    return int(found["port"]) if found.get("pid") == pid else 0


def _ended(code: int, log: Path, offset: int) -> Failure:
    """The service's own last words: a sentence and, below it, a next step."""
    lines = log.read_bytes()[offset:].decode("utf-8", "replace").splitlines()
    said = [line.removeprefix("meshmeshd: ") for line in lines if line.startswith("meshmeshd: ")]
    steps = [line.strip().removeprefix("Next: ") for line in lines if line.strip().startswith("Next: ")]
    why = said[-1] if said else f"It ended with exit code {code}."
    known = code if code in {*exits.Exit} else exits.Exit.UNREACHABLE
    return Failure("meshmeshd did not start.", why, steps[-1] if steps else f"cat {log}", exits.Exit(known))
