"""A child of `exec` is that client on the owner's door too, whether it shows its token or not."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from meshmesh_daemon.adapters import peers
from support.service import Service, exchange

ASK = """
import json, os, socket, sys
def ask(method, target, body=b""):
    sock = socket.socket(socket.AF_UNIX)
    sock.connect(os.environ["DOOR"])
    head = f"{method} {target} HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\nContent-Type: application/json\\r\\n"
    sock.sendall(head.encode() + f"Content-Length: {len(body)}\\r\\n\\r\\n".encode() + body if body else head.encode() + b"\\r\\n")
    raw = b""
    while chunk := sock.recv(65536):
        raw += chunk
    return int(raw.split()[1]), raw.partition(b"\\r\\n\\r\\n")[2].decode()
print(json.dumps({
    "me": ask("GET", "/v1/me"),
    "clients": ask("GET", "/v1/clients")[0],
    "mint": ask("POST", "/v1/clients", b'{"name": "x", "grants": [], "pid": 1}')[0],
    "connections": ask("GET", "/v1/connections"),
}))
"""


def asked(service: Service, *wrapper: str) -> dict[str, list[object] | int]:
    """What a child of `exec` gets at the owner's door without showing any token."""
    command = [str(Path(sys.executable).with_name("meshmesh")), "exec", "demo", "--mode", "read", "--", *wrapper]
    hidden = "import os; [os.environ.pop(n, None) for n in list(os.environ) if n.startswith('MESHMESH')]\n"
    environ = service.environ | {"DOOR": str(service.socket_path)}
    ran = subprocess.run(
        [*command, sys.executable, "-c", hidden + ASK],
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    answers: dict[str, list[object] | int] = json.loads(ran.stdout)
    return answers


def test_a_child_is_the_client(service: Service) -> None:
    """It sees its own grant and nothing of the owner's."""
    answers = asked(service)
    me, connections = answers["me"], answers["connections"]

    assert isinstance(me, list)
    assert isinstance(connections, list)
    assert json.loads(str(me[1]))["kind"] == "exec"
    assert [one["mode"] for one in json.loads(str(connections[1]))["connections"]] == ["read"]
    assert (answers["clients"], answers["mint"]) == (403, 403)


def test_a_grandchild_in_another_session_is_the_client(service: Service) -> None:
    """A new session or a shell between them does not make it the owner."""
    for wrapper in (("sh", "-c", '"$@"; true', "sh"), ("setsid", "--wait")):
        assert asked(service, *wrapper)["clients"] == 403


# Each is given a command, and runs it as a process that has left its parents, or hides behind very many of them.
LEAVING = {
    "two forks": """
import os, subprocess, sys
reader, writer = os.pipe()
middle = os.fork()
if not middle:
    os.setsid()
    middle = os.getpid()
    if not os.fork():
        while os.getppid() == middle:
            pass
        subprocess.run(sys.argv[1:], check=True)
    os._exit(0)
os.close(writer)
os.waitpid(middle, 0)
os.read(reader, 1)
""",
    "a terminal of its own": "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]))",
    "eighty parents": """
import os, subprocess, sys
for _ in range(80):
    if os.fork():
        os.wait()
        os._exit(0)
subprocess.run(sys.argv[1:], check=True)
""",
}


@pytest.mark.skipif(not peers.CAN_TELL_UID, reason="only Linux has parents that adopt")
@pytest.mark.parametrize("how", LEAVING)
def test_who_leaves_its_parents_is_the_client(service: Service, how: str) -> None:
    """Neither a daemon's double fork, nor a new terminal, nor a long line of parents makes a child of `exec` the owner."""
    answers = asked(service, sys.executable, "-c", LEAVING[how])

    assert (answers["clients"], answers["mint"]) == (403, 403)


@pytest.mark.skipif(not peers.CAN_TELL_UID, reason="only Linux tells whose a process was")
def test_a_connection_that_was_inherited_is_nobodys(service: Service) -> None:
    """Whose the line is cannot be told once the process that opened it is gone: not even `GET /v1/me` is answered."""
    opening = "import socket, sys; socket.socket(fileno=int(sys.argv[1])).connect(sys.argv[2])"
    with socket.socket(socket.AF_UNIX) as line:
        arguments = [sys.executable, "-c", opening, str(line.fileno()), str(service.socket_path)]
        subprocess.run(arguments, pass_fds=[line.fileno()], timeout=60, check=True)
        answer = exchange(line, b"GET /v1/me HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")

    assert (answer.status, answer.json()["code"]) == (403, "not_allowed")


def test_the_client_ends_with_the_command(service: Service) -> None:
    """After the command nothing of it is left, and the owner is the owner."""
    asked(service)
    listed = service.call("GET", "/v1/clients", owner=True).json()["clients"]

    assert [client for client in listed if client["kind"] == "exec"] == []


def test_a_client_ends_with_its_process(service: Service) -> None:
    """A process that dies without a word takes its client with it."""
    sleeper = subprocess.Popen(["sleep", "60"])
    body = {"name": "sleeper", "grants": [{"connection": "demo", "mode": "read"}], "pid": sleeper.pid}
    token = str(service.call("POST", "/v1/clients", body, owner=True).json()["access_token"])
    assert service.call("GET", "/v1/me", token=token).status == 200
    sleeper.kill()
    sleeper.wait(10)

    assert service.eventually(lambda: service.call("GET", "/v1/me", token=token).status == 401)
