"""How refreshes leave for a login host: few at once, one after the other, and nobody long behind who hangs."""

import asyncio
from contextlib import suppress

from meshmesh_daemon.usecases.departures import APART_SECONDS, AT_ONCE, HELD_SECONDS, Departures
from support.clock import FakeClock

LOGIN = "https://login.salesforce.com"


class Field:
    """Departures, and who is under way."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.departures = Departures(self.clock)
        self.left: list[str] = []
        self._back: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def go(self, name: str, *, org: str = "", host: str = LOGIN, urgent: bool = True) -> None:
        """Somebody wants to leave, and hangs until it is called back."""
        self._back[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._gone(name, org or name, host, urgent=urgent))

    async def _gone(self, name: str, org: str, host: str, *, urgent: bool) -> None:
        async with self.departures.place(host, org, urgent=urgent):
            self.left.append(name)
            await self._back[name].wait()

    async def passes(self, seconds: float) -> None:
        """Time goes by, after everybody has got going."""
        await self.clock.advance(0)
        await self.clock.advance(seconds)

    async def back(self, *names: str) -> None:
        """These are answered."""
        for name in names:
            self.call(name)
        await self.passes(APART_SECONDS * AT_ONCE)

    def call(self, name: str) -> None:
        """This one is answered, and has not heard of it yet."""
        self._back[name].set()

    async def give_up(self, name: str) -> None:
        """Whoever waited does not wait any more."""
        self._tasks[name].cancel()
        with suppress(asyncio.CancelledError):
            await self._tasks[name]

    async def full(self, org: str) -> list[str]:
        """Every place is held by one org's refreshes that hang."""
        names = [f"{org} {number}" for number in range(AT_ONCE)]
        for name in names:
            self.go(name, org=org)
        await self.passes(APART_SECONDS * AT_ONCE)
        assert self.left == names
        return names

    async def end(self) -> None:
        """Everybody comes back."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


async def test_one_alone_leaves_at_once() -> None:
    """Without any time passing, and again and again."""
    field = Field()
    for name in ("a", "b", "c"):
        field.go(name)
        await field.back(name)
        assert field.left[-1] == name
    await field.end()


async def test_no_more_than_so_many_are_under_way() -> None:
    """One that comes back lets one go."""
    field = Field()
    names = await field.full("acme")
    field.go("next", org="acme")
    await field.passes(APART_SECONDS)
    assert "next" not in field.left

    await field.back(names[3])
    assert field.left[-1] == "next"
    await field.end()


async def test_a_crowd_leaves_one_after_the_other() -> None:
    """Not two in the same moment."""
    field = Field()
    for number in range(3):
        field.go(str(number))
    seen: list[int] = []
    for _ in range(3):
        await field.passes(APART_SECONDS * 0.9)
        seen.append(len(field.left))

    assert seen == [1, 2, 3]
    await field.end()


async def test_another_org_waits_a_second_at_most_behind_any_number_that_hang() -> None:
    """A hundred refreshes of an org that hangs, all at the host that both share."""
    field = Field()
    await field.full("slow")
    for number in range(100):
        field.go(f"more {number}", org="slow")
    field.go("quick", org="other")
    await field.passes(HELD_SECONDS - APART_SECONDS * 2 * AT_ONCE)
    assert "quick" not in field.left

    await field.passes(APART_SECONDS * 2 * AT_ONCE)
    assert "quick" in field.left
    await field.end()


async def test_hosts_do_not_wait_for_each_other() -> None:
    """A full one is nobody else's affair."""
    field = Field()
    await field.full("acme")
    field.go("elsewhere", host="https://acme.my.salesforce.com")
    await field.passes(0)

    assert field.left[-1] == "elsewhere"
    await field.end()


async def test_what_nobody_waits_for_goes_last() -> None:
    """The question how long a session lives gives way to those who have none."""
    field = Field()
    names = await field.full("acme")
    field.go("later", org="idle", urgent=False)
    field.go("now", org="acme")
    await field.back(names[0])
    assert field.left[-1] == "now"

    await field.back(names[1])
    assert field.left[-1] == "later"
    await field.end()


async def test_a_place_is_given_back_once() -> None:
    """Whoever held it for too long and then came back has not made another one."""
    field = Field()
    names = await field.full("acme")
    await field.passes(HELD_SECONDS)
    await field.back(*names)
    for number in range(AT_ONCE + 1):
        field.go(f"more {number}")
    await field.passes(APART_SECONDS * 2 * AT_ONCE)

    assert len(field.left) == 2 * AT_ONCE
    await field.end()


async def test_whoever_gives_up_leaves_no_gap() -> None:
    """In the queue, and at the very moment in which the place comes."""
    field = Field()
    names = await field.full("acme")
    for name in ("first", "second", "third"):
        field.go(name)
    await field.passes(0)
    await field.give_up("first")
    field.call(names[0])
    await asyncio.sleep(0)
    await field.give_up("second")
    await field.passes(APART_SECONDS * 2)

    assert field.left[-1] == "third"
    await field.back(*names[1:])
    for number in range(AT_ONCE):
        field.go(f"more {number}")
    await field.passes(APART_SECONDS * 2 * AT_ONCE)
    assert len(field.left) == 2 * AT_ONCE
    await field.end()
