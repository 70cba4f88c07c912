"""Every figure, in one table and as JSON; some fifteen minutes on two quiet cores.

    .venv-test/bin/python tests/bench/all.py [--json FILE]

A ratio is ours over the yardstick's in the same run. Nothing is asserted: a figure that falls short is printed as such.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.figures import Figure, from_json, tell

HERE = Path(__file__).resolve().parent
BENCHES = ("bench_hot.py", "bench_crowd.py", "bench_token.py", "bench_size.py", "bench_stream.py")


def figures() -> list[Figure]:
    """What each benchmark gives, one after the other."""
    found: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for bench in BENCHES:
            file = Path(folder) / bench
            subprocess.run([sys.executable, str(HERE / bench), "--json", str(file)], check=True)
            found += from_json(file.read_text())
    return found


if __name__ == "__main__":
    tell(figures)
