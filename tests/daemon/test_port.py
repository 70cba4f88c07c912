"""Lending the port: it comes back with the time, with the borrower's process, on demand, and after a restart."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.loan_file import LoanFile
from meshmesh_daemon.adapters.notifications import Heard, Pressed
from meshmesh_daemon.adapters.ports import PortBusy, PortReserved
from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.loans import LATER, LEND, OFFER, Hold, Loan
from meshmesh_daemon.core.notice import Notice
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.port import AGAIN_SECONDS, Port
from meshmesh_daemon.usecases.port_offer import AGAIN_SECONDS as OFFER_AGAIN
from meshmesh_daemon.usecases.port_offer import STAY_SECONDS, Offers
from support.clock import START, FakeClock, settle, until


@dataclass
class FakeGate:
    """Doors; `busy` is who holds the port against us."""

    port: int = 1717
    is_open: bool = False
    busy: Exception | None = None
    discreet: list[bool] = field(default_factory=list[bool])

    async def open(self, *, discreet: bool) -> None:
        """Open, if nobody is in the way."""
        self.discreet.append(discreet)
        if self.busy is not None:
            raise self.busy
        self.is_open = True

    async def close(self) -> None:
        """Close."""
        self.is_open = False


@dataclass
class House:
    """What a port needs, and what it told."""

    folder: Path
    gate: FakeGate = field(default_factory=FakeGate)
    clock: FakeClock = field(default_factory=FakeClock)
    processes: Processes = field(default_factory=Processes)
    told: list[Hold] = field(default_factory=list[Hold])
    ports: list[Port] = field(default_factory=list[Port])

    @property
    def file(self) -> LoanFile:
        """Where a loan is written down."""
        return LoanFile(self.folder / "loan.json")

    async def begin(self) -> Port:
        """A port, in a run of the service."""

        def tell(hold: Hold, _detail: str) -> None:
            self.told.append(hold)

        port = Port(gate=self.gate, file=self.file, processes=self.processes, clock=self.clock, tell=tell)
        self.ports.append(port)
        await port.open()
        return port


@pytest.fixture
async def house(tmp_path: Path) -> AsyncGenerator[House, None]:
    """A house; whatever still waits at its end is stopped."""
    made = House(tmp_path)
    yield made
    for port in made.ports:
        await port.close()
    await made.processes.close()


async def is_ours(house: House, port: Port) -> None:
    """Wait until the port is back."""
    await until(lambda: port.view.hold is Hold.OURS)
    assert house.gate.is_open
    assert house.file.read() is None


async def test_it_comes_back_when_its_time_is_over(house: House) -> None:
    """A loan closes the doors, says until when, and opens them again; both are told."""
    port = await house.begin()
    view = await port.lend(120)

    assert not house.gate.is_open
    assert (view.hold, view.loan and view.loan.until) == (Hold.LENT, START + timedelta(seconds=120))
    await house.clock.advance(119)
    assert port.view.hold is Hold.LENT
    await house.clock.advance(1)
    await is_ours(house, port)
    assert house.told == [Hold.LENT, Hold.OURS]


async def test_it_can_be_taken_back_at_once_and_twice(house: House) -> None:
    """Giving back ends the loan; where there is none, nothing happens."""
    port = await house.begin()
    await port.lend(120)

    assert (await port.take_back()).hold is Hold.OURS
    assert (await port.take_back()).hold is Hold.OURS
    assert house.gate.is_open


async def test_it_comes_back_with_the_borrowers_process(house: House) -> None:
    """However that ends: here by SIGKILL."""
    port = await house.begin()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as borrower:
        await port.lend(120, borrower.pid)
        assert port.view.hold is Hold.LENT
        borrower.kill()
        await is_ours(house, port)


async def test_a_process_that_is_not_there_borrows_nothing(house: House) -> None:
    """A pid of nobody's is a refusal, and the doors stay open."""
    port = await house.begin()
    with pytest.raises(Problem, match="no process") as raised:
        await port.lend(60, 2**22 - 1)

    assert raised.value.status == 422
    assert house.gate.is_open


async def test_a_loan_that_cannot_be_written_down_is_none(house: House, tmp_path: Path) -> None:
    """After a crash nobody would know of it: the port stays."""
    house.folder = tmp_path / "gone"
    port = await house.begin()
    with pytest.raises(Problem, match="could not be written down") as raised:
        await port.lend(60)

    assert raised.value.status == 503
    assert (port.view.hold, house.gate.is_open) == (Hold.OURS, True)


async def test_who_still_holds_it_is_named_and_left_alone(house: House) -> None:
    """We try again until it is free, and never speak to the holder: a stray request would end its sign-in."""
    port = await house.begin()
    await port.lend(10)
    house.gate.busy = PortBusy("::1", 1717, "node (pid 42)")
    await house.clock.advance(11)

    assert (port.view.hold, port.view.holder) == (Hold.TAKING_BACK, "node (pid 42)")
    assert (await port.take_back()).hold is Hold.TAKING_BACK
    house.gate.busy = None
    await house.clock.advance(AGAIN_SECONDS)
    await is_ours(house, port)
    assert house.gate.discreet[0] is False
    assert set(house.gate.discreet[1:]) == {True}


async def test_the_system_may_hold_it_too(house: House) -> None:
    """A border that was raised meanwhile is named as well."""
    port = await house.begin()
    await port.lend(10)
    house.gate.busy = PortReserved(1717)
    await house.clock.advance(11)

    assert port.view.holder == "the system"


async def test_it_is_lent_to_one_at_a_time(house: House) -> None:
    """A second borrower is refused, and told until when; once the first is over it may borrow, held or not."""
    port = await house.begin()
    await port.lend(10)
    with pytest.raises(Problem, match="lent until 12:00:10") as raised:
        await port.lend(60)
    house.gate.busy = PortBusy("127.0.0.1", 1717, None)
    await house.clock.advance(11)
    assert port.view.holder is None
    again = await port.lend(60)

    assert raised.value.code == "port_lent"
    assert again.hold is Hold.LENT


async def test_what_needs_the_port_is_refused_meanwhile(house: House) -> None:
    """A sign-in that could not come back does not begin."""
    port = await house.begin()
    port.check_ours()
    await port.lend(10)
    with pytest.raises(Problem) as raised:
        port.check_ours()

    assert raised.value.next_step is not None
    assert raised.value.next_step.command == "meshmesh lend --back"


async def test_a_restart_in_the_middle_does_not_fight_for_the_port(house: House) -> None:
    """The next run begins lent, and takes the port back when the rest of the time is over."""
    first = await house.begin()
    await first.lend(60)
    await first.close()
    house.gate.busy = PortBusy("127.0.0.1", 1717, "node (pid 42)")
    second = await house.begin()

    assert second.view.hold is Hold.LENT
    house.gate.busy = None
    await house.clock.advance(60)
    await is_ours(house, second)


async def test_a_restart_after_its_time_takes_it_back_when_it_is_free(house: House) -> None:
    """A loan that ended while nobody ran is no reason to refuse to start."""
    house.file.write(Loan(port=1717, until=START - timedelta(hours=1), borrower=None))
    house.gate.busy = PortBusy("127.0.0.1", 1717, "node (pid 42)")
    port = await house.begin()
    await settle()
    assert port.view.hold is Hold.TAKING_BACK
    house.gate.busy = None
    await house.clock.advance(AGAIN_SECONDS)

    await is_ours(house, port)


@pytest.mark.parametrize(
    "loan",
    [
        Loan(port=1717, until=START + timedelta(hours=1), borrower="1 another-boot:1"),
        Loan(port=1717, until=START - timedelta(seconds=1), borrower=None),
        Loan(port=1717, until=START - timedelta(seconds=1), borrower="not a process"),
    ],
)
async def test_a_loan_that_ended_meanwhile_is_over_at_once(house: House, loan: Loan) -> None:
    """A borrower is known by its number and its birth, so that another process of that number is not taken for it."""
    house.file.write(loan)
    port = await house.begin()

    assert port.view.hold is Hold.OURS
    assert house.gate.is_open
    assert house.file.read() is None


async def test_without_a_loan_a_busy_port_is_a_refusal_to_start(house: House) -> None:
    """Nothing was lent, so somebody else sits there."""
    house.gate.busy = PortBusy("127.0.0.1", 1717, "nginx (pid 9)")
    with pytest.raises(PortBusy, match="nginx"):
        await house.begin()


async def test_a_loan_of_another_port_is_not_ours(house: House) -> None:
    """The port was changed in between."""
    house.file.write(Loan(port=1818, until=START + timedelta(hours=1), borrower=None))

    assert (await house.begin()).view.hold is Hold.OURS


@pytest.mark.parametrize("jump", [-86_400, 3600])
async def test_no_clock_makes_a_loan_longer(house: House, jump: float) -> None:
    """Set back, the time that really passed counts; after a sleep, the time of day."""
    port = await house.begin()
    await port.lend(120)
    house.clock.jump(jump)
    await house.clock.advance(121 if jump < 0 else 31)

    await is_ours(house, port)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"port": "1717"}',
        '{"port": 1, "until": "soon", "borrower": null}',
        '{"port": 1, "until": "2026-01-01", "borrower": null}',
    ],
)
def test_a_broken_note_is_no_loan(tmp_path: Path, text: str) -> None:
    """Whatever else stands in the file, the port is ours."""
    (tmp_path / "loan.json").write_text(text)

    assert LoanFile(tmp_path / "loan.json").read() is None


# --- The offer -----------------------------------------------------------------------------------------------------

SF = ("node", "/opt/sf/bin/run.js", "org", "login", "web")


@dataclass
class FakeScreen:
    """What is shown, and who hears of it."""

    has_buttons: bool = True
    shown: list[Notice] = field(default_factory=list[Notice])
    withdrawn: list[str] = field(default_factory=list[str])
    heard: Heard | None = None

    def show(self, notice: Notice, heard: Heard) -> None:
        """Show."""
        self.shown.append(notice)
        self.heard = heard

    def withdraw(self, key: str) -> None:
        """Take away."""
        self.withdrawn.append(key)

    def press(self, button: str) -> None:
        """As the person does."""
        assert self.heard is not None
        self.heard(Pressed(OFFER, button))


@dataclass
class Offering:
    """Offers, on a screen, beside programs."""

    house: House
    port: Port
    screen: FakeScreen
    running: list[tuple[str, ...]]
    offers: Offers
    looks: list[int]

    async def probe(self, times: int = 1) -> None:
        """Connections that come and go without a word."""
        for _ in range(times):
            self.offers.probed()
        await settle()


@pytest.fixture
async def offering(house: House) -> AsyncGenerator[Offering, None]:
    """An `sf` signs in."""
    port, screen = await house.begin(), FakeScreen()
    running: list[tuple[str, ...]] = [SF]
    looks: list[int] = []

    def lines() -> Iterator[tuple[str, ...]]:
        looks.append(1)
        return iter(running)

    offers = Offers(port=port, screen=lambda: screen, command_lines=lines, clock=house.clock)
    yield Offering(house, port, screen, running, offers, looks)
    await offers.close()


async def test_sfs_probe_raises_one_offer(offering: Offering) -> None:
    """Its many connections, and those of the next minutes, are one notice; it goes away by itself."""
    await offering.probe(5)
    await offering.house.clock.advance(STAY_SECONDS)
    await offering.probe()
    assert [notice.key for notice in offering.screen.shown] == [OFFER]
    assert offering.screen.withdrawn == [OFFER]
    await offering.house.clock.advance(OFFER_AGAIN)
    await offering.probe()

    assert len(offering.screen.shown) == 2


async def test_scanners_and_browsers_raise_none(offering: Offering) -> None:
    """Silent connections are of no interest while no sf signs in, and looked into once a second at most."""
    offering.running[:] = [("chromium",), ("nmap", "localhost")]
    await offering.probe(50)
    assert (offering.screen.shown, len(offering.looks)) == ([], 1)
    offering.running.append(SF)
    await offering.house.clock.advance(1)
    await offering.probe()

    assert len(offering.screen.shown) == 1


async def test_lend_lends(offering: Offering) -> None:
    """The button gives the port up for two minutes and says what to do."""
    await offering.probe()
    offering.screen.press(LEND)
    await until(lambda: offering.port.view.hold is Hold.LENT)
    await settle()

    assert not offering.house.gate.is_open
    assert offering.screen.shown[-1].lines == ("Run the sf command again.",)


async def test_not_now_lends_nothing(offering: Offering) -> None:
    """The other button only takes the notice away."""
    await offering.probe()
    offering.screen.press(LATER)
    await settle()

    assert offering.port.view.hold is Hold.OURS
    assert offering.screen.withdrawn == [OFFER]


async def test_nothing_is_offered_while_it_is_lent(offering: Offering) -> None:
    """The probe then is not ours to hear; and a press that comes too late is no error."""
    await offering.probe()
    await offering.port.lend(600)
    offering.screen.press(LEND)
    await settle()
    await offering.house.clock.advance(OFFER_AGAIN - 1)
    await offering.probe()

    assert len(offering.screen.shown) == 1


async def test_two_presses_lend_once(offering: Offering) -> None:
    """A double click is one wish."""
    await offering.probe()
    offering.screen.press(LEND)
    offering.screen.press(LEND)
    await settle()
    await asyncio.sleep(0)

    assert offering.house.told == [Hold.LENT]
