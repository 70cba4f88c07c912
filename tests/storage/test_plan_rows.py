"""Plans and their bytes at rest: whole, sealed, and gone when they are dropped."""

from collections.abc import AsyncGenerator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from meshmesh_storage import plans
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.plan_records import Change, HeldRequest, Item, ItemStatus, Plan, PlanStatus, Result, Touch
from meshmesh_storage.vault import Vault

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CANARY = "canary-7f3a"
REQUEST = HeldRequest(
    method="PATCH",
    target=f"/services/{CANARY}",
    headers=(("Accept", "*/*"), ("Accept", CANARY)),
    body=b"\x00\n\xff" * 9,
)
RESULT = Result(status=201, headers=(("Location", CANARY),), body=f"\n{CANARY}\n".encode())
ITEM = Item(
    id="it-1",
    method="PATCH",
    target=f"/services/{CANARY}",
    sha256=REQUEST.sha256,
    size=27,
    summary=CANARY,
    changes=(Change(part=0, sobject="Lead", record=None, field="Rating", before=None, after=["x", 1.5, True]),),
    touches=(
        Touch(
            action="update", sobject="Lead", record_id="00Q", path="/x", before={"Rating": CANARY}, stamp="t", done=True
        ),
        Touch(action="run", sobject=None, record_id=None, path="/y"),
    ),
    status=ItemStatus.UNKNOWN,
    note="what to know",
    ended_at=NOW,
    answered=201,
    spent=True,
)
PLAN = Plan(
    id="pl-1",
    client_id="c1",
    client_name="agent",
    connection_id="o1",
    org_id="00D",
    user_id="005",
    reason=CANARY,
    created_at=NOW,
    grown_at=NOW + timedelta(seconds=1),
    expires_at=NOW + timedelta(seconds=2),
    items=(ITEM,),
    status=PlanStatus.PARTLY_DONE,
    rejection=CANARY,
    decided_at=NOW + timedelta(seconds=3),
    ended_at=NOW + timedelta(seconds=4),
    undoes="pl-0",
    whole=True,
    key=CANARY,
)


@pytest.fixture
async def vault(tmp_path: Path) -> AsyncGenerator[Vault, None]:
    """An empty vault."""
    made = await Vault.open(tmp_path / "data", KeyFile(tmp_path / "key"), now=NOW)
    yield made
    await made.close()


async def test_a_plan_comes_back_as_it_went(vault: Vault) -> None:
    """Every member, the bytes of request and answer among them, and headers that stand twice."""
    async with vault.transaction() as tx:
        await plans.put(tx, PLAN, live=True)
        await plans.put_request(tx, "it-1", REQUEST)
        await plans.put_result(tx, "it-1", RESULT)
    async with vault.transaction() as tx:
        assert await plans.get(tx, "pl-1") == PLAN
        assert await plans.request_of(tx, "it-1") == REQUEST
        assert await plans.result_of(tx, "it-1") == RESULT


async def test_plans_are_found_by_client_and_by_whether_they_live(vault: Vault) -> None:
    """Each list holds what it says, and nothing else."""
    over, other = replace(PLAN, id="pl-2"), replace(PLAN, id="pl-3", client_id="c2")
    async with vault.transaction() as tx:
        for plan, live in ((PLAN, True), (over, False), (other, True)):
            await plans.put(tx, plan, live=live)
        assert {plan.id for plan in await plans.load_live(tx)} == {"pl-1", "pl-3"}
        assert {plan.id for plan in await plans.load_of(tx, "c1")} == {"pl-1", "pl-2"}
        assert len(await plans.load_of(tx, None)) == 3


async def test_bytes_can_go_without_their_plan_and_go_with_it(vault: Vault) -> None:
    """Dropped bytes are not there, the plan is; a deleted plan leaves nothing."""
    async with vault.transaction() as tx:
        await plans.put(tx, PLAN, live=True)
        await plans.put_request(tx, "it-1", REQUEST)
        await plans.drop_bytes(tx, PLAN)
        left = await plans.request_of(tx, "it-1"), await plans.result_of(tx, "it-1"), await plans.get(tx, "pl-1")
        await plans.put_request(tx, "it-1", REQUEST)
        await plans.delete(tx, PLAN)

        assert left == (None, None, PLAN)
        assert await plans.request_of(tx, "it-1") is None
        assert await plans.get(tx, "pl-1") is None


async def test_nothing_of_a_plan_stands_in_clear(vault: Vault, tmp_path: Path) -> None:
    """Neither what would change, nor the words of client and owner, nor an answer."""
    async with vault.transaction() as tx:
        await plans.put(tx, PLAN, live=True)
        await plans.put_request(tx, "it-1", REQUEST)
        await plans.put_result(tx, "it-1", RESULT)
    raw = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())

    assert CANARY.encode() not in raw
    assert b"agent" not in raw


@pytest.mark.parametrize(
    "other",
    [
        replace(REQUEST, method="POST"),
        replace(REQUEST, target=REQUEST.target + "x"),
        replace(REQUEST, headers=REQUEST.headers[:1]),
        replace(REQUEST, body=REQUEST.body + b"\x00"),
        replace(REQUEST, method="PATCH/", target=REQUEST.target[1:]),
    ],
)
def test_requests_that_differ_have_another_hash(other: HeldRequest) -> None:
    """In method, target, headers or body; and what is moved from one to the next is not the same."""
    assert other.sha256 != REQUEST.sha256


def test_the_order_and_case_of_headers_make_no_difference() -> None:
    """The same request by another client library is the same."""
    turned = tuple((name.upper(), value) for name, value in reversed(REQUEST.headers))

    assert replace(REQUEST, headers=turned).sha256 == REQUEST.sha256
