"""What `columns=true` tells of a query's columns; sf reads it to draw its table."""

from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Field, SObject
from meshmesh_demo.soql.scope import Scope
from meshmesh_demo.soql.tree import AllFields, Call, Path, Query


def column(scope: Scope, query: Query, sobject: SObject, item: "Path | Call | AllFields | Query") -> Json:
    """The description of one item of the select list; a parent's field and a sub-select have theirs in `joinColumns`."""
    match item:
        case Path():
            fields = scope.fields(query, sobject, item)
            inner = _describe(fields[-1].name, fields[-1], [])
            for reference in reversed(fields[:-1]):
                inner = _describe(reference.relation, reference, [inner])
            return inner
        case Query():
            child, field = scope.children(sobject, item)
            joined = [column(scope, item, child, one) for one in item.select]
            return _describe(field.children, None, joined, aggregate=True)
        case Call():
            return _describe(item.alias or item.function.capitalize(), None, [], aggregate=True)
        case AllFields():
            return _describe(f"FIELDS({item.which})", None, [], aggregate=True)


def _describe(name: str, field: Field | None, joins: list[Json], *, aggregate: bool = False) -> Json:
    kind = field.type if field else "string"
    editable = bool(field and not field.read_only)
    return {
        "aggregate": aggregate,
        "apexType": "String",
        "booleanType": kind == "boolean",
        "columnName": name,
        "custom": name.endswith("__c"),
        "displayName": name,
        "foreignKeyName": field.relation or None if field else None,
        "insertable": editable,
        "joinColumns": joins,
        "numberType": kind in {"int", "double", "currency", "percent"},
        "textType": kind in {"string", "picklist", "textarea", "email", "phone", "url"},
        "updatable": editable,
    }
