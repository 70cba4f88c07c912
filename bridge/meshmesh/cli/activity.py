"""`meshmesh activity`: who did what and when; followed, exported, proven."""

import json
from collections.abc import Iterator

import click

from meshmesh.cli.options import json_option
from meshmesh.cli.output import moment, table, terminal_width
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit

SHOWN = 50
PAGE = 1000
WAIT_SECONDS = 25
HEADINGS = ("ROW", "WHEN", "WHO", "CONNECTION", "WHAT")
_NAMES = 12  # so that the columns stand still while rows come in one by one
_ATTEMPT = "read the activity"


@click.command()
@click.option("--follow", is_flag=True, help="Go on showing rows as they come, until Ctrl-C.")
@click.option("--verify", is_flag=True, help="Prove that no row was changed, put in or taken out.")
@click.option("--json-lines", "as_lines", is_flag=True, help="Print every row as a line of JSON, oldest first.")
@json_option
@click.pass_context
def activity(context: click.Context, *, follow: bool, verify: bool, as_lines: bool, as_json: bool) -> None:
    """Show who did what, newest last."""
    if verify and (follow or as_lines):
        raise click.UsageError("--verify stands alone, or with --json.", context)
    if follow and as_json:
        raise click.UsageError("--follow goes on for ever: use --json-lines with it.", context)
    terminal = context.ensure_object(Terminal)
    if verify:
        context.exit(_prove(terminal, as_json=as_json))
    elif as_lines:
        _export(terminal, follow=follow)
    elif as_json:
        terminal.show_json(terminal.service.request("GET", f"/v1/activity?last={SHOWN}", attempt=_ATTEMPT))
    else:
        _show(terminal, follow=follow)


def _prove(terminal: Terminal, *, as_json: bool) -> Exit:
    answer = terminal.service.request("GET", "/v1/activity/verify", attempt="prove the activity")
    verdict = answer.json
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.show(verdict.text("detail"))
    return Exit.OK if verdict.flag("whole") else Exit.NOT_ALLOWED


def _export(terminal: Terminal, *, follow: bool) -> None:
    for rows in _pages(terminal, 0, follow=follow):
        for row in rows:
            terminal.show(json.dumps(row.values))


def _show(terminal: Terminal, *, follow: bool) -> None:
    newest = terminal.service.request("GET", f"/v1/activity?last={SHOWN}", attempt=_ATTEMPT).json.children("activity")
    if not newest and not follow:
        terminal.show("Nothing has happened yet.")
        return
    heading, *lines = _lines(terminal, newest)
    for line in (heading, *lines):
        terminal.show(line)
    if follow:
        for rows in _pages(terminal, newest[-1].number("seq") if newest else 0, follow=True):
            for line in _lines(terminal, rows)[1:]:
                terminal.show(line)


def _pages(terminal: Terminal, after: int, *, follow: bool) -> Iterator[list[Document]]:
    """Rows page by page; those that follow wait at the end for what comes."""
    wait = WAIT_SECONDS if follow else 0
    while True:
        target = f"/v1/activity?after={after}&limit={PAGE}"
        page = terminal.service.request("GET", target, attempt=_ATTEMPT, wait=wait).json
        rows = page.children("activity")
        if rows:
            after = rows[-1].number("seq")
            yield rows
        if page.values.get("next") is None and not follow:
            return


def _lines(terminal: Terminal, rows: list[Document]) -> list[str]:
    cells = [
        (
            str(row.number("seq")).rjust(len(HEADINGS[0])),
            _when(row),
            (row.child("actor") or Document({})).optional_text("name").ljust(_NAMES),
            row.optional_text("connection").ljust(_NAMES),
            _what(row),
        )
        for row in rows
    ]
    return table(HEADINGS, cells, terminal_width(terminal.environ), folds=True)


def _when(row: Document) -> str:
    at = moment(row.optional_text("at"))
    return at.astimezone().strftime("%d %b %H:%M") if at else "?".ljust(12)


def _what(row: Document) -> str:
    outcome = row.text("outcome")
    said = row.text("detail") or row.text("action")
    return said if outcome in {"done", "begun"} else f"{outcome}: {said}"
