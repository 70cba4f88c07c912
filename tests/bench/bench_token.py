"""How long `meshmesh token NAME` takes as a whole process.

    .venv-test/bin/python tests/bench/bench_token.py [--json FILE]

Against a bare Python that imports socket and json, where a far end answers at once; and against sf's own command for the
same, which is installed if it is missing, where both have the token of the same org. The two of a pair are run in turn,
so that what else the machine does hits both; what lies within the noise is no finding.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import bootstrap

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.far_end import FarEnd, reply
from support.figures import Figure, paired, tell
from support.peer import Client, connect, peer
from support.service import start
from support.sf import FOLDER, SF, sf_environment

ROUNDS, ROUNDS_OF_SF, RUNS = 40, 5, 5
BARE = [sys.executable, "-I", "-c", "import socket,json"]
MESHMESH = str(Path(sys.executable).with_name("meshmesh"))
OF_SF = [str(SF), "org", "auth", "show-access-token", "--target-org", "org", "--json"]  # with it, sf asks nobody


def milliseconds(command: list[str], environ: dict[str, str]) -> float:
    """One run of a command, from start to end."""
    begun = time.perf_counter()
    subprocess.run(command, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=True)
    return (time.perf_counter() - begun) * 1000


def warm(command: list[str], environ: dict[str, str], token: str) -> None:
    """The first run, which compiles and fills caches; it must give the token."""
    ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    assert token in ran.stdout, ran.stderr


def against_python() -> Figure:
    """The command against a bare Python."""
    token, ours = "00D" + "x" * 109, [MESHMESH, "token", "demo"]
    with tempfile.TemporaryDirectory() as folder:
        far_end = FarEnd(Path(folder) / "door")
        far_end.on("GET /v1/connections/demo/token", reply(200, {"access_token": token}))
        environ = {name: value for name, value in os.environ.items() if not name.startswith("MESHMESH_")}
        environ["MESHMESH_SOCKET"] = str(far_end.path)
        milliseconds(BARE, environ)
        warm(ours, environ, token)
        own, bare, ratio, noise = paired(
            ROUNDS, lambda: milliseconds(ours, environ), lambda: milliseconds(BARE, environ)
        )
        far_end.close()
    return Figure(
        name="meshmesh token NAME, whole process",
        ours=f"{own:.1f} ms",
        yardstick=f"python -I -c 'import socket,json' {bare:.1f} ms",
        ratio=ratio,
        reach="<= 1.0",
        noise=noise,
    )


@contextmanager
def both_signed_in(folder: Path) -> Generator[tuple[dict[str, str], dict[str, str], str]]:
    """The environments of `meshmesh` and of sf, each with the same org, and its token."""
    home = folder / "sf"
    home.mkdir()
    with peer(folder / "org") as org:
        service = start(folder / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
        try:
            connect(service, "org", org.origin)
            client = Client.pair(service, "org")
            token = client.held("org")
            login = [
                str(SF),
                "org",
                "login",
                "access-token",
                "--instance-url",
                org.origin,
                "--alias",
                "org",
                "--no-prompt",
            ]
            environ = {**os.environ, **sf_environment(home)}
            milliseconds(login, environ | {"SF_ACCESS_TOKEN": token})
            yield service.environ | {"MESHMESH_TOKEN": client.token}, environ, token
        finally:
            service.stop()


def against_sf() -> Figure:
    """The command against sf's."""
    bootstrap.install_node_packages(FOLDER, Path(sys.prefix))
    ours = [MESHMESH, "token", "org"]
    with tempfile.TemporaryDirectory() as folder, both_signed_in(Path(folder)) as (environ, environ_of_sf, token):
        warm(ours, environ, token)
        warm(OF_SF, environ_of_sf, token)
        own, sf, ratio, noise = paired(
            ROUNDS_OF_SF,
            lambda: statistics.median(milliseconds(ours, environ) for _ in range(RUNS)),
            lambda: milliseconds(OF_SF, environ_of_sf),
        )
    return Figure(
        name="meshmesh token NAME, against sf's",
        ours=f"{own:.1f} ms",
        yardstick=f"sf org auth show-access-token --json {sf:.0f} ms",
        ratio=ratio,
        reach="<= 0.02",
        noise=noise,
    )


def figures() -> list[Figure]:
    """Both."""
    return [against_python(), against_sf()]


if __name__ == "__main__":
    tell(figures)
