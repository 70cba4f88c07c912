"""SOQL and SOSL: which statements leave a trace. Queries that count as a look, lock rows or feed statistics are writes."""

import re

from meshmesh_daemon.core.classify.request import Matched, Opaque
from meshmesh_daemon.core.classify.verdict import Kind, Verdict

_STRING = re.compile(r"'(?:[^'\\]|\\.)*+('?)", re.DOTALL)  # possessive: one pass, also where it does not end
_PLAIN = re.compile(r"[\t\n\r -~]*")
_BRACES = re.compile(r"\{[^{}]*\}")
_BETWEEN = r"[^A-Za-z0-9_]+"
_TRACE = re.compile(
    rf"\b(?:FOR{_BETWEEN}(?:VIEW|REFERENCE|UPDATE)|UPDATE{_BETWEEN}(?:TRACKING|VIEWSTAT))\b", re.IGNORECASE | re.ASCII
)
_DOUBTFUL = ("/*", "//", "@{")
_FLAGS = frozenset({"updatemru", "updatetracking", "updateviewstat"})


def leaves_a_trace(soql: str) -> bool:
    """Whether a SOQL statement changes usage data or locks rows.

    Args:
        soql: the statement. Its strings say nothing; everything between two words parts them.

    Raises:
        Opaque: a string that does not end; or, in no string, a comment, a reference or a character outside ASCII.
    """
    words = _STRING.sub(" ' ", soql)
    if "" in _STRING.findall(soql) or any(mark in words for mark in _DOUBTFUL) or not _PLAIN.fullmatch(words):
        raise Opaque("the statement has no plain form")
    return _TRACE.search(words) is not None


def soql(matched: Matched) -> Verdict:
    """A query by GET. sf sends `columns` beside `q`; `explain` asks for the plan of the same statement."""
    statement = matched.request.only("q", "explain")
    if statement is None and not matched.names:
        raise Opaque("it has no statement")
    return _usage(matched) if leaves_a_trace(statement or "") else matched.plain()


def sosl(matched: Matched) -> Verdict:
    """A search by GET. Its braces may hold quotes, so that strings cannot be told: the words count wherever they stand."""
    statement = matched.request.only("q")
    if statement is None or not _PLAIN.fullmatch(_BRACES.sub("", statement, count=1)):
        raise Opaque("the search has no plain form")
    return _usage(matched) if _TRACE.search(statement) else matched.plain()


def clone(matched: Matched) -> Verdict:
    """A report or dashboard by POST: with `cloneId` it makes a new one."""
    if matched.request.values("cloneid"):
        return matched.plain(Kind.WRITE, "Copy a report or dashboard")
    return matched.plain()


def flags(matched: Matched) -> Verdict:
    """A request whose flags may make it count as a look."""
    request = matched.request
    given = {key.lower() for key, value in request.query if value.lower() != "false"}
    if request.method == "POST":
        document = request.json()
        if not isinstance(document, dict):
            raise Opaque("the body is no JSON object")
        given |= {key.lower() for key, value in document.items() if value is not False}
    return _usage(matched) if given & _FLAGS else matched.plain()


def _usage(matched: Matched) -> Verdict:
    return matched.plain(Kind.WRITE, f"{matched.says()}, and count it as a look or lock the rows")
