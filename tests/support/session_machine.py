"""Refreshes, rotations, callers, trouble on the line and crashes, in any order: a machine for hypothesis.

Its laws: one refresh at a time for a connection, counted at the org; newest tokens that arrived are in the vault, and
where they did not arrive it is known that something is missing; only a grant that the org did end makes a connection
`needs_you`, and then the reason is `rotation_interrupted`; every caller is answered.

All runs of the machine share a vault and an org, each with a connection of its own; so a run takes milliseconds.
"""

import asyncio
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from typing import TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.renewal import Renewal
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_storage import apps, connections, rotations
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import Connection, Reason, Session, Status
from meshmesh_storage.vault import Vault
from support.clock import FakeClock
from support.floor import ACME, APP
from support.outside import ORG
from support.rotating_org import LOGIN, Fault, Grant, RotatingOrg

T = TypeVar("T")
CALM = 3  # looks in a row at which nothing moves
LONGEST_WAIT = 55.0
STEP_SECONDS, STEPS_TO_THE_END = 8.0, 10  # together more than the longest wait, and the longest pause of a line


@dataclass(kw_only=True)
class House:
    """What all runs share."""

    runner: asyncio.Runner
    vault: Vault
    clock: FakeClock
    org: RotatingOrg
    numbers: Iterator[int]

    @classmethod
    def open(cls, runner: asyncio.Runner, folder: Path) -> "House":
        """An empty vault, and an org."""
        clock = FakeClock()
        vault = runner.run(Vault.open(folder / "data", KeyFile(folder / "key"), now=clock.now()))
        return cls(runner=runner, vault=vault, clock=clock, org=RotatingOrg(clock), numbers=count(1))

    def close(self) -> None:
        """As a service ends."""
        self.runner.run(self.vault.close())


@dataclass
class Caller:
    """One program that asked for the token."""

    task: asyncio.Task[Connection]
    gone: bool = False


class SessionMachine(RuleBasedStateMachine):
    """One connection, and what happens to it.

    Args:
        house: shared by all runs.
    """

    def __init__(self, house: House) -> None:
        super().__init__()
        self._house = house
        self._number = next(house.numbers)
        self._user = f"005{self._number:012d}AAA"
        self._callers: list[Caller] = []
        house.org.fault = Fault.NONE
        self._grant: Grant = house.org.sign_in(self._user)
        self._desks = Desks()
        self._sessions = self._made(self._desks)

    def _made(self, desks: Desks) -> Sessions:
        house = self._house
        renewal = Renewal(vault=house.vault, outside=house.org, policy=HostPolicy(frozenset()), clock=house.clock)
        waiting = Waiting(house.clock)
        return Sessions(desks=desks, vault=house.vault, renewal=renewal, waiting=waiting, clock=house.clock)

    def _run(self, work: Coroutine[object, object, T]) -> T:
        return self._house.runner.run(work)

    @property
    def _desk(self) -> Desk:
        desk = self._desks.at_hand(self._user)
        assert desk is not None
        return desk

    @initialize()
    def signs_in(self) -> None:
        """A person has signed in."""
        self._run(self._sign_in())

    async def _sign_in(self) -> None:
        now = self._house.clock.now()
        made = replace(
            ACME,
            id=self._user,
            name=f"acme-{self._number}",
            user_id=self._user,
            identity_url=f"{LOGIN}/id/{ORG}/{self._user}",
            created_at=now,
            signed_in_at=now,
            session=self._first_session(),
            refresh_token=self._grant.current,
        )
        async with self._house.vault.transaction() as tx:
            await apps.put(tx, APP)
            await connections.insert(tx, made)
        await self._begin_life()

    def _first_session(self) -> Session:
        token, now = self._grant.access_token(self._grant.number), self._house.clock.now()
        return Session(access_token=token, token_type="Bearer", issued_at=now, expires_at=None)

    async def _begin_life(self) -> None:
        self._desks = Desks()
        self._sessions = self._made(self._desks)
        self._desks.apps[APP.id] = APP
        vault = self._house.vault
        found = [one for one in connections.unopened(vault) if one.id == self._user]
        self._desks.take(found, partial(connections.name_index, vault.keys), partial(connections.look_up, vault))
        assert await self._desks.get(self._user) is not None
        await self._sessions.settle()

    @rule(fault=st.sampled_from(Fault))
    def the_line_changes(self, fault: Fault) -> None:
        """From now on this happens."""
        self._house.org.fault = fault

    @rule(callers=st.integers(1, 5), patience=st.sampled_from((0.0, 3.0, LONGEST_WAIT)))
    def programs_ask(self, callers: int, patience: float) -> None:
        """Some ask for the token at the same time."""
        self._run(self._ask(callers, None, patience))

    @rule(
        fault=st.sampled_from(Fault),
        callers=st.integers(1, 5),
        patience=st.sampled_from((0.0, 3.0, LONGEST_WAIT)),
        pause=st.sampled_from((6.0, 0.0)),
        killed=st.sampled_from((False, False, True)),
    )
    def programs_got_a_401(self, fault: Fault, callers: int, patience: float, pause: float, killed: bool) -> None:
        """They report it and ask for another token, on a line where this happens, perhaps after trouble's pause.

        Perhaps the service is killed in the middle of it.
        """
        if pause:
            self._run(self._wait(pause))
        self._house.org.fault = fault
        session = self._desk.stored.session
        self._run(self._ask(callers, session.access_token if session else None, patience))
        if killed:
            self._run(self._crash())

    @precondition(lambda self: self._needs_you)
    @rule()
    def the_person_signs_in_again(self) -> None:
        """The connection gets a new grant under its next generation."""
        self._run(self._reconnect())

    @property
    def _needs_you(self) -> bool:
        desk = self._desks.at_hand(self._user)
        return desk is not None and desk.stored.status is Status.NEEDS_YOU

    async def _reconnect(self) -> None:
        self._grant.renew()
        renewed = replace(
            self._desk.stored,
            generation=self._desk.stored.generation + 1,
            status=Status.CONNECTED,
            reason=None,
            detail=None,
            session=self._first_session(),
            refresh_token=self._grant.current,
        )
        async with self._house.vault.transaction() as tx:
            await connections.update(tx, renewed, expected_generation=renewed.generation - 1)
            await rotations.finish(tx, self._user)
        self._desks.place(renewed)
        await self._calm()

    async def _ask(self, callers: int, rejected: str | None, patience: float) -> None:
        for _ in range(callers):
            asked = self._sessions.live_within(self._desk, patience, who="a program", rejected=rejected)
            self._callers.append(Caller(asyncio.create_task(asked)))
        await self._calm()

    @rule(which=st.integers(0, 9))
    def a_program_goes_away(self, which: int) -> None:
        """Its call is given up; a refresh that it began goes on."""
        waiting = [caller for caller in self._callers if not caller.task.done()]
        if waiting:
            caller = waiting[which % len(waiting)]
            caller.gone = True
            caller.task.cancel()
            self._run(self._calm())

    @rule(seconds=st.sampled_from((0.5, 2.0, 4.0, 6.0, 8000.0)))
    def time_passes(self, seconds: float) -> None:
        """From half a second to more than a session's life."""
        self._run(self._wait(seconds))

    @rule()
    def the_service_is_killed(self) -> None:
        """Nothing of what is under way comes to its end; the next life has the vault, and nothing else."""
        self._run(self._crash())

    async def _crash(self) -> None:
        for caller in self._callers:
            caller.gone = True
            caller.task.cancel()
        await self._end_life()
        await self._begin_life()
        await self._calm()

    async def _end_life(self) -> None:
        if self._desk.flight is not None:
            self._desk.flight.cancel()
        await self._sessions.close()

    async def _wait(self, seconds: float) -> None:
        await self._house.clock.advance(seconds)
        await self._calm()

    async def _calm(self) -> None:
        """Until nothing moves any more but by the clock."""
        calm = 0
        while calm < CALM:
            for _ in range(20):
                await asyncio.sleep(0)
            moves = self._desk.flight is not None and not self._grant.sleeping
            calm = 0 if moves else calm + 1
            if moves:
                await asyncio.sleep(0.001)

    @invariant()
    def one_refresh_at_a_time(self) -> None:
        """Counted at the org."""
        assert self._grant.most_under_way <= 1

    @invariant()
    def no_rotated_token_is_lost(self) -> None:
        """What arrived is in the vault; what did not is known to be missing, or the person was told."""
        if self._desks.at_hand(self._user) is None or self._desk.flight is not None:
            return
        stored = self._run(self._stored())
        if self._grant.is_delivered:
            assert stored.refresh_token == self._grant.current, (stored.refresh_token, self._grant)
        elif stored.status is not Status.NEEDS_YOU:
            assert self._desk.rotation_open, self._grant

    async def _stored(self) -> Connection:
        async with self._house.vault.transaction() as tx:
            stored = await connections.get(tx, self._user)
        assert stored is not None
        return stored

    @invariant()
    def nobody_is_needed_without_a_reason(self) -> None:
        """Only the org's own word about a grant that it ended asks for a person, and we know why it did."""
        desk = self._desks.at_hand(self._user)
        if desk is None or desk.stored.status is Status.CONNECTED:
            return
        assert desk.stored.status is Status.NEEDS_YOU
        assert self._grant.dead
        assert desk.stored.reason is Reason.ROTATION_INTERRUPTED

    @invariant()
    def answers_are_true(self) -> None:
        """A token that was given is one that the org gave; a refusal says that the org is out, or that it ended the grant."""
        answered = [caller for caller in self._callers if caller.task.done()]
        self._callers = [caller for caller in self._callers if not caller.task.done()]
        for caller in answered:
            if caller.task.cancelled():
                assert caller.gone
                continue
            problem = caller.task.exception()
            if problem is None:
                session = caller.task.result().session
                assert session is not None
                assert session.access_token in self._grant.delivered
            else:
                assert isinstance(problem, Problem), problem
                assert problem.status == 503 or (problem.status == 409 and self._grant.dead), problem

    def teardown(self) -> None:
        """The line is mended: everybody is answered, and the connection works, or the org did end it and that is told."""
        self._house.org.fault = Fault.NONE
        if self._desks.at_hand(self._user) is not None:
            try:
                self._run(self._end())
            finally:
                self._run(self._leave())
        super().teardown()

    async def _end(self) -> None:
        for _ in range(STEPS_TO_THE_END):
            await self._wait(STEP_SECONDS)  # in steps, since disk and threads take real time meanwhile
            if all(caller.task.done() for caller in self._callers):
                break
        self.answers_are_true()
        assert not self._callers, "a caller was never answered"
        session = self._desk.stored.session
        assert session is not None
        asking = asyncio.create_task(self._sessions.live(self._desk, rejected=session.access_token))
        await self._calm()
        await asyncio.wait([asking], timeout=10)
        problem = asking.exception()
        if self._grant.dead:
            assert isinstance(problem, Problem)
            assert problem.members.get("reason") == Reason.ROTATION_INTERRUPTED.value, problem
        else:
            assert problem is None, problem
            assert self._grant.is_delivered
            assert (await self._stored()).refresh_token == self._grant.current

    async def _leave(self) -> None:
        for caller in self._callers:
            caller.task.cancel()
        await asyncio.gather(*(caller.task for caller in self._callers), return_exceptions=True)
        await self._end_life()
        async with self._house.vault.transaction() as tx:
            await rotations.finish(tx, self._user)
            await connections.delete(tx, self._user)


def machine_of(house: House) -> type[SessionMachine]:
    """The machine, as hypothesis makes it for each run: without arguments."""

    class Machine(SessionMachine):
        def __init__(self) -> None:
            super().__init__(house)

    return Machine
