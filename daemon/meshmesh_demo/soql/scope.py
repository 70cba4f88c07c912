"""What the names of one statement mean: objects, fields through parents, and their values in a record."""

from dataclasses import dataclass, field

from meshmesh_demo import model
from meshmesh_demo.model import Field, Record, SObject, Value
from meshmesh_demo.soql import names
from meshmesh_demo.soql.tree import Path, Query

Tables = dict[str, dict[str, Record]]


@dataclass(slots=True)
class Scope:
    """The tables that a statement sees, and its text for the error's caret."""

    tables: Tables
    statement: str
    _resolved: dict[tuple[int, tuple[str, ...]], list[Field]] = field(
        default_factory=dict[tuple[int, tuple[str, ...]], list[Field]]
    )

    def source(self, query: Query) -> SObject:
        """The object after FROM.

        Raises:
            SalesforceError: INVALID_TYPE.
        """
        sobject = model.find(query.source)
        if sobject is None or sobject.name not in self.tables:
            raise names.no_object(query.source)
        return sobject

    def fields(self, query: Query, sobject: SObject, path: Path) -> list[Field]:
        """The reference fields on the way of a path, then the field itself.

        Raises:
            SalesforceError: INVALID_FIELD.
        """
        key = (id(query), path.names)
        if key not in self._resolved:
            own = names.source(query.source, query.alias, path)
            self._resolved[key] = names.resolve(sobject, own, path, self.statement)
        return self._resolved[key]

    def value(self, query: Query, sobject: SObject, row: Record, path: Path) -> tuple[Value, str]:
        """The value at a path, None where a parent is missing, and its field's type."""
        fields = self.fields(query, sobject, path)
        here: Record | None = row
        for reference in fields[:-1]:
            found = self.parent(here, reference)
            here = found[1] if found else None
        return (None if here is None else here.get(fields[-1].name)), fields[-1].type

    def parent(self, row: Record | None, reference: Field) -> tuple[SObject, Record] | None:
        """The record that a reference field points at, and its object."""
        key = row.get(reference.name) if row else None
        for name in reference.targets:
            table = self.tables.get(name, {})
            if isinstance(key, str) and key in table:
                return model.OBJECTS[name], table[key]
        return None

    def children(self, parent: SObject, query: Query) -> tuple[SObject, Field]:
        """The object and the reference field behind a child relationship.

        Raises:
            SalesforceError: INVALID_TYPE.
        """
        found = model.children_of(parent.name).get(query.source.lower())
        if found is None or found[0].name not in self.tables:
            raise names.no_children(query.source)
        return found
