"""`meshmesh doctor`: what is wrong with a connection, or with the installation; safe to paste."""

import json
import platform
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import cast

import click

from meshmesh.cli import installation, surroundings
from meshmesh.cli.completing import complete_connections
from meshmesh.cli.installation import Check, Level
from meshmesh.cli.options import json_option
from meshmesh.cli.output import status_word, terminal_width, wrapped
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import UnexpectedAnswer
from meshmesh.http1 import segment
from meshmesh.paths import Paths, resolve
from meshmesh.problems import next_step

# verdict -> what it is called, and what a script should make of it
VERDICTS: dict[str, tuple[str, Exit]] = {
    "ok": ("All is well", Exit.OK),
    "access_denied": ("Access Denied", Exit.NOT_ALLOWED),
    "session_expired": ("Session Expired", Exit.NOT_ALLOWED),
    "feature_missing": ("Connected, but a feature is off or hidden", Exit.NOT_ALLOWED),
    "license_missing": ("Connected, but a licence is missing", Exit.NOT_ALLOWED),
    "app": ("The org does not admit the app", Exit.NOT_ALLOWED),
    "limit": ("A limit of the org is used up", Exit.TRY_AGAIN),
    "org": ("The org is not available", Exit.TRY_AGAIN),
    "network": ("Salesforce cannot be reached from here", Exit.TRY_AGAIN),
}
_RULE = "-" * 76
_POINT = "  - "
_INDENT = 23  # of what is found: a mark and a name stand in front of it


@click.command()
@click.argument("name", required=False, shell_complete=complete_connections)
@click.option(
    "-o", "--target-org", "target", metavar="NAME", help="The same as NAME.", shell_complete=complete_connections
)
@click.option("--error", "error", metavar="TEXT", help="What failed: the error code or message that a tool printed.")
@click.option("--fix", is_flag=True, help="Mend what is safe: modes of our own files, what a dead service left.")
@click.option("--names", is_flag=True, help="Name the connections too.")
@json_option
@click.pass_context
def doctor(
    context: click.Context,
    *,
    name: str | None,
    target: str | None,
    error: str | None,
    fix: bool,
    names: bool,
    as_json: bool,
) -> None:
    """Say what is wrong: with connection NAME, or without one with the installation.

    The output holds no secret. For a connection it ends with a message to copy to an admin, where one can help.
    """
    terminal = context.ensure_object(Terminal)
    if name and target and name != target:
        raise click.UsageError(f"NAME is {name!r} and --target-org is {target!r}: give one of them.", context)
    about = name or target
    if error and not about:
        raise click.UsageError("--error is about a connection: give its NAME.", context)
    paths = resolve(terminal.environ)
    fixed = [*installation.mend_modes(paths), *installation.clear_leftovers(paths)] if fix else []
    if about:
        for line in fixed:
            terminal.say(_tilde(f"fixed: {line}"))
        context.exit(_connection(terminal, about, error, as_json=as_json))
    context.exit(_installation(terminal, paths, fixed, names=names, as_json=as_json))


# --- A connection --------------------------------------------------------------------------------------------------


def _connection(terminal: Terminal, name: str, error: str | None, *, as_json: bool) -> Exit:
    body = {"error": " ".join(error.split())} if error else {}
    answer = terminal.service.request(
        "POST", f"/v1/connections/{segment(name)}/diagnose", body, attempt=f"diagnose {name!r}"
    )
    found = answer.json
    verdict = found.text("verdict")
    if verdict not in VERDICTS:
        raise UnexpectedAnswer(f"Its verdict is {verdict!r}.")
    words, code = VERDICTS[verdict]
    if as_json:
        terminal.show_json(answer)
        return code
    for line in _told(name, words, found, terminal_width(terminal.environ)):
        terminal.show(line)
    return code


def _told(name: str, words: str, found: Document, width: int | None) -> Iterator[str]:
    yield f"{name}: {words}"
    yield ""
    evidence = found.values.get("evidence")
    lines = cast("list[object]", evidence) if isinstance(evidence, list) else []
    for line in lines:
        first, *more = wrapped(str(line), len(_POINT), width)
        yield _POINT + first
        yield from (" " * len(_POINT) + part for part in more)
    message = found.optional_text("message_for_admin")
    if message:
        yield from ("", "Message for your admin, to copy:", _RULE, *message.splitlines(), _RULE)
    step = found.child("next")
    if step is not None:
        command = next_step(step)
        label = step.optional_text("label")
        yield ""
        yield f"Next: {label}: {command}" if label and command != label else f"Next: {command}"


# --- The installation ----------------------------------------------------------------------------------------------


def _installation(terminal: Terminal, paths: Paths, fixed: list[str], *, names: bool, as_json: bool) -> Exit:
    status = installation.service_status(paths)
    found = [*surroundings.checks(terminal.environ, paths, status), *installation.checks(paths, status)]
    listed = _names(status) if names and status else []
    ill = any(check.level is Level.FAIL for check in found)
    if as_json:
        _show_json(found, fixed, listed)
    else:
        for line in _report(terminal, found, fixed, listed):
            terminal.show(line)
    return Exit.SETTINGS if ill else Exit.OK


def _names(status: Document) -> list[str]:
    return [f"{one.text('name')}: {status_word(one.text('status'))}" for one in status.children("connections")]


def _report(terminal: Terminal, found: list[Check], fixed: list[str], names: list[str]) -> Iterator[str]:
    system = f"{platform.system()} {platform.release()}"
    yield f"MeshMesh {version('meshmesh')}  {system}  {terminal.now():%Y-%m-%d %H:%MZ}  (safe to share)"
    yield ""
    width = terminal_width(terminal.environ)
    for line in fixed:
        yield f" fixed  {_tilde(line)}"
    for check in found:
        mark = "FAIL" if check.level is Level.FAIL else check.level.value
        yield from _item(mark, check.name, check.detail, width)
        if check.step:
            yield from _item("", "", f"-> {check.step}", width)
    for line in names:
        yield from _item("", "", line, width)
    yield ""
    yield _summary(found)


def _item(mark: str, name: str, text: str, width: int | None) -> Iterator[str]:
    """One line of the report, and further ones below it where it is long."""
    first, *others = wrapped(_tilde(text), _INDENT, width)
    yield f" {mark:<5}  {name:<14} {first}"
    yield from (" " * _INDENT + line for line in others)


def _summary(found: list[Check]) -> str:
    problems = sum(check.level is Level.FAIL for check in found)
    warnings = sum(check.level is Level.WARN for check in found)
    if not problems and not warnings:
        return "All is well."
    return f"{problems} {'problem' if problems == 1 else 'problems'}, {warnings} {'warning' if warnings == 1 else 'warnings'}."


def _show_json(found: list[Check], fixed: list[str], names: list[str]) -> None:
    document = {
        "version": version("meshmesh"),
        "checks": [
            {"level": check.level.value, "name": check.name, "detail": _tilde(check.detail), "next": _step(check)}
            for check in found
        ],
        "fixed": [_tilde(line) for line in fixed],
        "names": names,
    }
    print(json.dumps(document), flush=True)


def _step(check: Check) -> str | None:
    return _tilde(check.step) if check.step else None


def _tilde(text: str) -> str:
    """Without the person's name, which the home folder gives away."""
    return text.replace(f"{Path.home()}/", "~/")
