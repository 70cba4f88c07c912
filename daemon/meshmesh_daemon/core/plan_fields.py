"""Before and after, field by field: what to read of the records that a request would change, and what the answers mean.

Pure: the reads are paths, the answers JSON. What cannot be read is said so, never guessed; a request that names no record
(Apex, a flow, a deployment) has no fields to show.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from meshmesh_daemon.core.classify import Part
from meshmesh_daemon.core.classify.strict_json import is_list, is_object
from meshmesh_daemon.core.ids import to18
from meshmesh_storage.plan_records import Change, Touch

MOST_RECORDS = 200  # of one request; the rest is counted, not shown
MOST_CHANGES = 2000
IDS_A_READ = 100  # keeps the address short
ALONE = 10  # reads of one record each: deletes shown whole, and upserts by an external id
STAMP = "SystemModstamp"
_REFERENCE = "/@ref"  # as `core.classify` spells it

UNREAD = "What is there now could not be read."
CREATE, UPDATE, UPSERT, DELETE = "create", "update", "upsert", "delete"

_VERSION = re.compile(r"/services/data/(v\d{1,3}\.\d)/", re.IGNORECASE)
_NAME = re.compile(r"[A-Za-z]\w*")
_HIDDEN = frozenset({"attributes", "Id", STAMP, "CreatedDate", "LastModifiedDate", "CreatedById", "LastModifiedById"})

Fields = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Lookup:
    """One read: its path, and the touches that its answer tells of, by their numbers."""

    path: str
    parts: tuple[int, ...]
    is_list: bool


def touches_of(parts: Sequence[Part]) -> tuple[Touch, ...]:
    """What the parts of a request do, one touch each, nothing read yet."""
    return tuple(
        Touch(action=part.action, sobject=part.sobject, record_id=_record(part), path=part.path) for part in parts
    )


def lookups(parts: Sequence[Part], api_version: str) -> list[Lookup]:
    """The reads that tell what is there now.

    Args:
        parts: of the request.
        api_version: the connection's, for a request whose path has none.
    """
    groups: dict[tuple[str, str, tuple[str, ...]], list[int]] = {}
    alone: list[Lookup] = []
    deletes = sum(part.action == DELETE for part in parts)
    for number, part in enumerate(parts[:MOST_RECORDS]):
        root = f"/services/data/{_version(part.path, api_version)}"
        record = _id(part.record_id)
        if part.sobject is None or not _NAME.fullmatch(part.sobject):
            continue
        if part.action in {UPDATE, UPSERT} and record and _names(part.fields):
            groups.setdefault((root, part.sobject, _names(part.fields)), []).append(number)
        elif part.action == DELETE and record and deletes > ALONE:
            groups.setdefault((root, part.sobject, ()), []).append(number)
        elif part.action == UPSERT and part.record_id and by_key(part.record_id) and len(alone) < ALONE:
            alone.append(Lookup(f"{root}/sobjects/{part.sobject}/{_key(part)}", (number,), is_list=False))
        elif part.action == DELETE and record:
            alone.append(Lookup(f"{root}/sobjects/{part.sobject}/{record}", (number,), is_list=False))
    return alone + [one for key, numbers in groups.items() for one in _grouped(key, numbers, parts)]


def _grouped(key: tuple[str, str, tuple[str, ...]], numbers: Sequence[int], parts: Sequence[Part]) -> list[Lookup]:
    root, sobject, names = key
    fields = quote(",".join((*names, STAMP)), safe=",")
    found: list[Lookup] = []
    for start in range(0, len(numbers), IDS_A_READ):
        some = tuple(numbers[start : start + IDS_A_READ])
        ids = ",".join(_id(parts[number].record_id) or "" for number in some)
        found.append(Lookup(f"{root}/composite/sobjects/{sobject}?ids={ids}&fields={fields}", some, is_list=True))
    return found


def rows_of(lookup: Lookup, answer: object) -> dict[int, Fields]:
    """The records of an answer, by the numbers of their touches; one that is not there is left out."""
    rows: Sequence[object] = answer if lookup.is_list and is_list(answer) else [answer]
    if len(rows) != len(lookup.parts):
        return {}
    return {number: row for number, row in zip(lookup.parts, rows, strict=True) if is_object(row)}


def with_rows(touches: Sequence[Touch], parts: Sequence[Part], rows: Mapping[int, Fields]) -> tuple[Touch, ...]:
    """The touches with what was read: the old values of the fields that would change, or of all where it is a delete."""
    seen: list[Touch] = []
    for number, (touch, part) in enumerate(zip(touches, parts, strict=True)):
        row = rows.get(number)
        if row is None:
            seen.append(touch)
            continue
        names = [name for name in row if name not in _HIDDEN] if touch.action == DELETE else _names(part.fields)
        stamp = row.get(STAMP)
        before = {name: row.get(name) for name in names if not isinstance(row.get(name), dict)}
        seen.append(replace(touch, before=before, stamp=stamp if isinstance(stamp, str) else None))
    return tuple(seen)


def changes_of(touches: Sequence[Touch], parts: Sequence[Part]) -> tuple[Change, ...]:
    """What stands in each field, and what would; at most `MOST_CHANGES`."""
    changes: list[Change] = []
    for number, (touch, part) in enumerate(zip(touches, parts, strict=True)):
        old = touch.before or {}
        new: Fields = part.fields or {}
        names = [name for name, value in old.items() if value is not None] if touch.action == DELETE else list(new)
        changes += [
            Change(
                part=number,
                sobject=touch.sobject,
                record=touch.record_id,
                field=name,
                before=old.get(name),
                after=new.get(name),
            )
            for name in names
            if name != "attributes"
        ]
        if len(changes) >= MOST_CHANGES:
            break
    return tuple(changes[:MOST_CHANGES])


def note_of(touches: Sequence[Touch], changes: Sequence[Change]) -> str | None:
    """What a person should know of a plan's item before they decide."""
    told: list[str] = []
    if any(needs_reading(touch) and touch.before is None for touch in touches):
        told.append(UNREAD)
    if len(changes) >= MOST_CHANGES:
        told.append(f"Only the first {MOST_CHANGES} fields are shown.")
    return " ".join(told) or None


def needs_reading(touch: Touch) -> bool:
    """Whether a touch changes or removes a record that is there already, as far as its request tells."""
    if touch.record_id is None and _REFERENCE in touch.path:
        return False  # what an earlier part of the same request makes
    return touch.action in {UPDATE, DELETE} or (touch.action == UPSERT and not by_key(touch.record_id))


def by_key(record_id: str | None) -> bool:
    """Whether a record is named by an external id, `field/value`; it may not be there yet."""
    return record_id is None or "/" in record_id


def moved(touches: Sequence[Touch], now: Sequence[Touch], own: frozenset[str]) -> list[str]:
    """The records that are not as they were when the plan was made, by their ids.

    Args:
        touches: as they were.
        now: as they are; a record that cannot be read any more counts as changed.
        own: records that this plan itself has changed since.
    """
    pairs = zip(touches, now, strict=True)
    return [was.record_id for was, one in pairs if was.record_id and was.record_id not in own and _differs(was, one)]


def _differs(was: Touch, now: Touch) -> bool:
    if was.before is None:
        return False  # it was not known then, and the plan said so
    if now.before is None:
        return True
    return was.stamp != now.stamp or was.before != now.before  # the stamp has whole seconds only


def _names(fields: Fields | None) -> tuple[str, ...]:
    """The fields that can be read back: names that are names, values that are no records."""
    return tuple(
        name
        for name, value in (fields or {}).items()
        if name != "attributes" and _NAME.fullmatch(name) and not isinstance(value, dict | list)
    )


def _version(path: str, default: str) -> str:
    found = _VERSION.match(path)
    return found.group(1).lower() if found else f"v{default}"


def _key(part: Part) -> str:
    """An external id as a path, with the fields that are asked for."""
    field, _, value = (part.record_id or "").partition("/")
    names = quote(",".join((*_names(part.fields), STAMP)), safe=",")
    return f"{quote(field)}/{quote(value, safe='')}?fields={names}"


def _record(part: Part) -> str | None:
    return part.record_id if part.record_id and by_key(part.record_id) else _id(part.record_id)


def _id(text: str | None) -> str | None:
    return to18(text) if text else None
