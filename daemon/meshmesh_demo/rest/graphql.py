"""`graphql`: queries and mutations of `uiapi`, carried out as SOQL and as changes of records."""

import re

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.graphqltree import BadGraphQL, Operation, Selection, Variable, parse
from meshmesh_demo.jsons import Json, is_list, is_object
from meshmesh_demo.model import Record, SObject
from meshmesh_demo.rest.call import Call, Reply, as_object, as_text
from meshmesh_demo.rest.queries import result_of
from meshmesh_demo.rest.rows import records_of

_OPERATORS = {
    "eq": "=",
    "ne": "!=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "like": "LIKE",
    "in": "IN",
    "nin": "NOT IN",
}
_MUTATION = re.compile(r"(?P<object>\w+)(?P<what>Create|Update|Delete)", re.ASCII)
_FIELD = re.compile(r"[A-Za-z]\w*", re.ASCII)
_DATE = re.compile(r"[\w:.+-]+", re.ASCII)  # a date, a datetime or a date word
_FIRST, _MOST = 10, 2000  # how many records a query gives that asks for no number; and the most


async def graphql(call: Call) -> Reply:
    """`POST graphql`; refusals are errors of a 200, as GraphQL has it."""
    body = call.fields()
    text = as_text(body.get("query"), "query")
    variables = as_object(body["variables"]) if body.get("variables") is not None else {}
    try:
        operation = _chosen(parse(text), body.get("operationName"))
        top = [_filled(one, variables) for one in operation.selections]
        data = await (_mutate(call, top) if operation.kind == "mutation" else _query(call, top))
    except BadGraphQL as error:
        return _failed("InvalidSyntax", str(error))
    except SalesforceError as error:
        return _failed(error.fault.code, error.fault.message)
    return Reply(body={"data": data, "errors": []})


def _failed(code: str, message: str) -> Reply:
    error: Json = {"message": message, "paths": [], "extensions": {"ErrorType": code}}
    return Reply(body={"data": None, "errors": [error]})


def _chosen(operations: list[Operation], name: object) -> Operation:
    fitting = [one for one in operations if name is None or one.name == name]
    if len(fitting) != 1:
        raise BadGraphQL("operationName must name one operation of the document")
    return fitting[0]


def _filled(selection: Selection, variables: Json) -> Selection:
    def value(given: object) -> object:
        if isinstance(given, Variable):
            return variables.get(given.name)
        if is_list(given):
            return [value(one) for one in given]
        if is_object(given):
            return {name: value(one) for name, one in given.items()}
        return given

    arguments = {name: value(one) for name, one in selection.arguments.items()}
    inner = [_filled(one, variables) for one in selection.selections]
    return Selection(selection.name, selection.alias, arguments, inner)


def _uiapi(top: list[Selection]) -> Selection:
    if len(top) != 1 or top[0].name != "uiapi":
        raise BadGraphQL("an operation selects uiapi, and nothing else")
    return top[0]


async def _query(call: Call, top: list[Selection]) -> Json:
    uiapi = _uiapi(top)
    query = uiapi.find("query")
    if query is None or len(uiapi.selections) != 1:
        raise BadGraphQL("uiapi selects query, and nothing else")
    found = {one.alias: _connection(call, one) for one in query.selections}
    return {uiapi.alias: {query.alias: found}}


def _connection(call: Call, selection: Selection) -> Json:
    sobject = call.org.store.sobject(selection.name)
    edges = selection.find("edges")
    node = edges.find("node") if edges else None
    fields = _paths(node.selections, "") if node else []
    statement = f"SELECT {', '.join(dict.fromkeys(['Id', *fields]))} FROM {sobject.name}"  # noqa: S608 - SOQL, which our own parser reads
    where, first = selection.arguments.get("where"), selection.arguments.get("first", _FIRST)
    if where:
        statement += f" WHERE {_condition(where, '')}"
    if not isinstance(first, int) or not 0 <= first <= _MOST:
        raise BadGraphQL(f"first must be a number from 0 to {_MOST}")
    result = result_of(call, statement)
    shown = result.records[:first]
    answer: Json = {}
    for one in selection.selections:
        if one is edges and node:
            answer[one.alias] = [{node.alias: _node(node.selections, record)} for record in shown]
        elif one.name == "totalCount":
            answer[one.alias] = result.total
        elif one.name == "pageInfo":
            answer[one.alias] = {"hasNextPage": len(shown) < result.total, "hasPreviousPage": False}
        else:
            raise BadGraphQL(f"{one.name} can not be selected of a connection")
    return answer


def _paths(selections: list[Selection], prefix: str) -> list[str]:
    """The SOQL fields that a node selects: `Name { value }` is a field, any other braces are a parent."""
    found: list[str] = []
    for one in selections:
        if not one.selections or {inner.name for inner in one.selections} <= {"value", "displayValue"}:
            found.append(prefix + one.name)
        else:
            found += _paths(one.selections, f"{prefix}{one.name}.")
    return found


def _node(selections: list[Selection], record: Json) -> Json:
    lower = {name.lower(): value for name, value in record.items()}
    answer: Json = {}
    for one in selections:
        value = lower.get(one.name.lower())
        if not one.selections:
            answer[one.alias] = value
        elif is_object(value):
            answer[one.alias] = _node(one.selections, value)
        elif {inner.name for inner in one.selections} <= {"value", "displayValue"}:
            answer[one.alias] = {inner.alias: value for inner in one.selections}
        else:
            answer[one.alias] = None
    return answer


def _condition(where: object, prefix: str) -> str:
    if not is_object(where) or not where:
        raise BadGraphQL("where must be an object")
    parts: list[str] = []
    for name, value in where.items():
        if name in {"and", "or"} and is_list(value) and value:
            parts.append("(" + f" {name.upper()} ".join(_condition(one, prefix) for one in value) + ")")
        elif name == "not":
            parts.append(f"(NOT {_condition(value, prefix)})")
        elif is_object(value) and _FIELD.fullmatch(name):
            known = set(value) <= set(_OPERATORS)
            parts.append(_comparisons(prefix + name, value) if known else _condition(value, f"{prefix}{name}."))
        else:
            raise BadGraphQL(f"{name} is no condition")
    return "(" + " AND ".join(parts) + ")"


def _comparisons(name: str, operators: Json) -> str:
    texts = [f"{name} {_OPERATORS[operator]} {_literal(value)}" for operator, value in operators.items()]
    if not texts:
        raise BadGraphQL(f"{name} has no operator")
    return " AND ".join(texts)


def _literal(value: object) -> str:
    if is_list(value):
        return "(" + ", ".join(_literal(one) for one in value) + ")"
    if is_object(value) and set(value) <= {"value", "literal"} and len(value) == 1:
        text = str(next(iter(value.values())))
        if not _DATE.fullmatch(text):
            raise BadGraphQL(f"{text[:40]} is no date")
        return text
    if isinstance(value, str):
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return "null" if value is None else str(value)


async def _mutate(call: Call, top: list[Selection]) -> Json:
    """All changes in one transaction; the first refusal undoes them."""
    uiapi = _uiapi(top)
    answers: Json = {}
    async with call.org.store.transaction():
        for one in uiapi.selections:
            answers[one.alias] = _change(call, one)
    return {uiapi.alias: answers}


def _change(call: Call, selection: Selection) -> Json:
    match = _MUTATION.fullmatch(selection.name)
    if match is None:
        raise BadGraphQL(f"{selection.name} is no mutation")
    sobject, records = call.org.store.sobject(match["object"]), records_of(call)
    given = as_object(selection.arguments.get("input"))
    values = as_object(given.get(sobject.name, {}))
    if match["what"] == "Create":
        record_id = records.create(sobject, values)
    else:
        record_id = str(records.get(sobject, as_text(given.get("Id"), "Id"))["Id"])
        if match["what"] == "Update":
            records.update(sobject, record_id, values)
        else:
            records.delete(sobject, record_id)
    return _changed(sobject, selection, call.org.store.tables[sobject.name][record_id])


def _changed(sobject: SObject, selection: Selection, record: Record) -> Json:
    answer: Json = {}
    for one in selection.selections:
        if one.name == "Record":
            for name in _paths(one.selections, ""):
                if sobject.field(name) is None:
                    raise refuse("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
            answer[one.alias] = _node(one.selections, dict(record))
        elif one.name == "Id":
            answer[one.alias] = record["Id"]
        elif one.name == "success":
            answer[one.alias] = True
        else:
            raise BadGraphQL(f"{one.name} can not be selected of a mutation")
    return answer
