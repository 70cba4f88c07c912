"""Plan Mode on a floor: clients, a fake carrier to a little org, and a person who says yes."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

from meshmesh_daemon.adapters.processes import Processes
from meshmesh_daemon.core.classify import Json
from meshmesh_daemon.core.held import verdict_of
from meshmesh_daemon.settings import PlanSettings
from meshmesh_daemon.usecases.access import Access, NewClient, WantedGrant
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.plans_views import Held, PlanView
from meshmesh_storage.plan_records import HeldRequest, Item, Result
from meshmesh_storage.records import Client, Mode
from support.floor import Floor
from support.presence import GIVEN, FakeScreen, presence

ROOT = "/services/data/v66.0"
ACCOUNT = "001000000000001AAA"
OTHER = "001000000000002AAA"
PLAN_ACME = WantedGrant(connection="acme", mode=Mode.PLAN)
RULES = PlanSettings()


def write(method: str, path: str, body: object = None) -> HeldRequest:
    """A request that changes something."""
    headers = (("Content-Type", "application/json"),) if body is not None else ()
    content = json.dumps(body).encode() if body is not None else b""
    return HeldRequest(method=method, target=ROOT + path, headers=headers, body=content)


def rename(name: str = "New", record: str = ACCOUNT) -> HeldRequest:
    """An update of an account."""
    return write("PATCH", f"/sobjects/Account/{record}", {"Name": name})


def create(name: str = "Made") -> HeldRequest:
    """A new account."""
    return write("POST", "/sobjects/Account", {"Name": name})


@dataclass
class FakeCarrier:
    """An org of two accounts behind the carrier. What it is told to say comes first; `gate` holds every request."""

    accounts: dict[str, dict[str, object]] = field(default_factory=dict[str, dict[str, object]])
    carried: list[HeldRequest] = field(default_factory=list[HeldRequest])
    reads: list[str] = field(default_factory=list[str])
    says: list[Result | Exception] = field(default_factory=list[Result | Exception])
    read_says: Exception | None = None
    read_gate: asyncio.Event | None = None
    gate: asyncio.Event | None = None
    touched: int = 0
    before_carry: Callable[[], None] | None = None

    def touch(self, record: str, **fields: object) -> None:
        """Somebody changes a record."""
        row = self.accounts.setdefault(record, {"Name": "Old", "SystemModstamp": "t0"})
        self.touched += 1
        row.update(fields, SystemModstamp=f"t{self.touched}")

    async def carry(self, desk: Desk, request: HeldRequest, *, who: str) -> Result:
        """As `Carrier.carry`."""
        assert desk.stored.name
        assert who
        if self.before_carry is not None:
            self.before_carry()
        self.carried.append(request)
        if self.gate is not None:
            await self.gate.wait()
        if self.says:
            said = self.says.pop(0)
            if isinstance(said, Exception):
                raise said
            return said
        return self._done(request)

    def _done(self, request: HeldRequest) -> Result:
        if request.method == "PATCH":
            self.touch(request.target.rsplit("/", 1)[1], **json.loads(request.body))
            return Result(status=204, headers=(), body=b"")
        if request.method == "DELETE":
            self.accounts.pop(request.target.rsplit("/", 1)[1], None)
            return Result(status=204, headers=(), body=b"")
        record = f"00100000000{len(self.accounts) + 100:04d}AAA"
        self.touch(record, **json.loads(request.body))
        return answer(201, {"id": record, "success": True, "errors": []})

    async def read(self, desk: Desk, path: str, *, who: str = "") -> Json:
        """As `Carrier.read`."""
        assert desk.stored.name
        assert who
        self.reads.append(path)
        if self.read_gate is not None:
            await self.read_gate.wait()
        if self.read_says is not None:
            raise self.read_says
        parts = urlsplit(path)
        query = parse_qs(parts.query)
        if "ids" in query:
            rows = [self.accounts.get(one) for one in query["ids"][0].split(",")]
        else:
            rows = [self.accounts.get(parts.path.rsplit("/", 1)[1])]
        found: list[Json] = [json.loads(json.dumps(row)) if row else None for row in rows]
        return found if "ids" in query else found[0]


def answer(status: int, document: object) -> Result:
    """What Salesforce answers."""
    headers = (("Content-Type", "application/json"),)
    return Result(status=status, headers=headers, body=json.dumps(document).encode())


@dataclass
class Planner:
    """Plans on the floor."""

    floor: Floor
    access: Access
    plans: Plans
    carrier: FakeCarrier
    screen: FakeScreen
    processes: Processes

    async def client(self, *grants: WantedGrant, name: str = "agent") -> Client:
        """A paired program, in Plan Mode on `acme` where nothing else is said."""
        client, _ = await self.access.admit(NewClient(name=name, kind="agent"), grants or (PLAN_ACME,), GIVEN)
        return client

    async def hold(self, client: Client, request: HeldRequest, group: str | None = None) -> Held:
        """A request of the client's that is held."""
        return await self.plans.hold(client, self.floor.desk(), request, verdict_of(request), group=group)

    async def run(self, plan_id: str, items: list[str] | None = None) -> PlanView:
        """The owner's yes, and what comes of it."""
        await self.plans.approve(plan_id, items, GIVEN)
        return await self.plans.wait(plan_id, None, 60)

    async def item(self, held: Held) -> Item:
        """A held item as it is now."""
        view = await self.plans.get(held.plan.id, None)
        return next(item for item in view.plan.items if item.id == held.item_id)

    def again(self) -> Plans:
        """Another life of the service on the same vault; it has not read it yet."""
        return make_plans(self.floor, self.access, self.carrier, self.screen)

    async def close(self) -> None:
        """As a service ends."""
        await self.plans.close()
        await self.processes.close()


def make_plans(
    floor: Floor, access: Access, carrier: FakeCarrier, screen: FakeScreen, rules: PlanSettings = RULES
) -> Plans:
    """Plans on a floor."""
    return Plans(
        vault=floor.vault,
        carrier=carrier,
        desks=floor.desks,
        access=access,
        presence=presence(floor, screen),
        activity=floor.activity,
        rules=rules,
        clock=floor.clock,
    )


def make_planner(floor: Floor) -> Planner:
    """Plans with a client's grants, on a floor with `acme`."""
    processes, screen, carrier = Processes(), FakeScreen(), FakeCarrier()
    for record in (ACCOUNT, OTHER):
        carrier.accounts[record] = {"Name": "Old", "SystemModstamp": "t0"}
    access = Access(
        presence=presence(floor, screen),
        desks=floor.desks,
        vault=floor.vault,
        processes=processes,
        activity=floor.activity,
        clock=floor.clock,
    )
    return Planner(floor, access, make_plans(floor, access, carrier, screen), carrier, screen, processes)
