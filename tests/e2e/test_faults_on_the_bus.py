"""The fault table on a session bus: trouble that mends itself draws nothing, what only a person can mend draws one bubble.

That nothing was drawn is not proved by waiting for nothing. A witness, a connection that does need its person, falls while
the troubles last and again when they are over. What the notifier has gathered it tells all at once: when the witness's
bubble has come and gone, any other would have been drawn.
"""

import asyncio
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TypeVar

import pytest
import trustme

from support.desktop import bus
from support.drawer import Drawer, drawing, eventually
from support.faults import Line
from support.peer import Client, Json, Peer, connect, peer, reconnect, view
from support.refusals import REFUSALS, connect_for, meet, mend
from support.service import Answer, Service, start
from support.troubles import TROUBLES, lines_of_troubles, slug

WITNESS = "witness"
PROGRAM = "nightly.py"
KNOCK = "A program wants to use MeshMesh"  # drawn where the play's own pairing takes longer than half a second
DURING, AFTER = "while the troubles last", "when they are over"
TOGETHER = 5  # a digest names no more
PATIENT = {"Prefer": "wait=25"}

Got = TypeVar("Got")


@dataclass(frozen=True, kw_only=True)
class Group:
    """Refusals that fell together: whom each bubble named then and at the end, and how many bubbles were new meanwhile."""

    bubbles: list[list[str]]
    drawn: int
    left: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Fall:
    """One fall of the witness: the screen then and at the end, whether its caller still waited, and what it got."""

    screen: list[tuple[str, str]]
    waited: bool
    answer: Answer
    left: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Told:
    """What was drawn from the beginning to the end, and how the connections in trouble were."""

    during: dict[str, Json]
    after: dict[str, Answer]
    groups: dict[str, Group]
    falls: dict[str, Fall]
    named: list[list[str]]


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A service with a screen, and an org. What blocks is done in threads, so that the screen is drawn meanwhile."""

    service: Service
    org: Peer
    drawer: Drawer
    threads: ThreadPoolExecutor = field(repr=False)

    def begin(self, work: Callable[..., Got], *arguments: object) -> asyncio.Future[Got]:
        """Begin something that blocks."""
        return asyncio.get_running_loop().run_in_executor(self.threads, work, *arguments)

    def bubbles(self) -> list[list[str]]:
        """Whom each bubble on the screen names."""
        return [named(title, body) for title, body in self.drawer.screen.values()]

    async def told_of(self, names: Sequence[str]) -> list[list[str]]:
        """Wait until the screen names all of these; whom each bubble names then."""
        await self._until(lambda on_screen: on_screen.issuperset(names), f"not all named: {names}")
        return self.bubbles()

    async def rid_of(self, names: Sequence[str]) -> list[list[str]]:
        """Wait until the screen names none of these; whom each bubble names then."""
        await self._until(lambda on_screen: on_screen.isdisjoint(names), f"still named, some of {names}")
        return self.bubbles()

    async def _until(self, holds: Callable[[set[str]], bool], complaint: str) -> None:
        try:
            await eventually(lambda: holds({name for bubble in self.bubbles() for name in bubble}))
        except TimeoutError:
            raise AssertionError(f"{complaint}; on the screen: {self.drawer.screen}") from None


def named(title: str, body: str) -> list[str]:
    """Whom a bubble is about; an unknown one is about its whole title."""
    if re.fullmatch(r"\d+ connections need you", title):
        return body.split("\n", maxsplit=1)[0].removesuffix(".").split(", ")
    alone = re.fullmatch(r"(\S+)(: please sign in again| is blocked)", title)
    return [alone[1] if alone else title]


def hold(service: Service, names: Sequence[str]) -> tuple[Client, dict[str, str]]:
    """Pair a program with connections, and have it fetch the token of each."""
    client = Client.pair(service, *names)
    return client, {name: client.held(name) for name in names}


def be_in_trouble(client: Client, name: str, dead: str) -> Json:
    """Meet trouble; how the connection is then."""
    client.reject(name, dead)
    return view(client.service, name)


def recover(client: Client, name: str) -> Answer:
    """Wait for the token of a connection whose line is mended."""
    return client.service.call("GET", f"/v1/connections/{name}/token", token=client.token, headers=PATIENT)


def wait_for(service: Service, token: str, dead: str) -> Answer:
    """Meet the witness's dead session, and wait for another."""
    target, rejected = f"/v1/connections/{WITNESS}/token", {"rejected": dead}
    return service.call("POST", target, rejected, token=token, headers=PATIENT)


def connect_lines(service: Service, org: Peer, lines: Mapping[str, Line]) -> None:
    """Make a connection over each line, a few at a time."""

    def sign_in(row: str, line: Line) -> None:
        org.app(slug(row))
        connect(service, slug(row), line.origin, app={"client_id": slug(row)}, context=line.trusted)

    with ThreadPoolExecutor(4) as few:
        list(few.map(sign_in, lines, lines.values()))


def connect_refusals(service: Service, org: Peer) -> tuple[Client, dict[str, str]]:
    """Make a connection for each refusal, and hold its token."""
    for row in REFUSALS:
        connect_for(service, org, row)
    return hold(service, [slug(row) for row in REFUSALS])


async def fall_together(stage: Stage, client: Client, rows: Sequence[str], dead: Mapping[str, str]) -> Group:
    """Let refusals happen at once, and mend them when they were told."""
    names, before = [slug(row) for row in rows], stage.drawer.last

    def fall() -> None:
        for row in rows:
            meet(client, stage.org, row, dead[slug(row)])
            REFUSALS[row].undo(stage.org, slug(row))

    await stage.begin(fall)
    bubbles = await stage.told_of(names)
    for row in rows:
        await stage.begin(mend, stage.service, row)
    left = await stage.rid_of(names)
    return Group(bubbles=bubbles, drawn=stage.drawer.last - before, left=left)


async def fall_alone(stage: Stage, token: str, dead: str) -> Fall:
    """Let the witness be revoked while a program waits for it, and sign in again."""
    REFUSALS["the sign-in was revoked"].make(stage.org, WITNESS)
    waiting = stage.begin(wait_for, stage.service, token, dead)
    await stage.told_of([WITNESS])
    screen, waited = list(stage.drawer.screen.values()), not waiting.done()
    await stage.begin(reconnect, stage.service, WITNESS)
    left = await stage.rid_of([WITNESS])
    return Fall(screen=screen, waited=waited, answer=await waiting, left=left)


async def refuse_all(stage: Stage) -> dict[str, Group]:
    """Every refusal, in groups that one digest can name."""
    client, dead = await stage.begin(connect_refusals, stage.service, stage.org)
    rows, groups = list(REFUSALS), dict[str, Group]()
    for first in range(0, len(rows), TOGETHER):
        together = rows[first : first + TOGETHER]
        groups |= dict.fromkeys(together, await fall_together(stage, client, together, dead))
    return groups


async def play(stage: Stage, lines: Mapping[str, Line]) -> Told:
    """Every trouble at once, on a line of its own; meanwhile the refusals, and in the end the witness; then mend the lines."""
    client, dead = await stage.begin(hold, stage.service, [*map(slug, TROUBLES), WITNESS])
    token = stage.service.pair({"connection": WITNESS, "mode": "build", "raw_token": True}, name=PROGRAM)
    stage.org.lever("expire-session")
    for row, (trouble, _) in TROUBLES.items():
        trouble(lines[row])
    meeting = [stage.begin(be_in_trouble, client, slug(row), dead[slug(row)]) for row in TROUBLES]
    groups = await refuse_all(stage)
    during = await asyncio.gather(*meeting)
    falls = {DURING: await fall_alone(stage, token, dead[WITNESS])}
    for line in lines.values():
        line.mend()
    after = await asyncio.gather(*(stage.begin(recover, client, slug(row)) for row in TROUBLES))
    falls[AFTER] = await fall_alone(stage, token, await stage.begin(client.held, WITNESS))
    return Told(
        during=dict(zip(TROUBLES, during, strict=True)),
        after=dict(zip(TROUBLES, after, strict=True)),
        groups=groups,
        falls=falls,
        named=[named(str(call[3]), str(call[4])) for call in stage.drawer.calls],
    )


async def perform(stack: ExitStack, factory: pytest.TempPathFactory) -> Told:
    """Set the stage: a bus with a notification service, an org, lines to it, connections, the service."""
    home, authority = factory.mktemp("home"), trustme.CA()
    authority.cert_pem.write_to_path(str(home / "authority.pem"))
    threads = stack.enter_context(ThreadPoolExecutor(len(TROUBLES) + 2))  # ends last: by then nothing hangs
    org = stack.enter_context(peer(factory.mktemp("org")))
    lines = stack.enter_context(lines_of_troubles(org.origin, authority))
    session = stack.enter_context(bus(factory.mktemp("bus") / "b"))
    origins = ",".join([org.origin, *(line.origin for line in lines.values())])
    trusted = str(home / "authority.pem")
    async with drawing(session) as drawer:
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origins, SSL_CERT_FILE=trusted, **session.environ)
        stack.callback(service.stop)
        org.app(WITNESS)
        connect(service, WITNESS, org.origin, app={"client_id": WITNESS})
        connect_lines(service, org, lines)
        stage = Stage(service=service, org=org, drawer=drawer, threads=threads)
        return await play(stage, lines)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    """The whole table, played once."""
    with ExitStack() as stack:
        return asyncio.run(perform(stack, tmp_path_factory))


@pytest.mark.parametrize("row", TROUBLES)
def test_trouble_is_never_drawn(told: Told, row: str) -> None:
    """Nothing names a connection that is `offline`, neither while that lasts nor when it has mended itself."""
    assert told.during[row]["status"] == "offline"
    assert told.after[row].status == 200, told.after[row].body
    assert not [names for names in told.named if slug(row) in names]


@pytest.mark.parametrize("when", [DURING, AFTER])
def test_the_screen_is_the_witness_s_alone(told: Told, when: str) -> None:
    """With every trouble there is, and after it, the one who needs a person has the only bubble, until it is mended."""
    assert [named(*bubble) for bubble in told.falls[when].screen] == [[WITNESS]]
    assert told.falls[when].left == []


def test_nobody_else_is_ever_drawn(told: Told) -> None:
    """Every bubble of the whole play about a connection names who needed somebody, and nobody else."""
    ill = {WITNESS, *map(slug, REFUSALS)}

    assert {name for names in told.named for name in names} - {KNOCK} == ill


@pytest.mark.parametrize("row", REFUSALS)
def test_a_refusal_is_drawn_once(told: Told, row: str) -> None:
    """One bubble names it, its own or a digest's; together the bubbles name who fell, and no bubble was drawn twice."""
    group = told.groups[row]
    together = [slug(other) for other in REFUSALS if told.groups[other] is group]

    assert sorted(name for names in group.bubbles for name in names) == sorted(together)
    assert group.drawn == len(group.bubbles)


@pytest.mark.parametrize("row", REFUSALS)
def test_what_is_mended_leaves_the_screen(told: Told, row: str) -> None:
    """When each has taken the step that it was told, no bubble is left."""
    assert told.groups[row].left == []


@pytest.mark.parametrize("when", [DURING, AFTER])
def test_who_waits_is_named_and_goes_on(told: Told, when: str) -> None:
    """The bubble says which program waits, and Reconnect answers that program's call."""
    fall = told.falls[when]
    said = [body.split("\n") for title, body in fall.screen if WITNESS in named(title, body)]

    assert [f"{PROGRAM} is waiting." in lines for lines in said] == [True]
    assert fall.waited
    assert fall.answer.status == 200, fall.answer.body
    assert fall.answer.json()["access_token"]
