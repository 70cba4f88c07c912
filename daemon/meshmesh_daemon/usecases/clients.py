"""The paired programs as they are now, in memory: found by id, or by the hash of a pairing token; and who is told of changes."""

from collections.abc import Callable

from meshmesh_daemon.core.problems import not_found
from meshmesh_storage.records import Client

Listener = Callable[[Client, Client | None], None]


class Clients:
    """The clients. Whoever changes one writes it to the vault first, and then keeps it here."""

    def __init__(self) -> None:
        self._by_id: dict[str, Client] = {}
        self._by_hash: dict[bytes, str] = {}
        self._listeners: list[Listener] = []

    def listen(self, listener: Listener) -> None:
        """Be told of each change of a client, as (before, after); None is a client that was revoked."""
        self._listeners.append(listener)

    def all(self) -> list[Client]:
        """Every client."""
        return list(self._by_id.values())

    def find(self, client_id: str) -> Client | None:
        """One client, where there is one."""
        return self._by_id.get(client_id)

    def get(self, client_id: str) -> Client:
        """One client.

        Raises:
            Problem: 404.
        """
        client = self._by_id.get(client_id)
        if client is None:
            raise not_found("client", client_id)
        return client

    def of_token(self, token_hash: bytes) -> Client | None:
        """The client whose token, or next token, has a hash."""
        return self._by_id.get(self._by_hash.get(token_hash, ""))

    def keep(self, client: Client) -> None:
        """A client is so from now on; tokens that it does not have any more lead nowhere."""
        before = self._by_id.get(client.id)
        for known in _hashes(before):
            self._by_hash.pop(known, None)
        self._by_id[client.id] = client
        for known in _hashes(client):
            self._by_hash[known] = client.id

    def drop(self, client: Client) -> None:
        """A client is gone."""
        for known in _hashes(self._by_id.pop(client.id, None)):
            self._by_hash.pop(known, None)

    def tell(self, before: Client, after: Client | None) -> None:
        """Tell who listens."""
        for listener in self._listeners:
            listener(before, after)


def _hashes(client: Client | None) -> list[bytes]:
    return [known for known in (client.token_hash, client.next_hash) if known] if client else []
