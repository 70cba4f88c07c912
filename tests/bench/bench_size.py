"""Memory, idle time and start, with an empty vault and with thousands of rows.

.venv-test/bin/python tests/bench/bench_size.py [--json FILE]
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.figures import Figure, tell
from support.meter import resident
from support.seeding import Seed, seed
from support.service import MESHMESHD, environment, start
from support.yardsticks import running

SETTLE_SECONDS = 5
IDLE_SECONDS = 60
ROUNDS = 5
MANY = 10_000
_TICK = os.sysconf("SC_CLK_TCK")


def busy(pid: int) -> float:
    """Processor time so far, in milliseconds, as finely as the scheduler counts it."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) / 1e6


def memory(home: Path) -> Figure:
    """Resident memory, idle, with 1000 connections."""
    seed(home, Seed(connections=1000))
    ready(home)  # the first start signs in to the demo org, which loads it; every later one does not
    service = start(home)
    try:
        with running("idle") as (bare, _):
            time.sleep(SETTLE_SECONDS)
            own, yardstick = resident(service.process.pid), resident(bare.pid)
    finally:
        service.stop()
    return Figure(
        name="resident memory idle, 1000 connections",
        ours=f"{own / 1024:.1f} MiB",
        yardstick=f"bare aiohttp {yardstick / 1024:.1f} MiB",
        ratio=own / yardstick,
        reach="<= 1.35",
    )


def idle(home: Path) -> Figure:
    """Processor time of a minute in which nothing happens."""
    service = start(home)
    try:
        time.sleep(SETTLE_SECONDS)
        before = busy(service.process.pid)
        time.sleep(IDLE_SECONDS)
        spent = busy(service.process.pid) - before
    finally:
        service.stop()
    return Figure(
        name="processor time idle, a minute", ours=f"{spent:.1f} ms", yardstick="3 ms", ratio=spent / 3, reach="<= 1.0"
    )


def ready(home: Path) -> float:
    """From the start of the process until both doors are open, in milliseconds."""
    endpoint = home / "runtime" / "endpoint.json"
    endpoint.unlink(missing_ok=True)
    begun = time.perf_counter()
    process = subprocess.Popen(MESHMESHD, env=environment(home), stderr=subprocess.DEVNULL)
    while not endpoint.exists():
        assert process.poll() is None
        time.sleep(0.001)
    spent = (time.perf_counter() - begun) * 1000
    process.terminate()
    process.wait(20)
    return spent


def importing() -> float:
    """A Python that imports aiohttp and ends, in milliseconds."""
    begun = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import aiohttp"], check=True)
    return (time.perf_counter() - begun) * 1000


def starting(folder: Path) -> list[Figure]:
    """Ready after start: against the import of aiohttp, and with many connections against none."""
    importing()
    empty, full = folder / "empty", folder / "full"
    seed(empty, Seed())
    seed(full, Seed(connections=MANY))
    for home in (empty, full):
        ready(home)  # the first start makes what is missing
    runs = [(importing(), ready(empty), ready(full), ready(empty)) for _ in range(ROUNDS)]
    imported, none, many, _ = (statistics.median(column) for column in zip(*runs, strict=True))
    return [
        Figure(
            name="ready after start",
            ours=f"{none:.0f} ms",
            yardstick=f"import of aiohttp {imported:.0f} ms",
            ratio=statistics.median(one / base for base, one, _, _ in runs),
            reach="<= 1.4",
        ),
        Figure(
            name=f"ready with {MANY} connections",
            ours=f"{many:.0f} ms",
            yardstick=f"empty vault {none:.0f} ms",
            ratio=statistics.median(2 * full / (before + after) for _, before, full, after in runs),
            reach="<= 1.2",
            noise=statistics.median(after / before for _, before, _, after in runs),
        ),
    ]


def figures() -> list[Figure]:
    """All of them, of an installed program, which is compiled once: what the compiler leaves behind is megabytes."""
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for name in ("memory", "idle"):
            (folder / name).mkdir(mode=0o700)
        return [memory(folder / "memory"), idle(folder / "idle"), *starting(folder)]


if __name__ == "__main__":
    tell(figures)
