"""Crowds: callers at one expiry, many expired connections at once, a hung org beside a quick one, a full house.

.venv-test/bin/python tests/bench/bench_crowd.py [--json FILE]
"""

import asyncio
import statistics
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from meshmesh_bridge.grants import MAX_GRANTS
from meshmesh_daemon.usecases.departures import AT_ONCE
from support.figures import Figure, paired, tell
from support.seeding import Seed, seed
from support.service import Service, start
from support.slow_org import refreshes, slow_org

CALLERS = 1000
EXPIRED = 200
ANSWER_SECONDS = 0.05
SINGLE = 15  # refreshes of which each is alone
CONNECTIONS = 8
CALLS = 4000
HUNG = 100


async def _one(port: int, name: str, token: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(
            f"GET /v1/connections/{name}/token HTTP/1.1\r\nHost: localhost:{port}\r\n"
            f"Authorization: Bearer {token}\r\nConnection: close\r\n\r\n".encode()
        )
        return await reader.read()
    finally:
        writer.close()


async def _all(port: int, names: list[str], tokens: dict[str, str]) -> tuple[float, set[bytes]]:
    begun = time.perf_counter()
    answers = await asyncio.gather(*(_one(port, name, tokens[name]) for name in names))
    spent = time.perf_counter() - begun
    assert all(answer.startswith(b"HTTP/1.1 200") for answer in answers), answers[0][:300]
    return spent, {answer.partition(b"\r\n\r\n")[2] for answer in answers}


@contextmanager
def house(folder: Path, wanted: Seed) -> Generator[Service]:
    """A service on a seeded home."""
    home = folder / "home"
    seed(home, wanted)
    service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=wanted.origin)
    try:
        yield service
    finally:
        service.kill()


def paired_with(service: Service, names: list[str]) -> dict[str, str]:
    """Programs that may have these connections' tokens, as many as it takes: the token of one for each connection."""
    tokens: dict[str, str] = {}
    for begin in range(0, len(names), MAX_GRANTS):
        some = names[begin : begin + MAX_GRANTS]
        token = service.pair(*({"connection": name, "mode": "build", "raw_token": True} for name in some))
        tokens |= dict.fromkeys(some, token)
    return tokens


def crowd(folder: Path) -> list[Figure]:
    """A thousand callers at one expiry; two hundred connections expired at once."""
    with (
        slow_org(ANSWER_SECONDS) as origin,
        house(folder, Seed(connections=EXPIRED + SINGLE + 1, origin=origin, expired=True)) as service,
    ):
        names = [f"seed-{number}" for number in range(EXPIRED + SINGLE + 1)]
        tokens = paired_with(service, names)
        before = refreshes(origin)
        spent, answers = asyncio.run(_all(service.port, [names[0]] * CALLERS, tokens))
        assert len(answers) == 1, f"{len(answers)} different answers"
        one = Figure(
            name=f"callers at expiry: {CALLERS}",
            ours=f"{refreshes(origin) - before} refreshes",
            yardstick="1 refresh",
            ratio=refreshes(origin) - before,
            reach="<= 1.0",
        )
        single = statistics.median(asyncio.run(_all(service.port, [name], tokens))[0] for name in names[1 : SINGLE + 1])
        spent, _ = asyncio.run(_all(service.port, names[SINGLE + 1 :], tokens))
        many = Figure(
            name=f"{EXPIRED} connections expired at once",
            ours=f"{spent * 1000:.0f} ms",
            yardstick=f"one refresh {single * 1000:.0f} ms x {EXPIRED} / {AT_ONCE} at once",
            ratio=spent / (single * EXPIRED / AT_ONCE),
            reach="<= 1.2",
        )
    return [one, many]


async def _p99(port: int, name: str, token: str) -> float:
    times: list[float] = []
    request = (
        f"GET /v1/connections/{name}/token HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()

    async def caller() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        for _ in range(CALLS // CONNECTIONS):
            begun = time.perf_counter()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
            times.append(time.perf_counter() - begun)
        writer.close()

    await asyncio.gather(*(caller() for _ in range(CONNECTIONS)))
    return statistics.quantiles(times, n=100)[98] * 1000


def isolation(folder: Path) -> Figure:
    """The 99th percentile of a cached token while another org's server hangs."""
    with slow_org(-1) as origin, house(folder, Seed(connections=HUNG, origin=origin, expired=True)) as service:
        token = paired_with(service, ["demo"])["demo"]
        hanging = paired_with(service, [f"seed-{number}" for number in range(HUNG)])

        def quiet() -> float:
            return asyncio.run(_p99(service.port, "demo", token))

        async def beside() -> float:
            calls = [asyncio.create_task(_one(service.port, name, one)) for name, one in hanging.items()]
            await asyncio.sleep(0.5)
            found = await _p99(service.port, "demo", token)
            for call in calls:
                call.cancel()
            await asyncio.gather(*calls, return_exceptions=True)
            return found

        own, idle, ratio, noise = paired(5, lambda: asyncio.run(beside()), quiet)
    return Figure(
        name=f"cached token p99 while another org hangs ({HUNG} calls)",
        ours=f"{own:.2f} ms",
        yardstick=f"idle {idle:.2f} ms",
        ratio=ratio,
        reach="<= 1.2",
        noise=noise,
    )


async def _p50(port: int, name: str, token: str, calls: int = 1000) -> float:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = (
        f"GET /v1/connections/{name}/token HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n\r\n"
    ).encode()
    times: list[float] = []
    for _ in range(calls):
        begun = time.perf_counter()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
        times.append(time.perf_counter() - begun)
    writer.close()
    return statistics.median(times) * 1000


def growth(folder: Path) -> Figure:
    """The cached token in a full house against one of each."""
    (folder / "small").mkdir()
    (folder / "full").mkdir()
    with (
        house(folder / "small", Seed(connections=1, clients=1, activity_rows=1)) as small,
        house(folder / "full", Seed(connections=10_000, clients=1000, activity_rows=1_000_000)) as full,
    ):
        tokens = {service.port: paired_with(service, ["seed-0"])["seed-0"] for service in (small, full)}

        def measure(service: Service) -> float:
            return asyncio.run(_p50(service.port, "seed-0", tokens[service.port]))

        own, bare, ratio, noise = paired(7, lambda: measure(full), lambda: measure(small))
    return Figure(
        name="token p50, 10 000 connections, 1000 clients, 1 000 000 rows",
        ours=f"{own:.2f} ms",
        yardstick=f"one of each {bare:.2f} ms",
        ratio=ratio,
        reach="<= 1.1",
        noise=noise,
    )


def figures() -> list[Figure]:
    """All of them."""
    with tempfile.TemporaryDirectory() as text:
        folders = [Path(text) / name for name in ("crowd", "isolation", "growth")]
        for folder in folders:
            folder.mkdir()
        return [*crowd(folders[0]), isolation(folders[1]), growth(folders[2])]


if __name__ == "__main__":
    tell(figures)
