"""Rows of apps: OAuth client registrations that connections share."""

import json

from meshmesh_storage import times
from meshmesh_storage.records import App, Flow
from meshmesh_storage.schema import APPS, CONNECTIONS
from meshmesh_storage.transaction import Row, Transaction


async def load_all(tx: Transaction) -> list[App]:
    """Every app."""
    return [_record(row) for row in await tx.rows(APPS)]


async def find(tx: Transaction, client_id: str, flow: Flow) -> App | None:
    """The app of a client id and flow, if it is known."""
    rows = await tx.rows(APPS, {"client_index": _index(tx, client_id, flow)})
    return _record(rows[0]) if rows else None


async def put(tx: Transaction, app: App) -> None:
    """Insert an app, or replace it (its secret, say)."""
    profile = {"client_id": app.client_id, "flow": app.flow.value, "created_at": times.to_text(app.created_at)}
    sealed = {
        "profile": json.dumps(profile).encode(),
        "secret": app.client_secret.encode() if app.client_secret else None,
    }
    await tx.put(APPS, app.id, {"client_index": _index(tx, app.client_id, app.flow)}, sealed)


async def delete_unused(tx: Transaction) -> None:
    """Forget the apps that no connection uses any more."""
    used = {row.plain["app_id"] for row in await tx.rows(CONNECTIONS)}
    for row in await tx.rows(APPS):
        if row.id not in used:
            await tx.remove(APPS, row.id)


def _index(tx: Transaction, client_id: str, flow: Flow) -> bytes:
    return tx.index("app", f"{flow.value} {client_id}")


def _record(row: Row) -> App:
    profile = row.document("profile")
    return App(
        id=row.id,
        client_id=str(profile["client_id"]),
        client_secret=row.text("secret"),
        flow=Flow(str(profile["flow"])),
        created_at=times.required(profile["created_at"]),
    )
