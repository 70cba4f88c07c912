"""Who is asking, as the guard found out; handlers read it and never look at a credential themselves."""

from dataclasses import dataclass, field
from enum import StrEnum

from aiohttp import web

from meshmesh_storage.records import Client


class CallerKind(StrEnum):
    """The three standings of the contract."""

    OPEN = "open"
    CLIENT = "client"
    OWNER = "owner"


class Door(StrEnum):
    """Where the request came in."""

    TCP = "tcp"
    UNIX = "unix"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """One request's caller.

    `uid` is the peer's user id, None where the kernel could not tell. `pid` is known at the UNIX door only.
    `origin` is the browser's `Origin`, where it was one that may ask. `own_uid` says that the peer is the owner's
    own user. `session` is the dashboard's, where it is the dashboard that asks.
    """

    kind: CallerKind
    door: Door
    client: Client | None = None
    uid: int | None = None
    pid: int | None = None
    origin: str | None = None
    own_uid: bool = False
    session: str | None = field(default=None, repr=False)

    @property
    def is_owner(self) -> bool:
        """Whether it is the owner: at the socket without a pairing token, or in the dashboard."""
        return self.kind is CallerKind.OWNER


CALLER: web.RequestKey[Caller] = web.RequestKey("caller", Caller)
