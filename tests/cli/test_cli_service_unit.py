"""The files by which systemd and launchd know us, and `meshmesh service` where neither a manager nor a service is real.

The real user manager has its own tests; launchd is a little program here that keeps what it was told.
"""

import json
import os
import plistlib
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from meshmesh.cli import managers, service_unit, units
from support.command_line import Cli
from support.far_end import FarEnd, reply

ROOT = Path(__file__).parents[2]
# launchd.plist(5): the keys that we use or may come to use, with the type of their values
DOCUMENTED = {
    "Label": str,
    "ProgramArguments": list,
    "EnvironmentVariables": dict,
    "RunAtLoad": bool,
    "KeepAlive": dict,
    "ThrottleInterval": int,
    "ExitTimeOut": int,
    "LimitLoadToSessionType": str,
    "ProcessType": str,
    "Umask": int,
    "HardResourceLimits": dict,
    "StandardOutPath": str,
    "StandardErrorPath": str,
}
LAUNCHCTL = """#!{python}
import pathlib, sys
state = pathlib.Path({state!r})
said = pathlib.Path({said!r})
verb, *rest = sys.argv[1:]
with said.open("a") as file:
    file.write(" ".join(sys.argv[1:]) + "\\n")
if verb == "bootstrap":
    if state.exists():
        sys.exit("Bootstrap failed: 5: Input/output error")
    state.write_text(rest[1])
elif verb == "bootout":
    state.unlink(missing_ok=True)
elif verb == "print" and "/org" in rest[0]:
    if not state.exists():
        sys.exit("Could not find service")
    print("\\tstate = running\\n\\n\\tpid = {pid}")
"""


# --- systemd -------------------------------------------------------------------------------------------------------


def test_the_files_that_come_with_us_are_those_at_the_top() -> None:
    """The package holds links to `systemd/` and `launchd/`, so that there is one of each."""
    for folder in ("systemd", "launchd"):
        (file,) = (ROOT / folder).iterdir()
        assert (ROOT / "bridge" / "meshmesh" / "units" / file.name).resolve() == file


def test_every_setting_of_the_unit_has_its_reason() -> None:
    """A comment stands above each group of settings; what is left out for a reason is named with it."""
    text = (ROOT / "systemd" / "meshmesh.service").read_text()
    section = text.partition("[Service]\n")[2]
    settings = re.findall(r"(?m)^(\w+)=", section)
    hardening = section.partition("--- Hardening")[2].partition("[Install]")[0]

    assert [group for group in section.split("\n\n") if not group.startswith(("#", "[Install]\n#"))] == []
    assert len(re.findall(r"(?m)^\w+=", hardening)) >= 12
    for absent in ("PrivateUsers", "ProtectSystem", "ProtectHome", "PrivateTmp", "CapabilityBoundingSet"):
        assert absent not in settings
        assert f"{absent}=" in hardening


def test_the_wheel_holds_both(tmp_path: Path) -> None:
    """An installation without the sources can install the service too."""
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(tmp_path)]
    subprocess.run(command, cwd=ROOT, capture_output=True, check=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        unit = wheel.read("meshmesh/units/meshmesh.service").decode()
        agent = wheel.read(f"meshmesh/units/{units.LAUNCHD_LABEL}.plist").decode()

    assert unit == (ROOT / "systemd" / "meshmesh.service").read_text()
    assert agent == (ROOT / "launchd" / f"{units.LAUNCHD_LABEL}.plist").read_text()


@pytest.mark.parametrize(
    ("program", "line"),
    [
        ("/opt/meshmesh/bin/meshmeshd", "ExecStart=/opt/meshmesh/bin/meshmeshd"),
        ("/home/ada/my programs/bin/meshmeshd", 'ExecStart="/home/ada/my programs/bin/meshmeshd"'),
        ("/home/50%/bin/meshmeshd", "ExecStart=/home/50%%/bin/meshmeshd"),
        ('/x/a"b\\c', 'ExecStart="/x/a\\"b\\\\c"'),
    ],
)
def test_the_program_is_spelt_as_systemd_reads_it(program: str, line: str) -> None:
    """Spaces, quotes and percent signs of a path mean nothing else."""
    assert line in units.systemd_unit(program, {}, None).splitlines()


def test_the_unit_takes_the_places_of_the_person() -> None:
    """A home of its own goes into the unit; the shell's other variables, a proxy's password among them, do not."""
    environ = {
        "MESHMESH_HOME": "/srv/my mesh",
        "HTTPS_PROXY": "http://u:p@x",
        "MESHMESH_TOKEN": "mmp_x",
        "PATH": "/bin",
    }
    text = units.systemd_unit("/bin/meshmeshd", units.handed_on(environ), None)

    assert 'Environment="MESHMESH_HOME=/srv/my mesh"' in text.splitlines()
    assert text.count("\nEnvironment=") == 1


def test_the_credential_has_a_path_only_where_it_is() -> None:
    """A name without a path, or a path that leads nowhere, would keep the unit from starting."""
    lines = units.systemd_unit("/bin/meshmeshd", {}, None).splitlines()
    with_key = units.systemd_unit("/bin/meshmeshd", {}, Path("/home/a%/key")).splitlines()

    assert not [line for line in lines if line.startswith("LoadCredential")]
    assert "LoadCredential=meshmesh-master-key:/home/a%%/key" in with_key


def test_without_systemd_it_is_said(far_end: FarEnd, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit 69, what is missing, and what to do; nothing is written."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    ran = cli("service", "install")

    assert ran.code == 69
    assert "There is no systemd here." in ran.err
    assert "Start it by hand: meshmeshd" in ran.err
    assert not (tmp_path / "systemd").exists()


def test_without_a_user_manager_it_is_said(
    far_end: FarEnd, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """systemd may be installed where it does not run, as in a container."""
    script = tmp_path / "systemctl"
    script.write_text("#!/bin/sh\necho 'Failed to connect to bus: No medium found' >&2\nexit 1\n")
    script.chmod(0o755)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    ran = cli("service", "install")

    assert ran.code == 69
    assert "No medium found" in ran.err
    assert "loginctl enable-linger" in ran.err


# --- launchd -------------------------------------------------------------------------------------------------------


def test_the_agent_has_documented_keys_only() -> None:
    """Each key stands in launchd.plist(5), with a value of its type; login, restart and logs are promised."""
    text = units.launch_agent("/opt/x/meshmeshd", {"MESHMESH_PORT": "0"}, Path("/Users/ada/log"))
    document: dict[str, object] = plistlib.loads(text.encode())

    assert {name: type(value) for name, value in document.items()} == {name: DOCUMENTED[name] for name in document}
    assert document["Label"] == units.LAUNCHD_LABEL
    assert document["ProgramArguments"] == ["/opt/x/meshmeshd"]
    assert document["RunAtLoad"] is True
    assert document["KeepAlive"] == {"SuccessfulExit": False}
    assert document["StandardOutPath"] == document["StandardErrorPath"] == "/Users/ada/log"
    assert document["EnvironmentVariables"] == {"MESHMESH_PORT": "0"}
    assert document["Umask"] == 0o077
    assert "Sockets" not in document  # launchd would hold the port while it is lent


def test_the_agents_file_says_what_was_not_tried() -> None:
    """Nobody here has a Mac."""
    assert "Not run on macOS" in (ROOT / "launchd" / f"{units.LAUNCHD_LABEL}.plist").read_text()


@pytest.fixture
def mac(far_end: FarEnd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Mac, as far as the command can tell: its launchctl, and a service that answers with its pid."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    script = tmp_path / "launchctl"
    state, said = str(tmp_path / "state"), str(tmp_path / "said")
    script.write_text(LAUNCHCTL.format(python=sys.executable, state=state, said=said, pid=os.getpid()))
    script.chmod(0o755)
    real = managers.found

    def found(_platform: str, environ: dict[str, str], paths: object) -> managers.Manager:
        return real("darwin", environ, paths)  # type: ignore[arg-type]

    monkeypatch.setattr(service_unit, "found", found)
    return tmp_path


def status(pid: int) -> bytes:
    """The service's status."""
    return reply(200, {"version": "1", "pid": pid, "port": 1717, "vault": "unlocked", "counts": {}, "detail": ""})


def test_the_agent_is_installed_and_taken_away(far_end: FarEnd, mac: Path, cli: Cli) -> None:
    """Bootstrapped once, the same again, booted out; each twice."""
    file = mac / "Library" / "LaunchAgents" / f"{units.LAUNCHD_LABEL}.plist"
    far_end.on("GET /status", reply(503, {}), status(os.getpid()))
    first, again = cli("service", "install"), cli("service", "install")
    shown = json.loads(cli("service", "status", "--json").out)
    verbs = [line.split()[0] for line in (mac / "said").read_text().splitlines()]

    assert (first.code, again.code) == (0, 0), first.err + again.err
    assert plistlib.loads(file.read_bytes())["ProgramArguments"] == [str(Path(sys.executable).with_name("meshmeshd"))]
    assert verbs.count("bootstrap") == 1
    assert (shown["manager"], shown["enabled"], shown["active"]) == ("launchd", True, "running")
    assert [cli("service", "uninstall").code for _ in range(2)] == [0, 0]
    assert not file.exists()
    assert not (mac / "state").exists()


def test_a_service_that_was_started_by_hand_is_left_alone(far_end: FarEnd, mac: Path, cli: Cli) -> None:
    """It holds vault and port: its pid is said, and nothing is written."""
    far_end.on("GET /status", status(4121))
    ran = cli("service", "install")

    assert ran.code == 73
    assert "(pid 4121)" in ran.err
    assert not (mac / "Library").exists()


def test_an_agent_that_does_not_answer_is_undone(
    far_end: FarEnd, mac: Path, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is gone, launchd has forgotten it, and the command says so."""
    monkeypatch.setattr(service_unit, "_ANSWER_SECONDS", 0.3)
    far_end.on("GET /status", reply(503, {}))
    ran = cli("service", "install")

    assert ran.code == 69
    assert "Nothing is installed." in ran.err
    assert not (mac / "state").exists()
    assert not list((mac / "Library" / "LaunchAgents").iterdir())


def test_what_is_not_installed_is_shown_as_that(far_end: FarEnd, mac: Path, cli: Cli) -> None:
    """With what to do."""
    ran = cli("service", "status")

    assert ran.code == 0
    assert "Not installed. It does not run." in ran.out
    assert "Next: meshmesh service install" in ran.out
