"""`meshmesh lock`, `unlock`, `passphrase`, `key`, `backup`, `restore`: the vault as a whole.

A passphrase is typed on the terminal, or comes as a line on stdin where that is said; no argument or variable takes one.
"""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

import click

from meshmesh.cli import presence
from meshmesh.cli.options import json_option
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import Failure, ProblemError, Unreachable
from meshmesh.transport import Answer
from meshmesh.wire import Code

SLOW_SECONDS = 600.0  # a passphrase is slow on purpose, and so is a large activity
MIN_PASSPHRASE = 8
_SOURCES = ("keyring", "credential", "passphrase", "file")
_WORDS = {
    "keyring": "in the keyring of your desktop",
    "credential": "in a systemd credential of the service",
    "passphrase": "nowhere: a passphrase opens the vault",
    "file": "in a key file; whoever can read it can open the vault",
}
_stdin_option = click.option("--passphrase-stdin", is_flag=True, help="Read the passphrase as a line from stdin.")


@click.command()
@json_option
@pass_terminal
def lock(terminal: Terminal, *, as_json: bool) -> None:
    """Lock the vault: nothing is handed out any more, and the keys are forgotten.

    Programs get "locked, try again" meanwhile, or wait. Dashboard sessions end.
    """
    _told(
        terminal, terminal.service.request("POST", "/v1/lock", {}, attempt="lock the vault"), "Locked.", as_json=as_json
    )


@click.command()
@_stdin_option
@json_option
@pass_terminal
def unlock(terminal: Terminal, *, passphrase_stdin: bool, as_json: bool) -> None:
    """Unlock the vault: with its passphrase, or with the approval PIN where its key is stored."""
    attempt = "unlock the vault"

    def send(*, pin: str | None = None, wait: int = 0) -> Answer:
        return _call(terminal, "/v1/unlock", {} if pin is None else {"pin": pin}, attempt, wait=wait)

    try:
        answer = _call(terminal, "/v1/unlock", {}, attempt)
    except ProblemError as problem:
        if problem.code != Code.PRESENCE_REQUIRED:
            raise
        if problem.document.get("ways") == ["passphrase"]:
            answer = _unlock_by_passphrase(terminal, attempt, from_stdin=passphrase_stdin)
        else:
            answer = presence.with_person(terminal, send)
    _told(terminal, answer, "Unlocked.", as_json=as_json)


def _unlock_by_passphrase(terminal: Terminal, attempt: str, *, from_stdin: bool) -> Answer:
    if from_stdin or not terminal.has_keyboard:
        body = {"passphrase": _line(terminal, attempt, from_stdin=from_stdin)}
        return _call(terminal, "/v1/unlock", body, attempt)
    answer = presence.typed(
        terminal, "Passphrase: ", lambda typed: _call(terminal, "/v1/unlock", {"passphrase": typed}, attempt)
    )
    if answer is None:
        raise click.Abort
    return answer


@click.command()
@_stdin_option
@pass_terminal
def passphrase(terminal: Terminal, *, passphrase_stdin: bool) -> None:
    """Have a passphrase open the vault, or change it.

    With --passphrase-stdin the first line is the new one, and the second the one until now, where there is one.
    """
    attempt = "set the passphrase"
    new = _new(terminal, attempt, from_stdin=passphrase_stdin)
    _move(terminal, {"source": "passphrase", "passphrase": new}, attempt, from_stdin=passphrase_stdin)
    terminal.say(
        "The vault opens with this passphrase from now on. Nobody can tell you if you forget it: meshmesh backup"
    )


@click.group(invoke_without_command=True)
@json_option
@click.pass_context
def key(context: click.Context, *, as_json: bool) -> None:
    """Say where the master key is kept; move it, or replace the key of the data."""
    if context.invoked_subcommand is None:
        terminal = context.ensure_object(Terminal)
        answer = terminal.service.request("GET", "/status", attempt="look at the key")
        source = answer.json.optional_text("key") or "not known while the vault is closed"
        if as_json:
            terminal.show_json(answer)
        else:
            terminal.show(f"{source}   {_WORDS.get(source, '')}".rstrip())


@key.command()
@click.argument("source", type=click.Choice(_SOURCES))
@_stdin_option
@pass_terminal
def move(terminal: Terminal, *, source: str, passphrase_stdin: bool) -> None:
    """Keep the master key in SOURCE from now on; the vault gets a new one."""
    attempt = f"keep the key elsewhere ({source})"
    body: dict[str, object] = {"source": source}
    if source == "passphrase":
        body["passphrase"] = _new(terminal, attempt, from_stdin=passphrase_stdin)
    _move(terminal, body, attempt, from_stdin=passphrase_stdin)
    terminal.say(f"The master key is kept {_WORDS[source]}.")


@key.command()
@pass_terminal
def rotate(terminal: Terminal) -> None:
    """Replace the data key and seal everything anew; programs go on meanwhile."""
    _call(terminal, "/v1/key/rotate", {}, "replace the data key")
    terminal.say("Everything is sealed with a new key.")


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@_stdin_option
@json_option
@pass_terminal
def backup(terminal: Terminal, *, file: Path, passphrase_stdin: bool, as_json: bool) -> None:
    """Write everything to FILE, under a passphrase, and prove that it opens."""
    attempt = "back up the vault"
    chosen = _new(terminal, attempt, from_stdin=passphrase_stdin)
    body: dict[str, object] = {"path": str(file.absolute()), "passphrase": chosen}

    def send(*, pin: str | None = None, wait: int = 0) -> Answer:
        return _call(terminal, "/v1/backup", body if pin is None else {**body, "pin": pin}, attempt, wait=wait)

    answer = presence.with_person(terminal, send)
    if as_json:
        terminal.show_json(answer)
        return
    found = answer.json
    held = f"{_many(len(_texts(found, 'connections')), 'connection')}, {_many(found.number('activity_rows'), 'row')} of activity"
    terminal.say(f"{file}: {held}. It was opened once: it is good.")
    _say_notes(terminal, found)


@click.command()
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--force", is_flag=True, help="Also over a newer vault, or another one; it is moved aside.")
@_stdin_option
@json_option
@pass_terminal
def restore(terminal: Terminal, *, file: Path, force: bool, passphrase_stdin: bool, as_json: bool) -> None:
    """Put the backup FILE in the place of the vault, which is moved aside.

    It is checked whole before anything is changed. Without a running service, meshmeshd --restore does it.
    """
    attempt = "restore the backup"
    try:
        terminal.service.request("GET", "/healthz", attempt=attempt)
    except Unreachable:
        raise SystemExit(_without_service(file, force=force)) from None
    opens = _line(terminal, attempt, from_stdin=passphrase_stdin, question="Passphrase of the backup: ")
    body: dict[str, object] = {"path": str(file.absolute()), "passphrase": opens, "force": force}
    try:
        answer = _call(terminal, "/v1/restore", body, attempt)
    except ProblemError as problem:
        if problem.code != Code.BACKUP_OLDER or not terminal.may_ask:
            raise
        terminal.say(problem.detail)
        terminal.confirm("Restore all the same? What is there is moved aside, not deleted.", "--force")
        answer = _call(terminal, "/v1/restore", {**body, "force": True}, attempt)
    if as_json:
        terminal.show_json(answer)
        return
    aside = answer.json.optional_text("moved_aside")
    terminal.say(f"Restored what was backed up at {answer.json.text('made_at')}.")
    if aside:
        terminal.say(f"What was there before lies in {aside}.")
    _say_notes(terminal, answer.json)


def _without_service(file: Path, *, force: bool) -> int:
    """The service's own program, which finds terminal and stdin as they are."""
    command = [str(Path(sys.executable).with_name("meshmeshd")), "--restore", str(file.absolute())]
    sys.stdout.flush()
    return subprocess.run([*command, *(["--force"] if force else [])], check=False, env=os.environ).returncode  # noqa: S603


# --- Passphrases ---------------------------------------------------------------------------------------------------


def _new(terminal: Terminal, attempt: str, *, from_stdin: bool) -> str:
    """A passphrase that is to be set: typed twice, since nobody could tell a slip of the finger afterwards."""
    chosen = _line(terminal, attempt, from_stdin=from_stdin, question="New passphrase: ")
    if len(chosen) < MIN_PASSPHRASE:
        raise Failure(
            f"Could not {attempt}.", f"It needs {MIN_PASSPHRASE} characters or more.", "Try again.", Exit.USAGE
        )
    if not from_stdin and terminal.secret("The same again: ") != chosen:
        raise Failure(f"Could not {attempt}.", "The two are not the same.", "Try again.", Exit.USAGE)
    return chosen


def _line(terminal: Terminal, attempt: str, *, from_stdin: bool, question: str = "Passphrase: ") -> str:
    if from_stdin:
        return sys.stdin.readline().removesuffix("\n")
    if not terminal.has_keyboard:
        raise Failure(
            f"Could not {attempt}.",
            "The passphrase is typed on a terminal, and there is none.",
            "Add --passphrase-stdin, with the passphrase as a line on stdin.",
            Exit.USAGE,
        )
    return terminal.secret(question)


def _move(terminal: Terminal, body: dict[str, object], attempt: str, *, from_stdin: bool) -> None:
    def send(*, pin: str | None = None, wait: int = 0) -> Answer:
        return _call(terminal, "/v1/key", body if pin is None else {**body, "pin": pin}, attempt, wait=wait)

    try:
        presence.with_person(terminal, send)
    except ProblemError as problem:
        if "current" not in (field for field, _ in problem.errors):
            raise
        until_now = _line(terminal, attempt, from_stdin=from_stdin, question="The passphrase until now: ")
        _call(terminal, "/v1/key", {**body, "current": until_now}, attempt)


# --- The service ---------------------------------------------------------------------------------------------------


def _call(terminal: Terminal, target: str, body: Mapping[str, object], attempt: str, *, wait: int = 0) -> Answer:
    return presence.call(terminal, "POST", target, body, attempt=attempt, wait=wait, patience=SLOW_SECONDS)


def _told(terminal: Terminal, answer: Answer, sentence: str, *, as_json: bool) -> None:
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say(sentence)


def _say_notes(terminal: Terminal, found: Document) -> None:
    for note in _texts(found, "notes"):
        terminal.say(note)


def _texts(found: Document, name: str) -> list[str]:
    value = found.values.get(name)
    return [str(one) for one in cast("list[object]", value)] if isinstance(value, list) else []


def _many(number: int, word: str) -> str:
    return f"{number} {word if number == 1 else f'{word}s'}"
