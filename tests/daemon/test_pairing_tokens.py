"""A client replaces its pairing token, and never stands without one that works."""

import os
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from datetime import timedelta

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.pairing_tokens import LIFE
from meshmesh_storage.records import Mode
from support.floor import Floor
from support.presence import GIVEN, access_of

READ = WantedGrant(connection="acme", mode=Mode.READ)


@dataclass
class Ring:
    """Tokens on the floor."""

    floor: Floor
    processes: Processes
    access: Access

    async def pair(self) -> tuple[str, str]:
        """A client's id, and its token."""
        client, token = await self.access.admit(NewClient(name="tool", kind="agent"), [READ], GIVEN)
        return client.id, token

    async def rotate(self, client_id: str) -> str:
        """Its next token."""
        return (await self.access.tokens.rotate(client_id))[1]

    def good(self, *tokens: str) -> list[bool]:
        """Which of them are good, tried in this order."""
        return [self.access.authenticate(token) is not None for token in tokens]

    async def after_a_crash(self) -> "Ring":
        """What a service that starts now would know."""
        again = self._access()
        await again.load()
        return Ring(self.floor, self.processes, again)

    def _access(self) -> Access:
        return access_of(self.floor, self.processes)


@pytest.fixture
async def ring(floor: Floor) -> AsyncGenerator[Ring, None]:
    """No client yet."""
    processes = Processes()
    made = Ring(floor, processes, access_of(floor, processes))
    yield made
    await made.access.close()
    await processes.close()


async def test_the_old_one_dies_when_the_new_one_is_used(ring: Ring) -> None:
    """Until then the old one is good; from then on the new one alone, which is the same client with the same grants."""
    client_id, old = await ring.pair()
    new = await ring.rotate(client_id)

    assert ring.good(old, old, new, old, new) == [True, True, True, False, True]
    client = ring.access.authenticate(new)
    assert client is not None
    assert (client.id, len(client.grants)) == (client_id, 1)


async def test_an_answer_that_is_lost_costs_nothing(ring: Ring) -> None:
    """A client that never saw its new token asks again with the old one; the lost one is then worth nothing."""
    client_id, old = await ring.pair()
    lost = await ring.rotate(client_id)
    new = await ring.rotate(client_id)

    assert ring.good(old, lost, new, old) == [True, False, True, False]


async def test_a_crash_before_the_first_use_loses_nothing(ring: Ring) -> None:
    """Both were on disk before the new one left."""
    client_id, old = await ring.pair()
    new = await ring.rotate(client_id)
    again = await ring.after_a_crash()

    assert again.good(old, new, old) == [True, True, False]


async def test_the_first_use_reaches_the_disk(ring: Ring) -> None:
    """A service that starts after it knows the new one alone."""
    client_id, old = await ring.pair()
    new = await ring.rotate(client_id)
    ring.good(new)
    await ring.access.close()
    again = await ring.after_a_crash()

    assert again.good(old, new) == [False, True]


async def test_a_change_of_grants_at_the_same_moment_keeps_the_tokens(ring: Ring) -> None:
    """What the owner changes meanwhile does not bring back a token, and does not take one away."""
    client_id, old = await ring.pair()
    new = await ring.rotate(client_id)
    await ring.access.regrant(client_id, [], GIVEN)

    assert ring.good(old, new, old) == [True, True, False]
    await ring.access.regrant(client_id, [READ], GIVEN)
    assert ring.good(old, new) == [False, True]


async def test_revoking_ends_both(ring: Ring) -> None:
    """Neither the present nor the next one is worth anything."""
    client_id, old = await ring.pair()
    new = await ring.rotate(client_id)
    await ring.access.revoke(client_id)

    assert ring.good(old, new) == [False, False]
    with pytest.raises(Problem) as caught:
        await ring.rotate(client_id)
    assert caught.value.status == 404


async def test_a_token_lives_a_year_and_a_new_one_another(ring: Ring) -> None:
    """What is not replaced in time ends; what is, goes on."""
    (first, spent), (second, old) = await ring.pair(), await ring.pair()
    await ring.floor.clock.advance(LIFE.total_seconds() - 1)
    new = await ring.rotate(second)
    await ring.floor.clock.advance(1)

    assert first != second
    assert ring.good(spent, old, new) == [False, True, True]


async def test_it_is_told_before_it_is_given(ring: Ring) -> None:
    """The activity has a row with the client as its actor, and no token."""
    client_id, _ = await ring.pair()
    new = await ring.rotate(client_id)
    row = (await ring.floor.activity.page(after=0, limit=100))[-1]

    assert row.entry is not None
    assert (row.entry.action, row.entry.actor.id) == ("client.rotated", client_id)
    assert new not in str(row)


async def test_what_ends_with_a_process_is_not_replaced(ring: Ring) -> None:
    """A token of `exec` stands in an environment that nobody can change."""
    client, _ = await ring.access.admit(NewClient(name="x", kind="exec", pid=os.getpid()), [READ], GIVEN)
    with pytest.raises(Problem) as caught:
        await ring.rotate(client.id)

    assert (caught.value.status, caught.value.code) == (403, "not_allowed")


async def test_when_a_client_was_here_is_remembered_across_a_stop(floor: Floor) -> None:
    """To the minute, in memory at once; its row learns of it at the end."""
    processes = Processes()
    before = access_of(floor, processes)
    client, token = await before.admit(NewClient(name="tool", kind="agent"), [READ], GIVEN)
    seen = before.authenticate(token)
    floor.clock.jump(30)
    again = before.authenticate(token)
    await before.close()
    after = access_of(floor, processes)
    await after.load()
    await processes.close()

    assert client.last_used_at is None
    assert seen is not None
    assert again is not None
    assert seen.last_used_at == again.last_used_at == floor.clock.now() - timedelta(seconds=30)
    assert after.get(client.id).last_used_at == seen.last_used_at
