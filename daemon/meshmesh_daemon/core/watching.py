"""When the watcher looks after a connection: rarely, cheaply, and never all at once.

state of the connection               looked after
------------------------------------  -----------------------------------------------------------
connected, used lately, end known     ten minutes before the session ends
connected, otherwise                  once a day: whoever must sign in again hears it in the
                                      morning, and no refresh token comes near its 30 idle days
offline                               every five minutes
blocked                               every six hours: an admin may have mended it
needs_you                             never: only the person can mend it
"""

import zlib
from datetime import UTC, datetime, timedelta

from meshmesh_storage.records import Connection, Status

AHEAD = timedelta(minutes=10)
LATELY = timedelta(hours=12)
DAILY = timedelta(hours=20)  # less than a day, so that the hour of the check stays in the person's day
OFFLINE = timedelta(minutes=5)
BLOCKED = timedelta(hours=6)
_STAGGER = timedelta(hours=4)  # how far the daily checks of a crowd are spread


def phase(connection_id: str) -> float:
    """A number from 0 to 1 that is a connection's own: what spreads a crowd without a table or a dice."""
    return zlib.crc32(connection_id.encode()) / 2**32


def is_due(connection: Connection, *, looked_at: datetime, now: datetime) -> bool:
    """Whether a connection should be renewed or tried again now.

    Args:
        connection: as it is shown.
        looked_at: when it was last looked after; its session's issue counts too.
        now: the time.
    """
    since = now - looked_at
    match connection.status:
        case Status.NEEDS_YOU | Status.REFRESHING:
            return False
        case Status.OFFLINE:
            return since >= OFFLINE
        case Status.BLOCKED:
            return since >= BLOCKED
        case Status.CONNECTED:
            return _ends_soon(connection, now) or since >= DAILY + phase(connection.id) * _STAGGER


def rests_until(connection: Connection) -> datetime:
    """Before when `is_due` is not true of a connection that was not looked after, as long as nothing changes it."""
    session = connection.session
    issued = session.issued_at if session else connection.signed_in_at
    match connection.status:
        case Status.NEEDS_YOU:
            return datetime.max.replace(tzinfo=UTC)
        case Status.BLOCKED:
            return issued + BLOCKED
        case _:
            daily = issued + DAILY + phase(connection.id) * _STAGGER
            return min(daily, session.expires_at - AHEAD) if session and session.expires_at else daily


def _ends_soon(connection: Connection, now: datetime) -> bool:
    session, used = connection.session, connection.last_used_at
    if session is None or session.expires_at is None or used is None or now - used > LATELY:
        return False
    ahead = min(AHEAD, (session.expires_at - session.issued_at) / 4)
    return session.expires_at - now <= ahead * (0.5 + phase(connection.id) / 2)
