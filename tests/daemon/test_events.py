"""The log of events: edges, places, who may see what, and when a reading ends."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.events import EventName, of_change, without_secrets
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.access_requests import AccessRequests, Wish
from meshmesh_daemon.usecases.events import KEPT, MAX_READERS, Event, Events, Reading, Told
from meshmesh_daemon.usecases.pairings import Asking, Pairings, Seen
from meshmesh_daemon.usecases.refusals import Refusals
from meshmesh_storage.records import Client, Connection, Mode, Reason, Status
from support.floor import ACME, APP, FIRST, Floor
from support.presence import GIVEN, access_of

NEEDS_YOU = replace(ACME, status=Status.NEEDS_YOU, reason=Reason.REFRESH_TOKEN_REVOKED)
BLOCKED = replace(ACME, status=Status.BLOCKED, reason=Reason.API_DISABLED)
OFFLINE = replace(ACME, status=Status.OFFLINE, reason=Reason.NETWORK)
UPDATED, RECOVERED, ASKS = EventName.CONNECTION_UPDATED, EventName.CONNECTION_RECOVERED, EventName.CONNECTION_NEEDS_YOU
ACME_READ = WantedGrant(connection="acme", mode=Mode.READ)


@pytest.mark.parametrize(
    ("before", "after", "names"),
    [
        (None, ACME, [UPDATED]),
        (None, NEEDS_YOU, [UPDATED, ASKS]),
        (ACME, ACME, []),
        (ACME, OFFLINE, [UPDATED]),
        (OFFLINE, ACME, [UPDATED]),
        (ACME, NEEDS_YOU, [UPDATED, ASKS]),
        (NEEDS_YOU, NEEDS_YOU, []),
        (NEEDS_YOU, replace(NEEDS_YOU, reason=Reason.SIGN_IN_LIMIT), [UPDATED]),
        (ACME, BLOCKED, [UPDATED]),
        (BLOCKED, NEEDS_YOU, [UPDATED, ASKS]),
        (NEEDS_YOU, BLOCKED, [UPDATED]),
        (NEEDS_YOU, ACME, [UPDATED, RECOVERED]),
        (NEEDS_YOU, OFFLINE, [UPDATED, RECOVERED]),
        (BLOCKED, ACME, [UPDATED, RECOVERED]),
    ],
)
def test_needs_you_and_recovered_are_edges(
    before: Connection | None, after: Connection, names: list[EventName]
) -> None:
    """`needs_you` is told on entering, `recovered` on leaving what needs somebody, `updated` on each change."""
    assert list(of_change(before, after)) == names


def test_the_log_keeps_no_token() -> None:
    """What lies in the log has the clocks of a session and none of its secrets."""
    kept = without_secrets(ACME)

    assert kept.session == replace(FIRST, access_token="")
    assert kept.refresh_token is None


@dataclass
class Bench:
    """The log on the floor, with what feeds it."""

    floor: Floor
    access: Access
    pairings: Pairings
    requests: AccessRequests
    events: Events
    dropped: list[str] = field(default_factory=list[str])

    async def client(self, *grants: WantedGrant, name: str = "tool") -> Client:
        """A paired program."""
        client, _ = await self.access.admit(NewClient(name=name, kind="agent"), grants, GIVEN)
        return client

    def read(self, client: Client | None = None, *, after: str | None = None) -> AbstractAsyncContextManager[Reading]:
        """A reading; that its line was cut is written down."""
        who = client.name if client else "owner"
        return self.events.read(client.id if client else None, after=after, drop=lambda: self.dropped.append(who))

    def become(self, connection: Connection) -> None:
        """A connection is shown like this from now on."""
        self.floor.desks.place(connection)


@pytest.fixture
async def bench(floor: Floor) -> AsyncGenerator[Bench, None]:
    """A log that listens."""
    processes = Processes()
    access = access_of(floor, processes)
    refusals = Refusals(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    pairings = Pairings(access=access, refusals=refusals, activity=floor.activity, clock=floor.clock)
    requests = AccessRequests(access=access, activity=floor.activity, clock=floor.clock)
    events = Events(desks=floor.desks, access=access, pairings=pairings, requests=requests, clock=floor.clock)
    events.start()
    yield Bench(floor, access, pairings, requests, events)
    events.close()
    await processes.close()


async def taken(reading: Reading, count: int) -> list[Told]:
    """The next events of a reading; hangs, and so fails, where there are fewer."""
    async with asyncio.timeout(5):
        return [await anext(reading) for _ in range(count)]


async def has_ended(reading: Reading) -> bool:
    """Whether a reading ends without a further event."""
    async with asyncio.timeout(5):
        return [told async for told in reading] == []


def names(told: list[Told]) -> list[str]:
    """The names of events."""
    return [one.event.name.value for one in told]


async def test_the_owner_sees_everything_and_a_client_its_own(bench: Bench) -> None:
    """Each event reaches the owner; a client gets those of its connections, its own requests, and the vault's."""
    granted = await bench.client(ACME_READ)
    other = await bench.client(name="other")
    async with bench.read() as owners, bench.read(granted) as clients, bench.read(other) as others:
        bench.become(NEEDS_YOU)
        begun = bench.pairings.ask(Asking(name="new", kind="agent", wants=(), seen=Seen()))
        await bench.pairings.deny(begun.user_code)
        asked = bench.requests.ask(other, Wish(purpose="look", mode=Mode.READ, raw_token=False))
        bench.requests.deny(asked.id)
        bench.events.publish(Event(name=EventName.VAULT_LOCKED, for_all=True))

        assert names(await taken(owners, 7)) == [
            "connection.updated",
            "connection.needs_you",
            "pairing.requested",
            "pairing.decided",
            "access.requested",
            "access.decided",
            "vault.locked",
        ]
        assert names(await taken(clients, 3)) == ["connection.updated", "connection.needs_you", "vault.locked"]
        assert names(await taken(others, 3)) == ["access.requested", "access.decided", "vault.locked"]


async def test_a_reading_ends_with_what_it_hangs_on(bench: Bench) -> None:
    """The dashboard's session, say; another reading goes on."""
    over = asyncio.Event()

    async def ends() -> None:
        await over.wait()

    async with bench.events.read(None, after=None, drop=lambda: None, ends=ends) as hanging, bench.read() as other:
        bench.become(OFFLINE)
        assert names(await taken(hanging, 1)) == ["connection.updated"]
        over.set()

        assert await has_ended(hanging)
        assert names(await taken(other, 1)) == ["connection.updated"]


async def test_a_change_that_does_not_show_is_no_event(bench: Bench) -> None:
    """What is told twice, or differs in a secret only, is told once."""
    async with bench.read() as reading:
        bench.become(replace(ACME, refresh_token="refresh-2"))
        bench.become(OFFLINE)
        bench.become(OFFLINE)
        bench.become(ACME)

        assert [one.event.subject for one in await taken(reading, 2)] == [
            without_secrets(OFFLINE),
            without_secrets(ACME),
        ]


async def test_a_connection_that_goes_is_told_as_gone(bench: Bench) -> None:
    """Its last state is told with the mark that it is gone; one that comes is an update."""
    beta = replace(ACME, id="c2", name="beta")
    async with bench.read() as reading:
        await bench.floor.connections.put(beta, APP)
        bench.floor.desks.remove("c2")
        told = await taken(reading, 2)

    assert [(one.event.name, one.event.connection_id, one.event.gone) for one in told] == [
        (UPDATED, "c2", False),
        (UPDATED, "c2", True),
    ]


async def test_a_reader_goes_on_where_it_ended(bench: Bench) -> None:
    """What happened between two readings is told first, once, and in order; without an id a reading begins now."""
    async with bench.read() as first:
        bench.become(NEEDS_YOU)
        last = (await taken(first, 2))[1].id
    bench.become(ACME)
    async with bench.read(after=last) as second, bench.read() as fresh:
        bench.become(OFFLINE)

        assert names(await taken(second, 3)) == ["connection.updated", "connection.recovered", "connection.updated"]
        assert names(await taken(fresh, 1)) == ["connection.updated"]


async def test_a_reader_can_go_on_before_its_first_event(bench: Bench) -> None:
    """The place that a reading begins at is an id like any other."""
    async with bench.read() as first:
        place = first.place
    bench.become(NEEDS_YOU)
    async with bench.read(after=place) as second:
        assert names(await taken(second, 2)) == ["connection.updated", "connection.needs_you"]


@pytest.mark.parametrize("after", ["", "1", "x", "-1", "{life}-", "{life}-99999", "{life}--1", "{life}-1e1", "0-0"])
async def test_an_unknown_id_is_told_reset_and_goes_on(bench: Bench, after: str) -> None:
    """An id of another life, or none at all, gets `reset`, then what happens from now on."""
    bench.become(NEEDS_YOU)
    async with bench.read() as probe:
        life = probe.place.rpartition("-")[0]
    async with bench.read(after=after.format(life=life)) as reading:
        bench.become(ACME)

        assert names(await taken(reading, 3)) == ["reset", "connection.updated", "connection.recovered"]


async def test_an_id_that_has_fallen_out_is_told_reset(bench: Bench) -> None:
    """The log keeps a thousand events: the oldest place in it is known, the one before is not."""
    async with bench.read() as probe:
        life, _, begin = probe.place.rpartition("-")
    for _ in range(KEPT + 5):
        bench.events.publish(Event(name=EventName.VAULT_LOCKED, for_all=True))
    oldest = int(begin) + 5
    async with bench.read(after=f"{life}-{oldest}") as known, bench.read(after=f"{life}-{oldest - 1}") as lost:
        assert len(await taken(known, KEPT)) == KEPT
        assert names(await taken(lost, 1)) == ["reset"]


async def test_a_slow_reader_is_cut_while_others_go_on(bench: Bench) -> None:
    """A reader that falls out of the log ends, and its line is cut since an event is on its way; the next one gets all."""
    async with bench.read() as slow, bench.read() as fast:
        bench.events.publish(Event(name=EventName.VAULT_LOCKED, for_all=True))
        await taken(slow, 1)
        for _ in range(KEPT):
            bench.events.publish(Event(name=EventName.VAULT_LOCKED, for_all=True))
            await taken(fast, 1)
        assert bench.dropped == []
        for _ in range(2):
            bench.events.publish(Event(name=EventName.VAULT_UNLOCKED, for_all=True))

        assert set(bench.dropped) == {"owner"}
        assert names(await taken(fast, 3)) == ["vault.locked", "vault.unlocked", "vault.unlocked"]
        assert await has_ended(slow)


async def test_a_revoked_client_reads_no_further(bench: Bench) -> None:
    """Its reading ends at once, what waits for it is not told, and readers of others go on."""
    client = await bench.client(ACME_READ)
    async with bench.read(client) as reading, bench.read() as owners:
        bench.become(NEEDS_YOU)
        await bench.access.revoke(client.id)

        assert await has_ended(reading)
        assert names(await taken(owners, 2)) == ["connection.updated", "connection.needs_you"]


async def test_a_lost_grant_ends_the_reading_and_a_new_one_does_not(bench: Bench) -> None:
    """Grants may grow under a reading, and it sees the more; the loss of one ends it."""
    client = await bench.client()
    async with bench.read(client) as reading:
        await bench.access.extend(client.id, ACME_READ, GIVEN)
        bench.become(NEEDS_YOU)
        assert names(await taken(reading, 2)) == ["connection.updated", "connection.needs_you"]
        await bench.access.regrant(client.id, [], GIVEN)
        bench.become(ACME)

        assert await has_ended(reading)
    async with bench.read(client, after=reading.place) as again:
        bench.events.publish(Event(name=EventName.VAULT_LOCKED, for_all=True))
        assert names(await taken(again, 1)) == ["vault.locked"]


async def test_a_reading_ends_with_its_grant(bench: Bench) -> None:
    """A grant that runs out ends the reading at that moment, also one that was given meanwhile."""
    client = await bench.client()
    async with bench.read(client) as reading:
        await bench.access.extend(client.id, replace(ACME_READ, expires_in=60), GIVEN)
        await asyncio.sleep(0)
        await bench.floor.clock.advance(61)
        bench.become(NEEDS_YOU)

        assert await has_ended(reading)


async def test_no_more_readers_than_there_is_room_for(bench: Bench) -> None:
    """The reader above the limit is refused with 503 and when to come back; a place that is left is free."""
    readings = [bench.read() for _ in range(MAX_READERS)]
    for reading in readings:
        await reading.__aenter__()
    with pytest.raises(Problem) as refused:
        await bench.read().__aenter__()
    await readings.pop().__aexit__(None, None, None)
    async with bench.read() as another:
        place = another.place
    for left in readings:
        await left.__aexit__(None, None, None)

    assert (refused.value.status, refused.value.retry_after) == (503, 30)
    assert place


async def test_the_end_of_the_service_ends_every_reading(bench: Bench) -> None:
    """Readings that wait end by themselves; a line is cut only where an event is stuck on it."""
    async with bench.read() as idle, bench.read(await bench.client(ACME_READ)) as stuck:
        bench.become(NEEDS_YOU)
        await taken(idle, 2)
        waiting = asyncio.ensure_future(has_ended(idle))
        await taken(stuck, 1)
        await asyncio.sleep(0)
        bench.events.close()

        assert bench.dropped == ["tool"]
        assert await waiting
        assert await has_ended(stuck)
