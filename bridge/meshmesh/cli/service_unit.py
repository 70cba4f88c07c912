"""`meshmesh service`: MeshMesh at login. What it installs it looks after, and takes away again where it does not work."""

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

import click

from meshmesh.cli.installation import service_status
from meshmesh.cli.managers import Manager, found
from meshmesh.cli.options import json_option
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.exits import Exit
from meshmesh.failures import Failure
from meshmesh.paths import Paths, resolve

_ANSWER_SECONDS = 30.0
_PAUSE = 0.1


@click.group()
def service() -> None:
    """Start MeshMesh at login, by systemd or launchd."""


@service.command()
@click.option("--dry-run", is_flag=True, help="Print the file and the commands, and change nothing.")
@pass_terminal
def install(terminal: Terminal, dry_run: bool) -> None:
    """Install the service, start it, and see that it answers."""
    paths = resolve(terminal.environ)
    manager = found(sys.platform, terminal.environ, paths)
    text = manager.text()
    if dry_run:
        terminal.say(f"would write {manager.file}, and run: {'; '.join(manager.plan())}")
        print(text, end="", flush=True)
        return
    manager.check()
    _refuse_another(manager, paths)
    before = _read(manager.file)
    try:
        if before != text:
            _write(manager.file, text)
        manager.begin(changed=before != text)
        pid = _await_answer(manager, paths)
    except (Failure, KeyboardInterrupt):
        _undo(manager, before)
        terminal.say("Nothing is installed." if before is None else "What was installed before is back.")
        raise
    terminal.say(f"{'Installed' if before is None else 'Up to date'}: {manager.file}")
    terminal.say(f"MeshMesh runs (pid {pid}), answers at {paths.socket}, and starts at login.")
    for hint in manager.hints():
        terminal.say(hint)


def _refuse_another(manager: Manager, paths: Paths) -> None:
    """One that was started by hand holds the vault and the port; it is the person's to stop."""
    status = service_status(paths)
    pid = status.number("pid") if status else 0
    if pid and pid != manager.state().pid:
        raise Failure(
            "The service was not installed.",
            f"MeshMesh runs here already, and {manager.name} did not start it (pid {pid}).",
            f"kill {pid}   then run the same command again",
            Exit.CANNOT_CREATE,
        )


def _await_answer(manager: Manager, paths: Paths) -> int:
    deadline = time.monotonic() + _ANSWER_SECONDS
    while time.monotonic() < deadline:
        status, state = service_status(paths), manager.state()
        if status and status.number("pid") == state.pid:
            return state.pid
        time.sleep(_PAUSE)
    why = f"{manager.name} says that it is {manager.state().active}; nobody answers at {paths.socket}."
    raise Failure("The service does not answer.", why, "meshmesh doctor", Exit.UNREACHABLE)


def _undo(manager: Manager, before: str | None) -> None:
    """As it was."""
    if before is None:
        manager.end()
        manager.file.unlink(missing_ok=True)
        manager.forget()
        return
    _write(manager.file, before)
    with suppress(Failure):
        manager.begin(changed=True)


@service.command()
@click.option("--dry-run", is_flag=True, help="Say what would be done, and change nothing.")
@pass_terminal
def uninstall(terminal: Terminal, dry_run: bool) -> None:
    """Stop the service and take it away. The vault and the settings stay."""
    paths = resolve(terminal.environ)
    manager = found(sys.platform, terminal.environ, paths)
    if _read(manager.file) is None:
        terminal.say("There is no service to take away.")
        return
    if dry_run:
        terminal.say(f"would stop the service and remove {manager.file}")
        return
    manager.end()
    manager.file.unlink(missing_ok=True)
    manager.forget()
    terminal.say(f"Taken away: {manager.file}. Your connections stay in {paths.data}.")


@service.command()
@json_option
@pass_terminal
def status(terminal: Terminal, as_json: bool) -> None:
    """Show whether the service is installed, and how it is."""
    paths = resolve(terminal.environ)
    manager = found(sys.platform, terminal.environ, paths)
    written = _read(manager.file)
    state = manager.state() if written is not None else None
    answers = service_status(paths)
    document = {
        "manager": manager.name,
        "file": str(manager.file),
        "installed": written is not None,
        "up_to_date": written == manager.text(),
        "enabled": bool(state and state.enabled),
        "active": state.active if state else None,
        "pid": answers.number("pid") if answers else None,
        "status": state.told if state else None,
    }
    if as_json:
        print(json.dumps(document), flush=True)
        return
    if state is None:
        runs = f"It runs (pid {answers.number('pid')}), started by hand." if answers else "It does not run."
        terminal.show(f"Not installed. {runs}")
        terminal.show("Next: meshmesh service install")
        return
    terminal.show(f"{manager.name}: {state.active}{', at login' if state.enabled else ', not at login'}: {state.told}")
    if written != manager.text():
        terminal.show("Its file is of another version or place of MeshMesh. Next: meshmesh service install")
    for hint in manager.hints():
        terminal.say(hint)


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None


def _write(file: Path, text: str) -> None:
    """Whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.partial")
    partial.write_text(text, encoding="utf-8")
    os.replace(partial, file)
