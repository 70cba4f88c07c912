"""What the service tells, typed: connections, tokens, plans."""

from dataclasses import dataclass, field
from typing import cast

from meshmesh.client.talk import Json
from meshmesh.documents import Document

SETTLED = frozenset({"done", "partly_done", "rejected", "expired", "withdrawn"})
RAN = frozenset({"done", "partly_done"})


@dataclass(frozen=True, slots=True, kw_only=True)
class NextStep:
    """What a person does about something; a part that is not known is ""."""

    label: str = ""
    command: str = ""
    url: str = ""

    @classmethod
    def of(cls, document: Document | None) -> "NextStep":
        """From the member `next`."""
        if document is None:
            return cls()
        return cls(**{part: document.optional_text(part) for part in ("label", "command", "url")})


@dataclass(frozen=True, slots=True, kw_only=True)
class Connection:
    """A connection as this program sees it; a text that is not known is ""."""

    name: str
    status: str
    reason: str
    detail: str
    next_step: NextStep
    kind: str
    org_id: str
    org_name: str
    username: str
    broker_url: str
    mode: str
    raw_token: bool
    api_version: str

    @classmethod
    def of(cls, document: Document) -> "Connection":
        """From the answer of `GET /v1/connections/{name}`."""
        texts = {name: document.optional_text(name) for name in _CONNECTION_TEXTS}
        step = NextStep.of(document.child("next"))
        return cls(**texts, next_step=step, raw_token=document.flag("raw_token"))


_CONNECTION_TEXTS = (
    "name",
    "status",
    "reason",
    "detail",
    "kind",
    "org_id",
    "org_name",
    "username",
    "broker_url",
    "mode",
    "api_version",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """The access token itself; `expires_at` is RFC 3339, or "" where nobody knows it."""

    access_token: str = field(repr=False)
    token_type: str
    instance_url: str
    issued_at: str
    expires_at: str
    username: str
    org_id: str
    api_version: str

    @classmethod
    def of(cls, document: Document) -> "Token":
        """From the answer of `GET /v1/connections/{name}/token`."""
        texts = {name: document.optional_text(name) for name in cls.__slots__}
        return cls(**texts | {"access_token": document.text("access_token")})


@dataclass(frozen=True, slots=True)
class Result:
    """What Salesforce answered to one request of a plan."""

    status: int
    body: Json = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One value that a plan changes, as it was when the plan was made and as it would be."""

    record: str
    field: str
    before: Json
    after: Json


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanItem:
    """One request of a plan; `result` is None until it ran."""

    id: str
    method: str
    path: str
    summary: str
    status: str
    changes: tuple[Change, ...]
    result: Result | None

    @classmethod
    def of(cls, document: Document) -> "PlanItem":
        """From one of a plan's `items`."""
        texts = {name: document.optional_text(name) for name in ("id", "method", "path", "summary", "status")}
        changes = tuple(_change(one) for one in document.children("changes"))
        return cls(**texts, changes=changes, result=_result(document.child("result")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Held changes, as they stand."""

    id: str
    status: str
    connection: str
    reason: str
    url: str
    expires_at: str
    rejection: str
    items: tuple[PlanItem, ...]

    @property
    def settled(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.status in SETTLED

    @property
    def ran(self) -> bool:
        """Whether it was carried out, wholly or in part."""
        return self.status in RAN

    @property
    def failed(self) -> tuple[PlanItem, ...]:
        """Its requests that were not carried out, or of which that is not known."""
        return tuple(item for item in self.items if item.status != "done")

    @classmethod
    def of(cls, document: Document) -> "Plan":
        """From the answer of `GET /v1/plans/{id}`."""
        texts = {name: document.optional_text(name) for name in ("connection", "reason", "url", "expires_at")}
        return cls(
            id=document.text("id"),
            status=document.text("status"),
            rejection=document.optional_text("rejection"),
            items=tuple(PlanItem.of(one) for one in document.children("items")),
            **texts,
        )


def _change(document: Document) -> Change:
    before, after = (cast("Json", document.values.get(name)) for name in ("before", "after"))
    return Change(
        record=document.optional_text("record"), field=document.optional_text("field"), before=before, after=after
    )


def _result(document: Document | None) -> Result | None:
    if document is None:
        return None
    return Result(document.number("status"), cast("Json", document.values.get("body")))
