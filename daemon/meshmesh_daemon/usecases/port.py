"""The port, which is ours and can be lent: given up for a while, and taken back whatever happens to the borrower.

A loan ends with its time, with the process that it was made for, or when it is given back. It is written down, so that
a service that starts again in the middle of it does not fight the borrower for the port. Whoever still holds the port at
the end is left alone and named: the service tries again until it has it.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import timedelta
from typing import Protocol

from meshmesh_daemon.adapters.loan_file import LoanFile
from meshmesh_daemon.adapters.ports import PortBusy, PortReserved
from meshmesh_daemon.adapters.processes import Mark, Processes
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.loans import Hold, Loan, PortView, sentence
from meshmesh_daemon.core.problems import Next, Problem, bad_field

log = logging.getLogger("meshmesh.port")

AGAIN_SECONDS = 1.0
LOOK_SECONDS = 30.0  # a suspended machine's timers stand still, and the end of a loan is a time of day too

Tell = Callable[[Hold, str], None]


class Gate(Protocol):
    """The TCP doors, which open and close as one."""

    @property
    def port(self) -> int:
        """Their port, also while they are closed."""
        ...

    async def open(self, *, discreet: bool) -> None:
        """Open them.

        Args:
            discreet: whether whoever holds the port may be waiting for a redirect, and must not be spoken to.

        Raises:
            PortBusy: somebody holds the port.
            PortReserved: the system does not give it to us.
        """
        ...

    async def close(self) -> None:
        """Close them, so that the port is free when this returns; calls that are under way go on."""
        ...


class Port:
    """Lends the port, and takes it back.

    Args:
        gate: the TCP doors.
        file: where a loan is written down while it lasts.
        processes: knows when a borrower ends.
        clock: the time.
        tell: is told of a loan, and of its end.
    """

    def __init__(self, *, gate: Gate, file: LoanFile, processes: Processes, clock: Clock, tell: Tell) -> None:
        self._gate = gate
        self._file = file
        self._processes = processes
        self._clock = clock
        self._tell = tell
        self._hold = Hold.OURS
        self._loan: Loan | None = None
        self._holder: str | None = None
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._turn = asyncio.Lock()  # the doors, and what is written down of them, change together

    @property
    def view(self) -> PortView:
        """Whose the port is."""
        return PortView(hold=self._hold, port=self._gate.port, loan=self._loan, holder=self._holder)

    def check_ours(self) -> None:
        """Refuse what needs the port.

        Raises:
            Problem: 409 `port_lent`.
        """
        if self._hold is not Hold.OURS:
            raise self._lent()

    async def open(self) -> None:
        """Open the doors at the start; after a loan that did not see its end, only once the port is free.

        Raises:
            PortBusy: somebody holds it, and it was not lent.
            PortReserved: the system does not give it to us.
        """
        loan = self._file.read()
        if loan is None or loan.port != self._gate.port:
            await self._gate.open(discreet=False)
            return
        self._hold, self._loan = Hold.TAKING_BACK, loan
        if not self._is_over(loan) or not await self._is_taken():
            self._begin(loan, (loan.until - self._clock.now()).total_seconds())

    def _is_over(self, loan: Loan) -> bool:
        borrower = _borrower(loan)
        gone = borrower is not None and self._processes.mark(borrower.pid) != borrower
        return gone or loan.until <= self._clock.now()

    async def lend(self, seconds: int, pid: int | None = None) -> PortView:
        """Give the port up.

        Args:
            seconds: for how long at most.
            pid: the process that the loan ends with, or None.

        Raises:
            Problem: 409 where it is lent already, 422 where there is no such process, 503 where it cannot be written down.
        """
        async with self._turn:
            if self._hold is Hold.LENT:
                raise self._lent()
            borrower = self._processes.mark(pid) if pid is not None else None
            if pid is not None and borrower is None:
                raise bad_field("pid", f"there is no process {pid} of yours.")
            loan = Loan(
                port=self._gate.port,
                until=self._clock.now() + timedelta(seconds=seconds),
                borrower=str(borrower) if borrower else None,
            )
            await self._write_down(loan)
            if self._task is not None:
                self._task.cancel()
            else:
                await self._gate.close()
            self._begin(loan, seconds)
        self._tell(Hold.LENT, f"Port {loan.port} was lent for {seconds} s.")
        return self.view

    async def _write_down(self, loan: Loan) -> None:
        try:
            await asyncio.to_thread(self._file.write, loan)
        except OSError as error:
            detail = f"The loan could not be written down ({error.strerror}), so the port stays."
            raise Problem(503, "offline", detail, retry_after=5) from None

    async def take_back(self) -> PortView:
        """End a loan now; it is fine if there is none."""
        if self._task is not None:
            self._over.set()
            await asyncio.wait({self._task}, timeout=AGAIN_SECONDS)
        return self.view

    async def close(self) -> None:
        """Stop waiting. A loan that is not over stays written down."""
        async with self._turn:
            if self._task is not None:
                self._task.cancel()
                await asyncio.gather(self._task, return_exceptions=True)

    def _lent(self) -> Problem:
        step = Next("Take it back", command="meshmesh lend --back")
        return Problem(409, "port_lent", sentence(self.view) or "", next_step=step)

    def _begin(self, loan: Loan, seconds: float) -> None:
        self._hold, self._loan, self._holder = Hold.LENT, loan, None
        self._over = asyncio.Event()
        over = self._over
        borrower = _borrower(loan)
        if borrower is not None:

            async def ended() -> None:
                over.set()

            self._processes.when_ended(borrower, ended)
        self._task = asyncio.create_task(self._run(loan, self._clock.monotonic() + seconds))

    async def _run(self, loan: Loan, deadline: float) -> None:
        while not self._over.is_set() and (left := self._left(loan, deadline)) > 0:
            await self._wait(min(left, LOOK_SECONDS))
        self._hold = Hold.TAKING_BACK
        while not await self._is_taken():
            await self._clock.sleep(AGAIN_SECONDS)
        self._tell(Hold.OURS, f"Port {loan.port} is ours again.")

    def _left(self, loan: Loan, deadline: float) -> float:
        """Neither a clock that is set back nor a machine that slept makes a loan longer."""
        return min(deadline - self._clock.monotonic(), (loan.until - self._clock.now()).total_seconds())

    async def _wait(self, seconds: float) -> None:
        waiting = {asyncio.ensure_future(self._over.wait()), asyncio.ensure_future(self._clock.sleep(seconds))}
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _is_taken(self) -> bool:
        """Try to open the doors; whoever is in the way is told once."""
        async with self._turn:
            try:
                await self._gate.open(discreet=True)
            except (PortBusy, PortReserved) as error:
                before, self._holder = self._holder, error.holder if isinstance(error, PortBusy) else "the system"
                if before is None or before != self._holder:
                    log.warning("%s", sentence(self.view))
                return False
            await asyncio.to_thread(self._file.remove)
            self._hold, self._loan, self._holder, self._task = Hold.OURS, None, None, None
            return True


def _borrower(loan: Loan) -> Mark | None:
    """The process that a loan ends with; a note that cannot be read names none."""
    try:
        return Mark.read(loan.borrower) if loan.borrower else None
    except ValueError:
        return None
