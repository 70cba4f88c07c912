"""A pace: so many times in a span that slides along."""

import pytest

from meshmesh_daemon.core.pacing import Pace


@pytest.mark.parametrize(
    ("noted", "now", "wait"),
    [
        ([], 0.0, 0.0),
        ([0.0, 1.0], 1.0, 0.0),
        ([0.0, 1.0, 2.0], 2.0, 58.0),
        ([0.0, 1.0, 2.0], 59.9, pytest.approx(0.1)),
        ([0.0, 1.0, 2.0], 60.0, 0.0),
    ],
)
def test_it_waits_for_the_oldest_to_pass(noted: list[float], now: float, wait: float) -> None:
    """At the limit the wait is what the oldest one still counts; below it there is none."""
    pace = Pace(3, 60)
    for moment in noted:
        pace.note(moment)

    assert pace.wait(now) == wait


def test_what_is_forgiven_does_not_count() -> None:
    """The newest is taken back; an empty pace has nothing to forgive, and is idle once the rest has passed."""
    pace = Pace(1, 60)
    pace.forgive()
    pace.note(0.0)
    pace.forgive()
    assert pace.wait(0.0) == 0
    pace.note(1.0)
    assert not pace.is_idle
    pace.wait(61.0)

    assert pace.is_idle
