"""A JSON object of an answer, read member by member: what is missing or of another type is said, not passed on."""

import json
from collections.abc import Mapping
from typing import cast

from meshmesh.failures import UnexpectedAnswer


class Document:
    """One JSON object.

    Args:
        values: its members.
    """

    def __init__(self, values: Mapping[str, object]) -> None:
        self.values = dict(values)

    @classmethod
    def parse(cls, body: bytes) -> "Document":
        """The object that a body is.

        Raises:
            UnexpectedAnswer: the body is something else.
        """
        try:
            value: object = json.loads(body)
        except ValueError:
            raise UnexpectedAnswer("It is not JSON.") from None
        if not isinstance(value, dict):
            raise UnexpectedAnswer("It is not a JSON object.")
        return cls(cast("dict[str, object]", value))

    def text(self, name: str) -> str:
        """A member that is a string."""
        value = self.values.get(name)
        if not isinstance(value, str):
            raise UnexpectedAnswer(f"Its member {name!r} is not a string.")
        return value

    def optional_text(self, name: str) -> str:
        """A member that is a string, or "" where it is null or absent."""
        return self.text(name) if self.values.get(name) is not None else ""

    def number(self, name: str) -> int:
        """A member that is a whole number."""
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UnexpectedAnswer(f"Its member {name!r} is not a whole number.")
        return value

    def flag(self, name: str) -> bool:
        """Whether a member is true."""
        return self.values.get(name) is True

    def child(self, name: str) -> "Document | None":
        """A member that is an object, or None where it is null or absent."""
        value = self.values.get(name)
        return Document(cast("dict[str, object]", value)) if isinstance(value, dict) else None

    def children(self, name: str) -> "list[Document]":
        """A member that is a list of objects; absent is empty."""
        value = self.values.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        return [Document(cast("dict[str, object]", item)) for item in items if isinstance(item, dict)]

    def texts(self, name: str) -> list[str]:
        """A member that is a list of strings; absent is empty."""
        value = self.values.get(name)
        items = cast("list[object]", value) if isinstance(value, list) else []
        return [item for item in items if isinstance(item, str)]
