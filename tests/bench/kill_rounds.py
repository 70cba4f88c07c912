"""Hundreds of kills: `meshmeshd` is ended with SIGKILL in the middle of refreshes, against an org that rotates.

    .venv-test/bin/python tests/bench/kill_rounds.py [ROUNDS] [SEED]

Prints, for each moment of the kill, how often the sign-in was kept, how often its loss was told (`rotation_interrupted`),
and how often it was lost in silence, which must be never. Ends with 1 where it was.
"""

import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.kills import Campaign, End, Loss, Phase, campaign

SILENT = "silent"


def fight(made: Campaign, rounds: int, chance: random.Random) -> Counter[tuple[Phase, str]]:
    """Kill so many times, at phases that are drawn; a campaign ends with its first loss."""
    ends: Counter[tuple[Phase, str]] = Counter()
    for _ in range(rounds):
        phase = chance.choice(list(Phase))
        try:
            ends[phase, made.round(phase)] += 1
        except Loss as loss:
            print(loss)
            ends[phase, SILENT] += 1
            break
    return ends


def main(rounds: int, seed: int) -> int:
    """Kill, count and print."""
    begun = time.monotonic()
    chance = random.Random(seed)  # noqa: S311 - when to kill is no secret
    ends: Counter[tuple[Phase, str]] = Counter()
    while ends.total() < rounds:
        with tempfile.TemporaryDirectory() as folder, campaign(Path(folder), seed=chance.getrandbits(32)) as made:
            ends += fight(made, rounds - ends.total(), chance)
    columns = (End.KEPT, End.TOLD, SILENT)
    print(f"{'killed when':<50}{'rounds':>8}{'kept':>8}{'told':>8}{'silent':>8}")
    for phase in Phase:
        counts = [ends[phase, column] for column in columns]
        print(f"{phase:<50}{sum(counts):>8}" + "".join(f"{count:>8}" for count in counts))
    totals = [sum(ends[phase, column] for phase in Phase) for column in columns]
    print(f"{'all':<50}{sum(totals):>8}" + "".join(f"{count:>8}" for count in totals))
    print(f"seed {seed}, {time.monotonic() - begun:.0f} s")
    return 1 if totals[-1] else 0


if __name__ == "__main__":
    sys.exit(main(*(int(word) for word in (sys.argv[1:] + ["200", "1"][len(sys.argv[1:]) :]))))
