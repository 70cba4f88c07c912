"""Deeds whose first step is the first touch of a connection that nobody has opened since the start.

Every test has a service of its own that has just begun, and its first call is the one that the test is about.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from support.bypasses import SPELLINGS
from support.unopened import ACCOUNTS, QUERY, RUN, Cold, Furnished, back_from, begun_again, copied, furnish, listening

WELL = ("apart", "spare")
BUILD = {"mode": "build", "raw_token": True}


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The home that every test begins with."""
    return furnish(tmp_path_factory.mktemp("was") / "h")


@pytest.fixture
def cold(was: Furnished, tmp_path: Path) -> Iterator[Cold]:
    """A service that has just begun."""
    with begun_again(was, copied(was.home, tmp_path / "h")) as begun:
        yield begun


# --- Names ---------------------------------------------------------------------------------------------------------


def test_it_is_renamed(cold: Cold) -> None:
    """Under the new name it is there for everybody, under the old one for nobody, and the old one is free."""
    renamed = cold.owner("PATCH", "/v1/connections/apart", {"name": "moved"})
    granted = cold.agent("GET", "/v1/me").json()["grants"]

    assert (renamed.status, renamed.json()["name"]) == (200, "moved")
    assert cold.owner("GET", "/v1/connections/apart").status == 404
    assert cold.agent("GET", "/v1/connections/apart/token").status == 404
    assert cold.agent("GET", f"/o/moved{QUERY}").status == 200
    assert {one["connection"] for one in granted} == {"moved", "spare", "ill", "walled", "busy"}
    assert cold.owner("PATCH", "/v1/connections/spare", {"name": "apart"}).status == 200


@pytest.mark.parametrize(
    ("method", "target", "body"),
    [
        ("PATCH", "/v1/connections/apart", {"name": "spare"}),
        ("POST", "/v1/connections", {"environment": "demo", "name": "spare"}),
    ],
    ids=["rename", "connect"],
)
def test_its_name_is_taken(cold: Cold, method: str, target: str, body: object) -> None:
    """409 `name_taken`, and both connections are what they were."""
    refused = cold.owner(method, target, body)

    assert (refused.status, refused.json()["code"]) == (409, "name_taken")
    assert all(cold.agent("GET", f"/o/{name}{QUERY}").status == 200 for name in WELL)


def test_a_name_that_is_made_up_avoids_it(cold: Cold) -> None:
    """A new connection that is named after its org does not get the name of one that is there."""
    begun = cold.owner("POST", "/v1/connections", {"environment": "demo"}).json()["sign_in"]
    cold.end_sign_in(begun["authorize_url"])

    assert cold.owner("GET", f"/v1/sign-ins/{begun['id']}").json()["connection"] == "demo-3"
    assert cold.owner("GET", "/v1/connections/demo-2").json()["id"] == cold.was.ids["demo-2_id"]


# --- Tokens and the broker -----------------------------------------------------------------------------------------


def test_a_session_that_is_too_short_is_renewed(cold: Cold) -> None:
    """`min_ttl` beyond what is left: another token, which works, and which is kept."""
    given = cold.agent("GET", "/v1/connections/apart/token?min_ttl=7200")

    assert given.status == 200
    assert given.json()["access_token"] == cold.token("apart")
    assert cold.agent("GET", f"/o/apart{QUERY}").status == 200


def test_a_rejected_token_is_replaced(cold: Cold) -> None:
    """The token of the run before got a 401: there is another one."""
    dead = cold.was.access_tokens["apart"]
    given = cold.agent("POST", "/v1/connections/apart/token", {"rejected": dead})

    assert given.status == 200
    assert given.json()["access_token"] not in {dead, ""}
    assert cold.token("apart") == given.json()["access_token"]


@pytest.mark.parametrize(
    "words", [("token", "apart"), ("exec", "apart", "--token", "--", "printenv", "SF_ACCESS_TOKEN")]
)
def test_the_command_line_gets_it(cold: Cold, words: tuple[str, ...]) -> None:
    """`meshmesh token` and `meshmesh exec` print the token of the run before."""
    ran = cold.service.cli(*words)

    assert (ran.returncode, ran.stdout.strip()) == (0, cold.was.access_tokens["apart"]), ran.stderr


def test_a_shell_gets_it(cold: Cold) -> None:
    """`meshmesh env` lends it, and the handle works."""
    ran = cold.service.cli("env", "apart")
    lent = dict(line.removeprefix("export ").split("=", 1) for line in ran.stdout.splitlines())
    read = cold.service.call("GET", f"/o/apart{QUERY}", token=lent["MESHMESH_TOKEN"].strip("'"))

    assert (ran.returncode, read.status) == (0, 200), ran.stderr


@pytest.mark.parametrize(
    ("name", "reason"), [("ill", "refresh_token_revoked"), ("walled", "app_blocked")], ids=["ill", "walled"]
)
def test_one_that_is_not_well_says_why(cold: Cold, name: str, reason: str) -> None:
    """The broker and the token door refuse with the reason and the way on, and a person's `test` says the same."""
    brokered = cold.agent("GET", f"/o/{name}{QUERY}")
    refused = cold.agent("GET", f"/v1/connections/{name}/token")
    tested = cold.owner("POST", f"/v1/connections/{name}/test")

    assert (brokered.status, brokered.json()[0]["errorCode"]) == (403, "MESHMESH_RECONNECT_REQUIRED")
    assert (refused.status, refused.json()["reason"]) == (409, reason)
    assert tested.json()["reason"] == reason


def test_a_write_passes(cold: Cold) -> None:
    """Build Mode, by REST: 201, and its address is our own."""
    made = cold.agent("POST", f"/o/apart{ACCOUNTS}", {"Name": "Made at once"})

    assert made.status == 201
    assert made.headers["location"].endswith(f"/o/apart{ACCOUNTS}/{made.json()['id']}")


def test_a_soap_call_passes(cold: Cold) -> None:
    """Its session is put in the envelope's place."""
    soap = SPELLINGS["SOAP create"]
    body = soap.body.replace(b"{token}", cold.was.tokens["agent"].encode())
    made = cold.service.send(soap.method, f"/o/apart{soap.target}", body, headers={"Content-Type": soap.content_type})

    assert made.status == 200
    assert b"<success>true</success>" in made.body


# --- What its person does ------------------------------------------------------------------------------------------


def test_it_is_tested(cold: Cold) -> None:
    """One call to the org, and it is well."""
    tested = cold.owner("POST", "/v1/connections/apart/test")

    assert (tested.status, tested.json()["status"]) == (200, "connected")
    assert tested.json()["grants"][0]["client"] == "agent"


@pytest.mark.parametrize(("name", "verdict"), [("apart", "ok"), ("ill", "session_expired")])
@pytest.mark.parametrize("target", ["/v1/connections/{}/diagnose", "/dashboard/connections/{}/diagnosis"])
def test_it_is_diagnosed(cold: Cold, name: str, verdict: str, target: str) -> None:
    """With its verdict, as JSON and on the page."""
    found = cold.owner("POST", target.format(name), {})

    assert found.status == 200
    if "json" in found.headers["content-type"]:
        assert found.json()["verdict"] == verdict


def test_its_org_is_opened(cold: Cold) -> None:
    """A link for the owner's browser."""
    link = cold.owner("POST", "/v1/connections/apart/open", {})

    assert link.status == 200, link.body
    assert link.json()["url"].startswith("http://localhost:")


def test_it_is_disconnected(cold: Cold) -> None:
    """Revoked at the org; its name is free and its grants are gone, the others are not."""
    gone = cold.owner("DELETE", "/v1/connections/apart")
    granted = cold.agent("GET", "/v1/me").json()["grants"]

    assert (gone.status, gone.json()["revoked"]) == (200, True)
    assert {one["connection"] for one in granted} == {"spare", "ill", "walled", "busy"}
    assert cold.agent("GET", f"/o/apart{QUERY}").status == 404
    assert cold.owner("POST", "/v1/connections", {"environment": "demo", "name": "apart"}).status == 202


def test_it_is_reconnected(cold: Cold) -> None:
    """The person signs in again by pasting the address: it is well, and its programs go on."""
    begun = cold.owner("POST", "/v1/connections/ill/reconnect", {})
    sign_in = begun.json()["sign_in"]
    back = back_from(sign_in["authorize_url"])
    ended = cold.owner("POST", f"/v1/sign-ins/{sign_in['id']}/redirect", {"url": back})

    assert begun.status == 202
    assert (ended.json()["status"], ended.json()["connection"]) == ("done", "ill")
    assert cold.agent("GET", f"/o/ill{QUERY}").status == 200


def test_a_sign_in_of_the_run_before_is_ended(cold: Cold) -> None:
    """The browser comes back for a connection that nobody has looked at since: it is renewed."""
    cold.end_sign_in(cold.was.sign_in["authorize_url"])
    ended = cold.owner("GET", "/v1/sign-ins/{sign_in}").json()

    assert (ended["status"], ended["connection"]) == ("done", "spare")
    assert cold.agent("GET", f"/o/spare{QUERY}").status == 200


# --- Programs ------------------------------------------------------------------------------------------------------


def test_a_program_is_granted_it(cold: Cold) -> None:
    """The owner names it in a PATCH, and the program may use it."""
    granted = cold.owner("PATCH", "/v1/clients/{newcomer}", {"grants": [{"connection": "apart", "mode": "plan"}]})

    assert granted.status == 200
    assert [(one["connection"], one["mode"]) for one in granted.json()["grants"]] == [("apart", "plan")]
    assert cold.agent("GET", f"/o/apart{QUERY}", name="newcomer").status == 200


def test_a_name_that_nobody_has_is_not_granted(cold: Cold) -> None:
    """422, and the program keeps what it had."""
    refused = cold.owner("PATCH", "/v1/clients/{newcomer}", {"grants": [{"connection": "apartt", "mode": "plan"}]})

    assert refused.status == 422
    assert cold.agent("GET", "/v1/me", name="newcomer").json()["grants"][0]["connection"] == "demo"


def test_a_program_is_revoked(cold: Cold) -> None:
    """With its plans, though nobody has looked at their connection."""
    assert cold.owner("DELETE", "/v1/clients/{agent}").status == 204
    assert cold.agent("GET", "/v1/me").status == 401
    assert cold.owner("GET", "/v1/plans/{held}").json()["connection"] == "busy"


def test_a_program_is_paired_for_it(cold: Cold) -> None:
    """It asks for it by name, the owner agrees, it reads."""
    wants = [{"connection": "apart", "mode": "read"}]
    asked = cold.service.call("POST", "/v1/pair", {"client_name": "pair", "wants": wants}).json()
    approved = cold.owner("POST", f"/v1/pairings/{asked['user_code']}/approve", {})
    given = cold.service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json()

    assert approved.json()["grants"][0]["connection"] == given["grants"][0]["connection"] == "apart"
    assert cold.service.call("GET", f"/o/apart{QUERY}", token=given["access_token"]).status == 200


def test_a_program_asks_for_it(cold: Cold) -> None:
    """An access request is granted with it, and its program sees its name."""
    asked = cold.agent("POST", "/v1/access-requests", {"purpose": "more", "mode": "read"}, name="newcomer").json()
    wanted = {"connection": "apart", "mode": "read"}
    approved = cold.owner("POST", f"/v1/access-requests/{asked['id']}/approve", wanted)

    assert (approved.status, approved.json()["connection"]) == (200, "apart")
    assert cold.agent("GET", f"/v1/access-requests/{asked['id']}", name="newcomer").json()["connection"] == "apart"
    assert cold.agent("GET", f"/o/apart{QUERY}", name="newcomer").status == 200


# --- Plans ---------------------------------------------------------------------------------------------------------


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


@pytest.mark.parametrize("who", ["agent", "owner"])
def test_an_event_tells_its_name(cold: Cold, who: str) -> None:
    """Of a plan that is rejected and of a connection that is renamed, neither looked at before."""
    with listening(cold.service, cold.was.tokens.get(who)) as events:
        cold.owner("POST", "/v1/plans/{held}/reject", {})
        decided = next(data for name, data in events if name == "plan.decided")
        cold.owner("PATCH", "/v1/connections/apart", {"name": "moved"})
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
