"""What a brokered request is aimed at: one spelling, judged and sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from meshmesh_daemon.core.targets import BadTarget, read_inner, read_target

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


@pytest.mark.parametrize(
    ("url", "prefix", "path", "query"),
    [
        (f"{VERSION}/sobjects/Account/@{{a.id}}", "", f"{VERSION}/sobjects/Account/@ref", ()),
        (f"{VERSION}/sobjects/@{{a.records[0].type}}", "", f"{VERSION}/sobjects/@ref", ()),
        (f"{VERSION}/query?q=SELECT Id FROM Account", "", f"{VERSION}/query", (("q", "SELECT Id FROM Account"),)),
        (f"{VERSION}/query/?q=SELECT+Id", "", f"{VERSION}/query/", (("q", "SELECT Id"),)),
        ("v66.0/limits", "/services/data/", f"{VERSION}/limits", ()),
        ("/v66.0/limits", "/services/data/", f"{VERSION}/limits", ()),
        (f"{VERSION}/limits", "/services/data/", f"{VERSION}/limits", ()),
    ],
)
def test_an_address_in_a_composite_reads_by_the_same_grammar(
    url: str, prefix: str, path: str, query: tuple[tuple[str, str], ...]
) -> None:
    """References and blanks, which clients write there, are known; a batch begins at the version."""
    target = read_inner(url, prefix)

    assert (target.path, target.query) == (path, query)


@pytest.mark.parametrize("raw", [raw.removeprefix("/o/demo") for raw in REFUSED if raw.startswith("/o/demo/")])
def test_an_address_in_a_composite_has_one_reading_too(raw: str) -> None:
    """What is refused outside is refused inside."""
    with pytest.raises(BadTarget):
        read_inner(raw)


@pytest.mark.parametrize(
    "url", ["", "services/data", "https://x/services/data", "@{a}/x", f"{VERSION}/@{{a b}}", f"{VERSION}/@{{a"]
)
def test_an_address_in_a_composite_begins_at_the_root(url: str) -> None:
    """Another host, or a reference that is none, has no meaning here."""
    with pytest.raises(BadTarget):
        read_inner(url)
