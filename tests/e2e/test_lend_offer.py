"""An `sf` that looks for the port and goes, on a real desktop: one bubble, and its button lends."""

import re
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from support.desktop import Desktop, desktop, until
from support.service import Service, StartService

TITLE = "The Salesforce CLI wants to sign in"
# It connects, closes without a word, and takes its time to end, as sf does; its name is in its arguments.
LOOK = """
import socket, sys
socket.create_connection(("localhost", int(sys.argv[-1]))).close()
sys.stdin.read()
"""


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """A desktop where dunst shows notifications."""
    with desktop(tmp_path_factory.mktemp("desktop") / "d") as made:
        made.dunst()
        yield made


def shown(session: Desktop) -> list[str]:
    """The titles of all bubbles that were asked for so far."""
    return re.findall(r"member=Notify\n {3}string \"MeshMesh\"\n.*\n.*\n {3}string \"(.*)\"", session.notified)


def test_the_button_lends(
    session: Desktop, start_service: StartService, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A browser that connects ahead raises nothing; an sf raises one bubble, and Lend frees the port."""
    service = start_service(None, **session.environ)
    socket.create_connection(("127.0.0.1", service.port)).close()
    script = tmp_path_factory.mktemp("bin") / "sf"
    script.write_text(LOOK)
    for _ in range(2):  # who is told no tries again
        look(service, session, str(script))
    session.choose("lend")
    until(lambda: service.call("GET", "/readyz", owner=True).status == 503)
    with socket.create_server(("127.0.0.1", service.port)):
        pass
    until(lambda: len(shown(session)) == 2)

    assert shown(session) == [TITLE, f"Port {service.port} is lent for 2 minutes"]
    assert service.cli("lend", "--back").returncode == 0
    assert service.call("GET", "/readyz").status == 200


def look(service: Service, session: Desktop, script: str) -> None:
    """As `sf org login web` begins, until the bubble is there."""
    command = [sys.executable, script, "org", "login", "web", str(service.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
        until(lambda: session.displayed() == 1)
        process.kill()
