"""What a person is shown of plans that wait for them: a bubble a plan, and one for all where there are too many.

A button here can look at a plan or reject it. None approves: that takes a look at what would change, and presence.
"""

from collections.abc import Mapping, Sequence

from meshmesh_daemon.core.activity import OWNER
from meshmesh_daemon.core.notice import Button, Notice, clipped
from meshmesh_daemon.core.notices import MANY
from meshmesh_daemon.core.plan import WAITING
from meshmesh_daemon.core.plan_danger import by_danger
from meshmesh_storage.plan_records import Plan, PlanStatus

REVIEW = "review"
REJECT = "reject"
DIGEST = "plans"

_MAX_LINES = 3


def key_of(plan: Plan) -> str:
    """The key of a plan's notice."""
    return f"plan:{plan.id}"


def link_of(base: str, plan_id: str) -> str:
    """The address of a plan's page."""
    return f"{base}/plans/{plan_id}"


def notices(plans: Sequence[Plan], names: Mapping[str, str], base: str) -> list[Notice]:
    """What is to be on the screen.

    Args:
        plans: all of them, oldest first.
        names: of connections, by their ids.
        base: our own address, without a slash at its end.
    """
    waiting = [plan for plan in plans if plan.status is PlanStatus.HELD and plan.client_id != OWNER.id]
    shown = [_notice(plan, names.get(plan.connection_id, "an org"), base) for plan in waiting[:MANY]]
    if len(waiting) <= MANY:
        return shown
    rest = len(waiting) - MANY
    title = f"{rest} more plans wait for you" if rest > 1 else "One more plan waits for you"
    review = Button(REVIEW, "Review")
    return [
        *shown,
        Notice(key=DIGEST, title=title, buttons=(review,), click=REVIEW, link=f"{base}/", command="meshmesh plans"),
    ]


def _notice(plan: Plan, name: str, base: str) -> Notice:
    summaries = [clipped(item.summary) for item in by_danger(plan.items) if item.status in WAITING]
    lines = summaries[:_MAX_LINES]
    if len(summaries) > _MAX_LINES:
        lines.append(f"and {len(summaries) - _MAX_LINES} more")
    return Notice(
        key=key_of(plan),
        title=f"{clipped(plan.client_name)} wants to change {clipped(name)}",
        lines=tuple(lines),
        buttons=(Button(REVIEW, "Review"), Button(REJECT, "Reject")),
        click=REVIEW,
        link=link_of(base, plan.id),
        command=f"meshmesh plan show {plan.id}",
    )
