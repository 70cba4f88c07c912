"""Deeds whose first step is the first touch of a connection that nobody has opened since the start.

Every test has a service of its own that has just begun, and its first call is the one that the test is about.
"""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bypasses import SPELLINGS
from support.demo_org import ADA
from support.person import Person
from support.unopened import (
    ACCOUNTS,
    QUERY,
    RUN,
    TOKENS_OF,
    WELL,
    Cold,
    Furnished,
    begun_again,
    copied,
    furnish,
    killed,
    listening,
)


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The home that every test begins with."""
    return furnish(tmp_path_factory.mktemp("was") / "h")


@pytest.fixture(scope="module")
def home(was: Furnished) -> Path:
    """The home as a service leaves it that ends well."""
    return was.home


@pytest.fixture(scope="module")
def hurt(was: Furnished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home, where the last service was killed."""
    return killed(was, tmp_path_factory.mktemp("hurt") / "h")


@pytest.fixture
def cold(was: Furnished, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Cold]:
    """A service that has just begun, by the name of the fixture that gives its home where that is not the usual one."""
    home: Path = request.getfixturevalue(request.param) if hasattr(request, "param") else was.home
    with begun_again(was, copied(home, tmp_path / "h")) as begun:
        yield begun


after_a_kill_too = pytest.mark.parametrize("cold", ["home", "hurt"], indirect=True)


# --- Names ---------------------------------------------------------------------------------------------------------


def test_it_is_renamed(cold: Cold) -> None:
    """Under the new name it is there for everybody, under the old one for nobody, and the old one is free."""
    renamed = cold.owner("PATCH", "/v1/connections/apart", {"name": "moved"})
    granted = cold.agent("GET", "/v1/me").json()["grants"]

    assert (renamed.status, renamed.json()["name"]) == (200, "moved")
    assert cold.owner("GET", "/v1/connections/apart").status == 404
    assert cold.agent("GET", "/v1/connections/apart/token").status == 404
    assert cold.agent("GET", f"/o/moved{QUERY}").status == 200
    assert {one["connection"] for one in granted} == {*TOKENS_OF, "moved", "busy"} - {"apart"}
    assert cold.owner("PATCH", "/v1/connections/spare", {"name": "apart"}).status == 200


def test_its_name_is_taken(cold: Cold) -> None:
    """409 `name_taken` for who renames another and for who connects, and all are what they were."""
    renamed = cold.owner("PATCH", "/v1/connections/apart", {"name": "spare"})
    connected = cold.owner("POST", "/v1/connections", {"environment": "demo", "name": "demo-2"})

    for refused in (renamed, connected):
        assert (refused.status, refused.json()["code"]) == (409, "name_taken")
    assert all(cold.agent("GET", f"/o/{name}{QUERY}").status == 200 for name in WELL)


def test_a_name_that_is_made_up_avoids_it(cold: Cold) -> None:
    """A new connection that is named after its org does not get the name of one that is there."""
    begun = cold.owner("POST", "/v1/connections", {"environment": "demo"}).json()["sign_in"]
    cold.end_sign_in(begun["authorize_url"])

    assert cold.owner("GET", f"/v1/sign-ins/{begun['id']}").json()["connection"] == "demo-3"
    assert cold.owner("GET", "/v1/connections/demo-2").json()["id"] == cold.was.ids["demo-2_id"]


# --- Tokens and the broker -----------------------------------------------------------------------------------------


@after_a_kill_too
def test_another_token_is_given(cold: Cold) -> None:
    """For one that got a 401, and for one that does not live long enough: it works, and it is kept."""
    rejected = cold.agent("POST", "/v1/connections/apart/token", {"rejected": cold.was.access_tokens["apart"]})
    short = cold.agent("GET", "/v1/connections/spare/token?min_ttl=7200")

    assert (rejected.status, short.status) == (200, 200)
    assert rejected.json()["access_token"] == cold.token("apart") != cold.was.access_tokens["apart"]
    assert short.json()["access_token"] == cold.token("spare")
    assert all(cold.agent("GET", f"/o/{name}{QUERY}").status == 200 for name in WELL)


def test_the_command_line_gets_it(cold: Cold) -> None:
    """`token` and `exec` print the token of the run before, and what `env` lends works."""
    told = cold.service.cli("token", "apart")
    ran = cold.service.cli("exec", "spare", "--token", "--", "printenv", "SF_ACCESS_TOKEN")
    lent = cold.service.cli("env", "demo-2")
    variables = dict(line.removeprefix("export ").split("=", 1) for line in lent.stdout.splitlines())
    read = cold.service.call("GET", f"/o/demo-2{QUERY}", token=variables["MESHMESH_TOKEN"].strip("'"))

    assert (told.returncode, told.stdout.strip()) == (0, cold.was.access_tokens["apart"]), told.stderr
    assert (ran.returncode, ran.stdout.strip()) == (0, cold.was.access_tokens["spare"]), ran.stderr
    assert (lent.returncode, read.status) == (0, 200), lent.stderr


def test_the_command_line_tells_of_it(cold: Cold) -> None:
    """What is wrong with one, a plan for another, and all of them."""
    doctor = cold.service.cli("doctor", "apart")
    plan = cold.service.cli("plan", "show", cold.was.ids["held"])
    listed = cold.service.cli("connections")

    assert "apart" in doctor.stdout, doctor.stderr
    assert "busy" in plan.stdout, plan.stderr
    assert all(name in listed.stdout for name in (*WELL, "busy", "demo-2")), listed.stderr


def test_one_that_is_not_well_says_why(cold: Cold) -> None:
    """The broker and the token door refuse with the reason, and a person's `test` says the same."""
    for name, reason in (("ill", "refresh_token_revoked"), ("walled", "app_blocked")):
        brokered = cold.agent("GET", f"/o/{name}{QUERY}")
        refused = cold.agent("GET", f"/v1/connections/{name}/token")
        tested = cold.owner("POST", f"/v1/connections/{name}/test")

        assert (brokered.status, brokered.json()[0]["errorCode"]) == (403, "MESHMESH_RECONNECT_REQUIRED")
        assert (refused.status, refused.json()["reason"]) == (409, reason)
        assert tested.json()["reason"] == reason


def test_a_write_passes(cold: Cold) -> None:
    """In Build Mode, by REST to one and by SOAP to another."""
    made = cold.agent("POST", f"/o/apart{ACCOUNTS}", {"Name": "Made at once"})
    soap = SPELLINGS["SOAP create"]
    body = soap.body.replace(b"{token}", cold.was.tokens["agent"].encode())
    called = cold.service.send("POST", f"/o/spare{soap.target}", body, headers={"Content-Type": soap.content_type})

    assert made.status == 201
    assert made.headers["location"].endswith(f"/o/apart{ACCOUNTS}/{made.json()['id']}")
    assert called.status == 200
    assert b"<success>true</success>" in called.body


# --- What its person does ------------------------------------------------------------------------------------------


def test_it_is_tested_and_opened(cold: Cold) -> None:
    """One call to the org of one, and a link for the owner's browser into that of another."""
    tested = cold.owner("POST", "/v1/connections/apart/test")
    link = cold.owner("POST", "/v1/connections/spare/open", {})

    assert (tested.status, tested.json()["status"]) == (200, "connected")
    assert tested.json()["grants"][0]["client"] == "agent"
    assert link.status == 200, link.body
    assert link.json()["url"].startswith("http://localhost:")


def test_it_is_diagnosed(cold: Cold) -> None:
    """With its verdict, as JSON and on the page."""
    apart = cold.owner("POST", "/v1/connections/apart/diagnose", {})
    page = cold.owner("POST", "/dashboard/connections/spare/diagnosis", {})
    ill = cold.owner("POST", "/v1/connections/ill/diagnose", {})

    assert (apart.status, page.status, ill.status) == (200, 200, 200)
    assert (apart.json()["verdict"], ill.json()["verdict"]) == ("ok", "session_expired")


def test_one_with_plans_is_disconnected(cold: Cold) -> None:
    """Its plans stay and say what they said, but no name; one that is ill goes as well."""
    gone = cold.owner("DELETE", "/v1/connections/busy")
    plan = cold.owner("GET", "/v1/plans/{run}")

    assert gone.status == 200
    assert (plan.status, plan.json()["connection"]) == (200, None)
    assert cold.owner("POST", "/v1/plans/{held}/approve", {}).status != 500
    assert cold.owner("DELETE", "/v1/connections/ill").status == 200
    assert cold.owner("GET", "/dashboard/plans").status == 200


@after_a_kill_too
def test_it_is_disconnected(cold: Cold) -> None:
    """Revoked at the org; its name is free and its grants are gone, the others are not."""
    gone = cold.owner("DELETE", "/v1/connections/apart")
    granted = cold.agent("GET", "/v1/me").json()["grants"]

    assert (gone.status, gone.json()["revoked"]) == (200, True)
    assert {one["connection"] for one in granted} == {*TOKENS_OF, "busy"} - {"apart"}
    assert cold.agent("GET", f"/o/apart{QUERY}").status == 404
    assert cold.owner("POST", "/v1/connections", {"environment": "demo", "name": "apart"}).status == 202


def test_it_is_reconnected(cold: Cold) -> None:
    """The person signs in again by pasting the address: it is well, and its programs go on."""
    begun = cold.owner("POST", "/v1/connections/ill/reconnect", {})
    sign_in = begun.json()["sign_in"]
    back = Person(ADA).come_back(sign_in["authorize_url"])
    ended = cold.owner("POST", f"/v1/sign-ins/{sign_in['id']}/redirect", {"url": back})

    assert begun.status == 202
    assert (ended.json()["status"], ended.json()["connection"]) == ("done", "ill")
    assert cold.agent("GET", f"/o/ill{QUERY}").status == 200


@after_a_kill_too
def test_a_sign_in_of_the_run_before_is_ended(cold: Cold) -> None:
    """The browser comes back for a connection that nobody has looked at since: it is renewed."""
    cold.end_sign_in(cold.was.sign_in["authorize_url"])
    ended = cold.owner("GET", "/v1/sign-ins/{sign_in}").json()

    assert (ended["status"], ended["connection"]) == ("done", "spare")
    assert cold.agent("GET", f"/o/spare{QUERY}").status == 200


# --- Programs ------------------------------------------------------------------------------------------------------


def test_a_program_is_granted_it(cold: Cold) -> None:
    """The owner names it, and the program may use it; a name that nobody has is refused, and nothing changes."""
    refused = cold.owner("PATCH", "/v1/clients/{newcomer}", {"grants": [{"connection": "apartt", "mode": "plan"}]})
    granted = cold.owner("PATCH", "/v1/clients/{newcomer}", {"grants": [{"connection": "apart", "mode": "plan"}]})

    assert (refused.status, granted.status) == (422, 200)
    assert [(one["connection"], one["mode"]) for one in granted.json()["grants"]] == [("apart", "plan")]
    assert cold.agent("GET", f"/o/apart{QUERY}", name="newcomer").status == 200


def test_a_process_is_lent_it(cold: Cold) -> None:
    """`POST /v1/clients`: a client for the life of a process; again, a name that nobody has is refused."""
    asked = {"name": "child", "pid": os.getpid(), "grants": [{"connection": "nobodys", "mode": "build"}]}
    refused = cold.owner("POST", "/v1/clients", asked)
    minted = cold.owner("POST", "/v1/clients", asked | {"grants": [{"connection": "apart", "mode": "build"}]})

    assert (refused.status, minted.status) == (422, 201)
    assert minted.json()["grants"][0]["connection"] == "apart"
    assert cold.service.call("GET", f"/o/apart{QUERY}", token=minted.json()["access_token"]).status == 200


def test_a_program_gets_another_token(cold: Cold) -> None:
    """With the names of all that it was granted."""
    given = cold.agent("POST", "/v1/me/token", {})

    assert given.status == 200
    assert {one["connection"] for one in given.json()["grants"]} == {*TOKENS_OF, "busy"}


def test_a_program_is_revoked(cold: Cold) -> None:
    """With its plans, though nobody has looked at their connection."""
    assert cold.owner("DELETE", "/v1/clients/{agent}").status == 204
    assert cold.agent("GET", "/v1/me").status == 401
    assert cold.owner("GET", "/v1/plans/{held}").json()["connection"] == "busy"


def test_a_program_asks_for_it(cold: Cold) -> None:
    """In its pairing by name, and in an access request where the owner picks it: it reads both."""
    wants = [{"connection": "apart", "mode": "read"}]
    pairing = cold.service.call("POST", "/v1/pair", {"client_name": "pair", "wants": wants}).json()
    paired = cold.owner("POST", f"/v1/pairings/{pairing['user_code']}/approve", {})
    given = cold.service.call("POST", "/v1/pair/token", {"device_code": pairing["device_code"]}).json()
    asked = cold.agent("POST", "/v1/access-requests", {"purpose": "more", "mode": "read"}, name="newcomer").json()
    wanted = {"connection": "spare", "mode": "read"}
    approved = cold.owner("POST", f"/v1/access-requests/{asked['id']}/approve", wanted)

    assert paired.json()["grants"][0]["connection"] == given["grants"][0]["connection"] == "apart"
    assert cold.service.call("GET", f"/o/apart{QUERY}", token=given["access_token"]).status == 200
    assert (approved.status, approved.json()["connection"]) == (200, "spare")
    assert cold.agent("GET", f"/v1/access-requests/{asked['id']}", name="newcomer").json()["connection"] == "spare"
    assert cold.agent("GET", f"/o/spare{QUERY}", name="newcomer").status == 200


# --- Plans ---------------------------------------------------------------------------------------------------------


@after_a_kill_too
def test_a_plan_of_the_run_before_is_approved(cold: Cold) -> None:
    """It runs, and its program gets the answer."""
    approved = cold.owner("POST", "/v1/plans/{held}/approve", {"build_for": 60})

    assert (approved.status, approved.json()["status"], approved.json()["connection"]) == (200, "done", "busy")
    assert cold.agent("POST", f"/o/busy{ACCOUNTS}", {"Name": "Waits"}).status == 201


def test_a_plan_of_the_run_before_is_rejected(cold: Cold) -> None:
    """With its reason, which reaches the program."""
    rejected = cold.owner("POST", "/v1/plans/{held}/reject", {"reason": "No"})
    told = cold.agent("POST", f"/o/busy{ACCOUNTS}", {"Name": "Waits"})

    assert (rejected.status, rejected.json()["connection"]) == (200, "busy")
    assert (told.status, told.json()[0]["errorCode"]) == (403, "MESHMESH_PLAN_REJECTED")


def test_a_plan_of_the_run_before_is_withdrawn(cold: Cold) -> None:
    """By its program."""
    assert cold.agent("DELETE", "/v1/plans/{held}").status == 204
    assert cold.agent("GET", "/v1/plans/{held}").json()["status"] == "withdrawn"


def test_a_plan_of_the_run_before_is_undone(cold: Cold) -> None:
    """The undo is a plan for the same connection, and runs."""
    undo = cold.owner("POST", "/v1/plans/{run}/undo", {})
    approved = cold.owner("POST", f"/v1/plans/{undo.json()['id']}/approve", {})

    assert (undo.status, undo.json()["connection"], undo.json()["undoes"]) == (201, "busy", cold.was.ids["run"])
    assert approved.json()["status"] == "done"


def test_an_answer_of_the_run_before_is_picked_up(cold: Cold) -> None:
    """The program that runs its command again gets what Salesforce said then, once."""
    first, second = (cold.agent("POST", f"/o/busy{ACCOUNTS}", RUN) for _ in range(2))

    assert (first.status, first.json()["success"]) == (201, True)
    assert second.status == 403


def test_a_request_that_waits_already_joins_it(cold: Cold) -> None:
    """The identical write is the same item of the same plan, also for a connection that is still shut."""
    held = cold.agent("POST", f"/o/busy{ACCOUNTS}", {"Name": "Waits"})

    assert (held.status, held.headers["meshmesh-plan"]) == (403, cold.was.ids["held"])


def test_a_new_plan_is_held(cold: Cold) -> None:
    """By the API, with what it would change."""
    request = {"method": "POST", "path": ACCOUNTS, "body": {"Name": "Another"}}
    made = cold.agent("POST", "/v1/plans", {"connection": "apart", "requests": [request]})

    assert (made.status, made.json()["connection"], made.json()["status"]) == (201, "apart", "held")


# --- Events and the activity ---------------------------------------------------------------------------------------


def test_an_event_tells_its_name(cold: Cold) -> None:
    """Of a plan that is rejected and of a connection that is renamed, to its program and to the owner."""
    with listening(cold.service, cold.was.tokens["agent"]) as told, listening(cold.service) as owner:
        cold.owner("POST", "/v1/plans/{held}/reject", {})
        cold.owner("PATCH", "/v1/connections/apart", {"name": "moved"})
        for events in (told, owner):
            decided = next(data for name, data in events if name == "plan.decided")
            renamed = next(data for name, data in events if name == "connection.updated")
            assert (decided["id"], decided["connection"]) == (cold.was.ids["held"], "busy")
            assert renamed["name"] == "moved"


def test_the_activity_goes_on(cold: Cold) -> None:
    """Its rows are those of the run before and then new ones, whose connections have their names; the chain is whole."""
    cold.agent("DELETE", "/v1/plans/{held}")
    cold.owner("POST", "/v1/connections/spare/test")
    cold.owner("PATCH", "/v1/connections/apart", {"name": "moved"})
    cold.token("spare")
    rows = cold.owner("GET", "/v1/activity?limit=1000").json()["activity"]
    old, new = rows[: len(cold.was.activity)], rows[len(cold.was.activity) :]
    named = {(row["action"], row["connection"]) for row in new if row["connection"]}

    assert old == cold.was.activity
    assert named >= {("plan.withdrawn", "busy"), ("token.given", "spare")}
    assert cold.owner("GET", "/v1/activity/verify").json()["whole"] is True
