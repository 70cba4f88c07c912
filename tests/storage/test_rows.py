"""The laws of the row families: what goes in comes out, and each refuses what would break a promise."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshmesh_storage import apps, clients, connections, rotations, sign_ins
from meshmesh_storage.errors import NameTaken, StaleGeneration
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import (
    App,
    Client,
    Connection,
    Environment,
    Flow,
    Grant,
    Kind,
    Mode,
    Reason,
    RotationIntent,
    Session,
    SignIn,
    Status,
)
from meshmesh_storage.vault import Vault

NOW = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=UTC)
APP = App(id="a1", client_id="PlatformCLI", created_at=NOW)
SESSION = Session(access_token="00D!access", token_type="Bearer", issued_at=NOW, expires_at=NOW + timedelta(hours=2))
ACME = Connection(
    id="c1",
    generation=1,
    name="acme",
    environment=Environment.PRODUCTION,
    kind=Kind.PRODUCTION,
    app_id="a1",
    login_origin="https://acme.my.salesforce.com",
    instance_url="https://acme.my.salesforce.com",
    identity_url="https://login.salesforce.com/id/00D/005",
    org_id="00D000000000001AAA",
    user_id="005000000000001AAA",
    org_name="Acme – Größe 東京",
    username="ada@acme.example",
    api_version="66.0",
    scopes=("api", "refresh_token"),
    status=Status.NEEDS_YOU,
    reason=Reason.SESSION_EXPIRED,
    detail="The session has expired.",
    created_at=NOW,
    signed_in_at=NOW,
    last_used_at=NOW,
    last_used_by="nightly.py",
    session=SESSION,
    refresh_token="5Aep861refresh",
)
BARE = replace(
    ACME, id="c2", name="bare", reason=None, detail=None, last_used_at=None, last_used_by=None, session=None,
    refresh_token=None, scopes=(),
)  # fmt: skip


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncIterator[Vault]:
    """A new vault."""
    opened = await Vault.open(tmp_path / "vault", KeyFile(tmp_path / "keys" / "vault.key"), now=NOW)
    yield opened
    await opened.close()


async def test_connections_come_back_as_they_went_in(vault: Vault) -> None:
    """Every field, with and without a session."""
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        await connections.insert(tx, BARE)
    async with vault.transaction() as tx:
        assert await connections.load_all(tx) == [ACME, BARE]
        assert await connections.get(tx, "c1") == ACME
        assert await connections.get(tx, "c3") is None


async def test_apps_come_back_and_are_found_by_client_id_and_flow(vault: Vault) -> None:
    """One client id may stand there once for each flow."""
    own = replace(APP, id="a2", client_secret="s3cret", flow=Flow.CLIENT_CREDENTIALS)
    async with vault.transaction() as tx:
        await apps.put(tx, APP)
        await apps.put(tx, own)
        assert await apps.load_all(tx) == [APP, own]
        assert await apps.find(tx, "PlatformCLI", Flow.CLIENT_CREDENTIALS) == own
        assert await apps.find(tx, "other", Flow.AUTHORIZATION_CODE) is None


async def test_apps_that_no_connection_uses_are_forgotten(vault: Vault) -> None:
    """The secret of an app goes with its last connection."""
    async with vault.transaction() as tx:
        await apps.put(tx, APP)
        await apps.put(tx, replace(APP, id="a2", client_id="unused"))
        await connections.insert(tx, ACME)
        await apps.delete_unused(tx)

        assert await apps.load_all(tx) == [APP]


async def test_clients_come_back_with_their_grants(vault: Vault) -> None:
    """Grants are part of the sealed whole."""
    grants = (
        Grant(connection_id="c1", mode=Mode.BUILD, raw_token=True, expires_at=NOW),
        Grant(connection_id="c2", mode=Mode.READ),
    )
    agent = Client(
        id="p1", name="agent", kind="cli", token_hash=bytes(range(32)), origin="chrome-extension://abc",
        created_at=NOW, expires_at=NOW, last_used_at=NOW, grants=grants, process="4711 1700000000", command_sha256="ab" * 32,
    )  # fmt: skip
    bare = Client(id="p2", name="bare", kind="other", token_hash=b"", created_at=NOW, expires_at=None)
    async with vault.transaction() as tx:
        await clients.put(tx, agent)
        await clients.put(tx, bare)
        assert await clients.load_all(tx) == [agent, bare]
        assert await clients.delete(tx, "p1")
        assert not await clients.delete(tx, "p1")


@pytest.mark.parametrize("secret", [None, "s3cret"])
async def test_sign_ins_come_back(secret: str | None, vault: Vault) -> None:
    """A redirect after a restart finds the verifier, and the app's secret that the person gave."""
    attempt = SignIn(
        id="s1", state="st", code_verifier="cv", connection_id=None, name="acme", environment=Environment.SANDBOX,
        client_id="PlatformCLI", client_secret=secret, login_origin="https://test.salesforce.com",
        redirect_uri="http://localhost:1717/OauthRedirect", scopes=("api",), authorize_url="https://x",
        created_at=NOW, expires_at=NOW,
    )  # fmt: skip
    async with vault.transaction() as tx:
        await sign_ins.insert(tx, attempt)
        assert await sign_ins.load_all(tx) == [attempt]
        assert await sign_ins.delete(tx, "s1")
        assert await sign_ins.load_all(tx) == []


async def test_the_rotation_journal_keeps_one_intent_a_connection(vault: Vault) -> None:
    """What was sent last is what has to be settled after a crash; a connection's journal goes with it."""
    intent = RotationIntent(connection_id="c1", generation=3, sent_at=NOW)
    later = replace(intent, generation=4)
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        await rotations.begin(tx, intent)
        await rotations.begin(tx, later)
        assert await rotations.load_all(tx) == [later]
        await rotations.finish(tx, "c1")
        assert await rotations.load_all(tx) == []
        await rotations.begin(tx, intent)
        assert await connections.delete(tx, "c1")
        assert await rotations.load_all(tx) == []
        assert not await connections.delete(tx, "c1")


async def test_a_late_writer_loses(vault: Vault) -> None:
    """An update counts only for the generation that was read, and a connection that is gone stays gone."""
    renewed = replace(ACME, generation=2, refresh_token="new")
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        await connections.update(tx, renewed, expected_generation=1)
        for late in (replace(ACME, generation=2, refresh_token="late"), replace(BARE, generation=2)):
            with pytest.raises(StaleGeneration):
                await connections.update(tx, late, expected_generation=1)
    async with vault.transaction() as tx:
        assert await connections.load_all(tx) == [renewed]
    await vault.verify()


async def test_a_new_connection_takes_nobodys_id(vault: Vault) -> None:
    """An insert is no back door around the generation."""
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        with pytest.raises(StaleGeneration):
            await connections.insert(tx, replace(ACME, name="other", refresh_token="other"))
        assert await connections.load_all(tx) == [ACME]


async def test_a_name_is_taken_once(vault: Vault) -> None:
    """A taken name refuses insert and rename and leaves both rows alone; a freed name can be had again."""
    renamed = replace(BARE, name="acme")
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        await connections.insert(tx, BARE)
        with pytest.raises(NameTaken):
            await connections.insert(tx, replace(BARE, id="c3", name="acme"))
        with pytest.raises(NameTaken):
            await connections.rename(tx, BARE.id, "acme")
    await vault.verify()
    async with vault.transaction() as tx:
        assert await connections.load_all(tx) == [ACME, BARE]
        await connections.delete(tx, "c1")
        await connections.rename(tx, BARE.id, "acme")
        assert await connections.load_all(tx) == [renamed]
        with pytest.raises(StaleGeneration):
            await connections.rename(tx, "c1", "gone")
    await vault.verify()


async def test_what_was_read_before_a_rename_does_not_undo_it(vault: Vault) -> None:
    """Whoever renews a connection writes what it renewed, under the name that it has by then."""
    async with vault.transaction() as tx:
        await connections.insert(tx, ACME)
        await connections.rename(tx, ACME.id, "another")
        await connections.update(tx, replace(ACME, generation=2), expected_generation=1)
        assert await connections.load_all(tx) == [replace(ACME, name="another", generation=2)]


def test_no_record_shows_a_secret_in_its_repr() -> None:
    """Records stand in logs and tracebacks."""
    shown = repr([ACME, SESSION, replace(APP, client_secret="s3cret")])

    assert not [secret for secret in ("00D!access", "5Aep861refresh", "s3cret") if secret in shown]
