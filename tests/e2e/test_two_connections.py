"""One connection in trouble beside one that is well: who waits, who is asked how often, and what a lost answer leads to."""

import asyncio
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from meshmesh_storage import connections
from meshmesh_storage.keys import KeyFile
from meshmesh_storage.vault import Vault
from support import faults
from support.faults import PAGE, PORTAL, TOKEN_PATH, Fault, Line, lines, says
from support.peer import Client, Json, Peer, connect, peer, reconnect, view
from support.service import Service, StartService, start


@dataclass(frozen=True, kw_only=True)
class Pair:
    """A service with two connections, `far` and `near`: each on a line and an app of its own, to one org."""

    org: Peer
    service: Service
    client: Client
    far: Line
    near: Line

    def lose_sessions(self) -> str:
        """Let every session end at the org; gives the far one's dead token."""
        dead = self.client.held("far")
        self.org.lever("expire-session")
        return dead


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two connections that are well."""
    home = tmp_path_factory.mktemp("home")
    with peer(tmp_path_factory.mktemp("org")) as org, lines(org.origin, 2) as (far, near):
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=f"{far.origin},{near.origin}")
        try:
            for name, line in (("far", far), ("near", near)):
                org.app(name)
                connect(service, name, line.origin, app={"client_id": name})
            yield Pair(org=org, service=service, client=Client.pair(service, "far", "near"), far=far, near=near)
        finally:
            service.stop()


@pytest.fixture
def pair(two: Pair) -> Iterator[Pair]:
    """The two, mended by hand after the test."""
    yield two
    two.far.mend()
    two.near.mend()
    for name in ("far", "near"):
        two.service.call("POST", f"/v1/connections/{name}/test", owner=True)
        if view(two.service, name)["status"] != "connected":
            reconnect(two.service, name)


def test_an_org_that_hangs_holds_up_nobody_else(pair: Pair) -> None:
    """While one org hangs, another's cached token is given, a third call renews it, and the status answers."""
    dead, other = pair.lose_sessions(), pair.client.held("near")
    pair.far.fail(faults.hangs, only_token=True)
    before = len(pair.far.seen)
    with ThreadPoolExecutor(1) as waiting:
        hung = waiting.submit(pair.client.reject, "far", dead)
        while f"POST {TOKEN_PATH}" not in pair.far.seen[before:]:
            time.sleep(0.01)
        cached = pair.client.held("near")
        renewed = pair.client.reject("near", other)
        status = pair.service.call("GET", "/v1/connections/far", owner=True).json()["status"]
        still_hung = not hung.done()
        pair.far.mend()
        assert hung.result().status == 503

    assert still_hung
    assert cached == other
    assert renewed.status == 200
    assert status == "refreshing"


def test_listing_asks_nobody(pair: Pair) -> None:
    """Every way of looking is local: no request at the org, with a session that lives and one that is dead."""
    pair.lose_sessions()
    before = pair.org.state().requests
    for target in ("/v1/connections", "/v1/connections/far", "/status", "/v1/activity", "/v1/clients", "/"):
        pair.service.call("GET", target, owner=True)
        pair.service.call("GET", target, token=pair.client.token)

    assert pair.org.state().requests == before


def test_a_slow_answer_is_an_answer(pair: Pair) -> None:
    """Byte by byte, but whole: the token is taken."""
    dead = pair.lose_sessions()
    pair.far.fail(faults.drips, only_token=True)

    assert pair.client.reject("far", dead).status == 200
    assert view(pair.service, "far")["status"] == "connected"


@pytest.mark.parametrize(
    ("trouble", "wait"),
    [
        (says(429, "", PAGE, Retry_After="120"), 120),
        (says(503, "", PAGE, Retry_After="120"), 120),
        (says(400, '{"error":"invalid_grant","error_description":"login rate exceeded"}'), 900),
    ],
    ids=["429", "503", "login rate exceeded"],
)
def test_a_pause_that_salesforce_asks_for_is_kept(pair: Pair, trouble: Fault, wait: int) -> None:
    """Callers are sent away for as long, and nothing is asked meanwhile; a person's `test` may ask at once."""
    dead = pair.lose_sessions()
    pair.far.fail(trouble, only_token=True)
    before = len(pair.far.seen)
    first = pair.client.reject("far", dead)
    time.sleep(3)  # longer than a lost answer waits for its second try
    second = pair.client.ask("far")
    asked = pair.far.seen[before:].count(f"POST {TOKEN_PATH}")
    pair.far.mend()
    tested = pair.service.call("POST", "/v1/connections/far/test", owner=True)

    assert (first.status, first.headers["retry-after"]) == (503, str(wait))
    assert (second.status, asked) == (503, 1)
    assert int(second.headers["retry-after"]) in range(wait - 30, wait)
    assert (tested.status, tested.json()["status"]) == (200, "connected")


def test_a_lost_answer_is_asked_for_once_more_and_no_oftener(pair: Pair) -> None:
    """An org in distress is not asked again and again on our own account: one second try, then when somebody calls."""
    dead = pair.lose_sessions()
    pair.far.fail(says(500, ""), only_token=True)
    before = len(pair.far.seen)
    answer = pair.client.reject("far", dead)
    time.sleep(7)  # three times what a lost answer waits for its second try
    asked = pair.far.seen[before:].count(f"POST {TOKEN_PATH}")

    assert answer.status == 503
    assert asked <= 2


@pytest.mark.parametrize(
    ("trouble", "reason"),
    [
        (says(420, PORTAL, PAGE), "org_unavailable"),
        (says(429, "", PAGE, Retry_After="7"), "rate_limited"),
        (says(403, '[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]'), "rate_limited"),
        (says(503, '[{"errorCode":"SERVER_UNAVAILABLE","message":"Server unavailable"}]'), "service_unavailable"),
        (says(502, PORTAL, PAGE), "service_unavailable"),
        (says(407, "", PAGE), "network"),
        (says(511, PORTAL, PAGE), "network"),
        (says(401, PORTAL, PAGE), "network"),
        (faults.closes, "network"),
        (faults.resets, "network"),
        (faults.talks_garbage, "network"),
    ],
    ids=["420", "429", "limit", "503", "502", "407", "511", "401 page", "closed", "reset", "garbage"],
)  # fmt: skip
def test_trouble_of_a_rest_call_is_no_expiry(pair: Pair, trouble: Fault, reason: str) -> None:
    """A session that lives stays what it is: 503, `offline` with the reason, no token asked for, and it is over at once."""
    held, before = pair.client.held("far"), len(pair.far.seen)
    pair.far.fail(trouble)
    broken = pair.client.rest("far")
    seen = view(pair.service, "far")
    pair.far.mend()
    mended = pair.client.rest("far")

    assert (broken.status, broken.json()[0]["errorCode"]) == (503, "MESHMESH_OFFLINE")
    assert int(broken.headers["retry-after"]) in range(1, 8)
    assert (seen["status"], seen["reason"]) == ("offline", reason)
    assert f"POST {TOKEN_PATH}" not in pair.far.seen[before:]
    assert (mended.status, view(pair.service, "far")["status"]) == (200, "connected")
    assert pair.client.held("far") == held


def test_a_rotation_whose_answer_was_lost_is_told(pair: Pair) -> None:
    """The org rotated, the answer never came: within ten seconds `needs_you`, `rotation_interrupted`; Reconnect mends."""
    dead = pair.lose_sessions()
    pair.far.fail(faults.loses_the_answer, only_token=True)
    answer = pair.client.reject("far", dead)
    pair.far.mend()
    seen = _settled(pair.service, "far")

    assert answer.status == 503
    assert (seen["status"], seen["reason"]) == ("needs_you", "rotation_interrupted")
    assert "refresh token" in str(seen["detail"])
    reconnect(pair.service, "far")
    assert pair.client.rest("far").status == 200


def test_every_lost_answer_is_settled(pair: Pair) -> None:
    """Also the one that is lost after an outage which left it open whether anything was lost."""
    dead = pair.lose_sessions()
    pair.far.fail(says(500, "", Retry_After="0"), only_token=True)
    assert pair.client.reject("far", dead).status == 503
    time.sleep(3)  # the second try meets the outage too
    pair.far.fail(faults.loses_the_answer, only_token=True)
    assert pair.client.ask("far").status == 503
    pair.far.mend()
    seen = _settled(pair.service, "far")

    assert (seen["status"], seen["reason"]) == ("needs_you", "rotation_interrupted")


def test_a_lost_answer_without_rotation_mends_itself(pair: Pair) -> None:
    """Where the app does not rotate, nothing was lost with the answer."""
    pair.org.app("near", rotation=False)
    before, dead = pair.org.state().of("near")[-1], pair.client.held("near")
    pair.org.lever("expire-session")
    pair.near.fail(faults.loses_the_answer, only_token=True)
    answer = pair.client.reject("near", dead)
    pair.near.mend()
    seen = _settled(pair.service, "near")
    pair.org.app("near", rotation=True)

    assert answer.status == 503
    assert (seen["status"], seen["reason"]) == ("connected", None)
    assert pair.client.held("near") != dead
    assert pair.org.state().of("near")[-1] == before


def _settled(service: Service, name: str) -> Json:
    """How a connection stands after the ten seconds in which a lost answer is settled, or as soon as it is."""
    deadline = time.monotonic() + 10
    while view(service, name)["status"] == "offline" and time.monotonic() < deadline:
        time.sleep(0.1)
    return view(service, name)


def test_a_name_that_is_not_found_is_trouble(start_service: StartService, tmp_path: Path) -> None:
    """DNS: the connection is `offline`, `network`; when the name is back, it works."""
    home, gone = tmp_path / "home", "https://no-such-host.invalid"
    with peer(tmp_path / "org") as org:
        origins = f"{org.origin},{gone}"
        service = start_service(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origins)
        connect(service, "far", org.origin)
        client = Client.pair(service, "far")
        dead = client.held("far")
        org.lever("expire-session")
        service.stop()
        asyncio.run(_move(home, gone))
        service = start_service(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origins)
        lost = Client(service=service, token=client.token)
        answers = lost.rest("far"), lost.reject("far", dead)
        seen = view(service, "far")
        service.stop()
        asyncio.run(_move(home, org.origin))
        service = start_service(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origins)
        mended = Client(service=service, token=client.token).rest("far")

    assert [answer.status for answer in answers] == [503, 503]
    assert (seen["status"], seen["reason"]) == ("offline", "network")
    assert mended.status == 200


async def _move(home: Path, login_origin: str) -> None:
    """Change where a connection asks for tokens, while no service runs."""
    vault = await Vault.open(home / "data", KeyFile(home / "config" / "master.key"), now=datetime.now(UTC))
    try:
        async with vault.transaction() as tx:
            for one in await connections.load_all(tx):
                if one.name == "far":
                    moved = replace(one, login_origin=login_origin)
                    await connections.update(tx, moved, expected_generation=one.generation)
    finally:
        await vault.close()
