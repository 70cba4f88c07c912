"""SIGKILL between the owner's yes and Salesforce's answer: what was approved runs at most once, and is told truly."""

import random
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import pytest

from support.service import Service, start

ROOT = "/services/data/v66.0"
ITEMS = 3
ROUNDS = 5
LONGEST = 0.12  # seconds in which an approval of three requests has come and gone
CLOSED = (OSError, IndexError, ValueError)


@dataclass
class Bench:
    """One home with its demo org, and the service that is killed again and again."""

    service: Service
    token: str
    dice: random.Random

    def submit(self, name: str) -> str:
        """A plan that makes three accounts, by its id."""
        requests = [
            {"method": "POST", "path": f"{ROOT}/sobjects/Account", "body": {"Name": f"{name} {number}"}}
            for number in range(ITEMS)
        ]
        body = {"connection": "demo", "requests": requests}
        return str(self.service.call("POST", "/v1/plans", body, token=self.token).json()["id"])

    def approve_and_kill(self, plan_id: str) -> None:
        """The yes, and SIGKILL a moment later."""

        def approve() -> None:
            with suppress(*CLOSED):  # cut off
                self.service.call("POST", f"/v1/plans/{plan_id}/approve", {}, owner=True)

        approving = threading.Thread(target=approve)
        approving.start()
        time.sleep(self.dice.uniform(0, LONGEST))
        self.service.kill()
        approving.join(20)
        self.service = start(self.service.home)

    def settled(self, plan_id: str) -> list[str]:
        """How the items of a plan ended; a yes that had not reached the disk is given again."""
        path = f"/v1/plans/{plan_id}"
        seen = self.service.call("GET", path, token=self.token, headers={"Prefer": "wait=1"}).json()
        if seen["status"] == "held":
            seen = self.service.call("POST", f"{path}/approve", {}, owner=True).json()
        while seen["status"] in {"approved", "running"}:
            seen = self.service.call("GET", path, token=self.token, headers={"Prefer": "wait=10"}).json()
        return [item["status"] for item in seen["items"]]

    def made(self, name: str) -> int:
        """How many accounts of a name there are."""
        soql = quote(f"SELECT Id FROM Account WHERE Name = '{name}'")
        found = self.service.call("GET", f"/o/demo{ROOT}/query?q={soql}", token=self.token)
        return int(found.json()["totalSize"])


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """A service with a client in Plan Mode."""
    home: Path = tmp_path_factory.mktemp("home")
    service = start(home)
    made = Bench(service, service.pair({"connection": "demo", "mode": "plan"}), random.Random(20261125))  # noqa: S311 - moments, no secrets
    yield made
    made.service.stop()


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_kill_runs_nothing_twice(bench: Bench, number: int) -> None:
    """`done` is one record, `rejected` is none, `unknown` is one or none; and the next start changes nothing of it."""
    name = f"Round {number}"
    plan_id = bench.submit(name)
    bench.approve_and_kill(plan_id)
    statuses = bench.settled(plan_id)
    counts = [bench.made(f"{name} {item}") for item in range(ITEMS)]

    for status, count in zip(statuses, counts, strict=True):
        assert count in {"done": {1}, "rejected": {0}, "unknown": {0, 1}}[status], (statuses, counts)
    assert statuses.count("unknown") <= 1
    if "unknown" in statuses:
        assert set(statuses[statuses.index("unknown") + 1 :]) <= {"rejected"}
