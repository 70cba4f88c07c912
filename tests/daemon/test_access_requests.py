"""Access requests: asked by a client, decided by the owner once, and forgotten after a while."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.access_requests import (
    GRANT_SECONDS,
    LIFETIME,
    MAX_ASKS,
    MAX_PENDING,
    AccessRequest,
    AccessRequests,
    Standing,
    Wish,
)
from meshmesh_storage.records import Client, Grant, Mode
from support.floor import ACME, APP, Floor
from support.presence import GIVEN, access_of

LOOK = Wish(purpose="count the accounts", mode=Mode.READ, raw_token=False)
ACME_READ = WantedGrant(connection="acme", mode=Mode.READ)
LIFE_SECONDS = LIFETIME.total_seconds()


@dataclass
class Counter:
    """Requests on the floor."""

    floor: Floor
    access: Access
    requests: AccessRequests
    told: list[AccessRequest]

    async def client(self, *grants: WantedGrant, origin: str | None = None) -> Client:
        """A paired program."""
        client, _ = await self.access.admit(NewClient(name="tool", kind="agent", origin=origin), grants, GIVEN)
        return client


@pytest.fixture
async def counter(floor: Floor) -> AsyncGenerator[Counter, None]:
    """Where clients ask."""
    processes = Processes()
    access = access_of(floor, processes)
    requests = AccessRequests(access=access, activity=floor.activity, clock=floor.clock)
    told: list[AccessRequest] = []
    requests.listen(told.append)
    yield Counter(floor, access, requests, told)
    requests.close()
    await processes.close()


async def refused(act: Callable[[], object]) -> tuple[int, str]:
    """The status and code of the refusal of a call, or of what it gives to wait for."""

    async def run() -> None:
        result = act()
        if inspect.isawaitable(result):
            await result

    with pytest.raises(Problem) as problem:
        await run()
    return problem.value.status, problem.value.code


async def begun() -> None:
    """Tasks that were made have come to where they wait."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_an_approved_request_is_a_grant_of_the_client(counter: Counter) -> None:
    """The owner picks the org and the mode; the grant lives thirty days, and both ends were told."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    decided = await counter.requests.approve(asked.id, WantedGrant(connection="acme", mode=Mode.PLAN), GIVEN)
    grant = counter.access.grant_for(counter.access.get(client.id), ACME.id)

    assert grant is not None
    assert (grant.mode, grant.raw_token) == (Mode.PLAN, False)
    assert grant.expires_at is not None
    assert (grant.expires_at - counter.floor.clock.now()).total_seconds() == GRANT_SECONDS
    assert (decided.status, decided.mode, decided.connection_id) == (Standing.APPROVED, Mode.PLAN, ACME.id)
    assert [one.status for one in counter.told] == [Standing.PENDING, Standing.APPROVED]


async def test_approval_touches_no_other_grant(counter: Counter) -> None:
    """Other connections keep what they had, and so does every other client; the same one has what the owner said last."""
    await counter.floor.connections.put(replace(ACME, id="c2", name="beta"), APP)
    beta = WantedGrant(connection="beta", mode=Mode.PLAN)
    client, other = await counter.client(beta, ACME_READ), await counter.client(beta)
    asked = counter.requests.ask(client, LOOK)
    await counter.requests.approve(asked.id, WantedGrant(connection="acme", mode=Mode.BUILD, expires_in=60), GIVEN)
    grants = {grant.connection_id: grant for grant in counter.access.get(client.id).grants}

    assert grants["c2"] == Grant(connection_id="c2", mode=Mode.PLAN)
    assert grants[ACME.id].mode is Mode.BUILD
    assert counter.access.get(other.id).grants == (Grant(connection_id="c2", mode=Mode.PLAN),)


async def test_approvals_at_once_lose_nothing(counter: Counter) -> None:
    """Two requests of one client that are approved at the same moment are two grants, in memory and on disk."""
    await counter.floor.connections.put(replace(ACME, id="c2", name="beta"), APP)
    client = await counter.client()
    first, second = (counter.requests.ask(client, LOOK) for _ in range(2))
    await asyncio.gather(
        counter.requests.approve(first.id, ACME_READ, GIVEN),
        counter.requests.approve(second.id, WantedGrant(connection="beta", mode=Mode.READ), GIVEN),
    )
    granted = {grant.connection_id for grant in counter.access.get(client.id).grants}
    await counter.access.load()

    assert granted == {ACME.id, "c2"}
    assert {grant.connection_id for grant in counter.access.get(client.id).grants} == granted


async def test_a_request_is_decided_once(counter: Counter) -> None:
    """A second decision of either kind is 409, also while the first one is being written."""
    client = await counter.client()
    denied = counter.requests.ask(client, LOOK)
    counter.requests.deny(denied.id)
    approved = counter.requests.ask(client, LOOK)
    writing = asyncio.ensure_future(counter.requests.approve(approved.id, ACME_READ, GIVEN))
    await asyncio.sleep(0)
    already = (409, "already_decided")

    assert await refused(lambda: counter.requests.deny(approved.id)) == already
    assert (await writing).status is Standing.APPROVED
    for request_id in (denied.id, approved.id):
        assert await refused(partial(counter.requests.deny, request_id)) == already
        assert await refused(partial(counter.requests.approve, request_id, ACME_READ, GIVEN)) == already
    assert counter.requests.get(denied.id, client.id).status is Standing.DENIED


async def test_a_refused_approval_leaves_the_request_open(counter: Counter) -> None:
    """An org that is not there is the owner's slip of the pen: the request still waits."""
    asked = counter.requests.ask(await counter.client(), LOOK)

    assert await refused(
        lambda: counter.requests.approve(asked.id, WantedGrant(connection="nope", mode=Mode.READ), GIVEN)
    ) == (
        422,
        "bad_field",
    )
    assert counter.requests.waiting() == [asked]


@pytest.mark.parametrize(
    ("mode", "origin"), [(Mode.PLAN, None), (Mode.READ, None), (Mode.BUILD, "chrome-extension://abc")]
)
async def test_the_token_has_the_rules_of_pairing(counter: Counter, mode: Mode, origin: str | None) -> None:
    """The real token needs `build` and never goes to an extension: not asked for, and not given."""
    client = await counter.client(origin=origin)
    wish = Wish(purpose="x", mode=mode, raw_token=True)
    asked = counter.requests.ask(client, LOOK)
    given = WantedGrant(connection="acme", mode=mode, raw_token=True)

    assert await refused(lambda: counter.requests.ask(client, wish)) == (422, "bad_field")
    assert await refused(lambda: counter.requests.approve(asked.id, given, GIVEN)) == (422, "bad_field")
    assert counter.access.get(client.id).grants == ()


async def test_another_clients_request_is_not_there(counter: Counter) -> None:
    """What is another client's is the same 404 as what nobody asked; the owner sees all."""
    asked = counter.requests.ask(await counter.client(), LOOK)
    other = await counter.client()

    assert await refused(lambda: counter.requests.get(asked.id, other.id)) == (404, "not_found")
    assert await refused(lambda: counter.requests.wait("ask-none", other.id, 0)) == (404, "not_found")
    assert counter.requests.get(asked.id, None) == asked


async def test_a_client_has_three_open_requests(counter: Counter) -> None:
    """The fourth is 429 with when to come back; another client still may, and a decision makes room."""
    client = await counter.client()
    asked = [counter.requests.ask(client, LOOK) for _ in range(MAX_PENDING)]
    await counter.floor.clock.advance(60)
    with pytest.raises(Problem) as problem:
        counter.requests.ask(client, LOOK)
    counter.requests.ask(await counter.client(), LOOK)
    counter.requests.deny(asked[0].id)

    assert (problem.value.status, problem.value.retry_after) == (429, LIFE_SECONDS - 60)
    assert counter.requests.ask(client, LOOK).status is Standing.PENDING


async def test_a_client_that_is_turned_away_asks_only_so_often(counter: Counter) -> None:
    """Ten denied requests in a quarter of an hour are enough; after it the client may ask again."""
    client = await counter.client()
    for _ in range(MAX_ASKS):
        counter.requests.deny(counter.requests.ask(client, LOOK).id)

    assert await refused(lambda: counter.requests.ask(client, LOOK)) == (429, "rate_limited")
    await counter.floor.clock.advance(LIFE_SECONDS)
    assert counter.requests.ask(client, LOOK).status is Standing.PENDING


async def test_a_request_expires_and_is_then_forgotten(counter: Counter) -> None:
    """After a quarter of an hour it is `expired` and cannot be decided; after as long again it is not there."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    await counter.floor.clock.advance(LIFE_SECONDS - 1)
    assert counter.requests.waiting() == [asked]
    await counter.floor.clock.advance(1)

    assert counter.requests.waiting() == []
    assert counter.requests.get(asked.id, client.id).status is Standing.EXPIRED
    assert await refused(lambda: counter.requests.deny(asked.id)) == (410, "expired")
    assert await refused(lambda: counter.requests.approve(asked.id, ACME_READ, GIVEN)) == (410, "expired")
    await counter.floor.clock.advance(LIFE_SECONDS)
    counter.requests.ask(client, LOOK)
    assert await refused(lambda: counter.requests.get(asked.id, client.id)) == (404, "not_found")


async def test_waiting_ends_with_the_decision(counter: Counter) -> None:
    """Whoever waits is answered when the owner decides, when the time is over, or when the request expires."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    waits = [asyncio.ensure_future(counter.requests.wait(asked.id, client.id, seconds)) for seconds in (10, 50)]
    await begun()
    await counter.floor.clock.advance(10)
    early = await waits[0]
    counter.requests.deny(asked.id)

    assert (early.status, (await waits[1]).status) == (Standing.PENDING, Standing.DENIED)
    late = counter.requests.ask(client, LOOK)
    await counter.floor.clock.advance(LIFE_SECONDS - 5)
    waiting = asyncio.ensure_future(counter.requests.wait(late.id, client.id, 50))
    await begun()
    await counter.floor.clock.advance(5)
    assert (await waiting).status is Standing.EXPIRED


async def test_with_a_client_go_its_requests(counter: Counter) -> None:
    """A revoked client's request is nothing to decide any more, and nobody waits for it."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    waiting = asyncio.ensure_future(counter.requests.wait(asked.id, client.id, 50))
    await begun()
    await counter.access.revoke(client.id)

    assert await refused(lambda: waiting) == (404, "not_found")
    assert counter.requests.waiting() == []
    assert await refused(lambda: counter.requests.approve(asked.id, ACME_READ, GIVEN)) == (404, "not_found")


@pytest.mark.parametrize("turns", [1, 4, 16, 64])
async def test_a_client_revoked_while_it_is_approved_stays_out(counter: Counter, turns: int) -> None:
    """A grant that is being written brings no client back, in memory or on disk."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    approving = asyncio.ensure_future(counter.requests.approve(asked.id, ACME_READ, GIVEN))
    for _ in range(turns):
        await asyncio.sleep(0)
    await counter.access.revoke(client.id)
    await asyncio.gather(approving, return_exceptions=True)

    assert counter.access.all() == []
    await counter.access.load()
    assert counter.access.all() == []


async def test_the_end_of_the_service_lets_go_who_waits(counter: Counter) -> None:
    """A waiting call is answered as it stands, so that the doors can close."""
    client = await counter.client()
    asked = counter.requests.ask(client, LOOK)
    waiting = asyncio.ensure_future(counter.requests.wait(asked.id, client.id, 50))
    await begun()
    counter.requests.close()

    assert (await waiting).status is Standing.PENDING


async def test_asking_and_denial_are_told(counter: Counter) -> None:
    """Who asked for what, in its own words, and that the owner said no."""
    client = await counter.client()
    counter.requests.deny(counter.requests.ask(client, LOOK).id)
    rows = [row.entry for row in await counter.floor.activity.page(after=0, limit=100) if row.entry]

    assert [(row.action, row.actor.id, row.detail) for row in rows[-2:]] == [
        ("access.requested", client.id, "tool asks for a connection (read): count the accounts"),
        ("access.denied", "owner", "tool was given no connection."),
    ]


async def test_a_key_makes_a_repeated_request_the_same(counter: Counter) -> None:
    """Asked under it once more it is the same one, decided or not; another wish is refused, another client is apart."""
    client, other = await counter.client(), await counter.client()
    asked = counter.requests.ask(client, LOOK, "k-1")
    again = counter.requests.ask(client, LOOK, "k-1")
    apart = counter.requests.ask(other, LOOK, "k-1")
    with pytest.raises(Problem) as problem:
        counter.requests.ask(client, replace(LOOK, purpose="something else"), "k-1")
    approved = await counter.requests.approve(asked.id, ACME_READ, GIVEN)

    assert again == asked
    assert apart.id != asked.id
    assert (problem.value.status, [one.field for one in problem.value.errors]) == (422, ["Idempotency-Key"])
    assert counter.requests.ask(client, LOOK, "k-1") == approved
    assert counter.requests.ask(client, LOOK).id != asked.id
    await counter.floor.clock.advance(LIFE_SECONDS)
    counter.requests.ask(client, LOOK)
    assert [one.client_id for one in counter.told].count(client.id) == 4
