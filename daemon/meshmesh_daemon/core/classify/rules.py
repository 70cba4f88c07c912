"""What a row of the table is, and how the row of a request is found.

A row names a root, methods and a pattern of segments. Fixed words are compared without case, and in ASCII only: a letter
that merely looks like another, or lower-cases to it, is another. `{name}` catches one segment, `a|b` is either word,
`[tooling/]` may stand or not, `**` is any number of further segments, `+` of further plain words. The first row that fits
decides. HEAD and OPTIONS are judged by what a GET would do.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum, unique
from functools import cache

from meshmesh_daemon.core.classify.verdict import Kind

GET = ("GET",)
POST = ("POST",)
PATCH = ("PATCH",)
PUT = ("PUT",)
DELETE = ("DELETE",)
CHANGES = ("POST", "PATCH", "PUT", "DELETE")
ANY: tuple[str, ...] = ()


_LIKE_GET = frozenset({"HEAD", "OPTIONS"})
_SEGMENTS = {
    "object": r"[a-z][a-z0-9_]{0,99}|@ref",
    "field": r"[a-z][a-z0-9_]{0,99}",
    "id": r"[a-z0-9]{15}(?:[a-z0-9]{3})?|@ref",
    "name": r"[a-z0-9][a-z0-9_.-]{0,199}",
    "word": r"[a-z][a-z0-9_-]*",
    "value": r"[^/]+",
    "org": r"00d[a-z0-9]{12}(?:[a-z0-9]{3})?",
    "user": r"005[a-z0-9]{12}(?:[a-z0-9]{3})?",
}
_ODD = "odd"  # no version, or none that is plain
_FURTHER = {"**": r"(?:/[^/]+)*", "+": r"(?:/[a-z0-9_-]+)*"}
_PLACE = re.compile(
    r"""/services/data(?:/v[0-9]{1,3}\.0(?:/(?P<data>.*))?)?/?
      | /services/async/[0-9]{1,3}\.0/(?P<async>.+)
      | /services/(?:data|async)/(?P<odd>.*)
      | /services/soap/(?P<soap>.+)
      | /services/apexrest(?:/(?P<apexrest>.*))?
      | /services/oauth2/(?P<oauth2>.+)
      | /id/(?P<id>.+)
    """,
    re.VERBOSE | re.IGNORECASE | re.ASCII,
)


class Root(StrEnum):
    """Where a family of addresses begins."""

    DATA = "data"
    ASYNC = "async"
    SOAP = "soap"
    APEXREST = "apexrest"
    OAUTH2 = "oauth2"
    ID = "id"
    OTHER = "other"

    @property
    def address(self) -> str:
        """The address, as the printed table shows it."""
        return _ADDRESSES[self]


_ADDRESSES = {
    Root.DATA: "/services/data/vXX.0/",
    Root.ASYNC: "/services/async/XX.0/",
    Root.SOAP: "/services/Soap/",
    Root.APEXREST: "/services/apexrest/",
    Root.OAUTH2: "/services/oauth2/",
    Root.ID: "/id/",
    Root.OTHER: "/",
}


@unique
class Look(StrEnum):
    """What decides beside the address, or tells what would change."""

    NOTHING = ""
    SOQL = "the statement in `q`"
    SOSL = "the search in `q`"
    USAGE = "flags that count as usage (`updateMru`, `updateTracking`, `updateViewStat`)"
    APEX = "the code in `anonymousBody`, shown"
    CLONE = "`cloneId` in the query makes it a write"
    RECORD = "the fields, shown"
    ROWS = "the records, shown"
    TREE = "the records and their children, shown"
    RETRIEVE = "a body of `ids` and `fields` only"
    COMPOSITE = "each of `compositeRequest`"
    BATCH = "each of `batchRequests`"
    GRAPH = "each of `graphs[].compositeRequest`"
    GRAPHQL = "the chosen operation: `query` is a read, `mutation` a write"
    QUERY_JOB = "the operation, and the statement"
    QUERY_JOB_STATE = "state `Aborted` only"
    INGEST = "JSON only; a multipart create starts at once, a write"
    INGEST_STATE = "state `UploadComplete` starts the job"
    BULK_JOB = "the operation: `query` and `queryAll` are reads, all else is a write"
    BULK_STATE = "state `Closed` ends the adding of batches, a read; all else is held"
    BULK_BATCH = "a single SOQL statement on one line is a read: as data it would be a header without rows"
    DEPLOY = "`checkOnly` and the names in the archive, shown"
    SOAP = "the operation in the Body, see below"


# With these a request cannot be told a read or a write by its address: the whole body is needed.
_IN_THE_BODY = frozenset(
    {
        Look.RETRIEVE, Look.COMPOSITE, Look.BATCH, Look.GRAPH, Look.GRAPHQL, Look.QUERY_JOB, Look.QUERY_JOB_STATE,
        Look.INGEST, Look.INGEST_STATE, Look.BULK_JOB, Look.BULK_STATE, Look.BULK_BATCH, Look.SOAP,
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One row.

    Attributes:
        id: its name, unique; rows that say the same of several methods or addresses share it.
        root: where the pattern begins.
        methods: which methods it is for; none: any.
        pattern: the address below the root.
        kind: what it is, unless `look` finds something stricter.
        says: what it does, in words that can begin a sentence.
        look: what else decides, or is shown.
        action: the verb of its part.
    """

    id: str
    root: Root = Root.DATA
    methods: tuple[str, ...]
    pattern: str
    kind: Kind
    says: str
    look: Look = Look.NOTHING
    action: str = "read"

    def needs_body(self, method: str) -> bool:
        """Whether a request under this row cannot be judged without its body."""
        return self.look in _IN_THE_BODY or (self.look is Look.USAGE and method == "POST")


@dataclass(frozen=True, slots=True)
class Found:
    """The row of a request, and what its pattern caught."""

    rule: Rule
    names: Mapping[str, str]


_Row = tuple[frozenset[str], str, Rule]


class Table:
    """Rows, found by the first word of the address.

    Args:
        rules: the rows, in order. The last row of each root must take every address.
        elsewhere: the row for an address below no root.
    """

    def __init__(self, rules: Sequence[Rule], elsewhere: Rule) -> None:
        self.rules = (*rules, elsewhere)
        self._elsewhere = elsewhere
        self._rows: dict[tuple[str, str], list[_Row]] = {}
        known = "/".join(rule.pattern.lower() for rule in rules if rule.root is Root.DATA)
        self._words = {word for word in re.split(r"[/|\]\[]", known) if word[:1].isalpha()}
        for rule in self.rules:
            methods = frozenset(rule.methods)
            for pattern in _written_out(rule.pattern):
                expression = _expression(pattern)
                for word in pattern.partition("/")[0].lower().split("|"):
                    key = (rule.root.value, "" if word[:1] in {"{", "*"} else word)
                    self._rows.setdefault(key, []).append((methods, expression, rule))

    def find(self, method: str, path: str) -> Found:
        """The row that decides.

        Args:
            method: HTTP method as it was sent; methods know a case.
            path: decoded path.
        """
        place = _PLACE.fullmatch(path)
        if place is None:
            return Found(self._elsewhere, {})
        root = place.lastgroup or Root.DATA.value
        if root == _ODD:
            return Found(self._rows[Root.DATA.value, ""][-1][2], {})
        rest = (place[root] or "").removesuffix("/")
        method = "GET" if method in _LIKE_GET else method
        for methods, expression, rule in self._candidates(root, rest):
            if not methods or method in methods:
                match = _compiled(expression).fullmatch(rest)
                if match is not None:
                    return Found(rule, match.groupdict())
        return Found(self._rows[root, ""][-1][2], {})

    def _candidates(self, root: str, rest: str) -> Sequence[_Row]:
        """The rows that begin with the first word. Where none does, a later word that is known makes it doubtful."""
        first = rest.partition("/")[0]
        rows = self._rows.get((root, first.lower() if first.isascii() else first))
        if rows is not None:
            return rows
        doubtful = self._words.intersection(rest.lower().split("/"))
        return self._rows[root, ""][-1:] if doubtful else self._rows[root, ""]


@cache
def _compiled(expression: str) -> re.Pattern[str]:
    """Late: a start would wait for the whole table, and most of its rows are never met."""
    return re.compile(expression, re.IGNORECASE | re.ASCII)


def _written_out(pattern: str) -> Iterator[str]:
    """A pattern without its optional beginning, and with it."""
    optional, mark, rest = pattern.partition("]")
    if mark:
        yield rest
        yield optional.removeprefix("[") + rest
    else:
        yield pattern


def _expression(pattern: str) -> str:
    """A pattern as a regular expression."""
    segments = pattern.split("/")
    further = _FURTHER.get(segments[-1], "")
    if further:
        segments.pop()
    return "/".join(_segment(segment) for segment in segments) + further if segments else ".*"


def _segment(segment: str) -> str:
    if segment.startswith("{"):
        name = segment.strip("{}")
        return f"(?P<{name}>{_SEGMENTS[name]})"
    return f"(?:{'|'.join(re.escape(word) for word in segment.split('|'))})"
