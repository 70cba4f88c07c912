"""The adapter for free desktops on a real bus, with a notification service that plays every part a real one may play."""

import asyncio
import signal as signals
import socket
from collections.abc import AsyncGenerator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from dbus_fast import Message, MessageType, Variant

from meshmesh_daemon.adapters.clock import SystemClock
from meshmesh_daemon.adapters.notifications import Dismissed, Notifications, Pressed, notifications
from meshmesh_daemon.adapters.notifications.linux import NAME, Service, actions_for, body_for
from meshmesh_daemon.adapters.notifications.macos import arguments
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.notice import Button, Notice
from support.clock import FakeClock
from support.desktop import Desktop, bus, until
from support.drawer import ALL, drawing, eventually, joined, send, signal

Heard = list[Pressed | Dismissed]

DRIVER = "org.freedesktop.DBus"
NOTICE = Notice(
    key="connection:c1",
    title="acme: please sign in again",
    lines=("Acme & Sons: it ended.", "nightly.py is waiting."),
    buttons=(Button("reconnect", "Reconnect"), Button("snooze", "In an hour")),
    click="reconnect",
    link="http://localhost:1717/r/c1",
    command="meshmesh reconnect acme",
)


@asynccontextmanager
async def screen(session: Desktop, clock: Clock | None = None) -> AsyncGenerator[tuple[Notifications, Heard], None]:
    """Our adapter, and what it has heard."""
    async with notifications("linux", session.environ, clock or SystemClock()) as adapter:
        yield adapter, []


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desktop]:
    """A bus for the tests that leave it as it is."""
    with bus(tmp_path_factory.mktemp("bus") / "b") as made:
        yield made


async def test_a_notice_is_drawn_and_replaced_in_place(session: Desktop) -> None:
    """One bubble with its actions; the same key takes its place under the same number."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        adapter.show(NOTICE, heard.append)
        await eventually(lambda: drawer.screen)
        adapter.show(Notice(key=NOTICE.key, title="acme is blocked"), heard.append)
        await eventually(lambda: len(drawer.calls) == 2)

        name, replaces, _icon, title, text, actions, hints, expires = drawer.calls[0]
        assert (name, replaces, title, expires) == ("MeshMesh", 0, "acme: please sign in again", 0)
        assert str(text).startswith("Acme &amp; Sons: it ended.\nnightly.py is waiting.\n<a href=")
        assert actions == ["default", "Reconnect", "reconnect", "Reconnect", "snooze", "In an hour"]
        assert hints == {
            "urgency": Variant("y", 1),
            "desktop-entry": Variant("s", "meshmesh"),
            "resident": Variant("b", True),
        }
        assert drawer.screen == {1: ("acme is blocked", "")}
        assert adapter.has_buttons


async def test_a_button_is_heard_and_a_click_stands_for_the_first(session: Desktop) -> None:
    """What the person does reaches the one who showed the notice, by the notice's own words."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        adapter.show(NOTICE, heard.append)
        await eventually(lambda: drawer.screen)
        for action in ("snooze", "default"):
            await drawer.press(1, action)
        await drawer.dismiss(1)
        await eventually(lambda: len(heard) == 3)

        assert heard == [Pressed(NOTICE.key, "snooze"), Pressed(NOTICE.key, "reconnect"), Dismissed(NOTICE.key)]


async def test_a_click_is_no_answer_where_it_must_not_be(session: Desktop) -> None:
    """A notice without `click` offers no default action, and none is believed."""
    asked = Notice(key="approval", title="Approve?", buttons=(Button("approve", "Approve"), Button("deny", "Deny")))
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        adapter.show(asked, heard.append)
        await eventually(lambda: drawer.screen)
        while not heard:  # what is pressed before the service's answer has reached us is nobody's
            await drawer.press(1, "default")
            await drawer.press(1, "unknown")
            await drawer.press(1, "deny")
            await asyncio.sleep(0.02)

        assert drawer.calls[0][5] == ["approve", "Approve", "deny", "Deny"]
        assert set(heard) == {Pressed("approval", "deny")}


async def test_only_the_owner_of_the_name_is_believed(session: Desktop) -> None:
    """A signal from any other name on the bus counts for nothing, sent to all or to us alone."""
    async with drawing(session) as drawer, joined(session) as forger, screen(session) as (adapter, heard):
        adapter.show(NOTICE, heard.append)
        await eventually(lambda: drawer.screen)
        await forger.request_name("com.example.Forger")
        ours = [f":1.{number}" for number in range(60)]
        for to in (None, *ours):
            await signal(forger, "ActionInvoked", "us", 1, "reconnect", to=to)
            await signal(forger, "NotificationClosed", "uu", 1, 2, to=to)
        owner_changed = Message(
            message_type=MessageType.SIGNAL,
            path="/org/freedesktop/DBus",
            interface=DRIVER,
            member="NameOwnerChanged",
            signature="sss",
            body=[NAME, str(drawer.bus.unique_name), str(forger.unique_name)],
        )
        for to in ours:
            owner_changed.destination, owner_changed.serial = to, 0
            await send(forger, owner_changed)
        await signal(forger, "ActionInvoked", "us", 1, "reconnect")
        await forger.request_name("com.example.Last")  # the bus has passed on what came before
        await drawer.press(1, "snooze")
        await eventually(lambda: heard)

        assert heard == [Pressed(NOTICE.key, "snooze")]


async def test_numbers_that_are_not_ours_are_nobodys(session: Desktop) -> None:
    """Other programs' bubbles, and our own from before a restart, are not taken for ours."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        drawer.last = 40
        adapter.show(NOTICE, heard.append)
        await eventually(lambda: drawer.screen)
        drawer.screen[7] = ("another program's", "")
        await drawer.press(7, "reconnect")
        await drawer.dismiss(7)
        await drawer.press(41, "reconnect")
        await eventually(lambda: heard)

        assert heard == [Pressed(NOTICE.key, "reconnect")]


async def test_the_service_may_come_later(session: Desktop) -> None:
    """At login we may be there first: what was to be shown is shown when somebody can."""
    async with screen(session) as (adapter, heard):
        adapter.show(NOTICE, heard.append)
        assert not adapter.has_buttons
        async with drawing(session) as drawer:
            await eventually(lambda: drawer.screen and adapter.has_buttons)
        await eventually(lambda: not adapter.has_buttons)


async def test_a_new_service_is_shown_what_is_still_open(session: Desktop) -> None:
    """The numbers die with a service; what was closed or withdrawn does not come back."""
    others = [Notice(key=f"n{number}", title=f"n{number}") for number in range(2)]
    async with screen(session) as (adapter, heard):
        async with drawing(session) as first:
            for notice in (NOTICE, *others):
                adapter.show(notice, heard.append)
            await eventually(lambda: len(first.screen) == 3)
            await first.dismiss(2)
            adapter.withdraw("n1")
            await eventually(lambda: len(first.screen) == 1)
        async with drawing(session) as second:
            second.last = 10
            await eventually(lambda: second.screen)
            await second.press(11, "reconnect")
            await eventually(lambda: len(heard) == 2)

            assert [title for title, _ in second.screen.values()] == [NOTICE.title]
            assert heard == [Dismissed("n0"), Pressed(NOTICE.key, "reconnect")]


async def test_a_frozen_service_shows_each_notice_once(session: Desktop) -> None:
    """Nobody waits for it, and when it wakes up there is neither a double nor what was withdrawn meanwhile."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        await eventually(lambda: adapter.has_buttons)
        drawer.frozen = True
        adapter.show(NOTICE, heard.append)
        adapter.show(Notice(key="n1", title="n1"), heard.append)
        await eventually(lambda: drawer.unanswered)
        adapter.withdraw(NOTICE.key)
        adapter.withdraw("n1")
        adapter.show(Notice(key="n2", title="n2"), heard.append)
        await drawer.thaw()
        await eventually(lambda: [title for title, _ in drawer.screen.values()] == ["n2"])

        assert [call[3] for call in drawer.calls] == [NOTICE.title, "n2"]


async def test_what_follows_the_answer_at_once_is_heard(session: Desktop) -> None:
    """A service that may not disturb closes a bubble right behind its answer, and both are read in one breath."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        await eventually(lambda: adapter.has_buttons)
        drawer.frozen = True
        adapter.show(NOTICE, heard.append)
        await eventually(lambda: drawer.unanswered)
        drawer.answer_and_dismiss()
        await eventually(lambda: heard)

        assert heard == [Dismissed(NOTICE.key)]


async def test_a_refused_notice_does_not_keep_the_others_back(session: Desktop) -> None:
    """A service may have too many bubbles, or dislike one: the next one is tried, and the refused one when it changes."""
    async with drawing(session) as drawer, screen(session) as (adapter, heard):
        drawer.refused = NOTICE.title
        adapter.show(NOTICE, heard.append)
        adapter.show(Notice(key="n1", title="n1"), heard.append)
        await eventually(lambda: drawer.screen)
        adapter.show(replace(NOTICE, title="again"), heard.append)
        await eventually(lambda: len(drawer.screen) == 2)

        assert [call[3] for call in drawer.calls] == [NOTICE.title, "n1", "again"]


async def test_nothing_of_ours_stays_on_the_screen(session: Desktop) -> None:
    """At the end of the service a button that nobody hears any more is taken away."""
    async with drawing(session) as drawer:
        async with screen(session) as (adapter, heard):
            adapter.show(NOTICE, heard.append)
            await eventually(lambda: drawer.screen)
        await eventually(lambda: not drawer.screen)


async def test_the_bus_may_come_later_and_go(tmp_path: Path) -> None:
    """Without an address in the environment it is looked for where systemd puts it, at growing intervals."""
    clock = FakeClock()
    with bus(tmp_path / "first") as before:
        environ = {"XDG_RUNTIME_DIR": str(before.folder)}
        socket_file = before.folder / "bus"
        hidden = socket_file.rename(before.folder / "hidden")
        async with notifications("linux", environ, clock) as adapter:
            heard: Heard = []
            adapter.show(NOTICE, heard.append)
            await clock.advance(600)
            hidden.rename(socket_file)
            async with drawing(before) as drawer:
                await clock.advance(60)
                await eventually(lambda: drawer.screen)
            daemon = before.started[0]
            daemon.kill()
            daemon.wait()
            await clock.advance(120)
            socket_file.unlink()
            again = before.begin(
                "dbus-daemon", f"--config-file={before.folder / 'bus.conf'}", "--nofork", "--nopidfile"
            )
            await asyncio.to_thread(until, socket_file.exists)
            async with drawing(before) as drawer:
                await clock.advance(60)
                await eventually(lambda: drawer.screen)
            assert again.poll() is None


@pytest.mark.parametrize("address", ["", "nonsense", "unix:path=/nowhere/bus", "autolaunch:"])
async def test_no_bus_harms_nobody(address: str, caplog: pytest.LogCaptureFixture) -> None:
    """The log says once why there are no notifications, and what is to be shown waits."""
    caplog.set_level("INFO")
    clock = FakeClock()
    async with notifications("linux", {"DBUS_SESSION_BUS_ADDRESS": address}, clock) as adapter:
        adapter.show(NOTICE, Heard().append)
        await eventually(lambda: caplog.messages)
        await clock.advance(600)
        adapter.withdraw(NOTICE.key)

        assert not adapter.has_buttons
    assert len(said(caplog)) == 1
    assert said(caplog)[0].startswith("no notifications on a screen: ")


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What our own code has logged."""
    return [record.getMessage() for record in caplog.records if record.name.startswith("meshmesh")]


async def test_a_frozen_bus_holds_nobody_up(tmp_path: Path) -> None:
    """A bus that takes the connection and says nothing: showing, withdrawing and closing go on."""
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(tmp_path / "bus"))
        silent.listen()
        silent.setblocking(False)
        async with notifications("linux", {"XDG_RUNTIME_DIR": str(tmp_path)}, FakeClock()) as adapter:
            adapter.show(NOTICE, Heard().append)
            caller, _ = await asyncio.get_running_loop().sock_accept(silent)
            adapter.withdraw(NOTICE.key)
        caller.close()


async def test_a_bus_that_freezes_does_not_keep_us(tmp_path: Path) -> None:
    """Showing goes on into nothing, and the end of the service comes to its end."""
    with bus(tmp_path / "b") as session:
        async with drawing(session) as drawer:
            async with screen(session) as (adapter, heard):
                adapter.show(NOTICE, heard.append)
                adapter.show(replace(NOTICE, key="other"), heard.append)
                await eventually(lambda: len(drawer.screen) == 2)
                adapter.withdraw("other")
                await eventually(lambda: len(drawer.screen) == 1)  # so it has heard the number of the first one too
                session.started[0].send_signal(signals.SIGSTOP)
                adapter.show(replace(NOTICE, title="again"), heard.append)
                await asyncio.sleep(0)
            session.started[0].send_signal(signals.SIGCONT)
            await eventually(lambda: not drawer.screen)


async def test_a_service_that_is_started_on_demand_is_asked_for(tmp_path: Path) -> None:
    """Some desktops start theirs when it is first called: that happens when there is something to show, and not before."""
    with bus(tmp_path / "b") as session:
        program = session.folder / "service"
        program.write_text(f"#!/bin/sh\ntouch {session.folder / 'asked'}\n")
        program.chmod(0o755)
        service = f"[D-BUS Service]\nName={NAME}\nExec={program}\n"
        (session.folder / "services" / "notifications.service").write_text(service)
        async with joined(session) as member:
            reload = Message(destination=DRIVER, path="/", interface=DRIVER, member="ReloadConfig")
            await member.call(reload)
        async with screen(session, FakeClock()) as (adapter, heard):
            async with drawing(session):
                await eventually(lambda: adapter.has_buttons)
            await eventually(lambda: not adapter.has_buttons)
            assert not (session.folder / "asked").exists()
            adapter.show(NOTICE, heard.append)
            await eventually((session.folder / "asked").exists)


@pytest.mark.parametrize(
    ("abilities", "text", "actions"),
    [
        (ALL, 'Acme &amp; Sons: it ended.\nnightly.py is waiting.\n<a href="http://localhost:1717/r/c1">Open MeshMesh</a>', 6),
        (("actions", "body"), "Acme & Sons: it ended.\nnightly.py is waiting.", 6),
        (("actions", "body-hyperlinks"), "Acme & Sons: it ended.\nnightly.py is waiting.\nhttp://localhost:1717/r/c1", 6),
        (("body",), "Acme & Sons: it ended.\nnightly.py is waiting.\nRun: meshmesh reconnect acme", 0),
    ],
)  # fmt: skip
def test_a_service_gets_what_it_can_show(abilities: tuple[str, ...], text: str, actions: int) -> None:
    """Markup is escaped where it is read; a link only where it can be followed; a command where there are no buttons."""
    service = Service(":1.1", "Some", frozenset(abilities))

    assert body_for(NOTICE, service) == text
    assert len(actions_for(NOTICE, service)) == actions


def test_a_service_that_draws_the_default_action_is_not_given_one() -> None:
    """Xfce's would show Reconnect twice."""
    service = Service(":1.1", "Xfce Notify Daemon", frozenset(ALL))

    assert actions_for(NOTICE, service) == ["reconnect", "Reconnect", "snooze", "In an hour"]


def test_markup_and_marks_in_names_are_shown_as_text() -> None:
    """Whoever names an org or a program cannot write into our bubble."""
    service = Service(":1.1", "Some", frozenset(ALL))
    notice = Notice(key="k", title="t", lines=('<a href="http://evil.example">x</a>\u202e\n',))

    assert body_for(notice, service) == '&lt;a href="http://evil.example"&gt;x&lt;/a&gt;'


def test_the_mac_gets_texts_as_arguments() -> None:
    """No text becomes part of the script, whatever it says; the command stands for the button."""
    words = arguments(Notice(key="k", title='" & do shell script "x', lines=("-e", "two"), command="meshmesh status"))

    assert words[-3:] == ["--", "-e\ntwo\nRun: meshmesh status", '" & do shell script "x']
    assert not any("do shell script" in word for word in words[:-1])
