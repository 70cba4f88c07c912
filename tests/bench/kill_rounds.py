"""Hundreds of kills: `meshmeshd` is ended with SIGKILL in the middle of what must not be cut off.

    .venv-test/bin/python tests/bench/kill_rounds.py [ROUNDS] [SEED] [--kind refresh|sign-in|plan|backup|rotation]

The org rotates its refresh tokens. Prints, for each moment of a kill, how often what was under way was kept, how often
its loss was told, and how often it was lost in silence, which must be never; after each kill the vault opens, both
databases are intact, and the chain of the activity is. Ends with 1 where one of these was not so.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.kills import Campaign, End, Loss, campaign
from support.kills_in_deeds import Kind, kill_in

SILENT = "silent"
COLUMNS = (End.KEPT, End.TOLD, SILENT)


def fight(made: Campaign, rounds: int, kinds: list[Kind], ends: Counter[tuple[str, str]]) -> None:
    """Kill so many times, in deeds that are drawn; a campaign ends with its first loss."""
    for _ in range(rounds):
        kind = made.chance.choice(kinds)
        try:
            ends[kill_in(kind, made)] += 1
        except Loss as loss:
            print(loss)
            ends[f"in a {kind}", SILENT] += 1
            return


def tell(ends: Counter[tuple[str, str]]) -> None:
    """The table."""
    print(f"{'killed when':<50}{'rounds':>8}" + "".join(f"{column:>8}" for column in COLUMNS))
    for when in sorted({when for when, _ in ends}):
        counts = [ends[when, column] for column in COLUMNS]
        print(f"{when:<50}{sum(counts):>8}" + "".join(f"{count:>8}" for count in counts))
    totals = [sum(count for (_, column), count in ends.items() if column == one) for one in COLUMNS]
    print(f"{'all':<50}{sum(totals):>8}" + "".join(f"{count:>8}" for count in totals))


def main() -> int:
    """Kill, count and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rounds", type=int, nargs="?", default=200)
    parser.add_argument("seed", type=int, nargs="?", default=1)
    parser.add_argument("--kind", type=Kind, choices=list(Kind))
    asked = parser.parse_args()
    begun = time.monotonic()
    chance = random.Random(asked.seed)  # noqa: S311 - when to kill is no secret
    ends: Counter[tuple[str, str]] = Counter()
    while ends.total() < asked.rounds:
        with tempfile.TemporaryDirectory() as folder, campaign(Path(folder), seed=chance.getrandbits(32)) as made:
            fight(made, asked.rounds - ends.total(), [asked.kind] if asked.kind else list(Kind), ends)
    tell(ends)
    print(f"seed {asked.seed}, {time.monotonic() - begun:.0f} s")
    return 1 if any(column == SILENT for _, column in ends) else 0


if __name__ == "__main__":
    sys.exit(main())
