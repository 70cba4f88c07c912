"""What a route takes, declared once: the declaration checks requests, and it is what OpenAPI shows.

A body is a tuple of fields. Each knows its JSON Schema and how to refuse what does not fit it; the refusing itself is
`Fields`' (bodies.py), so that a document can never promise what a handler would not take.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from aiohttp import web

from meshmesh_bridge.bodies import MAX_TEXT, Fields, read_json

Json = dict[str, object]


class Field(Protocol):
    """One member of a body, or one parameter of a query."""

    @property
    def name(self) -> str:
        """As it is sent."""
        ...

    @property
    def required(self) -> bool:
        """Whether it must be there."""
        ...

    def schema(self) -> Json:
        """What its value may be."""
        ...

    def check(self, fields: Fields) -> None:
        """Refuse a value that does not fit.

        Raises:
            Problem: 422 naming the field.
        """
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """A non-empty string without control characters."""

    name: str
    required: bool = False
    max_length: int = MAX_TEXT
    secret: bool = False

    def schema(self) -> Json:
        """A string with its length."""
        schema: Json = {"type": "string", "minLength": 1, "maxLength": self.max_length, "pattern": _VISIBLE}
        return schema | {"format": "password"} if self.secret else schema

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        (fields.required_text if self.required else fields.text)(self.name, max_length=self.max_length)


# no control characters, and not white space alone
_VISIBLE = r"^[^\u0000-\u001F]*[^\s\u0000-\u001F][^\u0000-\u001F]*$"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some words."""

    name: str
    words: tuple[str, ...]
    required: bool = False

    def schema(self) -> Json:
        """An enumeration."""
        return {"type": "string", "enum": list(self.words)}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        fields.word(self.name, self.words, required=self.required)


def one_of(name: str, enum: type[StrEnum], *, required: bool = False) -> Choice:
    """One of an enum's values."""
    return Choice(name, tuple(member.value for member in enum), required)


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    name: str
    required: bool = False

    def schema(self) -> Json:
        """A boolean."""
        return {"type": "boolean"}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        fields.flag(self.name)


@dataclass(frozen=True, slots=True)
class Whole:
    """A whole number in a range."""

    name: str
    low: int
    high: int
    required: bool = False

    def schema(self) -> Json:
        """An integer with its range."""
        return {"type": "integer", "minimum": self.low, "maximum": self.high}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        fields.integer(self.name, low=self.low, high=self.high)
        if self.required:
            fields.present(self.name, f": a whole number from {self.low} to {self.high}.")


@dataclass(frozen=True, slots=True)
class Texts:
    """A list of non-empty strings."""

    name: str
    most: int
    required: bool = False

    def schema(self) -> Json:
        """An array of strings."""
        return {"type": "array", "maxItems": self.most, "items": {"type": "string", "minLength": 1}}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        fields.texts(self.name, most=self.most)
        if self.required:
            fields.present(self.name, ".")


@dataclass(frozen=True, slots=True)
class Object:
    """An object in the object."""

    name: str
    members: tuple[Field, ...]
    required: bool = False

    def schema(self) -> Json:
        """An object."""
        return body_schema(self.members)

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        inner = fields.nested(self.name, names(self.members))
        if inner is not None:
            check(self.members, inner)
        elif self.required:
            fields.present(self.name, ".")


@dataclass(frozen=True, slots=True)
class Objects:
    """A list of objects."""

    name: str
    members: tuple[Field, ...]
    most: int
    required: bool = False

    def schema(self) -> Json:
        """An array of objects."""
        return {"type": "array", "maxItems": self.most, "items": body_schema(self.members)}

    def check(self, fields: Fields) -> None:
        """See `Field`."""
        for one in fields.objects(self.name, names(self.members), most=self.most) or ():
            check(self.members, one)
        if self.required:
            fields.present(self.name, ".")


Body = tuple[Field, ...]


async def read_body(request: web.Request, body: Body) -> Fields:
    """A request's body, which fits.

    Args:
        request: whose body it is.
        body: what its route takes.

    Raises:
        Problem: 400, 408, 413, 415 or 422, naming the first field that does not fit.
    """
    fields = Fields(await read_json(request), names(body))
    check(body, fields)
    return fields


def names(body: Body) -> tuple[str, ...]:
    """The members of a body, by name."""
    return tuple(one.name for one in body)


def check(body: Body, fields: Fields) -> None:
    """Refuse a body that does not fit.

    Raises:
        Problem: 422 naming the first field that does not.
    """
    for one in body:
        one.check(fields)


def body_schema(body: Body) -> Json:
    """The JSON Schema of a body; a member that may be left out may be null too, but for a flag."""
    schema: Json = {
        "type": "object",
        "additionalProperties": False,
        "properties": {one.name: _value(one) for one in body},
    }
    required = [one.name for one in body if one.required]
    return schema | {"required": required} if required else schema


def _value(one: Field) -> Json:
    optional = not one.required and not isinstance(one, Flag)
    return {"anyOf": [one.schema(), {"type": "null"}]} if optional else one.schema()
