"""`meshmesh lend` on a far end from a table: what is asked, what is said, and whose exit code it is."""

import os
import sys
from datetime import UTC, datetime, timedelta

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply


def port(status: str, *, until: str | None = None, detail: str | None = None) -> bytes:
    """How the port is."""
    return reply(200, {"status": status, "port": 1717, "until": until, "holder": None, "detail": detail})


@pytest.fixture
def lender(far_end: FarEnd) -> FarEnd:
    """A service that lends, and takes back."""
    soon = (datetime.now(UTC) + timedelta(minutes=2)).strftime("%Y-%m-%dT%H:%M:%SZ")
    far_end.on("POST /v1/lend", port("lent", until=soon))
    far_end.on("DELETE /v1/lend", port("ours"))
    return far_end


def test_without_a_command_it_is_lent_for_the_time(lender: FarEnd, cli: Cli) -> None:
    """Two minutes where nothing is said, and how to have it back earlier."""
    ran = cli("lend")

    assert (ran.code, ran.out) == (0, "")
    assert lender.calls() == ["POST /v1/lend"]
    assert lender.asked[0].json == {"seconds": 120}
    assert "Back earlier: meshmesh lend --back" in ran.err


@pytest.mark.parametrize("code", [0, 7])
def test_with_a_command_it_is_back_when_that_ends(lender: FarEnd, cli: Cli, code: int) -> None:
    """The loan ends with this process too; the exit code is the command's, its options are not ours."""
    ran = cli("lend", "--for", "30s", "--", sys.executable, "-c", f"print('--back'); raise SystemExit({code})")

    assert (ran.code, ran.out) == (code, "--back\n")
    assert lender.calls() == ["POST /v1/lend", "DELETE /v1/lend"]
    assert lender.asked[0].json == {"seconds": 30, "pid": os.getpid()}
    assert "Port 1717 is back." in ran.err


def test_a_loan_whose_time_is_over_is_not_asked_back(far_end: FarEnd, cli: Cli) -> None:
    """By then it may be lent to somebody else."""
    far_end.on("POST /v1/lend", port("lent", until="2026-01-01T00:00:00Z"))
    ran = cli("lend", "--", sys.executable, "-c", "")

    assert ran.code == 0
    assert far_end.calls() == ["POST /v1/lend"]


def test_who_still_holds_it_is_said(lender: FarEnd, cli: Cli) -> None:
    """The service's own sentence, and the command's exit code."""
    lender.on("DELETE /v1/lend", port("taking_back", detail="Port 1717 was lent and is held by node (pid 4)."))
    ran = cli("lend", "--", sys.executable, "-c", "raise SystemExit(3)")

    assert ran.code == 3
    assert "held by node (pid 4)" in ran.err


def test_a_service_that_is_gone_at_the_end_does_not_hide_the_commands_end(lender: FarEnd, cli: Cli) -> None:
    """The failure is told, and the exit code is the command's all the same."""
    lender.on("DELETE /v1/lend", problem(503, "offline", "The service is still starting."))
    ran = cli("lend", "--", sys.executable, "-c", "raise SystemExit(3)")

    assert ran.code == 3
    assert "Could not take the port back." in ran.err


def test_a_command_that_is_not_there(lender: FarEnd, cli: Cli) -> None:
    """As a shell says it, in the name of this command, and the port is back."""
    ran = cli("lend", "--", "no-such-program")

    assert ran.code == 127
    assert "meshmesh lend: no-such-program: command not found" in ran.err
    assert lender.calls()[-1] == "DELETE /v1/lend"


def test_back_takes_it_back(lender: FarEnd, cli: Cli) -> None:
    """Also where nothing is lent."""
    ran = cli("lend", "--back")

    assert (ran.code, lender.calls()) == (0, ["DELETE /v1/lend"])
    assert ran.err == "Port 1717 is back.\n"


def test_lent_already_is_try_again(far_end: FarEnd, cli: Cli) -> None:
    """Exit 75, and until when; the command is not run."""
    far_end.on("POST /v1/lend", problem(409, "port_lent", "Port 1717 is lent until 12:00:00 UTC."))
    ran = cli("lend", "--", sys.executable, "-c", "print('ran')")

    assert (ran.code, ran.out) == (75, "")
    assert "lent until 12:00:00" in ran.err


@pytest.mark.parametrize("arguments", [("--back", "--for", "2m"), ("--back", "--", "sf"), ("--for", "soon"), ("sf",)])
def test_what_makes_no_sense_is_refused(lender: FarEnd, cli: Cli, arguments: tuple[str, ...]) -> None:
    """Exit 64, and nothing is asked."""
    assert cli("lend", *arguments).code == 64
    assert lender.calls() == []
