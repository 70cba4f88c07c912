"""A thousand schedules of trouble between the service and an org that rotates its refresh tokens.

    .venv-test/bin/python tests/bench/fault_schedules.py [--schedules 1000] [--real 20] [--seed 1]

Most run on the use cases with a clock that is moved by hand, with every interleaving that hypothesis thinks of: latency,
resets, truncation, garbage, slow bytes, TLS that fails, captive portals, 5xx, 429, lost answers, callers that go away,
crashes. Some run on a real `meshmeshd` behind a line that does all that. The laws: one refresh at a time for a connection
(counted at the org), no rotated token lost, nobody needed without a reason, every caller answered. Prints what was met,
and ends with 1 where a law was broken.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from hypothesis import HealthCheck, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from support.line_schedules import Loss, schedules
from support.session_machine import House, machine_of

STEPS = 12


def by_hand(folder: Path, count: int, number: int) -> None:
    """So many schedules on the use cases.

    Raises:
        AssertionError: a law was broken; hypothesis has printed the shortest schedule that does it.
    """
    long = settings(
        max_examples=count,
        stateful_step_count=STEPS,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        database=None,
    )
    with asyncio.Runner() as runner:
        house = House.open(runner, folder)
        try:
            run_state_machine_as_test(seed(number)(machine_of(house)), settings=long)
        finally:
            house.close()
            tell("requests for tokens on the use cases", house.org.met)


def real(folder: Path, count: int, number: int) -> None:
    """So many schedules on a real service.

    Raises:
        Loss: a law was broken.
    """
    ends: Counter[str] = Counter()
    with schedules(folder, number) as made:
        for _ in range(count):
            ends[made.run()] += 1
        tell("troubles on the line to a real service", made.met)
        tell("and what became of the connection", ends)


def tell(title: str, counts: Mapping[str, int]) -> None:
    """A table."""
    print(f"{title}:")
    for what, times in sorted(counts.items(), key=lambda pair: -pair[1]):
        print(f"{times:>8} {what}")


def main() -> int:
    """Run both, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--schedules", type=int, default=1000)
    parser.add_argument("--real", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as text:
        try:
            if asked.schedules:
                by_hand(Path(text), asked.schedules, asked.seed)
            if asked.real:
                real(Path(text), asked.real, asked.seed)
        except (AssertionError, Loss) as loss:
            print(f"LOST: {loss}", *getattr(loss, "__notes__", []), sep="\n")
            return 1
    print(f"no law was broken; seed {asked.seed}, {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
