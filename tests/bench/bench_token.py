"""How long `meshmesh token NAME` takes as a whole process, against a bare Python that imports socket and json.

    .venv-test/bin/python tests/bench/bench_token.py [--json FILE]

The two are run in turn, so that what else the machine does hits both; what lies within the noise is no finding.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.far_end import FarEnd, reply
from support.figures import Figure, paired, tell

ROUNDS = 40
BARE = [sys.executable, "-I", "-c", "import socket,json"]
TOKEN = [str(Path(sys.executable).with_name("meshmesh")), "token", "demo"]


def milliseconds(command: list[str], environ: dict[str, str]) -> float:
    """One run of a command, from start to end."""
    begun = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


def figures() -> list[Figure]:
    """A command against a bare Python."""
    with tempfile.TemporaryDirectory() as folder:
        far_end = FarEnd(Path(folder) / "door")
        far_end.on("GET /v1/connections/demo/token", reply(200, {"access_token": "00D" + "x" * 109}))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MESHMESH_")}
        environ["MESHMESH_SOCKET"] = str(far_end.path)
        for command in (BARE, TOKEN):
            milliseconds(command, environ)  # the first run compiles and warms the cache
        own, bare, ratio, noise = paired(
            ROUNDS, lambda: milliseconds(TOKEN, environ), lambda: milliseconds(BARE, environ)
        )
        far_end.close()
    return [
        Figure(
            name="meshmesh token NAME, whole process",
            ours=f"{own:.1f} ms",
            yardstick=f"python -I -c 'import socket,json' {bare:.1f} ms",
            ratio=ratio,
            reach="<= 1.0",
            noise=noise,
        )
    ]


if __name__ == "__main__":
    tell(figures)
