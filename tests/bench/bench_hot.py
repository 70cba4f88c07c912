"""The cached token under load, against a bare aiohttp handler with the same body.

    .venv-test/bin/python tests/bench/bench_hot.py [--json FILE]

Guard, credential, grant and the activity's row are all on; the load comes from wrk (`apt-get install wrk`) over 64
connections, and, for the cost of a new connection, from one socket after the other.
"""

import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from socket import create_connection

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from support.figures import Figure, paired, tell
from support.service import Service, start
from support.yardsticks import running

CONNECTIONS = 64
SECONDS = 2
ROUNDS = 7
FRESH = 300  # new connections a round
TOKEN_PATH = "/v1/connections/demo/token"


def wrk(port: int, path: str, token: str) -> float:
    """Requests a second over 64 connections."""
    command = ["wrk", "-t1", f"-c{CONNECTIONS}", f"-d{SECONDS}", "-H", f"Authorization: Bearer {token}"]
    told = subprocess.run(
        [*command, f"http://localhost:{port}{path}"], capture_output=True, text=True, check=True
    ).stdout
    assert "Non-2xx" not in told, told
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert found is not None, told
    return float(found[1])


def fresh(port: int, path: str, token: str) -> float:
    """The median time of a request over a new connection, in milliseconds."""
    request = f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n\r\n".encode()
    times: list[float] = []
    for _ in range(FRESH):
        begun = time.perf_counter()
        with create_connection(("127.0.0.1", port)) as sock:
            sock.sendall(request)
            answer = sock.recv(65536)
        times.append((time.perf_counter() - begun) * 1000)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return statistics.median(times)


def against(
    port: int, bare: int, token: str, rounds: int, measure: Callable[[int, str, str], float]
) -> tuple[float, float, float, float]:
    """One way of measuring, on both."""
    return paired(rounds, lambda: measure(port, TOKEN_PATH, token), lambda: measure(bare, TOKEN_PATH, token))


def hot(service: Service, folder: Path, rounds: int) -> list[Figure]:
    """The figures of a service with the demo connection."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    body = folder / "body"
    body.write_bytes(service.call("GET", TOKEN_PATH, token=token).body)
    with running("answer", str(body)) as (_, bare):
        for port in (service.port, bare):
            wrk(port, TOKEN_PATH, token)  # warm
        own, yardstick, ratio, noise = against(service.port, bare, token, rounds, wrk)
        many = Figure(
            name="cached token, requests/s, 64 connections",
            ours=f"{own:.0f}/s",
            yardstick=f"bare aiohttp {yardstick:.0f}/s",
            ratio=ratio,
            reach=">= 0.80",
            noise=noise,
        )
        own, yardstick, ratio, noise = against(service.port, bare, token, rounds, fresh)
        single = Figure(
            name="cached token over a new connection, p50",
            ours=f"{own:.2f} ms",
            yardstick=f"bare aiohttp {yardstick:.2f} ms",
            ratio=ratio,
            reach="<= 1.3",
            noise=noise,
        )
    return [many, single]


def figures() -> list[Figure]:
    """Start a service, and measure."""
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        service = start(Path(folder) / "home")
        try:
            return hot(service, Path(folder), ROUNDS)
        finally:
            service.stop()


if __name__ == "__main__":
    tell(figures)
