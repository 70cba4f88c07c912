"""The fault table: what happens on the line or at the org, and what a connection is then said to be.

Trouble is never an expiry: whatever a network, a portal or a Salesforce in distress does, the connection is `offline`, the
caller may come again, and nobody is asked to sign in.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import repeat

import pytest
import trustme

from support.faults import TOKEN_PATH, Line
from support.peer import Client, Json, State, connect, peer, view
from support.service import Answer, start
from support.troubles import TROUBLES, lines_of_troubles, slug

PATIENCE = 20.0  # seconds in which trouble that is over must have mended itself; callers are sent away for five


@dataclass(frozen=True, kw_only=True)
class During:
    """What clients met while the trouble was on, and how many of their calls became requests for a token."""

    api: Answer
    broker: Answer
    again: list[Answer]
    asked: int
    view: Json


@dataclass(frozen=True, kw_only=True)
class After:
    """What they met when it was over."""

    api: Answer
    broker: Answer
    view: Json


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Every trouble at once, each on a line, an app and a connection of its own."""

    during: dict[str, During]
    after: dict[str, After]
    state: State


def _meet(client: Client, row: str, line: Line, dead: str) -> During:
    name, before = slug(row), len(line.seen)
    api, broker = client.reject(name, dead), client.rest(name)
    again = [client.ask(name) for _ in range(5)]
    asked = line.seen[before:].count(f"POST {TOKEN_PATH}")
    return During(api=api, broker=broker, again=again, asked=asked, view=view(client.service, name))


def _recover(client: Client, row: str) -> After:
    deadline = time.monotonic() + PATIENCE
    answer = client.ask(slug(row))
    while answer.status != 200 and time.monotonic() < deadline:
        time.sleep(0.25)
        answer = client.ask(slug(row))
    return After(api=answer, broker=client.rest(slug(row)), view=view(client.service, slug(row)))


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """Connect, let every session die, make the trouble, ask, mend the line, ask again. Nobody signs in again."""
    home, folder, authority = tmp_path_factory.mktemp("home"), tmp_path_factory.mktemp("org"), trustme.CA()
    authority.cert_pem.write_to_path(str(home / "authority.pem"))
    with ExitStack() as stack:
        org = stack.enter_context(peer(folder))
        by_row = stack.enter_context(lines_of_troubles(org.origin, authority))
        ways = [by_row[row] for row in TROUBLES]
        origins = ",".join(line.origin for line in ways)
        service = start(home, MESHMESH_EXTRA_LOGIN_ORIGINS=origins, SSL_CERT_FILE=str(home / "authority.pem"))
        stack.callback(service.stop)
        for row, line in zip(TROUBLES, ways, strict=True):
            org.app(slug(row))
            connect(service, slug(row), line.origin, app={"client_id": slug(row)}, context=line.trusted)
        client = Client.pair(service, *map(slug, TROUBLES))
        dead = [client.held(slug(row)) for row in TROUBLES]
        org.lever("expire-session")
        for (trouble, _), line in zip(TROUBLES.values(), ways, strict=True):
            trouble(line)
        crowd = stack.enter_context(ThreadPoolExecutor(len(TROUBLES)))
        during = list(crowd.map(_meet, repeat(client), TROUBLES, ways, dead))
        for line in ways:
            line.mend()
        after = list(crowd.map(_recover, repeat(client), TROUBLES))
        yield Scene(
            during=dict(zip(TROUBLES, during, strict=True)),
            after=dict(zip(TROUBLES, after, strict=True)),
            state=org.state(),
        )


@pytest.mark.parametrize("row", TROUBLES)
def test_trouble_is_told_as_trouble(scene: Scene, row: str) -> None:
    """The API and the broker answer 503 with Retry-After, and the connection is `offline` for the right reason."""
    met = scene.during[row]

    assert (met.api.status, met.broker.status) == (503, 503), (met.api.body, met.broker.body)
    assert int(met.api.headers["retry-after"]) in range(6)
    assert int(met.broker.headers["retry-after"]) in range(6)
    assert (met.api.json()["code"], met.api.json()["reason"]) == ("offline", TROUBLES[row][1])
    assert met.broker.json()[0]["errorCode"] == "MESHMESH_OFFLINE"
    assert (met.view["status"], met.view["reason"]) == ("offline", TROUBLES[row][1])
    assert met.view["detail"]


@pytest.mark.parametrize("row", TROUBLES)
def test_callers_in_trouble_make_no_storm(scene: Scene, row: str) -> None:
    """Seven calls while the trouble is on make one request for a token, or two where an answer was lost."""
    met = scene.during[row]

    assert {answer.status for answer in met.again} == {503}
    assert met.asked <= 2


@pytest.mark.parametrize("row", TROUBLES)
def test_trouble_mends_itself(scene: Scene, row: str) -> None:
    """When it is over a client gets a new token, no person having done anything, and the org still knows the grant."""
    met, grants = scene.after[row], scene.state.of(slug(row))

    assert (met.api.status, met.broker.status) == (200, 200), (met.api.body, met.broker.body)
    assert (met.view["status"], met.view["reason"]) == ("connected", None)
    assert [(grant.live, grant.why) for grant in grants] == [(True, None)]
    assert grants[0].rotations >= 1
