"""The demo org's REST API, one record at a time: shapes, validation, queries and their pages, search, sessions."""

from urllib.parse import quote, urlencode

import pytest

from support.demo_org import ADA, CLI, NORA, RITA, Json, Peer

UNKNOWN = "001000000000000AAA"


async def account(peer: Peer, **values: object) -> str:
    """A new account's id."""
    reply = await peer.rest("POST", "sobjects/Account", {"Name": "Made", **values})
    assert reply.status == 201, reply.text
    return str(reply.fields["id"])


async def test_versions_need_no_session(peer: Peer) -> None:
    """The list of versions is open; the newest has the largest number."""
    versions = (await peer.call("GET", "/services/data/")).items

    assert [float(str(one["version"])) for one in versions] == [50.0 + number for number in range(17)]
    assert all(one["url"] == f"/services/data/v{one['version']}" for one in versions)


@pytest.mark.parametrize("path", ["v66.0", "v50.0/", "v59.0//limits/", "/v99.0/sobjects//Account//describe/"])
async def test_slashes_and_versions_are_forgiven(ada: Peer, path: str) -> None:
    """Any vNN.0, a slash too many in the middle or at the end."""
    reply = await ada.call("GET", f"/services/data/{path}")

    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json;charset=UTF-8"
    assert reply.headers["Sforce-Limit-Info"] == "api-usage=1/15000"
    assert "Server" not in reply.headers


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("vNow/sobjects", 404, "NOT_FOUND"),
        ("v66.0/nothing", 404, "NOT_FOUND"),
        ("v66.0/sobjects/Nothing/describe", 404, "NOT_FOUND"),
        ("v66.0/composite", 405, "METHOD_NOT_ALLOWED"),
    ],
)
async def test_what_is_not_there(ada: Peer, path: str, status: int, code: str) -> None:
    """An unknown address or object is 404, a wrong method 405, always as an array of errors."""
    reply = await ada.call("GET", f"/services/data/{path}")

    assert (reply.status, reply.code) == (status, code)


async def test_the_resource_map_names_the_caller(ada: Peer) -> None:
    """`identity` is where jsforce looks who it is."""
    resources = (await ada.call("GET", "/services/data/v66.0")).fields

    assert {"sobjects", "query", "search", "limits", "tooling", "composite", "identity"} <= set(resources)
    assert str(resources["identity"]).startswith(f"{ada.origin}/id/00D")


@pytest.mark.parametrize("token", ["", "00D000000000062!made.up"])
async def test_no_session_no_answer(peer: Peer, token: str) -> None:
    """401 with Salesforce's code and sentence."""
    peer.token = token
    reply = await peer.rest("GET", "limits")

    assert (reply.status, reply.items) == (
        401,
        [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}],
    )


async def test_a_user_without_the_api_is_told_so(peer: Peer) -> None:
    """Signing in works, who-am-I works, the API is 403; with the permission it works."""
    await peer.sign_in(NORA)

    refused = await peer.rest("GET", "limits")
    assert (refused.status, refused.code) == (403, "API_CURRENTLY_DISABLED")
    assert (await peer.call("GET", "/services/oauth2/userinfo")).status == 200
    await peer.lever("user", username=NORA, api=True)
    assert (await peer.rest("GET", "limits")).status == 200


@pytest.mark.parametrize(
    ("lever", "change", "status", "code"),
    [
        ("org", {"api": False}, 403, "API_DISABLED_FOR_ORG"),
        ("user", {"username": ADA, "password_expired": True}, 403, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD"),
        ("user", {"username": ADA, "active": False}, 401, "INVALID_SESSION_ID"),
        ("user", {"username": ADA, "frozen": True}, 401, "INVALID_SESSION_ID"),
        ("app", {"client_id": CLI, "blocked": True}, 401, "INVALID_SESSION_ID"),
        ("app", {"client_id": CLI, "ip_restricted": True}, 401, "INVALID_SESSION_ID"),
    ],
)
async def test_an_admin_ends_a_session(ada: Peer, lever: str, change: Json, status: int, code: str) -> None:
    """What an admin can do shows at the next call."""
    await ada.lever(lever, **change)
    reply = await ada.rest("GET", "limits")

    assert (reply.status, reply.code) == (status, code)
    if "ip_restricted" in change:
        assert reply.items[0]["message"] == "This session is not valid for use with the REST API"


async def test_a_token_without_the_api_scope_is_refused(peer: Peer) -> None:
    """`web` alone opens no API."""
    await peer.sign_in(scope="web refresh_token")

    assert (await peer.rest("GET", "limits")).status == 403


async def test_a_reader_reads_and_writes_nothing(peer: Peer) -> None:
    """Every kind of write is refused to the read-only user, and nothing changes."""
    await peer.sign_in(RITA)
    some = str((await peer.records("SELECT Id FROM Account LIMIT 1"))[0]["Id"])
    replies = [
        await peer.rest("POST", "sobjects/Account", {"Name": "x"}),
        await peer.rest("PATCH", f"sobjects/Account/{some}", {"Name": "x"}),
        await peer.rest("DELETE", f"sobjects/Account/{some}"),
        await peer.rest("GET", "tooling/executeAnonymous?anonymousBody=x"),
    ]

    assert [(reply.status, reply.code) for reply in replies] == [(403, "INSUFFICIENT_ACCESS")] * 4
    assert (await peer.state())["writes"] == 0


async def test_a_record_lives_and_goes(ada: Peer) -> None:
    """Create, read by either id, change, delete; what is deleted is said to be, and seen by queryAll only."""
    made = await ada.rest("POST", "sobjects/account/", {"Name": "Acme", "NumberOfEmployees": 7})
    record_id = str(made.fields["id"])
    assert (made.status, made.fields) == (201, {"id": record_id, "success": True, "errors": []})
    assert made.headers["Location"] == f"/services/data/v66.0/sobjects/Account/{record_id}"

    read = (await ada.rest("GET", f"sobjects/Account/{record_id[:15]}?fields=Name,numberofemployees")).fields
    assert read == {
        "attributes": {"type": "Account", "url": made.headers["Location"]}, "Name": "Acme", "NumberOfEmployees": 7,
        "Id": record_id,
    }  # fmt: skip
    changed = await ada.rest("PATCH", f"sobjects/Account/{record_id}", {"Name": "Acme 2", "Phone": None})
    assert (changed.status, changed.text) == (204, "")
    assert (await ada.records(f"SELECT Name FROM Account WHERE Id = '{record_id}'"))[0]["Name"] == "Acme 2"
    assert (await ada.rest("DELETE", f"sobjects/Account/{record_id}")).status == 204
    gone = await ada.rest("GET", f"sobjects/Account/{record_id}")
    assert (gone.status, gone.code) == (404, "ENTITY_IS_DELETED")
    query = urlencode({"q": f"SELECT COUNT() FROM Account WHERE Id = '{record_id}'"})
    assert [(await ada.rest("GET", f"{kind}?{query}")).fields["totalSize"] for kind in ("query", "queryAll")] == [0, 1]
    assert (await ada.state())["writes"] == 3


@pytest.mark.parametrize(
    ("name", "values", "code", "fields"),
    [
        ("Account", {}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ("Account", {"Name": None}, "REQUIRED_FIELD_MISSING", ["Name"]),
        ("Lead", {"FirstName": "x"}, "REQUIRED_FIELD_MISSING", ["LastName", "Company"]),
        ("Opportunity", {"Name": "x"}, "REQUIRED_FIELD_MISSING", ["StageName", "CloseDate"]),
        ("Account", {"Name": "x" * 256}, "STRING_TOO_LONG", ["Name"]),
        ("Account", {"Name": "x", "Foo": 1}, "INVALID_FIELD", None),
        ("Account", {"Name": "x", "Id": UNKNOWN}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["Id"]),
        ("Account", {"Name": "x", "CreatedDate": "2026-01-01"}, "INVALID_FIELD_FOR_INSERT_UPDATE", ["CreatedDate"]),
        ("Account", {"Name": "x", "NumberOfEmployees": "many"}, "JSON_PARSER_ERROR", None),
        ("Account", {"Name": "x", "NumberOfEmployees": 1.5}, "NUMBER_OUTSIDE_VALID_RANGE", ["NumberOfEmployees"]),
        ("Account", {"Name": {"a": 1}}, "JSON_PARSER_ERROR", None),
        ("Account", {"Name": "x", "Tier__c": "Tin"}, "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", ["Tier__c"]),
        ("Account", {"Name": "x", "ParentId": "abc"}, "MALFORMED_ID", ["ParentId"]),
        ("Account", {"Name": "x", "ParentId": "003000000000001AAA"}, "FIELD_INTEGRITY_EXCEPTION", ["ParentId"]),
        ("Account", {"Name": "x", "ParentId": UNKNOWN}, "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY", None),
        ("Account", {"Name": "x", "External_Key__c": "acc-0001"}, "DUPLICATE_VALUE", None),
        ("Contact", {"LastName": "x", "Email": "nobody"}, "INVALID_EMAIL_ADDRESS", ["Email"]),
        ("Contact", {"LastName": "x", "Birthdate": "tomorrow"}, "JSON_PARSER_ERROR", None),
        ("Contact", {"LastName": "x", "DoNotCall": "perhaps"}, "JSON_PARSER_ERROR", None),
        ("Event", {"StartDateTime": "noon", "EndDateTime": "noon"}, "JSON_PARSER_ERROR", None),
        ("User", {"LastName": "x"}, "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", None),
    ],
)  # fmt: skip
async def test_what_does_not_fit_is_refused(
    ada: Peer, name: str, values: Json, code: str, fields: list[str] | None
) -> None:
    """Each mistake is a 400 that names its fields, and nothing is written."""
    reply = await ada.rest("POST", f"sobjects/{name}", values)

    assert (reply.status, reply.code, reply.items[0].get("fields")) == (400, code, fields)
    assert (await ada.state())["writes"] == 0


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"text"', b"[" * 100_000])
async def test_a_body_that_is_no_object_is_refused(ada: Peer, body: bytes) -> None:
    """Whatever it is: JSON_PARSER_ERROR."""
    reply = await ada.call("POST", "/services/data/v66.0/sobjects/Account", data=body)

    assert (reply.status, reply.code) == (400, "JSON_PARSER_ERROR")


@pytest.mark.parametrize(
    ("method", "record_id", "status", "code"),
    [
        ("GET", UNKNOWN, 404, "NOT_FOUND"), ("GET", "abc", 404, "NOT_FOUND"), ("PATCH", UNKNOWN, 404, "NOT_FOUND"),
        ("DELETE", UNKNOWN, 404, "NOT_FOUND"), ("DELETE", "abc", 404, "NOT_FOUND"),
    ],
)  # fmt: skip
async def test_a_record_that_is_not_there(ada: Peer, method: str, record_id: str, status: int, code: str) -> None:
    """404 for reading, changing, deleting."""
    reply = await ada.rest(method, f"sobjects/Account/{record_id}", {"Name": "x"} if method == "PATCH" else None)

    assert (reply.status, reply.code) == (status, code)


async def test_what_follows_from_other_fields(ada: Peer) -> None:
    """A contact's name, an opportunity's probability, a case's number and end are the org's own work."""
    contact = (await ada.rest("POST", "sobjects/Contact", {"FirstName": "A", "LastName": "B"})).fields["id"]
    deal = (
        await ada.rest(
            "POST", "sobjects/Opportunity", {"Name": "x", "StageName": "Closed Won", "CloseDate": "2026-12-01"}
        )
    ).fields["id"]
    case = (await ada.rest("POST", "sobjects/Case", {"Subject": "x", "Status": "Closed"})).fields["id"]

    assert (await ada.records(f"SELECT Name FROM Contact WHERE Id = '{contact}'"))[0]["Name"] == "A B"
    won = (
        await ada.records(f"SELECT Probability, IsWon, IsClosed, Owner.Username FROM Opportunity WHERE Id = '{deal}'")
    )[0]
    assert (won["Probability"], won["IsWon"], won["IsClosed"]) == (100, True, True)
    closed = (await ada.records(f"SELECT CaseNumber, IsClosed, ClosedDate FROM Case WHERE Id = '{case}'"))[0]
    assert (closed["IsClosed"], closed["ClosedDate"]) == (True, "2026-11-25T12:00:00.000+0000")
    assert closed["CaseNumber"]


async def test_an_external_id_makes_or_changes(ada: Peer) -> None:
    """The first upsert makes the record (201), the second changes it (200); it is read and deleted by the key too."""
    path = f"sobjects/Account/External_Key__c/{quote('A/1 ü', safe='')}"
    made = await ada.rest("PATCH", path, {"Name": "one"})
    changed = await ada.rest("PATCH", path, {"Name": "two"})
    read = await ada.rest("GET", path)
    both = await ada.rest("PATCH", path, {"External_Key__c": "x"})
    deleted = await ada.rest("DELETE", path)

    assert (made.status, made.fields["created"]) == (201, True)
    assert (changed.status, changed.fields) == (
        200,
        {"id": made.fields["id"], "success": True, "errors": [], "created": False},
    )
    assert (read.fields["Name"], read.fields["External_Key__c"]) == ("two", "A/1 ü")
    assert both.code == "INVALID_FIELD"
    assert deleted.status == 204
    assert (await ada.rest("GET", path)).status == 404
    assert (await ada.rest("PATCH", "sobjects/Account/Phone/1", {"Name": "x"})).code == "NOT_FOUND"


async def test_relations_have_addresses(ada: Peer) -> None:
    """A record's parent and its children are read from its own address."""
    parent = await account(ada)
    child = await account(ada, ParentId=parent, Name="Child")

    assert (await ada.rest("GET", f"sobjects/Account/{child}/Parent")).fields["Id"] == parent
    assert (await ada.rest("GET", f"sobjects/Account/{parent}/ChildAccounts")).fields["totalSize"] == 1
    assert (await ada.rest("GET", f"sobjects/Account/{parent}/Nothing")).status == 404


async def test_a_post_may_stand_for_a_patch(ada: Peer) -> None:
    """`?_HttpMethod=PATCH`, for those who cannot patch."""
    record_id = await account(ada)

    assert (await ada.rest("POST", f"sobjects/Account/{record_id}?_HttpMethod=PATCH", {"Name": "x"})).status == 204


async def test_updated_and_deleted_in_a_window(ada: Peer) -> None:
    """Ids of what changed and what went between two times."""
    kept, gone = await account(ada), await account(ada)
    await ada.rest("DELETE", f"sobjects/Account/{gone}")
    window = "start=2026-11-25T11:59:59Z&end=2026-11-25T12:00:01Z"
    updated = (await ada.rest("GET", f"sobjects/Account/updated?{window}")).fields
    deleted = (await ada.rest("GET", f"sobjects/Account/deleted?{window}")).fields

    assert updated["ids"] == [kept]
    assert deleted["deletedRecords"] == [{"id": gone, "deletedDate": "2026-11-25T12:00:00.000+0000"}]


async def test_anonymous_apex_is_a_get_that_writes(ada: Peer) -> None:
    """It answers as Apex does and counts as one write."""
    reply = await ada.rest("GET", "tooling/executeAnonymous?anonymousBody=delete%20x;")

    assert (reply.fields["compiled"], reply.fields["success"]) == (True, True)
    assert (await ada.state())["writes"] == 1


async def test_own_code_may_write_by_get(ada: Peer) -> None:
    """apexrest: one GET only reads, another one counts as a write."""
    hello = await ada.call("GET", "/services/apexrest/demo/hello")
    assert hello.fields == {"greeting": "Hello Ada"}
    assert (await ada.state())["writes"] == 0
    assert (await ada.call("GET", "/services/apexrest/demo/touch")).status == 200
    assert (await ada.state())["writes"] == 1
    assert (await ada.call("GET", "/services/apexrest/other")).code == "NOT_FOUND"


async def test_limits_go_down(ada: Peer) -> None:
    """Each call is one less, in the header and in the resource."""
    first = await ada.rest("GET", "limits")
    second = await ada.rest("GET", "limits")

    assert [one.fields["DailyApiRequests"] for one in (first, second)] == [
        {"Max": 15000, "Remaining": 14999}, {"Max": 15000, "Remaining": 14998},
    ]  # fmt: skip
    assert second.headers["Sforce-Limit-Info"] == "api-usage=2/15000"


async def test_a_day_has_so_many_requests(ada: Peer) -> None:
    """When they are used up every call is 403, and who-am-I still answers."""
    await ada.lever("org", api_requests_used=14_999)
    last = await ada.rest("GET", "limits")
    refused = await ada.rest("GET", "limits")

    assert last.fields["DailyApiRequests"] == {"Max": 15000, "Remaining": 0}
    assert (refused.status, refused.code) == (403, "REQUEST_LIMIT_EXCEEDED")
    assert (await ada.call("GET", "/services/oauth2/userinfo")).status == 200


async def test_an_upsert_may_go_by_the_id(ada: Peer) -> None:
    """The field Id changes a record that is there, and makes none."""
    record_id = await account(ada)

    assert (await ada.rest("PATCH", f"sobjects/Account/Id/{record_id}", {"Name": "x"})).fields["created"] is False
    assert (await ada.rest("PATCH", f"sobjects/Account/Id/{UNKNOWN}", {"Name": "x"})).status == 404


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/services/oauth2/token", {"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}),
        ("/services/oauth2/introspect", {"Content-Type": "application/x-www-form-urlencoded"}),
        ("/services/oauth2/token", {"Content-Type": "application/json"}),
        ("/services/oauth2/revoke", {"Content-Type": "application/x-www-form-urlencoded"}),
    ],
)
async def test_bytes_that_are_no_form_are_a_refusal(peer: Peer, path: str, headers: dict[str, str]) -> None:
    """Whatever is posted: 400, never a failure of the org."""
    reply = await peer.call("POST", path, data=b"grant_type=\xff\xfe&%ff%00=%ud", headers=headers)

    assert reply.status == 400
    assert reply.fields["error"]
