"""Tens of thousands of guesses at pairing, over both doors, against a running meshmeshd.

    .venv-test/bin/python tests/bench/bench_guesses.py [--guesses 50000]

Meanwhile an honest client, and an honest program that waits for its approval, go on. It prints what was answered, how
long an honest call took, and what memory did; it fails where a guess was taken, where limits did not hold, where memory
grew, or where an honest caller was refused.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.guesses import guess
from support.service import start


def main() -> int:
    """Run it against a service of its own, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--guesses", type=int, default=50_000)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        service = start(Path(folder) / "home")
        began = time.monotonic()
        try:
            tally = guess(service, asked.guesses)
        finally:
            service.stop()
    for answer, count in sorted(tally.answers.items()):
        print(f"{count:>7} {answer}")
    print(f"{asked.guesses} guesses in {time.monotonic() - began:.0f} s, taken: {tally.taken}")
    print(
        f"honest calls refused: {tally.refused}, slowest {tally.slowest * 1000:.0f} ms; memory {tally.growth_kib:+} KiB"
    )
    return 0 if tally.held else 1


if __name__ == "__main__":
    raise SystemExit(main())
