"""`meshmesh quickstart`: the main job in one go, on the demo org, with every step shown.

Nothing is pretended: the sign-in goes through the OAuth redirect, the pairing through the API that programs use, the
query through the broker with the pairing token. The token itself is fetched, and never shown.
"""

import os
import shutil
import signal
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager, suppress
from urllib.parse import quote

import click

from meshmesh.cli import service, visitor
from meshmesh.cli.output import table, terminal_width
from meshmesh.cli.pairing import await_pairing
from meshmesh.cli.signing_in import await_sign_in
from meshmesh.cli.terminal import Terminal, pass_terminal
from meshmesh.documents import Document
from meshmesh.failures import Failure, UnexpectedAnswer
from meshmesh.http1 import segment
from meshmesh.paths import resolve
from meshmesh.transport import TcpDoor, Transport, UnixDoor

NAME = "demo"
PROGRAM = "quickstart"
COLUMNS = ("Name", "Industry", "BillingCity")
QUERY = f"SELECT {', '.join(COLUMNS)} FROM Account ORDER BY Name LIMIT 5"  # noqa: S608 - SOQL of constants


@click.command()
@click.option("--keep", is_flag=True, help="Leave the service running.")
@pass_terminal
def quickstart(terminal: Terminal, keep: bool) -> None:
    """Try everything on the demo org: connect, pair, get a token, query.

    Starts the service if none runs, and stops it again without --keep. Needs no network and no Salesforce account.
    """
    paths = resolve(terminal.environ)
    tour = Tour(terminal)
    with service.alone(paths) as waited:
        if waited:
            terminal.say("Another quickstart was running here; it is done now.")
        with _service(tour, keep=keep) as (owner, port):
            _connect(tour, owner)
            client = _pair(tour, owner, port)
            try:
                _token(tour, client)
                _query(tour, client)
            finally:
                _part(owner, client)
    tour.go_on(port, running=keep or not tour.started)


class Tour:
    """Prints numbered steps with the time that each took.

    Args:
        terminal: where to print.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self.started = False
        self._number = 0
        self._begun = time.monotonic()

    def step(self, title: str) -> None:
        """Begin a step."""
        self._number += 1
        passed = time.monotonic() - self._begun
        self.terminal.show(f"{self._number}. {title:<68}{passed:5.1f} s")

    def tell(self, text: str) -> None:
        """A line of the present step."""
        self.terminal.show(f"   {text}")

    def go_on(self, port: int, *, running: bool) -> None:
        """The last lines: what to do next."""
        show = self.terminal.show
        own = _spelled("meshmesh")
        show("")
        show(f"Done in {time.monotonic() - self._begun:.1f} s. Go on:")
        if running:
            show(f"  The service runs: curl http://localhost:{port}/")
        else:
            show(f"  {_spelled('meshmeshd')}   start the service (it is stopped again now)")
        show(f"  {own} status")
        show(f"  {own} exec {NAME} -- sh -c \\")
        show(f"""    'curl -H "Authorization: Bearer $MESHMESH_TOKEN" "$MESHMESH_URL/o/{NAME}/services/data"'""")
        show(f"  {own} pair 'My program'   a pairing token that stays")
        show(f"  {own} connect acme --domain acme.my.salesforce.com   your own org")


def _spelled(name: str) -> str:
    """A program of ours as it can be typed here: its name, or its path where that is not on PATH."""
    beside = os.path.join(os.path.dirname(sys.executable), name)
    return name if shutil.which(name) == beside else os.path.relpath(beside)


@contextmanager
def _service(tour: Tour, *, keep: bool) -> Generator[tuple[Transport, int]]:
    paths = resolve(tour.terminal.environ)
    owner = Transport(UnixDoor(str(paths.socket)))
    if service.running(paths):
        status = owner.request("GET", "/status", attempt="read the status").json
        port = status.number("port")
        tour.step(f"Service: runs already (pid {status.number('pid')})")
        tour.tell(f"http://localhost:{port}/ and {paths.socket}")
        yield owner, port
        return
    tour.step("Service: starting meshmeshd")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _end)  # so that the service does not outlive us
    with service.started(paths, tour.terminal.environ, keep=keep) as child:
        tour.started = True
        tour.tell(f"pid {child.pid}, http://localhost:{child.port}/ and {paths.socket}")
        yield owner, child.port


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _connect(tour: Tour, owner: Transport) -> None:
    tour.step("Connection: signing in to the demo org through the OAuth redirect")
    attempt = "connect the demo org"
    there = owner.request("GET", "/v1/connections", attempt=attempt).json.children("connections")
    if any(one.text("name") == NAME for one in there):
        answer = owner.request("POST", f"/v1/connections/{NAME}/reconnect", {}, attempt=attempt)
    else:
        answer = owner.request("POST", "/v1/connections", {"name": NAME, "environment": "demo"}, attempt=attempt)
    sign_in = answer.json.child("sign_in")
    if sign_in is None:
        raise UnexpectedAnswer("It holds no sign-in.")
    visitor.sign_in(sign_in.text("authorize_url"), tour.tell)
    await_sign_in(owner, sign_in, attempt)
    found = owner.request("GET", f"/v1/connections/{NAME}", attempt=attempt).json
    tour.tell(f"{NAME} is {found.text('status')}: org {found.text('org_id')}, as {found.text('username')}")


def _pair(tour: Tour, owner: Transport, port: int) -> Transport:
    tour.step("Client: a program asks to be paired, the owner approves")
    attempt = "pair a program"
    anybody = Transport(TcpDoor(port))
    wants = [{"connection": NAME, "mode": "build", "raw_token": True}]
    asked = anybody.request("POST", "/v1/pair", {"client_name": PROGRAM, "wants": wants}, attempt=attempt).json
    code = asked.text("user_code")
    tour.tell(f"it shows the code {code}; approved with: meshmesh approve {code} --grant {NAME}:build:token")
    owner.request("POST", f"/v1/pairings/{segment(code)}/approve", {"grants": wants}, attempt=attempt)
    token = await_pairing(anybody, asked).json.text("access_token")
    tour.tell(f"it has a pairing token of {len(token)} characters, good on this machine only")
    return Transport(TcpDoor(port), token)


def _token(tour: Tour, client: Transport) -> None:
    tour.step("Token: handed to the program, since it was granted that")
    given = client.request("GET", f"/v1/connections/{NAME}/token", attempt=f"get the token of {NAME!r}").json
    token = given.text("access_token")
    tour.tell(f"a token of {len(token)} characters for org {given.text('org_id')} came; it is not shown")


def _query(tour: Tour, client: Transport) -> None:
    tour.step("Query: through the broker, where a program needs no token at all")
    found = client.request("GET", f"/v1/connections/{NAME}", attempt="query the demo org").json
    version = found.text("api_version").removeprefix("v")
    tour.tell(f"GET {found.text('broker_url')}/services/data/v{version}/query")
    tour.tell(QUERY)
    target = f"/o/{NAME}/services/data/v{version}/query?q={quote(QUERY)}"
    records = client.request("GET", target, attempt="query the demo org").json.children("records")
    if not records:
        raise UnexpectedAnswer("The query gave no records.")
    rows = [[_cell(record, column) for column in COLUMNS] for record in records]
    for line in table([name.upper() for name in COLUMNS], rows, (terminal_width(tour.terminal.environ) or 80) - 3):
        tour.tell(line)


def _cell(record: Document, column: str) -> str:
    value = record.values.get(column)
    return "" if value is None else str(value)


def _part(owner: Transport, client: Transport) -> None:
    """End the client: its token was this process's alone."""
    with suppress(Failure):
        me = client.request("GET", "/v1/me", attempt="end the pairing").json
        owner.request("DELETE", f"/v1/clients/{segment(me.text('id'))}", attempt="end the pairing")
