"""Pairing at the terminal: ask as a program would, and decide as the owner; also what paired programs ask for."""

import json
import time

import click

from meshmesh.cli.completing import complete_codes
from meshmesh.cli.options import Duration, GrantAsked, GrantType, json_option
from meshmesh.cli.output import table, terminal_width, until
from meshmesh.cli.presence import request
from meshmesh.cli.terminal import Terminal, pass_terminal, unanswered
from meshmesh.documents import Document
from meshmesh.exits import Exit
from meshmesh.failures import Failure, UnexpectedAnswer
from meshmesh.http1 import segment
from meshmesh.problems import problem_from
from meshmesh.transport import Answer, Transport

_SLOW_DOWN_SECONDS = 5  # RFC 8628, section 3.5
_ACCESS_REQUEST = "ask-"  # begins the id of a paired program's request; a pairing's code has letters only
_ENDED = {"access_denied": "You denied it.", "expired_token": "Nobody approved it in time."}


@click.command()
@click.argument("name")
@click.option("--want", "wants", type=GrantType(), multiple=True, metavar="NAME:MODE[:token]", help="Ask for a grant.")
@json_option
@pass_terminal
def pair(terminal: Terminal, name: str, wants: tuple[GrantAsked, ...], as_json: bool) -> None:
    """Pair a program called NAME, asking as it would itself; its pairing token is printed once."""
    asking = Transport(terminal.service.door)  # as anybody: the approval is what counts
    body = {"client_name": name, "wants": [want.body for want in wants]}
    asked = asking.request("POST", "/v1/pair", body, attempt=f"ask to pair {name!r}").json
    code = asked.text("user_code")
    hint = " ".join(f"--grant {_spelled(want.body)}" for want in wants) or "--grant NAME:MODE"
    terminal.say(f"The code is {code}. It is good for {asked.number('expires_in') // 60} min.")
    terminal.say(f"Approve it, in another terminal: meshmesh approve {code} {hint}")
    given = await_pairing(asking, asked)
    terminal.say(f"{name} is paired. This is its pairing token; it is shown this once:")
    if as_json:
        terminal.show_json(given)
    else:
        terminal.show(given.json.text("access_token"))


def await_pairing(asking: Transport, asked: Document) -> Answer:
    """Poll until the owner has decided.

    Args:
        asking: the way to the service, without a token.
        asked: the answer of `POST /v1/pair`.

    Raises:
        Failure: denied, or too late.
    """
    pause = asked.number("interval")
    while True:
        answer = asking.exchange("POST", "/v1/pair/token", {"device_code": asked.text("device_code")})
        if answer.status < 400:  # noqa: PLR2004
            return answer
        error = answer.json.values.get("error")
        if not isinstance(error, str):
            raise problem_from(answer.status, answer.body, "pair")
        if error in _ENDED:
            raise Failure("Not paired.", _ENDED[error], "Ask again: meshmesh pair NAME", Exit.NOT_ALLOWED)
        if error not in {"authorization_pending", "slow_down"}:
            raise UnexpectedAnswer(f"Pairing answered {error!r}.")
        pause += _SLOW_DOWN_SECONDS if error == "slow_down" else 0
        time.sleep(pause)


@click.command()
@click.argument("code", shell_complete=complete_codes)
@click.option(
    "--grant",
    "grants",
    type=GrantType(),
    multiple=True,
    metavar="NAME:MODE[:token]",
    help="What it may do; may be given several times. MODE is read, plan or build.",
)
@click.option(
    "--for", "seconds", type=Duration(), default="30d", show_default=True, metavar="TIME", help="For so long."
)
@json_option
@pass_terminal
def approve(terminal: Terminal, code: str, *, grants: tuple[GrantAsked, ...], seconds: int, as_json: bool) -> None:
    """Let in the program that shows CODE.

    Without --grant it gets what it asks for, after a question. CODE may also be the id of a paired program's request for
    a connection: one --grant then says which.
    """
    if code.startswith(_ACCESS_REQUEST):
        wanted = [_only(grants).body | {"expires_in": seconds}]
        body = wanted[0]
    else:
        asked = [grant.body for grant in grants] or _agreed(terminal, code)
        wanted = [grant | {"expires_in": seconds} for grant in asked]
        body = {"grants": wanted}
    answer = request(terminal, "POST", _decision(code, "approve"), body, attempt=f"approve {code}")
    if as_json:
        terminal.show_json(answer)
    else:
        terminal.say(f"Approved: {', '.join(_spelled(grant) for grant in wanted)}")


def _decision(code: str, verb: str) -> str:
    """The address of a decision."""
    kind = "access-requests" if code.startswith(_ACCESS_REQUEST) else "pairings"
    return f"/v1/{kind}/{segment(code)}/{verb}"


def _only(grants: tuple[GrantAsked, ...]) -> GrantAsked:
    match grants:
        case (grant,):
            return grant
        case ():
            raise unanswered("Which connection may it use, and how?", "--grant NAME:MODE, such as --grant demo:read,")
        case _:
            raise click.UsageError("A request for a connection takes one --grant.")


def _agreed(terminal: Terminal, code: str) -> list[dict[str, object]]:
    pending = terminal.service.request("GET", "/v1/pairings", attempt=f"approve {code}").json.children("pairings")
    asked = next((one for one in pending if one.text("user_code") == code.upper()), None)
    wants = asked.children("wants") if asked else []
    grants: list[dict[str, object]] = [
        {"connection": want.text("connection"), "mode": want.text("mode"), "raw_token": want.flag("raw_token")}
        for want in wants
        if want.optional_text("connection")
    ]
    question = "What may it do?"
    if asked is None or not grants:
        raise unanswered(question, "--grant NAME:MODE, such as --grant demo:read,")
    terminal.say(f"{asked.text('client_name')} ({_seen(asked)}) asks for:")
    for grant in grants:
        terminal.say(f"  {_spelled(grant)}")
    terminal.confirm("Let it in?", f"--grant {_spelled(grants[0])}")
    return grants


def _spelled(grant: dict[str, object]) -> str:
    return f"{grant['connection']}:{grant['mode']}" + (":token" if grant.get("raw_token") else "")


@click.command()
@click.argument("code", shell_complete=complete_codes)
@click.option(
    "--always", is_flag=True, help="Do not ask about this program again; meshmesh client allow-again undoes it."
)
@json_option
@pass_terminal
def deny(terminal: Terminal, code: str, always: bool, as_json: bool) -> None:
    """Turn away the program that shows CODE, or the request for a connection that has it as its id."""
    if always and code.startswith(_ACCESS_REQUEST):
        raise click.UsageError("--always is for programs that ask to be paired; end a paired one with meshmesh revoke.")
    body = {"always": True} if always else {}
    answer = terminal.service.request("POST", _decision(code, "deny"), body, attempt=f"deny {code}")
    if as_json:
        terminal.show_json(answer)
    elif always:
        terminal.say("Denied, and it will not be asked about again. Undo: meshmesh client refusals")
    else:
        terminal.say("Denied. It gets nothing.")


@click.command()
@json_option
@pass_terminal
def requests(terminal: Terminal, as_json: bool) -> None:
    """List who asks: programs that want to be paired, and paired ones that want a connection."""
    attempt = "list the requests"
    pairings = terminal.service.request("GET", "/v1/pairings", attempt=attempt).json
    access = terminal.service.request("GET", "/v1/access-requests", attempt=attempt).json
    if as_json:
        terminal.show(json.dumps(access.values | pairings.values))
        return
    tables = [_pairings(terminal, pairings.children("pairings")), _access(terminal, access.children("access_requests"))]
    filled = [lines for lines in tables if lines]
    if not filled:
        terminal.show("Nobody asks for anything.")
    for number, lines in enumerate(filled):
        for line in ["", *lines] if number else lines:
            terminal.show(line)


def _pairings(terminal: Terminal, pending: list[Document]) -> list[str]:
    rows = [
        (
            one.text("user_code"),
            one.text("client_name"),
            _wanted(one),
            _seen(one),
            until(one.optional_text("expires_at"), terminal.now()),
        )
        for one in pending
    ]
    headings = ("CODE", "SAYS IT IS", "WANTS", "SEEN", "LEFT")
    return table(headings, rows, terminal_width(terminal.environ)) if rows else []


def _access(terminal: Terminal, pending: list[Document]) -> list[str]:
    rows = [
        (
            one.text("id"),
            one.text("client"),
            one.text("mode") + (":token" if one.flag("raw_token") else ""),
            until(one.optional_text("expires_at"), terminal.now()),
            one.text("purpose"),
        )
        for one in pending
    ]
    return (
        table(("ID", "PROGRAM", "WANTS", "LEFT", "FOR"), rows, terminal_width(terminal.environ), folds=True)
        if rows
        else []
    )


def _wanted(one: Document) -> str:
    wants = (f"{want.optional_text('connection') or '?'}:{want.text('mode')}" for want in one.children("wants"))
    return ", ".join(wants) or "-"


def _seen(one: Document) -> str:
    seen = one.child("seen") or Document({})
    exe = seen.optional_text("exe") or seen.optional_text("origin") or "not known"
    parent = seen.values.get("parent")
    return f"{exe} from {parent}" if isinstance(parent, str) and parent else exe
