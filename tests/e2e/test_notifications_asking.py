"""Who asks, on a real screen: the bubble of a request with its buttons, and the Approve button that is a person."""

import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.desktop import NAME, Desktop, desktop, until
from support.peer import Peer, connect, peer
from support.service import Service, StartService

MESHMESH = str(Path(sys.executable).with_name("meshmesh"))
ASKS = "A program wants to use MeshMesh"


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """A desktop with nobody who notifies yet."""
    with desktop(tmp_path_factory.mktemp("desktop") / "d") as made:
        yield made


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """An org that is not the demo."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


def ask(service: Service, name: str) -> dict[str, str]:
    """A program asks to be paired."""
    asked: dict[str, str] = service.call("POST", "/v1/pair", {"client_name": name, "wants": [{"mode": "read"}]}).json()
    return asked


def polled(service: Service, asked: dict[str, str]) -> object:
    """What the program learns."""
    return service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json().get("error")


def pending(service: Service) -> int:
    """How many wait to be paired."""
    return len(service.call("GET", "/v1/pairings", owner=True).json()["pairings"])


def test_review_and_deny(session: Desktop, start_service: StartService) -> None:
    """One bubble; Review opens the page and decides nothing; Deny denies, and the bubble goes. The code is not in it."""
    session.dunst()
    service = start_service(None, **session.environ)
    asked = ask(service, "Claude Code")
    until(lambda: session.displayed() == 1)
    session.choose("review")
    until(lambda: session.opened)
    assert session.opened == [f"http://localhost:{service.port}/pair"]
    assert pending(service) == 1
    session.choose("deny")
    until(lambda: pending(service) == 0)
    until(lambda: session.displayed() == 0)

    assert polled(service, asked) == "access_denied"
    assert "It says: Claude Code" in session.notified
    assert ASKS in session.notified
    assert asked["user_code"] not in session.notified
    assert asked["device_code"] not in session.notified


def widening(service: Service) -> subprocess.Popen[str]:
    """The owner's terminal asks for a token for the first time, where nobody can type."""
    return subprocess.Popen(
        [MESHMESH, "token", "acme"],
        env=service.environ,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def forge(session: Desktop) -> None:
    """A program of this user says that Approve was pressed, to all and to us."""
    us = session.notified.rpartition("member=Notify")[0].rpartition("sender=")[2].split(" ")[0]
    path = ("/org/freedesktop/Notifications", f"{NAME}.ActionInvoked")
    for destination in ((), (f"--dest={us}",)):
        for number in range(1, 4):
            arguments = (f"uint32:{number}", "string:approve")
            session.run("dbus-send", "--session", "--type=signal", *destination, *path, *arguments)


def test_approve_is_pressed_with_the_pointer(session: Desktop, start_service: StartService, org: Peer) -> None:
    """The waiting command goes through when the drawn button is pressed, and not when another program says it was."""
    session.xfce()
    service = start_service(None, **session.environ, MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    connect(service, "acme", org.origin)
    with widening(service) as command:
        until(lambda: session.bubble() is not None)
        forge(session)
        time.sleep(0.5)  # what was forged has been heard by then, were it believed
        assert command.poll() is None
        assert session.notified.count("member=ActionInvoked") == 6
        session.press_first_button()
        out, err = command.communicate(timeout=30)

    assert (command.returncode, "Press Approve in the notification." in err) == (0, True)
    assert out.startswith("00D")
    until(lambda: session.bubble() is None)
    assert "Let terminal use Salesforce?" in session.notified


def test_approve_lets_a_waiting_call_through(session: Desktop, start_service: StartService, org: Peer) -> None:
    """`Prefer: wait` on an approval: one bubble asks, the program that asked is paired, and Deny refuses the next."""
    session.dunst()
    service = start_service(None, **session.environ, MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    connect(service, "acme", org.origin)
    token = service.pair({"connection": "demo", "mode": "read"})
    client = str(service.call("GET", "/v1/me", token=token).json()["id"])
    answers: list[tuple[int, str]] = []
    for button, mode in (("approve", "read"), ("deny", "build")):
        command = subprocess.Popen(
            [MESHMESH, "mode", client, "acme", mode],
            env=service.environ,
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        with command:
            until(lambda: session.displayed() == 1)
            session.choose(button)
            answers.append((command.wait(30), service.call("GET", "/v1/me", token=token).json()["grants"][-1]["mode"]))
        until(lambda: session.displayed() == 0)

    assert answers == [(0, "read"), (77, "read")]
