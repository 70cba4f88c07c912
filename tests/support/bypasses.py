"""Every spelling of a write that somebody could hope to get past the broker, one a row.

In a row `{id}` stands for a record that is there, `{job}` for an open Bulk 2.0 job, `{first}` for one of Bulk 1, `{token}`
for the client's handle, `{port}` for the door.
"""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field

DATA = "/services/data/v66.0"
NAME = b'{"Name": "Bypassed"}'
JSON = "application/json"
XML = "text/xml; charset=UTF-8"
DATALOAD = "http://www.force.com/2009/06/asyncapi/dataload"
_SOAP = (
    '<?xml version="1.0" encoding="UTF-8"?><e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/" xmlns="{space}">'
    "<e:Header><SessionHeader><sessionId>{{token}}</sessionId></SessionHeader></e:Header><e:Body>{call}</e:Body></e:Envelope>"
)
PARTNER, ENTERPRISE, TOOLING = (f"urn:{name}.soap.sforce.com" for name in ("partner", "enterprise", "tooling"))
METADATA, APEX = "http://soap.sforce.com/2006/04/metadata", "http://soap.sforce.com/2006/08/apex"
_CREATE = "<create><sObjects><type>Account</type><Name>Bypassed</Name></sObjects></create>"


@dataclass(frozen=True)
class Spelling:
    """One request. `raw` is a whole one, for what no client would send."""

    method: str = "GET"
    target: str = ""
    body: bytes = b""
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    raw: str = ""

    @property
    def is_soap(self) -> bool:
        """Whether refusals are faults, with the one status that SOAP has for them."""
        return self.target.lower().startswith("/services/soap/")


def rest(method: str, path: str, body: object = None, **more: str) -> Spelling:
    """A call of REST, below the version; headers are written with `_`."""
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    content_type = more.pop("content_type", JSON)
    return Spelling(method, DATA + path, data, content_type, {k.replace("_", "-"): v for k, v in more.items()})


def inside(method: object, url: str, **more: object) -> Spelling:
    """A request inside a composite."""
    one = {"method": method, "url": url, "referenceId": "a", "body": {"Name": "Bypassed"}} | more
    return rest("POST", "/composite", {"compositeRequest": [one]})


def batch(method: str, url: str, **more: object) -> Spelling:
    """A request inside a batch."""
    return rest("POST", "/composite/batch", {"batchRequests": [{"method": method, "url": url} | more]})


def graphql(query: str, **more: object) -> Spelling:
    """A GraphQL document."""
    return rest("POST", "/graphql", {"query": query} | more)


def soap(letter: str, space: str, call: str, *, content_type: str = XML, action: str = '""') -> Spelling:
    """A SOAP call."""
    body = _SOAP.format(space=space, call=call).encode()
    return Spelling("POST", f"/services/Soap/{letter}/66.0", body, content_type, {"SOAPAction": action})


def first(path: str, body: str, content_type: str = "application/xml") -> Spelling:
    """A call of Bulk 1."""
    return Spelling("POST", f"/services/async/66.0/job{path}", body.encode(), content_type)


def at(method: str, target: str, body: bytes = NAME, **headers: str) -> Spelling:
    """A request at an address of its own."""
    return Spelling(method, target, body, JSON, {k.replace("_", "-"): v for k, v in headers.items()})


def raw(top: str, body: str = '{{"Name": "Bypassed"}}') -> Spelling:
    """Bytes as they are, with our own credentials."""
    lines = "Host: localhost:{port}\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    first_line, _, rest_of_it = top.partition("\r\n")
    return Spelling(raw=f"{first_line}\r\n{lines}Connection: close\r\n{rest_of_it}\r\n{body}")


_NOTHING: dict[str, object] = {}
_ACCOUNT = f"{DATA}/sobjects/Account"
_ONE = f"{DATA}/sobjects/Account/{{id}}"
_APEX = "?anonymousBody=delete%20%5Bselect%20Id%20from%20Account%5D%3B"
_MUTATION = 'mutation M { uiapi { AccountCreate(input: {Account: {Name: "Bypassed"}}) { Record { Id } } } }'
_ROWS: Mapping[str, object] = {"records": [{"attributes": {"type": "Account"}, "Id": "{id}", "Name": "Bypassed"}]}
_JOB = f'<jobInfo xmlns="{DATALOAD}"><operation>insert</operation><object>Account</object><contentType>CSV</contentType></jobInfo>'
_FORM = (
    b'--x\r\nContent-Disposition: form-data; name="job"\r\nContent-Type: application/json\r\n\r\n'
    b'{"object":"Account","operation":"insert","contentType":"CSV"}\r\n--x\r\nContent-Disposition: form-data; '
    b'name="content"; filename="content"\r\nContent-Type: text/csv\r\n\r\nName\nBypassed\n\r\n--x--\r\n'
)
_DEPLOY = (
    b'--x\r\nContent-Disposition: form-data; name="json"\r\nContent-Type: application/json\r\n\r\n'
    b'{"deployOptions":{"checkOnly":false}}\r\n--x\r\nContent-Disposition: form-data; name="file"; filename="a.zip"'
    b"\r\n\r\nPK\r\n--x--\r\n"
)
_DELETES = json.dumps({"compositeRequest": [{"method": "DELETE", "url": _ONE, "referenceId": "a"}]}).encode()

SPELLINGS: dict[str, Spelling] = {
    # one record
    "create": rest("POST", "/sobjects/Account", NAME),
    "update": rest("PATCH", "/sobjects/Account/{id}", NAME),
    "delete": rest("DELETE", "/sobjects/Account/{id}"),
    "delete with a body": rest("DELETE", "/sobjects/Account/{id}", NAME),
    "put": rest("PUT", "/sobjects/Account/{id}", NAME),
    "upsert": rest("PATCH", "/sobjects/Account/External_Key__c/BY-1", NAME),
    "upsert by post": rest("POST", "/sobjects/Account/External_Key__c/BY-1", NAME),
    "delete by key": rest("DELETE", "/sobjects/Account/External_Key__c/BY-1"),
    "another version": at("POST", "/services/data/v50.0/sobjects/Account"),
    # spellings of the path
    "a slash at the end": rest("POST", "/sobjects/Account/", NAME),
    "words in capitals": rest("POST", "/SOBJECTS/account", NAME),
    "data in capitals": at("POST", "/services/DATA/v66.0/sobjects/Account"),
    "services in capitals": at("POST", "/SERVICES/data/v66.0/sobjects/Account"),
    "a version in capitals": at("POST", "/services/data/V66.0/sobjects/Account"),
    "an encoded letter": at("POST", f"{DATA}/%73objects/Account"),
    "an encoded object": at("POST", f"{DATA}/sobjects/%41ccount"),
    "a slash twice in front": at("POST", f"/{_ACCOUNT}"),
    "a slash twice inside": at("POST", "/services//data/v66.0/sobjects/Account"),
    "a slash twice behind": at("POST", f"{DATA}/sobjects//Account"),
    "a dot": at("POST", f"{DATA}/./sobjects/Account"),
    "two dots": at("POST", f"{DATA}/limits/../sobjects/Account"),
    "dots in an escape": at("POST", f"{DATA}/limits/%2e%2e/sobjects/Account"),
    "half a dot in an escape": at("POST", f"{DATA}/limits/.%2e/sobjects/Account"),
    "an encoded slash": at("POST", f"{DATA}/sobjects%2FAccount"),
    "an encoded backslash": at("POST", f"{DATA}/sobjects%5CAccount"),
    "a backslash": at("POST", f"{DATA}/sobjects\\Account"),
    "a path parameter": at("POST", f"{DATA}/sobjects;x=1/Account"),
    "an encoded semicolon": at("POST", f"{DATA}/sobjects/Account%3Bx"),
    "a NUL": at("POST", f"{DATA}/sobjects/Account%00"),
    "a line end": at("POST", f"{DATA}/sobjects/Account%0d%0aX:%20y"),
    "a blank": at("POST", f"{DATA}/sobjects/Account%20"),
    "encoded twice": at("POST", f"{DATA}/%2573objects/Account"),
    "an encoded question": at("POST", f"{DATA}/limits%3F/../sobjects/Account"),
    "a fragment": at("POST", f"{DATA}/sobjects/Account#/limits"),
    "a letter that lowers to another": at("POST", f"{DATA}/%C5%BFobjects/Account"),
    "a query that looks like a read": at("POST", f"{_ACCOUNT}?q=SELECT+Id+FROM+Account"),
    # another method than it seems
    "_HttpMethod": at("POST", f"{_ONE}?_HttpMethod=PATCH"),
    "_httpmethod": at("POST", f"{_ONE}?_httpmethod=DELETE"),
    "_HttpMethod in an escape": at("POST", f"{_ONE}?%5FHttpMethod=PATCH"),
    "_HttpMethod on a search": at("POST", f"{DATA}/parameterizedSearch?_HttpMethod=DELETE"),
    "_HttpMethod twice": at("POST", f"{_ONE}?_HttpMethod=GET&_HttpMethod=DELETE"),
    "X-HTTP-Method-Override": at("POST", _ONE, X_HTTP_Method_Override="PATCH"),
    "an override on a retrieve": at("POST", f"{DATA}/composite/sobjects/Account", X_HTTP_Method_Override="DELETE"),
    "x-http-method": at("POST", _ONE, x_http_method="DELETE"),
    "X-Method-Override": at("POST", _ONE, X_Method_Override="DELETE"),
    "a GET override on a DELETE": at("DELETE", _ONE, X_HTTP_Method_Override="GET"),
    "a method in small letters": at("delete", _ONE, b""),
    "a mixed method": at("Patch", _ONE),
    # many records
    "collection create": rest("POST", "/composite/sobjects", _ROWS),
    "collection update": rest("PATCH", "/composite/sobjects", _ROWS),
    "collection delete": rest("DELETE", "/composite/sobjects?ids={id}"),
    "collection upsert": rest("PATCH", "/composite/sobjects/Account/External_Key__c", _ROWS),
    "tree": rest("POST", "/composite/tree/Account", {"records": [{"attributes": {"type": "Account", "referenceId": "a"}, "Name": "B"}]}),
    "a retrieve with records": rest("POST", "/composite/sobjects/Account", {"ids": ["{id}"], "fields": ["Id"], **_ROWS}),
    # composites
    "composite create": inside("POST", _ACCOUNT),
    "composite delete": inside("DELETE", _ONE),
    "composite small method": inside("delete", _ONE),
    "composite method with a blank": inside(" DELETE", _ONE),
    "composite full-width method": inside("\uff24ELETE", _ONE),
    "composite no method": inside(None, _ACCOUNT),
    "composite Apex by GET": inside("GET", f"{DATA}/tooling/executeAnonymous{_APEX}"),
    "composite Apex class": inside("GET", "/services/apexrest/demo/touch"),
    "composite absolute address": inside("DELETE", f"http://localhost{_ONE}"),
    "composite dots": inside("GET", f"{DATA}/limits/../tooling/executeAnonymous{_APEX}"),
    "composite escapes": inside("GET", f"{DATA}/tooling/execute%41nonymous{_APEX}"),
    "composite slashes": inside("GET", f"{DATA}//tooling/executeAnonymous{_APEX}"),
    "composite _HttpMethod": inside("POST", f"{_ONE}?_HttpMethod=DELETE"),
    "composite override header": inside("POST", _ONE, httpHeaders={"X-HTTP-Method-Override": "DELETE"}),
    "composite in a composite": inside("POST", f"{DATA}/composite", body=json.loads(_DELETES)),
    "composite twin keys": rest("POST", "/composite", b'{"compositeRequest": [{"method": "GET", "method": "DELETE", "url": "%s", "referenceId": "a"}]}' % _ONE.encode()),
    "composite twin lists": rest("POST", "/composite", b'{"compositeRequest": [], "compositeRequest": %s}' % _DELETES[len('{"compositeRequest": '):-1]),
    "composite in another case": rest("POST", "/COMPOSITE/", _DELETES),
    "composite as text": rest("POST", "/composite", _DELETES, content_type="text/plain"),
    "composite without a type": rest("POST", "/composite", _DELETES, content_type=""),
    "composite as a form": rest("POST", "/composite", _DELETES, content_type="application/x-www-form-urlencoded"),
    "composite in UTF-16": rest("POST", "/composite", _DELETES.decode().encode("utf-16")),
    "composite said to be UTF-16": rest("POST", "/composite", _DELETES, content_type="application/json; charset=utf-16"),
    "composite with a byte order mark": rest("POST", "/composite", b"\xef\xbb\xbf" + _DELETES),
    "composite nested deeply": rest("POST", "/composite", b'{"a":' * 5000 + b"1" + b"}" * 5000),
    "composite packed": rest("POST", "/composite", gzip.compress(_DELETES), Content_Encoding="gzip"),
    "composite deflated": rest("POST", "/composite", zlib.compress(_DELETES), Content_Encoding="deflate"),
    "composite packed twice": rest("POST", "/composite", gzip.compress(_DELETES), Content_Encoding="identity, gzip"),
    "batch delete": batch("DELETE", "v66.0/sobjects/Account/{id}"),
    "batch Apex by GET": batch("GET", f"v66.0/tooling/executeAnonymous{_APEX}"),
    "batch whole address": batch("DELETE", _ONE),
    "batch dots": batch("GET", f"v66.0/limits/../tooling/executeAnonymous{_APEX}"),
    "graph": rest("POST", "/composite/graph", {"graphs": [{"graphId": "1", "compositeRequest": [{"method": "GET", "url": f"{DATA}/limits", "referenceId": "l"}, {"method": "POST", "url": _ACCOUNT, "referenceId": "a", "body": {"Name": "B"}}]}]}),
    # GraphQL
    "mutation": graphql(_MUTATION),
    "mutation behind a comment": graphql(f"# query\n{_MUTATION}"),
    "mutation chosen by name": graphql(f"query Q {{ uiapi {{ query {{ Account {{ edges {{ node {{ Id }} }} }} }} }} }} {_MUTATION}", operationName="M"),
    "mutation not chosen": graphql(f"query Q {{ uiapi {{ __typename }} }} {_MUTATION}"),
    "mutation twice": rest("POST", "/graphql", b'{"query": "query { uiapi { __typename } }", "query": %s}' % json.dumps(_MUTATION).encode()),
    "mutation in a list": rest("POST", "/graphql", [{"query": _MUTATION}]),
    "a hash only": rest("POST", "/graphql", {"extensions": {"persistedQuery": {"version": 1, "sha256Hash": "0" * 64}}}),
    # code, metadata, and the rest of the families
    "Apex by GET": rest("GET", f"/tooling/executeAnonymous{_APEX}"),
    "Apex by HEAD": rest("HEAD", f"/tooling/executeAnonymous{_APEX}"),
    "Apex in capitals": rest("GET", f"/tooling/EXECUTEANONYMOUS{_APEX}"),
    "Apex in an escape": rest("GET", f"/tooling/execute%41nonymous{_APEX}"),
    "Apex with a slash": rest("GET", f"/tooling/executeAnonymous/{_APEX}"),
    "Apex REST by GET": at("GET", "/services/apexrest/demo/touch", b""),
    "Apex REST by HEAD": at("HEAD", "/services/apexrest/demo/touch", b""),
    "Apex REST in capitals": at("GET", "/services/ApexRest/demo/touch", b""),
    "Apex REST by POST": at("POST", "/services/apexrest/demo/touch"),
    "Apex tests": rest("POST", "/tooling/runTestsAsynchronous", {"classNames": "X"}),
    "Apex class": rest("POST", "/tooling/sobjects/ApexClass", {"Name": "X", "Body": "class X {}"}),
    "Apex class changed": rest("PATCH", "/tooling/sobjects/ApexClass/{id}", {"Body": ""}),
    "Apex class deleted": rest("DELETE", "/tooling/sobjects/ApexClass/{id}"),
    "deployment": rest("POST", "/metadata/deployRequest", _DEPLOY, content_type="multipart/form-data; boundary=x"),
    "quick deployment": rest("POST", "/metadata/deployRequest/0Af000000000001AAA"),
    "deployment cancelled": rest("PATCH", "/metadata/deployRequest/0Af000000000001AAA", {"deployResult": {"status": "Canceling"}}),
    "password set": rest("POST", "/sobjects/User/{id}/password", {"NewPassword": "x"}),
    "password reset": rest("DELETE", "/sobjects/User/{id}/password"),
    "quick action": rest("POST", "/quickActions/NewTask", {"record": {}}),
    "quick action of an object": rest("POST", "/sobjects/Account/quickActions/NewTask", {"record": {}}),
    "mail": rest("POST", "/actions/standard/emailSimple", {"inputs": [_NOTHING]}),
    "flow": rest("POST", "/actions/custom/flow/Anything", {"inputs": [_NOTHING]}),
    "invocable Apex": rest("POST", "/actions/custom/apex/Anything", {"inputs": [_NOTHING]}),
    "approval": rest("POST", "/process/approvals", {"requests": []}),
    "workflow rules": rest("POST", "/process/rules", {"contextIds": []}),
    "post": rest("POST", "/chatter/feed-elements", {"subjectId": "me"}),
    "post by its other name": rest("POST", "/connect/feed-elements", {"subjectId": "me"}),
    "post deleted": rest("DELETE", "/chatter/feed-elements/0D5000000000001"),
    "record of the pages": rest("POST", "/ui-api/records", {"apiName": "Account", "fields": {"Name": "Bypassed"}}),
    "record of the pages changed": rest("PATCH", "/ui-api/records/{id}", {"fields": {"Name": "Bypassed"}}),
    "record of the pages deleted": rest("DELETE", "/ui-api/records/{id}"),
    "report cloned": rest("POST", "/analytics/reports?cloneId=00O000000000001AAA", {"reportMetadata": {}}),
    "report changed": rest("PATCH", "/analytics/reports/00O000000000001AAA", {"reportMetadata": {}}),
    "report deleted": rest("DELETE", "/analytics/reports/00O000000000001AAA"),
    "consent": rest("PATCH", "/consent/action/track?ids={id}", {}),
    "tokens of an app": rest("DELETE", "/apps/oauth/usage/x/tokens"),
    "async query": rest("POST", "/async-queries", {"query": "x"}),
    "an unknown resource": rest("POST", "/something/new", {}),
    # SOAP
    "SOAP create": soap("u", PARTNER, _CREATE),
    "SOAP create, said to be a query": soap("u", PARTNER, _CREATE, action="query"),
    "SOAP create with a prefix": soap("u", PARTNER, f'<query:create xmlns:query="{PARTNER}"><query:sObjects><query:type>Account</query:type><query:Name>B</query:Name></query:sObjects></query:create>'),
    "SOAP create behind a comment": soap("u", PARTNER, f"<!-- <query/> -->{_CREATE}"),
    "SOAP create after a query": soap("u", PARTNER, f"<query><queryString>SELECT Id FROM Account</queryString></query>{_CREATE}"),
    "SOAP create in another space": soap("u", PARTNER, '<getUserInfo xmlns="urn:other"/>'),
    "SOAP update": soap("u", PARTNER, "<update><sObjects><type>Account</type><Id>{id}</Id><Name>B</Name></sObjects></update>"),
    "SOAP delete": soap("u", PARTNER, "<delete><ids>{id}</ids></delete>"),
    "SOAP upsert": soap("u", PARTNER, "<upsert><externalIDFieldName>Id</externalIDFieldName></upsert>"),
    "SOAP enterprise create": soap("c", ENTERPRISE, _CREATE),
    "SOAP in capitals": Spelling("POST", "/services/SOAP/U/66.0", _SOAP.format(space=PARTNER, call=_CREATE).encode(), XML),
    "SOAP as text": soap("u", PARTNER, _CREATE, content_type="text/plain"),
    "SOAP with a document type": Spelling("POST", "/services/Soap/u/66.0", b'<!DOCTYPE e [<!ENTITY c "create">]>' + _SOAP.format(space=PARTNER, call=_CREATE).encode(), XML),
    "SOAP Apex": soap("T", TOOLING, "<executeAnonymous><String>delete x;</String></executeAnonymous>"),
    "SOAP Apex by its own API": soap("s", APEX, "<executeAnonymous><String>delete x;</String></executeAnonymous>"),
    "SOAP deployment": soap("m", METADATA, "<deploy><ZipFile>UEs=</ZipFile><DeployOptions/></deploy>"),
    "SOAP metadata": soap("m", METADATA, "<updateMetadata><metadata/></updateMetadata>"),
    # Bulk
    "Bulk 1 job": first("", _JOB),
    "Bulk 1 job in JSON": first("", '{"operation": "insert", "object": "Account", "contentType": "JSON"}', JSON),
    "Bulk 1 job, a query by a twin": first("", f'<jobInfo xmlns="{DATALOAD}"><operation>query</operation><operation>insert</operation><object>Account</object></jobInfo>'),
    "Bulk 1 batch": first("/{first}/batch", "Name\nBypassed\n", "text/csv"),
    "Bulk 1 batch in JSON": first("/{first}/batch", '[{"Name": "Bypassed"}]', JSON),
    "Bulk 1 batch in XML": first("/{first}/batch", f'<sObjects xmlns="{DATALOAD}"><sObject><Name>B</Name></sObject></sObjects>'),
    "Bulk 1 batch that begins as a query": first("/{first}/batch", "SELECT Id FROM Account\nBypassed\n", "text/csv"),
    "Bulk 2 closing": rest("PATCH", "/jobs/ingest/{job}", {"state": "UploadComplete"}),
    "Bulk 2 closing in capitals": rest("PATCH", "/JOBS/Ingest/{job}/", {"state": "UploadComplete"}),
    "Bulk 2 closing by twins": rest("PATCH", "/jobs/ingest/{job}", b'{"state": "Aborted", "state": "UploadComplete"}'),
    "Bulk 2 closing as text": rest("PATCH", "/jobs/ingest/{job}", b'{"state": "UploadComplete"}', content_type="text/plain"),
    "Bulk 2 upload from elsewhere": rest("PUT", "/jobs/ingest/{job}/batches", b"Name\nBypassed\n", content_type="text/csv"),
    "Bulk 2 at once": rest("POST", "/jobs/ingest", _FORM, content_type="multipart/form-data; boundary=x"),
    # bytes that no client sends
    "chunks": raw(f"POST /o/demo{_ACCOUNT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", '14\r\n{{"Name": "Bypassed"}}\r\n0\r\n\r\n'),
    "chunks with a trailer": raw(f"POST /o/demo{_ACCOUNT} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n", '14\r\n{{"Name": "Bypassed"}}\r\n0\r\nX-HTTP-Method-Override: GET\r\n\r\n'),
    "two types": raw(f"POST /o/demo{DATA}/composite HTTP/1.1\r\nContent-Type: text/plain\r\nContent-Length: 20\r\n"),
    "two encodings": raw(f"POST /o/demo{_ACCOUNT} HTTP/1.1\r\nContent-Encoding: identity\r\nContent-Encoding: gzip\r\nContent-Length: 20\r\n"),
    "an absolute address": raw(f"POST http://localhost:{{port}}/o/demo{_ACCOUNT} HTTP/1.1\r\nContent-Length: 20\r\n"),
    "a body on a GET": raw(f"GET /o/demo{_ACCOUNT}/describe HTTP/1.1\r\nContent-Length: 20\r\n"),
    "a name in an escape": raw(f"POST /o/%64emo{_ACCOUNT} HTTP/1.1\r\nContent-Length: 20\r\n"),
    # sessions
    "revoke by GET": at("GET", "/services/oauth2/revoke?token={token}", b""),
    "a frontdoor": at("GET", "/services/oauth2/singleaccess", b""),
    "a frontdoor in capitals": at("GET", "/services/OAuth2/SingleAccess", b""),
    "a token": at("POST", "/services/oauth2/token", b"grant_type=refresh_token"),
    "outside": at("GET", "/secur/frontdoor.jsp?sid=x", b""),
}  # fmt: skip
