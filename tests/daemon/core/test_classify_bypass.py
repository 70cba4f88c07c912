"""No spelling of a known write is a read: it is refused, held, or never sent."""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import unquote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshmesh_daemon.core.classify import Kind, classify, is_plain_read
from meshmesh_daemon.core.targets import BadTarget, read_target

V = "/services/data/v66.0"
ID = "001000000000001AAA"
JOB = "750000000000001AAA"
JSON = "application/json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A request as a client spells it."""

    method: str
    address: str
    body: bytes = b""
    content_type: str = JSON


def kind_of(sent: Sent) -> Kind | None:
    """The kind of a request; None where its address is refused."""
    try:
        target = read_target(f"/o/demo{sent.address}", "/o/")
    except BadTarget:
        return None
    kind = classify(sent.method, target, sent.content_type, sent.body).kind
    assert kind is Kind.READ or not is_plain_read(sent.method, target.path), "the short way is wider than the long one"
    return kind


def as_json(value: object) -> bytes:
    """A body."""
    return json.dumps(value).encode()


WRITES = [
    Sent(method="POST", address=f"{V}/sobjects/Account", body=b'{"Name": "x"}'),
    Sent(method="PATCH", address=f"{V}/sobjects/Account/{ID}", body=b'{"Name": "x"}'),
    Sent(method="DELETE", address=f"{V}/sobjects/Account/{ID}"),
    Sent(method="PATCH", address=f"{V}/sobjects/Account/Key__c/A-1", body=b'{"Name": "x"}'),
    Sent(method="POST", address=f"{V}/sobjects/User/005000000000001AAA/password", body=b'{"NewPassword": "x"}'),
    Sent(method="POST", address=f"{V}/composite/sobjects", body=b'{"records": []}'),
    Sent(method="PATCH", address=f"{V}/composite/sobjects/Account/Key__c", body=b'{"records": []}'),
    Sent(method="DELETE", address=f"{V}/composite/sobjects?ids={ID}"),
    Sent(method="POST", address=f"{V}/composite/tree/Account", body=b'{"records": []}'),
    Sent(method="POST", address=f"{V}/actions/custom/flow/Go", body=b'{"inputs": []}'),
    Sent(method="POST", address=f"{V}/process/approvals", body=b'{"requests": []}'),
    Sent(method="GET", address=f"{V}/tooling/executeAnonymous?anonymousBody=delete+x"),
    Sent(method="HEAD", address=f"{V}/tooling/executeAnonymous/?anonymousBody=x"),
    Sent(method="GET", address=f"{V}/tooling/runTestsAsynchronous?classnames=A"),
    Sent(method="POST", address=f"{V}/tooling/sobjects/ApexClass", body=b'{"Body": "x"}'),
    Sent(method="PATCH", address=f"{V}/jobs/ingest/{JOB}", body=b'{"state": "UploadComplete"}'),
    Sent(method="POST", address=f"{V}/metadata/deployRequest", content_type="multipart/form-data; boundary=x"),
    Sent(method="PATCH", address=f"{V}/ui-api/records/{ID}", body=b'{"fields": {}}'),
    Sent(method="POST", address=f"{V}/chatter/feed-elements", body=b"{}"),
    Sent(method="POST", address=f"{V}/graphql", body=as_json({"query": "mutation{uiapi{AccountDelete(input:{Id:1}){Id}}}"})),
    Sent(method="GET", address=f"{V}/query?q=SELECT+Id+FROM+Account+FOR+VIEW"),
    Sent(method="GET", address=f"{V}/search?q=FIND+%7Bx%7D+UPDATE+VIEWSTAT"),
    Sent(method="GET", address="/services/apexrest/clean/up"),
    Sent(method="POST", address="/services/async/66.0/job", body=b'{"operation": "delete", "object": "Account"}'),
    Sent(method="POST", address=f"/services/async/66.0/job/{JOB}/batch", body=b"Id\n001\n", content_type="text/csv"),
    Sent(method="POST", address="/services/oauth2/revoke?token=x"),
    Sent(method="GET", address="/services/oauth2/singleaccess"),
    Sent(method="GET", address="/secur/frontdoor.jsp?sid=x"),
]  # fmt: skip
# Composites name addresses without a root that only the broker knows.
INNER = [sent for sent in WRITES if sent.address.startswith(V) and sent.content_type == JSON and sent.method != "HEAD"]

ALIKE = str.maketrans({"k": "\u212a", "s": "\u017f", "i": "\u0131", "a": "\u0430", "e": "\u0435", "o": "\uff4f"})


def percent(text: str) -> str:
    """Each letter as a percent-encoding."""
    return "".join(f"%{byte:02x}" for byte in text.encode())


def inserted(piece: str) -> Callable[[str, int], str]:
    """Puts a piece somewhere into the path."""

    def spelled(text: str, at: int) -> str:
        path, mark, query = text.partition("?")
        start = at % (len(path) + 1)
        return path[:start] + piece + path[start:] + mark + query

    return spelled


def changed(change: Callable[[str], str]) -> Callable[[str, int], str]:
    """Changes the letters from somewhere on, up to the query."""

    def spelled(text: str, at: int) -> str:
        path, mark, query = text.partition("?")
        start = at % (len(path) + 1)
        return path[:start] + change(path[start:]) + mark + query

    return spelled


def everywhere(old: str, new: str) -> Callable[[str, int], str]:
    """Replaces a text wherever it stands."""
    return lambda text, _at: text.replace(old, new)


SPELLINGS: list[Callable[[str, int], str]] = [
    changed(str.upper),
    changed(str.title),
    changed(str.swapcase),
    changed(lambda text: percent(text[:1]) + text[1:]),
    changed(lambda text: percent(percent(text[:1])) + text[1:]),
    changed(lambda text: percent(text.translate(ALIKE)) if text.translate(ALIKE) != text else text),
    *(inserted(piece) for piece in ("/", "//", "/./", "/../", "%2f", "%2e%2e/", "\\", "%5c", "%00", "%0a", "%09", "%20")),
    *(inserted(piece) for piece in (";", ";jsessionid=1", "%3b", "?", "%3f", "#", "%23", "%25", "%ff", "%c0%af", "\u00a0")),
    *(inserted(piece) for piece in ("x", "@ref", "@{a.id}", "/describe", "/query", "/limits", "*", "v66.0/")),
    *(everywhere("v66.0", version) for version in ("v1.0", "V66.0", "v66", "v066.0", "v66.00", "66.0", "latest", "")),
    *(everywhere("/services", root) for root in ("//services", "/SERVICES", "/services/services", "/x/../services", "")),
    *(lambda text, _at, end=end: text.replace("?", f"{end}?", 1) if "?" in text else text + end for end in ("/", "//", "/.", "%2f", ".json", ";")),
    *(
        lambda text, _at, pair=pair: text + ("&" if "?" in text else "?") + pair
        for pair in ("_HttpMethod=GET", "_httpmethod=GET", "%5fHttpMethod=GET", "q=SELECT+Id+FROM+Account", "q=FIND+%7Bx%7D", "method=GET", "explain=x")
    ),
]  # fmt: skip
METHODS = ["GET", "get", "Get", " GET", "GET ", "GET\n", "HEAD", "head", "OPTIONS", "QUERY", "TRACE", "ＧＥＴ"]
STEPS = st.lists(st.tuples(st.sampled_from(SPELLINGS), st.integers(0, 200)), min_size=0, max_size=3)


def spelled(text: str, steps: list[tuple[Callable[[str, int], str], int]]) -> str:
    """A text in another spelling."""
    for step, at in steps:
        text = step(text, at)
    return text


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(WRITES), STEPS)
def test_no_spelling_of_the_address_is_a_read(write: Sent, steps: list[tuple[Callable[[str, int], str], int]]) -> None:
    """Case, encodings, slashes, dot segments, ends, versions, look-alikes, parameters."""
    sent = replace(write, address=spelled(write.address, steps))
    if _is_gone(write, sent.address):
        return

    assert kind_of(sent) is not Kind.READ, sent


def _is_gone(write: Sent, address: str) -> bool:
    """Whether nothing is left of a write by GET: the word that made it one is no word of the path any more."""
    if write.method not in {"GET", "HEAD"}:
        return False
    return _telling(address).isdisjoint(_telling(write.address))


def _telling(address: str) -> set[str]:
    """The words of a path that tell a write by GET."""
    words = {word.partition(".")[0] for word in unquote(address.partition("?")[0]).lower().split("/")}
    return words & {"executeanonymous", "runtestsasynchronous", "apexrest", "oauth2", "secur", "query", "search"}


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from([write for write in WRITES if write.method not in {"GET", "HEAD"}]), st.sampled_from(METHODS[1:])
)
def test_no_spelling_of_the_method_is_a_read(write: Sent, method: str) -> None:
    """Where a method in another case, or an unknown one, would be taken for GET."""
    if method in {"HEAD", "OPTIONS"}:
        return

    assert kind_of(replace(write, method=method)) is not Kind.READ


def wrapped(inner: Sent, shape: str, url: str, method: object) -> Sent:
    """A request inside a composite, among reads."""
    document: object = json.loads(inner.body) if inner.body else None
    body = {} if document is None else {"body": document}
    read = {"method": "GET", "url": f"{V}/limits", "referenceId": "r"}
    write = {"method": method, "url": url, "referenceId": "w"} | body
    if shape == "batch":
        rich = {} if document is None else {"richInput": document}
        requests = [
            {"method": "GET", "url": "v66.0/limits"},
            {"method": method, "url": url.removeprefix("/services/data/")} | rich,
        ]
        return Sent(method="POST", address=f"{V}/composite/batch", body=as_json({"batchRequests": requests}))
    if shape == "graph":
        graphs = [{"graphId": "1", "compositeRequest": [read]}, {"graphId": "2", "compositeRequest": [read, write]}]
        return Sent(method="POST", address=f"{V}/composite/graph", body=as_json({"graphs": graphs}))
    address = f"{V}/tooling/composite" if shape == "tooling" else f"{V}/composite"
    return Sent(method="POST", address=address, body=as_json({"compositeRequest": [read, write]}))


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(INNER), st.sampled_from(["composite", "batch", "graph", "tooling"]), STEPS)
def test_no_wrapping_is_a_read(write: Sent, shape: str, steps: list[tuple[Callable[[str, int], str], int]]) -> None:
    """A write in a composite is found, however its address is spelled there."""
    url = spelled(write.address, steps)
    if _is_gone(write, url):
        return

    assert kind_of(wrapped(write, shape, url, write.method)) is not Kind.READ


@pytest.mark.parametrize("method", [*METHODS[1:6], *METHODS[7:], None, 1, ["GET"], {}, "", "DELETE"])
@pytest.mark.parametrize("shape", ["composite", "batch", "graph"])
def test_no_odd_method_in_a_composite_is_a_read(shape: str, method: object) -> None:
    """Exactly GET and HEAD read."""
    inner = Sent(method="GET", address=f"{V}/sobjects/Account/{ID}")

    assert kind_of(wrapped(inner, shape, inner.address, "GET")) is Kind.READ
    assert kind_of(wrapped(inner, shape, inner.address, method)) is not Kind.READ


SUB = {"method": "GET", "url": f"{V}/limits", "referenceId": "r"}
DELETION = {"method": "DELETE", "url": f"{V}/sobjects/Account/{ID}", "referenceId": "r"}
COMPOSITES: list[tuple[object, Kind]] = [
    ({"compositeRequest": [SUB]}, Kind.READ),
    ({"compositeRequest": [SUB], "allOrNone": True, "collateSubrequests": True}, Kind.READ),
    ({"compositeRequest": []}, Kind.UNKNOWN),
    ({}, Kind.UNKNOWN),
    ([], Kind.UNKNOWN),
    (None, Kind.UNKNOWN),
    ({"compositeRequest": {"0": SUB}}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB], "CompositeRequest": [DELETION]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB], "graphs": []}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"Method": "DELETE"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"URL": f"{V}/sobjects"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"body": {}}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"richInput": {}}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"url": None}]}, Kind.UNKNOWN),
    ({"compositeRequest": ["x"]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"httpHeaders": {"If-Match": "x", "Sforce-Query-Options": "batchSize=200"}}]}, Kind.READ),
    ({"compositeRequest": [SUB | {"httpHeaders": {"X-HTTP-Method-Override": "DELETE"}}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"httpHeaders": {"x-http-method": "DELETE"}}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"httpHeaders": {"Authorization": "Bearer x"}}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"httpHeaders": ["X-HTTP-Method"]}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"url": f"{V}/tooling/executeAnonymous?anonymousBody=x"}]}, Kind.WRITE),
    ({"compositeRequest": [SUB | {"url": "/services/apexrest/x"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"url": "/services/oauth2/singleaccess"}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"url": "https://evil.example/services/data/v66.0/limits"}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"url": "//evil.example/services/data/v66.0/limits"}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"url": f"{V}/limits?_HttpMethod=DELETE"}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"url": f"{V}/x/../tooling/executeAnonymous"}]}, Kind.DENY),
    ({"compositeRequest": [SUB | {"url": f"{V}/@{{r.path}}"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"url": f"{V}/tooling/@{{r.path}}"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [SUB | {"url": f"{V}/sobjects/Account/@{{r.records[0].Id}}"}]}, Kind.READ),
    ({"compositeRequest": [SUB | {"url": f"{V}/sobjects/@{{r.type}}/@{{r.id}}"}]}, Kind.READ),
    ({"compositeRequest": [SUB | {"url": f"{V}/query?q=SELECT Id FROM Contact WHERE AccountId = '@{{r.id}}'"}]}, Kind.READ),
    ({"compositeRequest": [SUB | {"url": f"{V}/query?q=SELECT Id FROM Contact @{{r.Name}}"}]}, Kind.UNKNOWN),
    ({"compositeRequest": [{"method": "PATCH", "url": f"{V}/sobjects/@{{r.type}}/@{{r.id}}", "body": {}}]}, Kind.WRITE),
    ({"compositeRequest": [SUB, DELETION]}, Kind.WRITE),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), COMPOSITES)
def test_composites_have_one_known_shape(body: object, kind: Kind) -> None:
    """Whatever is not exactly the documented shape is no read."""
    assert kind_of(Sent(method="POST", address=f"{V}/composite", body=as_json(body))) is kind


@pytest.mark.parametrize("outer", ["composite", "composite/batch", "composite/graph", "tooling/composite"])
@pytest.mark.parametrize(
    "inner", ["composite", "composite/batch", "composite/graph", "Composite/", "tooling/composite"]
)
def test_a_composite_in_a_composite_is_denied(outer: str, inner: str) -> None:
    """Nobody can judge a nest, and Salesforce takes none."""
    nested = {"method": "POST", "url": f"{V}/{inner}", "body": {"compositeRequest": [SUB]}}
    batched = {"method": "POST", "url": f"v66.0/{inner}", "richInput": {"compositeRequest": [SUB]}}
    bodies = {
        "composite/batch": {"batchRequests": [batched]},
        "composite/graph": {"graphs": [{"graphId": "1", "compositeRequest": [nested]}]},
    }
    body = bodies.get(outer, {"compositeRequest": [nested]})

    assert kind_of(Sent(method="POST", address=f"{V}/{outer}", body=as_json(body))) is Kind.DENY


READ_COMPOSITE = as_json({"compositeRequest": [SUB]})
TWICE = as_json(SUB)[1:-1]
AMBIGUOUS = [
    b'{"compositeRequest": [{' + TWICE + b', "method": "DELETE"}]}',
    b'{"compositeRequest": [{' + TWICE + b', "m\\u0065thod": "DELETE"}]}',
    b'{"compositeRequest": [], "compositeRequest": [{' + TWICE + b"}]}",
    b"\xef\xbb\xbf" + READ_COMPOSITE,
    READ_COMPOSITE.decode().encode("utf-16"),
    READ_COMPOSITE.decode().encode("utf-16-le"),
    READ_COMPOSITE.decode().encode("utf-32"),
    READ_COMPOSITE.replace(b"limits", b"limi\xfft"),
    READ_COMPOSITE + READ_COMPOSITE,
    READ_COMPOSITE + b"\x00",
    READ_COMPOSITE.replace(b'"r"', b"NaN"),
    READ_COMPOSITE.replace(b'"r"', b"-Infinity"),
    READ_COMPOSITE.replace(b'"r"', b"1e999"),
    READ_COMPOSITE.replace(b'"r"', b'"\\ud800"'),
    READ_COMPOSITE.replace(b'"r"', b"[" * 100 + b"]" * 100),
    READ_COMPOSITE.replace(b'"r"', b"[" * 100_000 + b"]" * 100_000),
    READ_COMPOSITE.replace(b'"r"', b"[" + b"1," * 600_000 + b"1]"),
    READ_COMPOSITE.replace(b"GET", b"GET\n"),
    READ_COMPOSITE.replace(b'"', b"'"),
    READ_COMPOSITE.replace(b"{", b"{/**/", 1),
    b"",
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00",
]


@pytest.mark.parametrize("body", AMBIGUOUS, ids=range(len(AMBIGUOUS)))
def test_a_body_with_two_meanings_is_denied(body: bytes) -> None:
    """Ours and Salesforce's parser might read another request in it."""
    assert kind_of(Sent(method="POST", address=f"{V}/composite", body=body)) is Kind.DENY


@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/xml", "text/xml", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x",
     "application/json; charset=utf-16", "application/json; charset=utf-16; charset=utf-8", "application/json, text/xml",
     "application/json;charset", "applicatıon/json", "*/*", "application/json+x"],
)  # fmt: skip
def test_a_content_type_that_lies_is_no_read(content_type: str) -> None:
    """What does not say plainly that it is JSON in UTF-8 is not read as JSON, and so is held."""
    sent = Sent(method="POST", address=f"{V}/composite", body=READ_COMPOSITE)

    assert kind_of(sent) is Kind.READ
    assert kind_of(replace(sent, content_type=content_type)) is Kind.UNKNOWN


@pytest.mark.parametrize(
    "body",
    [
        b'{"Name": "a", "Name": "b"}',
        b'{"Name": "a", "x": {"N\\u0061me": 1, "Name": 2}}',
        b"\xef\xbb\xbf{}",
        b"{",
        b"Name=a",
    ],
)
def test_a_write_with_two_meanings_is_denied(body: bytes) -> None:
    """A person would approve one value, and Salesforce might take the other."""
    assert kind_of(Sent(method="POST", address=f"{V}/sobjects/Account", body=body)) is Kind.DENY


@pytest.mark.parametrize(
    "address",
    [
        f"{V}/query?q=SELECT+Id+FROM+Account&q=SELECT+Id+FROM+Account+FOR+VIEW",
        f"{V}/query?q=SELECT+Id+FROM+Account&Q=SELECT+Id+FROM+Account+FOR+VIEW",
        f"{V}/query?explain=SELECT+Id+FROM+Account&q=SELECT+Id+FROM+Account",
        f"{V}/search?q=FIND+%7Bx%7D&q=FIND+%7By%7D",
        f"{V}/tooling/executeAnonymous?anonymousBody=a&anonymousBody=b",
    ],
)
def test_a_deciding_parameter_stands_once(address: str) -> None:
    """Which of two counts is not ours to guess."""
    assert kind_of(Sent(method="GET", address=address)) is Kind.DENY


SOQL = [
    ("SELECT Id FROM Account WHERE Name = 'FOR VIEW'", Kind.READ),
    ("SELECT Id FROM Account WHERE Name = 'it\\'s FOR VIEW'", Kind.READ),
    ("SELECT Id FROM Account WHERE Name = '\\\\' FOR VIEW", Kind.WRITE),
    ("SELECT Id FROM Account WHERE Name = 'a'FOR VIEW", Kind.WRITE),
    ("SELECT Id FROM Account WHERE Name = 'é'", Kind.READ),
    ("SELECT Id FROM Account WHERE Name = 'a' FOR /* ' */ VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account FOR/**/VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account // '\nFOR VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account WHERE Name = 'a FOR VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account FOR\u00a0VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account FOR V\u0131EW", Kind.UNKNOWN),
    ("SELECT Id FROM Account \u017for VIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account FOR\x0bVIEW", Kind.UNKNOWN),
    ("SELECT Id FROM Account For  \t\r\n View", Kind.WRITE),
    ("SELECT Id FROM Account LIMIT 1 FOR REFERENCE FOR VIEW", Kind.WRITE),
    ("SELECT Id FROM Account FOR (UPDATE", Kind.WRITE),
    ("SELECT Title FROM FAQ__kav WHERE PublishStatus='online' UPDATE VIEWSTAT", Kind.WRITE),
    ("SELECT Title FROM FAQ__kav UPDATE  TRACKING", Kind.WRITE),
    ("SELECT Id, Forview__c, For_View__c FROM Account", Kind.READ),
]


@pytest.mark.parametrize(("soql", "kind"), SOQL)
def test_strings_and_comments_hide_no_trace(soql: str, kind: Kind) -> None:
    """FOR VIEW and its like are found wherever Salesforce might find them, and nowhere else."""
    for address in (f"{V}/query", f"{V}/queryAll/", f"{V}/tooling/query"):
        assert kind_of(Sent(method="GET", address=f"{address}?q={percent(soql)}")) is kind
    job = as_json({"operation": "query", "query": soql})
    assert kind_of(Sent(method="POST", address=f"{V}/jobs/query", body=job)) is kind


@pytest.mark.parametrize("piece", ["\\'", "'", "\\", "'\\'", "for ", "/", "'a"])
def test_no_statement_keeps_the_reader_long(piece: str) -> None:
    """Each character is looked at a few times only: a statement of a Bulk query may be long."""
    body = as_json({"operation": "query", "query": f"SELECT Id FROM A WHERE B = '{piece * 200_000}"})

    assert kind_of(Sent(method="POST", address=f"{V}/jobs/query", body=body)) is Kind.UNKNOWN


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(["FOR VIEW", "FOR REFERENCE", "FOR UPDATE", "UPDATE TRACKING", "UPDATE VIEWSTAT"]),
    st.lists(
        st.sampled_from(["'", "\\'", "\\\\'", "'a'", " ", "/*", "*/", "--", "//", "\n", "''", '"', "{", "}"]),
        max_size=6,
    ),
    st.sampled_from([" ", "  ", "\n", "\t", " \r\n"]),
)
@example("FOR VIEW", ["'", "\\'"], " ")
def test_no_trace_is_hidden_behind_quotes(trace: str, before: list[str], blank: str) -> None:
    """Only a whole string hides words: whatever stands before, a trace that no open string takes in is found."""
    prefix = "SELECT Id FROM Account WHERE Name = 'x' " + "".join(before)
    inside, escaped = False, False
    for letter in prefix:
        if inside and not escaped and letter == "\\":
            escaped = True
            continue
        if letter == "'" and not escaped:
            inside = not inside
        escaped = False
    statement = f"{prefix} {trace.replace(' ', blank)}"
    kind = kind_of(Sent(method="GET", address=f"{V}/query?q={percent(statement)}"))

    assert kind is not Kind.READ or inside
