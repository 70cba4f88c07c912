"""The laws of telling: before a token leaves, in groups, without a secret, and without getting in anybody's way."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from meshmesh_daemon.core.activity import OWNER, SERVICE, TERMINAL, Change, Deed, Outcome, changes, program, sentence
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases import activity as room
from meshmesh_daemon.usecases.activity import SETTLE_SECONDS, Activity
from meshmesh_storage.activity import MOST_AT_ONCE, ActivityLog
from meshmesh_storage.activity_rows import Actor, ActorKind, Entry
from meshmesh_storage.errors import VaultUnwritable
from meshmesh_storage.records import Client, Connection, Environment, Grant, Mode, Reason, Status
from meshmesh_storage.sealing import Sealer
from support.clock import START, FakeClock, settle, until
from support.floor import ACME, Floor
from support.outside import oauth_error

SEALER = Sealer({1: bytes(range(32))}, 1)
TOKEN = f"00Dx00000000001!{'AQ'.join('secret')}.canary"


class CountingLog(ActivityLog):
    """Remembers the size of each group, and refuses while the disk is full, or the database alone is `held`."""

    groups: list[int]
    full: bool = False
    held: bool = False

    @classmethod
    async def begin(cls, folder: Path) -> "CountingLog":
        """An activity of its own."""
        opened = await ActivityLog.open(folder, SEALER)
        await opened.close()
        log = await cls.open(folder, SEALER)
        assert isinstance(log, cls)
        log.groups = []
        return log

    async def append(self, entries: Sequence[Entry]) -> None:
        """Write, or refuse."""
        if self.full or self.held:
            raise VaultUnwritable("The activity cannot be written (disk full).", "Make room.")
        self.groups.append(len(entries))
        await super().append(entries)

    def put(self, entry: Entry) -> bool:
        """Write, or say no."""
        return not self.full and super().put(entry)


@pytest.fixture
async def rows(tmp_path: Path) -> CountingLog:
    """The file."""
    return await CountingLog.begin(tmp_path)


@pytest.fixture
def clock() -> FakeClock:
    """The time."""
    return FakeClock()


@pytest.fixture
async def activity(rows: CountingLog, clock: FakeClock) -> AsyncIterator[Activity]:
    """The room on it."""
    made = Activity(rows=rows, clock=clock)
    yield made
    rows.full = False
    await made.close()


async def told(activity: Activity) -> list[tuple[str, str, str | None, str]]:
    """Every row: who, what, which connection, how it went."""
    found = [row.entry for row in await activity.page(after=0, limit=1000)]
    return [(one.actor.name, one.action, one.connection, one.outcome) for one in found if one]


async def details(activity: Activity) -> list[str]:
    """The sentence of every row."""
    return [row.entry.detail for row in await activity.page(after=0, limit=1000) if row.entry]


async def give(activity: Activity, detail: str = "Access token handed out.") -> None:
    """A record, as a token's."""
    await activity.record(TERMINAL, Deed.TOKEN_GIVEN, connection="acme", detail=detail)


async def test_a_record_is_on_disk_when_it_returns(activity: Activity, rows: CountingLog) -> None:
    """What another opening of the file would see, without a further await."""
    await give(activity)

    assert rows.last == 1
    assert await told(activity) == [("terminal", "token.given", "acme", "done")]


async def test_a_thousand_records_of_one_turn_are_a_few_statements(activity: Activity, rows: CountingLog) -> None:
    """Group commit: all of one turn in groups as large as a statement may be; each in its order, none lost."""
    await asyncio.gather(*(give(activity, f"Number {number}.") for number in range(1000)))

    assert rows.groups == [MOST_AT_ONCE] * 7 + [999 - 7 * MOST_AT_ONCE]  # the first one was alone, as far as it knew
    assert await details(activity) == [f"Number {number}." for number in range(1000)]
    assert (await activity.verify()).rows == 1000


async def test_rows_that_come_during_a_commit_share_the_next_one(activity: Activity, rows: CountingLog) -> None:
    """However they come, there is one commit under way and one group behind it."""
    two = [asyncio.create_task(give(activity)) for _ in range(2)]
    while not rows.groups:
        await asyncio.sleep(0)
    await asyncio.gather(*two, *(give(activity) for _ in range(50)))

    assert rows.groups == [1, 50]


async def test_a_row_that_comes_alone_does_not_wait_for_the_database(activity: Activity, rows: CountingLog) -> None:
    """It is written when the call returns, in its place among the others."""
    for number in range(3):
        recording = give(activity, f"Number {number}.")
        with pytest.raises(StopIteration):
            recording.send(None)
        await asyncio.sleep(0)

    assert rows.groups == []
    assert rows.last == 3
    await asyncio.gather(give(activity, "Number 3."), give(activity, "Number 4."))
    assert await details(activity) == [f"Number {number}." for number in range(5)]


async def test_what_was_written_alone_is_in_the_database_soon(
    activity: Activity, rows: CountingLog, clock: FakeClock
) -> None:
    """By itself, and once for all that came meanwhile."""
    for _ in range(3):
        await give(activity)
        await asyncio.sleep(0)
    await clock.advance(SETTLE_SECONDS)
    await until(lambda: not rows.waiting)

    assert rows.groups == [0]
    assert rows.last == 3


async def test_a_database_that_takes_nothing_ends_what_is_written_beside_it(
    activity: Activity, rows: CountingLog, clock: FakeClock
) -> None:
    """What was written alone stays where it is and is not told twice; the next ones are refused until it is over."""
    await give(activity, "First.")
    await settle()
    rows.held = True
    await clock.advance(SETTLE_SECONDS)
    await until(lambda: activity.trouble is not None)
    with pytest.raises(Problem):
        await give(activity, "Refused.")
    rows.held = False
    await activity.try_again()
    assert activity.trouble is None
    await give(activity, "Second.")

    assert await details(activity) == ["First.", "Second."]


async def test_what_cannot_be_written_is_refused(activity: Activity, rows: CountingLog) -> None:
    """Every record of a failed group is refused with the next step; with space it goes on."""
    rows.full = True
    refused = await asyncio.gather(*(give(activity) for _ in range(3)), return_exceptions=True)
    rows.full = False
    await give(activity)

    for problem in refused:
        assert isinstance(problem, Problem)
        assert (problem.status, problem.code) == (503, "vault_trouble")
        assert problem.next_step is not None
    assert rows.last == 1


async def test_a_note_never_refuses_and_is_written_later(activity: Activity, rows: CountingLog) -> None:
    """While the disk is full notes wait, in their order, and go with the next row."""
    rows.full = True
    activity.note(SERVICE, Deed.NEEDS_YOU, connection="acme", detail="First.")
    await settle()
    activity.note(SERVICE, Deed.RECOVERED, connection="acme", detail="Second.")
    await settle()
    rows.full = False
    await give(activity, "Third.")

    assert await details(activity) == ["First.", "Second.", "Third."]


async def test_notes_on_a_full_disk_do_not_fill_the_memory(
    activity: Activity, rows: CountingLog, caplog: pytest.LogCaptureFixture
) -> None:
    """The newest thousand are kept, and the log says that others were lost."""
    rows.full = True
    for number in range(room.MOST_NOTES + 200):
        activity.note(SERVICE, Deed.NEEDS_YOU, detail=f"Number {number}.")
    await settle()
    rows.full = False

    assert (await details(activity))[0] == "Number 200."
    assert "200 rows of the activity are lost" in caplog.text


async def test_a_caller_that_goes_away_leaves_its_row(activity: Activity, rows: CountingLog) -> None:
    """A cancelled record hurts nobody who waits with it."""
    _, first, second = (asyncio.create_task(give(activity)) for _ in range(3))
    while not rows.groups:
        await asyncio.sleep(0)
    first.cancel()
    await second
    await asyncio.gather(first, return_exceptions=True)

    assert first.cancelled()
    assert rows.last == 3


async def test_a_reader_waits_for_news(activity: Activity) -> None:
    """At the end of the rows a page is held until one comes; before it, it is not."""
    waiting = asyncio.create_task(activity.page(after=0, limit=10, wait=30))
    await settle()
    assert not waiting.done()
    await give(activity)

    assert [row.seq for row in await waiting] == [1]
    assert [row.seq for row in await activity.page(after=0, limit=10, wait=30)] == [1]
    assert await activity.page(after=1, limit=10, wait=0.01) == []


async def test_a_reader_that_waits_is_sent_away_at_the_end(activity: Activity) -> None:
    """It does not hold the service up."""
    waiting = asyncio.create_task(activity.page(after=0, limit=10, wait=50))
    await settle()
    await activity.close()
    with pytest.raises(Problem):
        await waiting


async def test_a_year_is_kept(activity: Activity, clock: FakeClock) -> None:
    """Rows older than 365 days go with the first write of a day, and the proof holds."""
    await give(activity, "Old.")
    clock.jump(timedelta(days=364).total_seconds())
    await give(activity, "Young.")
    await give(activity, "Younger.")
    assert await details(activity) == ["Old.", "Young.", "Younger."]
    clock.jump(timedelta(days=2).total_seconds())
    await give(activity, "New.")

    assert await details(activity) == ["Young.", "Younger.", "New."]
    assert (await activity.verify()).whole


async def test_a_million_rows_are_kept(activity: Activity, clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Beyond that the oldest go, a piece with each write until it is done."""
    monkeypatch.setattr(room, "MOST_ROWS", 3)
    await give(activity)
    clock.jump(timedelta(days=1).total_seconds())
    await asyncio.gather(*(give(activity, f"Number {number}.") for number in range(6)))

    assert await details(activity) == ["Number 3.", "Number 4.", "Number 5."]
    assert (await activity.verify()).whole


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("Access token handed out.", "Access token handed out."),
        (f"It was {TOKEN} again.", "It was [hidden] again."),
        ("Bearer mmp_0123456789abcdefghijklmnopqrstuvwxyz01234567", "Bearer [hidden]"),
        (
            "From http://localhost:1717/OauthRedirect?code=aPrx123&state=xyz on.",
            "From http://localhost:1717/OauthRedirect on.",
        ),
        ("See http://localhost:1717/pair#code=ABCD-EFGH now.", "See http://localhost:1717/pair now."),
        ("two\nlines\tand\x1b[31m colour\u202e", "two lines and[31m colour"),
        ("Really? Yes.", "Really? Yes."),
        ("x" * 500, "x" * 297 + "..."),
        ("", ""),
    ],
)
def test_a_detail_is_one_line_without_a_secret(text: str, kept: str) -> None:
    """Tokens and queries are taken out, control characters too, and it ends somewhere."""
    assert sentence(text) == kept


NEEDS = replace(ACME, status=Status.NEEDS_YOU, reason=Reason.SESSION_EXPIRED, detail="It has ended.")
BLOCKED = replace(ACME, status=Status.BLOCKED, reason=Reason.APP_BLOCKED, detail="An admin did it.")
AGAIN = replace(ACME, signed_in_at=START + timedelta(hours=1))
CHANGES: list[tuple[Connection | None, Connection | None, list[tuple[Actor, Deed]]]] = [
    (None, ACME, [(OWNER, Deed.CONNECTED)]),
    (ACME, None, [(OWNER, Deed.DISCONNECTED)]),
    (ACME, ACME, []),
    (ACME, replace(ACME, status=Status.REFRESHING), []),
    (ACME, replace(ACME, status=Status.OFFLINE, reason=Reason.NETWORK), []),
    (ACME, replace(ACME, generation=2), []),
    (ACME, replace(ACME, name="other"), [(OWNER, Deed.RENAMED)]),
    (ACME, AGAIN, [(OWNER, Deed.RECONNECTED)]),
    (NEEDS, AGAIN, [(OWNER, Deed.RECONNECTED)]),
    (ACME, NEEDS, [(SERVICE, Deed.NEEDS_YOU)]),
    (NEEDS, NEEDS, []),
    (ACME, BLOCKED, [(SERVICE, Deed.BLOCKED)]),
    (BLOCKED, NEEDS, [(SERVICE, Deed.NEEDS_YOU)]),
    (BLOCKED, ACME, [(SERVICE, Deed.RECOVERED)]),
    (replace(ACME, status=Status.OFFLINE), ACME, []),
]


@pytest.mark.parametrize(("before", "after", "expected"), CHANGES)
def test_what_is_told_of_a_connection(
    before: Connection | None, after: Connection | None, expected: list[tuple[Actor, Deed]]
) -> None:
    """What a person did and what needs a person, once; what mends itself is not told."""
    found: list[Change] = changes(before, after)

    assert [(change.actor, change.action) for change in found] == expected


def test_who_asks_without_a_client_is_the_terminal() -> None:
    """The owner's own token is the built-in client's."""
    grant = Grant(connection_id="c1", mode=Mode.BUILD)
    agent = Client(
        id="p1", name="agent", kind="cli", token_hash=b"", created_at=START, expires_at=None, grants=(grant,)
    )

    assert program(None) == Actor(ActorKind.CLIENT, "terminal", "terminal")
    assert program(agent) == Actor(ActorKind.CLIENT, "p1", "agent")


async def test_a_sign_in_is_told_from_its_beginning_to_its_end(floor: Floor) -> None:
    """Begun and ended, without its state."""
    view = await floor.sign_ins.begin(name="cancelled", environment=Environment.PRODUCTION)
    await floor.sign_ins.cancel(view.id)

    assert (await told(floor.activity))[-2:] == [
        ("owner", "sign_in.begun", "cancelled", "begun"),
        ("owner", "sign_in.ended", "cancelled", "failed"),
    ]
    for detail in await details(floor.activity):
        assert "state=" not in detail


async def test_a_failed_sign_in_says_why(floor: Floor) -> None:
    """The sentence that the person saw."""
    view = await floor.sign_ins.begin(name="failing", environment=Environment.PRODUCTION)
    assert view.authorize_url is not None
    state = view.authorize_url.partition("state=")[2].partition("&")[0]
    await floor.sign_ins.finish({"state": state, "error": "access_denied"})

    assert (await told(floor.activity))[-1] == ("owner", "sign_in.ended", "failing", "failed")
    assert (await details(floor.activity))[-1].startswith("The sign-in is failed. ")


async def test_the_end_of_a_session_is_told_by_the_service(floor: Floor) -> None:
    """Needs you, with the reason; what leads to it leaves no further row."""
    floor.outside.token_answers = [oauth_error("invalid_grant", "expired access/refresh token")]
    with pytest.raises(Problem):
        await floor.token(rejected="00Dx!first")

    assert (await told(floor.activity))[-1] == ("meshmeshd", "connection.needs_you", "acme", Outcome.DONE)
    assert (await details(floor.activity))[-1].startswith("refresh_token_revoked: ")
    assert "00Dx!first" not in " ".join(await details(floor.activity))
