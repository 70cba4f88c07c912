"""One sign-in at the terminal: the person is sent to a browser, and the command waits for how it ends."""

import json
import sys
from collections.abc import Mapping

import click

from meshmesh import exits, wire
from meshmesh.cli.output import kind_word
from meshmesh.cli.terminal import Terminal
from meshmesh.documents import Document
from meshmesh.failures import Failure, UnexpectedAnswer
from meshmesh.http1 import segment
from meshmesh.problems import problem_from
from meshmesh.transport import Answer, Transport

WAIT_SECONDS = 50


def finish(terminal: Terminal, answer: Answer, attempt: str, *, paste: bool, as_json: bool) -> None:
    """Bring a connection to its end and tell it.

    Args:
        terminal: where the service and the person are.
        answer: what connecting or reconnecting answered: a sign-in to wait for, or the connection.
        attempt: what is tried, for the sentence of a refusal.
        paste: the browser is on another machine.
        as_json: print the connection as JSON.

    Raises:
        Failure: the sign-in did not end well.
    """
    sign_in = answer.json.child("sign_in")
    if sign_in is None:
        connection = answer.json.child("connection")
        if connection is None:
            raise UnexpectedAnswer("It holds neither a sign-in nor a connection.")
        name = connection.text("name")
    else:
        _send_to_browser(terminal, sign_in.text("authorize_url"))
        if sign_in.optional_text("note"):
            terminal.say(sign_in.text("note"))
        ended = _pasted(terminal, sign_in, attempt) if paste else await_sign_in(terminal.service, sign_in, attempt)
        name = ended.text("connection")
    answer = terminal.service.request("GET", f"/v1/connections/{segment(name)}", attempt=attempt)
    if as_json:
        terminal.show_json(answer)
        return
    found = answer.json
    terminal.say(
        f"You're in: {name} is {found.optional_text('org_name') or 'connected'} ({kind_word(found.text('kind'))})"
    )
    terminal.say(f"  as {found.optional_text('username')}. Next: meshmesh exec {name} -- CMD, or meshmesh pair PROGRAM")


def _send_to_browser(terminal: Terminal, address: str) -> None:
    if has_browser(terminal.environ, sys.platform):
        import webbrowser

        if webbrowser.open(address):
            terminal.say(f"Your browser opens the sign-in. If it does not: {address}")
            return
    terminal.say("Open this address in a browser:")
    terminal.show(address)
    if terminal.environ.get("SSH_CONNECTION"):
        port = _port(terminal)
        terminal.say(f"From another machine, first: ssh -L {port}:localhost:{port} {_here(terminal)}")
        terminal.say("Or give --paste, and paste the address that the browser ends at.")


def has_browser(environ: Mapping[str, str], platform: str) -> bool:
    """Whether a browser can be opened where this runs."""
    if environ.get(wire.ENV_NO_BROWSER) or environ.get("SSH_CONNECTION"):
        return False
    return platform != "linux" or bool(environ.get("DISPLAY") or environ.get("WAYLAND_DISPLAY"))


def _port(terminal: Terminal) -> int:
    return terminal.service.request("GET", "/status", attempt="read the status").json.number("port")


def _here(terminal: Terminal) -> str:
    parts = terminal.environ["SSH_CONNECTION"].split()
    return parts[2] if len(parts) == 4 else "HOST"  # noqa: PLR2004 - client address and port, ours and port


def _pasted(terminal: Terminal, sign_in: Document, attempt: str) -> Document:
    terminal.say("After you approve, the browser may show that it cannot reach localhost. That is fine:")
    terminal.say("copy the whole address out of its address bar.")
    if terminal.may_ask:
        address = terminal.ask("Address", "--paste with the address on stdin")
    else:
        address = sys.stdin.readline().strip()
    if not address:
        raise click.UsageError("--paste: no address came on stdin.")
    target = f"/v1/sign-ins/{segment(sign_in.text('id'))}/redirect"
    ended = terminal.service.request("POST", target, {"url": address}, attempt=attempt).json
    return _ended_well(ended, attempt)


def await_sign_in(service: Transport, sign_in: Document, attempt: str) -> Document:
    """Wait until an attempt has ended.

    Args:
        service: the way to the service, as the owner.
        sign_in: the attempt, waiting.
        attempt: what is tried, for the sentence of a refusal.

    Raises:
        Failure: it failed, expired, or was cancelled.
    """
    target = f"/v1/sign-ins/{segment(sign_in.text('id'))}"
    while sign_in.text("status") == "waiting":
        sign_in = service.request("GET", target, attempt=attempt, wait=WAIT_SECONDS).json
    return _ended_well(sign_in, attempt)


def _ended_well(sign_in: Document, attempt: str) -> Document:
    status = sign_in.text("status")
    if status == "done":
        return sign_in
    error = sign_in.child("error")
    if error is not None:
        known = error.values.get("status")
        raise problem_from(known if isinstance(known, int) else 409, json.dumps(error.values).encode(), attempt)
    why = "The sign-in was cancelled." if status == "cancelled" else "Nobody signed in within ten minutes."
    raise Failure(f"Could not {attempt}.", why, "Run the same command again.", exits.Exit.NOT_ALLOWED)
