"""The commands about plans, on a scripted far end."""

import json
import sys
from datetime import UTC, datetime, timedelta

import pytest

from support.command_line import Cli
from support.far_end import FarEnd, problem, reply
from support.org_state import writes
from support.service import Service

PLAN = "GET /v1/plans/pl-1"
APPROVE = "POST /v1/plans/pl-1/approve"


def soon() -> str:
    """Eleven and a half minutes from now."""
    return (datetime.now(UTC) + timedelta(minutes=11, seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")


def item(number: int = 1, **members: object) -> dict[str, object]:
    """An item of a plan."""
    change = {"part": 0, "object": "Lead", "record": "00Q000000000001AAA", "field": "Rating"}
    one: dict[str, object] = {"id": f"it-{number}", "method": "PATCH", "path": "/x", "summary": "Update 1 Lead: Rating"}
    return (
        one
        | {"sha256": "0" * 64, "size": 2, "status": "held", "note": None, "result": None}
        | {"changes": [change | {"before": "Hot", "after": "Cold"}]}
        | members
    )


def plan(*items: dict[str, object], **members: object) -> dict[str, object]:
    """A plan."""
    one: dict[str, object] = {"id": "pl-1", "connection": "acme", "client": "agent", "reason": None, "status": "held"}
    return (
        one
        | {"created_at": soon(), "expires_at": soon(), "rejection": None, "undoes": None, "url": "http://x"}
        | {"can_be_approved": True, "can_be_undone": False, "items": list(items) or [item()]}
        | members
    )


def over(*items: dict[str, object], status: str = "done", **members: object) -> bytes:
    """The answer with a plan that is over."""
    return reply(200, plan(*items, status=status, can_be_approved=False, **members))


def test_plans_are_listed(far_end: FarEnd, cli: Cli) -> None:
    """Who wants to change what, how it stands, and how long there is to decide."""
    listed = [plan(), plan(item(), item(2), id="pl-2", status="done", can_be_approved=False)]
    far_end.on("GET /v1/plans?show=open", reply(200, {"plans": listed, "next": None}))

    assert cli("plans").out.splitlines() == [
        "ID    PROGRAM  CONNECTION  STATUS             WHAT",
        "pl-1  agent    acme        held, 12 min left  Update 1 Lead: Rating",
        "pl-2  agent    acme        done               Update 1 Lead: Rating, and 1 more",
    ]


def test_no_plan_is_a_sentence(far_end: FarEnd, cli: Cli) -> None:
    """Nothing waits, or there is nothing at all."""
    for query in ("open", "all"):
        far_end.on(f"GET /v1/plans?show={query}", reply(200, {"plans": [], "next": None}))

    assert cli("plans").out.startswith("No plan waits.")
    assert cli("plans", "--all").out == "There is no plan.\n"


def test_a_plan_is_shown_field_by_field_in_eighty_columns(
    far_end: FarEnd, cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The program's words are quoted as its own, values are exact, a long one says how long it is."""
    monkeypatch.setenv("COLUMNS", "80")
    change = {"part": 0, "object": "Lead", "record": None, "field": "Description"}
    made = item(
        2,
        summary="Create 1 Lead: Description",
        note="What is there now could not be read.",
        changes=[change | {"before": None, "after": "x" * 300}, change | {"before": "same", "after": "same"}],
    )
    far_end.on(PLAN, reply(200, plan(item(), made, reason="tidy\u202e up")))
    shown = cli("plan", "show", "pl-1").out.splitlines()

    assert max(len(line) for line in shown) <= 80
    assert shown[:6] == [
        "Plan pl-1: agent, on acme: held, 12 min left",
        '"tidy\\u202e up"  (agent\'s words)',
        "",
        "1. Update 1 Lead: Rating  [held]",
        "   RECORD              FIELD   NOW    THEN",
        '   00Q000000000001AAA  Rating  "Hot"  "Cold"',
    ]
    assert shown[7:9] == ["2. Create 1 Lead: Description  [held]", "   ! What is there now could not be read."]
    (row,) = shown[10:]
    assert row.startswith('   (new)   Description  -    "xxxxxxxxx')
    assert row.endswith("x... (302)")


def test_what_is_approved_is_what_was_shown(far_end: FarEnd, cli: Cli) -> None:
    """The ids of the items that were read are sent, so that none that came later is among them."""
    far_end.on(PLAN, reply(200, plan(item(), item(2), item(3, status="rejected"))))
    far_end.on(APPROVE, over(item(status="done"), item(2, status="done")))
    ran = cli("plan", "approve", "pl-1")

    assert far_end.asked[-1].json == {"items": ["it-1", "it-2"]}
    assert (ran.code, ran.out) == (0, "")
    assert ran.err.splitlines() == ["  Update 1 Lead: Rating", "  Update 1 Lead: Rating", "2 of 2 done."]


def test_items_are_named_by_number_or_id(far_end: FarEnd, cli: Cli) -> None:
    """And Build Mode comes with it for as long as is said."""
    far_end.on(PLAN, reply(200, plan(item(), item(2), item(3))))
    far_end.on(APPROVE, over(item(status="done")))
    assert cli("plan", "approve", "pl-1", "--item", "2", "--item", "it-3", "--build-for", "30m").code == 0

    assert far_end.asked[-1].json == {"items": ["it-2", "it-3"], "build_for": 1800}
    assert cli("plan", "approve", "pl-1", "--item", "4").code == 64
    assert far_end.calls()[-1] == PLAN


@pytest.mark.parametrize(("status", "code"), [("done", 0), ("failed", 76), ("unknown", 76), ("stale", 75)])
def test_the_exit_code_tells_how_it_went(far_end: FarEnd, cli: Cli, status: str, code: int) -> None:
    """A plan that still runs is waited for; what is held back can be tried again."""
    far_end.on(PLAN, reply(200, plan()), over(item(status=status, note="So it went."), status="partly_done"))
    far_end.on(APPROVE, over(item(status="running"), status="running"))
    ran = cli("plan", "approve", "pl-1")

    assert (ran.code, far_end.calls()) == (code, [PLAN, APPROVE, PLAN])
    assert ("So it went." in ran.err) is (status != "done")


def test_a_decision_that_was_made_is_said(far_end: FarEnd, cli: Cli) -> None:
    """409 is exit 64 with three lines; 410 is 66."""
    far_end.on(PLAN, reply(200, plan()))
    far_end.on(APPROVE, problem(409, "already_decided", "This plan is done already."), problem(410, "expired", "Late."))

    assert cli("plan", "approve", "pl-1").code == 64
    assert cli("plan", "approve", "pl-1").code == 66


def test_reject_withdraw_and_undo(far_end: FarEnd, cli: Cli) -> None:
    """Each is one call; the reason goes with it, and an undo gives the new plan's id."""
    far_end.on("POST /v1/plans/pl-1/reject", over(status="rejected"))
    far_end.on("DELETE /v1/plans/pl-1", reply(204))
    far_end.on("POST /v1/plans/pl-1/undo", reply(201, plan(id="pl-2", undoes="pl-1", reason="Undo of pl-1.")))

    assert cli("plan", "reject", "pl-1", "--reason", "not today").code == 0
    assert far_end.asked[-1].json == {"reason": "not today"}
    assert cli("plan", "withdraw", "pl-1").code == 0
    assert cli("plan", "undo", "pl-1").out == "pl-2\n"


def test_as_json_the_body_is_printed(far_end: FarEnd, cli: Cli) -> None:
    """`--json` gives what the API gave."""
    far_end.on("GET /v1/plans?show=all", reply(200, {"plans": [plan()], "next": None}))
    far_end.on(PLAN, reply(200, plan()))

    assert [one["id"] for one in json.loads(cli("plans", "--all", "--json").out)["plans"]] == ["pl-1"]
    assert json.loads(cli("plan", "show", "pl-1", "--json").out)["id"] == "pl-1"


def test_on_a_real_service(service: Service) -> None:
    """A program sees and withdraws its own plans, and cannot approve one; the owner shows and approves."""
    token = service.pair({"connection": "demo", "mode": "plan"}, name="agent")
    request = {"method": "POST", "path": "/services/data/v66.0/sobjects/Account", "body": {"Name": "Typed"}}
    body = {"connection": "demo", "requests": [request], "reason": "a new one"}
    first, second = (service.call("POST", "/v1/plans", body, token=token).json()["id"] for _ in range(2))
    as_agent = {"MESHMESH_TOKEN": token}

    assert first in service.cli("plans", environ=as_agent).stdout
    assert service.cli("plan", "withdraw", first, environ=as_agent).returncode == 0
    assert service.cli("plan", "approve", second, environ=as_agent).returncode == 77
    assert '"Typed"' in service.cli("plan", "show", second).stdout
    approved = service.cli("plan", "approve", second)
    assert (approved.returncode, "1 of 1 done." in approved.stderr) == (0, True)


WRITE = """
import json, os, sys, urllib.error, urllib.request
url = os.environ["SF_ORG_INSTANCE_URL"] + "/services/data/v66.0/sobjects/Account"
headers = {"Authorization": "Bearer " + os.environ["MESHMESH_TOKEN"], "Content-Type": "application/json"}
asked = urllib.request.Request(url, json.dumps({"Name": sys.argv[1]}).encode(), headers)
try:
    with urllib.request.urlopen(asked) as answer:
        print(answer.status)
except urllib.error.HTTPError as error:
    print(error.code, error.headers["MeshMesh-Plan"])
"""


def test_the_same_command_again_ends_without_a_second_write(service: Service) -> None:
    """Each run of `exec` is a client of its own; the plan of the first waits all the same, and the second is answered."""

    def run() -> list[str]:
        command = ("exec", "demo", "--mode", "plan", "--", sys.executable, "-c", WRITE, "Again")
        return service.cli(*command).stdout.split()

    status, plan_id = run()
    joined = run()
    approved = service.cli("plan", "approve", plan_id)
    before = writes(service)

    assert (status, joined, approved.returncode) == ("403", ["403", plan_id], 0)
    assert (run(), writes(service)) == (["201"], before)
    assert run()[0] == "403"
