"""What widens, and how often a PIN may be tried."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.presence import FIRST_WAIT, FREE_TRIES, LONGEST_WAIT, Tries, is_within, widens
from meshmesh_storage.records import Grant, Mode
from support.clock import START

READ = Grant(connection_id="c1", mode=Mode.READ, expires_at=START + timedelta(days=1))
PLAN, BUILD = replace(READ, mode=Mode.PLAN), replace(READ, mode=Mode.BUILD)
RAW = replace(BUILD, raw_token=True)
LONGER = replace(READ, expires_at=START + timedelta(days=2))
FOR_EVER = replace(READ, expires_at=None)
LASTING = replace(PLAN, expires_at=None)
FOR_A_WHILE = replace(BUILD, then=LASTING)  # Build for a day, and Plan after it


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ([], [READ], [READ]),
        ([READ], [PLAN], [PLAN]),
        ([PLAN], [BUILD], [BUILD]),
        ([BUILD], [RAW], [RAW]),
        ([READ], [LONGER], [LONGER]),
        ([READ], [FOR_EVER], [FOR_EVER]),
        ([READ], [replace(READ, connection_id="c2")], [replace(READ, connection_id="c2")]),
        ([READ], [READ], []),
        ([RAW], [BUILD], []),
        ([BUILD], [READ], []),
        ([LONGER], [READ], []),
        ([FOR_EVER], [LONGER], []),
        ([READ], [], []),
        ([BUILD], [replace(LONGER, mode=Mode.READ)], [replace(LONGER, mode=Mode.READ)]),
        ([FOR_A_WHILE], [LASTING], []),
        ([FOR_A_WHILE], [FOR_EVER], []),
        ([FOR_A_WHILE], [replace(LONGER, mode=Mode.BUILD)], [replace(LONGER, mode=Mode.BUILD)]),
        ([replace(BUILD, then=READ)], [PLAN], []),
        ([replace(BUILD, then=FOR_EVER)], [LASTING], [LASTING]),
    ],
)
def test_what_gives_more_widens(before: list[Grant], after: list[Grant], expected: list[Grant]) -> None:
    """New, wider, longer, or with the token: it widens. Narrower, shorter or gone: it does not."""
    assert widens(before, after) == expected


@pytest.mark.parametrize(
    ("grant", "mode", "raw", "expected"),
    [
        (READ, Mode.READ, False, True),
        (READ, Mode.PLAN, False, False),
        (PLAN, Mode.READ, False, True),
        (BUILD, Mode.BUILD, True, False),
        (RAW, Mode.BUILD, True, True),
    ],
)
def test_within(grant: Grant, mode: Mode, raw: bool, expected: bool) -> None:
    """A grant covers its own mode and narrower ones; the token only where it has it."""
    assert is_within(grant, mode=mode, raw_token=raw) is expected


def test_five_tries_are_free_and_then_the_wait_grows() -> None:
    """The wait begins with the fifth wrong try, doubles, and never passes an hour."""
    tries, waits = Tries(), list[float]()
    for _ in range(20):
        tries = tries.after_failure(START)
        waits.append(tries.wait(START))

    assert waits[: FREE_TRIES - 1] == [0.0] * (FREE_TRIES - 1)
    assert waits[FREE_TRIES - 1 : FREE_TRIES + 2] == [30.0, 60.0, 120.0]
    assert waits[-1] == LONGEST_WAIT.total_seconds()


@given(st.integers(0, 10_000))
def test_the_wait_never_shrinks(failed: int) -> None:
    """However many wrong tries: the next wait is at least as long, and bounded."""
    one = Tries(failed).after_failure(START)
    two = one.after_failure(START)

    assert one.wait(START) <= two.wait(START) <= LONGEST_WAIT.total_seconds()
    assert FIRST_WAIT <= LONGEST_WAIT
