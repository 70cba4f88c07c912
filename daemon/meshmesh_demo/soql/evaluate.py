"""A tree to records: check every name first, then filter, group, sort, cut and shape as REST writes them."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import date
from typing import TypeVar

from meshmesh_demo.errors import refuse
from meshmesh_demo.jsons import Json
from meshmesh_demo.model import Field, Record, SObject, Value
from meshmesh_demo.soql import aggregates, columns
from meshmesh_demo.soql.conditions import Judge
from meshmesh_demo.soql.lexer import malformed
from meshmesh_demo.soql.parser import AGGREGATES, parse
from meshmesh_demo.soql.scope import Scope, Tables
from meshmesh_demo.soql.tree import AllFields, Call, Order, Path, Query

MAX_ALL_FIELDS = 200
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What a query gives: the final records, their number, and what `columns=true` tells of them."""

    entity: SObject
    records: list[Json]
    total: int
    columns: list[Json]
    grouped: bool


def run(tables: Tables, statement: str, *, version: str, today: date, all_rows: bool = False) -> Result:
    """Run a statement.

    Args:
        tables: records by object and id.
        statement: SOQL.
        version: API version of the records' addresses, e.g. `v66.0`.
        today: the org's day.
        all_rows: whether deleted records are seen too (queryAll).

    Raises:
        SalesforceError: as Salesforce words it.
    """
    query = parse(statement)
    return _Run(Scope(tables, statement), version, today).top(query, all_rows=all_rows or query.all_rows)


class _Run:
    def __init__(self, scope: Scope, version: str, today: date) -> None:
        self._scope = scope
        self._version = version
        self._today = today
        self._selected: dict[int, set[str]] = {}

    def top(self, query: Query, *, all_rows: bool) -> Result:
        sobject = self._scope.source(query)
        self._check(query, sobject)
        rows = self._filtered(query, sobject, self._scope.tables[sobject.name].values(), all_rows=all_rows)
        if _is_count(query):
            return Result(entity=sobject, records=[], total=len(_cut(rows, query)), columns=[], grouped=False)
        told = [columns.column(self._scope, query, sobject, item) for item in query.select]
        if _is_grouped(query):
            records = self._grouped(query, sobject, rows)
            return Result(entity=sobject, records=records, total=len(records), columns=told, grouped=True)
        shaped = [self._shape(query, sobject, row) for row in self._ordered(query, sobject, rows)]
        return Result(entity=sobject, records=shaped, total=len(shaped), columns=told, grouped=False)

    def _check(self, query: Query, sobject: SObject) -> None:
        """Refuse what does not fit, whatever rows there are."""
        plain = [item.text.lower() for item in query.select if isinstance(item, Path)]
        for name in plain:
            if plain.count(name) > 1:
                raise refuse("INVALID_FIELD", f"duplicate field selected: {name}")
        for item in query.select:
            self._check_item(query, sobject, item)
        if query.where is not None:
            self._judge(query, sobject, {}).check(query.where)
        if query.having is not None and not _is_grouped(query):
            raise malformed("unexpected token: 'HAVING'")

    def _check_item(self, query: Query, sobject: SObject, item: "Path | Call | AllFields | Query") -> None:
        match item:
            case Query():
                child, _ = self._scope.children(sobject, item)
                if _is_grouped(item):
                    raise malformed("Sub-selects of a parent can not be grouped.")
                self._check(item, child)
            case AllFields():
                if item.which != "STANDARD" and (query.limit is None or query.limit > MAX_ALL_FIELDS):
                    raise malformed("The SOQL FIELDS function must have a LIMIT of at most 200")
            case Path() | Call():
                if item.path is not None:
                    self._scope.fields(query, sobject, item.path)

    def _filtered(self, query: Query, sobject: SObject, rows: Iterable[Record], *, all_rows: bool) -> list[Record]:
        where = query.where
        kept = [row for row in rows if all_rows or not row["IsDeleted"]]
        return kept if where is None else [row for row in kept if self._judge(query, sobject, row).holds(where)]

    def _judge(self, query: Query, sobject: SObject, row: Record) -> Judge:
        def read(operand: Path | Call) -> tuple[Value, str]:
            if operand.path is None or (isinstance(operand, Call) and operand.function in AGGREGATES):
                raise malformed(f"Grouped field should not be queryable in WHERE: {operand.text}")
            return self._scope.value(query, sobject, row, operand.path)

        return Judge(read, self._semi_join, self._today)

    def _semi_join(self, query: Query) -> set[str]:
        if id(query) not in self._selected:
            sobject = self._scope.source(query)
            item = query.select[0]
            if len(query.select) != 1 or not isinstance(item, Path):
                raise malformed("semi join sub-selects can only query one id or reference field")
            self._check(query, sobject)
            if self._scope.fields(query, sobject, item)[-1].type not in {"id", "reference"}:
                raise malformed("semi join sub-selects can only query one id or reference field")
            rows = self._filtered(query, sobject, self._scope.tables[sobject.name].values(), all_rows=False)
            values = (self._scope.value(query, sobject, row, item)[0] for row in _cut(rows, query))
            self._selected[id(query)] = {value for value in values if isinstance(value, str)}
        return self._selected[id(query)]

    def _ordered(self, query: Query, sobject: SObject, rows: list[Record]) -> list[Record]:
        def key_of(order: Order) -> Callable[[Record], Value]:
            path = order.by
            if isinstance(path, Call):
                raise malformed(f"Ordered field must be grouped or aggregated: {path.text}")
            self._scope.fields(query, sobject, path)
            return lambda row: self._scope.value(query, sobject, row, path)[0]

        return _cut(sort(rows, [(order, key_of(order)) for order in query.order_by]), query)

    def _grouped(self, query: Query, sobject: SObject, rows: list[Record]) -> list[Json]:
        groups = aggregates.Groups(query, lambda row, path: self._scope.value(query, sobject, row, path), self._today)
        made = groups.of(rows)
        ordered = sort(made, [(order, groups.sort_key(order.by)) for order in query.order_by])
        return [groups.shape(group) for group in _cut(ordered, query)]

    def _shape(self, query: Query, sobject: SObject, row: Record) -> Json:
        shaped: Json = {"attributes": attributes(sobject, row, self._version)}
        for item in query.select:
            match item:
                case Query():
                    name, children = self._children(item, sobject, row)
                    shaped[name] = children
                case AllFields():
                    shaped |= {one.name: row.get(one.name) for one in _all_fields(sobject, item)}
                case Call():
                    value, _ = self._scope.value(query, sobject, row, item.path or Path(("Id",), item.at))
                    shaped[item.alias or item.last_name] = str(value) if item.function == "FORMAT" and value else value
                case Path():
                    self._place(shaped, self._scope.fields(query, sobject, item), row)
        return shaped

    def _place(self, shaped: Json, fields: list[Field], row: Record) -> None:
        """Put a value where REST puts it: parents are objects of their own, null where there is none."""
        if len(fields) == 1:
            shaped[fields[0].name] = row.get(fields[0].name)
            return
        found = self._scope.parent(row, fields[0])
        if found is None:
            shaped.setdefault(fields[0].relation, None)
            return
        inner: Json = {"attributes": attributes(*found, self._version)}
        known = shaped.get(fields[0].relation)
        if isinstance(known, dict):
            inner |= known
        self._place(inner, fields[1:], found[1])
        shaped[fields[0].relation] = inner

    def _children(self, query: Query, parent: SObject, row: Record) -> tuple[str, Json | None]:
        child, field = self._scope.children(parent, query)
        own = (one for one in self._scope.tables[child.name].values() if one.get(field.name) == row["Id"])
        rows = self._ordered(query, child, self._filtered(query, child, own, all_rows=False))
        shaped = [self._shape(query, child, one) for one in rows]
        return field.children, {"totalSize": len(shaped), "done": True, "records": shaped} if shaped else None


def attributes(sobject: SObject, row: Record, version: str) -> Json:
    """The `attributes` of a record."""
    return {"type": sobject.name, "url": f"/services/data/{version}/sobjects/{sobject.name}/{row['Id']}"}


def sort(rows: list[T], orders: list[tuple[Order, Callable[[T], Value]]]) -> list[T]:
    """Sort by several terms, nulls where each term wants them."""
    for order, key in reversed(orders):
        ranked = [(_rank(value), row) for row in rows if (value := key(row)) is not None]
        null = [row for row in rows if key(row) is None]
        ranked.sort(key=lambda pair: pair[0], reverse=order.descending)
        known = [row for _, row in ranked]
        rows = [*known, *null] if order.nulls_last else [*null, *known]
    return rows


def _rank(value: Value) -> tuple[float, str]:
    return (0.0, value.casefold()) if isinstance(value, str) else (float(value or 0), "")


def _cut(rows: list[T], query: Query) -> list[T]:
    end = None if query.limit is None else query.offset + query.limit
    return rows[query.offset : end]


def _is_count(query: Query) -> bool:
    item = query.select[0]
    plain = isinstance(item, Call) and item.function == "COUNT" and item.path is None and item.alias is None
    return plain and len(query.select) == 1 and not query.group_by


def _is_grouped(query: Query) -> bool:
    return bool(query.group_by) or any(isinstance(item, Call) and item.function in AGGREGATES for item in query.select)


def _all_fields(sobject: SObject, item: AllFields) -> list[Field]:
    custom = {"ALL": (True, False), "CUSTOM": (True,), "STANDARD": (False,)}[item.which]
    return [field for field in sobject.fields.values() if field.name.endswith("__c") in custom]
