"""The bootstrap script, as far as it goes without a network: verbs, stamps, system packages."""

import subprocess
import sys
from pathlib import Path

import pytest

import bootstrap

DEBIAN = {"ID": "debian"}
SCRIPT = Path(bootstrap.__file__)


def fake(folder: Path, name: str, script: str) -> None:
    """A program of that name, first on PATH for those that are given the folder."""
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


MISSING = [name for name in bootstrap.SYSTEM_PACKAGES if not name.startswith("fonts-")]  # on the machine below


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian machine of scripts: no package is installed, and apt-get notes what it is asked for."""
    fake(tmp_path, "dpkg-query", 'case "$3" in fonts-*) printf "install ok installed" ;; *) exit 1 ;; esac')
    fake(tmp_path, "apt-get", f'echo "$@" >> {tmp_path}/asked')
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_root_installs_what_is_missing(machine: Path) -> None:
    """The lists are brought up to date first, and only what is missing is asked for."""
    bootstrap.install_system_packages(DEBIAN, 0)
    update, install = (machine / "asked").read_text().splitlines()

    assert update == "update -qq"
    assert install.split()[-len(MISSING) :] == MISSING
    assert "fonts-dejavu-core" not in install


def test_others_are_told_the_one_line(machine: Path) -> None:
    """Without root nothing is tried; the line to run is said, and the exit code is not 0."""
    with pytest.raises(bootstrap.Stop) as stopped:
        bootstrap.install_system_packages(DEBIAN, 1000)

    line = f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(MISSING)}"
    assert stopped.value.step == line
    assert stopped.value.code == 69
    assert not (machine / "asked").exists()


def test_what_is_there_is_not_installed_again(machine: Path) -> None:
    """With every package present apt-get is not called, whoever asks."""
    fake(machine, "dpkg-query", 'printf "install ok installed"')
    bootstrap.install_system_packages(DEBIAN, 1000)

    assert not (machine / "asked").exists()


def test_a_failing_installation_is_shown(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What apt-get said is printed where it fails, and only there."""
    fake(machine, "apt-get", "echo no such package; exit 100")
    with pytest.raises(bootstrap.Stop, match="exit code 100"):
        bootstrap.apt_install(["chromium"])

    assert "no such package" in capsys.readouterr().err


def test_other_systems_are_told_what_is_needed(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each package is named with its reason; the tests go on."""
    bootstrap.install_system_packages({"ID": "fedora"}, 0)
    said = capsys.readouterr().out

    assert all(f"{name}: {reason}" in said for name, reason in bootstrap.SYSTEM_PACKAGES.items())
    assert not (machine / "asked").exists()


def test_the_stamp_changes_with_what_an_environment_is_made_from(tmp_path: Path) -> None:
    """Another lock is another environment; the same one is the same."""
    lock = tmp_path / "requirements.lock"
    without = bootstrap.fingerprint(lock)
    lock.write_text("aiohttp==1")
    first = bootstrap.fingerprint(lock)
    lock.write_text("aiohttp==2")

    assert len({without, first, bootstrap.fingerprint(lock)}) == 3
    assert bootstrap.fingerprint(lock) == bootstrap.fingerprint(lock)


def test_a_cut_attempt_leaves_no_stamp(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The stamp is written last: an environment that could not be made is made anew the next time."""
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "venv"
    with pytest.raises(bootstrap.Stop, match="making venv failed"):
        bootstrap.make_environment(folder, tmp_path / "none", "runtime")

    assert capsys.readouterr().err
    assert bootstrap.read_stamp(folder) == ""
    assert not bootstrap.runs(folder / "bin" / "python")


@pytest.mark.parametrize("arguments", [[], ["instal"], ["--help"]])
def test_an_unknown_verb_shows_the_three(arguments: list[str]) -> None:
    """Usage on stderr, 64, nothing made."""
    ran = subprocess.run([sys.executable, SCRIPT, *arguments], capture_output=True, text=True, timeout=30, check=False)

    assert (ran.returncode, ran.stdout) == (64, "")
    assert all(f"bootstrap.py {verb}" in ran.stderr for verb in ("quickstart", "setup", "test"))


def test_it_needs_nothing_but_the_standard_library() -> None:
    """It runs before anything is installed: isolated, without site packages."""
    ran = subprocess.run([sys.executable, "-I", "-S", SCRIPT], capture_output=True, text=True, timeout=30, check=False)

    assert ran.returncode == 64
    assert "Traceback" not in ran.stderr
