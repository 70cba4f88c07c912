"""What each request is: a line for every family of Salesforce's APIs."""

import json

import pytest

from meshmesh_daemon.core.classify import Kind, Verdict, classify, is_plain_read, wants_body
from meshmesh_daemon.core.classify.judge import TABLE
from meshmesh_daemon.core.targets import read_target

V = "/services/data/v66.0"
ID = "001000000000001AAA"
JOB = "750000000000001AAA"
JSON = "application/json; charset=UTF-8"
XML = "text/xml; charset=utf-8"
R, W, U, D = Kind.READ, Kind.WRITE, Kind.UNKNOWN, Kind.DENY


def judged(method: str, address: str, body: object = None, content_type: str = JSON) -> Verdict:
    """The verdict on a request, whose body is bytes, or anything that is sent as JSON."""
    data = body if isinstance(body, bytes) or body is None else json.dumps(body).encode()
    return classify(method, read_target(f"/o/demo{address}", "/o/"), content_type, data)


READS = [
    "",
    "/",
    "/limits",
    "/limits/",
    "/limits/recordCount?sObjects=Account",
    "/recent",
    "/tabs",
    "/theme",
    "/appMenu/AppSwitcher",
    "/compactLayouts?q=Account",
    "/licensing/features",
    "/support/dataCategoryGroups",
    "/search/layout?q=Account",
    "/search/scopeOrder",
    "/search/suggestions?q=Ac&sobject=Account",
    "/search/suggestTitleMatches?q=Ac",
    "/folders/00l000000000001",
    "/query?q=SELECT+Id+FROM+Account",
    "/query/?q=SELECT+Id+FROM+Account&columns=true",
    "/queryAll?q=SELECT+Id+FROM+Account",
    "/query/01gD0000002HU6KIAW-2000",
    "/queryAll/01gD0000002HU6KIAW-2000",
    "/query?explain=SELECT+Id+FROM+Account",
    "/search?q=FIND+%7BAcme%7D",
    "/parameterizedSearch?q=Acme",
    "/sobjects",
    "/sobjects/Account",
    "/sobjects/Account/describe",
    "/sobjects/Account/describe/layouts/012000000000000AAA",
    "/sobjects/Account/updated?start=a&end=b",
    "/sobjects/Account/deleted?start=a&end=b",
    "/sobjects/Account/listviews/recent",
    f"/sobjects/Account/{ID}?fields=Name",
    "/sobjects/Account/Key__c/ACC-0001",
    f"/sobjects/Account/{ID}/Contacts",
    "/sobjects/Attachment/00P000000000001AAA/Body",
    "/sobjects/User/005000000000001AAA/password",
    "/sobjects/Account/quickActions/Edit/defaultValues",
    "/composite",
    f"/composite/sobjects?ids={ID}&fields=Id",
    f"/composite/sobjects/Account?ids={ID}&fields=Id",
    "/actions",
    "/actions/standard/emailSimple",
    "/actions/custom/flow/My_Flow",
    "/quickActions/Log_a_Call/describe",
    "/process/approvals",
    "/process/rules/Account",
    "/tooling",
    "/tooling/query?q=SELECT+Id+FROM+ApexClass",
    "/tooling/search?q=FIND+%7BAcme%7D",
    "/tooling/completions?type=apex",
    "/tooling/sobjects/ApexClass/01p000000000001AAA",
    "/jobs/query",
    f"/jobs/query/{JOB}/results?maxRecords=10",
    f"/jobs/query/{JOB}/resultPages",
    "/jobs/ingest",
    f"/jobs/ingest/{JOB}",
    f"/jobs/ingest/{JOB}/successfulResults",
    f"/jobs/ingest/{JOB}/failedResults/",
    "/metadata/deployRequest/0Af000000000001AAA?includeDetails=true",
    "/ui-api/records/001000000000001AAA?fields=Account.Name",
    "/ui-api/object-info/Account",
    "/connect/communities",
    "/chatter/users/me",
    "/named-credentials/credential",
    "/analytics/reports/00O000000000001AAA",
    "/analytics/dashboards/01Z000000000001AAA",
    "/wave/datasets",
    "/consent/action/email?ids=a",
    "/event/eventSchema/abc",
    "/event/Order__e/eventSchema",
    "/knowledgeManagement/settings",
    "/commerce/webstores/x",
    "/payments/x",
    "/einstein/prompt-templates",
    "/ssot/data-streams",
    "/apps/oauth/usage",
    "/some-new-family/x",
]
GETS = [
    # what a GET may do all the same
    ("/query?q=SELECT+Id+FROM+Account+FOR+VIEW", W),
    ("/queryAll/?q=SELECT+Id+FROM+Account+for%09reference", W),
    ("/query?q=SELECT+Id+FROM+Account+FOR%0AUPDATE", W),
    ("/query?explain=SELECT+Id+FROM+Account+FOR+VIEW", W),
    ("/search?q=FIND+%7BAcme%7D+UPDATE+TRACKING", W),
    ("/search?q=FIND+%7Bit's%7D+update%20viewstat", W),
    ("/tooling/query?q=SELECT+Id+FROM+ApexClass+FOR+VIEW", W),
    ("/parameterizedSearch?q=x&updateTracking=true", W),
    ("/ui-api/list-ui/Account/All?updateMru=true", W),
    ("/tooling/executeAnonymous?anonymousBody=delete+x%3B", W),
    ("/tooling/executeAnonymous/", W),
    ("/tooling/EXECUTEANONYMOUS?anonymousBody=x", W),
    ("/tooling/executeAnonymous/x", W),
    ("/tooling/runTestsSynchronous?classnames=A", W),
    ("/tooling/runTestsAsynchronous/?classnames=A", W),
    ("/tooling/apexManifest", U),
    ("/apps/oauth/credentials/3MVG9", U),
    ("/graphql?query=query%7Ba%7D", U),
    ("/jobs/other", U),
    # what is no address of Salesforce's, but near one
    ("/x/tooling/executeAnonymous?anonymousBody=x", U),
    ("/v66.0/Tooling/x", U),
    ("/query.json?q=SELECT+Id+FROM+Account+FOR+VIEW", U),
    ("/too%C5%BFling/x", U),
    ("/some.family", U),
    ("/query", U),
    ("/search", U),
]
CHANGES = [
    ("POST", "/sobjects/Account", W),
    ("POST", "/sobjects/Order__e", W),
    ("POST", "/sobjects/Account/", W),
    ("PATCH", f"/sobjects/Account/{ID}", W),
    ("DELETE", f"/sobjects/Account/{ID}", W),
    ("PUT", f"/sobjects/Account/{ID}", W),
    ("POST", f"/sobjects/Account/{ID}", W),
    ("PATCH", "/sobjects/Account/Key__c/A-1", W),
    ("POST", "/sobjects/Account/Key__c/A-1", W),
    ("DELETE", "/sobjects/Account/Key__c/A-1", W),
    ("POST", "/sobjects/User/005000000000001AAA/password", W),
    ("DELETE", "/sobjects/User/005000000000001AAA/password", W),
    ("POST", "/sobjects/Account/quickActions/Edit", W),
    ("POST", f"/sobjects/Account/{ID}/quickActions/Edit", W),
    ("POST", "/quickActions/Log_a_Call", W),
    ("POST", "/sobjects/StreamingChannel/0M6000000000001AAA/push", W),
    ("POST", "/composite/sobjects", W),
    ("PATCH", "/composite/sobjects", W),
    ("DELETE", f"/composite/sobjects?ids={ID}", W),
    ("PATCH", "/composite/sobjects/Account/Key__c", W),
    ("POST", "/composite/tree/Account", W),
    ("POST", "/actions/standard/emailSimple", W),
    ("POST", "/actions/custom/flow/My_Flow", W),
    ("POST", "/process/approvals", W),
    ("POST", "/process/rules", W),
    ("POST", "/process/rules/Account/01Q000000000001AAA", W),
    ("POST", "/tooling/sobjects/ApexClass", W),
    ("PATCH", "/tooling/sobjects/ApexClass/01p000000000001AAA", W),
    ("DELETE", "/tooling/sobjects/ApexClass/01p000000000001AAA", W),
    ("POST", "/tooling/composite/sobjects", W),
    ("POST", "/tooling/executeAnonymous", W),
    ("HEAD", "/tooling/executeAnonymous?anonymousBody=x", W),
    ("OPTIONS", "/tooling/executeAnonymous?anonymousBody=x", W),
    ("POST", "/tooling/runTestsAsynchronous", W),
    ("POST", "/tooling/runTestsSynchronous", W),
    ("DELETE", f"/jobs/ingest/{JOB}", W),
    ("PUT", f"/jobs/ingest/{JOB}", U),
    ("POST", "/metadata/deployRequest", W),
    ("POST", "/metadata/deployRequest/0Af000000000001AAA", W),
    ("PATCH", "/metadata/deployRequest/0Af000000000001AAA", W),
    ("POST", "/ui-api/records", W),
    ("PATCH", f"/ui-api/records/{ID}", W),
    ("DELETE", f"/ui-api/records/{ID}", W),
    ("POST", "/ui-api/actions/perform-quick-action/X", W),
    ("POST", "/connect/files/users/me", W),
    ("PUT", "/connect/named-credentials/credential", W),
    ("POST", "/chatter/feed-elements", W),
    ("PATCH", "/chatter/users/me", W),
    ("POST", "/named-credentials/credential", W),
    ("POST", "/analytics/reports", W),
    ("POST", "/analytics/reports?cloneId=00O000000000001AAA", W),
    ("POST", "/analytics/reports/00O000000000001AAA?CLONEID=x", W),
    ("PATCH", "/analytics/reports/00O000000000001AAA", W),
    ("DELETE", "/analytics/reports/00O000000000001AAA", W),
    ("POST", "/analytics/dashboards/01Z000000000001AAA?cloneId=x", W),
    ("PATCH", "/analytics/dashboards/01Z000000000001AAA", W),
    ("DELETE", "/analytics/dashboards/01Z000000000001AAA", W),
    ("POST", "/wave/dashboards", W),
    ("PATCH", "/consent/action/email", W),
    ("POST", "/knowledgeManagement/articleVersions", W),
    ("POST", "/commerce/x", W),
    ("POST", "/payments/authorizations", W),
    ("POST", "/folders", W),
    ("DELETE", "/folders/00l000000000001", W),
    ("POST", "/einstein/prompt-templates/x/generations", U),
    ("POST", "/ssot/data-streams", W),
    ("DELETE", "/apps/oauth/usage/x/users/y/tokens", W),
    ("POST", "/async-queries", W),
    ("POST", "/some-new-family/x", U),
    ("DELETE", "/limits", U),
    ("POST", "/query", U),
    ("PUT", "", U),
    # POST that reads
    ("POST", "/analytics/reports/query", R),
    ("POST", "/analytics/reports/00O000000000001AAA", R),
    ("POST", "/analytics/reports/00O000000000001AAA/instances", R),
    ("PUT", "/analytics/dashboards/01Z000000000001AAA", R),
    ("POST", "/analytics/dashboards/01Z000000000001AAA", R),
    ("POST", "/wave/query", R),
    ("POST", "/scheduling/getAppointmentSlots", R),
    ("POST", "/scheduling/getAppointmentCandidates", R),
    ("POST", "/ssot/queryv2", R),
    ("POST", "/ssot/query", R),
    ("POST", "/ssot/query-sql", R),
    ("POST", "/ssot/universalIdLookup", R),
    ("DELETE", f"/jobs/query/{JOB}", R),
    ("PUT", f"/jobs/ingest/{JOB}/batches", R),
    ("HEAD", "/limits", R),
    ("OPTIONS", "/sobjects/Account", R),
    # methods that nobody knows, and methods in another case
    ("get", "/limits", U),
    ("Get", "/tooling/query", U),
    ("TRACE", "/limits", U),
    ("PROPFIND", "/sobjects/Account", U),
    ("GET\x00", "/limits", U),
    ("", "/limits", U),
]
OTHER_ROOTS = [
    ("GET", "/services/data", R),
    ("GET", "/services/data/", R),
    ("GET", "/services/DATA/V66.0/Limits", R),
    ("POST", "/services/data", U),
    ("GET", "/services/data/v66/limits", U),
    ("GET", "/services/data/66.0/limits", U),
    ("GET", "/services/data/v66.0x/limits", U),
    ("GET", f"/services/async/59.0/job/{JOB}", R),
    ("GET", f"/services/async/59.0/job/{JOB}/batch/751000000000001AAA/result/752000000000001AAA", R),
    ("PUT", f"/services/async/59.0/job/{JOB}", U),
    ("GET", "/services/async/59.0/other", U),
    ("GET", "/services/async/job", U),
    ("GET", "/services/Soap/u/66.0", U),
    ("POST", "/services/Soap/class/My_Class", U),
    ("GET", "/services/Soap/class/My_Class", U),
    ("GET", "/services/apexrest/x", U),
    ("HEAD", "/services/apexrest/x", U),
    ("OPTIONS", "/services/apexrest/x", U),
    ("POST", "/services/apexrest/x/y", U),
    ("GET", "/services/oauth2/userinfo", R),
    ("POST", "/services/oauth2/introspect", R),
    ("GET", "/id/00D000000000062EAA/005000000000001AAA", R),
    ("POST", "/id/00D000000000062EAA/005000000000001AAA", U),
    ("GET", "/id/00D000000000062EAA", U),
    ("POST", "/services/oauth2/token", D),
    ("GET", "/services/oauth2/authorize", D),
    ("POST", "/services/oauth2/register", D),
    ("GET", "/services/oauth2/singleaccess", D),
    ("POST", "/services/oauth2/SingleAccess/", D),
    ("GET", "/services/oauth2/revoke", D),
    ("POST", "/services/oauth2/revoke", D),
    ("GET", "/services/oauth2/userinfo/x", D),
    ("GET", "/services/proxy", D),
    ("GET", "/services", D),
    ("GET", "/secur/frontdoor.jsp", D),
    ("GET", "/servlet/servlet.su", D),
    ("GET", "/lightning/setup/SetupOneHome/home", D),
    ("POST", "/cometd/66.0/handshake", D),
    ("GET", "/", D),
]


@pytest.mark.parametrize("address", READS)
def test_what_reads_is_a_read(address: str) -> None:
    """A GET of every family that only reads is a read, with its body looked at or not."""
    verdict = judged("GET", V + address)

    assert (verdict.kind, verdict.prepares, len(verdict.parts)) == (R, False, 1)
    assert not wants_body("GET", read_target(f"/o/demo{V}{address}", "/o/").path, JSON)


@pytest.mark.parametrize(("address", "kind"), GETS)
def test_a_get_may_be_a_write(address: str, kind: Kind) -> None:
    """What leaves a trace, runs code or gives out secrets is no read because it is a GET."""
    assert judged("GET", V + address).kind is kind


@pytest.mark.parametrize(("method", "address", "kind"), CHANGES)
def test_the_method_and_the_address_decide(method: str, address: str, kind: Kind) -> None:
    """Whatever the body, where the body does not matter."""
    assert judged(method, V + address, {}).kind is kind
    assert judged(method, V + address).kind is kind


@pytest.mark.parametrize(
    "address",
    [V + address for address in (*READS, *(one for one, _ in GETS), *(one for _, one, _ in CHANGES))]
    + [address for _, address, _ in OTHER_ROOTS],
)
def test_the_short_way_says_what_the_long_one_says(address: str) -> None:
    """What is told a read by its address alone is a read whatever else the request has, and nothing comes of it."""
    path = read_target(f"/o/demo{address}", "/o/").path
    bodies: list[object] = [None, b"", {"records": []}]
    for method in ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "get"):
        if is_plain_read(method, path):
            verdicts = [judged(method, address, body) for body in bodies]
            assert [(verdict.kind, verdict.prepares) for verdict in verdicts] == [(R, False)] * 3


@pytest.mark.parametrize(
    ("method", "address", "plain"),
    [
        ("GET", "/limits", True),
        ("HEAD", f"/sobjects/Account/{ID}", True),
        ("GET", "/query?q=SELECT+Id+FROM+Account", False),
        ("PUT", f"/jobs/ingest/{JOB}/batches", False),
        ("DELETE", f"/sobjects/Account/{ID}", False),
        ("GET", "/tooling/executeAnonymous?anonymousBody=x", False),
    ],
)
def test_which_reads_need_no_second_look(method: str, address: str, *, plain: bool) -> None:
    """Those whose row names nothing else that decides; making or filling a job is none of them."""
    assert is_plain_read(method, read_target(f"/o/demo{V}{address}", "/o/").path) is plain


@pytest.mark.parametrize(("method", "address", "kind"), OTHER_ROOTS)
def test_every_other_root(method: str, address: str, kind: Kind) -> None:
    """Below other roots little is known, and outside of them nothing is sent."""
    assert judged(method, address).kind is kind


BODIES: list[tuple[str, str, object, Kind]] = [
    ("POST", "/parameterizedSearch", {"q": "Acme"}, R),
    ("POST", "/parameterizedSearch", {"q": "Acme", "updateTracking": True}, W),
    ("POST", "/ui-api/predupe", {"apiName": "Lead", "fields": {}}, R),
    ("POST", "/ui-api/list-records/Account/All", {"pageSize": 5}, R),
    ("POST", "/ui-api/list-records/Account/All", {"UpdateMRU": True}, W),
    ("POST", "/composite/sobjects/Account", {"ids": [ID], "fields": ["Id"]}, R),
    ("POST", "/composite/sobjects/Account", {"ids": [ID], "fields": ["Id"], "records": []}, U),
    ("POST", "/composite/sobjects/Account", {"records": []}, U),
    ("POST", "/composite/sobjects/Account", [], U),
    ("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM Account"}, R),
    ("POST", "/jobs/query", {"operation": "queryAll", "query": "SELECT Id FROM Account"}, R),
    ("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM Account FOR VIEW"}, W),
    ("POST", "/jobs/query", {"operation": "delete", "query": "SELECT Id FROM Account"}, U),
    ("POST", "/jobs/query", {"operation": "query", "query": "SELECT Id FROM Account", "object": "X"}, U),
    ("POST", "/jobs/query", {"query": "SELECT Id FROM Account"}, U),
    ("PATCH", f"/jobs/query/{JOB}", {"state": "Aborted"}, R),
    ("PATCH", f"/jobs/query/{JOB}", {"state": "UploadComplete"}, U),
    ("POST", "/jobs/ingest", {"operation": "delete", "object": "Account", "contentType": "CSV"}, R),
    ("POST", "/jobs/ingest", {"operation": "delete", "object": "Account", "state": "UploadComplete"}, U),
    ("POST", "/jobs/ingest", {"operation": "delete"}, U),
    ("PATCH", f"/jobs/ingest/{JOB}", {"state": "UploadComplete"}, W),
    ("PATCH", f"/jobs/ingest/{JOB}", {"state": "Aborted"}, W),
    ("PATCH", f"/jobs/ingest/{JOB}", {"state": "uploadcomplete"}, U),
    ("PATCH", f"/jobs/ingest/{JOB}", {"State": "UploadComplete", "state": "Aborted"}, U),
]


@pytest.mark.parametrize(("method", "address", "body", "kind"), BODIES)
def test_the_body_decides(method: str, address: str, body: object, kind: Kind) -> None:
    """Where the body says what happens, a known body decides, and without it nothing is known."""
    path = read_target(f"/o/demo{V}{address}", "/o/").path

    assert judged(method, V + address, body).kind is kind
    assert wants_body(method, path, JSON)
    assert judged(method, V + address).kind is U


ASYNC = "/services/async/59.0/job"
JOB_INFO = '<jobInfo xmlns="http://www.force.com/2009/06/asyncapi/dataload">{}</jobInfo>'
FIRST: list[tuple[str, object, str, Kind]] = [
    ("", {"operation": "query", "object": "Account", "concurrencyMode": 0, "contentType": "JSON"}, JSON, R),
    ("", {"operation": "queryAll", "object": "Account"}, JSON, R),
    ("", {"operation": "insert", "object": "Account"}, JSON, W),
    ("", {"operation": "hardDelete", "object": "Account"}, JSON, W),
    ("", {"operation": "query", "Operation": "delete"}, JSON, D),
    ("", {"object": "Account"}, JSON, U),
    ("", JOB_INFO.format("<operation>query</operation><object>Account</object>").encode(), XML, R),
    ("", JOB_INFO.format("<operation>update</operation><object>Account</object>").encode(), XML, W),
    ("", JOB_INFO.format("<operation>query</operation><operation>delete</operation>").encode(), XML, D),
    ("", JOB_INFO.format("<operation>query<b/></operation>").encode(), XML, U),
    ("", b"<!DOCTYPE a><jobInfo><operation>query</operation></jobInfo>", XML, D),
    ("", JOB_INFO.format("<operation>query</operation>").encode(), JSON, D),
    ("", {"operation": "query"}, XML, D),
    ("", {"operation": "query"}, "text/csv", U),
    (f"/{JOB}", {"state": "Closed"}, JSON, R),
    (f"/{JOB}", JOB_INFO.format("<state>Closed</state>").encode(), XML, R),
    (f"/{JOB}", {"state": "Aborted"}, JSON, W),
    (f"/{JOB}", {"state": "Closed", "operation": "delete"}, JSON, U),
    (f"/{JOB}/batch", b"SELECT Id FROM Account", "text/csv; charset=UTF-8", R),
    (f"/{JOB}/batch", b"select Id from Account where Name = 'a, b'", JSON, R),
    (f"/{JOB}/batch", b"SELECT Id FROM Account FOR VIEW", "text/csv", W),
    (f"/{JOB}/batch", b"SELECT Id FROM Account\nx", "text/csv", W),
    (f"/{JOB}/batch", b"SELECT Id FROM Account\rx", "text/csv", W),
    (f"/{JOB}/batch", "SELECT Id FROM Account\u2028x".encode(), "text/csv", W),
    (f"/{JOB}/batch", b"Name\nAcme\n", "text/csv", W),
    (f"/{JOB}/batch", [{"Name": "Acme"}], JSON, W),
    (f"/{JOB}/batch", b"S\x00E\x00", "text/csv; charset=utf-16", W),
]


@pytest.mark.parametrize(("address", "body", "content_type", "kind"), FIRST)
def test_the_first_bulk_api(address: str, body: object, content_type: str, kind: Kind) -> None:
    """A query is a read from its job to its closing; everything that carries rows is a write at once."""
    assert judged("POST", ASYNC + address, body, content_type).kind is kind
    assert judged("POST", ASYNC + address, None, content_type).kind in {U, W}


ENVELOPE = (
    '<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Header><SessionHeader xmlns="{ns}"><sessionId>x'
    '</sessionId></SessionHeader></s:Header><s:Body><{op} xmlns="{ns}">{inside}</{op}></s:Body></s:Envelope>'
)
NAMESPACES = {
    "u": "urn:partner.soap.sforce.com",
    "c": "urn:enterprise.soap.sforce.com",
    "T": "urn:tooling.soap.sforce.com",
    "m": "http://soap.sforce.com/2006/04/metadata",
    "s": "http://soap.sforce.com/2006/08/apex",
}
READING = (
    "query queryAll queryMore retrieve search describeGlobal describeSObject describeSObjects describeLayout describeTabs "
    "getDeleted getUpdated getServerTimestamp getUserInfo findDuplicates findDuplicatesByIds renderEmailTemplate"
)
WRITING = (
    "create update upsert delete undelete merge process convertLead emptyRecycleBin performQuickActions sendEmail "
    "sendEmailMessage setPassword resetPassword changeOwnPassword invalidateSessions logout deleteByExample"
)
SOAP = [
    *((api, name, R) for api in "ucT" for name in READING.split()),
    *((api, name, W) for api in "ucT" for name in WRITING.split()),
    *((api, "login", D) for api in "ucT"),
    *((api, name, U) for api in "ucTm" for name in ("Query", "query2", "getEverything")),
    *(("m", name, R) for name in ["describeMetadata", "listMetadata", "readMetadata", "describeValueType", "retrieve"]),
    *(("m", name, R) for name in ("checkDeployStatus", "checkRetrieveStatus")),
    *(("m", name, W) for name in ["deploy", "cancelDeploy", "deployRecentValidation", "createMetadata"]),
    *(("m", name, W) for name in ["updateMetadata", "upsertMetadata", "deleteMetadata", "renameMetadata"]),
    ("m", "query", U),
    ("u", "executeAnonymous", U),
    *(("T", name, W) for name in ("executeAnonymous", "runTests", "runTestsAsynchronous")),
    *(("s", name, W) for name in ("executeAnonymous", "compileClasses", "query", "anything")),
]


@pytest.mark.parametrize(("api", "operation", "kind"), SOAP)
def test_soap_by_its_operation(api: str, operation: str, kind: Kind) -> None:
    """The one operation in the Body decides, in its own namespace only."""
    path = f"/services/Soap/{api}/66.0"
    body = ENVELOPE.format(ns=NAMESPACES[api], op=operation, inside="").encode()
    elsewhere = ENVELOPE.format(ns="urn:other", op=operation, inside="").encode()

    assert judged("POST", path, body, XML).kind is kind
    assert judged("POST", path, elsewhere, XML).kind is U
    assert judged("POST", path, body, JSON).kind is U
    assert judged("POST", path, None, XML).kind is U
    assert wants_body("POST", path, XML)


def test_a_soap_query_that_leaves_a_trace_is_a_write() -> None:
    """SOQL in SOAP is SOQL."""
    ns = NAMESPACES["u"]
    plain = "<queryString>SELECT Id FROM Account</queryString>"
    trace = "<queryString>SELECT Id FROM Account <!-- --> FOR <![CDATA[VIEW]]></queryString>"

    assert (
        judged("POST", "/services/Soap/u/66.0", ENVELOPE.format(ns=ns, op="query", inside=plain).encode(), XML).kind
        is R
    )
    for inside in (trace, plain + trace, trace + plain):
        body = ENVELOPE.format(ns=ns, op="query", inside=inside).encode()
        assert judged("POST", "/services/Soap/u/66.0", body, XML).kind is W


def test_a_bulk_job_is_made_and_filled_and_its_closing_is_the_write() -> None:
    """Nothing happens before UploadComplete, and that names its job."""
    made = judged("POST", V + "/jobs/ingest", {"operation": "insert", "object": "Account"})
    filled = judged("PUT", V + f"/jobs/ingest/{JOB}/batches", b"Name\nAcme\n", "text/csv")
    closed = judged("PATCH", V + f"/jobs/ingest/{JOB}", {"state": "UploadComplete"})

    assert [one.prepares for one in (made, filled, closed)] == [True, True, False]
    assert [one.bulk_job for one in (made, filled, closed)] == [None, None, JOB]
    assert filled.parts[0].record_id == JOB
    assert not wants_body("PUT", V + f"/jobs/ingest/{JOB}/batches", "text/csv")


def test_a_letter_that_only_looks_like_another_is_another() -> None:
    """Long s and the Kelvin sign lower-case, or case-fold, to ASCII letters: not here."""
    body = {"ids": [ID], "fields": ["Id"]}

    assert judged("POST", V + "/COMPOSITE/SObjects/Account", body).kind is R
    assert judged("POST", V + "/composite/%C5%BFobjects/Account", body).kind is U
    assert judged("POST", V + "/compo%C5%BFite/sobjects/Account", body).kind is U
    assert judged("GET", V + "/tooling/completion%C5%BF").kind is U


def test_a_multipart_bulk_job_starts_at_once() -> None:
    """Rows that come with the job are a write."""
    verdict = judged("POST", V + "/jobs/ingest", b"--x\r\n", "multipart/form-data; boundary=x")

    assert (verdict.kind, verdict.prepares) == (W, False)


def test_a_body_of_a_type_that_no_reader_takes_is_not_waited_for() -> None:
    """It is held for its type alone."""
    for content_type in ("", "multipart/form-data; boundary=x", "application/json; charset=utf-16"):
        assert wants_body("POST", V + "/composite", content_type) == (content_type[:5] == "multi")
        assert judged("POST", V + "/composite", None, content_type).kind is U


def test_rows_of_the_table_have_one_meaning_each() -> None:
    """Rows that share an id say the same kind, and each row can be reached by its own pattern's words."""
    kinds: dict[str, set[Kind]] = {}
    for rule in TABLE.rules:
        kinds.setdefault(rule.id, set()).add(rule.kind)

    assert {name: found for name, found in kinds.items() if len(found) > 1} == {}
