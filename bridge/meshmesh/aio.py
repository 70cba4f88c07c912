"""The Python client on asyncio: the same talks, carried over asyncio's streams. Standard library only.

async with meshmesh.aio.connect("acme") as org:
    async for account in org.query("SELECT Id, Name FROM Account LIMIT 5"):
        print(account["Name"])
"""

import asyncio
import os
import time
from collections.abc import AsyncGenerator, AsyncIterator, Iterable
from contextlib import asynccontextmanager, suppress
from types import TracebackType

from meshmesh import wire
from meshmesh.client import access, asking, pairing
from meshmesh.client.asking import Params, Record
from meshmesh.client.errors import Unreadable
from meshmesh.client.keeping import keeper
from meshmesh.client.line import CONNECT_SECONDS, Line, compose, find_door, lost, not_there, parse
from meshmesh.client.org import APPROVAL_SECONDS, Session, session_of
from meshmesh.client.pairing import Show, Want
from meshmesh.client.planning import Draft, plans
from meshmesh.client.program import ASK_SECONDS, known_line, on_stderr, own_name
from meshmesh.client.talk import PATIENCE_SECONDS, Json, Pause, Reply, Step, T, Talk
from meshmesh.client.views import Connection, Plan, Token
from meshmesh.failures import UnexpectedAnswer


async def run(line: Line, talk: Talk[T]) -> T:
    """Carry a talk to its end, as `Line.run` does.

    Raises:
        Error: what the talk raises, or nobody answers.
    """
    try:
        step = next(talk)
        while True:
            step = talk.send(await _take(line, step))
    except StopIteration as end:
        value: T = end.value
        return value
    except UnexpectedAnswer as error:
        raise Unreadable(error.why) from None


async def _take(line: Line, step: Step) -> Reply:
    if isinstance(step, Pause):
        await asyncio.sleep(step.seconds)
        return Reply(status=204, took=step.seconds)
    begun = time.monotonic()
    sent = compose(line, step)
    reader, writer = await _open(line)
    try:
        async with asyncio.timeout(PATIENCE_SECONDS + step.wait):
            writer.write(sent)
            await writer.drain()
            raw = await reader.read()  # all of it: the service closes the line behind its answer
    except OSError as error:
        raise lost(error) from None
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return parse(raw, time.monotonic() - begun)


async def _open(line: Line) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    try:
        sock = await asyncio.to_thread(line.door.open, CONNECT_SECONDS)
    except OSError as error:
        raise not_there(line.door, error) from None
    sock.setblocking(False)
    return await asyncio.open_connection(sock=sock)


class Program:
    """This program, as a client of MeshMesh; see `meshmesh.Program`.

    Args:
        name: as the owner knows it.
        line: the way to the service, with the pairing token.
    """

    def __init__(self, name: str, line: Line) -> None:
        self.name = name
        self._line = line

    def __repr__(self) -> str:
        return f"Program({self.name!r})"

    @asynccontextmanager
    async def connect(self, connection: str = "") -> AsyncGenerator["Org"]:
        """Use a connection, for as long as the block lasts."""
        name = connection or os.environ.get(wire.ENV_CONNECTION, "")
        yield Org(self._line, await run(self._line, asking.chosen(name)))

    @asynccontextmanager
    async def ask_for(
        self, purpose: str, *, mode: str = "plan", raw_token: bool = False, wait: int = ASK_SECONDS
    ) -> AsyncGenerator["Org"]:
        """Ask the owner for a connection, wait for the answer, and use it; see `meshmesh.Program.ask_for`.

        Raises:
            AccessNotGiven: denied, or not decided.
            Error: another error of this package.
        """
        talk = access.ask(purpose, mode=mode, raw_token=raw_token, wait=wait, show=on_stderr)
        async with self.connect(await run(self._line, talk)) as org:
            yield org

    async def connections(self) -> list[Connection]:
        """All that this program may use, and how they stand; Salesforce is not called."""
        return await run(self._line, asking.connections())


@asynccontextmanager
async def connect(connection: str = "", *, program: str = "") -> AsyncGenerator["Org"]:
    """Use a connection: `async with meshmesh.aio.connect("acme") as org:`; see `meshmesh.connect`.

    Raises:
        NotPaired: this program is nobody yet.
        NotGranted: it may not use this connection.
        Error: another error of this package.
    """
    name = program or own_name()
    line = await asyncio.to_thread(known_line, name)
    async with Program(name, line).connect(connection) as org:
        yield org


async def pair(
    name: str = "", *, wants: Iterable[Want | str] = (), kind: str = "script", show: Show | None = None
) -> Program:
    """Pair this program, once; see `meshmesh.pair`.

    Raises:
        PairingRefused: denied, or nobody decided in time.
        ServiceNotRunning: nobody is there to ask.
        Error: another error of this package.
    """
    name = name or own_name()
    kept = await asyncio.to_thread(keeper, name, os.environ)
    door = await asyncio.to_thread(find_door, os.environ)
    token = pairing.lent_token(os.environ)
    if token is not None:
        return Program(name, Line(door, token))
    token = await asyncio.to_thread(kept.load)
    if token is None or not await run(Line(door, token), pairing.is_known()):
        wanted = [Want.of(want) for want in wants]
        token = await run(Line(door), pairing.ask(name, wanted, kind=kind, show=show or on_stderr))
        await asyncio.to_thread(kept.store, token)
    return Program(name, Line(door, token))


class Org:
    """A connection that this program uses; see `meshmesh.Org`.

    Args:
        line: the way to the service.
        connection: the connection, as it stood.
    """

    def __init__(self, line: Line, connection: Connection) -> None:
        self.connection = connection
        self._line = line

    def __repr__(self) -> str:
        return f"Org({self.name!r}, mode={self.connection.mode!r})"

    @property
    def name(self) -> str:
        """The connection's name."""
        return self.connection.name

    async def look(self) -> Connection:
        """The connection as it stands now; Salesforce is not called."""
        self.connection = await run(self._line, asking.connection(self.name))
        return self.connection

    async def request(
        self, method: str, path: str, *, json: Json = None, params: Params | None = None, wait: int = 0
    ) -> Reply:
        """One request to Salesforce's REST; see `meshmesh.Org.request`.

        Raises:
            Error: one of the errors of this package.
        """
        talk = asking.brokered(self.connection, method, path, body=json, params=params, wait=wait)
        return await run(self._line, talk)

    async def query(self, soql: str) -> AsyncIterator[Record]:
        """The records of a query, fetched page by page as they are taken.

        Raises:
            Error: one of the errors of this package.
        """
        page = await run(self._line, asking.page(self.connection, "query", {"q": soql}))
        while True:
            for record in page.records:
                yield record
            if not page.next_path:
                return
            page = await run(self._line, asking.page(self.connection, page.next_path))

    def plan(self, reason: str) -> "PlanDraft":
        """Propose changes together: `async with org.plan("why") as plan:`."""
        return PlanDraft(self._line, self.connection, reason)

    async def plans(self) -> list[Plan]:
        """This program's plans for this connection, as they stand."""
        return [plan for plan in await run(self._line, plans()) if plan.connection == self.name]

    async def token(self, *, min_ttl: int = 0, wait: int = 0) -> Token:
        """The access token itself, where this program was granted it; see `meshmesh.Org.token`.

        Raises:
            Error: one of the errors of this package.
        """
        return await run(self._line, asking.token(self.name, min_ttl=min_ttl, wait=wait))

    def session(self) -> Session:
        """Address and handle for any other library."""
        return session_of(self.connection, self._line)


class PlanDraft(Draft):
    """A plan: collected in an `async with` block, handed in at its end, nothing where the block fails.

    Args:
        line: the way to the service.
        org: the connection to change.
        reason: why.
    """

    def __init__(self, line: Line, org: Connection, reason: str) -> None:
        super().__init__(org, reason)
        self._line = line

    async def __aenter__(self) -> "PlanDraft":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            await run(self._line, self.hand_in())

    async def wait(self, seconds: int = APPROVAL_SECONDS) -> Plan:
        """The plan once it was carried out, with what Salesforce answered to each request; see `Draft.outcome`."""
        return await run(self._line, self.outcome(seconds))

    async def withdraw(self) -> None:
        """Take it back before the owner decides."""
        await run(self._line, self.take_back())
