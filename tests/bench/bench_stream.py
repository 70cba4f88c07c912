"""The broker against a bare aiohttp proxy in the same run: one GiB of Bulk results, and small reads.

    .venv-test/bin/python tests/bench/bench_stream.py [--json FILE]

Org, proxy and service are processes of their own on this machine, so that all three share its processors: that pulls
ratios towards one. The service's peak memory is its VmHWM, reset before the stream.
"""

import asyncio
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from aiohttp import ClientSession, DummyCookieJar, web

from support.figures import Figure, paired, tell
from support.peer import connect, peer
from support.service import Service, start

BIG = "/services/data/v66.0/jobs/query/750000000000001AAA/results"
SMALL = "/services/data/v66.0/limits"
SIZE = 1024 * 1024 * 1024
PIECE = b'"001000000000001AAA","Acme","2026-11-25T00:00:00.000Z"\n' * 4096
LINES, ROUNDS, REQUESTS = 16, 3, 2000
CLIENT: web.AppKey[ClientSession] = web.AppKey("client", ClientSession)
BEHIND: web.AppKey[str] = web.AppKey("behind", str)
_DROPPED = frozenset({"host", "connection", "content-length", "transfer-encoding", "keep-alive", "server", "date"})


async def org(request: web.Request) -> web.StreamResponse:
    """The org: long results and a small answer made up here, everything else as the demo org says it."""
    if request.path == SMALL:
        return web.json_response({"DailyApiRequests": {"Max": 15000, "Remaining": 14000}})
    if request.path == BIG:
        response = web.StreamResponse(headers={"Content-Type": "text/csv", "Content-Length": str(SIZE)})
        await response.prepare(request)
        left = SIZE
        while left:
            piece = PIECE[:left]
            await response.write(piece)
            left -= len(piece)
        return response
    here, behind = f"http://{request.host}", request.app[BEHIND]
    async with request.app[CLIENT].request(
        request.method,
        behind + request.raw_path,
        headers=kept(request.headers),
        data=await request.read(),
        allow_redirects=False,
    ) as answer:
        body = (await answer.read()).replace(behind.encode(), here.encode())
        headers = {name: value.replace(behind, here) for name, value in kept(answer.headers).items()}
        return web.Response(status=answer.status, headers=headers, body=body)


async def proxy(request: web.Request) -> web.StreamResponse:
    """The yardstick: what a proxy cannot do without."""
    async with request.app[CLIENT].request(
        request.method, request.app[BEHIND] + request.raw_path, headers=kept(request.headers), allow_redirects=False
    ) as answer:
        length = answer.headers.get("Content-Length", "0")
        if int(length) <= len(PIECE):
            return web.Response(status=answer.status, headers=kept(answer.headers), body=await answer.read())
        response = web.StreamResponse(status=answer.status, headers=kept(answer.headers) | {"Content-Length": length})
        await response.prepare(request)
        async for piece in answer.content.iter_any():
            await response.write(piece)
        return response


def kept(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers that pass."""
    return {name: value for name, value in headers.items() if name.lower() not in _DROPPED}


async def _client(app: web.Application) -> AsyncGenerator[None]:
    async with ClientSession(auto_decompress=False, cookie_jar=DummyCookieJar()) as session:
        app[CLIENT] = session
        yield


async def serve(role: str, behind: str) -> None:
    """Be the org or the proxy until the parent's end of stdin closes."""
    app = web.Application()
    app[BEHIND] = behind
    app.cleanup_ctx.append(_client)
    app.router.add_route("*", "/{tail:.*}", org if role == "org" else proxy)
    runner = web.AppRunner(app, access_log=None, auto_decompress=False)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    sys.stdout.write(f"{runner.addresses[0][1]}\n")
    sys.stdout.flush()
    await asyncio.to_thread(sys.stdin.read)
    await runner.cleanup()


@contextmanager
def served(role: str, behind: str) -> Generator[int]:
    """The port of such a process."""
    command = [sys.executable, __file__, role, behind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield int(process.stdout.readline())
        finally:
            process.stdin.close()
            process.wait(10)


def request(port: int, path: str, token: str, more: str = "") -> bytes:
    """A GET."""
    return f"GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nAuthorization: Bearer {token}\r\n{more}\r\n".encode()


def stream_rate(port: int, path: str, token: str) -> float:
    """MiB a second of the long answer."""
    begun, read = time.perf_counter(), 0
    with socket.create_connection(("127.0.0.1", port)) as sock:
        sock.sendall(request(port, path, token, "Connection: close\r\n"))
        buffer = bytearray(1024 * 1024)
        while count := sock.recv_into(buffer):
            read += count
    assert read >= SIZE, read
    return read / 1024 / 1024 / (time.perf_counter() - begun)


async def _asks(port: int, path: str, token: str, times: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(times):
        writer.write(request(port, path, token))
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 200"), head
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
    writer.close()
    await writer.wait_closed()


def small_rate(port: int, path: str, token: str) -> float:
    """Small reads a second, over several connections at once."""

    async def all_of_them() -> float:
        begun = time.perf_counter()
        await asyncio.gather(*(_asks(port, path, token, REQUESTS // LINES) for _ in range(LINES)))
        return REQUESTS / (time.perf_counter() - begun)

    return asyncio.run(all_of_them())


def peak(service: Service) -> float:
    """MiB of memory that the service has had at most."""
    lines = Path(f"/proc/{service.process.pid}/status").read_text().splitlines()
    return int(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def figures() -> list[Figure]:
    """The figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        behind = stack.enter_context(peer(folder / "org"))
        origin = f"http://localhost:{stack.enter_context(served('org', behind.origin))}"
        bare = stack.enter_context(served("proxy", origin))
        service = start(folder / "home", MESHMESH_EXTRA_LOGIN_ORIGINS=origin)
        stack.callback(service.stop)
        connect(service, "org", origin)
        token = service.pair({"connection": "org", "mode": "plan"})
        ours = service.port
        small_rate(ours, f"/o/org{SMALL}", token)
        Path(f"/proc/{service.process.pid}/clear_refs").write_text("5")
        before = peak(service)
        streamed = paired(
            ROUNDS, lambda: stream_rate(ours, f"/o/org{BIG}", token), lambda: stream_rate(bare, BIG, token)
        )
        grown = peak(service) - before
        asked = paired(
            ROUNDS, lambda: small_rate(ours, f"/o/org{SMALL}", token), lambda: small_rate(bare, SMALL, token)
        )
    return [
        Figure(
            name="1 GiB through the broker",
            ours=f"{streamed[0]:.0f} MiB/s",
            yardstick=f"bare aiohttp proxy {streamed[1]:.0f} MiB/s",
            ratio=streamed[2],
            reach=">= 0.7",
            noise=streamed[3],
        ),
        Figure(
            name="its memory",
            ours=f"+{grown:.1f} MiB",
            yardstick="16 MiB",
            ratio=grown / 16,
            reach="<= 1.0",
        ),
        Figure(
            name="small reads through the broker",
            ours=f"{asked[0]:.0f}/s",
            yardstick=f"bare aiohttp proxy {asked[1]:.0f}/s",
            ratio=asked[2],
            reach=">= 0.6",
            noise=asked[3],
        ),
    ]


if __name__ == "__main__":
    if len(sys.argv) == 3 and sys.argv[1] in {"org", "proxy"}:
        asyncio.run(serve(sys.argv[1], sys.argv[2]))
    else:
        tell(figures)
