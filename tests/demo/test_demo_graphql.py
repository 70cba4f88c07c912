"""GraphQL at the demo org: queries and mutations of uiapi, and documents that are refused."""

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meshmesh_demo.graphqltree import BadGraphQL, parse
from support.demo_org import RITA, Json, Peer

CREATE = 'mutation { uiapi { AccountCreate(input: {Account: {Name: "Graph", Phone: "1"}}) { Record { Id Name { value } } } } }'


async def ask(peer: Peer, query: str, **more: object) -> Json:
    """A GraphQL request."""
    reply = await peer.rest("POST", "graphql", {"query": query, **more})
    assert reply.status == 200, reply.text
    return reply.fields


def error(answer: Json) -> str:
    """The type of an answer's only error."""
    errors = answer["errors"]
    assert isinstance(errors, list)
    assert answer["data"] is None
    return str(errors[0]["extensions"]["ErrorType"])  # pyright: ignore[reportUnknownArgumentType] - a test's own reading


async def test_a_query_finds_records(ada: Peer) -> None:
    """Fields, parents, aliases, conditions, variables, counts."""
    await ada.rest("POST", "sobjects/Account", {"Name": "It's \\ one", "AnnualRevenue": 7})
    query = """query Find($name: String!) {  # a comment
      uiapi { query { found: Account(first: 1, where: {and: [{Name: {eq: $name}}, {not: {AnnualRevenue: {lt: 5.5}}}]}) {
        edges { node { Id, Name { value } Owner { Name { value displayValue } } Parent { Name { value } } } }
        totalCount pageInfo { hasNextPage } } } } }"""
    answer = await ask(ada, query, variables={"name": "it's \\ ONE"}, operationName="Find")

    record = (await ada.records("SELECT Id FROM Account WHERE AnnualRevenue = 7"))[0]
    node = {
        "Id": record["Id"], "Name": {"value": "It's \\ one"}, "Parent": None,
        "Owner": {"Name": {"value": "Ada Admin", "displayValue": "Ada Admin"}},
    }  # fmt: skip
    found = {"edges": [{"node": node}], "totalCount": 1, "pageInfo": {"hasNextPage": False, "hasPreviousPage": False}}
    assert answer == {"data": {"uiapi": {"query": {"found": found}}}, "errors": []}


async def test_mutations_change_records(ada: Peer) -> None:
    """Create, update and delete, one write each."""
    answer = await ask(ada, CREATE)
    made = (await ada.records("SELECT Id FROM Account WHERE Name = 'Graph'"))[0]["Id"]
    assert answer["data"] == {"uiapi": {"AccountCreate": {"Record": {"Id": made, "Name": {"value": "Graph"}}}}}
    update = "mutation($id: IdOrRef!) { uiapi { AccountUpdate(input: {Id: $id, Account: {Phone: null}}) { success } } }"
    assert (await ask(ada, update, variables={"id": made}))["errors"] == []
    delete = f'mutation {{ uiapi {{ AccountDelete(input: {{Id: "{made}"}}) {{ Id }} }} }}'
    assert (await ask(ada, delete))["data"] == {"uiapi": {"AccountDelete": {"Id": made}}}
    assert (await ada.state())["writes"] == 3


async def test_a_refused_mutation_undoes_the_others(ada: Peer) -> None:
    """All or nothing."""
    both = CREATE.removesuffix(" } }") + " bad: AccountCreate(input: {Account: {}}) { Record { Id } } } }"

    assert error(await ask(ada, both)) == "REQUIRED_FIELD_MISSING"
    assert (await ada.state())["writes"] == 0


async def test_a_reader_mutates_nothing(peer: Peer) -> None:
    """INSUFFICIENT_ACCESS."""
    await peer.sign_in(RITA)

    assert error(await ask(peer, CREATE)) == "INSUFFICIENT_ACCESS"


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("", "InvalidSyntax"), ("{", "InvalidSyntax"), ("query { uiapi { query { Account { edges { node { Id } } } } }", "InvalidSyntax"),
        ("subscription { a }", "InvalidSyntax"), ("{ other { a } }", "InvalidSyntax"), ("{ a } { b }", "InvalidSyntax"),
        ("{ uiapi { ...F } }", "InvalidSyntax"), ("{" * 200, "InvalidSyntax"),
        ("mutation { uiapi { AccountExplode(input: {}) { Id } } }", "InvalidSyntax"),
        ("{ uiapi { query { Nothing { totalCount } } } }", "NOT_FOUND"),
        ("{ uiapi { query { Account { edges { node { Foo { value } } } } } } }", "INVALID_FIELD"),
        ('{ uiapi { query { Account(where: {Foo: {eq: "x"}}) { totalCount } } } }', "INVALID_FIELD"),
        ('{ uiapi { query { Account(where: {CreatedDate: {eq: {literal: "x) OR (Name"}}}) { totalCount } } } }', "InvalidSyntax"),
    ],
)  # fmt: skip
async def test_what_cannot_be_read_is_an_error(ada: Peer, query: str, code: str) -> None:
    """A 200 without data, with the type of the error."""
    assert error(await ask(ada, query)) == code


@given(
    st.lists(
        st.sampled_from(["{", "}", "(", ")", "[", "]", ":", "$a", "query", "x", '"s"', "1", "1e999", "#", "null"]),
        max_size=20,
    )
)
@settings(max_examples=200)
def test_no_document_makes_it_fall_over(words: list[str]) -> None:
    """Any words are read or refused."""
    with contextlib.suppress(BadGraphQL):
        parse(" ".join(words))
