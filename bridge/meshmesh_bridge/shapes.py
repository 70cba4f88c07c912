"""Records to the JSON of the contract: one function a shape, no decisions."""

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from meshmesh import wire
from meshmesh_bridge.errors import next_document, problem_document
from meshmesh_bridge.house import House
from meshmesh_daemon.core.grants import current
from meshmesh_daemon.core.loans import sentence
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import App, Client, Connection, Grant, Session, Status

if TYPE_CHECKING:
    from meshmesh_daemon.usecases.attempts import SignInView

Json = dict[str, object]


def moment(value: datetime | None) -> str | None:
    """RFC 3339 in UTC with `Z`, to the second."""
    return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z") if value else None


def next_for(connection: Connection, port: int) -> Next | None:
    """What a person does about a connection that is not well."""
    if connection.status is Status.NEEDS_YOU:
        url = f"http://localhost:{port}/r/{connection.id}"
        return Next("Reconnect", command=f"meshmesh reconnect {connection.name}", url=url)
    if connection.status is Status.BLOCKED:
        return Next("Look at what blocks it", command=f"meshmesh test {connection.name}")
    return None


def session_shape(session: Session | None) -> Json | None:
    """The clock of a session, without the session."""
    if session is None:
        return None
    return {"issued_at": moment(session.issued_at), "expires_at": moment(session.expires_at)}


def connection_shape(house: House, connection: Connection, grant: Grant | None) -> Json:
    """A connection as a client sees it; the owner's view has no grant and all of it."""
    return {
        "name": connection.name,
        "status": connection.status.value,
        "reason": connection.reason.value if connection.reason else None,
        "detail": connection.detail,
        "next": next_document(next_for(connection, house.port)),
        "kind": connection.kind.value,
        "org_id": connection.org_id,
        "org_name": connection.org_name,
        "username": connection.username,
        "broker_url": f"http://localhost:{house.port}{wire.BROKER_PREFIX}{connection.name}",
        "mode": grant.mode.value if grant else None,
        "raw_token": grant.raw_token if grant else None,
        "api_version": connection.api_version,
        "session": session_shape(connection.session),
        "signed_in_at": moment(connection.signed_in_at),
        "last_used_at": moment(connection.last_used_at),
    }


def owner_connection_shape(house: House, connection: Connection, app: App | None, clients: list[Client]) -> Json:
    """A connection as the owner sees it."""
    grants = [
        {"client_id": client.id, "client": client.name, **grant_shape(grant, connection.name)}
        for client in clients
        for grant in _grants(house, client)
        if grant.connection_id == connection.id
    ]
    return connection_shape(house, connection, None) | {
        "id": connection.id,
        "environment": connection.environment.value,
        "login_host": connection.login_origin,
        "instance_url": connection.instance_url,
        "app": {"client_id": app.client_id, "flow": app.flow.value} if app else None,
        "scopes": list(connection.scopes),
        "last_used_by": connection.last_used_by,
        "grants": grants,
    }


def _grants(house: House, client: Client) -> list[Grant]:
    """What a client may do now; a grant that has ended, and that nothing comes after, is shown with its end."""
    now = house.clock.now()
    return [current(grant, now) or grant for grant in client.grants]


def grant_shape(grant: Grant, connection_name: str) -> Json:
    """What a client may do with one connection."""
    return {
        "connection": connection_name,
        "mode": grant.mode.value,
        "raw_token": grant.raw_token,
        "expires_at": moment(grant.expires_at),
    }


async def client_shape(house: House, client: Client) -> Json:
    """A paired program; its grants by the names of their connections."""
    named = [(grant, await house.rooms.connections.by_id(grant.connection_id)) for grant in _grants(house, client)]
    return {
        "id": client.id,
        "name": client.name,
        "kind": client.kind,
        "origin": client.origin,
        "created_at": moment(client.created_at),
        "expires_at": moment(client.expires_at),
        "last_used_at": moment(client.last_used_at),
        "grants": [grant_shape(grant, connection.name) for grant, connection in named if connection],
    }


def token_shape(connection: Connection, session: Session) -> Json:
    """A token, handed out: the one shape that holds a secret."""
    return {
        "access_token": session.access_token,
        "token_type": session.token_type,
        "instance_url": connection.instance_url,
        "issued_at": moment(session.issued_at),
        "expires_at": moment(session.expires_at),
        "scope": " ".join(connection.scopes),
        "username": connection.username,
        "org_id": connection.org_id,
        "api_version": connection.api_version,
    }


def token_body(connection: Connection) -> bytes:
    """`token_shape` of a connection that has a session, as it is sent."""
    if connection.session is None:
        raise ValueError("there is no session to hand out")
    return json.dumps(token_shape(connection, connection.session)).encode()


def sign_in_shape(view: "SignInView", house: House) -> Json:
    """One attempt. The address is the owner's to open: it carries the state, never a verifier or a secret."""
    return {
        "id": view.id,
        "status": view.status,
        "authorize_url": view.authorize_url,
        "expires_at": moment(view.expires_at),
        "connection": view.connection.name if view.connection else None,
        "error": problem_document(view.error) if view.error else None,
        "keepable": view.keepable,
        "note": view.note or _port_note(view, house),
    }


def _port_note(view: "SignInView", house: House) -> str | None:
    """A browser cannot come back while the port is lent."""
    return sentence(house.lending.view) if house.lending and view.status == "waiting" else None
