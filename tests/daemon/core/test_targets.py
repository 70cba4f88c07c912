"""What a brokered request is aimed at: one spelling, judged and sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.reads import is_clear_read
from meshmesh_daemon.core.targets import BadTarget, read_target

VERSION = "/services/data/v66.0"
REFUSED = [
    "/o/",
    "/o//services/data",
    "/o/de%2Fmo/services/data",
    "/o/%64emo/services/data",
    "/x/demo/services/data",
    "/o/demo///services/data",
    "/o/demo/services//data",
    "/o/demo/services/./data",
    "/o/demo/services/../data",
    "/o/demo/services/data/..",
    "/o/demo/services/%2e%2e/data",
    "/o/demo/services/%2E./data",
    "/o/demo/services%2fdata",
    "/o/demo/services%5cdata",
    "/o/demo/services\\data",
    "/o/demo/services/da;x=1/ta",
    "/o/demo/services/da%3bx/ta",
    "/o/demo/services/data%00",
    "/o/demo/services/data%0a",
    "/o/demo/services/data%7f",
    "/o/demo/services/data%20x",
    "/o/demo/services/%25%32%65",
    "/o/demo/services/data%3fq=1",
    "/o/demo/services/data%23x",
    "/o/demo/services/da%zzta",
    "/o/demo/services/da%4",
    "/o/demo/services/d\u00e4ta",
    "/o/demo/services/d%ffta",
    "/o/demo/services/data?a=%ff",
    "/o/demo/services/data?a=%4",
    "/o/demo/services/data?_HttpMethod=PATCH",
    "/o/demo/services/data?_httpmethod=DELETE",
    "/o/demo/services/data?%5fHttpMethod=DELETE",
    "/o/demo/services/data?" + "&".join(f"a{n}=1" for n in range(300)),
]


@pytest.mark.parametrize("raw", REFUSED)
def test_two_readings_are_none(raw: str) -> None:
    """What could be read in two ways is refused, never repaired."""
    with pytest.raises(BadTarget):
        read_target(raw, "/o/")


@pytest.mark.parametrize(
    ("raw", "name", "path", "rebuilt"),
    [
        ("/o/demo/services/data", "demo", "/services/data", "/services/data"),
        ("/o/demo//services/data", "demo", "/services/data", "/services/data"),
        ("/o/demo/services/data/", "demo", "/services/data/", "/services/data/"),
        ("/o/demo/services/%64ata", "demo", "/services/data", "/services/data"),
        (
            "/o/a-b-1/services/data/v66.0/query?q=SELECT+Id",
            "a-b-1",
            f"{VERSION}/query",
            f"{VERSION}/query?q=SELECT%20Id",
        ),
        (
            "/o/demo/services/data/v66.0/sobjects/Account/Key__c/%C3%A9",
            "demo",
            f"{VERSION}/sobjects/Account/Key__c/\u00e9",
            f"{VERSION}/sobjects/Account/Key__c/%C3%A9",
        ),
        ("/o/demo/services/data?a=&b=1&a=2", "demo", "/services/data", "/services/data?a=&b=1&a=2"),
    ],
)
def test_one_reading_is_what_is_sent(raw: str, name: str, path: str, rebuilt: str) -> None:
    """The parts that are judged are the parts that are sent."""
    target = read_target(raw, "/o/")

    assert (target.name, target.path, target.rebuilt()) == (name, path, rebuilt)


@given(st.text(alphabet="abz/.%2eE5fF\\;?&=+_-H \u00e9", max_size=40))
def test_what_is_rebuilt_reads_the_same(text: str) -> None:
    """For any address that is taken: reading what is sent gives what was judged."""
    try:
        target = read_target("/o/demo/" + text, "/o/")
    except BadTarget:
        return
    again = read_target("/o/demo" + target.rebuilt(), "/o/")

    assert (again.path, again.query) == (target.path, target.query)
    assert ".." not in target.rebuilt().partition("?")[0].split("/")


READS = [
    ("GET", "/services/data"),
    ("GET", "/services/data/"),
    ("GET", VERSION),
    ("HEAD", f"{VERSION}/limits"),
    ("GET", f"{VERSION}/query/"),
    ("GET", f"{VERSION}/query/01gD0000002HU6KIAW-2000"),
    ("GET", f"{VERSION}/queryAll"),
    ("GET", f"{VERSION}/sobjects"),
    ("GET", f"{VERSION}/sobjects/Account/describe"),
    ("GET", f"{VERSION}/sobjects/My__c/001000000000001AAA"),
    ("GET", f"{VERSION}/sobjects/Account/External_Key__c/ACC-0001"),
    ("GET", f"{VERSION}/sobjects/Account/001000000000001/Contacts"),
    ("GET", f"{VERSION}/composite/sobjects/Account"),
    ("GET", f"{VERSION}/tooling/query"),
    ("GET", "/services/oauth2/userinfo"),
    ("GET", "/id/00D000000000062EAA/005000000000001AAA"),
]
WRITES = [
    ("POST", f"{VERSION}/sobjects/Account"),
    ("PATCH", f"{VERSION}/sobjects/Account/001000000000001AAA"),
    ("DELETE", f"{VERSION}/sobjects/Account/001000000000001AAA"),
    ("PUT", VERSION),
    ("OPTIONS", VERSION),
    ("GET", f"{VERSION}/tooling/executeAnonymous"),
    ("GET", f"{VERSION}/tooling/executeanonymous/"),
    ("GET", f"{VERSION}/tooling/runTestsSynchronous"),
    ("GET", f"{VERSION}/actions/custom/flow/X"),
    ("GET", f"{VERSION}/connect/batch"),
    ("GET", f"{VERSION}/nowhere"),
    ("GET", "/services/apexrest/x"),
    ("GET", "/services/Soap/u/66.0"),
    ("GET", "/services/async/66.0/job"),
    ("GET", "/services/oauth2/revoke"),
    ("GET", "/services/data/v66.0x/query"),
    ("get", VERSION),
    ("GET", f"{VERSION}/sobjects/Account/describe\n"),
]


@pytest.mark.parametrize(("method", "path"), READS)
def test_clear_reads_pass(method: str, path: str) -> None:
    """What surely changes nothing passes."""
    assert is_clear_read(method, path, None)


@pytest.mark.parametrize(("method", "path"), WRITES)
def test_everything_else_is_a_write(method: str, path: str) -> None:
    """What is not known to be a read is none."""
    assert not is_clear_read(method, path, None)


@pytest.mark.parametrize("tail", ["FOR VIEW", "for  reference", "FOR\nUPDATE", "UPDATE TRACKING", "update viewstat"])
@pytest.mark.parametrize("path", [f"{VERSION}/query", f"{VERSION}/queryAll/", f"{VERSION}/search"])
def test_a_query_that_leaves_a_trace_is_a_write(tail: str, path: str) -> None:
    """SOQL and SOSL that change usage data are no clear reads."""
    assert not is_clear_read("GET", path, f"SELECT Id FROM Account {tail}")
    assert is_clear_read("GET", path, "SELECT Id FROM Account")
