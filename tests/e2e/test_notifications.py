"""The whole way of a notification: a real service, a real bus, real notification services on a real screen, a pressed button.

A connection dies at the demo org, a program meets it, a bubble appears; its button opens the sign-in in a browser, the
connection recovers, the bubble disappears.
"""

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from meshmesh.cli.visitor import sign_in
from support.desktop import NAME, Desktop, desktop, until
from support.service import Service, StartService

QUERY = "/o/demo/services/data/v66.0/query?q=SELECT+Id+FROM+Account"
TITLE = "demo: please sign in again"
PICTURE = "MESHMESH_PICTURES"  # a folder: the picture for the documentation is written there


@pytest.fixture
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """A desktop with nobody who notifies yet."""
    with desktop(tmp_path_factory.mktemp("desktop") / "d") as made:
        yield made


def fall_ill(service: Service, client: str = "nightly.py") -> str:
    """Let the demo org revoke everything, and a program meet that; its pairing token."""
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True}, name=client)
    assert service.call("POST", "/v1/demo/revoke", {}, owner=True).status == 200
    assert service.call("GET", QUERY, token=token).status == 403
    return token


def status(service: Service) -> str:
    """How the connection is."""
    return str(service.call("GET", "/v1/connections/demo", owner=True).json()["status"])


def shown(session: Desktop) -> list[str]:
    """The titles of all bubbles that were asked for so far."""
    return re.findall(r"member=Notify\n {3}string \"MeshMesh\"\n.*\n.*\n {3}string \"(.*)\"", session.notified)


def withdrawn(session: Desktop) -> int:
    """How often a bubble was taken back."""
    return session.notified.count("member=CloseNotification")


def test_press_reconnect_and_the_bubble_goes(session: Desktop, start_service: StartService) -> None:
    """One bubble for any number of refused calls; its button opens one sign-in; recovery takes the bubble away."""
    session.dunst()
    service = start_service(None, **session.environ)
    token = fall_ill(service)
    until(lambda: session.displayed() == 1)
    for _ in range(3):
        assert service.call("GET", QUERY, token=token).status == 403
    assert session.opened == []
    session.choose("reconnect")
    until(lambda: status(service) == "connected")
    until(lambda: session.displayed() == 0)

    assert shown(session) == [TITLE]
    assert len(session.opened) == 1
    assert "/services/oauth2/authorize?" in session.opened[0]
    assert service.call("GET", QUERY, token=token).status == 200


def test_nothing_secret_is_on_the_bus(session: Desktop, start_service: StartService) -> None:
    """Neither a token nor the user's name is in anything that the notification service was sent."""
    session.dunst()
    service = start_service(None, **session.environ)
    token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
    live = service.call("GET", "/v1/connections/demo/token", token=token).json()
    fall_ill(service)
    until(lambda: session.displayed() == 1)

    assert "MeshMesh Demo" in session.notified
    for secret in (live["access_token"], live["username"], live["org_id"], token):
        assert secret not in session.notified


def test_a_drawn_button_is_pressed_with_the_pointer(session: Desktop, start_service: StartService) -> None:
    """The same with a service that draws buttons; the picture shows it."""
    session.xfce()
    service = start_service(None, **session.environ)
    fall_ill(service)
    until(lambda: session.bubble() is not None)
    picture = session.folder / "notification.png"
    session.picture(picture)
    session.press_first_button()
    until(lambda: status(service) == "connected")
    until(lambda: session.bubble() is None)

    assert shown(session) == [TITLE]
    assert len(session.opened) == 1
    assert picture.read_bytes().startswith(b"\x89PNG")
    if PICTURE in os.environ:
        shutil.copy(picture, Path(os.environ[PICTURE]) / picture.name)


def test_recovery_by_another_way_withdraws_the_bubble(session: Desktop, start_service: StartService) -> None:
    """Who signs in again on the command line is not asked a second time."""
    session.dunst()
    service = start_service(None, **session.environ)
    fall_ill(service)
    until(lambda: session.displayed() == 1)
    begun = service.call("POST", "/v1/connections/demo/reconnect", {}, owner=True).json()["sign_in"]
    sign_in(begun["authorize_url"], lambda _step: None)
    until(lambda: session.displayed() == 0)

    assert (status(service), session.opened) == ("connected", [])


def test_the_notification_service_comes_late_and_dies(session: Desktop, start_service: StartService) -> None:
    """What was to be shown is shown when somebody can, and shown again by the next one; the button still works."""
    service = start_service(None, **session.environ)
    fall_ill(service)
    until(lambda: "a connection needs you" in service.log)
    first = session.dunst()
    until(lambda: session.displayed() == 1)
    first.kill()
    first.wait()
    until(lambda: not session.owned())
    session.dunst()
    until(lambda: session.displayed() == 1)
    session.click()
    until(lambda: session.displayed() == 0)

    assert (status(service), len(session.opened)) == ("connected", 1)


def test_a_forged_answer_opens_nothing(session: Desktop, start_service: StartService) -> None:
    """Any program of this user may send a signal that looks like the button: only the service's own counts."""
    session.dunst()
    service = start_service(None, **session.environ)
    fall_ill(service)
    until(lambda: session.displayed() == 1)
    us = re.findall(r"sender=(\S+) .*member=Notify", session.notified)[-1]
    path = ("/org/freedesktop/Notifications", f"{NAME}.ActionInvoked")
    for destination in ((), (f"--dest={us}",)):
        for number in range(1, 10):
            session.run(
                "dbus-send", "--session", "--type=signal", *destination, *path, f"uint32:{number}", "string:reconnect"
            )
    session.choose("snooze")
    until(lambda: session.displayed() == 0)

    assert session.notified.count("member=ActionInvoked") == 2 * 9 + 1
    assert (session.opened, status(service)) == ([], "needs_you")


def test_a_restart_shows_it_again_once(session: Desktop, start_service: StartService) -> None:
    """A service that ends takes its bubble along, and the next one tells what is still so."""
    session.dunst()
    service = start_service(None, **session.environ)
    fall_ill(service)
    until(lambda: session.displayed() == 1)
    assert service.stop() == 0
    gone = session.displayed()
    again = start_service(service.home, **session.environ)
    until(lambda: session.displayed() == 1)
    session.choose("reconnect")
    until(lambda: session.displayed() == 0)

    assert gone == 0
    assert status(again) == "connected"
    assert withdrawn(session) == 2


def test_without_a_bus_the_log_and_the_status_tell(start_service: StartService) -> None:
    """No desktop at all: the service runs, says once why there are no bubbles, and names no connection in its log."""
    service = start_service(DBUS_SESSION_BUS_ADDRESS="", XDG_RUNTIME_DIR="/nowhere", DISPLAY="", WAYLAND_DISPLAY="")
    fall_ill(service)
    until(lambda: "a connection needs you. Next: meshmesh status" in service.log)

    assert service.log.count("no notifications on a screen: there is no session bus") == 1
    assert status(service) == "needs_you"
    assert service.stop() == 0
    assert "Traceback" not in service.log
