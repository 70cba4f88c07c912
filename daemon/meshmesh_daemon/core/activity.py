"""What is told of what happens: actors, actions, outcomes, and sentences that hold no secret.

    who                     action                   told
    ----------------------  -----------------------  -------------------------------------------
    a client (or terminal)  token.given              before the token leaves
    a client                write.sent               before the write goes out, outcome `begun`
    a client                write.answered           when its answer is there
    a client                plan.held/withdrawn      with each request that is held
    the owner               plan.approved/rejected   an approval before anything runs
    the service             plan.expired/ended
    the owner               pairing.approved/denied, client.minted/granted/revoked
    the owner               refusal.kept/lifted      a program that is not, or again, asked about
    a client                access.requested         and access.denied by the owner; an approval is client.granted
    a client                client.rotated           before its new pairing token leaves
    the owner               pin.set/changed          and pin.locked, by wrong tries
    the owner               dashboard.opened
    the terminal            org.opened               before the link that signs a browser in leaves
    the service             client.ended             with the process that the client was made for
    the owner               sign_in.begun/ended
    the owner               connection.connected/reconnected/renamed/disconnected
    the service             connection.needs_you/blocked/recovered
    the owner               port.lent                and port.back by the service
    the owner               vault.locked/unlocked    by the service where it locks itself; vault.backed_up/restored
    the owner               key.moved/rotated
    the service             service.started/stopped

Reads through the broker leave no row: they change nothing, and would bury the rest.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_storage.activity_rows import Actor, ActorKind
from meshmesh_storage.records import Client, Connection, Grant, Status

MOST_LETTERS = 300
_QUERY = re.compile(r"[?#][^\s?#]*=\S*")
_SECRET = re.compile(r"\b(?:mmp_\w{16,}|00D\w{9,15}![\w.]{8,}|5Aep861[\w.]{8,})")


class Deed(StrEnum):
    """Every action that is told, by the word of the member `action`. Never renamed: exports are kept for years."""

    TOKEN_GIVEN = "token.given"  # noqa: S105 - an action
    WRITE_SENT = "write.sent"
    WRITE_ANSWERED = "write.answered"
    PLAN_HELD = "plan.held"
    PLAN_APPROVED = "plan.approved"
    PLAN_REJECTED = "plan.rejected"
    PLAN_WITHDRAWN = "plan.withdrawn"
    PLAN_EXPIRED = "plan.expired"
    PLAN_ENDED = "plan.ended"
    PAIRING_APPROVED = "pairing.approved"
    PAIRING_DENIED = "pairing.denied"
    CLIENT_MINTED = "client.minted"
    CLIENT_GRANTED = "client.granted"
    CLIENT_REVOKED = "client.revoked"
    CLIENT_ENDED = "client.ended"
    CLIENT_ROTATED = "client.rotated"
    REFUSAL_KEPT = "refusal.kept"
    REFUSAL_LIFTED = "refusal.lifted"
    ACCESS_REQUESTED = "access.requested"
    ACCESS_DENIED = "access.denied"
    PIN_SET = "pin.set"
    PIN_CHANGED = "pin.changed"
    PIN_LOCKED = "pin.locked"
    DASHBOARD_OPENED = "dashboard.opened"
    ORG_OPENED = "org.opened"
    SIGN_IN_BEGUN = "sign_in.begun"
    SIGN_IN_ENDED = "sign_in.ended"
    CONNECTED = "connection.connected"
    RECONNECTED = "connection.reconnected"
    RENAMED = "connection.renamed"
    DISCONNECTED = "connection.disconnected"
    NEEDS_YOU = "connection.needs_you"
    BLOCKED = "connection.blocked"
    RECOVERED = "connection.recovered"
    PORT_LENT = "port.lent"
    PORT_BACK = "port.back"
    VAULT_UNLOCKED = "vault.unlocked"
    VAULT_LOCKED = "vault.locked"
    VAULT_BACKED_UP = "vault.backed_up"
    VAULT_RESTORED = "vault.restored"
    KEY_MOVED = "key.moved"
    KEY_ROTATED = "key.rotated"
    SERVICE_STARTED = "service.started"
    SERVICE_STOPPED = "service.stopped"


class Outcome(StrEnum):
    """How it went."""

    DONE = "done"
    BEGUN = "begun"
    FAILED = "failed"
    UNKNOWN = "unknown"  # sent, and no answer came


OWNER = Actor(ActorKind.OWNER, "owner", "owner")
SERVICE = Actor(ActorKind.SERVICE, "service", "meshmeshd")
TERMINAL = Actor(ActorKind.CLIENT, "terminal", "terminal")  # the built-in client that the owner's own commands are


def program(client: Client | None) -> Actor:
    """A client as an actor; None is the owner's own terminal."""
    return Actor(ActorKind.CLIENT, client.id, client.name) if client else TERMINAL


@lru_cache(maxsize=256)
def sentence(text: str) -> str:
    """A detail as it is kept: one line of bearable length, without what a secret could stand in.

    Nobody means to put a query or a token into a detail; this is for the day that somebody does.
    """
    line = " ".join(_SECRET.sub("[hidden]", _QUERY.sub("", text)).split())
    line = "".join(letter for letter in line if letter.isprintable())
    return line if len(line) <= MOST_LETTERS else line[: MOST_LETTERS - 3] + "..."


def grants_sentence(client_name: str, named: Iterable[tuple[str, Grant]]) -> str:
    """What a client may do, by the names of connections."""
    words = (f"{name}:{grant.mode.value}" + (":token" if grant.raw_token else "") for name, grant in named)
    return f"{client_name} may use {', '.join(words) or 'nothing'}."


@dataclass(frozen=True, slots=True)
class Change:
    """Something that happened to a connection."""

    actor: Actor
    action: Deed
    connection: str
    detail: str


def changes(before: Connection | None, after: Connection | None) -> list[Change]:
    """What is worth telling of a change of what is shown of a connection.

    Args:
        before: as it was shown; None for a new one.
        after: as it is shown; None for one that is gone.
    """
    if after is None:
        name = before.name if before else ""
        return [Change(OWNER, Deed.DISCONNECTED, name, "Disconnected; its grants are gone.")]
    if before is None:
        return [Change(OWNER, Deed.CONNECTED, after.name, f"Connected as {after.username}.")]
    told: list[Change] = []
    if before.name != after.name:
        told.append(Change(OWNER, Deed.RENAMED, after.name, f"Renamed; it was {before.name}."))
    if before.signed_in_at != after.signed_in_at:
        told.append(Change(OWNER, Deed.RECONNECTED, after.name, f"Signed in again as {after.username}."))
    return told + _of_status(before, after, mended=bool(told))


def _of_status(before: Connection, after: Connection, *, mended: bool) -> list[Change]:
    was, now = before.status in NEEDS_SOMEBODY, after.status in NEEDS_SOMEBODY
    if now and (before.status, before.reason) != (after.status, after.reason):
        action = Deed.NEEDS_YOU if after.status is Status.NEEDS_YOU else Deed.BLOCKED
        reason = f"{after.reason.value}: " if after.reason else ""
        return [Change(SERVICE, action, after.name, reason + (after.detail or ""))]
    if was and not now and not mended:
        return [Change(SERVICE, Deed.RECOVERED, after.name, "It works again.")]
    return []
