"""`graphql`: which operation of the document runs, and what a mutation of `uiapi` changes."""

import re
from collections.abc import Iterator

from meshmesh_daemon.core.classify.graphql import BadDocument, Operation, Selection, read_operations
from meshmesh_daemon.core.classify.request import Matched, Opaque
from meshmesh_daemon.core.classify.strict_json import Refused, is_object
from meshmesh_daemon.core.classify.verdict import Json, Kind, Part, Verdict

_MEMBERS = frozenset({"query", "variables", "operationName"})
_MUTATION = re.compile(r"(\w+)(Create|Update|Delete)", re.ASCII)


def graphql(matched: Matched) -> Verdict:
    """One document, of which one operation runs."""
    body = matched.request.json()
    if not is_object(body):
        raise Opaque("its body has a shape that is not known")
    text, variables = body.get("query"), body.get("variables")
    if not isinstance(text, str):
        raise Refused("it names a document that is not there to be judged")
    if not _MEMBERS.issuperset(body) or not (variables is None or is_object(variables)):
        raise Opaque("its body has a shape that is not known")
    try:
        operations = read_operations(text, variables or {})
    except BadDocument as bad:
        raise Opaque(f"the GraphQL cannot be read: {bad}") from None
    operation = _chosen(operations, body.get("operationName"))
    if operation.kind == "query":
        return matched.plain()
    if operation.kind == "mutation":
        return matched.verdict(*_changes(matched, operation))
    raise Opaque("it is neither a query nor a mutation")


def _chosen(operations: list[Operation], name: Json) -> Operation:
    fitting = [operation for operation in operations if name is None or operation.name == name]
    if len(fitting) != 1:
        raise Opaque("it does not say which of its operations is meant")
    return fitting[0]


def _changes(matched: Matched, operation: Operation) -> Iterator[Part]:
    for outer in operation.selections:
        if outer.name != "uiapi" or not outer.selections:
            yield matched.part(Kind.WRITE, action="other", words="A GraphQL mutation that is not of uiapi")
        for inner in outer.selections:
            yield _change(matched, inner)


def _change(matched: Matched, selection: Selection) -> Part:
    match = _MUTATION.fullmatch(selection.name)
    given = selection.arguments.get("input")
    if match is None or not is_object(given):
        return matched.part(Kind.WRITE, action="other", words="A GraphQL mutation")
    sobject, record_id = match[1], given.get("Id")
    fields = next((value for name, value in given.items() if name.lower() == sobject.lower()), None)
    return matched.part(
        Kind.WRITE,
        action=match[2].lower(),
        sobject=sobject,
        record_id=record_id if isinstance(record_id, str) else None,
        fields=dict(fields) if is_object(fields) else None,
    )
