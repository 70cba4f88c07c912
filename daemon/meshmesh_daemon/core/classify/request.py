"""One request as the readers of bodies see it, with the row that fits it; and how they answer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import quote

from meshmesh_daemon.core.classify.media import is_json
from meshmesh_daemon.core.classify.rules import Rule
from meshmesh_daemon.core.classify.strict_json import Refused, read_json
from meshmesh_daemon.core.classify.verdict import Json, Kind, Part, Verdict
from meshmesh_daemon.core.classify.words import summary_of

BODY = "body"  # the rule of what is refused for its body or query
PREPARE = "prepare"  # the action of what only makes a later write possible
_MAX_SHOWN = 160
_STRICTNESS = (Kind.READ, Kind.WRITE, Kind.UNKNOWN, Kind.DENY)


class Opaque(ValueError):
    """A request that cannot be told a read: it is held. `str()` is the reason, a clause."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What is asked.

    Attributes:
        method: as it was sent.
        path: decoded path.
        query: the query as pairs.
        content_type: the header's value.
        body: the bytes; None where they were not read.
        inner: whether it stands in a composite.
        document: a sub-request's body, which is JSON already.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    content_type: str = ""
    body: bytes | None = None
    inner: bool = False
    document: Json = None

    def values(self, *names: str) -> list[str]:
        """The values of query parameters, whose names are compared without case."""
        return [value for key, value in self.query if key.lower() in names]

    def only(self, *names: str) -> str | None:
        """The value of a parameter that decides; None where it is not there.

        Raises:
            Refused: it is there twice, under whichever of its names.
        """
        found = self.values(*names)
        if len(found) > 1:
            raise Refused(f"the parameter {names[0]} stands there twice")
        return found[0] if found else None

    def json(self) -> Json:
        """The body as JSON.

        Raises:
            Opaque: it does not say that it is JSON, or was not read.
            Refused: it has more than one meaning.
        """
        if self.inner:
            return self.document
        if not is_json(self.content_type):
            raise Opaque("the body does not say that it is JSON")
        return read_json(self.text())

    def text(self) -> bytes:
        """The body's bytes.

        Raises:
            Opaque: it was not read.
        """
        if self.body is None:
            raise Opaque("the body was not read")
        return self.body

    @property
    def shown(self) -> str:
        """Method and path in ASCII, cut."""
        text = f"{quote(self.method, safe='')} {quote(self.path)}"
        return text if len(text) <= _MAX_SHOWN else text[: _MAX_SHOWN - 1] + "…"


@dataclass(frozen=True, slots=True)
class Matched:
    """A request, its row, and what the row's pattern caught of the path."""

    request: Request
    rule: Rule
    names: Mapping[str, str] = field(default_factory=dict[str, str])

    def part(
        self,
        kind: Kind | None = None,
        *,
        action: str | None = None,
        sobject: str | None = None,
        record_id: str | None = None,
        fields: Mapping[str, Json] | None = None,
        words: str = "",
    ) -> Part:
        """One thing that this request does; what is not given comes from the row."""
        return Part(
            method=self.request.method,
            path=self.request.path,
            kind=kind or self.rule.kind,
            rule=self.rule.id,
            action=action or self.rule.action,
            sobject=sobject,
            record_id=record_id,
            fields=fields,
            words=words,
        )

    def says(self) -> str:
        """The row's words, with what its pattern caught."""
        words = self.rule.says
        return words.format_map({name: quote(value) for name, value in self.names.items()}) if "{" in words else words

    def verdict(self, *parts: Part, kind: Kind | None = None, summary: str | None = None) -> Verdict:
        """The verdict on these parts."""
        kind = kind or strictest(part.kind for part in parts)
        return Verdict(
            kind=kind,
            rule=self.rule.id,
            summary=summary if summary is not None else summary_of(parts),
            parts=parts,
            prepares=kind is Kind.READ and any(part.action == PREPARE for part in parts),
        )

    def plain(self, kind: Kind | None = None, words: str = "") -> Verdict:
        """The verdict on the whole request as one thing, in the row's words."""
        kind, told = kind or self.rule.kind, words or self.says()
        if kind is Kind.UNKNOWN or (kind is Kind.WRITE and self.rule.pattern.endswith("**")):
            told = f"{told}: {self.request.shown}"
        part = self.part(
            kind, sobject=_told(self.names.get("object")), record_id=_told(self.names.get("id")), words=told
        )
        return self.verdict(part, kind=kind, summary=told)

    def held(self, why: str) -> Verdict:
        """It cannot be told a read."""
        return self.plain(Kind.UNKNOWN, f"{self.says()} ({why})")

    def denied(self, why: str) -> Verdict:
        """It has more than one meaning, and is not sent."""
        return replace(self.plain(Kind.DENY, f"Not sent: {why}"), rule=BODY)


def strictest(kinds: Iterable[Kind]) -> Kind:
    """The kind of a whole from the kinds of its parts."""
    return max(kinds, key=_STRICTNESS.index, default=Kind.READ)


def _told(name: str | None) -> str | None:
    return None if name is None or name.startswith("@") else name
