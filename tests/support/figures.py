"""What a benchmark gives: figures against a yardstick of the same run, printed as one table and written as JSON."""

import argparse
import json
import statistics
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One line of the table.

    `ratio` is ours over the yardstick's; `reach` says what is aimed at, such as `>= 0.80`; `noise` is the yardstick
    against itself in the same run (None where there is none): what lies within it is no finding.
    """

    name: str
    ours: str
    yardstick: str
    ratio: float
    reach: str
    noise: float | None = None

    @property
    def met(self) -> bool:
        """Whether the ratio is what is aimed at."""
        sign, _, limit = self.reach.partition(" ")
        return self.ratio >= float(limit) if sign == ">=" else self.ratio <= float(limit)


def paired(rounds: int, ours: Callable[[], float], yardstick: Callable[[], float]) -> tuple[float, float, float, float]:
    """Measure in turn, so that whatever else the machine does hits both.

    Args:
        rounds: how often.
        ours: gives one measurement.
        yardstick: gives one, of the same unit.

    Returns:
        The medians of ours and of the yardstick, the median of the ratios, and that of the yardstick against itself.
    """
    runs = [(yardstick(), ours(), yardstick()) for _ in range(rounds)]
    bare, own, _ = (statistics.median(one) for one in zip(*runs, strict=True))
    ratio = statistics.median(2 * mine / (before + after) for before, mine, after in runs)
    return own, bare, ratio, statistics.median(after / before for before, _, after in runs)


def table(figures: Sequence[Figure]) -> str:
    """The figures in columns."""
    rows = [("figure", "ours", "yardstick", "ratio", "reach", "noise", "")]
    rows += [
        (
            one.name,
            one.ours,
            one.yardstick,
            f"{one.ratio:.2f}",
            one.reach,
            "-" if one.noise is None else f"{one.noise:.2f}",
            "met" if one.met else "NOT MET",
        )
        for one in figures
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def to_json(figures: Sequence[Figure]) -> str:
    """The figures as JSON."""
    return json.dumps([{**asdict(one), "met": one.met} for one in figures], indent=2) + "\n"


def from_json(text: str) -> list[Figure]:
    """What `to_json` gave."""
    documents: list[dict[str, Any]] = json.loads(text)
    return [Figure(**{name: value for name, value in one.items() if name != "met"}) for one in documents]


def tell(measure: Callable[[], list[Figure]]) -> None:
    """The main of a benchmark: measure, print the table, and write JSON where `--json FILE` asks for it."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--json", type=Path)
    file: Path | None = parser.parse_args().json
    figures = measure()
    print(table(figures))  # noqa: T201 - what it is for
    if file:
        file.write_text(to_json(figures))
