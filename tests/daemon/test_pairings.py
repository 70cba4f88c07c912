"""Pairing: one open request a program, limits that protect the person, and a no that is kept."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace

import pytest

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.access import Access, WantedGrant
from meshmesh_daemon.usecases.pairings import (
    ASKS_A_MINUTE,
    ASKS_OF_A_PEER,
    GUESSES_A_MINUTE,
    LIFETIME,
    MAX_OPEN,
    PEER_SECONDS,
    WRONG_CODES_A_MINUTE,
    Asking,
    Begun,
    NotYet,
    Pairings,
    PairingView,
    Seen,
    Want,
)
from meshmesh_daemon.usecases.refusals import Refusals
from meshmesh_storage.records import Client, Mode
from support.floor import Floor
from support.presence import GIVEN, access_of

EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"
READ = WantedGrant(connection="acme", mode=Mode.READ)
WRONG = "ZZZZ-ZZZZ"
MINUTE = 60.0


@dataclass
class Porch:
    """Pairing on the floor."""

    floor: Floor
    access: Access
    refusals: Refusals
    pairings: Pairings
    told: list[PairingView]

    def ask(
        self, pid: int | None = 1, *, name: str = "tool", exe: str | None = "/usr/bin/tool", origin: str | None = None
    ) -> Begun:
        """A program asks."""
        seen = Seen(uid=1000, pid=pid, exe=exe, origin=origin)
        want = Want(connection="acme", mode=Mode.BUILD, raw_token=True, purpose=None)
        return self.pairings.ask(Asking(name=name, kind="agent", wants=(want,), seen=seen))

    async def poll(self, begun: Begun) -> str:
        """What a poll says; `token` where it brings one."""
        try:
            await self.pairings.collect(begun.device_code)
        except NotYet as not_yet:
            return not_yet.error.value
        return "token"

    async def approve(self, begun: Begun) -> Client:
        """The owner says yes."""
        return await self.pairings.approve(begun.user_code, [READ], GIVEN)

    def codes(self) -> list[str]:
        """Who waits."""
        return [view.user_code for view in self.pairings.waiting()]

    async def deeds(self) -> list[tuple[str, str | None]]:
        """What was told since the floor was laid, as action and detail."""
        rows = await self.floor.activity.page(after=1, limit=100)
        return [(row.entry.action, row.entry.detail) for row in rows if row.entry]


@pytest.fixture
async def porch(floor: Floor) -> AsyncGenerator[Porch, None]:
    """Where programs ask."""
    processes = Processes()
    access = access_of(floor, processes)
    refusals = Refusals(vault=floor.vault, activity=floor.activity, clock=floor.clock)
    pairings = Pairings(access=access, refusals=refusals, activity=floor.activity, clock=floor.clock)
    told: list[PairingView] = []
    pairings.listen(told.append)
    yield Porch(floor, access, refusals, pairings, told)
    await processes.close()


def status(problem: pytest.ExceptionInfo[Problem]) -> tuple[int, str]:
    """How it was refused."""
    return problem.value.status, problem.value.code


async def test_a_program_has_one_open_request(porch: Porch) -> None:
    """Its second takes the place of its first, whose code leads nowhere and whose poll is over; others' stay."""
    other = porch.ask(pid=2)
    first, second = porch.ask(), porch.ask()

    assert porch.codes() == [other.user_code, second.user_code]
    assert await porch.poll(first) == "expired_token"
    with pytest.raises(Problem) as caught:
        await porch.approve(first)
    assert status(caught) == (404, "not_found")
    await porch.approve(second)
    assert [await porch.poll(one) for one in (second, other)] == ["token", "authorization_pending"]
    assert [(view.user_code, view.pending) for view in porch.told] == [
        (other.user_code, True),
        (first.user_code, True),
        (first.user_code, False),
        (second.user_code, True),
        (second.user_code, False),
    ]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (Seen(uid=1, pid=5, exe="/a"), Seen(uid=1, pid=5, exe="/b"), True),
        (Seen(uid=1, pid=5), Seen(uid=1, pid=6), False),
        (Seen(uid=1, pid=5, origin=EXTENSION), Seen(uid=1, pid=5, origin=EXTENSION + "a"), False),
        (Seen(uid=1, pid=5, origin=EXTENSION), Seen(uid=1, pid=6, origin=EXTENSION), False),
        (Seen(uid=1), Seen(uid=1), True),
        (Seen(uid=1), Seen(uid=2), False),
    ],
)
def test_who_is_one_program(one: Seen, other: Seen, same: bool) -> None:
    """A process, an extension in one browser, or a user where nothing else was seen: none ends another's request."""
    assert (one.peer == other.peer) is same


async def test_a_program_asks_ten_times_in_ten_minutes(porch: Porch) -> None:
    """Then it is told when to come again; another program is not held up, and what was approved does not count."""
    for _ in range(ASKS_OF_A_PEER):
        await porch.approve(porch.ask())
    for _ in range(ASKS_OF_A_PEER):
        porch.ask()
    with pytest.raises(Problem) as caught:
        porch.ask()

    assert status(caught) == (429, "rate_limited")
    assert caught.value.retry_after == PEER_SECONDS
    assert len(porch.codes()) == 1
    porch.ask(pid=2)
    await porch.floor.clock.advance(PEER_SECONDS)
    porch.ask()


async def test_all_programs_together_are_limited(porch: Porch) -> None:
    """So many a minute, and so many at a time, whatever each of them is."""
    for pid in range(MAX_OPEN):
        porch.ask(pid)
    with pytest.raises(Problem) as full:
        porch.ask(pid=100)
    for view in porch.pairings.waiting():
        await porch.pairings.deny(view.user_code)
    for pid in range(ASKS_A_MINUTE - MAX_OPEN):
        porch.ask(200 + pid)
    with pytest.raises(Problem) as fast:
        porch.ask(pid=300)

    assert status(full) == status(fast) == (429, "rate_limited")
    await porch.floor.clock.advance(MINUTE)
    porch.ask(pid=300)


async def test_a_denied_program_may_ask_again(porch: Porch) -> None:
    """No is no for this request only, and is told."""
    asked = porch.ask()
    await porch.pairings.deny(asked.user_code)

    assert await porch.poll(asked) == "access_denied"
    assert porch.codes() == []
    assert await porch.deeds() == [("pairing.denied", "tool was turned away.")]
    porch.ask()


async def test_denied_for_good_is_not_asked_again(porch: Porch) -> None:
    """It is 403 for the program from then on, also after a restart, without anybody being told of the request."""
    asked = porch.ask()
    await porch.pairings.deny(asked.user_code, always=True)
    again = Refusals(vault=porch.floor.vault, activity=porch.floor.activity, clock=porch.floor.clock)
    await again.load()
    porch.told.clear()
    with pytest.raises(Problem) as caught:
        porch.ask(pid=2, name="TOOL")

    assert await porch.poll(asked) == "access_denied"
    assert status(caught) == (403, "not_allowed")
    assert porch.told == []
    assert again.all() == porch.refusals.all()
    assert again.forbids(name="tool", exe="/usr/bin/tool", origin=None)
    assert [action for action, _ in await porch.deeds()] == ["refusal.kept", "pairing.denied"]


@pytest.mark.parametrize(
    ("name", "exe", "origin", "forbidden"),
    [
        ("tool", "/usr/bin/tool", None, True),
        ("other", "/usr/bin/tool", None, False),
        ("tool", "/usr/bin/other", None, False),
        ("tool", None, None, False),
        ("tool", "/usr/bin/tool", EXTENSION, False),
    ],
)
async def test_a_refusal_is_of_one_program(
    porch: Porch, name: str, exe: str | None, origin: str | None, forbidden: bool
) -> None:
    """Other programs of the same interpreter, and the same name elsewhere, may ask."""
    await porch.pairings.deny(porch.ask().user_code, always=True)

    assert porch.refusals.forbids(name=name, exe=exe, origin=origin) is forbidden


async def test_an_extension_is_refused_by_what_it_cannot_choose(porch: Porch) -> None:
    """Another name, and another browser, do not help it; another extension may ask."""
    await porch.pairings.deny(porch.ask(origin=EXTENSION).user_code, always=True)
    with pytest.raises(Problem) as caught:
        porch.ask(pid=2, name="another", exe="/usr/bin/browser", origin=EXTENSION)

    assert status(caught) == (403, "not_allowed")
    porch.ask(origin=EXTENSION + "a")


async def test_a_refusal_is_kept_once_and_can_be_lifted(porch: Porch) -> None:
    """Twice the same no is one refusal; lifted, the program asks again, and both are told."""
    for _ in range(2):
        await porch.refusals.keep(name="tool", exe="/usr/bin/tool", origin=None)
    (kept,) = porch.refusals.all()
    await porch.refusals.lift(kept.id)
    with pytest.raises(Problem) as caught:
        await porch.refusals.lift(kept.id)

    assert status(caught) == (404, "not_found")
    assert [action for action, _ in await porch.deeds()] == ["refusal.kept", "refusal.lifted"]
    porch.ask()


async def test_wrong_codes_are_bounded(porch: Porch) -> None:
    """After ten in a minute even the right one must wait: nobody finds a code by trying."""
    asked = porch.ask()
    for _ in range(WRONG_CODES_A_MINUTE):
        with pytest.raises(Problem, match="No program waits"):
            await porch.pairings.deny(WRONG)
    with pytest.raises(Problem) as caught:
        await porch.approve(asked)

    assert status(caught) == (429, "rate_limited")
    await porch.floor.clock.advance(MINUTE)
    await porch.approve(asked)


async def test_guesses_at_device_codes_are_bounded(porch: Porch) -> None:
    """After sixty in a minute they are 429; a program with a real code polls as ever."""
    asked = porch.ask()
    for _ in range(GUESSES_A_MINUTE):
        assert await porch.poll(replace(asked, device_code="guess")) == "expired_token"
    with pytest.raises(Problem) as caught:
        await porch.poll(replace(asked, device_code="guess"))

    assert status(caught) == (429, "rate_limited")
    assert await porch.poll(asked) == "authorization_pending"


async def test_a_request_lives_five_minutes(porch: Porch) -> None:
    """Then nobody waits, its code is worth nothing, and it is told so."""
    asked = porch.ask()
    await porch.floor.clock.advance(LIFETIME.total_seconds())
    with pytest.raises(Problem) as caught:
        await porch.approve(asked)

    assert porch.codes() == []
    assert status(caught) == (404, "not_found")
    assert await porch.poll(asked) == "expired_token"


async def test_without_a_word_of_the_owner_it_is_given_little(porch: Porch) -> None:
    """What it asked for, narrowed: `plan` on production, no token, thirty days."""
    client = await porch.pairings.approve(porch.ask().user_code, None, GIVEN)
    (grant,) = client.grants

    assert (grant.mode, grant.raw_token) == (Mode.PLAN, False)
    assert grant.expires_at is not None
    assert (grant.expires_at - porch.floor.clock.now()).days == 30
    assert client.expires_at is not None
    assert (client.expires_at - porch.floor.clock.now()).days == 366


async def test_a_key_makes_a_repeated_request_the_same(porch: Porch) -> None:
    """The same process gets the same codes and nobody is asked twice; other words under the key are refused."""
    asking = Asking(name="tool", kind="agent", wants=(), seen=Seen(uid=1000, pid=1))
    begun = porch.pairings.ask(asking, "k-1")
    again = porch.pairings.ask(asking, "k-1")
    with pytest.raises(Problem) as refused:
        porch.pairings.ask(replace(asking, name="other"), "k-1")

    assert again == begun
    assert (refused.value.status, [one.field for one in refused.value.errors]) == (422, ["Idempotency-Key"])
    assert (porch.codes(), len(porch.told)) == ([begun.user_code], 1)
    await porch.floor.clock.advance(LIFETIME.total_seconds())
    assert porch.pairings.ask(asking, "k-1") != begun


@pytest.mark.parametrize(
    "other", [Seen(uid=1000, pid=2), Seen(uid=1001, pid=1), Seen(uid=1000, pid=1, origin=EXTENSION), Seen(uid=1000)]
)
async def test_a_key_gives_no_codes_to_another_process(porch: Porch, other: Seen) -> None:
    """The answer collects a token: who only knows the key, or is not seen to be the same, begins anew."""
    asking = Asking(name="tool", kind="agent", wants=(), seen=Seen(uid=1000, pid=1))
    begun = porch.pairings.ask(asking, "k-1")
    strangers = [porch.pairings.ask(replace(asking, seen=other), "k-1").device_code for _ in range(2)]

    assert len({begun.device_code, *strangers}) == (3 if other.pid is None else 2)
    assert begun.device_code not in strangers
