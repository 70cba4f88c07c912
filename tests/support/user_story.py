"""What a person does with `meshmesh service` under a real user manager; prints what was seen, as one JSON object.

Run by `user_manager.sh`, as another user than the tests: standard library only, and the installed programs. The arguments
are the chapters to tell.
"""

import base64
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

MESHMESH = str(Path(sys.executable).with_name("meshmesh"))
UNIT = Path.home() / ".config/systemd/user/meshmesh.service"
ENDPOINT = Path.home() / "m/runtime/endpoint.json"
CONFIG = Path.home() / "m/config/config.toml"
CREDENTIAL = Path.home() / ".config/credstore/meshmesh-master-key"
ENVIRON = os.environ | {"MESHMESH_HOME": str(Path.home() / "m"), "MESHMESH_PORT": "0", "COLUMNS": "200"}
QUICK = "[Service]\nWatchdogSec=3\nRestartSec=100ms\nLimitNOFILE=1024:4096\n"

Seen = dict[str, object]


def meshmesh(*arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """The command line."""
    return subprocess.run(
        [MESHMESH, *arguments], env=ENVIRON | extra, capture_output=True, text=True, timeout=90, check=False
    )


def systemctl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The user manager's."""
    return subprocess.run(
        ["systemctl", "--user", "--no-pager", *arguments], capture_output=True, text=True, timeout=90, check=False
    )


def show(name: str) -> str:
    """A property of the unit."""
    return systemctl("show", "meshmesh.service", "-P", name).stdout.strip()


def port() -> int:
    """The service's."""
    return int(json.loads(ENDPOINT.read_text())["port"])


def eventually(holds: Callable[[], bool], seconds: float = 20) -> bool:
    """Whether something becomes true soon."""
    deadline = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True


def get(number: int, path: str = "/healthz") -> str:
    """The first line of an answer, or the error."""
    try:
        with socket.create_connection(("127.0.0.1", number), 30) as line:
            line.settimeout(30)
            line.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost:{number}\r\nConnection: close\r\n\r\n".encode())
            return line.recv(4096).decode().partition("\r\n")[0]
    except OSError as error:
        return type(error).__name__


def during(deed: Callable[[], object], number: int) -> list[str]:
    """What callers were answered while something was done."""
    answers: list[str] = []
    over = threading.Event()

    def call() -> None:
        while not over.is_set():
            answers.append(get(number))
            time.sleep(0.02)

    caller = threading.Thread(target=call)
    caller.start()
    deed()
    over.set()
    caller.join()
    return sorted(set(answers))


def kill(pid: int) -> None:
    """SIGKILL the service; it is dead when this returns, so that no later caller is cut with it."""
    dead = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([dead], [], [], 10)
    os.close(dead)


def run_again(pid: int) -> None:
    """Wait for the run after the one of a process."""
    eventually(lambda: show("SubState") == "running" and show("MainPID") != str(pid))


def looking(seen: Seen) -> None:
    """Not there, and looked at."""
    seen["before"] = json.loads(meshmesh("service", "status", "--json").stdout)
    dry = meshmesh("service", "install", "--dry-run")
    seen["dry"] = {"code": dry.returncode, "out": dry.stdout, "err": dry.stderr, "written": UNIT.exists()}


def installing(seen: Seen) -> None:
    """There, and running."""
    drop_in = UNIT.with_name("meshmesh.service.d") / "quick.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(QUICK)
    first = meshmesh("service", "install", DISPLAY=":7")
    seen["first"] = {
        "code": first.returncode,
        "err": first.stderr,
        "text": UNIT.read_text() if UNIT.exists() else "",
        "active": show("ActiveState"),
    }


def inspecting(seen: Seen) -> None:
    """There again, and what systemd and the kernel say of it."""
    pid = show("MainPID")
    second = meshmesh("service", "install")
    seen["second"] = {"code": second.returncode, "same": show("MainPID") == pid != "0"}
    seen["after"] = json.loads(meshmesh("service", "status", "--json").stdout)
    seen["unit"] = {name: show(name) for name in ("Type", "NFileDescriptorStore", "StatusText", "NRestarts", "Result")}
    process = Path(f"/proc/{pid}/status").read_text()
    limits = re.search(r"Max open files +(\S+) +(\S+)", Path(f"/proc/{pid}/limits").read_text())
    seen["files"] = limits.groups() if limits else None
    seen["process"] = dict(re.findall(r"^(NoNewPrivs|Seccomp|Umask):\s+(\S+)", process, re.MULTILINE))
    checked = subprocess.run(
        ["systemd-analyze", "--user", "verify", str(UNIT)], capture_output=True, text=True, check=False
    )
    seen["verify"] = checked.stdout + checked.stderr
    rated = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)],
        capture_output=True,
        text=True,
        check=False,
    )
    seen["security"] = rated.stdout


def living(seen: Seen) -> None:
    """Restarted, killed, frozen, reloaded, lent."""
    number = port()
    seen["restart"] = during(lambda: systemctl("restart", "meshmesh.service"), number)
    pid = int(show("MainPID"))
    kill(pid)
    seen["kill"] = during(lambda: run_again(pid), number)
    pid = int(show("MainPID"))
    os.kill(pid, signal.SIGSTOP)
    seen["frozen"] = [get(number), show("MainPID") != str(pid)]
    CONFIG.write_text("prot = 1\n")
    CONFIG.chmod(0o600)
    pid = int(show("MainPID"))
    systemctl("reload", "meshmesh.service")
    seen["reload"] = {
        "told": eventually(lambda: "prot" in meshmesh("status").stdout),
        "same": show("MainPID") == str(pid),
        "active": show("ActiveState"),
        "answer": get(number),
    }
    CONFIG.unlink()
    script = f"import socket; socket.create_server(('127.0.0.1', {number})); print('bound')"
    lent = meshmesh("lend", "--", sys.executable, "-c", script)
    seen["lent"] = {"code": lent.returncode, "out": lent.stdout, "err": lent.stderr, "after": get(number)}
    seen["kept"] = show("NFileDescriptorStore")
    journal = subprocess.run(
        ["journalctl", "--user", "-u", "meshmesh", "-o", "json", "--no-pager"],
        capture_output=True,
        text=True,
        check=False,
    )
    lines = [json.loads(line) for line in journal.stdout.splitlines()]
    seen["journal"] = sorted({str(line.get("PRIORITY")) for line in lines if "not taken" in str(line.get("MESSAGE"))})


def keyed(seen: Seen) -> None:
    """With the master key as a credential: handed over, and what a new vault is sealed with."""
    CREDENTIAL.parent.mkdir(parents=True, exist_ok=True)
    CREDENTIAL.write_text(base64.b64encode(os.urandom(32)).decode())
    CREDENTIAL.chmod(0o600)
    elsewhere = str(Path.home() / "m2")
    made = meshmesh("service", "install", MESHMESH_HOME=elsewhere)
    status = json.loads(meshmesh("status", "--json", MESHMESH_HOME=elsewhere).stdout)
    seen["credential"] = {"codes": [made.returncode, meshmesh("service", "install").returncode], "key": status["key"]}


def leaving(seen: Seen) -> None:
    """Taken away, and an install that cannot work."""
    number = port()
    first, second = meshmesh("service", "uninstall"), meshmesh("service", "uninstall")
    seen["uninstall"] = {
        "codes": [first.returncode, second.returncode],
        "file": UNIT.exists(),
        "port": get(number),
        "active": show("ActiveState"),
        "vault": (Path.home() / "m/data/vault.db").exists(),
    }
    with socket.create_server(("127.0.0.1", 0)) as busy:
        failed = meshmesh("service", "install", MESHMESH_PORT=str(busy.getsockname()[1]))
    seen["failed"] = {
        "code": failed.returncode,
        "err": failed.stderr,
        "file": UNIT.exists(),
        "active": show("ActiveState"),
        "enabled": systemctl("is-enabled", "meshmesh.service").stdout.strip(),
    }


CHAPTERS = {chapter.__name__: chapter for chapter in (looking, installing, inspecting, living, keyed, leaving)}


def main() -> None:
    """The story."""
    seen: Seen = {
        "version": subprocess.run(["systemctl", "--version"], capture_output=True, text=True, check=False).stdout
    }
    eventually(lambda: systemctl("is-system-running").stdout.strip() in {"running", "degraded"})
    try:
        for name in sys.argv[1:]:
            CHAPTERS[name](seen)
    finally:
        sys.stdout.write(json.dumps(seen) + "\n")


main()
