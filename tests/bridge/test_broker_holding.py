"""What became of a held write, as a code and a sentence: one for each way in which it can end."""

from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import cast

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from meshmesh_bridge.holding import Holding
from meshmesh_bridge.letters import Letter
from meshmesh_daemon.core.classify import Kind, Verdict
from meshmesh_daemon.core.plan import TAKEN_OUT
from meshmesh_daemon.core.targets import Target
from meshmesh_daemon.usecases.bulk_jobs import BulkJobs
from meshmesh_daemon.usecases.desks import Desk
from meshmesh_daemon.usecases.plans import Plans
from meshmesh_daemon.usecases.plans_views import Held, PlanView
from meshmesh_storage.plan_records import Item, ItemStatus, Plan, PlanStatus, Result
from meshmesh_storage.records import Client
from support.clock import START
from support.floor import ACME

PATH = "/services/data/v66.0/sobjects/Account"
LETTER = Letter(
    method="POST",
    target=Target(name="acme", path=PATH, query=()),
    headers=(),
    body=b"{}",
    verdict=Verdict(kind=Kind.WRITE, rule="sobjects.create", summary="Create 1 Account"),
)
CLIENT = Client(id="k1", name="agent", kind="agent", token_hash=b"", created_at=START, expires_at=None)
ITEM = Item(id="it-1", method="POST", target=PATH, sha256="0", size=2, summary="Create 1 Account")
PLAN = Plan(
    id="pl-1",
    client_id="k1",
    client_name="agent",
    connection_id="c1",
    org_id=ACME.org_id,
    user_id=ACME.user_id,
    reason=None,
    created_at=START,
    grown_at=START,
    expires_at=START + timedelta(minutes=15),
    items=(ITEM,),
)
ANSWER = Result(status=201, headers=(), body=b"{}")


@dataclass
class FakePlans:
    """Holds a request, and knows what it will have become when somebody waits."""

    later: Plan
    answer: Result | None = None
    waited: list[float] = field(default_factory=list[float])

    async def hold(self, *_held: object, **_more: object) -> Held:
        """Held."""
        return Held(PlanView(plan=PLAN), ITEM.id)

    async def wait(self, _plan_id: str, _client_id: str, seconds: float) -> PlanView:
        """What it has become."""
        self.waited.append(seconds)
        return PlanView(plan=self.later)

    async def take(self, *_item: object) -> Result | None:
        """Its answer, once."""
        answer, self.answer = self.answer, None
        return answer


async def told(plans: FakePlans, *, path: str = PATH, prefer: str = "wait=5") -> Result | web.Response:
    """What the client hears."""
    headers = {"Prefer": prefer} if prefer else {}
    request = make_mocked_request("POST", f"/o/acme{path}", headers=headers)
    holding = Holding(plans=cast(Plans, plans), jobs=BulkJobs(), base=lambda: "http://localhost:1717")
    answer = await holding.hold(request, CLIENT, Desk(ACME), LETTER, LETTER.held())
    assert isinstance(answer, Result | web.Response)
    return answer


def became(item: ItemStatus, plan: PlanStatus, note: str | None = None, *, spent: bool = False) -> Plan:
    """The plan, later."""
    return replace(PLAN, status=plan, items=(replace(ITEM, status=item, note=note, spent=spent),), rejection="No")


@pytest.mark.parametrize(
    ("later", "code", "words"),
    [
        (became(ItemStatus.HELD, PlanStatus.HELD), "APPROVAL_REQUIRED", "nothing was changed yet"),
        (became(ItemStatus.HELD, PlanStatus.APPROVED), "APPROVAL_REQUIRED", "send the same request again"),
        (became(ItemStatus.RUNNING, PlanStatus.RUNNING), "APPROVAL_REQUIRED", "under way"),
        (became(ItemStatus.DONE, PlanStatus.DONE, spent=True), "PLAN_DONE", "carried out already"),
        (became(ItemStatus.FAILED, PlanStatus.PARTLY_DONE, "It was not sent: no."), "PLAN_FAILED", "It was not sent"),
        (became(ItemStatus.REJECTED, PlanStatus.REJECTED, spent=True), "PLAN_REJECTED", "No"),
        (became(ItemStatus.REJECTED, PlanStatus.WITHDRAWN, TAKEN_OUT, spent=True), "PLAN_WITHDRAWN", "sent it itself"),
        (became(ItemStatus.STALE, PlanStatus.PARTLY_DONE, "Changed: 001."), "PLAN_STALE", "Changed: 001."),
        (became(ItemStatus.UNKNOWN, PlanStatus.PARTLY_DONE), "PLAN_UNKNOWN", "before you send it again"),
        (became(ItemStatus.REJECTED, PlanStatus.EXPIRED), "PLAN_EXPIRED", "nothing was changed"),
        (became(ItemStatus.REJECTED, PlanStatus.WITHDRAWN), "PLAN_WITHDRAWN", "nothing was changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_every_end_has_its_code(later: Plan, code: str, words: str) -> None:
    """A 403 with the plan's id, whose sentence says whether anything was changed; never a reason to try blindly."""
    answer = await told(FakePlans(later))

    assert isinstance(answer, web.Response)
    assert answer.status == 403
    assert answer.headers["MeshMesh-Plan"] == "pl-1"
    assert answer.text is not None
    assert f"MESHMESH_{code}" in answer.text
    assert words in answer.text


@pytest.mark.parametrize("status", [ItemStatus.DONE, ItemStatus.FAILED, ItemStatus.REJECTED])
async def test_what_has_an_answer_is_answered(status: ItemStatus) -> None:
    """Salesforce's answer, or the owner's no, is taken once and given."""
    plans = FakePlans(became(status, PlanStatus.DONE), ANSWER)

    assert await told(plans) == ANSWER
    assert isinstance(await told(plans), web.Response)


async def test_only_who_says_so_waits() -> None:
    """Without `Prefer: wait` the answer is there at once."""
    plans = FakePlans(PLAN)
    await told(plans, prefer="")
    await told(plans, prefer="wait=7")

    assert plans.waited == [7]


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/services/Soap/u/66.0", 500, "<faultcode>sf:MESHMESH_APPROVAL_REQUIRED</faultcode>"),
        ("/services/async/66.0/job", 400, "<exceptionCode>MESHMESH_APPROVAL_REQUIRED</exceptionCode>"),
    ],
)
async def test_each_api_hears_it_in_its_own_words(path: str, status: int, word: str) -> None:
    """SOAP gets a fault, Bulk 1 its XML."""
    answer = await told(FakePlans(PLAN), path=path)

    assert isinstance(answer, web.Response)
    assert answer.status == status
    assert answer.text is not None
    assert word in answer.text
