"""The GraphQL reader: whatever it takes, the reference parser takes too, and with the same operations."""

import json

import pytest
from graphql import GraphQLError, OperationDefinitionNode, parse
from hypothesis import example, given, settings
from hypothesis import strategies as st

from meshmesh_daemon.core.classify import Kind, classify
from meshmesh_daemon.core.classify.graphql import BadDocument, read_operations
from meshmesh_daemon.core.targets import read_target

TARGET = read_target("/o/demo/services/data/v66.0/graphql", "/o/")


def reference(text: str) -> list[tuple[str, str | None]] | None:
    """Kinds and names of a document's operations by graphql-core; None where it does not take it."""
    try:
        definitions = parse(text, no_location=True).definitions
    except (GraphQLError, RecursionError):
        return None
    operations = [one for one in definitions if isinstance(one, OperationDefinitionNode)]
    return [(one.operation.value, one.name.value if one.name else None) for one in operations]


def ours(text: str) -> list[tuple[str, str | None]] | None:
    """The same by our reader."""
    try:
        return [(one.kind, one.name) for one in read_operations(text, {})]
    except BadDocument:
        return None


PIECES = [
    "query", "mutation", "subscription", "fragment", "on", "A", "b", "null", "true", "{", "}", "{a}", "{a{b}}", "(", ")", "(x:1)",
    "($v:Int=1)", "($v:[Int!]!)", ":", "!", "=", "@", "@skip(if:true)", "...", "...A", "... on B{c}", "$v", "[", "]", "[1,2]", "{x:$v}",
    '"', '"s"', '"\\""', '"\\u0041"', '"""', '"""b"""', '"""a\\"""b"""', '""', "#", "# }\n", "\n", "\r", " ", ",", "1", "-0", "1.5e3", "01", "0x",
    "1.", "&", "|", "\\", "'", "\u2028", "\ufeff", "\x00", "é", "mutation{x}", "query Q{x}", "fragment F on T{x}",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=14).map("".join))
@example('query A{a(x:"#")} # \n mutation B{b}')
@example('{a(x:"""\n mutation{b} \\""" """)}')
@example("query($a:Int=$b){a}")
def test_ours_takes_no_document_that_the_reference_reads_otherwise(text: str) -> None:
    """Stricter than the reference, never different from it."""
    read = ours(text)

    assert read is None or read == reference(text)


TAKEN = [
    "{a}",
    "query Q($a: [Int!]! = [1], $b: In = {x: {y: ENUM}} @d) @live { x: a(b: $a, c: null) @skip(if: $b) { ...F ... on T { d } ... { e } } }"
    " fragment F on T @x { f }",
    'mutation { a(x: "é \\n \\u00e9", y: """block " ""\\""" end""", z: -1.5e+3) }  # the end',
    "\n,, query A {a} query B {b}",
    "query query { query mutation fragment on }",
]


@pytest.mark.parametrize("text", TAKEN)
def test_what_people_write_is_taken(text: str) -> None:
    """The whole executable grammar, as the reference reads it."""
    assert ours(text) == reference(text) is not None


@pytest.mark.parametrize(
    "text",
    ["", "   # only a comment", "type A {b: C}", "{a} {b}", "query A{a} query A{b}", "{a} query B{b}", "{a(x:1,x:2)}", "{", "{a", "{}",
     "{a()}", "query(){a}", "{a(x:{y:1,y:2})}", "fragment on on T{a} {b}", "{a(x:" + "[" * 80 + "]" * 80 + ")}", "{a" * 80 + "}" * 80,
     "{a(x:" + "9" * 200 + ")}", "{a # \u2028 }\n}", "\ufeff{a}", '{a(x:"\\ud800")}', "{a\x00}", "{ａ}", "{" + "a " * 60_000 + "}"],
)  # fmt: skip
def test_what_is_doubtful_is_not_taken(text: str) -> None:
    """Two operations that cannot be told apart, a name twice, depth, and characters that only some parsers take for a line's end."""
    with pytest.raises(BadDocument):
        read_operations(text, {})


HARD = [
    "#" * 100_000 + "\n&",
    "# #" * 50_000 + "\n&",
    "," * 300_000 + "&",
    '"""' + "a" * 300_000,
    '"' + "\\\\" * 150_000,
    "{a(x:" + "1" * 100_000,
]


@pytest.mark.parametrize("text", HARD, ids=range(len(HARD)))
def test_no_document_keeps_the_reader_long(text: str) -> None:
    """Each character is looked at a few times only, also in a document that is not taken in the end."""
    with pytest.raises(BadDocument):
        read_operations(text, {})


READ, WRITE = "query R {uiapi{query{Account{edges{node{Id}}}}}}", "mutation W {uiapi{AccountDelete(input:{Id:1}){Id}}}"
BODIES: list[tuple[object, Kind]] = [
    ({"query": READ}, Kind.READ),
    ({"query": READ, "variables": None, "operationName": None}, Kind.READ),
    ({"query": WRITE}, Kind.WRITE),
    ({"query": f"# query\n{WRITE}"}, Kind.WRITE),
    ({"query": 'mutation W {a(x:"query")}'}, Kind.WRITE),
    ({"query": READ + WRITE, "operationName": "R"}, Kind.READ),
    ({"query": READ + WRITE, "operationName": "W"}, Kind.WRITE),
    ({"query": READ + WRITE}, Kind.UNKNOWN),
    ({"query": READ + WRITE, "operationName": ""}, Kind.UNKNOWN),
    ({"query": READ + WRITE, "operationName": "X"}, Kind.UNKNOWN),
    ({"query": READ + WRITE, "operationName": ["R"]}, Kind.UNKNOWN),
    ({"query": READ, "operationName": "W"}, Kind.UNKNOWN),
    ({"query": READ, "OperationName": "W"}, Kind.UNKNOWN),
    ({"query": READ, "extensions": {"persistedQuery": {"sha256Hash": "x"}}}, Kind.UNKNOWN),
    ({"extensions": {"persistedQuery": {"sha256Hash": "x"}}}, Kind.DENY),
    ({"query": None}, Kind.DENY),
    ({"query": READ, "variables": []}, Kind.UNKNOWN),
    ({"query": "subscription S {a}"}, Kind.UNKNOWN),
    ({"query": "fragment F on T {a}"}, Kind.UNKNOWN),
    ({"query": "query {"}, Kind.UNKNOWN),
    ([{"query": READ}], Kind.UNKNOWN),
]  # fmt: skip


@pytest.mark.parametrize(("body", "kind"), BODIES)
def test_the_operation_that_runs_decides(body: object, kind: Kind) -> None:
    """A query is a read; which operation is meant must be plain."""
    assert classify("POST", TARGET, "application/json", json.dumps(body).encode()).kind is kind
