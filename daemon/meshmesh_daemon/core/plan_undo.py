"""What takes a plan back, where Salesforce allows it: old values are written back, created records are deleted.

Deleted records, Apex, deployments and messages have no undo here, and that is said in a sentence. What comes out is made
of requests like any other: they become a plan of their own, with its own before and after.
"""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from meshmesh_daemon.core.plan_fields import CREATE, DELETE, UPDATE, UPSERT, by_key
from meshmesh_storage.plan_records import HeldRequest, ItemStatus, Plan, Touch

AT_ONCE = 200  # records in one call of Salesforce's collections
READ = "read"
_JSON = (("Content-Type", "application/json"),)
_SENTENCES = {
    DELETE: "a delete (look into the Recycle Bin in Salesforce)",
    "run": "code that ran",
    "deploy": "a deployment",
}


@dataclass(frozen=True, slots=True)
class Undo:
    """The requests that take a plan back, in their order, and what cannot be taken back, in words."""

    requests: tuple[HeldRequest, ...]
    left: tuple[str, ...]


def undo_of(plan: Plan, api_version: str) -> Undo:
    """What takes a plan back.

    Args:
        plan: it has run, or a part of it.
        api_version: of the requests.
    """
    root = f"/services/data/v{api_version}"
    requests: list[HeldRequest] = []
    left: Counter[str] = Counter()
    for item in reversed(plan.items):
        done = [touch for touch in reversed(item.touches) if touch.done and touch.action != READ]
        requests += _deletes(root, [touch for touch in done if _is_made(touch)])
        requests += _updates(root, [touch for touch in done if _is_changed(touch)])
        left.update(_sentence(touch) for touch in done if not (_is_made(touch) or _is_changed(touch)))
        if item.status is ItemStatus.UNKNOWN:
            left[f"{item.id}, which may have run or not"] += 1
    return Undo(
        tuple(requests), tuple(words if number == 1 else f"{number} times {words}" for words, number in left.items())
    )


def can_be_undone(plan: Plan) -> bool:
    """Whether anything of a plan can be taken back."""
    return any(_is_made(touch) or _is_changed(touch) for item in plan.items for touch in item.touches if touch.done)


def _is_made(touch: Touch) -> bool:
    return touch.action == CREATE and bool(touch.sobject) and not by_key(touch.record_id)


def _is_changed(touch: Touch) -> bool:
    known = bool(touch.sobject) and bool(touch.before) and not by_key(touch.record_id)
    return touch.action in {UPDATE, UPSERT} and known


def _sentence(touch: Touch) -> str:
    if touch.action in {UPDATE, UPSERT}:
        return "an update whose old values are not known"
    if touch.action == CREATE:
        return "a new record whose id is not known"
    return _SENTENCES.get(touch.action, f"what {touch.action!r} did")


def _deletes(root: str, made: Sequence[Touch]) -> Iterator[HeldRequest]:
    if len(made) == 1:
        yield _request("DELETE", f"{root}/sobjects/{made[0].sobject}/{made[0].record_id}")
        return
    for some in _chunks(made):
        ids = ",".join(touch.record_id or "" for touch in some)
        yield _request("DELETE", f"{root}/composite/sobjects?ids={ids}&allOrNone=true")


def _updates(root: str, changed: Sequence[Touch]) -> Iterator[HeldRequest]:
    if len(changed) == 1:
        yield _request("PATCH", f"{root}/sobjects/{changed[0].sobject}/{changed[0].record_id}", changed[0].before)
        return
    for some in _chunks(changed):
        records = [
            {"attributes": {"type": touch.sobject}, "id": touch.record_id, **(touch.before or {})} for touch in some
        ]
        yield _request("PATCH", f"{root}/composite/sobjects", {"allOrNone": True, "records": records})


def _chunks(touches: Sequence[Touch]) -> Iterator[Sequence[Touch]]:
    for start in range(0, len(touches), AT_ONCE):
        yield touches[start : start + AT_ONCE]


def _request(method: str, target: str, body: Mapping[str, object] | None = None) -> HeldRequest:
    if body is None:
        return HeldRequest(method=method, target=target, headers=(), body=b"")
    return HeldRequest(method=method, target=target, headers=_JSON, body=json.dumps(body).encode())
