"""Whose a plan is.

A client that `exec` makes ends with its command, so that "run the same command again" is another client. The next one of
the same command, to the last argument, goes on with the plans of one that has ended, where it was granted the connection.
"""

from meshmesh_daemon.usecases.access import Access
from meshmesh_daemon.usecases.plans_book import Owns, everybody
from meshmesh_storage.plan_records import Plan
from meshmesh_storage.records import Client


def lineage(client: Client) -> str | None:
    """What the plans of a client that lives as long as a command are known by afterwards; None for another client."""
    return f"{client.kind}:{client.command_sha256}" if client.process and client.command_sha256 else None


class Owners:
    """Tells whose a plan is.

    Args:
        access: the clients.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def of(self, client_id: str | None) -> Owns:
        """Whether a plan is a client's.

        Args:
            client_id: the client; None for the owner, whose all are.

        Raises:
            Problem: 404, the client is gone.
        """
        if client_id is None:
            return everybody
        client = self._access.get(client_id)
        return lambda plan: plan.client_id == client.id or self._inherits(client, plan)

    def holder(self, client_id: str | None) -> str | None:
        """What the plans of a client stand under."""
        if client_id is None:
            return None
        return lineage(self._access.get(client_id)) or client_id

    def _inherits(self, client: Client, plan: Plan) -> bool:
        if plan.lineage is None or plan.lineage != lineage(client):
            return False
        has_ended = all(one.id != plan.client_id for one in self._access.all())
        return has_ended and self._access.grant_for(client, plan.connection_id) is not None
