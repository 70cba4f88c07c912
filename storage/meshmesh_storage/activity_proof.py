"""The proof that the activity is as it was written: its chain walked row by row, from one sealed end to the other.

No I/O: rows are handed in, in the order of their numbers. The first thing that is wrong is named, and ends the walk.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NoReturn

from meshmesh_storage.activity_rows import ENDS_SEQ, Ends, Row, open_row
from meshmesh_storage.sealing import Sealer

_LOST = "the sealed ends of the chain were taken away or changed."


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How a proof ended. `bad_row` is the number of the first row that is not as it was written, or is not there."""

    rows: int
    bad_row: int | None
    detail: str

    @property
    def whole(self) -> bool:
        """Whether every row is there and as it was written."""
        return self.bad_row is None


class Broken(Exception):
    """The chain does not hold; `str()` is one sentence.

    Args:
        seq: the first row that is wrong or missing.
        sentence: what is wrong with it.
    """

    def __init__(self, seq: int, sentence: str) -> None:
        super().__init__(sentence)
        self.seq = seq


class Proof:
    """One walk.

    Args:
        sealer: opens rows.
        ends: where the walk begins and must end.
    """

    def __init__(self, sealer: Sealer, ends: Ends) -> None:
        self._sealer = sealer
        self._ends = ends
        self._reached = ends.first
        self.rows = 0

    def walk(self, stored: Iterable[tuple[int, bytes]]) -> None:
        """Go on over further rows.

        Raises:
            Broken: as `step`.
        """
        for seq, sealed in stored:
            self.step(seq, sealed)

    def step(self, seq: int, sealed: bytes) -> Row:
        """Go on by one row.

        Raises:
            Broken: it is not the row that comes next, or is not as it was written.
        """
        awaited = self._reached.seq + 1
        if seq < awaited:
            self._check_loss()
            raise Broken(seq, f"Row {seq} stands before the beginning of the chain: it was put there.")
        if seq > awaited:
            self._miss(awaited, seq - 1)
        row = open_row(self._sealer, seq, sealed)
        if row.raw is None:
            raise Broken(seq, f"Row {seq} was changed, or was not written by MeshMesh.")
        if row.hash != self._reached.follow(row.raw):
            raise Broken(seq, f"Row {seq} does not follow from the row before it: one of them was put there.")
        self._reached = row.link
        self.rows += 1
        return row

    def finish(self, highest: int, kept: Ends | None) -> Verdict:
        """The walk has come to the end of what is there.

        Args:
            highest: the highest number in the file.
            kept: the ends as they stand in the file.

        Raises:
            Broken: that is not the end of the chain.
        """
        last = self._ends.last
        if self._reached.seq < last.seq:
            self._miss(self._reached.seq + 1, last.seq, " The end was cut off.")
        if self._reached != last:
            raise Broken(last.seq, f"Row {last.seq} is not the one that was written last.")
        if highest > last.seq:
            raise Broken(last.seq + 1, f"Row {last.seq + 1} stands behind the end of the chain: it was put there.")
        self._check_loss()
        if kept != self._ends:
            raise Broken(ENDS_SEQ, f"The rows are whole, but {_LOST}")
        return Verdict(rows=self.rows, bad_row=None, detail=self._sentence())

    def _check_loss(self) -> None:
        lost = self._ends.lost
        if lost is not None:
            raise Broken(max(lost - 1, 1), f"What came before row {lost} cannot be proven: {_LOST}")

    def _sentence(self) -> str:
        if not self.rows:
            return "There is nothing to prove yet."
        span = f"{self._ends.first.seq + 1} to {self._ends.last.seq}"
        return f"All {self.rows} rows ({span}) are there and as they were written."

    def _miss(self, first: int, last: int, more: str = "") -> NoReturn:
        rows = f"Row {first} is" if first == last else f"Rows {first} to {last} are"
        raise Broken(first, f"{rows} missing.{more}")
