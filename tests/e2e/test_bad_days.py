"""Bad days of the disk and the key, one each: the service stands, says what is wrong and what helps, and changes nothing.

What mends itself is noticed; what does not is mended by putting a backup back.
"""

import os
import resource
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmesh_daemon.adapters.instance import InstanceLock
from support.service import MESHMESHD, Service, StartService, environment, start

PASSPHRASE = "on a bad day"


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose service ended well, with a backup beside it."""
    home = tmp_path_factory.mktemp("good")
    running = start(home)
    answer = running.call("POST", "/v1/backup", {"path": str(home / "backup"), "passphrase": PASSPHRASE}, owner=True)
    assert answer.status == 200, answer.body
    assert running.stop() == 0
    return home


@pytest.fixture
def home(good: Path, tmp_path: Path) -> Path:
    """A copy of that home."""
    return Path(shutil.copytree(good, tmp_path / "home", symlinks=True))


def restore(home: Path, backup: Path, *more: str, passphrase: str = PASSPHRASE) -> subprocess.CompletedProcess[str]:
    """`meshmeshd --restore`, with the passphrase on stdin."""
    command = [*MESHMESHD, "--restore", str(backup), *more]
    return subprocess.run(
        command, env=environment(home), input=f"{passphrase}\n", capture_output=True, text=True, timeout=60, check=False
    )


def test_a_damaged_vault_is_told_and_mended_by_a_backup(home: Path, start_service: StartService) -> None:
    """Every door and `doctor` name the damage and the way out; the backup is put back while no service runs."""
    with (home / "data" / "vault.db").open("r+b") as file:
        file.seek(3 * 4096)
        file.write(b"\xa5" * 4096)
    service = start_service(home)
    refused = service.call("GET", "/v1/connections", owner=True)
    doctor = " ".join(service.cli("doctor").stdout.split())
    assert service.stop() == 0
    restored = restore(home, home / "backup")
    again = start_service(home).call("GET", "/v1/connections", owner=True)

    assert (refused.status, refused.json()["code"]) == (503, "vault_trouble")
    assert "Put back a backup" in refused.json()["next"]["label"]
    assert "is damaged" in doctor
    assert restored.returncode == 0, restored.stderr
    assert [one["name"] for one in again.json()["connections"]] == ["demo"]


def test_a_restore_without_a_service_says_what_it_did(home: Path) -> None:
    """Another passphrase: nothing happens. A running service: it is named. Else: what, where the old one went, what may be dead."""
    wrong = restore(home, home / "backup", passphrase="another one")
    with InstanceLock(home / "runtime" / "meshmesh.lock"):
        busy = restore(home, home / "backup")
    done = restore(home, home / "backup", "--force")

    assert (wrong.returncode, "passphrase is not that of this backup" in wrong.stderr) == (64, True)
    assert (busy.returncode, "already running" in busy.stderr) == (73, True)
    assert done.returncode == 0, done.stderr
    assert "Restored what was backed up" in done.stderr
    assert "replaced-" in done.stderr
    assert "may be dead" in done.stderr
    assert PASSPHRASE not in done.stderr + done.stdout


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service on a disk that the tests fill and empty."""
    service = start(tmp_path_factory.mktemp("full"))
    yield service
    service.stop()


def test_a_full_disk_is_told_and_its_end_is_noticed(running: Service) -> None:
    """No file may grow: nothing is handed out without its row, the status says trouble; with room again it is well by itself."""
    token = running.pair({"connection": "demo", "mode": "build", "raw_token": True})
    assert running.call("GET", "/v1/connections/demo/token", token=token).status == 200
    _, hard = resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (0, hard))
    try:
        refused = running.call("GET", "/v1/connections/demo/token", token=token)
        renamed = running.call("PATCH", "/v1/connections/demo", {"name": "toy"}, owner=True)
        status = running.call("GET", "/status").json()
        ready = running.call("GET", "/readyz").status
    finally:
        resource.prlimit(running.process.pid, resource.RLIMIT_FSIZE, (hard, hard))

    assert (refused.status, refused.json()["code"]) == (503, "vault_trouble")
    assert (renamed.status, renamed.json()["code"]) == (503, "vault_trouble")
    assert (status["vault"], ready) == ("trouble", 503)
    assert "disk space" in status["next"]["label"]
    assert running.eventually(lambda: running.call("GET", "/status").json()["vault"] == "unlocked", seconds=25)
    assert running.call("GET", "/v1/connections/demo/token", token=token).status == 200


def test_a_folder_that_is_read_only_is_told(home: Path) -> None:
    """The vault needs its log beside it; without a place for it nothing is changed and the step names the rights."""
    (home / "data").chmod(0o500)
    bound = ("setpriv", "--bounding-set=-dac_override") if os.geteuid() == 0 else ()  # or root would write all the same
    service = start(home, program=(*bound, *MESHMESHD))
    told = service.call("GET", "/status", owner=True).json()
    service.stop()
    (home / "data").chmod(0o700)

    assert told["vault"] == "trouble"
    assert "rights" in str(told["next"])
