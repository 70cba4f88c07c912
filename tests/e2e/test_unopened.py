"""The first look at a connection that nobody has opened since the start: it says what an opened one would say."""

import socket
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.seeding import Seed, seed
from support.service import Answer
from support.unopened import ACCOUNTS, CROWD, QUERY, WELL, Cold, Furnished, Read, begun_again, copied, furnish, killed

# A round is asked of a service that has just begun. Each of its reads is the first one of some connection: those of a
# single one come before those that look at all of them.
ROUNDS: dict[str, tuple[Read, ...]] = {
    "one by one": (
        ("owner", f"/v1/connections/{CROWD[0]}"),
        ("agent", "/v1/connections/apart"),
        ("owner", f"/dashboard/connections/{CROWD[1]}"),
        ("owner", "/dashboard/r/{ill_id}"),
        ("agent", "/v1/connections/walled"),
        ("crowd", f"/v1/connections/{CROWD[2]}/token"),
        ("crowd", f"/o/{CROWD[3]}{QUERY}"),
        ("owner", "/v1/sign-ins/{sign_in}"),
        ("agent", "/v1/plans/{run}"),
        ("agent", "/v1/connections"),
    ),
    "a program": (("agent", "/v1/me"), ("owner", "/v1/clients"), ("owner", "/v1/connections?host={org}")),
    "its plans": (("agent", "/v1/plans"), ("owner", "/dashboard/plans/{rejected}"), ("owner", "/dashboard/connections")),
    "a plan that waits": (("agent", "/v1/plans/{held}"), ("owner", "/dashboard/connect"), ("owner", "/dashboard/clients")),
    "every plan": (("owner", "/v1/plans"), ("owner", "/dashboard/requests")),
    "the page of a plan": (("owner", "/dashboard/plans/{held}"), ("owner", "/dashboard/sign-ins/{sign_in}"), ("owner", "/dashboard/plans")),
    "the owner's list": (("owner", "/v1/connections"), ("owner", "/status")),
    "the counts": (("nobody", "/status"), ("nobody", "/"), ("owner", "/")),
}  # fmt: skip
READS = tuple(dict.fromkeys(read for reads in ROUNDS.values() for read in reads))
Ask = tuple[str, str, object]
REFUSED: dict[str, tuple[Ask, ...]] = {  # without a person, where there is a real org
    "lock": (("POST", "/v1/lock", {}), ("GET", "/v1/connections/seed-3/token", None)),
    "backup": (
        ("POST", "/v1/backup", {"path": "/nowhere/kept", "passphrase": "a passphrase of some length"}),
        ("PATCH", "/v1/clients/client0", {"grants": [{"connection": "seed-2", "mode": "build"}]}),
    ),
}
Call = Callable[[], Answer]


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The home, and what was said of it before its service ended."""
    return furnish(tmp_path_factory.mktemp("was") / "h", reads=READS, crowd=CROWD)


@pytest.fixture(scope="module")
def hurt(was: Furnished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same home, where the last service was killed."""
    return killed(was, tmp_path_factory.mktemp("hurt") / "h")


@pytest.fixture(scope="module")
def real(was: Furnished, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with connections to a real org, and a program that may plan there."""
    home = tmp_path_factory.mktemp("real") / "h"
    seed(home, Seed(connections=4, clients=1))
    with begun_again(was, home):
        pass  # the first run makes the connection `demo`
    return home


@pytest.fixture
def cold(was: Furnished, tmp_path: Path) -> Iterator[Cold]:
    """A service that has just begun."""
    with begun_again(was, copied(was.home, tmp_path / "h")) as begun:
        yield begun


def check(cold: Cold, reads: tuple[Read, ...]) -> None:
    """What is read is what it was."""
    for read in reads:
        said, before = cold.look(read), cold.was.told[read]
        assert said == before, read


@pytest.mark.parametrize("reads", ROUNDS.values(), ids=ROUNDS.keys())
def test_what_is_read_is_what_it_was(cold: Cold, reads: tuple[Read, ...]) -> None:
    """Every door and page says of an unopened connection what it said before the end."""
    check(cold, reads)


@pytest.mark.parametrize("name", ["one by one", "a program", "every plan"])
def test_what_is_read_after_a_kill_is_what_it_was(was: Furnished, hurt: Path, tmp_path: Path, name: str) -> None:
    """Also where the last service was killed, and the vault is proven anew."""
    with begun_again(was, copied(hurt, tmp_path / "h")) as begun:
        check(begun, ROUNDS[name])


def test_everybody_comes_to_one_at_once(cold: Cold) -> None:
    """Thirty first calls at every door, for one connection: all are answered, and the token is one."""
    plan = {"connection": "apart", "requests": [{"method": "POST", "path": ACCOUNTS, "body": {"Name": "One of many"}}]}
    doors: list[Call] = [
        partial(cold.agent, "GET", "/v1/connections/apart"),
        partial(cold.agent, "GET", "/v1/connections/apart/token"),
        partial(cold.agent, "GET", f"/o/apart{QUERY}"),
        partial(cold.agent, "POST", f"/o/apart{ACCOUNTS}", {"Name": "One of many"}),
        partial(cold.agent, "POST", "/v1/plans", plan),
        partial(cold.agent, "GET", "/v1/me"),
        partial(cold.agent, "GET", "/v1/connections"),
        partial(cold.owner, "GET", "/v1/connections/apart"),
        partial(cold.owner, "GET", "/v1/connections/apart/token"),
        partial(cold.owner, "POST", "/v1/connections/apart/test"),
        partial(cold.owner, "POST", "/v1/connections/apart/diagnose", {}),
        partial(cold.owner, "POST", "/v1/connections/apart/open", {}),
        partial(cold.owner, "GET", "/dashboard/connections/apart"),
        partial(cold.owner, "GET", "/dashboard/r/{apart_id}"),
        partial(cold.owner, "GET", "/v1/clients"),
    ]

    assert set(cold.at_once(doors * 2)) == {200, 201}
    assert cold.token("apart") == cold.was.access_tokens["apart"]


def test_a_crowd_is_opened_at_once(cold: Cold) -> None:
    """Twenty first calls for as many connections: each gets its own."""
    target = "/v1/connections/{}/token", f"/o/{{}}{QUERY}"
    calls: list[Call] = [
        partial(cold.agent, "GET", target[number % 2].format(name), name="crowd") for number, name in enumerate(CROWD)
    ]

    assert cold.at_once(calls) == [200] * len(CROWD)
    assert len({cold.token(name) for name in CROWD}) == len(CROWD)


# --- The vault as a whole ------------------------------------------------------------------------------------------


def test_it_is_there_after_a_lock(cold: Cold) -> None:
    """Locked before anybody has looked, and unlocked: what was said before the end is said now."""
    locked = cold.owner("POST", "/v1/lock", {})
    refused = cold.agent("GET", "/v1/connections/apart/token")
    unlocked = cold.owner("POST", "/v1/unlock", {})

    assert (locked.json()["vault"], refused.status, unlocked.json()["vault"]) == ("locked", 423, "unlocked")
    check(cold, ROUNDS["one by one"])


def test_it_is_there_after_a_new_key(was: Furnished, tmp_path: Path) -> None:
    """The key is changed before anybody has looked: all is there in this run, and in the next one."""
    home = copied(was.home, tmp_path / "h")
    with begun_again(was, home) as begun:
        assert begun.owner("POST", "/v1/key/rotate", {}).status == 200
        assert {name: begun.token(name) for name in was.access_tokens} == was.access_tokens
        check(begun, ROUNDS["the owner's list"])
    with begun_again(was, home) as again:
        check(again, ROUNDS["one by one"])


def test_it_is_in_a_backup(cold: Cold, tmp_path: Path) -> None:
    """A backup names everything though nobody has looked at it, and brings it back."""
    kept: dict[str, object] = {"path": str(tmp_path / "kept"), "passphrase": "a passphrase of some length"}
    backup = cold.owner("POST", "/v1/backup", kept)
    restored = cold.owner("POST", "/v1/restore", kept | {"force": True})

    assert {*WELL, *CROWD, "busy", "ill", "demo-2"} <= {*backup.json()["connections"]}
    assert restored.json()["connections"] == backup.json()["connections"]
    check(cold, ROUNDS["one by one"])


def test_it_is_there_while_the_port_is_lent(cold: Cold) -> None:
    """The owner's door goes on, and so does everybody when the port is back."""
    lent = cold.owner("POST", "/v1/lend", {"seconds": 60})
    seen = cold.owner("GET", "/v1/connections/apart")
    back = cold.owner("DELETE", "/v1/lend")

    assert (lent.status, seen.status, back.status) == (200, 200, 200)
    check(cold, ROUNDS["one by one"])


def test_it_follows_the_demo_org_to_another_port(was: Furnished, tmp_path: Path) -> None:
    """The org's port is somebody else's: connections that nobody has opened work at the new one."""
    home = copied(was.home, tmp_path / "h")
    old = int((home / "data" / "demo" / "port").read_text())
    with socket.create_server(("127.0.0.1", old)), begun_again(was, home) as moved:
        check(moved, ROUNDS["the owner's list"])
        assert moved.agent("GET", f"/o/apart{QUERY}").status == 200
        assert f":{old}" not in moved.owner("GET", "/v1/connections").body.decode()


@pytest.mark.parametrize("calls", REFUSED.values(), ids=REFUSED.keys())
def test_a_real_org_asks_for_a_person(was: Furnished, real: Path, tmp_path: Path, calls: tuple[Ask, ...]) -> None:
    """That it is no demo org is known before anybody has looked at it: among all, by its name, in a grant."""
    with begun_again(was, copied(real, tmp_path / "h")) as begun:
        for call in calls:
            asked = begun.owner(*call)
            assert (asked.status, asked.json()["code"]) == (403, "presence_required"), call
