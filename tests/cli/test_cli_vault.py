"""The vault at the command line: passphrases are typed or come on stdin where that is said, twice where one is new."""

import os
from pathlib import Path

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply
from support.typist import Typed, at_terminal

NEW, OLD = "a new passphrase", "the old passphrase"
STATUS = reply(200, {"vault": "unlocked", "key": "passphrase"})
BACKED_UP = reply(200, {"path": "/b", "made_at": "x", "connections": ["acme", "uat"], "activity_rows": 7, "notes": []})
RESTORED = reply(
    200,
    {"made_at": "2026-01-02T03:04:05Z", "connections": ["acme"], "moved_aside": "/old", "notes": ["It may be dead."]},
)
BY_PASSPHRASE = problem(403, "presence_required", "The vault opens with its passphrase.", ways=["passphrase"])
BY_PERSON = problem(403, "presence_required", "A person must approve it.", ways=["pin"])
NEEDS_CURRENT = problem(422, "bad_field", "x", errors=[{"field": "current", "detail": "is required"}])
OLDER = problem(409, "backup_older", "The vault that is there has changed since the backup was made.")


def typing(*arguments: str, types: tuple[str, ...] = (), stdin: str = "", where: str = "foreground") -> Typed:
    """Run a command at a terminal where somebody types."""
    return at_terminal(os.environ | {"MESHMESH_NO_INPUT": ""}, *arguments, types=types, stdin=stdin, where=where)


def sent(far_end: FarEnd, call: str) -> list[dict[str, object]]:
    """The bodies that a call came with."""
    return [one.json for one in far_end.asked if f"{one.method} {one.target}" == call]


def test_lock_says_so(far_end: FarEnd, cli: Cli) -> None:
    """One call, one word."""
    far_end.on("POST /v1/lock", STATUS)
    ran = cli("lock")

    assert (ran.code, ran.out, ran.err) == (0, "", "Locked.\n")


def test_unlock_asks_for_the_passphrase_unseen(far_end: FarEnd) -> None:
    """A wrong one is asked for again; nothing of it is shown."""
    wrong = problem(403, "presence_required", "That is not the passphrase.", ways=["passphrase"])
    far_end.on("POST /v1/unlock", BY_PASSPHRASE, wrong, STATUS)
    ran = typing("unlock", types=("a slip", OLD))

    assert (ran.code, ran.err.splitlines()[-1]) == (0, "Unlocked.")
    assert sent(far_end, "POST /v1/unlock") == [{}, {"passphrase": "a slip"}, {"passphrase": OLD}]
    assert OLD not in ran.all


def test_unlock_without_a_terminal_takes_stdin_only_where_that_is_said(far_end: FarEnd) -> None:
    """A pipe is no accident: it must be asked for."""
    far_end.on("POST /v1/unlock", BY_PASSPHRASE)
    refused = typing("unlock", stdin=f"{OLD}\n", where="nowhere")
    far_end.on("POST /v1/unlock", BY_PASSPHRASE, STATUS)
    ran = typing("unlock", "--passphrase-stdin", stdin=f"{OLD}\n", where="nowhere")

    assert (refused.code, "--passphrase-stdin" in refused.err) == (64, True)
    assert (ran.code, sent(far_end, "POST /v1/unlock")[-1]) == (0, {"passphrase": OLD})


@pytest.mark.parametrize(
    ("types", "why"), [((NEW, "another one"), "not the same"), (("short",), "8 characters")], ids=["slip", "short"]
)
def test_a_new_passphrase_is_typed_twice(types: tuple[str, ...], why: str, far_end: FarEnd) -> None:
    """Nobody could tell a slip of the finger afterwards; nothing is sent."""
    for command in (("passphrase",), ("backup", "/tmp/any")):
        ran = typing(*command, types=types)
        assert (ran.code, why in ran.err) == (64, True), ran.err
    assert far_end.calls() == []


def test_who_changes_the_passphrase_types_the_old_one(far_end: FarEnd) -> None:
    """It is asked for only where there is one."""
    far_end.on("POST /v1/key", NEEDS_CURRENT, STATUS)
    ran = typing("passphrase", types=(NEW, NEW, OLD))

    assert ran.code == 0, ran.err
    assert sent(far_end, "POST /v1/key")[-1] == {"source": "passphrase", "passphrase": NEW, "current": OLD}


def test_a_move_that_needs_a_person_asks_for_the_pin(far_end: FarEnd) -> None:
    """As everything does that widens power."""
    far_end.on("POST /v1/key", BY_PERSON, STATUS)
    ran = typing("key", "move", "file", types=("4711",))

    assert (ran.code, sent(far_end, "POST /v1/key")[-1]) == (0, {"source": "file", "pin": "4711"})
    assert "whoever can read it" in ran.err


@pytest.mark.parametrize(("source", "words"), [("file", "key file"), ("keyring", "keyring"), ("passphrase", "nowhere")])
def test_key_says_where_it_is(source: str, words: str, far_end: FarEnd, cli: Cli) -> None:
    """One line, whose first word is for scripts."""
    far_end.on("GET /status", reply(200, {"key": source}))
    ran = cli("key")

    assert ran.out.split()[0] == source
    assert words in ran.out


def test_backup_sends_a_whole_path_and_says_that_it_is_good(far_end: FarEnd, tmp_path: Path) -> None:
    """The service has another working folder than the person."""
    far_end.on("POST /v1/backup", BACKED_UP)
    ran = typing("backup", "here/b", "--passphrase-stdin", stdin=f"{NEW}\n")

    assert ran.code == 0, ran.err
    assert sent(far_end, "POST /v1/backup") == [{"path": str(Path("here/b").absolute()), "passphrase": NEW}]
    assert "2 connections, 7 rows of activity" in ran.err


def test_restore_over_a_newer_vault_is_asked_for(far_end: FarEnd, tmp_path: Path) -> None:
    """Without a person the refusal stands, with --force it is sent; what may be dead is said."""
    (tmp_path / "b").touch()
    far_end.on("GET /healthz", reply(200, {"status": "ok"}))
    far_end.on("POST /v1/restore", OLDER)
    refused = typing("restore", str(tmp_path / "b"), types=(OLD,))
    far_end.on("POST /v1/restore", RESTORED)
    ran = typing("restore", str(tmp_path / "b"), "--force", types=(OLD,))

    assert (refused.code, "has changed since" in refused.err) == (64, True)
    assert ran.code == 0, ran.err
    assert sent(far_end, "POST /v1/restore")[-1]["force"] is True
    assert "It may be dead." in ran.err
    assert "/old" in ran.err
