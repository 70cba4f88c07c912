"""Grants over time: what is wider for a while gives way to what there was."""

from datetime import datetime, timedelta

import pytest

from meshmesh_daemon.core.grants import current, with_fallback
from meshmesh_storage.records import Grant, Mode
from support.clock import START


def grant(mode: Mode, minutes: int | None = None, *, then: Grant | None = None, raw_token: bool = False) -> Grant:
    """A grant that ends after some minutes, or never."""
    ends = None if minutes is None else START + timedelta(minutes=minutes)
    return Grant(connection_id="c1", mode=mode, raw_token=raw_token, expires_at=ends, then=then)


READ, PLAN, BUILD = grant(Mode.READ), grant(Mode.PLAN), grant(Mode.BUILD)


@pytest.mark.parametrize(
    ("had", "new", "then"),
    [
        ([PLAN], grant(Mode.BUILD, 30), PLAN),
        ([grant(Mode.PLAN, 60)], grant(Mode.BUILD, 30), grant(Mode.PLAN, 60)),
        ([grant(Mode.PLAN, 20)], grant(Mode.BUILD, 30), None),
        ([PLAN], BUILD, None),
        ([BUILD], grant(Mode.PLAN, 30), None),
        ([], grant(Mode.BUILD, 30), None),
        ([grant(Mode.BUILD, 10, then=PLAN)], grant(Mode.BUILD, 30), PLAN),
        ([grant(Mode.BUILD, 10, then=PLAN)], grant(Mode.PLAN, 30), None),
        ([Grant(connection_id="c2", mode=Mode.READ)], grant(Mode.BUILD, 30), None),
        ([grant(Mode.BUILD, raw_token=True)], grant(Mode.BUILD, 30), None),
    ],
)
def test_what_comes_back(had: list[Grant], new: Grant, then: Grant | None) -> None:
    """Only what is narrower, lasts longer, and is of the same connection; never what is wider."""
    assert with_fallback(new, had).then == then


@pytest.mark.parametrize(
    ("at", "mode"),
    [(START, Mode.BUILD), (START + timedelta(minutes=30), Mode.PLAN), (START + timedelta(hours=1), None)],
)
def test_a_grant_at_a_moment(at: datetime, mode: Mode | None) -> None:
    """Itself until its end, then what comes after it, then nothing."""
    found = current(grant(Mode.BUILD, 30, then=grant(Mode.PLAN, 60)), at)

    assert (found.mode if found else None) is mode
