"""How long `meshmesh token NAME` takes as a whole process, against a bare Python that imports socket and json.

    .venv-test/bin/python tests/bench/bench_token.py [ROUNDS]

The two are run in turn, so that what else the machine does hits both. Prints the medians and the median of the ratios,
and the same for the bare Python against itself: what lies within that is noise. Nothing is asserted.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.far_end import FarEnd, reply

BARE = [sys.executable, "-I", "-c", "import socket,json"]
TOKEN = [str(Path(sys.executable).with_name("meshmesh")), "token", "demo"]


def milliseconds(command: list[str], environ: dict[str, str]) -> float:
    """One run of a command, from start to end."""
    begun = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


def main(rounds: int) -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as folder:
        far_end = FarEnd(Path(folder) / "door")
        far_end.on("GET /v1/connections/demo/token", reply(200, {"access_token": "00D" + "x" * 109}))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MESHMESH_")}
        environ["MESHMESH_SOCKET"] = str(far_end.path)
        for command in (BARE, TOKEN):
            milliseconds(command, environ)  # the first run compiles and warms the cache
        runs = [tuple(milliseconds(command, environ) for command in (BARE, TOKEN, BARE)) for _ in range(rounds)]
        far_end.close()
    bare, token, again = (statistics.median(one) for one in zip(*runs, strict=True))
    print(f"bare python, import socket,json   {bare:6.1f} ms")
    print(
        f"meshmesh token NAME               {token:6.1f} ms   ratio {statistics.median(b / a for a, b, _ in runs):.2f}"
    )
    print(
        f"bare python again (the noise)     {again:6.1f} ms   ratio {statistics.median(c / a for a, _, c in runs):.2f}"
    )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 40)
