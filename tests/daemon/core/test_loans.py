"""Whose the port is in words, and which command lines are a sign-in of Salesforce's own."""

import pytest

from meshmesh_daemon.core.loans import Hold, Loan, PortView, is_web_login, sentence
from support.clock import START

LOAN = Loan(port=1717, until=START, borrower=None)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("node --no-deprecation /usr/lib/node_modules/@salesforce/cli/bin/run.js org login web", True),
        ("/usr/bin/node /home/ada/.local/bin/sf org login web -a acme", True),
        ("sf org:login:web", True),
        ("sfdx auth:web:login", True),
        ("sf org login web --alias new-org --instance-url https://acme.my.salesforce.com", True),
        ("sf org login jwt", False),
        ("sf data query -q SELECT", False),
        ("chromium --type=renderer", False),
        ("python web login", False),
        ("grep -r login web sf", False),
        ("vi sf-login-web.md", False),
        ("", False),
    ],
)
def test_only_a_browser_sign_in_of_sfs_is_one(line: str, expected: bool) -> None:
    """Whatever else runs, or only mentions it, is not."""
    assert is_web_login(line.split()) is expected


@pytest.mark.parametrize(
    ("view", "expected"),
    [
        (PortView(hold=Hold.OURS, port=1717), None),
        (PortView(hold=Hold.LENT, port=1717, loan=LOAN), "Port 1717 is lent until 12:00:00 UTC"),
        (PortView(hold=Hold.TAKING_BACK, port=1717, loan=LOAN, holder="node (pid 7)"), "held by node (pid 7)"),
        (PortView(hold=Hold.TAKING_BACK, port=1717, loan=LOAN), "still held by somebody"),
    ],
)
def test_the_port_is_told_in_a_sentence(view: PortView, expected: str | None) -> None:
    """Until when it is away, or who keeps it; nothing where it is ours."""
    told = sentence(view)

    assert told is None if expected is None else expected in (told or "")
