"""GROUP BY, HAVING and the aggregate functions."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

from meshmesh_demo.model import Record, Value
from meshmesh_demo.soql.conditions import Judge
from meshmesh_demo.soql.lexer import malformed
from meshmesh_demo.soql.tree import Call, Path, Query

Read = Callable[[Record, Path], tuple[Value, str]]


@dataclass(frozen=True, slots=True)
class Group:
    """One group: the values it is grouped by, and its records."""

    key: tuple[Value, ...]
    rows: list[Record]


class Groups:
    """Groups the records of one query.

    Args:
        query: the statement.
        read: a record's value at a path, and its type.
        today: the org's day.
    """

    def __init__(self, query: Query, read: Read, today: date) -> None:
        self._query = query
        self._read = read
        self._today = today
        self._by = [path.text.lower() for path in query.group_by]
        for item in query.select:
            if isinstance(item, Path):
                self._position(item)

    def of(self, rows: list[Record]) -> list[Group]:
        """The groups that HAVING keeps; without GROUP BY one group of everything."""
        found: dict[tuple[Value, ...], list[Record]] = {} if self._by else {(): []}
        for row in rows:
            key = tuple(self._read(row, path)[0] for path in self._query.group_by)
            found.setdefault(key, []).append(row)
        groups = [Group(key, members) for key, members in found.items()]
        having = self._query.having
        return groups if having is None else [group for group in groups if self._judge(group).holds(having)]

    def _judge(self, group: Group) -> Judge:
        return Judge(lambda operand: self._operand(group, operand), lambda _query: set(), self._today)

    def _operand(self, group: Group, operand: "Path | Call") -> tuple[Value, str]:
        if isinstance(operand, Call):
            value = self._aggregate(group, operand)
            return value, "double" if isinstance(value, int | float) else "string"
        value = group.key[self._position(operand)]
        return value, self._read(group.rows[0], operand)[1]

    def _position(self, path: Path) -> int:
        if path.text.lower() not in self._by:
            raise malformed(f"Field must be grouped or aggregated: {path.text}")
        return self._by.index(path.text.lower())

    def sort_key(self, by: "Path | Call") -> Callable[[Group], Value]:
        """What an ORDER BY term sorts groups by; an alias of the select list counts too."""
        if isinstance(by, Path):
            named = [item for item in self._query.select if isinstance(item, Call) and item.alias == by.text]
            if named:
                return lambda group: self._aggregate(group, named[0])
        return lambda group: self._operand(group, by)[0]

    def shape(self, group: Group) -> dict[str, object]:
        """A group as REST writes it: an AggregateResult without an address."""
        shaped: dict[str, object] = {"attributes": {"type": "AggregateResult"}}
        unnamed = 0
        for item in self._query.select:
            if isinstance(item, Path):
                shaped[item.names[-1]] = group.key[self._position(item)]
            elif isinstance(item, Call):
                name = item.alias or f"expr{unnamed}"
                unnamed += not item.alias
                shaped[name] = self._aggregate(group, item)
            else:
                raise malformed("Grouped queries can not have sub-selects or FIELDS().")
        return shaped

    def _aggregate(self, group: Group, call: Call) -> Value:
        if call.path is None:
            return len(group.rows)
        path = call.path
        values = [value for value in (self._read(row, path)[0] for row in group.rows) if value is not None]
        if not group.rows:
            self._read({}, path)
        match call.function:
            case "COUNT":
                return len(values)
            case "COUNT_DISTINCT":
                return len({value.casefold() if isinstance(value, str) else value for value in values})
            case "MIN" | "MAX":
                texts = [value for value in values if isinstance(value, str)]
                pick = min if call.function == "MIN" else max
                return (pick(texts, key=str.casefold) if texts else pick(_numbers(values, path))) if values else None
            case _:
                numbers = _numbers(values, path)
                total = sum(numbers)
                return (total if call.function == "SUM" else total / len(numbers)) if numbers else None


def _numbers(values: Sequence[Value], path: Path) -> list[float]:
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) != len(values):
        raise malformed(f"field {path.text} does not support aggregate operator SUM or AVG")
    return list(numbers)
