"""Salesforce's own command line, unmodified, through `meshmesh exec`: it works, and its writes are held in Plan Mode."""

import json
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from support.org_state import writes
from support.service import Service
from support.sf import SF, sf_environment

Sf = Callable[..., Any]


@pytest.fixture(scope="module")
def environ(service: Service, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A home of its own for sf, and Node.js in its path."""
    assert SF.exists(), "sf is missing: run `npm ci` in tests/node_sf"
    return service.environ | sf_environment(tmp_path_factory.mktemp("sf"))


@pytest.fixture
def sf(service: Service, environ: dict[str, str]) -> Sf:
    """`meshmesh exec demo -- sf ... --json`: the result, or the error where one is expected."""

    def run(*arguments: str, mode: str = "build", code: int = 0) -> Any:
        command = ("exec", "demo", "--mode", mode, "--", "sf", *arguments, "--json")
        ran = service.cli(*command, environ=environ)
        assert ran.returncode == code, ran.stdout + ran.stderr
        return json.loads(ran.stdout)

    return run


def test_sf_reads_and_writes(service: Service, sf: Sf) -> None:
    """A record is created, changed, found, read and deleted; an object is described."""
    before = writes(service)
    made = sf("data", "create", "record", "--sobject", "Account", "--values", "Name='By sf'")["result"]["id"]
    changed = sf("data", "update", "record", "--sobject", "Account", "--record-id", made, "--values", "Phone=12")
    found = sf("data", "query", "--query", f"SELECT Id, Name, Phone FROM Account WHERE Id = '{made}'")["result"]
    read = sf("data", "get", "record", "--sobject", "Account", "--record-id", made)["result"]
    described = sf("sobject", "describe", "--sobject", "Account")["result"]
    gone = sf("data", "delete", "record", "--sobject", "Account", "--record-id", made)["result"]

    assert changed["result"]["success"] is True
    assert [(one["Name"], one["Phone"]) for one in found["records"]] == [("By sf", "12")]
    assert read["Name"] == "By sf"
    assert {"Name", "Phone"} <= {field["name"] for field in described["fields"]}
    assert gone["success"] is True
    assert writes(service) == before + 3


def test_sf_calls_rest_and_hears_that_its_write_is_held(service: Service, environ: dict[str, str], sf: Sf) -> None:
    """`api request rest` reads in Plan Mode; a create ends as sf's own error, with the plan's address in it."""
    before = writes(service)
    command = ("exec", "demo", "--", "sf", "api", "request", "rest", "/services/data/v66.0/limits")
    ran: subprocess.CompletedProcess[str] = service.cli(*command, environ=environ)
    error = sf("data", "create", "record", "-s", "Account", "-v", "Name=Held", mode="plan", code=1)

    assert ran.returncode == 0, ran.stderr
    assert "DailyApiRequests" in json.loads(ran.stdout)
    assert error["name"] == "MESHMESH_APPROVAL_REQUIRED"
    assert f"http://localhost:{service.port}/plans/" in error["message"]
    assert writes(service) == before
