"""A real client at the demo org: simple-salesforce, unchanged but for http in place of https."""

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter
from simple_salesforce.api import Salesforce
from simple_salesforce.exceptions import (
    SalesforceExpiredSession,
    SalesforceMalformedRequest,
    SalesforceResourceNotFound,
)

from support.demo_org import Peer


class PlainAdapter(HTTPAdapter):
    """Sends what is meant for https by http; the demo org is on the loopback and has no certificate."""

    def send(  # noqa: PLR0917 - requests' own signature
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002 - never a proxy
    ) -> requests.Response:
        """Send."""
        request.url = (request.url or "").replace("https://", "http://", 1)
        return super().send(request, stream, timeout, verify, cert, None)


@pytest.fixture
def client(ada: Peer) -> Any:
    """simple-salesforce with the admin's session."""
    session = requests.Session()
    session.trust_env = False
    session.mount(ada.origin.replace("http:", "https:"), PlainAdapter())
    return Salesforce(instance_url=ada.origin, session_id=ada.token, session=session)


async def test_simple_salesforce_reads_and_writes(client: Any) -> None:
    """Query, paging, create, get, update, upsert, delete, describe, search, limits: all as its users call them."""

    def work() -> None:
        assert client.query("SELECT Id, Name FROM Account LIMIT 2")["totalSize"] == 2
        made = [client.Account.create({"Name": f"Client {number}"}) for number in range(3)]
        assert all(one["success"] for one in made)
        assert client.Account.get(made[0]["id"])["Name"] == "Client 0"
        assert client.Account.update(made[0]["id"], {"Name": "Client 9"}) == 204
        assert client.Account.upsert("External_Key__c/CLIENT-1", {"Name": "Client 8"}) == 201
        assert client.Account.get_by_custom_id("External_Key__c", "CLIENT-1")["Name"] == "Client 8"
        assert client.Account.delete(made[1]["id"]) == 204
        assert len(client.query_all("SELECT Id FROM Account WHERE Name LIKE 'Client %'")["records"]) == 3
        assert client.describe()["maxBatchSize"] == 200
        assert client.Account.describe()["keyPrefix"] == "001"
        assert client.quick_search("Client")["searchRecords"]
        assert client.limits()["DailyApiRequests"]["Max"] == 15000
        assert client.toolingexecute("query/?q=SELECT+Id+FROM+Account")["done"] is True

    await asyncio.to_thread(work)


async def test_simple_salesforce_moves_rows_in_bulk(client: Any, ada: Peer) -> None:
    """Bulk 2.0: insert by records, query as CSV."""

    def work() -> None:
        results = client.bulk2.Account.insert(records=[{"Name": f"Bulk {number}"} for number in range(5)])
        assert [(one["numberRecordsProcessed"], one["numberRecordsFailed"]) for one in results] == [(5, 0)]
        pages = list(client.bulk2.Account.query("SELECT Id, Name FROM Account WHERE Name LIKE 'Bulk %'"))
        assert sum(page.count("Bulk ") for page in pages) == 5

    await asyncio.to_thread(work)
    assert (await ada.state())["writes"] == 5


async def test_simple_salesforce_sees_its_own_errors(client: Any, ada: Peer) -> None:
    """What the org refuses is the client's typed exception."""
    with pytest.raises(SalesforceMalformedRequest):
        await asyncio.to_thread(client.query, "SELECT Foo FROM Account")
    with pytest.raises(SalesforceResourceNotFound):
        await asyncio.to_thread(client.Account.get, "001000000000000AAA")
    await ada.lever("expire-session")
    with pytest.raises(SalesforceExpiredSession):
        await asyncio.to_thread(client.query, "SELECT Id FROM Account")
