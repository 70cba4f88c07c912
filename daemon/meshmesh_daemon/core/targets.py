"""The target of a brokered request, in one plain form: what is judged is what is sent.

A path has exactly one spelling here. Percent-encodings that could be read in two ways (an encoded slash, dot, percent or
control character), dot segments, doubled slashes and characters outside RFC 3986 are refused, never repaired. The one
exception is the doubled slash right after the connection's name, which sf sends.
"""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, quote, unquote, urlencode

_ALLOWED = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@/%-]*")
_AMBIGUOUS = re.compile(r"%(?![0-9A-Fa-f]{2})|%(?:[01][0-9A-F]|7F|20|25|2E|2F|5C|3B|3F|23)", re.IGNORECASE)
_ODD_SEGMENT = re.compile(r"/(?:\.{0,2}(?=/)|\.{1,2}\Z)")  # only the last may be empty
_QUERY = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@/%;?\[\]{}|^\"<>`-]*")
_BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_SAFE = "!$&'()*+,=:@~-._"
_WRITTEN_AS_READ = re.compile(r"[A-Za-z0-9._~!$&'()*+,=:@/-]*")  # a path that `quote` would leave as it is
_METHOD_OVERRIDE = "_httpmethod"
_REFERENCE = re.compile(r"@\{[A-Za-z0-9_.\[\]]{1,200}\}")
_PLAIN_REFERENCE = "@ref"


class BadTarget(ValueError):
    """A target that could be read in more than one way; `str()` says which part."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A connection's name, the decoded path behind it, and the query as pairs."""

    name: str
    path: str
    query: tuple[tuple[str, str], ...]

    def value(self, name: str) -> str | None:
        """A query parameter's value, or None."""
        return next((value for key, value in self.query if key == name), None)

    def rebuilt(self) -> str:
        """The path and query that are sent on, built from the parts that were judged."""
        path = self.path
        if not _WRITTEN_AS_READ.fullmatch(path):
            path = "/".join(quote(segment, safe=_SAFE) for segment in path.split("/"))
        return f"{path}?{urlencode(self.query, quote_via=quote)}" if self.query else path


def read_target(raw: str, prefix: str) -> Target:
    """The parts of a request target.

    Args:
        raw: the target as it was sent, e.g. `/o/acme/services/data/v66.0/query?q=...`.
        prefix: what stands before the name, `/o/`.

    Raises:
        BadTarget: for a form that is refused.
    """
    path, mark, query = raw.partition("?")
    name, slash, rest = path.removeprefix(prefix).partition("/")
    rest = rest.removeprefix("/")
    if not path.startswith(prefix) or not name or "%" in name:
        raise BadTarget("the connection's name")
    return Target(name=name, path=_path(slash + rest), query=_pairs(query) if mark else ())


def read_inner(url: str, prefix: str = "") -> Target:
    """The parts of the address of a request inside a composite, by the same grammar.

    It is judged only: the composite is sent as it came. Blanks may stand in its query, since clients write them there, and
    `@{...}`, a reference to an earlier answer, may stand for a part of the path, which then reads `@ref`.

    Args:
        url: as the composite has it.
        prefix: what stands before an address that does not begin at `/services/`.

    Raises:
        BadTarget: for a form that is refused.
    """
    path, mark, query = url.partition("?")
    if prefix and not path.startswith("/services/"):
        path = prefix + path.removeprefix("/")
    if not path.startswith("/"):
        raise BadTarget("its beginning")
    path = _REFERENCE.sub(_PLAIN_REFERENCE, path)
    return Target(name="", path=_path(path), query=_pairs(query.replace(" ", "%20")) if mark else ())


def _path(text: str) -> str:
    if not _ALLOWED.fullmatch(text):
        raise BadTarget("a character of the path")
    path = _decoded(text) if "%" in text else text
    if _ODD_SEGMENT.search(path):
        raise BadTarget("a '.', '..' or empty segment of the path")
    return path


def _decoded(text: str) -> str:
    if _AMBIGUOUS.search(text):
        raise BadTarget("a percent-encoding of the path")
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise BadTarget("a percent-encoding of the path") from None


def _pairs(text: str) -> tuple[tuple[str, str], ...]:
    if not _QUERY.fullmatch(text) or _BROKEN_ESCAPE.search(text):
        raise BadTarget("a character of the query")
    try:
        pairs = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=200)
    except ValueError:
        raise BadTarget("the query") from None
    if any(key.lower() == _METHOD_OVERRIDE for key, _ in pairs):
        raise BadTarget("the parameter _HttpMethod")
    return tuple(pairs)
