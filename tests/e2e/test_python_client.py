"""The Python client at work on the demo org: paired once, reading, proposing, waiting, and never holding the token."""

import asyncio
import os
import re
import stat
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from simple_salesforce.exceptions import SalesforceMalformedRequest

import meshmesh
from support.browser import begin
from support.demo_org import ADA
from support.org_state import writes
from support.person import Person
from support.service import Service, StartService

EXAMPLES = Path(__file__).parents[2] / "bridge" / "examples"
CODE = re.compile(r"Its code is ([A-Z]{4}-[A-Z]{4})\.")
PLAN = re.compile(r"/plans/(\S+)")
NOWHERE = "http://127.0.0.1:9"
WAIT = 20
MANY = 150  # new contacts, so that a query needs two pages


@pytest.fixture
def here(service: Service, monkeypatch: pytest.MonkeyPatch) -> Service:
    """This process is a program beside the service, in a world whose proxy swallows all that reaches it."""
    for name in [name for name in os.environ if name.startswith("MESHMESH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("MESHMESH_HOME", str(service.home))
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, NOWHERE)
    return service


@pytest.fixture
def org_in(here: Service, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], meshmesh.Org]]:
    """Opens the demo org with a grant in some mode, as a program that was lent a token."""
    opened: list[meshmesh.Org] = []

    def connect(mode: str, *, raw_token: bool = False) -> meshmesh.Org:
        token = here.pair({"connection": "demo", "mode": mode, "raw_token": raw_token})
        monkeypatch.setenv("MESHMESH_TOKEN", token)
        opened.append(meshmesh.connect("demo"))
        return opened[-1]

    yield connect
    for org in opened:
        org.close()


def approving(service: Service, grant: str = "demo:plan") -> Callable[[str], None]:
    """An owner who approves the code that a program shows."""

    def show(text: str) -> None:
        ran = service.cli("approve", code_in(text), "--grant", grant)
        assert ran.returncode == 0, ran.stderr

    return show


def unasked(text: str) -> None:
    """Nobody is to be shown anything."""
    pytest.fail(f"the owner was asked: {text}")


def code_in(text: str) -> str:
    """The code in what a program shows."""
    found = CODE.search(text)
    assert found, text
    return found[1]


@contextmanager
def meanwhile(call: Callable[[], Any]) -> Generator[Future[Any]]:
    """Make a call that waits, while the block goes on."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(call)


def held_plan(service: Service) -> str:
    """The id of the plan that waits for the owner."""
    found: list[str] = []

    def waits() -> bool:
        plans = service.call("GET", "/v1/plans?show=open", owner=True).json()["plans"]
        found[:] = [plan["id"] for plan in plans if plan["status"] == "held"]
        return bool(found)

    assert service.eventually(waits)
    return found[0]


def decide(service: Service, *words: str) -> None:
    """`meshmesh plan ...`, as the owner types it."""
    ran = service.cli("plan", *words)
    assert ran.returncode == 0, ran.stderr


def test_a_program_is_paired_once(here: Service) -> None:
    """The token is kept for the owner's eyes alone; later runs use it unasked, until it is revoked."""
    with pytest.raises(meshmesh.NotPaired, match="'My tool' is not paired"):
        meshmesh.connect("demo", program="My tool")
    tool = meshmesh.pair("My tool", wants=["demo:plan"], show=approving(here))
    kept = here.home / "state" / "clients" / "My%20tool.json"

    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700
    assert [connection.name for connection in tool.connections()] == ["demo"]
    again = meshmesh.pair("My tool", wants=["demo:plan"], show=unasked)
    with again.connect() as org, meshmesh.connect("demo", program="My tool") as same:
        assert org.connection == same.connection
        assert (org.name, org.connection.mode, org.connection.kind) == ("demo", "plan", "demo")
    (client,) = [
        one for one in here.call("GET", "/v1/clients", owner=True).json()["clients"] if one["name"] == "My tool"
    ]
    assert here.call("DELETE", f"/v1/clients/{client['id']}", owner=True).status == 204
    with pytest.raises(meshmesh.NotPaired):
        again.connections()
    anew = meshmesh.pair("My tool", show=approving(here, "demo:read"))
    assert [connection.mode for connection in anew.connections()] == ["read"]


def test_a_denied_program_gets_nothing(here: Service) -> None:
    """The owner's no ends the pairing with its sentence, and keeps nothing."""
    with pytest.raises(meshmesh.PairingRefused, match="The owner denied it"):
        meshmesh.pair("Unwanted", show=lambda text: decide_pairing(here, text))

    assert not (here.home / "state" / "clients" / "Unwanted.json").exists()


def decide_pairing(service: Service, text: str) -> None:
    """The owner says no."""
    assert service.cli("deny", code_in(text)).returncode == 0


def test_what_was_not_granted_is_not_there(org_in: Callable[[str], meshmesh.Org]) -> None:
    """The error names what may be used, and the command that would grant more."""
    org_in("read")
    with pytest.raises(meshmesh.NotGranted, match="It may use demo") as refused:
        meshmesh.connect("acme")

    assert "Next: meshmesh mode CLIENT acme plan" in str(refused.value)


def test_an_agent_asks_for_a_connection(
    here: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """It has none, says what for, and goes on with the one that the owner picked; what is denied is said."""
    monkeypatch.setenv("MESHMESH_TOKEN", here.pair())
    agent = meshmesh.pair("Agent", show=unasked)
    assert agent.connections() == []
    with meanwhile(lambda: agent.ask_for("count the leads", mode="read", wait=WAIT)) as waiting:
        decide_request(here, "approve", "--grant", "demo:read")
    with waiting.result() as org:
        assert (org.name, org.connection.mode) == ("demo", "read")
    with meanwhile(lambda: agent.ask_for("delete them", wait=WAIT)) as waiting:
        decide_request(here, "deny")
    with pytest.raises(meshmesh.AccessNotGiven, match="The owner denied it"):
        waiting.result()

    assert "to 'count the leads'.\nGrant one: meshmesh approve ask-" in capfd.readouterr().err


def decide_request(service: Service, verb: str, *options: str) -> None:
    """The owner decides on the only request that is open, once there is one."""
    pending: list[str] = []

    def asked() -> bool:
        told = service.call("GET", "/v1/access-requests", owner=True).json()["access_requests"]
        pending[:] = [one["id"] for one in told if one["status"] == "pending"]
        return bool(pending)

    assert service.eventually(asked)
    ran = service.cli(verb, pending[0], *options)
    assert ran.returncode == 0, ran.stderr


def test_a_read_grant_reads_only(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """Records come as plain objects; a write and the token are refused with what would allow them."""
    org = org_in("read")
    before = writes(here)
    records = list(org.query("SELECT Id, Name FROM Account ORDER BY Name LIMIT 3"))

    assert len(records) == 3
    assert all(isinstance(record["Name"], str) for record in records)
    with pytest.raises(meshmesh.ReadOnly, match="Next: meshmesh mode CLIENT demo plan"):
        org.request("POST", "sobjects/Account", json={"Name": "No"})
    with pytest.raises(meshmesh.ReadOnly), org.plan("Not for me") as plan:
        plan.delete("Account", "001Dm0000000001IAA")
    with pytest.raises(meshmesh.TokenNotGranted):
        org.token()
    with pytest.raises(meshmesh.SalesforceError) as refused:
        list(org.query("SELECT Nope FROM Account"))
    assert (refused.value.status, refused.value.code) == (400, "INVALID_FIELD")
    assert writes(here) == before


def test_the_token_itself_where_it_was_granted(org_in: Callable[..., meshmesh.Org]) -> None:
    """It is Salesforce's own, and shows in no repr; the handle of a session is another."""
    org = org_in("build", raw_token=True)
    token, session = org.token(min_ttl=60), org.session()

    assert token.access_token.startswith("00D")
    assert token.access_token not in repr(token)
    assert session.access_token not in repr(session)
    assert session.instance_url.endswith("/o/demo")
    assert token.access_token != session.access_token


def many(sobject: str, count: int) -> list[dict[str, object]]:
    """So many new records."""
    return [{"attributes": {"type": sobject}, "LastName": f"Paged {number}"} for number in range(count)]


def test_simple_salesforce_on_the_broker(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """Queries with their pages, describes, and each kind of write work as in its manual, and nothing else is reached."""
    org = org_in("build")
    sf = org.simple_salesforce()
    account: Any = sf.Account
    made = account.create({"Name": "Made", "External_Key__c": "PY-1"})["id"]

    assert account.update(made, {"Name": "Changed"}) == 204
    assert account.upsert("External_Key__c/PY-1", {"Tier__c": "Gold"}) in {200, 204}
    assert account.get(made)["Tier__c"] == "Gold"
    sf.restful("composite/sobjects", method="POST", json={"records": many("Contact", MANY)})
    paged = sf.query_all("SELECT Id FROM Contact", headers={"Sforce-Query-Options": "batchSize=200"})["records"]
    assert len(paged) >= MANY + 200
    assert any(one["name"] == "Id" for one in account.describe()["fields"])
    assert account.delete(made) == 204
    with pytest.raises(SalesforceMalformedRequest):
        sf.query("SELECT Nope FROM Account")
    with pytest.raises(requests.exceptions.InvalidSchema):
        sf.session.get("https://acme.my.salesforce.com/", timeout=5)


def test_simple_salesforce_raises_our_errors(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """What MeshMesh refuses is MeshMesh's typed error, in that library too."""
    account: Any = org_in("plan").simple_salesforce().Account
    with pytest.raises(meshmesh.ApprovalRequired, match="Next: meshmesh plan approve") as held:
        account.create({"Name": "Held by the library"})

    assert held.value.url.endswith(f"/plans/{held.value.plan_id}")
    decide(here, "reject", held.value.plan_id)


def test_httpx_on_the_broker(org_in: Callable[[str], meshmesh.Org]) -> None:
    """Paths begin with /services/, and no proxy is asked."""
    client = org_in("read").httpx()

    assert client.get("/services/data/v66.0/query", params={"q": "SELECT Id FROM Account LIMIT 1"}).json()["done"]


def test_a_plan_is_collected_approved_and_read(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """Nothing is sent inside the block; at its end the owner sees one plan with the reason; approved, its results come."""
    org = org_in("plan")
    before = writes(here)
    contact = next(org.query("SELECT Id FROM Contact LIMIT 1"))
    with org.plan("Tidy up") as plan:
        plan.create("Account", {"Name": "Planned", "External_Key__c": "PY-2"})
        plan.update("Contact", str(contact["Id"]), {"Title": "Planned"})
        assert not plan.handed_in
    with pytest.raises(meshmesh.ApprovalRequired, match=plan.plan.id):
        plan.wait(0)
    assert (plan.plan.status, plan.plan.reason) == ("held", "Tidy up")
    assert [item.method for item in plan.plan.items] == ["POST", "PATCH"]
    assert writes(here) == before
    with meanwhile(plan.wait) as waiting:
        decide(here, "approve", plan.plan.id)
    done: meshmesh.Plan = waiting.result()

    assert done.status == "done"
    assert done.failed == ()
    created = done.items[0].result
    assert created is not None
    assert created.status == 201
    assert isinstance(created.body, dict)
    assert [one["Name"] for one in org.query(f"SELECT Name FROM Account WHERE Id = '{created.body['id']}'")] == [
        "Planned"
    ]
    assert writes(here) == before + 2
    assert [one.status for one in org.plans() if one.id == done.id] == ["done"]


def test_a_block_that_fails_proposes_nothing(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """Neither does an empty one."""
    org = org_in("plan")
    plan = org.plan("Never")
    with pytest.raises(KeyError), plan:
        plan.create("Account", next(org.query("SELECT Name FROM Account LIMIT 1"))["Nope"])  # type: ignore[arg-type]
    with org.plan("Nothing") as empty:
        pass

    assert not plan.handed_in
    assert not empty.handed_in
    assert org.plans() == []


def test_a_rejection_comes_with_the_owners_words(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """For a plan and for a single write that waits alike, and nothing was written."""
    org = org_in("plan")
    before = writes(here)
    with org.plan("Please") as plan:
        plan.create("Account", {"Name": "Please"})
    decide(here, "reject", plan.plan.id, "--reason", "Not on a Friday")
    with pytest.raises(meshmesh.PlanRejected, match="Not on a Friday") as rejected:
        plan.wait(WAIT)
    assert rejected.value.reason == "Not on a Friday"
    with meanwhile(lambda: org.request("POST", "sobjects/Account", json={"Name": "Me too"}, wait=WAIT)) as waiting:
        decide(here, "reject", held_plan(here), "--reason", "Nor this")
    with pytest.raises(meshmesh.PlanRejected, match="Nor this"):
        waiting.result()

    assert writes(here) == before


def test_a_withdrawn_plan_is_over(org_in: Callable[[str], meshmesh.Org]) -> None:
    """What the program takes back waits for nobody."""
    with org_in("plan").plan("On second thoughts") as plan:
        plan.delete("Account", "001Dm0000000001IAA")
    plan.withdraw()
    with pytest.raises(meshmesh.PlanExpired, match="withdrawn"):
        plan.wait(WAIT)


def test_a_write_waits_for_its_approval(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """Approved meanwhile, it answers what Salesforce answered; without waiting it says who decides, and runs once."""
    org = org_in("plan")
    before = writes(here)
    with meanwhile(lambda: org.request("POST", "sobjects/Account", json={"Name": "Waited"}, wait=WAIT)) as waiting:
        decide(here, "approve", held_plan(here))
    assert waiting.result().status == 201
    with pytest.raises(meshmesh.ApprovalRequired) as held:
        org.request("POST", "sobjects/Account", json={"Name": "Sent twice"})
    decide(here, "approve", held.value.plan_id)
    assert org.request("POST", "sobjects/Account", json={"Name": "Sent twice"}).status == 201

    assert writes(here) == before + 2


def test_a_connection_that_needs_you(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """The error names the reason, the command and the page; a call that waits goes on once the person signed in."""
    org = org_in("read")
    assert here.call("POST", "/v1/demo/revoke", owner=True).status == 200
    with pytest.raises(meshmesh.ReconnectRequired, match="Next: meshmesh reconnect demo") as needed:
        org.request("GET", "limits")
    assert needed.value.reason == "refresh_token_revoked"
    assert needed.value.url.startswith(f"http://localhost:{here.port}/r/")
    assert org.look().status == "needs_you"
    with meanwhile(lambda: org.request("GET", "limits", wait=WAIT)) as waiting:
        Person(ADA).go(begin(here, "demo", reconnect=True).authorize_url)

    assert waiting.result().status == 200
    assert org.look().status == "connected"


def test_the_async_twin(here: Service, org_in: Callable[[str], meshmesh.Org]) -> None:
    """The same talks on asyncio: many calls at once, pages, a plan that waits while others go on, the same errors."""
    org_in("plan")

    async def work() -> tuple[list[meshmesh.Json], meshmesh.Plan]:
        async with meshmesh.aio.connect("demo") as org:
            soql = "SELECT Name FROM Account ORDER BY Name LIMIT 2"
            several = await asyncio.gather(*(org.request("GET", "query", params={"q": soql}) for _ in range(5)))
            assert {reply.status for reply in several} == {200}
            with pytest.raises(meshmesh.TokenNotGranted):
                await org.token()
            async with org.plan("From the twin") as plan:
                plan.create("Account", {"Name": "Twin"})
            waiting = asyncio.create_task(plan.wait())
            names = [record["Name"] async for record in org.query(soql)]
            await asyncio.to_thread(decide, here, "approve", plan.plan.id)
            return names, await waiting

    names, plan = asyncio.run(work())
    assert len(names) == 2
    assert plan.ran


def test_no_service_no_traceback_of_sockets(start_service: StartService, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where no service runs, the error says where it was looked for and what starts it."""
    service = start_service()
    token = service.pair({"connection": "demo", "mode": "read"})
    service.stop()
    monkeypatch.setenv("MESHMESH_HOME", str(service.home))
    monkeypatch.setenv("MESHMESH_TOKEN", token)
    with pytest.raises(meshmesh.ServiceNotRunning, match="Next: meshmeshd") as missing:
        meshmesh.connect("demo")

    assert str(service.socket_path) in str(missing.value)
    with pytest.raises(meshmesh.ServiceNotRunning):
        asyncio.run(look())


async def look() -> None:
    """Connect, on asyncio."""
    async with meshmesh.aio.connect("demo"):
        pass


class Example:
    """An example at work, and its owner.

    Args:
        service: what it talks to.
        name: its file.
    """

    def __init__(self, service: Service, name: str) -> None:
        environ = {key: value for key, value in service.environ.items() if not key.lower().endswith("_proxy")}
        self._service = service
        self._process = subprocess.Popen(
            [sys.executable, EXAMPLES / name],
            env=environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def approve(self, grant: str) -> None:
        """Let it in, once it asks."""
        assert self._process.stderr is not None
        asked = self._process.stderr.readline()
        ran = self._service.cli("approve", code_in(asked), "--grant", grant)
        assert ran.returncode == 0, ran.stderr

    def line(self) -> str:
        """The next line that it prints."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def end(self) -> str:
        """The rest of what it prints."""
        out, err = self._process.communicate(timeout=60)
        assert self._process.returncode == 0, err
        return out


def test_the_reading_examples_run(service: Service) -> None:
    """The script, the notebook's cells and the asyncio one print what they promise; all ask to be let in, once each."""
    running = {name: Example(service, name) for name in ("script.py", "notebook.py", "watch.py")}
    for example in running.values():
        example.approve("demo:read")
    script, notebook, watch = (example.end() for example in running.values())

    assert len(script.splitlines()) == 5
    assert "MeshMesh Demo as ada@meshmesh-demo.example.com" in notebook
    assert "Closed Won" in notebook
    assert "Largest:" in notebook
    assert watch.startswith("demo: ada@meshmesh-demo.example.com, ")


def test_the_script_runs_under_exec_unasked(service: Service) -> None:
    """What `meshmesh exec` lends is enough: nobody is asked anything."""
    ran = service.cli("exec", "demo", "--", sys.executable, str(EXAMPLES / "script.py"))

    assert ran.returncode == 0, ran.stderr
    assert "code" not in ran.stderr
    assert len(ran.stdout.splitlines()) == 5


def test_the_agent_proposes_and_minds_a_no(service: Service) -> None:
    """Its first plan is approved at the command line and runs; the second is rejected, and it stops with those words."""
    before = writes(service)
    agent = Example(service, "agent.py")
    agent.approve("demo:plan")
    first = proposed(agent)
    assert writes(service) == before
    decide(service, "approve", first)
    results = [agent.line() for _ in range(3)]
    decide(service, "reject", proposed(agent), "--reason", "Leave these to sales")

    assert all(line.startswith("Update 1 Lead: Rating") and line.endswith(": done\n") for line in results)
    assert agent.end() == "You said no: Leave these to sales. I stop here.\n"
    assert writes(service) == before + 3


def proposed(agent: Example) -> str:
    """The id of the plan that the agent says it proposed."""
    line = agent.line()
    found = PLAN.search(line)
    assert found, line
    return found[1]
