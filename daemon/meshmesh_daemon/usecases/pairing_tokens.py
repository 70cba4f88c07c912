"""Pairing tokens: whose one is, and how a client replaces its own.

A token that is replaced stays good until the new one is first used, and both hashes are on disk before the new token
leaves: whatever answer is lost, and whenever the service dies, the client has one that works. The disk may learn of the
first use late; until then, after a crash, both are good again.
"""

import hashlib
import logging
import secrets
from dataclasses import replace
from datetime import datetime, timedelta

from meshmesh_daemon.core import pairing
from meshmesh_daemon.core.activity import Deed, program
from meshmesh_daemon.core.clock import Clock
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.background import Background
from meshmesh_daemon.usecases.clients import Clients
from meshmesh_storage import clients as rows
from meshmesh_storage.errors import VaultError
from meshmesh_storage.records import Client
from meshmesh_storage.vault import Vault

log = logging.getLogger("meshmesh.clients")

GRAIN = timedelta(minutes=1)  # how finely a client's last use is remembered
LIFE = timedelta(days=366)  # a client that replaces its token in time has another year


class PairingTokens:
    """Knows tokens by their hash, and gives new ones.

    Args:
        clients: whose they are.
        vault: where the hashes are kept.
        activity: is told of each new token, before it leaves.
        clock: the time.
    """

    def __init__(self, *, clients: Clients, vault: Vault, activity: Activity, clock: Clock) -> None:
        self._clients = clients
        self._vault = vault
        self._activity = activity
        self._clock = clock
        self._writing = Background()
        self._seen: set[str] = set()  # who was here since its row was written

    async def close(self) -> None:
        """Wait for what is being written, and write who was here."""
        await self._writing.finish()
        try:
            async with self._vault.transaction() as tx:
                for client in filter(None, map(self._clients.find, self._seen)):
                    await rows.put(tx, client)
        except VaultError as error:
            log.warning("when programs were last here was not written: %s", error)

    def authenticate(self, token: str) -> Client | None:
        """The client of a token, if it is known and has not expired."""
        known, now = hash_of(token), self._clock.now()
        client = self._clients.of_token(known)
        if client is None or _has_expired(client, now):
            return None
        return self._here(self._succeeded(client, known) if known == client.next_hash else client, now)

    def again(self, seen: Client) -> Client | None:
        """The client as it is now, if the token that it was known by before would still be taken."""
        client, now = self._clients.find(seen.id), self._clock.now()
        if client is None or client.token_hash != seen.token_hash or _has_expired(client, now):
            return None
        return self._here(client, now)

    def _here(self, client: Client, now: datetime) -> Client:
        """Remember when a client was here, in memory; its row learns of it with its next change, or at the end."""
        if client.last_used_at is not None and abs(now - client.last_used_at) < GRAIN:
            return client
        client = replace(client, last_used_at=now)
        self._clients.keep(client)
        self._seen.add(client.id)
        return client

    def _succeeded(self, client: Client, next_hash: bytes) -> Client:
        """The new token is in use: from now on the old one is worth nothing."""
        changed = replace(client, token_hash=next_hash, next_hash=None)
        self._clients.keep(changed)
        self._writing.spawn(self._save(client.id))
        return changed

    async def _save(self, client_id: str) -> None:
        try:
            async with self._vault.transaction() as tx:
                client = self._clients.find(client_id)
                if client is not None:
                    await rows.put(tx, client)
        except VaultError as error:
            log.warning("the first use of a token was not written: %s", error)

    async def rotate(self, client_id: str) -> tuple[Client, str]:
        """A client's next token; one that it was given before and has not used is worth nothing any more.

        Returns:
            The client and the token, which is not kept.

        Raises:
            Problem: 403 for a client that ends with a process, 404, 503 where its record cannot be written.
        """
        client = self._clients.get(client_id)
        if client.process is not None:
            raise Problem(403, "not_allowed", "This pairing token ends with its process; none comes after it.")
        detail = f"{client.name} was given a new pairing token."
        await self._activity.record(program(client), Deed.CLIENT_ROTATED, detail=detail)
        token = pairing.make_token(secrets.token_bytes(pairing.TOKEN_BYTES))
        async with self._vault.transaction() as tx:
            after = replace(self._clients.get(client_id), next_hash=hash_of(token), expires_at=self._clock.now() + LIFE)
            await rows.put(tx, after)
        before = self._clients.get(client_id)  # 404 where it was revoked meanwhile; that deletes the row next
        if before.token_hash != after.token_hash:  # its last one was first used meanwhile; that writes the row next
            after = replace(after, token_hash=before.token_hash)
        self._clients.keep(after)
        self._clients.tell(before, after)
        return after, token


def _has_expired(client: Client, now: datetime) -> bool:
    return client.expires_at is not None and now >= client.expires_at


def hash_of(token: str) -> bytes:
    """What is kept of a token: it has 256 random bits, so a plain hash gives nothing away."""
    return hashlib.sha256(token.encode("utf-8", "replace")).digest()
