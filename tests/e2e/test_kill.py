"""SIGKILL in the middle of what must not be cut off, from outside: nothing is ever lost in silence.

This is the short form; `tests/bench/kill_rounds.py` does hundreds of rounds and prints what became of each.
"""

from collections.abc import Iterator

import pytest

from support.kills import Campaign, End, Phase, campaign
from support.kills_in_deeds import Kind, kill_in

KEPT = {End.KEPT}
TOLD = {End.TOLD}
SHORT = [
    (Phase.TOKEN_OUT, 1, KEPT),
    (Phase.HALF, 1, TOLD),
    (Phase.ANSWERED, 2, KEPT | TOLD),
    (Phase.ANY, 2, KEPT | TOLD),
]


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Campaign]:
    """One home and one org for all phases, as a machine with a bad week has them."""
    with campaign(tmp_path_factory.mktemp("campaign"), seed=20261125) as made:
        yield made


@pytest.mark.parametrize(("phase", "rounds", "ends"), SHORT, ids=[phase.name for phase, _, _ in SHORT])
def test_no_kill_loses_a_token_in_silence(killed: Campaign, phase: Phase, rounds: int, ends: set[End]) -> None:
    """After each kill the next refresh works, or the connection says `rotation_interrupted` and the org agrees."""
    assert {killed.round(phase) for _ in range(rounds)} <= ends


@pytest.mark.parametrize(("phase", "end"), [(Phase.ASKED, End.KEPT), (Phase.ROTATED, End.TOLD)])
def test_what_a_crash_cut_off_is_settled_without_a_caller(killed: Campaign, phase: Phase, end: End) -> None:
    """Within ten seconds of the start, nobody asking, it is mended, or told."""
    assert killed.round(phase, alone=True) is end


@pytest.mark.parametrize(
    ("kind", "rounds"),
    [(Kind.SIGN_IN, 2), (Kind.PLAN, 1), (Kind.BACKUP, 2), (Kind.ROTATION, 2)],
    ids=str,
)
def test_no_deed_that_is_cut_off_harms_what_is_there(killed: Campaign, kind: Kind, rounds: int) -> None:
    """Whatever was under way, afterwards it is there and works, or the service says that it is not; all on disk is whole."""
    assert {kill_in(kind, killed)[1] for _ in range(rounds)} <= KEPT | TOLD
