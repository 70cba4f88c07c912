"""Many things in one request: collections, composite, batch, tree, graph, and Bulk 2.0."""

import csv
import io

import pytest

from support.demo_org import RITA, Json, Peer, Reply, objects


def made(name: object, kind: str = "Account") -> Json:
    """A record of a request."""
    return {"attributes": {"type": kind}, "Name": name}


def statuses(results: list[Json]) -> list[str]:
    """`ok` or the code of the first error, of each result."""
    return ["ok" if one["success"] else str(objects(one["errors"])[0]["statusCode"]) for one in results]


async def count(peer: Peer, condition: str) -> object:
    """How many accounts there are."""
    return (await peer.query(f"SELECT COUNT() FROM Account WHERE {condition}")).fields["totalSize"]


@pytest.mark.parametrize(
    ("all_or_none", "told", "kept"),
    [
        (False, ["ok", "STRING_TOO_LONG", "INVALID_FIELD", "ok"], 2),
        (True, ["ALL_OR_NONE_OPERATION_ROLLED_BACK", "STRING_TOO_LONG", "INVALID_FIELD", "ALL_OR_NONE_OPERATION_ROLLED_BACK"], 0),
    ],
)  # fmt: skip
async def test_a_collection_keeps_what_it_may(ada: Peer, all_or_none: bool, told: list[str], kept: int) -> None:
    """Each record has its own result; with allOrNone one failure undoes the others, on disk and in the count of writes."""
    records = [made("Many 1"), made("x" * 300), made("Many 2") | {"Foo": 1}, made("Many 3")]
    reply = await ada.rest("POST", "composite/sobjects", {"allOrNone": all_or_none, "records": records})

    assert (reply.status, statuses(reply.items)) == (200, told)
    assert await count(ada, "Name LIKE 'Many %'") == kept
    assert (await ada.state())["writes"] == kept


async def test_collections_change_read_and_delete(ada: Peer) -> None:
    """Update, upsert, retrieve by GET and by POST, delete; an unknown id is null or an error of its own."""
    first, second = (
        str(one["id"])
        for one in (await ada.rest("POST", "composite/sobjects", {"records": [made("A"), made("B")]})).items
    )
    updated = await ada.rest("PATCH", "composite/sobjects", {"records": [made("A2") | {"id": first}, made("x")]})
    keyed = [made("K") | {"External_Key__c": "K1"}, made("A3") | {"External_Key__c": "ACC-0001"}]
    upserted = await ada.rest("PATCH", "composite/sobjects/Account/External_Key__c", {"records": keyed})
    got = await ada.rest("GET", f"composite/sobjects/Account?ids={first},001000000000000AAA&fields=Id,Name")
    posted = await ada.rest("POST", "composite/sobjects/Account", {"ids": [second], "fields": ["Name"]})
    deleted = await ada.rest("DELETE", f"composite/sobjects?ids={first},{second},001000000000000AAA,x")

    assert statuses(updated.items) == ["ok", "MISSING_ARGUMENT"]
    assert [one["created"] for one in upserted.items] == [True, False]
    assert [one and one["Name"] for one in got.items] == ["A2", None]
    assert posted.items[0]["Name"] == "B"
    assert statuses(deleted.items) == ["ok", "ok", "INVALID_CROSS_REFERENCE_KEY", "MALFORMED_ID"]


async def test_a_collection_has_a_limit(ada: Peer) -> None:
    """201 records are refused as a whole."""
    reply = await ada.rest("POST", "composite/sobjects", {"records": [made("x")] * 201})

    assert (reply.status, reply.code) == (400, "EXCEEDED_ID_LIMIT")


def sub(method: str, path: str, name: str, body: object = None) -> Json:
    """A request of a composite request."""
    return {"method": method, "url": f"/services/data/v66.0/{path}", "referenceId": name, "body": body}


async def test_a_composite_refers_to_what_came_before(ada: Peer) -> None:
    """Ids and fields of earlier answers are filled into addresses and bodies."""
    requests = [
        sub("POST", "sobjects/Account", "a", {"Name": "Composite"}),
        sub("POST", "sobjects/Contact", "c", {"LastName": "X", "AccountId": "@{a.id}"}),
        sub("GET", "query?q=SELECT+Id,Account.Name+FROM+Contact+WHERE+Id='@{c.id}'", "q"),
        sub("GET", "sobjects/Contact/@{q.records[0].Id}?fields=LastName", "r"),
        sub("GET", "sobjects/Contact/@{q.records[7].Id}", "bad"),
    ]
    reply = await ada.rest("POST", "composite", {"compositeRequest": requests})
    answers = objects(reply.fields["compositeResponse"])

    assert [one["httpStatusCode"] for one in answers] == [201, 201, 200, 200, 400]
    assert answers[3]["body"] == {**ada_body(answers[3]), "LastName": "X"}
    assert [one["referenceId"] for one in answers] == ["a", "c", "q", "r", "bad"]
    assert objects(answers[4]["body"])[0]["errorCode"] == "PROCESSING_HALTED"


def ada_body(answer: Json) -> Json:
    """The body of an answer, as an object."""
    body = answer["body"]
    assert isinstance(body, dict)
    return dict(body)  # pyright: ignore[reportUnknownArgumentType] - a test's own reading


async def test_a_composite_can_be_all_or_nothing(ada: Peer) -> None:
    """One failure rolls everything back; the failed one keeps its own answer."""
    requests = [
        sub("POST", "sobjects/Account", "a", {"Name": "Rolled"}),
        sub("POST", "composite/sobjects", "many", {"records": [made("Rolled 2")]}),
        sub("POST", "sobjects/Account", "b", {}),
        sub("GET", "limits", "c"),
    ]
    reply = await ada.rest("POST", "composite", {"allOrNone": True, "compositeRequest": requests})
    answers = objects(reply.fields["compositeResponse"])

    assert [objects(one["body"])[0]["errorCode"] for one in answers] == [
        "PROCESSING_HALTED", "PROCESSING_HALTED", "REQUIRED_FIELD_MISSING", "PROCESSING_HALTED",
    ]  # fmt: skip
    assert await count(ada, "Name LIKE 'Rolled%'") == 0
    assert (await ada.state())["writes"] == 0


async def test_an_inner_rollback_stays_inner(ada: Peer) -> None:
    """A collection that undoes itself inside an all-or-nothing composite leaves the others standing."""
    requests = [
        sub("POST", "sobjects/Account", "a", {"Name": "Outer"}),
        sub("POST", "composite/sobjects", "many", {"allOrNone": True, "records": [made("Inner"), made("x" * 300)]}),
    ]
    await ada.rest("POST", "composite", {"allOrNone": True, "compositeRequest": requests})

    assert (await count(ada, "Name = 'Outer'"), await count(ada, "Name = 'Inner'")) == (1, 0)


@pytest.mark.parametrize(
    ("requests", "code"),
    [
        ([], "INVALID_INPUT"),
        ([sub("GET", "limits", str(number)) for number in range(26)], "INVALID_INPUT"),
        ("text", "JSON_PARSER_ERROR"),
        ([1], "JSON_PARSER_ERROR"),
    ],
)
async def test_a_composite_of_a_wrong_shape(ada: Peer, requests: object, code: str) -> None:
    """None, too many, or no requests at all."""
    reply = await ada.rest("POST", "composite", {"compositeRequest": requests})

    assert (reply.status, reply.code) == (400, code)


async def test_composites_do_not_nest(ada: Peer) -> None:
    """A composite in a composite is refused in its place, and so is an address that is none."""
    requests = [sub("POST", "composite", "a", {}), {"method": "GET", "url": "/nowhere", "referenceId": "b"}]
    answers = objects((await ada.rest("POST", "composite", {"compositeRequest": requests})).fields["compositeResponse"])

    assert [one["httpStatusCode"] for one in answers] == [400, 404]


@pytest.mark.parametrize(("halt", "codes"), [(False, [201, 404, 200]), (True, [201, 404, 412])])
async def test_a_batch_goes_on_or_halts(ada: Peer, halt: bool, codes: list[int]) -> None:
    """Each request has its own status; with haltOnError the rest is skipped."""
    requests = [
        {"method": "POST", "url": "v66.0/sobjects/Account", "richInput": {"Name": "Batch"}},
        {"method": "GET", "url": "v66.0/nothing"},
        {"method": "GET", "url": "v66.0/limits"},
    ]
    reply = await ada.rest("POST", "composite/batch", {"haltOnError": halt, "batchRequests": requests})

    assert reply.fields["hasErrors"] is True
    assert [one["statusCode"] for one in objects(reply.fields["results"])] == codes


def tree(name: str, child: object) -> Json:
    """An account with one contact."""
    contact = {"attributes": {"type": "Contact", "referenceId": "r2"}, "LastName": child}
    return {"attributes": {"type": "Account", "referenceId": "r1"}, "Name": name, "Contacts": {"records": [contact]}}


async def test_a_tree_grows_with_its_children(ada: Peer) -> None:
    """Children get their parent; each has its reference."""
    reply = await ada.rest("POST", "composite/tree/Account", {"records": [tree("Tree", "Leaf")]})

    assert (reply.status, reply.fields["hasErrors"]) == (201, False)
    assert [one["referenceId"] for one in objects(reply.fields["results"])] == ["r1", "r2"]
    assert [
        one["LastName"] for one in await ada.records("SELECT LastName FROM Contact WHERE Account.Name = 'Tree'")
    ] == ["Leaf"]


async def test_a_tree_with_a_bad_leaf_does_not_grow(ada: Peer) -> None:
    """All or nothing; the answer names the leaf."""
    reply = await ada.rest("POST", "composite/tree/Account", {"records": [tree("Tree", None)]})
    result = objects(reply.fields["results"])[0]

    assert (reply.status, reply.fields["hasErrors"], result["referenceId"]) == (400, True, "r2")
    assert objects(result["errors"])[0]["statusCode"] == "REQUIRED_FIELD_MISSING"
    assert await count(ada, "Name = 'Tree'") == 0


async def test_each_graph_is_a_transaction(ada: Peer) -> None:
    """One graph fails and is undone, the other stands."""
    graphs = [
        {"graphId": "1", "compositeRequest": [sub("POST", "sobjects/Account", "a", {"Name": "Graph 1"})]},
        {
            "graphId": "2",
            "compositeRequest": [
                sub("POST", "sobjects/Account", "a", {"Name": "Graph 2"}), sub("POST", "sobjects/Account", "b", {}),
            ],
        },
    ]  # fmt: skip
    reply = await ada.rest("POST", "composite/graph", {"graphs": graphs})

    assert [one["isSuccessful"] for one in objects(reply.fields["graphs"])] == [True, False]
    assert await count(ada, "Name LIKE 'Graph %'") == 1


def rows(reply: Reply) -> list[dict[str, str]]:
    """A CSV answer."""
    assert reply.headers["Content-Type"] == "text/csv"
    return list(csv.DictReader(io.StringIO(reply.text)))


async def ingest(peer: Peer, data: str, **job: str) -> tuple[Json, Reply, Reply]:
    """A whole job: its end, the rows that went well, the rows that did not."""
    opened = (
        await peer.rest("POST", "jobs/ingest", {"object": "Account", "contentType": "CSV", "lineEnding": "LF", **job})
    ).fields
    path = f"jobs/ingest/{opened['id']}"
    put = await peer.call(
        "PUT", f"/services/data/v66.0/{path}/batches/", data=data.encode(), headers={"Content-Type": "text/csv"}
    )
    assert (opened["state"], put.status) == ("Open", 201)
    before = (await peer.state())["writes"]
    await peer.rest("PATCH", path, {"state": "UploadComplete"})
    assert before == 0
    return (
        (await peer.rest("GET", path)).fields,
        await peer.rest("GET", f"{path}/successfulResults/"),
        await peer.rest("GET", f"{path}/failedResults/"),
    )


async def test_bulk_makes_records_once_the_upload_is_complete(ada: Peer) -> None:
    """Nothing changes before UploadComplete; good rows are made, bad rows are told apart."""
    job, good, bad = await ingest(ada, 'Name,NumberOfEmployees\n"Bulk, 1",5\nBulk 2,many\n', operation="insert")

    assert (job["state"], job["numberRecordsProcessed"], job["numberRecordsFailed"]) == ("JobComplete", 2, 1)
    assert [(one["Name"], one["sf__Created"]) for one in rows(good)] == [("Bulk, 1", "true")]
    assert rows(bad)[0]["sf__Error"].startswith("JSON_PARSER_ERROR:")
    assert await count(ada, "Name = 'Bulk, 1' AND NumberOfEmployees = 5") == 1
    assert (await ada.state())["writes"] == 1


async def test_bulk_upserts_by_key(ada: Peer) -> None:
    """A known key changes, a new one makes."""
    data = "External_Key__c,Name,Phone\nACC-0001,Changed,#N/A\nNEW-1,Made,1\n"
    _, good, _ = await ingest(ada, data, operation="upsert", externalIdFieldName="External_Key__c")

    assert [one["sf__Created"] for one in rows(good)] == ["false", "true"]
    assert await count(ada, "Name = 'Changed' AND Phone = null") == 1


@pytest.mark.parametrize(("operation", "left"), [("update", 60), ("delete", 58), ("hardDelete", 58)])
async def test_bulk_changes_and_deletes_by_id(ada: Peer, operation: str, left: int) -> None:
    """By the column Id."""
    ids = [str(one["Id"]) for one in await ada.records("SELECT Id FROM Account LIMIT 2")]
    data = "Id,Name\n" + "".join(f"{one},Touched\n" for one in ids)
    job, _, _ = await ingest(ada, data, operation=operation)

    assert (job["numberRecordsProcessed"], job["numberRecordsFailed"]) == (2, 0)
    assert await count(ada, "Id != null") == left


@pytest.mark.parametrize(
    ("job", "code"),
    [
        ({"operation": "mix", "object": "Account"}, "API_ERROR"),
        ({"operation": "insert", "object": "Nothing"}, "NOT_FOUND"),
        ({"operation": "insert", "object": "Account", "columnDelimiter": "DOT"}, "INVALIDENTITY"),
        ({"operation": "upsert", "object": "Account", "externalIdFieldName": "Phone"}, "NOT_FOUND"),
    ],
)
async def test_a_bad_job_is_refused(ada: Peer, job: Json, code: str) -> None:
    """Operation, object, delimiter and key are looked at when the job is opened."""
    assert (await ada.rest("POST", "jobs/ingest", job)).code == code


async def test_an_aborted_job_changes_nothing(ada: Peer) -> None:
    """Abort drops the rows; what is aborted cannot be completed, what is deleted is gone."""
    job = (await ada.rest("POST", "jobs/ingest", {"object": "Account", "operation": "insert"})).fields
    path = f"jobs/ingest/{job['id']}"
    await ada.call("PUT", f"/services/data/v66.0/{path}/batches", data=b"Name\nx\n")
    aborted = await ada.rest("PATCH", path, {"state": "Aborted"})
    late = await ada.rest("PATCH", path, {"state": "UploadComplete"})
    unprocessed = rows(await ada.rest("GET", f"{path}/unprocessedrecords"))
    deleted = await ada.rest("DELETE", path)

    assert (aborted.fields["state"], late.code, unprocessed) == ("Aborted", "INVALIDJOBSTATE", [{"Name": "x"}])
    assert (deleted.status, (await ada.rest("GET", path)).status) == (204, 404)
    assert (await ada.state())["writes"] == 0


async def test_bulk_writes_are_refused_to_a_reader(peer: Peer) -> None:
    """Every row fails for the read-only user."""
    await peer.sign_in(RITA)
    job, _, bad = await ingest(peer, "Name\nx\n", operation="insert")

    assert job["numberRecordsFailed"] == 1
    assert rows(bad)[0]["sf__Error"].startswith("INSUFFICIENT_ACCESS")


async def test_bulk_reads_in_pages(ada: Peer) -> None:
    """A query job's records come as CSV with parents as columns, in pages behind a locator."""
    query = "SELECT Id, Name, Owner.Name FROM Account ORDER BY Name"
    job = (await ada.rest("POST", "jobs/query", {"operation": "query", "query": query})).fields
    path = f"jobs/query/{job['id']}"
    first = await ada.rest("GET", f"{path}/results?maxRecords=40")
    rest = await ada.rest("GET", f"{path}/results?maxRecords=40&locator={first.headers['Sforce-Locator']}")

    assert (await ada.rest("GET", path)).fields["state"] == "JobComplete"
    assert list(rows(first)[0]) == ["Id", "Name", "Owner.Name"]
    assert (len(rows(first)), len(rows(rest)), rest.headers["Sforce-Locator"]) == (40, 20, "null")
    assert (
        await ada.rest("POST", "jobs/query", {"operation": "query", "query": "SELECT COUNT() FROM Account"})
    ).code == "API_ERROR"


async def test_jobs_are_listed_and_deleted(ada: Peer) -> None:
    """Each kind has its own list; a query's job cannot be aborted any more."""
    made_job = (await ada.rest("POST", "jobs/ingest", {"object": "Account", "operation": "insert"})).fields
    read_job = (await ada.rest("POST", "jobs/query", {"operation": "queryAll", "query": "SELECT Id FROM Lead"})).fields
    listed = [
        [one["id"] for one in objects((await ada.rest("GET", f"jobs/{kind}")).fields["records"])]
        for kind in ("ingest", "query")
    ]

    assert listed == [[made_job["id"]], [read_job["id"]]]
    assert (await ada.rest("PATCH", f"jobs/query/{read_job['id']}", {"state": "Aborted"})).code == "INVALIDJOBSTATE"
    assert (await ada.rest("DELETE", f"jobs/query/{read_job['id']}")).status == 204
    assert (await ada.rest("GET", f"jobs/query/{read_job['id']}")).status == 404


@pytest.mark.parametrize("data", [b"Name\n\xff\xfe\n", b'Name\n"open\n', b"Name\na,b\n"])
async def test_rows_that_are_no_csv_fail_the_job(ada: Peer, data: bytes) -> None:
    """Nothing is written, and the job says Failed."""
    job = (await ada.rest("POST", "jobs/ingest", {"object": "Account", "operation": "insert"})).fields
    path = f"jobs/ingest/{job['id']}"
    await ada.call("PUT", f"/services/data/v66.0/{path}/batches", data=data)

    assert (await ada.rest("PATCH", path, {"state": "UploadComplete"})).code == "InvalidBatch"
    assert (await ada.rest("GET", path)).fields["state"] == "Failed"
    assert (await ada.state())["writes"] == 0
