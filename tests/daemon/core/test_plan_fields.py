"""Before and after, what became of each part, and what would take it back: values in, values out."""

import json
from dataclasses import replace

import pytest

from meshmesh_daemon.core import plan_fields
from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.core.plan_outcome import Outcome, outcome_of
from meshmesh_daemon.core.plan_undo import can_be_undone, undo_of
from meshmesh_storage.plan_records import HeldRequest, Item, ItemStatus, Plan, PlanStatus, Result, Touch
from support.clock import START

ROOT = "/services/data/v66.0"
ONE, TWO = "001000000000001AAA", "001000000000002AAA"


def request(method: str, path: str, body: object = None) -> HeldRequest:
    """A request."""
    headers = (("Content-Type", "application/json"),) if body is not None else ()
    content = json.dumps(body).encode() if body is not None else b""
    return HeldRequest(method=method, target=ROOT + path, headers=headers, body=content)


def sub(method: str, path: str, name: str, body: object = None) -> dict[str, object]:
    """A part of a composite."""
    return {"method": method, "url": ROOT + path, "referenceId": name} | ({"body": body} if body else {})


def record(name: str, **more: object) -> dict[str, object]:
    """An account in a collection."""
    return {"attributes": {"type": "Account"}, "Name": name} | more


UPDATE = request("PATCH", f"/sobjects/Account/{ONE}", {"Name": "x"})
CREATE = request("POST", "/sobjects/Account", {"Name": "x"})
MANY = request("PATCH", "/composite/sobjects", {"records": [record("x", id=ONE), record("y", id=TWO)]})
KEYED = request("PATCH", "/sobjects/Account/Ext__c/E-1", {"Name": "x"})
COMPOSITE = request(
    "POST",
    "/composite",
    {
        "compositeRequest": [
            sub("POST", "/sobjects/Account", "a", {"Name": "n"}),
            sub("GET", f"/sobjects/Account/{ONE}", "b"),
            sub("PATCH", f"/sobjects/Account/{TWO}", "c", {"Name": "m"}),
        ]
    },
)
TREE = request(
    "POST",
    "/composite/tree/Account",
    {"records": [record("n") | {"attributes": {"type": "Account", "referenceId": "r"}}]},
)
BATCH = request(
    "POST", "/composite/batch", {"batchRequests": [{"method": "DELETE", "url": f"v66.0/sobjects/Account/{ONE}"}]}
)
GRAPH = request(
    "POST",
    "/composite/graph",
    {"graphs": [{"graphId": "1", "compositeRequest": [sub("POST", "/sobjects/Account", "a", {"Name": "n"})]}]},
)


@pytest.mark.parametrize(
    ("held", "paths"),
    [
        (UPDATE, [f"{ROOT}/composite/sobjects/Account?ids={ONE}&fields=Name,SystemModstamp"]),
        (MANY, [f"{ROOT}/composite/sobjects/Account?ids={ONE},{TWO}&fields=Name,SystemModstamp"]),
        (COMPOSITE, [f"{ROOT}/composite/sobjects/Account?ids={TWO}&fields=Name,SystemModstamp"]),
        (KEYED, [f"{ROOT}/sobjects/Account/Ext__c/E-1?fields=Name,SystemModstamp"]),
        (BATCH, [f"{ROOT}/sobjects/Account/{ONE}"]),
        (CREATE, []),
    ],
)
def test_what_is_read_of_what_would_change(held: HeldRequest, paths: list[str]) -> None:
    """One read for all records of an object with the same fields; what is new is not looked for."""
    assert [one.path for one in plan_fields.lookups(verdict_of(held).parts, "66.0")] == paths


def test_many_records_are_read_in_pieces() -> None:
    """An address stays short, and what is beyond the limit is not read."""
    records = [record("x", id=f"001{number:012d}AAA") for number in range(200)]
    parts = verdict_of(request("PATCH", "/composite/sobjects", {"records": records})).parts
    found = plan_fields.lookups(parts, "66.0")

    assert [len(one.parts) for one in found] == [100, 100]
    assert max(len(one.path) for one in found) < 4000


def test_an_answer_of_another_length_tells_nothing() -> None:
    """Rows that cannot be told apart are not guessed at."""
    (lookup,) = plan_fields.lookups(verdict_of(MANY).parts, "66.0")

    assert plan_fields.rows_of(lookup, [{"Name": "only one"}]) == {}
    assert plan_fields.rows_of(lookup, [None, {"Name": "second"}]) == {1: {"Name": "second"}}


def after(held: HeldRequest, status: int, document: object) -> Outcome:
    """What an answer means for the parts of a request."""
    touches = plan_fields.touches_of(verdict_of(held).parts)
    body = b"" if document is None else json.dumps(document).encode()
    return outcome_of(touches, Result(status=status, headers=(), body=body))


NONE: list[str] = []
BAD = [{"errorCode": "X"}]


@pytest.mark.parametrize(
    ("held", "status", "document", "done"),
    [
        (UPDATE, 204, None, [True]),
        (UPDATE, 400, BAD, [False]),
        (CREATE, 201, {"id": ONE, "success": True, "errors": NONE}, [True]),
        (MANY, 200, [{"id": ONE, "success": True, "errors": NONE}, {"success": False, "errors": BAD}], [True, False]),
        (
            COMPOSITE,
            200,
            {
                "compositeResponse": [
                    {"body": {"id": ONE}, "httpStatusCode": 201},
                    {"httpStatusCode": 200},
                    {"httpStatusCode": 204},
                ]
            },
            [True, True, True],
        ),
        (
            COMPOSITE,
            200,
            {"compositeResponse": [{"httpStatusCode": 201}, {"httpStatusCode": 404}, {"httpStatusCode": 400}]},
            [True, False, False],
        ),
        (BATCH, 200, {"hasErrors": True, "results": [{"statusCode": 404, "result": BAD}]}, [False]),
        (TREE, 201, {"hasErrors": False, "results": [{"referenceId": "r", "id": ONE}]}, [True]),
        (
            GRAPH,
            200,
            {"graphs": [{"graphId": "1", "graphResponse": {"compositeResponse": [{"httpStatusCode": 400}]}}]},
            [False],
        ),
        (COMPOSITE, 200, {"compositeResponse": [{"httpStatusCode": 400}]}, [False, False, False]),
        (CREATE, 200, {"data": None, "errors": [{"message": "no"}]}, [False]),
        (UPDATE, 200, "not what it should be", [True]),
    ],
)
def test_what_became_of_each_part(held: HeldRequest, status: int, document: object, done: list[bool]) -> None:
    """Every list of part answers is read; the whole is done when all of it is, and says so where not."""
    outcome = after(held, status, document)

    assert [touch.done for touch in outcome.touches] == done
    assert outcome.done is all(done)
    assert (outcome.note is None) is outcome.done


@pytest.mark.parametrize(
    ("held", "document"),
    [
        (CREATE, {"id": ONE[:15], "success": True}),
        (TREE, {"results": [{"id": ONE}]}),
        (KEYED, {"id": ONE, "success": True, "created": True}),
    ],
)
def test_a_new_record_is_known_by_its_id(held: HeldRequest, document: object) -> None:
    """So that an undo can delete it; an upsert that made one is a create."""
    (touch,) = after(held, 201, document).touches

    assert (touch.action, touch.record_id, touch.done) == ("create", ONE, True)


def ran(*touches: Touch, status: ItemStatus = ItemStatus.DONE) -> Plan:
    """A plan of one item that did this."""
    one = Item(id="it-1", method="POST", target="/x", sha256="", size=0, summary="", touches=touches, status=status)
    return Plan(
        id="pl-1",
        client_id="c",
        client_name="agent",
        connection_id="o",
        org_id="o",
        user_id="u",
        reason=None,
        created_at=START,
        grown_at=START,
        expires_at=START,
        items=(one,),
        status=PlanStatus.DONE,
    )


def touch(
    action: str, record_id: str | None = ONE, *, before: dict[str, object] | None = None, done: bool = True
) -> Touch:
    """What was done to a record."""
    return Touch(action=action, sobject="Account", record_id=record_id, path="/x", before=before, done=done)


def test_many_records_are_put_back_in_one_call() -> None:
    """Created ones are deleted first, then the old values written, all or none."""
    made, changed = (
        [touch("create", one) for one in (ONE, TWO)],
        [touch("update", one, before={"Name": "Old"}) for one in (ONE, TWO)],
    )
    undo = undo_of(ran(*changed, *made), "66.0")
    body = json.loads(undo.requests[1].body)

    assert [(one.method, one.target) for one in undo.requests] == [
        ("DELETE", f"{ROOT}/composite/sobjects?ids={TWO},{ONE}&allOrNone=true"),
        ("PATCH", f"{ROOT}/composite/sobjects"),
    ]
    assert (body["allOrNone"], [one["Name"] for one in body["records"]]) == (True, ["Old", "Old"])
    assert undo.left == ()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        (touch("delete"), "a delete (look into the Recycle Bin in Salesforce)"),
        (touch("run", None), "code that ran"),
        (touch("deploy", None), "a deployment"),
        (touch("update"), "an update whose old values are not known"),
        (touch("create", None), "a new record whose id is not known"),
        (touch("send", None), "what 'send' did"),
    ],
)
def test_what_stays_is_said(what: Touch, words: str) -> None:
    """Nothing is promised that Salesforce does not allow, and twice the same is counted."""
    assert undo_of(ran(what), "66.0").left == (words,)
    assert undo_of(ran(what, what), "66.0").left == (f"2 times {words}",)
    assert not can_be_undone(ran(what))


def test_what_was_not_done_is_not_undone() -> None:
    """A part that Salesforce refused, and a read, leave nothing to take back."""
    plan = ran(touch("update", before={"Name": "Old"}, done=False), touch("read"))

    assert undo_of(plan, "66.0") == undo_of(ran(), "66.0")
    assert not can_be_undone(plan)


@pytest.mark.parametrize(
    ("stamps", "names", "is_moved"),
    [
        (("t0", "t0"), ("Old", "Old"), False),
        (("t0", "t1"), ("Old", "Old"), True),
        (("t0", "t0"), ("Old", "Else"), True),
        ((None, None), ("Old", "Old"), False),
        ((None, None), ("Old", "Else"), True),
    ],
)
def test_a_record_has_moved(stamps: tuple[str | None, str | None], names: tuple[str, str], is_moved: bool) -> None:
    """By its stamp, or within the same second by a value; what this plan did to it itself does not count."""
    was, now = (
        replace(touch("update", before={"Name": name}, done=False), stamp=stamp)
        for stamp, name in zip(stamps, names, strict=True)
    )

    assert plan_fields.moved([was], [now], frozenset()) == [ONE] * is_moved
    assert plan_fields.moved([was], [now], frozenset({ONE})) == []


def test_what_was_never_known_has_not_moved_and_what_is_gone_has() -> None:
    """A plan that could not read a record said so; one that cannot be read any more is held back."""
    unknown, known = touch("update"), touch("update", before={"Name": "Old"})

    assert plan_fields.moved([unknown], [known], frozenset()) == []
    assert plan_fields.moved([known], [unknown], frozenset()) == [ONE]
