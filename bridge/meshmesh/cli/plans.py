"""Plans: what programs want to change. The owner looks, approves, rejects and undoes; a program looks and withdraws."""

import json
from collections.abc import Sequence

import click

from meshmesh.cli.completing import complete_plans
from meshmesh.cli.options import Duration, json_option
from meshmesh.cli.output import status_word, table, terminal_width, until
from meshmesh.cli.presence import request
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import Failure
from meshmesh.http1 import segment
from meshmesh.transport import Answer

WAIT_SECONDS = 50
_HEADINGS = ("RECORD", "FIELD", "NOW", "THEN")
_INDENT = "   "
_GAPS = 6  # between four columns
_LEAST_VALUE = 18
_WIDEST = 200  # where nobody says how wide a line may be
_WAITING = ("held", "stale")
_ON_ITS_WAY = ("approved", "running")


@click.command()
@click.option("--all", "everything", is_flag=True, help="Also the plans that are over.")
@json_option
@pass_terminal
def plans(terminal: Terminal, *, everything: bool, as_json: bool) -> None:
    """List the plans that wait, newest first."""
    shown = "all" if everything else "open"
    answer = terminal.service.request("GET", f"/v1/plans?show={shown}", attempt="list the plans")
    if as_json:
        terminal.show_json(answer)
        return
    listed = answer.json.children("plans")
    if not listed:
        terminal.show("There is no plan." if everything else "No plan waits. Those that are over: meshmesh plans --all")
        return
    rows = [
        (one.text("id"), one.text("client"), one.optional_text("connection") or "-", _state(terminal, one), _what(one))
        for one in listed
    ]
    for line in table(("ID", "PROGRAM", "CONNECTION", "STATUS", "WHAT"), rows, terminal_width(terminal.environ)):
        terminal.show(line)
    if answer.json.values.get("next"):
        terminal.say("There are more; the dashboard shows them all: meshmesh open")


def _what(plan: Document) -> str:
    items = plan.children("items")
    first = items[0].text("summary") if items else ""
    return first if len(items) == 1 else f"{first}, and {len(items) - 1} more"


def _state(terminal: Terminal, plan: Document) -> str:
    status = plan.text("status")
    left = until(plan.text("expires_at"), terminal.now()) if plan.flag("can_be_approved") else ""
    return f"{status_word(status)}, {left} left" if left else status_word(status)


@click.group()
def plan() -> None:
    """One plan: show, approve, reject, withdraw, undo."""


@plan.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plans)
@json_option
@pass_terminal
def show(terminal: Terminal, plan_id: str, as_json: bool) -> None:
    """Show what plan ID would change, field by field."""
    answer = _get(terminal, plan_id, attempt=f"show plan {plan_id}")
    if as_json:
        terminal.show_json(answer)
        return
    one = answer.json
    terminal.show(f"Plan {one.text('id')}: {_headline(terminal, one)}")
    if reason := one.optional_text("reason"):
        terminal.show(f"{_quoted(reason)}  ({one.text('client')}'s words)")
    if rejection := one.optional_text("rejection"):
        terminal.show(f"Rejected: {_quoted(rejection)}")
    for number, item in enumerate(one.children("items"), 1):
        terminal.show("")
        _show_item(terminal, number, item)
    if one.flag("can_be_approved"):
        terminal.say(f"Next: meshmesh plan approve {plan_id}   or   meshmesh plan reject {plan_id} --reason WHY")
    elif one.flag("can_be_undone"):
        terminal.say(f"Next: meshmesh plan undo {plan_id}")


def _headline(terminal: Terminal, plan: Document) -> str:
    org = plan.optional_text("connection") or "an org that is gone"
    return f"{plan.text('client')}, on {org}: {_state(terminal, plan)}"


def _show_item(terminal: Terminal, number: int, item: Document) -> None:
    result = item.child("result")
    answered = f", Salesforce answered {result.number('status')}" if result else ""
    terminal.show(f"{number}. {item.text('summary')}  [{status_word(item.text('status'))}{answered}]")
    if note := item.optional_text("note"):
        terminal.show(f"   ! {note}")
    rows = [
        (one.optional_text("record") or "(new)", one.text("field"), _value(one, "before"), _value(one, "after"))
        for one in item.children("changes")
        if one.values.get("before") != one.values.get("after")
    ]
    if rows:
        _show_changes(terminal, rows)


def _show_changes(terminal: Terminal, rows: Sequence[tuple[str, str, str, str]]) -> None:
    """A table of changes in which the values share what the names leave."""
    width = terminal_width(terminal.environ)
    longest = [max(len(row[column]) for row in (_HEADINGS, *rows)) for column in range(len(_HEADINGS))]
    room = (width or _WIDEST) - len(_INDENT) - longest[0] - longest[1] - _GAPS
    after = max(min(longest[3], room - longest[2]), min(longest[3], room // 2), _LEAST_VALUE)
    before = max(room - min(after, longest[3]), _LEAST_VALUE)
    cut = [(record, name, _cut(old, before), _cut(new, after)) for record, name, old, new in rows]
    for line in table(_HEADINGS, cut, width - len(_INDENT) if width else None):
        terminal.show(f"{_INDENT}{line}")


def _value(change: Document, name: str) -> str:
    """A value, exactly and quoted."""
    value = change.values.get(name)
    return "-" if value is None else _quoted(value)


def _cut(text: str, most: int) -> str:
    """A long value is cut, and says how many characters it has."""
    length = f"... ({len(text)})"
    return text if len(text) <= most else text[: most - len(length)] + length


def _quoted(value: object) -> str:
    """A value as JSON, so that nothing in it can pass for our own words; what does not print is spelt out."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


@plan.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plans)
@click.option(
    "--item",
    "items",
    multiple=True,
    metavar="ITEM",
    help="Only this item, by its number or id; the others are rejected.",
)
@click.option("--build-for", type=Duration(), metavar="TIME", help="Also Build Mode for so long, such as 30m.")
@json_option
@click.pass_context
def approve(
    context: click.Context, *, plan_id: str, items: tuple[str, ...], build_for: int | None, as_json: bool
) -> None:
    """Approve plan ID: it runs at once, as it was shown, and each request once."""
    terminal = context.ensure_object(Terminal)
    attempt = f"approve plan {plan_id}"
    seen = _get(terminal, plan_id, attempt=attempt).json
    chosen = _chosen(seen, items)
    for item in chosen:
        terminal.say(f"  {item.text('summary')}")
    # what is approved is what was shown here: an item that comes in between is not among them
    body: dict[str, object] = {"items": [item.text("id") for item in chosen]} if chosen else {}
    if build_for is not None:
        body["build_for"] = build_for
    answer = request(terminal, "POST", f"/v1/plans/{segment(plan_id)}/approve", body, attempt=attempt)
    while answer.json.text("status") in _ON_ITS_WAY:
        answer = _get(terminal, plan_id, attempt="wait for the plan", wait=WAIT_SECONDS)
    if as_json:
        terminal.show_json(answer)
    else:
        _tell_outcome(terminal, answer.json)
    context.exit(_exit(answer.json))


def _chosen(plan: Document, items: Sequence[str]) -> list[Document]:
    listed = plan.children("items")
    if not items:
        return [item for item in listed if item.text("status") in _WAITING]
    found: list[Document] = []
    for wanted in items:
        by_number = int(wanted) - 1 if wanted.isascii() and wanted.isdigit() and len(wanted) < 4 else -1  # noqa: PLR2004
        matching = [item for number, item in enumerate(listed) if number == by_number or item.text("id") == wanted]
        if not matching:
            step = f"meshmesh plan show {plan.text('id')}"
            raise Failure("Nothing was approved.", f"This plan has no item {wanted!r}.", step, Exit.USAGE)
        found += matching
    return found


def _tell_outcome(terminal: Terminal, plan: Document) -> None:
    items = plan.children("items")
    done = sum(item.text("status") == "done" for item in items)
    terminal.say(f"{done} of {len(items)} done.")
    for item in items:
        if item.text("status") != "done":
            note = item.optional_text("note")
            terminal.say(f"  {status_word(item.text('status'))}: {item.text('summary')}. {note}".rstrip())


def _exit(plan: Document) -> Exit:
    """Nothing is wrong with what the owner left out; what was held back can be approved again."""
    statuses = {item.text("status") for item in plan.children("items")}
    if statuses & {"failed", "unknown"}:
        return Exit.UNEXPECTED_ANSWER
    return Exit.TRY_AGAIN if "stale" in statuses else Exit.OK


@plan.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plans)
@click.option("--reason", metavar="WHY", help="Is told to the program.")
@json_option
@pass_terminal
def reject(terminal: Terminal, plan_id: str, reason: str | None, as_json: bool) -> None:
    """Reject plan ID: nothing of it is run."""
    body = {"reason": reason} if reason else {}
    target = f"/v1/plans/{segment(plan_id)}/reject"
    answer = terminal.service.request("POST", target, body, attempt=f"reject plan {plan_id}")
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say(f"Plan {plan_id} is rejected; nothing was changed. {answer.json.text('client')} is told.")


@plan.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plans)
@json_option
@pass_terminal
def withdraw(terminal: Terminal, plan_id: str, as_json: bool) -> None:
    """Take plan ID back, as the program that it is of."""
    target = f"/v1/plans/{segment(plan_id)}"
    answer = terminal.service.request("DELETE", target, attempt=f"withdraw plan {plan_id}")
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say(f"Plan {plan_id} is withdrawn; nothing was changed.")


@plan.command()
@click.argument("plan_id", metavar="ID", shell_complete=complete_plans)
@json_option
@pass_terminal
def undo(terminal: Terminal, plan_id: str, as_json: bool) -> None:
    """Make a plan that takes plan ID back; it is approved like any other."""
    target = f"/v1/plans/{segment(plan_id)}/undo"
    answer = terminal.service.request("POST", target, {}, attempt=f"undo plan {plan_id}")
    if as_json:
        terminal.show_json(answer)
        return
    made = answer.json
    terminal.show(made.text("id"))
    terminal.say(made.optional_text("reason"))
    terminal.say(f"Next: meshmesh plan show {made.text('id')}   then   meshmesh plan approve {made.text('id')}")


def _get(terminal: Terminal, plan_id: str, *, attempt: str, wait: int = 0) -> Answer:
    return terminal.service.request("GET", f"/v1/plans/{segment(plan_id)}", attempt=attempt, wait=wait)
