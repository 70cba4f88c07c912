"""What a request would do: the answer of the classification, in types."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"


class Kind(StrEnum):
    """What is done with a request under Plan Mode: a read passes, a write and what is unknown are held, and a denied one is never sent."""

    READ = "read"
    WRITE = "write"
    UNKNOWN = "unknown"
    DENY = "deny"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One thing that would happen; a composite has many.

    Attributes:
        method: HTTP method, or of a sub-request what stands in its place.
        path: decoded path of the request or sub-request.
        kind: what this part alone is.
        rule: id of the row of the table that decided.
        action: verb: `read`, `prepare`, `create`, `update`, `upsert`, `delete`, `run`, `publish`, `deploy`, `send`, `start`, `password`
            or `other`.
        sobject: API name of the object, where it can be told.
        record_id: id of the record or job, or `field/value` of an external id, where it can be told.
        fields: new values, where they can be told. Names and values are the client's own text.
        words: what it does in our words, where verb and object do not say it.
    """

    method: str
    path: str
    kind: Kind
    rule: str
    action: str
    sobject: str | None = None
    record_id: str | None = None
    fields: Mapping[str, Json] | None = None
    words: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a whole request is.

    Attributes:
        kind: the strictest of its parts' kinds.
        rule: id of the row of the table that decided; `body` where the body has no single meaning.
        summary: a short sentence in our words; of a denied request the reason.
        parts: what would happen, in the order in which it would.
        bulk_job: id of the Bulk job that this closes, so that its rows are processed; or None.
        prepares: a read only in that nothing happens yet: a Bulk job is made or filled. Not for the mode `read`.
    """

    kind: Kind
    rule: str
    summary: str
    parts: tuple[Part, ...] = ()
    bulk_job: str | None = None
    prepares: bool = False
