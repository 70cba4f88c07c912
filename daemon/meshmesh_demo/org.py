"""The org as its handlers see it: the parts, put together once."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from aiohttp import web

from meshmesh_demo.bulk import Job
from meshmesh_demo.faults import Faults
from meshmesh_demo.oauth.apps import Apps
from meshmesh_demo.oauth.grants import Grants
from meshmesh_demo.oauth.visits import Visits
from meshmesh_demo.store import Store

DAILY_REQUESTS = 15_000  # of a Developer Edition


@dataclass(slots=True)
class Traffic:
    """What was asked since the start; tests count here."""

    requests: int = 0
    api_requests: int = 0
    token_requests: Counter[str] = field(default_factory=Counter[str])


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """What is left of a query behind its locator."""

    user_id: str
    records: list[dict[str, object]]
    batch: int


@dataclass(slots=True, kw_only=True)
class Org:
    """The parts of one running org."""

    origin: str
    lever_key: str = field(repr=False)
    clock: Callable[[], datetime]
    store: Store
    apps: Apps
    grants: Grants
    visits: Visits
    faults: Faults
    traffic: Traffic = field(default_factory=Traffic)
    jobs: dict[str, Job] = field(default_factory=dict[str, Job])
    cursors: dict[str, Cursor] = field(default_factory=dict[str, Cursor])

    @property
    def limit_info(self) -> str:
        """The value of the header Sforce-Limit-Info."""
        return f"api-usage={self.traffic.api_requests}/{DAILY_REQUESTS}"


ORG: web.AppKey[Org] = web.AppKey("org", Org)
