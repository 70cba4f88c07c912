"""GraphQL documents, read by the grammar of the specification (October 2021, executable definitions only).

A document that is taken here is one that every GraphQL parser takes, and with the same operations; whatever is doubtful
is not taken. It is small because it needs to be: the reference parser costs half a second and 16 MB at its import.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from meshmesh_daemon.core.classify.verdict import Json

_TOKEN = re.compile(
    r"""(?:[ \t\r\n,]++|\#[^\r\n]*+)*+(?:
      (?P<block>\"""(?:\\\"""|[^"\\]|\\(?!\""")|"(?!""))*+\""")
    | (?P<string>"(?!"")(?:[^"\\\r\n]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*+")
    | (?P<number>-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?(?![A-Za-z0-9_.]))
    | (?P<name>[A-Za-z_][A-Za-z0-9_]*)
    | (?P<mark>\.\.\.|[!$():=@\[\]{}])
    | (?P<end>\Z))""",
    re.VERBOSE,
)
# Not in the grammar; or ends a line, and so a comment, for some parsers and not for others.
_DOUBTFUL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\x85\u2028\u2029\ufeff\ud800-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")
_MAX_DEPTH = 64
_MAX_TOKENS = 50_000
_MAX_DIGITS = 100
_WORDS: Mapping[str, Json] = {"true": True, "false": False, "null": None}


class BadDocument(ValueError):
    """A text that is no GraphQL, or not plainly so; `str()` says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One field and what is selected of it; a fragment has the name `...`."""

    name: str
    arguments: Mapping[str, Json] = field(default_factory=dict[str, Json])
    selections: "Sequence[Selection]" = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation of a document: `query`, `mutation` or `subscription`; its name, or None."""

    kind: str
    name: str | None
    selections: Sequence[Selection]


def read_operations(text: str, variables: Mapping[str, Json]) -> list[Operation]:
    """The operations of a document, in order; arguments have their variables' values.

    Args:
        text: the document.
        variables: the values that came with it.

    Raises:
        BadDocument: it cannot be read.
    """
    return _Reader(text, variables).document()


class _Reader:
    """Recursive descent; one method a rule of the grammar."""

    def __init__(self, text: str, variables: Mapping[str, Json]) -> None:
        self._tokens = _tokens(text)
        self._at = 0
        self._depth = 0
        self._variables = variables
        self._defaults: dict[str, Json] = {}
        self._constant = False

    def document(self) -> list[Operation]:
        found: list[Operation] = []
        while self._kind != "end":
            if self._sees("fragment"):
                self._fragment()
            else:
                found.append(self._operation())
        names = [operation.name for operation in found]
        if not found or len(set(names)) != len(names) or (None in names and len(names) > 1):
            raise BadDocument("its operations cannot be told apart")
        return found

    def _operation(self) -> Operation:
        if self._sees("{"):
            return Operation(kind="query", name=None, selections=self._selections())
        kind = self._name()
        if kind not in {"query", "mutation", "subscription"}:
            raise BadDocument(f"{kind!r} is no operation")
        name = self._name() if self._kind == "name" else None
        self._defaults = {}
        if self._take_if("("):
            self._variable()
            while not self._take_if(")"):
                self._variable()
        self._directives()
        return Operation(kind=kind, name=name, selections=self._selections())

    def _fragment(self) -> None:
        self._defaults = {}
        self._need("fragment")
        if self._name() == "on":
            raise BadDocument("a fragment has no name")
        self._condition()
        self._directives()
        self._selections()

    def _condition(self) -> None:
        if self._name() != "on":
            raise BadDocument("a fragment has no type")
        self._name()

    def _variable(self) -> None:
        self._need("$")
        name = self._name()
        self._need(":")
        self._type()
        self._constant = True
        if self._take_if("="):
            self._defaults[name] = self._value()
        self._directives()
        self._constant = False

    def _type(self) -> None:
        self._enter()
        if self._take_if("["):
            self._type()
            self._need("]")
        else:
            self._name()
        self._take_if("!")
        self._depth -= 1

    def _selections(self) -> list[Selection]:
        self._enter()
        self._need("{")
        found = [self._selection()]
        while not self._take_if("}"):
            found.append(self._selection())
        self._depth -= 1
        return found

    def _selection(self) -> Selection:
        if self._take_if("..."):
            return self._spread()
        name = self._name()
        if self._take_if(":"):
            name = self._name()
        arguments = self._arguments()
        self._directives()
        return Selection(name=name, arguments=arguments, selections=self._selections() if self._sees("{") else [])

    def _spread(self) -> Selection:
        if self._kind == "name" and not self._sees("on"):
            self._name()
            self._directives()
            return Selection(name="...")
        if self._kind == "name":
            self._condition()
        self._directives()
        return Selection(name="...", selections=self._selections())

    def _directives(self) -> None:
        while self._take_if("@"):
            self._name()
            self._arguments()

    def _arguments(self) -> dict[str, Json]:
        return self._members(")") if self._take_if("(") else {}

    def _members(self, end: str) -> dict[str, Json]:
        """`name: value` until the end; in brackets there is at least one."""
        found: dict[str, Json] = {}
        while (not found and end == ")") or not self._take_if(end):
            name = self._name()
            self._need(":")
            if name in found:
                raise BadDocument(f"{name!r} stands there twice")
            found[name] = self._value()
        return found

    def _value(self) -> Json:
        self._enter()
        kind, word = self._take()
        value: Json
        if kind == "name":
            value = _WORDS.get(word, word)
        elif kind == "number":
            value = _number(word)
        elif kind in {"string", "block"}:
            value = _string(kind, word)
        elif word == "$" and not self._constant:
            name = self._name()
            value = self._variables.get(name, self._defaults.get(name))
        elif word == "{":
            value = dict(self._members("}"))
        elif word == "[":
            value = self._array()
        else:
            raise BadDocument(f"{word!r} is no value")
        self._depth -= 1
        return value

    def _array(self) -> list[Json]:
        found: list[Json] = []
        while not self._take_if("]"):
            found.append(self._value())
        return found

    def _enter(self) -> None:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise BadDocument("it is nested too deeply")

    @property
    def _kind(self) -> str:
        return self._tokens[self._at][0]

    def _take(self) -> tuple[str, str]:
        token = self._tokens[self._at]
        if token[0] == "end":
            raise BadDocument("it ends too early")
        self._at += 1
        return token

    def _sees(self, word: str) -> bool:
        """Whether a name or a mark is next; a string is neither."""
        return self._tokens[self._at] in {("mark", word), ("name", word)}

    def _take_if(self, word: str) -> bool:
        seen = self._sees(word)
        self._at += seen
        return seen

    def _need(self, word: str) -> None:
        if not self._take_if(word):
            raise BadDocument(f"{word!r} was expected")

    def _name(self) -> str:
        kind, word = self._take()
        if kind != "name":
            raise BadDocument(f"{word[:40]!r} is no name")
        return word


def _tokens(text: str) -> list[tuple[str, str]]:
    if _DOUBTFUL.search(text):
        raise BadDocument("it holds a character that parsers take in different ways")
    found: list[tuple[str, str]] = []
    at = 0
    while not found or found[-1][0] != "end":
        match = _TOKEN.match(text, at)
        if match is None or match.lastgroup is None or len(found) > _MAX_TOKENS:
            raise BadDocument("it holds something that is no word of the language, or is too long")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _number(word: str) -> Json:
    if len(word) > _MAX_DIGITS:
        raise BadDocument("a number is too long")
    return float(word) if set(word) & set(".eE") else int(word)


def _string(kind: str, word: str) -> str:
    text = word[3:-3].replace('\\"""', '"""') if kind == "block" else str(json.loads(word, strict=False))
    if _SURROGATE.search(text):
        raise BadDocument("a text is half a character")
    return text
