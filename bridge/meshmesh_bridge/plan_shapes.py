"""Plans as JSON: the shapes of the contract, and what a page needs besides."""

import json

from meshmesh_bridge.house import House
from meshmesh_bridge.shapes import Json, moment
from meshmesh_daemon.core.plan import can_be_approved
from meshmesh_daemon.core.plan_undo import can_be_undone
from meshmesh_daemon.usecases.plans_views import PlanView
from meshmesh_storage.plan_records import Change, Item, Result

MAX_SHOWN = 256 * 1024  # of an answer; a longer one is for the program that asked


async def plan_shape(house: House, view: PlanView) -> Json:
    """A plan, for its client and the owner alike."""
    plan = view.plan
    connection = await house.rooms.connections.by_id(plan.connection_id)
    return {
        "id": plan.id,
        "connection": connection.name if connection else None,
        "client": plan.client_name,
        "client_id": plan.client_id,
        "reason": plan.reason,
        "status": plan.status.value,
        "created_at": moment(plan.created_at),
        "expires_at": moment(plan.expires_at),
        "decided_at": moment(plan.decided_at),
        "ended_at": moment(plan.ended_at),
        "rejection": plan.rejection,
        "undoes": plan.undoes,
        "can_be_approved": can_be_approved(plan) and house.clock.now() < plan.expires_at,
        "can_be_undone": can_be_undone(plan),
        "url": f"http://localhost:{house.port}/plans/{plan.id}",
        "items": [_item(item, view.results.get(item.id)) for item in plan.items],
    }


def _item(item: Item, result: Result | None) -> Json:
    return {
        "id": item.id,
        "method": item.method,
        "path": item.target,
        "summary": item.summary,
        "sha256": item.sha256,
        "size": item.size,
        "changes": [_change(change) for change in item.changes],
        "status": item.status.value,
        "note": item.note,
        "result": None if item.answered is None else {"status": item.answered, "body": _body(result)},
    }


def _change(change: Change) -> Json:
    return {
        "part": change.part,
        "object": change.sobject,
        "record": change.record,
        "field": change.field,
        "before": change.before,
        "after": change.after,
    }


def _body(result: Result | None) -> object:
    """An answer as JSON where it is that, else as text; None where it is empty, too long, or not kept any more."""
    if result is None or not result.body or len(result.body) > MAX_SHOWN:
        return None
    try:
        document: object = json.loads(result.body)
    except (ValueError, RecursionError):
        return result.body.decode("utf-8", "replace")
    return document
