"""Rows of the activity as values: what one says, its one form in bytes, and the chain of hashes through all of them.

The hash of a row is SHA-256 over the hash of the row before it and the row's own bytes, which are the JSON that the API
shows: so whoever has an export, and one hash noted elsewhere, can prove the rest of it without a key. On disk the hash
is sealed together with its row, since the hash of a text that can be guessed would give the text away.
"""

import hashlib
import json
import struct
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import cast

from meshmesh_storage.sealing import Place, SealBroken, Sealer

TABLE = "activity"
ENDS_SEQ = 0  # where the sealed ends of the chain stand; rows count from 1
HASH_BYTES = 32
GENESIS = bytes(HASH_BYTES)


class ActorKind(StrEnum):
    """Who can do things; the words of the contract."""

    OWNER = "owner"
    CLIENT = "client"
    SERVICE = "service"


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it."""

    kind: ActorKind
    id: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What happened. `detail` is one sentence and holds no secret; `connection` is a name, or None."""

    at: datetime
    actor: Actor
    action: str
    connection: str | None
    outcome: str
    detail: str

    def document(self, seq: int) -> dict[str, object]:
        """The members of the contract, but for `hash`. Times are UTC, to the millisecond."""
        return {
            "seq": seq,
            "at": _instant(self.at),
            "actor": {"kind": self.actor.kind.value, "id": self.actor.id, "name": self.actor.name},
            "action": self.action,
            "connection": self.connection,
            "outcome": self.outcome,
            "detail": self.detail,
        }

    def to_bytes(self, seq: int) -> bytes:
        """The document as JSON in one form only: keys sorted, no blanks, ASCII."""
        head, tail = _frame(self.actor, self.action, self.connection, self.outcome, self.detail)
        return f"{head}{_instant(self.at)}{tail}{seq}}}".encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> "Entry":
        """What `to_bytes` wrote."""
        document: dict[str, object] = json.loads(raw)
        actor = cast("dict[str, str]", document["actor"])
        return cls(
            at=datetime.fromisoformat(str(document["at"])),
            actor=Actor(ActorKind(actor["kind"]), actor["id"], actor["name"]),
            action=str(document["action"]),
            connection=cast("str | None", document["connection"]),
            outcome=str(document["outcome"]),
            detail=str(document["detail"]),
        )


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@lru_cache(maxsize=256)
def _frame(actor: Actor, action: str, connection: str | None, outcome: str, detail: str) -> tuple[str, str]:
    """A row's JSON before its time and between that and its number: rows of one program differ in little else."""
    who = {"id": actor.id, "kind": actor.kind.value, "name": actor.name}
    head = f'{{"action":{json.dumps(action)},"actor":{json.dumps(who, separators=(",", ":"))},"at":"'
    rest = {"connection": connection, "detail": detail, "outcome": outcome}
    return head, f'",{json.dumps(rest, separators=(",", ":"))[1:-1]},"seq":'


@dataclass(frozen=True, slots=True)
class Link:
    """A place in the chain: a row's number and its hash."""

    seq: int
    hash: bytes

    def follow(self, raw: bytes) -> bytes:
        """The hash of the row that comes after this place and has these bytes."""
        return hashlib.sha256(self.hash + raw).digest()


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it stands in the file; `raw` and `entry` are None where it does not open."""

    seq: int
    hash: bytes
    raw: bytes | None = field(repr=False)
    entry: Entry | None

    @property
    def link(self) -> Link:
        """Its place in the chain."""
        return Link(self.seq, self.hash)


def seal_row(sealer: Sealer, seq: int, row_hash: bytes, raw: bytes) -> bytes:
    """A row's sealed form: its hash, then its bytes."""
    return sealer.seal(row_hash + raw, _place(seq))


def open_row(sealer: Sealer, seq: int, sealed: bytes) -> Row:
    """What `seal_row` gave; a row without an entry where it was changed, moved or made by somebody else."""
    try:
        opened = sealer.open(sealed, _place(seq))
        raw = opened[HASH_BYTES:]
        return Row(seq, opened[:HASH_BYTES], raw, Entry.from_bytes(raw))
    except (SealBroken, ValueError, KeyError, TypeError):
        return Row(seq, b"", None, None)


def reseal_row(sealer: Sealer, seq: int, sealed: bytes) -> bytes | None:
    """A row's form under the current key; None where it stands under that one, or does not open."""
    try:
        return sealer.seal(sealer.open(sealed, _place(seq)), _place(seq)) if sealer.needs_reseal(sealed) else None
    except (SealBroken, struct.error):
        return None


@dataclass(frozen=True, slots=True)
class Ends:
    """Both ends of the chain: the last row that was pruned (the beginning), and the newest one.

    `lost` is the number of the row before which the ends themselves were once taken away or changed, else None. `tail` is
    the number, there, of the newest row that was taken over from the `Tail`.
    """

    first: Link = Link(0, GENESIS)
    last: Link = Link(0, GENESIS)
    lost: int | None = None
    tail: int = 0

    def ended_with(self, last: Link, tail: int) -> "Ends":
        """With newer rows at the end, among them those of the tail up to a number."""
        return replace(self, last=last, tail=tail)

    def begun_after(self, first: Link) -> "Ends":
        """With a later beginning; a loss that lies before it is forgotten with the rows."""
        return replace(self, first=first, lost=self.lost if self.lost is not None and self.lost > first.seq else None)

    def seal(self, sealer: Sealer) -> bytes:
        """The sealed form."""
        first, last = (f'[{end.seq},"{end.hash.hex()}"]' for end in (self.first, self.last))
        lost = "null" if self.lost is None else str(self.lost)
        said = f'{{"first":{first},"last":{last},"lost":{lost},"tail":{self.tail}}}'
        return sealer.seal(said.encode(), _place(ENDS_SEQ))

    @classmethod
    def open(cls, sealer: Sealer, sealed: bytes) -> "Ends | None":
        """What `seal` gave; None where it was changed."""
        try:
            document: dict[str, object] = json.loads(sealer.open(sealed, _place(ENDS_SEQ)))
        except SealBroken:
            return None
        (first, first_hash), (last, last_hash) = (cast("tuple[int, str]", document[name]) for name in ("first", "last"))
        return cls(
            Link(first, bytes.fromhex(first_hash)),
            Link(last, bytes.fromhex(last_hash)),
            cast("int | None", document["lost"]),
            cast("int", document.get("tail", 0)),  # the first programs knew none
        )


def _place(seq: int) -> Place:
    return Place(TABLE, str(seq), "sealed", 1)
