"""Plans as frozen values: what is held, what became of it, and what stays to undo it. No I/O, no cipher, no clock.

The bytes themselves (`HeldRequest`, `Result`) stand in rows of their own beside the plan, so that they can go when nobody
needs them any more while the plan stays to be looked at.
"""

import hashlib
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class PlanStatus(StrEnum):
    """How a plan is; the words of the contract."""

    HELD = "held"
    APPROVED = "approved"
    RUNNING = "running"
    DONE = "done"
    PARTLY_DONE = "partly_done"
    REJECTED = "rejected"
    EXPIRED = "expired"
    WITHDRAWN = "withdrawn"


class ItemStatus(StrEnum):
    """How one held request is; the words of the contract."""

    HELD = "held"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    REJECTED = "rejected"
    STALE = "stale"
    UNKNOWN = "unknown"


Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldRequest:
    """A request as it will be sent, byte for byte, but for the session that is put in at that moment.

    `target` is the rebuilt path and query without the broker's prefix. Of a SOAP request `body` holds a placeholder where
    the session id stands.
    """

    method: str
    target: str
    headers: Headers
    body: bytes = field(repr=False)

    @property
    def sha256(self) -> str:
        """What tells two requests apart: method, target, the headers that are sent, and body, each behind its length."""
        lines = (f"{name.lower()}:{value}" for name, value in self.headers)
        parts = (self.method.encode(), self.target.encode(), "\n".join(sorted(lines)).encode(), self.body)
        digest = hashlib.sha256()
        for part in parts:
            digest.update(struct.pack(">Q", len(part)))
            digest.update(part)
        return digest.hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """What Salesforce answered to a held request."""

    status: int
    headers: Headers
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One field of one record: what stands there, and what would. `record` is None for a new record.

    `part` is the number of the touch that it belongs to, which tells two new records of one request apart.
    """

    part: int
    sobject: str | None
    record: str | None
    field: str
    before: object
    after: object


@dataclass(frozen=True, slots=True, kw_only=True)
class Touch:
    """What a part of a request does to one record, and how that record was when the plan was made.

    `before` holds the old values of the fields that would change; None where they could not be read. `stamp` is its
    SystemModstamp. `done` says that Salesforce has done it; of a record that was created, `record_id` is known then.
    """

    action: str
    sobject: str | None
    record_id: str | None
    path: str
    before: Mapping[str, object] | None = None
    stamp: str | None = None
    done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One held request of a plan. `note` says in a sentence what a person should know of it."""

    id: str
    method: str
    target: str
    sha256: str
    size: int
    summary: str
    changes: tuple[Change, ...] = ()
    touches: tuple[Touch, ...] = ()
    status: ItemStatus = ItemStatus.HELD
    note: str | None = None
    ended_at: datetime | None = None
    answered: int | None = None  # the status that Salesforce answered with
    spent: bool = False  # its answer was given once


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Requests of one client to one connection, held until the owner decides.

    `org_id` and `user_id` are whose the connection was: what is approved for one org runs in no other. `reason` is the
    client's words, `rejection` the owner's. `grown_at` is when the last item came; `whole` says that the plan was handed in
    as one, so that nothing joins it by itself. `undoes` names the plan that this one takes back. `lineage` is of a client
    that lives as long as one process: the next one that is made for the same command goes on with its plans.
    """

    id: str
    client_id: str
    client_name: str
    connection_id: str
    org_id: str
    user_id: str
    reason: str | None
    created_at: datetime
    grown_at: datetime
    expires_at: datetime
    items: tuple[Item, ...]
    status: PlanStatus = PlanStatus.HELD
    rejection: str | None = None
    decided_at: datetime | None = None
    ended_at: datetime | None = None
    undoes: str | None = None
    whole: bool = False
    lineage: str | None = None
    key: str | None = None  # the client's own mark (`Idempotency-Key`)
