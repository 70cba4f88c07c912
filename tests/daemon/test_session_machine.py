"""Refreshes and rotations under every interleaving that hypothesis thinks of; the long form is `tests/bench/fault_schedules.py`."""

import asyncio
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from support.session_machine import House, machine_of

QUICK = settings(
    max_examples=100,
    stateful_step_count=6,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    database=None,
)


def test_no_schedule_of_trouble_breaks_the_laws(tmp_path: Path) -> None:
    """One refresh at a time, no rotated token lost, nobody needed without a reason, every caller answered."""
    with asyncio.Runner() as runner:
        house = House.open(runner, tmp_path)
        try:
            run_state_machine_as_test(machine_of(house), settings=QUICK)
        finally:
            house.close()
