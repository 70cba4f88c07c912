"""What every floor of the tests shares: running services, use cases on fakes, and a far end from a table."""

import os
import signal
import sqlite3
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiosqlite
import pytest

from meshmesh.cli.program import run
from support.clock import FakeClock
from support.command_line import Cli, Ran
from support.demo_org import Peer, PeerClock, served
from support.far_end import FarEnd
from support.floor import ACME, APP, Floor, build
from support.outside import FakeOutside
from support.plans import Planner, make_planner
from support.service import Service, StartService, start
from support.vaults import Open, Statements, vaults

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from support.browser import Tab

_told_of: set[threading.Thread] = set()


def _open_databases() -> set[threading.Thread]:
    """The threads of the aiosqlite connections that are open in this process."""
    return {thread for thread in threading.enumerate() if "_connection_worker_thread" in thread.name}


def pytest_configure() -> None:
    """Children are interrupted by tests: a shell that runs all this in the background would have them ignore it.

    And no `sf` goes looking for a newer one of itself.
    """
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.update(SF_AUTOUPDATE_DISABLE="true", SF_DISABLE_TELEMETRY="true")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, None, None]:
    """A test that leaves a database open is a failure: its thread would keep the whole run from ending."""
    del item
    before = _open_databases() - _told_of
    yield
    for thread in before:
        thread.join(timeout=2)  # it ends a moment after `close`
    left = _open_databases() - _told_of
    _told_of.update(left)
    assert not left, f"left open: {sorted(thread.name for thread in left)}"


@pytest.hookimpl(trylast=True)
def pytest_unconfigure() -> None:
    """Whatever went wrong, the run ends: the interpreter would wait for such a thread for ever."""
    if _open_databases():
        sys.stdout.flush()
        os._exit(1)


@pytest.fixture
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Start services; whatever still runs at the end is stopped, by pid."""
    started: list[Service] = []

    def begin(home: Path | None = None, **extra: str) -> Service:
        service = start(home or tmp_path_factory.mktemp("home"), **extra)
        started.append(service)
        return service

    yield begin
    for service in started:
        if service.process.poll() is None:
            service.kill()


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for a whole module; a test that harms it starts its own."""
    running = start(tmp_path_factory.mktemp("home"))
    yield running
    running.stop()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncGenerator[Open, None]:
    """Opens the vault of the test's folder."""
    async with vaults(tmp_path) as open_vault:
        yield open_vault


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Statements:
    """What the open databases of this process are asked from now on."""
    told: Statements = []
    real = aiosqlite.Connection.execute_fetchall

    async def fetch(
        db: aiosqlite.Connection, sql: str, parameters: Iterable[Any] | None = None
    ) -> Iterable[sqlite3.Row]:
        told.append(sql)
        return await real(db, sql, parameters)

    monkeypatch.setattr(aiosqlite.Connection, "execute_fetchall", fetch)
    return told


@pytest.fixture(scope="module")
def browser() -> Iterator["Browser"]:
    """One Chromium for a whole module; who needs a person of their own takes a context of it."""
    from support.browser import chromium  # late: most modules need no browser

    with chromium() as running:
        yield running


@pytest.fixture(scope="module")
def own(browser: "Browser") -> "Tab":
    """The owner's tab."""
    from support.browser import Tab  # late, as above

    return Tab(browser.new_context().new_page())


@pytest.fixture
async def floor(tmp_path: Path) -> AsyncGenerator[Floor, None]:
    """The use cases, with the connection `acme`."""
    made = await build(tmp_path, clock=FakeClock(), outside=FakeOutside())
    await made.connections.put(ACME, APP)
    await made.sessions.close()
    made.outside.asked.clear()
    yield made
    await made.close()


@pytest.fixture
async def planner(floor: Floor) -> AsyncGenerator[Planner, None]:
    """Plan Mode on the floor."""
    made = make_planner(floor)
    yield made
    await made.close()


@pytest.fixture
def far_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FarEnd]:
    """A far end at the door where this process's command line looks for it."""
    for name in ("MESHMESH_URL", "MESHMESH_TOKEN", "MESHMESH_CONNECTION", "MESHMESH_HOME", "SSH_CONNECTION", "DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "door"
    monkeypatch.setenv("MESHMESH_SOCKET", str(path))
    monkeypatch.setenv("MESHMESH_NO_BROWSER", "1")
    monkeypatch.setenv("MESHMESH_NO_INPUT", "1")
    monkeypatch.setenv("COLUMNS", "80")
    end = FarEnd(path)
    yield end
    end.close()


@pytest.fixture
def cli(capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs a command line in this process."""

    def go(*arguments: str) -> Ran:
        capfd.readouterr()
        code = run(arguments)
        captured = capfd.readouterr()
        return Ran(code, captured.out, captured.err)

    return go


@pytest.fixture
async def peer(tmp_path: Path) -> AsyncGenerator[Peer, None]:
    """A fresh org."""
    async with served(tmp_path / "demo", PeerClock()) as org:
        yield org


@pytest.fixture
async def ada(peer: Peer) -> Peer:
    """A fresh org, with its admin signed in."""
    await peer.sign_in()
    return peer
