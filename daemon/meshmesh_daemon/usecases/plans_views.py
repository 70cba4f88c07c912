"""Plans as callers see them, and what a hold gives."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from meshmesh_daemon.core.activity import OWNER
from meshmesh_daemon.core.plan import is_open
from meshmesh_storage.activity_rows import Actor, ActorKind
from meshmesh_storage.plan_records import Plan, PlanStatus, Result

OWNER_ID = "owner"  # whose plan an undo is


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanView:
    """A plan with the answers of its items, by their ids, where they are still kept."""

    plan: Plan
    results: Mapping[str, Result] = field(default_factory=dict[str, Result], repr=False)

    @property
    def id(self) -> str:
        """The plan's id."""
        return self.plan.id

    @property
    def status(self) -> PlanStatus:
        """The plan's status."""
        return self.plan.status

    @property
    def is_open(self) -> bool:
        """Whether something will still become of it: it is held, approved or running."""
        return is_open(self.plan)


def actor_of(plan: Plan) -> Actor:
    """Whose plan it is, as the activity names them."""
    return OWNER if plan.client_id == OWNER_ID else Actor(ActorKind.CLIENT, plan.client_id, plan.client_name)


@dataclass(frozen=True, slots=True)
class Held:
    """Where a request is held now."""

    plan: PlanView
    item_id: str
