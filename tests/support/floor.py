"""The use cases joined on a real vault, with a fake clock and a fake Salesforce."""

from dataclasses import dataclass
from pathlib import Path

from meshmesh_daemon.core.hosts import HostPolicy
from meshmesh_daemon.usecases.activity import Activity
from meshmesh_daemon.usecases.beginning import Beginning
from meshmesh_daemon.usecases.connections import Connections
from meshmesh_daemon.usecases.desks import Desk, Desks
from meshmesh_daemon.usecases.exchange import Exchange
from meshmesh_daemon.usecases.renewal import Renewal
from meshmesh_daemon.usecases.sessions import Sessions
from meshmesh_daemon.usecases.sign_ins import SignIns
from meshmesh_daemon.usecases.waiting import Waiting
from meshmesh_storage.activity import ActivityLog
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.records import App, Connection, Environment, Flow, Kind, Session, Status
from meshmesh_storage.vault import Vault
from support.clock import START, FakeClock
from support.outside import INSTANCE, ORG, USER, FakeOutside

EXTRA = "http://localhost:4000"
LOGIN = "https://login.salesforce.com"
FIRST = Session(access_token="00Dx!first", token_type="Bearer", issued_at=START, expires_at=None)
ACME = Connection(
    id="c1",
    generation=1,
    name="acme",
    environment=Environment.PRODUCTION,
    kind=Kind.PRODUCTION,
    app_id="a1",
    login_origin=LOGIN,
    instance_url=INSTANCE,
    identity_url=f"{LOGIN}/id/{ORG}/{USER}",
    org_id=ORG,
    user_id=USER,
    org_name="Acme",
    username="ada@acme.example",
    api_version="66.0",
    scopes=("api", "refresh_token"),
    status=Status.CONNECTED,
    created_at=START,
    signed_in_at=START,
    session=FIRST,
    refresh_token="refresh-1",
)
APP = App(id="a1", client_id="PlatformCLI", flow=Flow.AUTHORIZATION_CODE, created_at=START)


@dataclass
class Floor:
    """The daemon's use cases."""

    vault: Vault
    clock: FakeClock
    outside: FakeOutside
    desks: Desks
    sessions: Sessions
    connections: Connections
    sign_ins: SignIns
    waiting: Waiting
    activity: Activity

    def desk(self, name: str = "acme") -> Desk:
        """The desk of a connection that was asked for already."""
        desk = self.desks.at_hand(self.desks.id_of(name) or "")
        assert desk is not None
        return desk

    async def token(self, *, min_ttl: int = 0, rejected: str | None = None, name: str = "acme") -> str:
        """The access token that a caller gets."""
        desk = await self.desks.named(name)
        assert desk is not None
        live = await self.sessions.live(desk, min_ttl=min_ttl, rejected=rejected)
        assert live.session is not None
        return live.session.access_token

    async def close(self) -> None:
        """As a service ends."""
        await self.sign_ins.close()
        await self.sessions.close()
        await self.connections.close()
        await self.activity.close()
        await self.vault.close()


async def build(folder: Path, *, clock: FakeClock, outside: FakeOutside) -> Floor:
    """The floor on the vault of a folder, with what is in it."""
    vault = await Vault.open(folder / "data", KeyFile(folder / "key"), now=clock.now())
    policy = HostPolicy(extra_login_origins=frozenset({EXTRA}))
    activity = Activity(rows=await ActivityLog.open(folder / "data", vault.sealer), clock=clock)
    desks = Desks()
    renewal = Renewal(vault=vault, outside=outside, policy=policy, clock=clock)
    waiting = Waiting(clock)
    sessions = Sessions(desks=desks, vault=vault, renewal=renewal, waiting=waiting, clock=clock)
    connections = Connections(desks=desks, sessions=sessions, vault=vault, outside=outside, clock=clock)
    sign_ins = SignIns(
        vault=vault,
        connections=connections,
        exchange=Exchange(connections=connections, outside=outside, policy=policy, clock=clock),
        beginning=Beginning(outside=outside, policy=policy, clock=clock, port=lambda: 1717),
        policy=policy,
        activity=activity,
        clock=clock,
        managed_client_id="PlatformCLI",
    )
    await connections.load()
    await sign_ins.load()
    activity.listen(desks)
    return Floor(vault, clock, outside, desks, sessions, connections, sign_ins, waiting, activity)
