"""What a person is told, as a table: changes of a connection in, notices and withdrawals out."""

import unicodedata
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_daemon.core.notice import Notice, clipped, plain
from meshmesh_daemon.core.notices import ABANDONED_SECONDS, LOOK, RECONNECT, SNOOZE, SNOOZE_SECONDS, Board, Withdrawal
from meshmesh_storage.records import Connection, Kind, Reason, Status
from support.floor import ACME

BASE = "http://localhost:1717"
WELL = Status.CONNECTED, None
BUSY = Status.REFRESHING, None
OFFLINE = Status.OFFLINE, Reason.NETWORK
REVOKED = Status.NEEDS_YOU, Reason.REFRESH_TOKEN_REVOKED
IDLE = Status.NEEDS_YOU, Reason.IDLE_TIMEOUT
BLOCKED = Status.BLOCKED, Reason.IP_RESTRICTED
State = tuple[Status, Reason | None]


def view(state: State, connection: Connection = ACME) -> Connection:
    """A connection in a state, with a sentence for it."""
    status, reason = state
    detail = f"The sentence of {reason.value}." if reason else None
    return replace(connection, status=status, reason=reason, detail=detail)


def numbered(number: int) -> Connection:
    """One of many connections."""
    return replace(ACME, id=f"c{number}", name=f"org-{number}")


def nobody(_connection_id: str) -> Sequence[str]:
    """No program waits."""
    return ()


def settle(board: Board, now: float = 0.0) -> list[str]:
    """What a board tells, in short: titles of notices, and `- key` for what is withdrawn."""
    steps = board.settle(now, nobody)
    return [f"- {step.key}" if isinstance(step, Withdrawal) else step.title for step in steps]


def single(board: Board, now: float = 0.0) -> Notice:
    """The one notice that a board tells."""
    (step,) = board.settle(now, nobody)
    assert isinstance(step, Notice)
    return step


SIGN_IN = "acme (PRODUCTION): please sign in again"
IS_BLOCKED = "acme (PRODUCTION) is blocked"
GONE = "- connection:c1"


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([WELL, REVOKED], [SIGN_IN]),
        ([WELL, BLOCKED], [IS_BLOCKED]),
        ([REVOKED], [SIGN_IN]),
        ([WELL], []),
        ([WELL, OFFLINE, WELL], []),
        ([WELL, BUSY, WELL], []),
        ([WELL, OFFLINE, REVOKED], [SIGN_IN]),
        ([WELL, BUSY, REVOKED], [SIGN_IN]),
        ([REVOKED, REVOKED], [SIGN_IN]),
        ([REVOKED, WELL], [SIGN_IN, GONE]),
        ([REVOKED, None], [SIGN_IN, GONE]),
        ([REVOKED, WELL, REVOKED], [SIGN_IN, GONE, SIGN_IN]),
        ([REVOKED, BLOCKED], [SIGN_IN, IS_BLOCKED]),
        ([BLOCKED, OFFLINE], [IS_BLOCKED]),
        ([BLOCKED, BUSY, BLOCKED], [IS_BLOCKED]),
        ([BLOCKED, OFFLINE, WELL], [IS_BLOCKED, GONE]),
        ([None], []),
    ],
)
def test_what_a_change_tells(states: list[State | None], told: list[str]) -> None:
    """Only healthy -> needs_you or blocked raises; offline and refreshing are neither; recovery by any path withdraws."""
    board = Board(BASE)
    heard: list[str] = []
    for state in states:
        board.see(ACME.id, view(state) if state else None)
        heard += settle(board)

    assert heard == told


@pytest.mark.parametrize("states", [[REVOKED, WELL], [REVOKED, None], [BLOCKED, WELL, BUSY, WELL]])
def test_what_is_over_before_anybody_was_told_is_not_told(states: list[State | None]) -> None:
    """Within one moment of gathering the last state counts."""
    board = Board(BASE)
    for state in states:
        board.see(ACME.id, view(state) if state else None)

    assert settle(board) == []


def test_a_retry_of_what_is_blocked_does_not_flicker() -> None:
    """Tried again (well, refreshing) and blocked again: the notice stays as it is."""
    board = Board(BASE)
    board.see(ACME.id, view(BLOCKED))
    settle(board)
    for state in (WELL, BUSY):
        board.see(ACME.id, view(state))
    first = settle(board)
    board.see(ACME.id, view(BLOCKED))

    assert (first, settle(board)) == ([], [])


def test_another_reason_takes_the_notices_place() -> None:
    """The key stays, so that the bubble is replaced and not doubled."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    first = single(board)
    board.see(ACME.id, view(IDLE))
    second = single(board)

    assert first.key == second.key
    assert second.lines == ("Acme: The sentence of idle_timeout.",)


def test_a_new_name_is_told_in_place() -> None:
    """After a rename the notice says the new name, and its command too."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    first = single(board)
    board.see(ACME.id, view(REVOKED, replace(ACME, name="north")))
    second = single(board)

    assert first.key == second.key
    assert second.title.startswith("north ")
    assert second.command == "meshmesh reconnect north"


@pytest.mark.parametrize(
    ("state", "button", "command"),
    [
        (REVOKED, (RECONNECT, "Reconnect"), "meshmesh reconnect acme"),
        (BLOCKED, (LOOK, "What to do"), "meshmesh test acme"),
    ],
)
def test_a_notice_says_what_to_do(state: State, button: tuple[str, str], command: str) -> None:
    """One button for it and one for later, a click that means the first, a link, and a command for want of buttons."""
    board = Board(BASE)
    board.see(ACME.id, view(state))
    notice = single(board)

    assert [(one.key, one.label) for one in notice.buttons] == [button, (SNOOZE, "In an hour")]
    assert (notice.click, notice.link, notice.command) == (button[0], f"{BASE}/r/c1", command)


def test_a_notice_names_neither_user_nor_token() -> None:
    """The connection and its org are named; who signed in, and with what, is not."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    shown = repr(single(board))

    assert "Acme" in shown
    assert ACME.session is not None
    for secret in (ACME.username, ACME.session.access_token, str(ACME.refresh_token), ACME.org_id, ACME.user_id):
        assert secret not in shown


def test_only_production_is_called_so() -> None:
    """PRODUCTION stands out because nothing else does."""
    board = Board(BASE)
    board.see(ACME.id, replace(view(REVOKED), kind=Kind.SANDBOX))

    assert single(board).title == "acme: please sign in again"


@pytest.mark.parametrize(
    ("clients", "sentence"),
    [
        ((), None),
        (("nightly.py",), "nightly.py is waiting."),
        (("nightly.py", "Claude Code"), "nightly.py and Claude Code are waiting."),
        (("a", "b", "c", "d"), "a, b and 2 more are waiting."),
        (("new\nline\u202e",), "newline is waiting."),
    ],
)
def test_a_notice_says_who_is_waiting(clients: tuple[str, ...], sentence: str | None) -> None:
    """The programs by name, few of them, in a sentence that their names cannot disguise."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    (step,) = board.settle(0.0, lambda _id: clients)

    assert isinstance(step, Notice)
    assert step.lines[1:] == ((sentence,) if sentence else ())


def test_one_more_who_waits_is_told_in_place() -> None:
    """A further program changes the notice, and the same one does not."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    board.settle(0.0, lambda _id: ["a"])

    assert board.settle(0.0, lambda _id: ["a"]) == []
    assert len(board.settle(0.0, lambda _id: ["a", "b"])) == 1


def test_many_that_fall_together_are_one_digest() -> None:
    """Three in one moment are one notice that lists them; two are two."""
    board, other = Board(BASE), Board(BASE)
    for number in range(7):
        board.see(f"c{number}", view(REVOKED, numbered(number)))
    for number in range(2):
        other.see(f"c{number}", view(REVOKED, numbered(number)))
    digest = single(board)

    assert digest.title == "7 connections need you"
    assert digest.lines == (
        "org-0 (PRODUCTION), org-1 (PRODUCTION), org-2 (PRODUCTION), org-3 (PRODUCTION), org-4 (PRODUCTION) and 2 more.",
    )
    assert [one.label for one in digest.buttons] == ["Show", "In an hour"]
    assert (digest.link, digest.command) == (f"{BASE}/", "meshmesh status")
    assert len(settle(other)) == 2


def test_a_digest_shrinks_with_each_recovery() -> None:
    """It counts down in place, its last one has a Reconnect button, and then it goes."""
    board = Board(BASE)
    for number in range(3):
        board.see(f"c{number}", view(REVOKED, numbered(number)))
    key = single(board).key
    board.see("c0", view(WELL, numbered(0)))
    two = single(board)
    board.see("c1", None)
    one = single(board)
    subject = board.subject(key)
    board.see("c2", view(WELL, numbered(2)))

    assert (two.key, two.title) == (key, "2 connections need you")
    assert (one.key, one.title, one.click) == (key, "org-2 (PRODUCTION): please sign in again", RECONNECT)
    assert subject is not None
    assert subject.id == "c2"
    assert settle(board) == [f"- {key}"]


def test_a_late_one_joins_the_digest_that_stands() -> None:
    """While a digest is on the screen there is one bubble, not one and a digest."""
    board = Board(BASE)
    for number in range(3):
        board.see(f"c{number}", view(REVOKED, numbered(number)))
    settle(board)
    board.see("c9", view(REVOKED, numbered(9)))

    assert settle(board) == ["4 connections need you"]


def test_a_late_one_is_told_alone_where_the_digest_was_put_off() -> None:
    """Snoozing three does not silence the fourth, and three more bring the digest back."""
    board = Board(BASE)
    for number in range(3):
        board.see(f"c{number}", view(REVOKED, numbered(number)))
    key = single(board).key
    board.snooze(key, 0.0)
    settle(board)
    board.see("c9", view(REVOKED, numbered(9)))
    alone = settle(board)
    for number in range(10, 13):
        board.see(f"c{number}", view(REVOKED, numbered(number)))

    assert alone == ["org-9 (PRODUCTION): please sign in again"]
    assert settle(board) == ["6 connections need you"]


def test_what_was_closed_stays_closed_until_there_is_news() -> None:
    """The same reason is told once; another reason is news."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    key = single(board).key
    board.hide(key, 0.0)
    board.see(ACME.id, view(REVOKED))
    same = settle(board, 10_000_000.0)
    board.see(ACME.id, view(IDLE))

    assert same == []
    assert settle(board) == [SIGN_IN]


def test_what_was_closed_and_recovered_is_not_withdrawn_twice() -> None:
    """There is nothing on the screen to withdraw; the next failure is told."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    board.hide(single(board).key, 0.0)
    board.see(ACME.id, view(WELL))
    recovered = settle(board)
    board.see(ACME.id, view(REVOKED))

    assert recovered == []
    assert settle(board) == [SIGN_IN]


def test_a_snooze_lasts_an_hour() -> None:
    """It goes at once, and comes back by itself; not even another reason brings it back sooner."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    key = single(board).key
    board.snooze(key, 100.0)
    gone = settle(board, 100.0)
    board.see(ACME.id, view(IDLE))

    assert gone == [GONE]
    assert settle(board, 100.0 + SNOOZE_SECONDS - 1) == []
    assert settle(board, 100.0 + SNOOZE_SECONDS) == [SIGN_IN]


def test_what_recovers_while_it_is_put_off_never_comes_back() -> None:
    """A snooze is of one trouble."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    board.snooze(single(board).key, 0.0)
    settle(board)
    board.see(ACME.id, view(WELL))

    assert settle(board) == []
    assert settle(board, SNOOZE_SECONDS) == []


def test_a_sign_in_that_was_given_up_brings_the_notice_back() -> None:
    """Services close a bubble whose button was pressed: it comes back when the sign-in cannot succeed any more."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    key = single(board).key
    board.press(key, RECONNECT, 50.0)
    board.hide(key, 51.0)

    assert settle(board, 50.0 + ABANDONED_SECONDS - 1) == []
    assert settle(board, 50.0 + ABANDONED_SECONDS) == [SIGN_IN]


def test_a_look_at_what_is_blocked_is_enough() -> None:
    """Only a sign-in can be given up: after "What to do" the notice does not come back."""
    board = Board(BASE)
    board.see(ACME.id, view(BLOCKED))
    key = single(board).key
    board.press(key, LOOK, 0.0)
    board.hide(key, 0.0)

    assert settle(board, ABANDONED_SECONDS + 1) == []


@pytest.mark.parametrize("closed", ["before", "after", "never"])
def test_what_did_not_work_is_said_in_the_notice(closed: str) -> None:
    """The remark brings the notice back, whenever the service closes the pressed one; the next press ends the remark."""
    board = Board(BASE)
    board.see(ACME.id, view(REVOKED))
    key = single(board).key
    board.press(key, RECONNECT, 0.0)
    if closed == "before":
        board.hide(key, 0.0)
    board.remark(key, "No browser could be opened.")
    if closed == "after":
        board.hide(key, 0.0)
    told = single(board)
    board.press(key, RECONNECT, 1.0)

    assert told.lines[-1] == "No browser could be opened."
    assert single(board, 1.0).lines[-1] == "Acme: The sentence of refresh_token_revoked."


def test_what_is_not_there_is_left_alone() -> None:
    """A button of a bubble that is long gone does no harm."""
    board = Board(BASE)
    board.press("connection:c1", RECONNECT, 0.0)
    board.hide("connection:c1", 0.0)
    board.snooze("connection:c1", 0.0)
    board.remark("connection:c1", "x")

    assert (board.subject("connection:c1"), board.link("connection:c1"), settle(board)) == (None, None, [])


def test_a_board_says_whether_there_is_anything_to_settle() -> None:
    """Refreshes of healthy connections, which are many, cost nothing."""
    board = Board(BASE)

    assert not any(board.see(ACME.id, view(state)) for state in (WELL, BUSY, OFFLINE, WELL))
    assert board.see(ACME.id, view(REVOKED))
    settle(board)
    assert board.tells(ACME.id)
    assert board.see(ACME.id, view(WELL))


@given(st.text())
def test_plain_text_cannot_disguise_itself(text: str) -> None:
    """No control, no line end, no mark that turns the direction is left, and nothing is added."""
    left = plain(text)

    assert not {unicodedata.category(letter) for letter in left} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert len(left) <= len(text)
    assert len(clipped(text)) <= 60


@settings(max_examples=150)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["see", "settle", "hide", "snooze"]),
            st.integers(0, 4),
            st.sampled_from([WELL, BUSY, OFFLINE, REVOKED, IDLE, BLOCKED, None]),
        ),
        max_size=60,
    )
)
def test_the_screen_is_true_and_empty_at_the_end(events: list[tuple[str, int, State | None]]) -> None:
    """Whatever happens: a withdrawal is of something that stands, and when all are well nothing stands."""
    board = Board(BASE)
    screen: set[str] = set()

    def bring_about(now: float) -> None:
        for step in board.settle(now, nobody):
            if isinstance(step, Withdrawal):
                screen.remove(step.key)
            else:
                screen.add(step.key)

    for now, (event, number, state) in enumerate(events):
        key = f"connection:c{number}" if number else "digest"
        if event == "see":
            board.see(f"c{number}", view(state, numbered(number)) if state else None)
        elif event == "settle":
            bring_about(now)
        elif key in screen:
            if event == "hide":
                screen.discard(key)
            getattr(board, event)(key, float(now))
    for number in range(5):
        board.see(f"c{number}", view(WELL, numbered(number)))
    bring_about(1e9)

    assert screen == set()
