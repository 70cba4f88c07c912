"""What a held request would do, told in words and in parts."""

import base64
import io
import json
import zipfile

import pytest

from meshmesh_daemon.core.classify import Json, Kind, Part, Verdict, classify
from meshmesh_daemon.core.targets import read_target

V = "/services/data/v66.0"
ID = "001000000000001AAA"
JSON = "application/json"
PARTNER, METADATA = "urn:partner.soap.sforce.com", "http://soap.sforce.com/2006/04/metadata"


def judged(method: str, address: str, body: object = None, content_type: str = JSON) -> Verdict:
    """The verdict on a request."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return classify(method, read_target(f"/o/demo{address}", "/o/"), content_type, data)


def soap(operation: str, inside: str, namespace: str = PARTNER) -> bytes:
    """An envelope around an operation."""
    return (
        '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>'
        f'<{operation} xmlns="{namespace}">{inside}</{operation}></e:Body></e:Envelope>'
    ).encode()


def told(part: Part) -> tuple[str, str | None, str | None, dict[str, Json] | None]:
    """What a part says of a record."""
    return part.action, part.sobject, part.record_id, None if part.fields is None else dict(part.fields)


def rows(*kinds: str) -> list[dict[str, object]]:
    """New records for a collection."""
    return [{"attributes": {"type": kind}, "Name": "x"} for kind in kinds]


CHANGE = {"Rating": "Hot", "Phone": None}
SUMMARIES: list[tuple[str, str, object, str]] = [
    ("PATCH", f"{V}/sobjects/Account/{ID}", {"Rating": "Hot"}, "Update 1 Account: Rating"),
    ("POST", f"{V}/sobjects/Account", {"Name": "x", "Phone": "1"}, "Create 1 Account: Name, Phone"),
    ("POST", f"{V}/sobjects/Invoice__c", {}, "Create 1 Invoice__c"),
    ("DELETE", f"{V}/sobjects/Account/{ID}", None, "Delete 1 Account"),
    ("PATCH", f"{V}/sobjects/Account/Key__c/A-1", {"Name": "x"}, "Upsert 1 Account: Name"),
    ("POST", f"{V}/sobjects/Order__e", {"Total__c": 5}, "Publish 1 Order__e: Total__c"),
    ("POST", f"{V}/composite/sobjects", {"records": rows("Contact", "Contact", "Contact")}, "Create 3 Contacts: Name"),
    ("DELETE", f"{V}/composite/sobjects?ids={ID},{ID[:-4]}2AAA", None, "Delete 2 records"),
    ("PATCH", f"{V}/composite/sobjects", {"records": "x"}, "Update records (which ones cannot be shown)"),
    ("POST", f"{V}/sobjects/Account", dict.fromkeys("abcdefgh", 1), "Create 1 Account: a, b, c, d, e, and 3 more"),
    ("POST", f"{V}/sobjects/Account", {"evil\u202e\n": 1, "Name": 2}, "Create 1 Account: Name, and 1 more"),
    ("POST", f"{V}/sobjects/Account", {"a b": 1}, "Create 1 Account: 1 field"),
    ("POST", f"{V}/sobjects/Account", None, "Create 1 Account (fields not shown)"),
    ("POST", f"{V}/sobjects/Account", b"", "Create 1 Account (fields not shown)"),
    ("POST", f"{V}/sobjects/User/005000000000001AAA/password", {"NewPassword": "secret"},
     "Set the password of User 005000000000001AAA"),
    ("GET", f"{V}/tooling/executeAnonymous?anonymousBody=delete+x%3B", None, "Run anonymous Apex"),
    ("POST", f"{V}/actions/standard/emailSimple", {}, "Send an email"),
    ("POST", f"{V}/actions/custom/flow/Go", {}, f"Run an invocable action: POST {V}/actions/custom/flow/Go"),
    ("POST", f"{V}/chatter/feed-elements", {},
     f"Change Chatter (feeds, posts, files, groups): POST {V}/chatter/feed-elements"),
    ("POST", f"{V}/new/%E2%80%AE", {}, f"Not in this table: POST {V}/new/%E2%80%AE"),
    ("PATCH", f"{V}/jobs/ingest/750000000000001AAA", {"state": "UploadComplete"},
     "Close Bulk job 750000000000001AAA, so that its rows are processed"),
    ("POST", "/services/async/66.0/job", {"operation": "delete", "object": "Account"}, "Make a Bulk job, delete Account"),
    ("POST", f"{V}/ui-api/records", {"apiName": "Lead", "fields": {"Company": "x"}}, "Create 1 Lead: Company"),
    ("POST", "/services/oauth2/token", None, "Sign-in, tokens and sessions are never brokered"),
    ("POST", f"{V}/composite", b'{"a": 1, "a": 2}', "Not sent: a member of the JSON stands there twice"),
    ("POST", f"{V}/composite", {}, f"Several requests in one (its body has a shape that is not known): POST {V}/composite"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "address", "body", "summary"), SUMMARIES)
def test_the_summary_says_what_would_happen(method: str, address: str, body: object, summary: str) -> None:
    """One short sentence, in plain letters only."""
    told = judged(method, address, body).summary

    assert told == summary
    assert told.isascii()
    assert told.isprintable()


def test_a_summary_stays_short() -> None:
    """Whatever length the client's names have."""
    for address in (f"{V}/sobjects/{'A' * 5000}", f"{V}/{'A' * 5000}", f"{V}/actions/{'A' * 5000}"):
        verdict = judged("POST", address, {"B" * 5000: 1})

        assert verdict.kind is not Kind.READ
        assert len(verdict.summary) < 300


def test_a_single_record_is_told_whole() -> None:
    """Object, id and the new values, exactly."""
    update = judged("PATCH", f"{V}/sobjects/Account/{ID}", CHANGE)
    upsert = judged("PATCH", f"{V}/sobjects/Account/Key__c/A-1", CHANGE)
    create = judged("POST", f"{V}/sobjects/Account", {"attributes": {"type": "Account"}, **CHANGE})

    assert [told(part) for part in update.parts] == [("update", "Account", ID, CHANGE)]
    assert [told(part) for part in upsert.parts] == [("upsert", "Account", "Key__c/A-1", CHANGE)]
    assert [told(part) for part in create.parts] == [("create", "Account", None, CHANGE)]


def test_each_record_of_a_collection_is_a_part() -> None:
    """Id and type are told apart from the values; an external id names its record."""
    update = judged(
        "PATCH", f"{V}/composite/sobjects", {"records": [{"attributes": {"type": "Case"}, "id": ID, "Subject": "x"}]}
    )
    upsert = judged("PATCH", f"{V}/composite/sobjects/Case/Key__c", {"records": [{"key__c": "7", "Subject": "x"}]})
    delete = judged("DELETE", f"{V}/composite/sobjects?ids={ID}&allOrNone=true")

    assert [told(part) for part in update.parts] == [("update", "Case", ID, {"Subject": "x"})]
    assert [told(part) for part in upsert.parts] == [("upsert", "Case", "key__c/7", {"Subject": "x"})]
    assert [told(part) for part in delete.parts] == [("delete", None, ID, None)]


def test_a_tree_is_told_with_its_children() -> None:
    """Parents before their children, each with its own values."""
    child = {"attributes": {"type": "Contact", "referenceId": "c"}, "LastName": "y"}
    parent = {"attributes": {"type": "Account", "referenceId": "p"}, "Name": "x", "Contacts": {"records": [child]}}
    verdict = judged("POST", f"{V}/composite/tree/Account", {"records": [parent]})

    assert [told(part) for part in verdict.parts] == [
        ("create", "Account", None, {"Name": "x"}),
        ("create", "Contact", None, {"LastName": "y"}),
    ]


def test_a_composite_is_told_by_danger() -> None:
    """Parts keep the order in which they would run; the sentence begins with what is worst and ends with the reads."""
    requests: list[dict[str, object]] = [
        {"method": "GET", "url": f"{V}/sobjects/Account/{ID}", "referenceId": "a"},
        {"method": "POST", "url": f"{V}/sobjects/Task", "referenceId": "b", "body": {"Subject": "x"}},
        {"method": "PATCH", "url": f"{V}/sobjects/Account/{ID}", "referenceId": "c", "body": {"OwnerId": "005"}},
        {"method": "PATCH", "url": f"{V}/sobjects/Account/@{{a.Id}}", "referenceId": "d", "body": {"Rating": "Hot"}},
        {"method": "DELETE", "url": f"{V}/sobjects/Contact/{ID}", "referenceId": "e"},
        {
            "method": "POST",
            "url": f"{V}/sobjects/PermissionSetAssignment",
            "referenceId": "f",
            "body": {"AssigneeId": "005"},
        },
        {"method": "GET", "url": f"{V}/tooling/executeAnonymous?anonymousBody=x", "referenceId": "g"},
    ]
    verdict = judged("POST", f"{V}/composite", {"compositeRequest": requests})

    assert [part.kind is Kind.READ for part in verdict.parts] == [True, *[False] * 6]
    assert [part.method for part in verdict.parts] == [request["method"] for request in requests]
    assert verdict.parts[3].record_id is None
    assert verdict.summary == (
        "7 requests in one: delete 1 Contact; run anonymous Apex; update 1 Account: OwnerId; "
        "create 1 PermissionSetAssignment: AssigneeId; update 1 Account: Rating; create 1 Task: Subject; read 1 thing"
    )


def test_many_kinds_of_change_are_cut() -> None:
    """The sentence stays short, and says that it was cut."""
    requests = [
        {"method": "POST", "url": f"v66.0/sobjects/Thing{letter}__c", "richInput": {"Name": "x"}}
        for letter in "ABCDEFGHIJ"
    ]
    verdict = judged("POST", f"{V}/composite/batch", {"batchRequests": requests})

    assert verdict.summary.startswith("10 requests in one: create 1 ThingA__c: Name; ")
    assert verdict.summary.endswith("; and 4 other kinds of change")


def test_an_odd_request_in_a_composite_hides_no_other() -> None:
    """What can be told is told, and what cannot be sent is found behind what cannot be told."""
    odd, delete = {"method": "get", "url": "v66.0/limits"}, {"method": "DELETE", "url": f"v66.0/sobjects/Account/{ID}"}
    held = judged("POST", f"{V}/composite/batch", {"batchRequests": [odd, delete]})
    denied = judged(
        "POST", f"{V}/composite/batch", {"batchRequests": [odd, {"method": "GET", "url": "/services/oauth2/x"}]}
    )

    assert (held.kind, denied.kind) == (Kind.UNKNOWN, Kind.DENY)
    assert held.summary == (
        "2 requests in one: delete 1 Account; a request that cannot be told (its method is none that is known): "
        f"POST {V}/composite/batch"
    )


def test_a_denied_request_in_a_composite_denies_the_whole() -> None:
    """With that request's reason."""
    requests = [{"method": "GET", "url": f"{V}/limits"}, {"method": "GET", "url": "/secur/frontdoor.jsp"}]
    verdict = judged("POST", f"{V}/composite", {"compositeRequest": requests})

    assert verdict.kind is Kind.DENY
    assert verdict.summary == "Pages, frontdoor, servlets, CometD and all else is never brokered"


def test_graphql_mutations_are_told_with_their_variables() -> None:
    """Each change of a mutation is a part; variables and their defaults stand in their places."""
    document = """mutation Go($name: String!, $type: String = "Prospect") { uiapi(input: {allOrNone: true}) {
        one: AccountCreate(input: {Account: {Name: $name, Type: $type}}) { Record { Id } }
        AccountUpdate(input: {Id: "001", Account: {Name: "y"}}) { success }
        ContactDelete(input: {Id: "003"}) { Id }
        Other(x: 1) { Id } } }"""
    verdict = judged("POST", f"{V}/graphql", {"query": document, "variables": {"name": "x"}})

    assert [told(part) for part in verdict.parts] == [
        ("create", "Account", None, {"Name": "x", "Type": "Prospect"}),
        ("update", "Account", "001", {"Name": "y"}),
        ("delete", "Contact", "003", None),
        ("other", None, None, None),
    ]
    assert (
        verdict.summary == "Delete 1 Contact; update 1 Account: Name; create 1 Account: Name, Type; a GraphQL mutation"
    )


def test_soap_records_are_told() -> None:
    """Types and ids come from their elements, `fieldsToNull` empties."""
    record = "<sObjects><type>Account</type><Id>001</Id><Name>x</Name><fieldsToNull>Phone</fieldsToNull></sObjects>"
    update = judged("POST", "/services/Soap/u/66.0", soap("update", record), "text/xml")
    delete = judged("POST", "/services/Soap/u/66.0", soap("delete", "<ids>001</ids><ids>002</ids>"), "text/xml")
    publish = judged(
        "POST", "/services/Soap/u/66.0", soap("create", "<sObjects><type>A__e</type></sObjects>"), "text/xml"
    )
    apex = judged(
        "POST",
        "/services/Soap/T/66.0",
        soap("executeAnonymous", "<String>x;</String>", "urn:tooling.soap.sforce.com"),
        "text/xml",
    )

    assert [told(part) for part in update.parts] == [("update", "Account", "001", {"Name": "x", "Phone": None})]
    assert update.summary == "Update 1 Account: Name, Phone"
    assert [part.record_id for part in delete.parts] == ["001", "002"]
    assert publish.summary == "Publish 1 A__e"
    assert told(apex.parts[0]) == ("run", None, None, {"anonymousBody": "x;"})
    assert judged("POST", "/services/Soap/u/66.0", soap("sendEmail", ""), "text/xml").summary == "Send email"


def archive(*names: str) -> bytes:
    """A ZIP file with these files in it."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as opened:
        for name in names:
            opened.writestr(name, "x")
    return buffer.getvalue()


def form(**parts: bytes) -> bytes:
    """A multipart form with the boundary `b`."""
    pieces = (
        b'--b\r\nContent-Disposition: form-data; name="%s"\r\n\r\n%s\r\n' % (name.encode(), data)
        for name, data in parts.items()
    )
    return b"".join(pieces) + b"--b--\r\n"


FORM = "multipart/form-data; boundary=b"
OPTIONS = b'{"deployOptions": {"checkOnly": %s}}'
FILES = (
    "package.xml",
    "unpackaged/layouts/a.layout",
    "classes/A.cls",
    "classes/B.cls",
    "destructiveChanges.xml",
    "evil\n.x",
)


@pytest.mark.parametrize(
    ("options", "zipped", "summary"),
    [
        (
            OPTIONS % b"false",
            archive(*FILES),
            "Deploy metadata: with deletions, 2 in classes, 1 in layouts, 1 in other places",
        ),
        (OPTIONS % b"true", archive("package.xml"), "Check metadata as if it were deployed"),
        (OPTIONS % b'"true"', archive("classes/A.cls"), "Deploy metadata: 1 in classes"),
        (b"[]", b"no archive", "Deploy metadata (the archive cannot be read)"),
    ],
)
def test_a_deployment_is_told_from_its_archive(options: bytes, zipped: bytes, summary: str) -> None:
    """What the archive itself holds, by REST and by SOAP; only a plain `true` is a check."""
    rest = judged("POST", f"{V}/metadata/deployRequest", form(json=options, file=zipped), FORM)

    assert (rest.kind, rest.summary) == (Kind.WRITE, summary)
    if b"[]" not in options:
        flag = "true" if options.endswith(b": true}}") else "false"
        zip_file = base64.b64encode(zipped).decode()
        inside = f"<ZipFile>{zip_file}</ZipFile><DeployOptions><checkOnly>{flag}</checkOnly></DeployOptions>"
        assert judged("POST", "/services/Soap/m/66.0", soap("deploy", inside, METADATA), "text/xml").summary == summary


def test_a_form_with_a_part_twice_is_denied() -> None:
    """Which options count is not ours to guess."""
    twice = form(json=OPTIONS % b"true").removesuffix(b"--b--\r\n") + form(json=OPTIONS % b"false")

    assert judged("POST", f"{V}/metadata/deployRequest", twice, FORM).kind is Kind.DENY


def test_a_file_is_told_by_its_fields() -> None:
    """A record that comes with a file shows its JSON part; one in XML shows nothing."""
    with_file = judged(
        "POST", f"{V}/sobjects/ContentVersion", form(entity_content=b'{"Title": "x"}', VersionData=b"PDF"), FORM
    )
    as_xml = judged("POST", f"{V}/sobjects/Account", b"<Account><Name>x</Name></Account>", "application/xml")

    assert with_file.summary == "Create 1 ContentVersion: Title"
    assert (as_xml.kind, as_xml.summary) == (Kind.WRITE, "Create 1 Account (fields not shown)")
