"""Rows of connections. The name is sealed, and unique by its keyed hash; the tokens stand in columns of their own."""

import json
import sqlite3
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import cast

from meshmesh_storage import times
from meshmesh_storage.digest import Value
from meshmesh_storage.errors import NameTaken, StaleGeneration, closed
from meshmesh_storage.records import Connection, Environment, Kind, Reason, Session, Status
from meshmesh_storage.schema import CONNECTIONS, ROTATIONS
from meshmesh_storage.sealing import VaultKeys
from meshmesh_storage.statements import Values
from meshmesh_storage.transaction import Row, Transaction
from meshmesh_storage.vault import Vault

_NAME = "connection name"
_STATUSES = {status.value: status for status in Status}  # asked of every connection at the start; an enum would search


class Unopened:
    """A connection whose sealed columns were not read yet: most of them are not looked at for a long time.

    Args:
        connection_id: its id.
        plain: its plain columns.
    """

    __slots__ = ("_plain", "id")

    def __init__(self, connection_id: str, plain: Values) -> None:
        self.id = connection_id
        self._plain = plain

    @property
    def name_index(self) -> bytes:
        """The keyed hash of its name; see `name_index`."""
        return cast("bytes", self._plain[0])

    @property
    def app_id(self) -> str:
        """Its app's id."""
        return cast("str", self._plain[1])

    @property
    def status(self) -> Status:
        """Its status."""
        return _STATUSES[cast("str", self._plain[3])]


def unopened(vault: Vault) -> list[Unopened]:
    """Every connection, for which nothing is read."""
    return [Unopened(row_id, plain) for row_id, plain in vault.outlined(CONNECTIONS)]


async def look_up(vault: Vault, ids: Sequence[str]) -> list[Connection]:
    """Connections by their ids, where they are there; see `Vault.look_up`."""
    return [_record(row) for row in await vault.look_up(CONNECTIONS, ids)]


def name_index(keys: VaultKeys, name: str) -> bytes:
    """The keyed hash that a connection is found by.

    Raises:
        VaultClosed: the keys are forgotten.
    """
    if keys.are_forgotten:
        raise closed()
    return keys.lookup.index(_NAME, name)


async def load_all(tx: Transaction) -> list[Connection]:
    """Every connection."""
    return [_record(row) for row in await tx.rows(CONNECTIONS)]


async def get(tx: Transaction, connection_id: str) -> Connection | None:
    """One connection by its id."""
    row = await tx.row(CONNECTIONS, connection_id)
    return _record(row) if row else None


async def insert(tx: Transaction, connection: Connection) -> None:
    """A new connection.

    Raises:
        NameTaken: another one has its name.
        StaleGeneration: there is one with this id; nothing was written.
    """
    if tx.plain(CONNECTIONS, connection.id):
        raise StaleGeneration("This connection is there already.", "Look again.")
    await _put(tx, connection)


def expect(tx: Transaction, connection_id: str, generation: int) -> Mapping[str, Value]:
    """A connection's plain columns, if it has not moved on.

    Raises:
        StaleGeneration: it has, or is gone.
    """
    present = tx.plain(CONNECTIONS, connection_id)
    if present is None or present["generation"] != generation:
        raise StaleGeneration("The connection has changed in the meantime.", "Look again.")
    return present


async def update(tx: Transaction, connection: Connection, *, expected_generation: int) -> None:
    """Replace a connection that has not moved on since it was read; its name stays, which only `rename` changes.

    Args:
        connection: the new state, with its new generation.
        expected_generation: the generation that the writer read.

    Raises:
        StaleGeneration: it has moved on, or is gone; nothing was written.
    """
    present = expect(tx, connection.id, expected_generation)
    if present["name_index"] != tx.index(_NAME, connection.name):
        renamed = await get(tx, connection.id)
        connection = replace(connection, name=renamed.name if renamed else connection.name)
    await _put(tx, connection)


async def rename(tx: Transaction, connection_id: str, name: str) -> None:
    """Give a connection another name, whatever else happens to it meanwhile.

    Raises:
        StaleGeneration: it is gone; nothing was written.
        NameTaken: another one has that name.
    """
    present = await get(tx, connection_id)
    if present is None:
        raise StaleGeneration("The connection is not there any more.", "Look again.")
    await _put(tx, replace(present, name=name))


async def delete(tx: Transaction, connection_id: str) -> bool:
    """Forget a connection and its rotation journal.

    Returns:
        Whether it was there.
    """
    await tx.remove(ROTATIONS, connection_id)
    return await tx.remove(CONNECTIONS, connection_id)


async def _put(tx: Transaction, connection: Connection) -> None:
    plain: dict[str, Value] = {
        "name_index": tx.index(_NAME, connection.name),
        "app_id": connection.app_id,
        "generation": connection.generation,
        "status": connection.status.value,
    }
    session = connection.session
    sealed = {
        "profile": json.dumps(_profile(connection)).encode(),
        "session": json.dumps(_session(session)).encode() if session else None,
        "refresh": connection.refresh_token.encode() if connection.refresh_token else None,
    }
    try:
        await tx.put(CONNECTIONS, connection.id, plain, sealed)
    except sqlite3.IntegrityError:
        raise NameTaken(
            f"There is a connection {connection.name!r} already.", "Choose another name, or reconnect that one."
        ) from None


def _profile(connection: Connection) -> dict[str, object]:
    return {
        "name": connection.name,
        "environment": connection.environment.value,
        "kind": connection.kind.value,
        "login_origin": connection.login_origin,
        "instance_url": connection.instance_url,
        "identity_url": connection.identity_url,
        "org_id": connection.org_id,
        "user_id": connection.user_id,
        "org_name": connection.org_name,
        "username": connection.username,
        "api_version": connection.api_version,
        "scopes": list(connection.scopes),
        "reason": connection.reason.value if connection.reason else None,
        "detail": connection.detail,
        "created_at": times.to_text(connection.created_at),
        "signed_in_at": times.to_text(connection.signed_in_at),
        "last_used_at": times.to_text(connection.last_used_at),
        "last_used_by": connection.last_used_by,
    }


def _session(session: Session) -> dict[str, object]:
    return {
        "access_token": session.access_token,
        "token_type": session.token_type,
        "issued_at": times.to_text(session.issued_at),
        "expires_at": times.to_text(session.expires_at),
    }


def _record(row: Row) -> Connection:
    profile = row.document("profile")
    session = row.document("session") if row.opened["session"] else None
    return Connection(
        id=row.id,
        generation=cast("int", row.plain["generation"]),
        name=str(profile["name"]),
        environment=Environment(str(profile["environment"])),
        kind=Kind(str(profile["kind"])),
        app_id=str(row.plain["app_id"]),
        login_origin=str(profile["login_origin"]),
        instance_url=str(profile["instance_url"]),
        identity_url=str(profile["identity_url"]),
        org_id=str(profile["org_id"]),
        user_id=str(profile["user_id"]),
        org_name=str(profile["org_name"]),
        username=str(profile["username"]),
        api_version=str(profile["api_version"]),
        scopes=tuple(cast("list[str]", profile["scopes"])),
        status=Status(str(row.plain["status"])),
        reason=Reason(str(profile["reason"])) if profile["reason"] else None,
        detail=cast("str | None", profile["detail"]),
        created_at=times.required(profile["created_at"]),
        signed_in_at=times.required(profile["signed_in_at"]),
        last_used_at=times.from_text(profile["last_used_at"]),
        last_used_by=cast("str | None", profile["last_used_by"]),
        session=_opened_session(session) if session else None,
        refresh_token=row.text("refresh"),
    )


def _opened_session(document: dict[str, object]) -> Session:
    return Session(
        access_token=str(document["access_token"]),
        token_type=str(document["token_type"]),
        issued_at=times.required(document["issued_at"]),
        expires_at=times.from_text(document["expires_at"]),
    )
