"""Coverage-guided fuzzing of what reads strangers' bytes, with atheris (libFuzzer).

    .venv-test/bin/python tests/bench/fuzz.py [TARGET] [--seconds 60] [--corpus FOLDER]

Targets and their laws are in `tests/support/fuzz_targets.py`; without one all are run, one after the other. Seeds are in
`tests/bench/seeds/TARGET/`, and an input that breaks a law is put there too, so that it is tried first from then on. With
`--corpus` a target's finds are kept, and a longer run goes on from them. Ends with 1 where a law was broken, with 125
where atheris is not installed (it has no build for Python 3.13).
"""

import argparse
import importlib
import importlib.util
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))

SEEDS = HERE / "seeds"
LONGEST_INPUT = 4096
ONE_INPUT_SECONDS = 10  # a parser that takes longer for one input hangs
NO_ATHERIS = 125
# Whose coverage guides the search, where the targets are; that module is imported only when these are instrumented.
MODULES = {
    "redirect": ("meshmesh_daemon.core.oauth", "meshmesh_daemon.usecases.beginning"),
    "knocking": ("meshmesh_bridge.guard", "meshmesh_bridge.cors", "meshmesh_bridge.handles"),
    "classification": ("meshmesh_daemon.core.classify", "meshmesh_daemon.core.targets"),
    "soql": ("meshmesh_demo.soql",),
    "sealed": ("meshmesh_storage.sealing",),
    "answer": ("meshmesh.http1",),
    "backup": ("meshmesh_storage.backup_file",),
}


def names() -> list[str]:
    """Every target."""
    return sorted(folder.name for folder in SEEDS.iterdir() if folder.is_dir())


def fuzz(name: str, seconds: int, corpus: Path) -> None:
    """Fuzz in this process, which ends with it."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=list(MODULES[name]), enable_loader_override=False):
        targets = importlib.import_module("support.fuzz_targets")
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": ONE_INPUT_SECONDS,
        "artifact_prefix": f"{SEEDS / name}/",
        "verbosity": 0,
        "print_final_stats": 1,
    }
    arguments = [sys.argv[0], str(corpus), str(SEEDS / name), *(f"-{key}={value}" for key, value in options.items())]
    atheris.Setup(arguments, targets.TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    """Fuzz one target here, or each in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", choices=names())
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--corpus", type=Path)
    asked = parser.parse_args()
    if importlib.util.find_spec("atheris") is None:
        print("atheris is not installed: pip install atheris")
        return NO_ATHERIS
    if asked.target and asked.corpus:
        asked.corpus.mkdir(exist_ok=True)
        fuzz(asked.target, asked.seconds, asked.corpus)
    broken: list[str] = []
    for name in [asked.target] if asked.target else names():
        with tempfile.TemporaryDirectory() as folder:
            command = [
                sys.executable,
                __file__,
                name,
                f"--seconds={asked.seconds}",
                f"--corpus={asked.corpus or folder}",
            ]
            done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        runs = [
            line.split()[-1] for line in done.stderr.splitlines() if line.startswith("stat::number_of_executed_units")
        ]
        print(f"{name:<20}{runs[0] if runs else '?':>12} inputs   {'ok' if done.returncode == 0 else 'BROKEN'}")
        if done.returncode:
            broken.append(name)
            print(done.stderr)
    return 1 if broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
