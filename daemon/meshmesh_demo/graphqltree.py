"""A small GraphQL reader: operations, fields, arguments, variables. No fragments and no directives."""

import json
import re
from dataclasses import dataclass, field

_TOKEN = re.compile(
    r"""(?:[\s,\ufeff]|\#[^\n]*)*(?:
    (?P<string>"(?:[^"\\\n]|\\.)*")
    | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)
    | (?P<name>[A-Za-z_]\w*)
    | (?P<mark>[{}()\[\]:$!=])
    | (?P<end>\Z))""",
    re.VERBOSE | re.ASCII,
)
_MAX_DEPTH = 30
_MAX_DIGITS = 300


class BadGraphQL(ValueError):
    """The document cannot be read, or has what is not taken here."""


@dataclass(frozen=True, slots=True)
class Variable:
    """`$name` as a value."""

    name: str


@dataclass(slots=True)
class Selection:
    """One field: its name, the name it answers under, its arguments and what is selected of it."""

    name: str
    alias: str
    arguments: dict[str, object] = field(default_factory=dict[str, object])
    selections: list["Selection"] = field(default_factory=list["Selection"])

    def find(self, name: str) -> "Selection | None":
        """The first selected field of a name."""
        return next((one for one in self.selections if one.name == name), None)


@dataclass(slots=True)
class Operation:
    """One operation of a document."""

    kind: str
    name: str
    selections: list[Selection]


def parse(text: str) -> list[Operation]:
    """The operations of a document.

    Raises:
        BadGraphQL: it cannot be read.
    """
    return _Reader(text).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self._tokens = self._lex(text)
        self._at = 0
        self._depth = 0

    @staticmethod
    def _lex(text: str) -> list[tuple[str, str]]:
        found: list[tuple[str, str]] = []
        at = 0
        while not found or found[-1][0] != "end":
            match = _TOKEN.match(text, at)
            if match is None or match.lastgroup is None:
                raise BadGraphQL(f"unexpected character at {at}")
            found.append((match.lastgroup, match[match.lastgroup]))
            at = match.end()
        return found

    def _take(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        self._at = min(self._at + 1, len(self._tokens) - 1)
        return token

    def _is(self, text: str) -> bool:
        if self._tokens[self._at][1] == text and self._tokens[self._at][0] != "string":
            self._take()
            return True
        return False

    def _need(self, text: str) -> None:
        if not self._is(text):
            raise BadGraphQL(f"{text!r} was expected at {self._tokens[self._at][1]!r}")

    def _name(self) -> str:
        kind, text = self._take()
        if kind != "name":
            raise BadGraphQL(f"a name was expected at {text!r}")
        return text

    def document(self) -> list[Operation]:
        found: list[Operation] = []
        while self._tokens[self._at][0] != "end":
            kind, name = "query", ""
            if self._tokens[self._at][0] == "name":
                kind = self._name()
                name = self._name() if self._tokens[self._at][0] == "name" else ""
                self._definitions()
            if kind not in {"query", "mutation"}:
                raise BadGraphQL(f"{kind} is not taken")
            found.append(Operation(kind, name, self._selections()))
        return found

    def _definitions(self) -> None:
        """Variables are not declared to anything here: their definitions are passed over."""
        if self._is("("):
            while not self._is(")"):
                if self._take()[0] == "end":
                    raise BadGraphQL("')' was expected")

    def _selections(self) -> list[Selection]:
        self._enter()
        self._need("{")
        found: list[Selection] = []
        while not self._is("}"):
            name = alias = self._name()
            if self._is(":"):
                name = self._name()
            arguments = self._fields(")") if self._is("(") else {}
            inner = self._selections() if self._tokens[self._at] == ("mark", "{") else []
            found.append(Selection(name, alias, arguments, inner))
        self._depth -= 1
        return found

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BadGraphQL("the document is nested too deeply")

    def _fields(self, end: str) -> dict[str, object]:
        found: dict[str, object] = {}
        while not self._is(end):
            name = self._name()
            self._need(":")
            found[name] = self._value()
        return found

    def _value(self) -> object:
        self._enter()
        kind, text = self._take()
        value: object
        if kind == "string":
            value = self._string(text)
        elif kind == "number" and len(text) < _MAX_DIGITS:
            value = float(text) if set(text) & set(".eE") else int(text)
        elif kind == "name":
            value = {"true": True, "false": False, "null": None}.get(text, text)
        elif text == "$":
            value = Variable(self._name())
        elif text == "{":
            value = self._fields("}")
        elif text == "[":
            value = self._list()
        else:
            raise BadGraphQL(f"a value was expected at {text!r}")
        self._depth -= 1
        return value

    def _list(self) -> list[object]:
        found: list[object] = []
        while not self._is("]"):
            found.append(self._value())
        return found

    @staticmethod
    def _string(text: str) -> str:
        try:
            return str(json.loads(text, strict=False))
        except ValueError:
            raise BadGraphQL(f"{text[:40]} is no string") from None
