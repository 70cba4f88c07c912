"""The first look at a connection that nobody has opened since the start: it says what an opened one would say."""

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from support.service import Answer
from support.unopened import ACCOUNTS, CROWD, QUERY, Cold, Furnished, Read, begun_again, copied, furnish, killed

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
    "the owner's list": (("owner", "/v1/connections"),),
    "the counts": (("nobody", "/status"), ("nobody", "/"), ("owner", "/status")),
    "the text": (("owner", "/"),),
}  # fmt: skip
READS = tuple(dict.fromkeys(read for reads in ROUNDS.values() for read in reads))
Call = Callable[[], Answer]


@pytest.fixture(scope="module")
def was(tmp_path_factory: pytest.TempPathFactory) -> Furnished:
    """The home, and what was said of it before its service ended."""
    return furnish(tmp_path_factory.mktemp("was") / "h", reads=READS, crowd=CROWD)


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


@pytest.mark.parametrize("name", ["one by one", "a program", "every plan", "the counts"])
def test_what_is_read_after_a_kill_is_what_it_was(was: Furnished, tmp_path: Path, name: str) -> None:
    """Also where the last service was killed, and the vault is proven anew."""
    with begun_again(was, killed(was, tmp_path / "h")) as begun:
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
