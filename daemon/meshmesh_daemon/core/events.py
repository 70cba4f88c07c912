"""The names of what is worth telling at once, and which of them a change of a connection is.

`connection.updated` is told of every change that shows; `connection.needs_you` and `connection.recovered` only at the
edge, so that whoever acts on them acts once.
"""

from dataclasses import replace
from enum import StrEnum

from meshmesh_daemon.core.lifecycle import NEEDS_SOMEBODY
from meshmesh_storage.records import Connection, Status


class EventName(StrEnum):
    """The names of the contract, and `reset`: what came in between is not known any more, look again."""

    CONNECTION_UPDATED = "connection.updated"
    CONNECTION_NEEDS_YOU = "connection.needs_you"
    CONNECTION_RECOVERED = "connection.recovered"
    PAIRING_REQUESTED = "pairing.requested"
    PAIRING_DECIDED = "pairing.decided"
    ACCESS_REQUESTED = "access.requested"
    ACCESS_DECIDED = "access.decided"
    PLAN_CREATED = "plan.created"
    PLAN_UPDATED = "plan.updated"
    PLAN_DECIDED = "plan.decided"
    PLAN_DONE = "plan.done"
    VAULT_LOCKED = "vault.locked"
    VAULT_UNLOCKED = "vault.unlocked"
    RESET = "reset"


def of_change(before: Connection | None, after: Connection) -> tuple[EventName, ...]:
    """The events that a change of a connection is, in the order in which they are told.

    Args:
        before: what was shown; None where the connection is new.
        after: what is shown now.
    """
    if before == after:
        return ()
    was = before.status if before else None
    if after.status is Status.NEEDS_YOU and was is not Status.NEEDS_YOU:
        return EventName.CONNECTION_UPDATED, EventName.CONNECTION_NEEDS_YOU
    if was in NEEDS_SOMEBODY and after.status not in NEEDS_SOMEBODY:
        return EventName.CONNECTION_UPDATED, EventName.CONNECTION_RECOVERED
    return (EventName.CONNECTION_UPDATED,)


def without_secrets(connection: Connection) -> Connection:
    """A connection as it may lie in a log: its clocks without its tokens."""
    session = replace(connection.session, access_token="") if connection.session else None
    return replace(connection, session=session, refresh_token=None)
