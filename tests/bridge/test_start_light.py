"""What a start of the service loads and makes, and what it leaves until somebody needs it."""

import gc
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import aiohttp
import pytest

import meshmesh_bridge
from meshmesh_bridge import program, serve
from meshmesh_bridge.ready_demo import demo_org
from support.demo_org import PeerClock

# Each costs tens of milliseconds or megabytes, and most of them most services never need.
LATE = (
    "authlib",
    "click",
    "dbus_fast",
    "importlib.metadata",
    "jinja2",
    "keyring",
    "meshmesh_demo.application",
    "msgspec",
    "secretstorage",
    "stamina",
)


def test_what_a_start_does_not_import() -> None:
    """Nothing that only some need is imported with the service."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, meshmesh_bridge.serve; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert set(LATE) & set(told.stdout.split()) == set()


def test_the_version_is_that_of_the_package() -> None:
    """The service says the version that is installed, which it does not look up."""
    assert version("meshmesh") == meshmesh_bridge.VERSION


def test_the_collector_rests_during_the_imports_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """When the service begins, the collector is at work again, and leaves alone what was there before."""
    seen: list[bool] = []

    def begin() -> int:
        seen.append(gc.isenabled())
        return gc.get_freeze_count()

    monkeypatch.setattr(serve, "main", begin)
    try:
        assert program.main() > 0
    finally:
        gc.unfreeze()

    assert seen == [True]


async def test_the_demo_org_comes_when_somebody_knocks(tmp_path: Path) -> None:
    """Its address and the key of its levers are there at once, the org when it is asked; who asked first is answered."""
    folder = tmp_path / "demo"
    async with demo_org(folder, PeerClock()) as peer:
        before = {path.name for path in folder.iterdir()}
        async with aiohttp.ClientSession() as http, http.get(f"{peer.origin}/services/data") as answer:
            status = answer.status

        assert peer.lever_key_file.read_text()
    assert before == {"lever.key", "lock", "port"}
    assert status == 200


async def test_a_demo_org_that_cannot_come_lets_nobody_wait(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Where its data is damaged, who knocks is turned away, and the log says why."""
    folder = tmp_path / "demo"
    folder.mkdir(mode=0o700)
    (folder / "org.db").write_bytes(b"no database " * 100)
    async with demo_org(folder, PeerClock()) as peer, aiohttp.ClientSession() as http:
        for _ in range(2):
            with pytest.raises(aiohttp.ClientError):
                await http.get(f"{peer.origin}/services/data")

    assert "the demo org cannot be started: DatabaseError" in caplog.text
