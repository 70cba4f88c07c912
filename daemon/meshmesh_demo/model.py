"""What the org is made of: objects and fields, read from the notation of `objects`, found by any case of a name."""

import re
from dataclasses import dataclass

from meshmesh_demo.errors import SalesforceError, refuse
from meshmesh_demo.objects import TABLE

Value = str | int | float | bool | None
Record = dict[str, Value]  # field names to JSON values, dates as text; a name with `_` in front is the org's own note

_FIELD = re.compile(
    r"(?P<name>\w+):(?P<type>\w+)(?:\((?P<length>\d+)\))?(?:\[(?P<values>[^\]]*)\])?"
    r"(?:>(?P<target>[\w,]+)/(?P<relation>\w*)/(?P<children>\w*))?(?P<marks>[!~*=]*)"
)
_LENGTHS = {"string": 255, "picklist": 255, "email": 80, "phone": 40, "url": 255, "textarea": 32000, "reference": 18}


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field: its type in Salesforce's words, and what may be in it."""

    name: str
    type: str
    length: int
    required: bool
    read_only: bool
    external_id: bool
    restricted: bool
    values: tuple[str, ...]
    targets: tuple[str, ...]
    relation: str
    children: str

    @property
    def label(self) -> str:
        """The name in words."""
        return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", self.name.removesuffix("__c")).replace("_", " ")


@dataclass(frozen=True, slots=True, kw_only=True)
class SObject:
    """An object: its key prefix, labels and fields."""

    name: str
    prefix: str
    plural: str
    fields: dict[str, Field]
    editable: bool
    searchable: tuple[str, ...]

    def field(self, name: str) -> Field | None:
        """A field by its name in any case."""
        return self.fields.get(name.lower())


def _field(match: "re.Match[str]") -> Field:
    kind = match["type"]
    return Field(
        name=match["name"],
        type=kind,
        length=int(match["length"] or _LENGTHS.get(kind, 0)),
        required="!" in match["marks"],
        read_only="~" in match["marks"],
        external_id="*" in match["marks"],
        restricted="=" in match["marks"],
        values=tuple(match["values"].split("|")) if match["values"] else (),
        targets=tuple(match["target"].split(",")) if match["target"] else (),
        relation=match["relation"] or "",
        children=match["children"] or "",
    )


def _object(name: str, prefix: str, plural: str, searchable: str, notation: str) -> SObject:
    fields = [_field(match) for match in _FIELD.finditer(notation)]
    return SObject(
        name=name,
        prefix=prefix,
        plural=plural,
        fields={field.name.lower(): field for field in fields},
        editable=bool(searchable) and name != "User",
        searchable=tuple(searchable.split()),
    )


OBJECTS: dict[str, SObject] = {line[0]: _object(*line) for line in TABLE}
_BY_LOWER = {name.lower(): sobject for name, sobject in OBJECTS.items()}


def find(name: str) -> SObject | None:
    """An object by its name in any case."""
    return _BY_LOWER.get(name.lower())


def children_of(name: str) -> dict[str, tuple[SObject, Field]]:
    """The child relationships of an object, by their names in lower case."""
    return {
        field.children.lower(): (child, field)
        for child in OBJECTS.values()
        for field in child.fields.values()
        if field.children and name in field.targets
    }


def unknown_field(sobject: SObject, name: str) -> SalesforceError:
    """The refusal of a field that an object does not have."""
    return refuse("INVALID_FIELD", f"No such column '{name}' on sobject of type {sobject.name}")
