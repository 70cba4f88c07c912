"""A link that signs a browser in to an org is the owner's, at the socket and in the dashboard, and nobody else's."""

from collections.abc import Iterator

import pytest

from support.dashboard import session
from support.peer import walk
from support.service import Service, start

OPEN = "/v1/connections/web/open"
EXTENSION = "chrome-extension://abcdefghijklmnopabcdefghijklmnop"


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with `web`, a connection to the demo org whose sessions may open a browser."""
    running = start(tmp_path_factory.mktemp("home"))
    try:
        asked = {"environment": "demo", "name": "web", "scopes": ["api", "refresh_token", "web"]}
        begun = running.call("POST", "/v1/connections", asked, owner=True).json()["sign_in"]
        walk(begun["authorize_url"])
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def owner(service: Service) -> dict[str, str]:
    """The header of a live session."""
    return {"MeshMesh-Session": session(service)}


def test_the_owner_gets_a_link(service: Service, owner: dict[str, str]) -> None:
    """At both doors it leads into the connection's org, another one each time, and the log has none of it."""
    given = [service.call("POST", OPEN, {}, headers=owner), service.call("POST", OPEN, {}, owner=True)]
    links = {str(answer.json()["url"]) for answer in given}
    instance = service.call("GET", "/v1/connections/web", owner=True).json()["instance_url"]

    assert [answer.status for answer in given] == [200, 200]
    assert len(links) == 2
    assert all(link.startswith(f"{instance}/secur/frontdoor.jsp?otp=") for link in links)
    assert {answer.headers["cache-control"] for answer in given} == {"no-store"}
    assert "otp=" not in service.log


def test_nobody_else_gets_one(service: Service, owner: dict[str, str]) -> None:
    """No paired program, not beside a session nor at the socket; no other page with a session; and nothing is recorded."""
    token = service.pair({"connection": "web", "mode": "build", "raw_token": True})
    before = opened(service)
    refused = [
        service.call("POST", OPEN, {}, token=token),
        service.call("POST", OPEN, {}, token=token, headers=owner),
        service.call("POST", OPEN, {}, token=token, owner=True),
        service.call("POST", OPEN, {}),
        service.call("POST", OPEN, {}, headers=owner | {"Origin": "https://evil.example"}),
        service.call("POST", OPEN, {}, headers=owner | {"Origin": EXTENSION}),
        service.call("POST", OPEN, {}, headers=owner | {"Sec-Fetch-Site": "same-site"}),
    ]

    assert [answer.status for answer in refused] == [403, 403, 403, 401, 403, 403, 403]
    assert all(b"otp" not in answer.body for answer in refused)
    assert opened(service) == before


def opened(service: Service) -> int:
    """How many links were handed out."""
    rows = service.call("GET", "/v1/activity?limit=1000", owner=True).json()["activity"]
    return sum(row["action"] == "org.opened" for row in rows)
