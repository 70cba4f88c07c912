"""The port lent by a running service: to a command, to one that is killed, over a restart; and what waits meanwhile."""

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from support.desktop import until
from support.service import Service, start

MESHMESH = str(Path(sys.executable).with_name("meshmesh"))
# As sf does: it looks first whether anybody listens, then listens itself on one family, and says so.
BORROWER = """
import socket, sys
port = int(sys.argv[1])
try:
    socket.create_connection(("localhost", port)).close()
    sys.exit(1)
except ConnectionRefusedError:
    server = socket.create_server(("::1", port), family=socket.AF_INET6)
print("mine", flush=True)
sys.stdin.read()
"""


def is_ours(service: Service) -> bool:
    """Whether the port answers again."""
    try:
        return service.call("GET", "/readyz").status == 200
    except OSError:
        return False


def lend(service: Service, *arguments: str) -> subprocess.Popen[str]:
    """`meshmesh lend` with a borrower that says when it has the port, and holds it until its stdin ends."""
    command = [MESHMESH, "lend", *arguments, "--", sys.executable, "-c", BORROWER, str(service.port)]
    process = subprocess.Popen(
        command, env=service.environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "mine\n"
    return process


def note(service: Service) -> str:
    """What the owner's status says of the port."""
    return " ".join(service.call("GET", "/status", owner=True).json()["notes"])


def test_a_command_has_the_port_while_it_runs(service: Service) -> None:
    """The status says so at the owner's door, which stays; afterwards the port is ours, and both are told."""
    process = lend(service)
    told, ready = note(service), service.call("GET", "/readyz", owner=True).status
    _, said = process.communicate("", timeout=30)
    rows = service.call("GET", "/v1/activity?last=2", owner=True).json()["activity"]

    assert f"Port {service.port} is lent until" in told
    assert ready == 503
    assert process.returncode == 0
    assert f"Port {service.port} is back." in said
    assert is_ours(service)
    assert [(row["actor"]["kind"], row["action"]) for row in rows] == [
        ("owner", "port.lent"),
        ("service", "port.back"),
    ]


def test_a_killed_command_line_gives_it_back(service: Service) -> None:
    """SIGKILL runs no clean-up: the service sees the process end, names who still listens, and waits for that."""
    process = lend(service)
    process.kill()
    process.wait(10)
    until(lambda: "is held by" in note(service))
    told = note(service)
    process.communicate("")  # the borrower's stdin ends, and it with it

    assert f"Port {service.port} was lent and is held by python" in told
    assert service.eventually(lambda: is_ours(service))
    assert note(service) == ""


def test_a_sign_in_does_not_begin_while_it_is_lent(service: Service) -> None:
    """The browser would come back to the borrower and end its sign-in: refused with what to do, exit 75."""
    begun = service.call("POST", "/v1/connections", {"environment": "demo", "name": "waits"}, owner=True).json()
    target = f"/v1/sign-ins/{begun['sign_in']['id']}"
    assert begun["sign_in"]["note"] is None
    service.call("POST", "/v1/lend", {"seconds": 60}, owner=True)
    try:
        waiting = service.call("GET", target, owner=True).json()
        refused = service.cli("connect", "other", "--demo")
        again = service.call("POST", "/v1/lend", {"seconds": 60}, owner=True)
    finally:
        back = service.cli("lend", "--back")
    service.call("DELETE", target, owner=True)

    assert waiting["status"] == "waiting"
    assert "is lent until" in waiting["note"]
    assert refused.returncode == 75
    assert "meshmesh lend --back" in refused.stderr
    assert (again.status, again.json()["code"]) == (409, "port_lent")
    assert back.returncode == 0
    assert is_ours(service)


@pytest.mark.parametrize(
    ("body", "status"),
    [({}, 422), ({"seconds": 0}, 422), ({"seconds": 3601}, 422), ({"seconds": 5, "pid": 2**22}, 422)],
)
def test_what_makes_no_sense_lends_nothing(service: Service, body: dict[str, int], status: int) -> None:
    """The port stays."""
    assert service.call("POST", "/v1/lend", body, owner=True).status == status
    assert is_ours(service)


def test_only_the_owner_lends(service: Service) -> None:
    """Neither a stranger on TCP nor a client."""
    token = service.pair({"connection": "demo", "mode": "build"})

    assert service.call("POST", "/v1/lend", {"seconds": 5}).status in {401, 403}
    assert service.call("POST", "/v1/lend", {"seconds": 5}, token=token).status == 403
    assert service.call("POST", "/v1/lend", {"seconds": 5}, owner=True, token=token).status == 403


def test_a_restart_does_not_fight_the_borrower(tmp_path: Path) -> None:
    """The next run begins without the port, says so, and takes it back when the borrower is done."""
    first = start(tmp_path / "home")
    process = lend(first, "--for", "10m")
    first.kill()
    second = start(first.home, MESHMESH_PORT=str(first.port))
    try:
        told = note(second)
        os.kill(process.pid, signal.SIGINT)  # meshmesh passes it on
        process.communicate("", timeout=30)
        assert f"Port {first.port} is lent until" in told
        assert second.eventually(lambda: is_ours(second))
        socket.create_connection(("::1", first.port), 5).close()
    finally:
        second.stop()
