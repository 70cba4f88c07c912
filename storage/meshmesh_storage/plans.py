"""Rows of plans, and beside them the bytes that they hold: requests as they will be sent, answers as they came.

A plan is *live* while something may still come of it or of its answers; the bytes of a plan go when its life ends, the
plan itself stays until it is old. Bytes are found by what they are of: `<item>/request`, `<item>/answer`.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.digest import Value
from meshmesh_storage.plan_records import Change, HeldRequest, Item, ItemStatus, Plan, PlanStatus, Result, Touch
from meshmesh_storage.schema import PLAN_BYTES, PLANS
from meshmesh_storage.transaction import Json, Row, Transaction


async def put(tx: Transaction, plan: Plan, *, live: bool) -> None:
    """Insert a plan, or replace it."""
    plain: dict[str, Value] = {
        "client_index": tx.index("plan client", plan.lineage or plan.client_id),
        "live": int(live),
    }
    await tx.put(PLANS, plan.id, plain, {"profile": json.dumps(_document(plan)).encode()})


async def get(tx: Transaction, plan_id: str) -> Plan | None:
    """One plan."""
    row = await tx.row(PLANS, plan_id)
    return _record(row) if row else None


async def load_live(tx: Transaction) -> list[Plan]:
    """The plans that something may still come of."""
    return [_record(row) for row in await tx.rows(PLANS, {"live": 1})]


async def load_of(tx: Transaction, holder: str | None) -> list[Plan]:
    """Every plan of a client, by its id or lineage; of everybody where it is None."""
    where: dict[str, Value] | None = None if holder is None else {"client_index": tx.index("plan client", holder)}
    return [_record(row) for row in await tx.rows(PLANS, where)]


async def delete(tx: Transaction, plan: Plan) -> None:
    """Forget a plan and its bytes."""
    await drop_bytes(tx, plan)
    await tx.remove(PLANS, plan.id)


async def put_request(tx: Transaction, item_id: str, request: HeldRequest) -> None:
    """Keep what an item will send."""
    head: Json = {"method": request.method, "target": request.target, "headers": request.headers}
    await _put_bytes(tx, f"{item_id}/request", head, request.body)


async def request_of(tx: Transaction, item_id: str) -> HeldRequest | None:
    """What an item sends, where it is still kept."""
    found = await _bytes(tx, f"{item_id}/request")
    if found is None:
        return None
    head, body = found
    method, target = str(head["method"]), str(head["target"])
    return HeldRequest(method=method, target=target, headers=_headers(head), body=body)


async def put_result(tx: Transaction, item_id: str, result: Result) -> None:
    """Keep what Salesforce answered to an item."""
    await _put_bytes(tx, f"{item_id}/answer", {"status": result.status, "headers": result.headers}, result.body)


async def result_of(tx: Transaction, item_id: str) -> Result | None:
    """What Salesforce answered to an item, where it is still kept."""
    found = await _bytes(tx, f"{item_id}/answer")
    if found is None:
        return None
    head, body = found
    return Result(status=cast("int", head["status"]), headers=_headers(head), body=body)


async def drop_bytes(tx: Transaction, plan: Plan) -> None:
    """Forget what a plan's items would send, or have sent, and what was answered."""
    for item in plan.items:
        await tx.remove(PLAN_BYTES, f"{item.id}/request")
        await tx.remove(PLAN_BYTES, f"{item.id}/answer")


async def _put_bytes(tx: Transaction, row_id: str, head: Json, body: bytes) -> None:
    """A head as one line of JSON, and the body as it is."""
    await tx.put(PLAN_BYTES, row_id, {}, {"content": json.dumps(head).encode() + b"\n" + body})


async def _bytes(tx: Transaction, row_id: str) -> tuple[Json, bytes] | None:
    row = await tx.row(PLAN_BYTES, row_id)
    if row is None:
        return None
    head, _, body = (row.opened["content"] or b"").partition(b"\n")
    document: Json = json.loads(head)
    return document, body


def _headers(head: Json) -> tuple[tuple[str, str], ...]:
    return tuple((name, value) for name, value in cast("list[tuple[str, str]]", head["headers"]))


def _document(plan: Plan) -> Json:
    return {
        "client_id": plan.client_id,
        "client_name": plan.client_name,
        "connection_id": plan.connection_id,
        "org_id": plan.org_id,
        "user_id": plan.user_id,
        "reason": plan.reason,
        "created_at": times.to_text(plan.created_at),
        "grown_at": times.to_text(plan.grown_at),
        "expires_at": times.to_text(plan.expires_at),
        "items": [_item_document(item) for item in plan.items],
        "status": plan.status.value,
        "rejection": plan.rejection,
        "decided_at": times.to_text(plan.decided_at),
        "ended_at": times.to_text(plan.ended_at),
        "undoes": plan.undoes,
        "whole": plan.whole,
        "lineage": plan.lineage,
        "key": plan.key,
    }


def _item_document(item: Item) -> Json:
    return {
        "id": item.id,
        "method": item.method,
        "target": item.target,
        "sha256": item.sha256,
        "size": item.size,
        "summary": item.summary,
        "changes": [asdict(change) for change in item.changes],
        "touches": [asdict(touch) for touch in item.touches],
        "status": item.status.value,
        "note": item.note,
        "ended_at": times.to_text(item.ended_at),
        "answered": item.answered,
        "spent": item.spent,
    }


def _record(row: Row) -> Plan:
    profile = row.document("profile")
    return Plan(
        id=row.id,
        client_id=str(profile["client_id"]),
        client_name=str(profile["client_name"]),
        connection_id=str(profile["connection_id"]),
        org_id=str(profile["org_id"]),
        user_id=str(profile["user_id"]),
        reason=cast("str | None", profile["reason"]),
        created_at=times.required(profile["created_at"]),
        grown_at=times.required(profile["grown_at"]),
        expires_at=times.required(profile["expires_at"]),
        items=tuple(_item(item) for item in cast("list[Json]", profile["items"])),
        status=PlanStatus(str(profile["status"])),
        rejection=cast("str | None", profile["rejection"]),
        decided_at=times.from_text(profile["decided_at"]),
        ended_at=times.from_text(profile["ended_at"]),
        undoes=cast("str | None", profile["undoes"]),
        whole=profile["whole"] is True,
        lineage=cast("str | None", profile["lineage"]),
        key=cast("str | None", profile["key"]),
    )


def _item(document: Json) -> Item:
    return Item(
        id=str(document["id"]),
        method=str(document["method"]),
        target=str(document["target"]),
        sha256=str(document["sha256"]),
        size=cast("int", document["size"]),
        summary=str(document["summary"]),
        changes=tuple(_change(change) for change in cast("list[Json]", document["changes"])),
        touches=tuple(_touch(touch) for touch in cast("list[Json]", document["touches"])),
        status=ItemStatus(str(document["status"])),
        note=cast("str | None", document["note"]),
        ended_at=times.from_text(document["ended_at"]),
        answered=cast("int | None", document["answered"]),
        spent=document["spent"] is True,
    )


def _change(document: Json) -> Change:
    return Change(
        part=cast("int", document["part"]),
        sobject=cast("str | None", document["sobject"]),
        record=cast("str | None", document["record"]),
        field=str(document["field"]),
        before=document["before"],
        after=document["after"],
    )


def _touch(document: Json) -> Touch:
    return Touch(
        action=str(document["action"]),
        path=str(document["path"]),
        sobject=cast("str | None", document["sobject"]),
        record_id=cast("str | None", document["record_id"]),
        before=cast("Mapping[str, object] | None", document["before"]),
        stamp=cast("str | None", document["stamp"]),
        done=document["done"] is True,
    )
