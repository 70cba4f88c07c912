"""The owner's own `token`, `exec` and `env`: the built-in client `terminal`, listed, limited and revoked like any other.

Its first use of an org that is not the demo needs a person, and that is remembered for some hours. Where the owner has
limited it, nothing that it lends can be wider.
"""

from meshmesh_daemon.core.presence import is_within
from meshmesh_daemon.core.problems import Next, Problem
from meshmesh_daemon.usecases.access import TERMINAL, Access, WantedGrant
from meshmesh_daemon.usecases.presence import Consent
from meshmesh_storage.records import Connection, Grant, Mode

REMEMBERED_HOURS = 12


class OwnTerminal:
    """Lets the owner's terminal use connections.

    Args:
        access: keeps its grants.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    async def allow(self, connection: Connection, *, mode: Mode, raw_token: bool, consent: Consent) -> Grant:
        """What the terminal may do with a connection, after a person was asked where one must be.

        Args:
            connection: which.
            mode: what is needed.
            raw_token: whether the token itself is needed.
            consent: what the request brought to prove that a person is there.

        Raises:
            Problem: 403 `presence_required`; 403 `not_allowed` where the owner has limited the terminal.
        """
        client = await self._access.make_terminal()
        grant = self._access.grant_for(client, connection.id)
        if grant is None:
            wanted = WantedGrant(
                connection=connection.name, mode=Mode.BUILD, raw_token=True, expires_in=REMEMBERED_HOURS * 3600
            )
            grant = await self._access.extend(TERMINAL, wanted, consent)
        if not is_within(grant, mode=mode, raw_token=raw_token):
            raise Problem(
                403,
                "not_allowed",
                f"The client 'terminal' may use {connection.name!r} in mode {grant.mode.value} only.",
                next_step=Next("Widen it", f"meshmesh mode terminal {connection.name} build"),
            )
        return grant

    async def forget(self) -> None:
        """Forget the persons who were seen: the next use asks for one."""
        await self._access.end_timed(TERMINAL)
