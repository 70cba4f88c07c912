"""When the watcher looks after a connection."""

from dataclasses import replace
from datetime import timedelta

import pytest

from meshmesh_daemon.core.watching import is_due, phase
from meshmesh_storage.records import Connection, Status
from support.clock import START
from support.floor import ACME, FIRST

HOUR = timedelta(hours=1)
ENDING = replace(ACME, session=replace(FIRST, expires_at=START + 2 * HOUR), last_used_at=START + HOUR)
UNUSED = replace(ENDING, last_used_at=None)


def due(connection: Connection, after: timedelta, *, looked_at: timedelta = timedelta()) -> bool:
    """Whether it is due that long after START."""
    return is_due(connection, looked_at=START + looked_at, now=START + after)


@pytest.mark.parametrize(
    ("connection", "after", "expected"),
    [
        (ENDING, HOUR, False),
        (ENDING, 2 * HOUR - timedelta(minutes=11), False),
        (ENDING, 2 * HOUR - timedelta(minutes=1), True),
        (ENDING, 3 * HOUR, True),
        (UNUSED, 2 * HOUR - timedelta(minutes=1), False),
        (UNUSED, 3 * HOUR, False),
        (UNUSED, 24 * HOUR, True),
        (replace(ENDING, last_used_at=START - 12 * HOUR), 2 * HOUR - timedelta(minutes=1), False),
        (ACME, 19 * HOUR, False),
        (ACME, 24 * HOUR, True),
    ],
)
def test_connected(connection: Connection, after: timedelta, expected: bool) -> None:
    """In use: shortly before the end. Otherwise: once a day."""
    assert due(connection, after) is expected


@pytest.mark.parametrize(
    ("status", "after", "expected"),
    [
        (Status.NEEDS_YOU, 1000 * HOUR, False),
        (Status.REFRESHING, 1000 * HOUR, False),
        (Status.OFFLINE, timedelta(minutes=4), False),
        (Status.OFFLINE, timedelta(minutes=5), True),
        (Status.BLOCKED, 5 * HOUR, False),
        (Status.BLOCKED, 6 * HOUR, True),
    ],
)
def test_the_others(status: Status, after: timedelta, expected: bool) -> None:
    """`needs_you` is never tried; trouble often; what an admin must mend, rarely."""
    assert due(replace(ACME, status=status), after) is expected


def test_a_short_session_is_not_renewed_all_the_time() -> None:
    """A session of fifteen minutes is renewed in its last quarter, not ten minutes ahead."""
    short = replace(ENDING, session=replace(FIRST, expires_at=START + timedelta(minutes=15)), last_used_at=START)

    assert not due(short, timedelta(minutes=10))
    assert due(short, timedelta(minutes=14))


def test_a_crowd_is_spread() -> None:
    """Connections that were signed in at once are not looked after at once."""
    phases = [phase(f"c{number}") for number in range(1000)]

    assert min(phases) < 0.05
    assert max(phases) > 0.95
    assert all(0 <= one < 1 for one in phases)
    early = [one for one in range(1000) if due(replace(ACME, id=f"c{one}"), 22 * HOUR)]
    assert 300 < len(early) < 700
