"""What a start of the service loads and makes, and what it leaves until somebody needs it."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import aiohttp
import pytest

import meshmesh_bridge
from meshmesh_bridge.ready_demo import demo_org
from support.demo_org import PeerClock
from support.service import TELLING, environment, start

# Each costs milliseconds or megabytes, and most of them most services never need.
LATE = (
    "aiohttp_sse",
    "authlib",
    "click",
    "dbus_fast",
    "html.parser",
    "importlib.metadata",
    "jinja2",
    "keyring",
    "meshmesh_bridge.broker",
    "meshmesh_bridge.dashboard",
    "meshmesh_bridge.declared",
    "meshmesh_bridge.grants",
    "meshmesh_bridge.restoring",
    "meshmesh_daemon.adapters.notifications.linux",
    "meshmesh_daemon.adapters.screen_lock",
    "meshmesh_daemon.core.classify",
    "meshmesh_daemon.core.diagnosis",
    "meshmesh_daemon.core.notices",
    "meshmesh_daemon.core.soap",
    "meshmesh_daemon.usecases.diagnosis",
    "meshmesh_daemon.usecases.events",
    "meshmesh_daemon.usecases.exchange",
    "meshmesh_daemon.usecases.pairings",
    "meshmesh_daemon.usecases.plans",
    "meshmesh_daemon.usecases.sign_ins",
    "meshmesh_demo.application",
    "meshmesh_storage.backup",
    "meshmesh_storage.passphrase",
    "meshmesh_storage.unpacking",
    "msgspec",
    "secretstorage",
    "stamina",
)


def test_an_idle_service_holds_nothing_that_it_does_not_need(tmp_path: Path) -> None:
    """Started once more after its first start, told how it is, and ended: nothing that only some need was loaded."""
    home = tmp_path / "home"
    start(home).stop()
    service = start(home, program=TELLING)
    told = service.call("GET", "/status", owner=True).json()
    service.stop()

    assert [one["name"] for one in told["connections"]] == ["demo"]
    assert "meshmesh_bridge.api.status" in service.loaded
    assert set(LATE) & service.loaded == set()


def test_a_start_imports_nothing_that_it_does_not_need() -> None:
    """Before it is ready, less than that."""
    told = subprocess.run(
        [sys.executable, "-c", "import sys, meshmesh_bridge.serve; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )

    assert {*LATE, "meshmesh_bridge.api", "meshmesh_bridge.shapes"} & set(told.stdout.split()) == set()


def test_who_needs_the_trust_of_the_system_reads_it() -> None:
    """aiohttp's own TLS context, made while it is imported, trusts nobody; the environment is then as it was."""
    script = """
import os, sys
from meshmesh_bridge import program
os.environ["SSL_CERT_DIR"] = "/etc/own"
sys.argv = ["meshmeshd", "--version"]
try:
    program.main()
finally:
    from aiohttp import connector
    print(connector._SSL_CONTEXT_VERIFIED.cert_store_stats()["x509"], os.environ["SSL_CERT_DIR"], "SSL_CERT_FILE" in os.environ)
"""
    environ = {name: value for name, value in os.environ.items() if name != "SSL_CERT_FILE"}
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=environ)

    assert told.stdout.splitlines()[-1] == "0 /etc/own False"


def test_what_nobody_here_uses_is_not_read(tmp_path: Path) -> None:
    """Neither the system's table of file types nor OpenSSL's old ciphers; who asks for the table later gets it."""
    table = tmp_path / "mime.types"
    table.write_text("application/x-ours ours\n")
    script = f"""
import mimetypes, sys
from meshmesh_bridge import program
mimetypes.knownfiles[:] = [{str(table)!r}]
opened = []
sys.addaudithook(lambda event, arguments: opened.append(arguments[0]) if event == "open" else None)
sys.argv = ["meshmeshd", "--version"]
try:
    program.main()
finally:
    from cryptography.hazmat.bindings._rust import openssl
    print({str(table)!r} in opened, openssl._legacy_provider_loaded, *mimetypes.guess_type("a.ours"))
"""
    told = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert told.stdout.splitlines()[-1] == "False False application/x-ours None"


def test_the_version_is_that_of_the_package() -> None:
    """The service says the version that is installed, which it does not look up."""
    assert version("meshmesh") == meshmesh_bridge.VERSION


def test_the_collector_rests_until_the_doors_are_open(tmp_path: Path) -> None:
    """Once the service is ready it is at work, and leaves alone what was imported; until then it does not run."""
    script = """
import gc, os, signal
from meshmesh_bridge import program, serve

def ready(house):
    print(gc.isenabled(), gc.get_freeze_count() > 10_000)
    os.kill(os.getpid(), signal.SIGTERM)

settings = serve._settings
def begin(paths):
    print(gc.isenabled())
    return settings(paths)

serve._settings, serve._announce = begin, ready
program.main()
"""
    command = [sys.executable, "-c", script]
    told = subprocess.run(command, capture_output=True, text=True, check=True, env=environment(tmp_path), timeout=60)

    assert told.stdout.splitlines() == ["False", "True True"]


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
