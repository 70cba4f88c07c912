"""The laws of what is made of header lines once: never of other lines, never for another connection, never a refusal."""

import asyncio
import gc
import socket
import weakref

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from meshmesh_bridge.per_head import PerHead
from support.service import Answer, Service, exchange

LINES = {"Host": "localhost", "Authorization": "Bearer mine"}


class Line(asyncio.Transport):
    """A connection."""


def request_on(line: Line, headers: dict[str, str], path: str = "/") -> web.Request:
    """A request that came over a connection."""
    return make_mocked_request("GET", path, headers=headers, transport=line)


@pytest.fixture
def made() -> list[str]:
    """The paths of the requests that something was made of."""
    return []


@pytest.fixture
def heads(made: list[str]) -> PerHead[str]:
    """Makes the Authorization of a request, once."""

    def make(request: web.Request) -> str:
        made.append(request.path)
        return request.headers["Authorization"]

    return PerHead(make)


def test_the_same_lines_are_read_once(heads: PerHead[str], made: list[str]) -> None:
    """Whatever is asked for."""
    line = Line()

    assert [heads.of(request_on(line, LINES, path)) for path in ("/a", "/b", "/c")] == ["Bearer mine"] * 3
    assert made == ["/a"]


@pytest.mark.parametrize(
    "other",
    [{"Authorization": "Bearer yours"}, {"Origin": "https://evil.example"}, {"authorization": "Bearer mine"}],
)
def test_other_lines_are_read(heads: PerHead[str], made: list[str], other: dict[str, str]) -> None:
    """A letter that differs is enough, and the last lines are those that are known."""
    line = Line()
    known = heads.of(request_on(line, LINES, "/a"))
    changed = {name: value for name, value in LINES.items() if name.lower() not in {one.lower() for one in other}}

    said = heads.of(request_on(line, changed | {"Authorization": LINES["Authorization"]} | other, "/b"))

    assert made == ["/a", "/b"]
    assert said == other.get("Authorization", known)


def test_another_connection_is_another_caller(heads: PerHead[str], made: list[str]) -> None:
    """Also with the same lines."""
    one, two = Line(), Line()
    heads.of(request_on(one, LINES, "/a"))
    heads.of(request_on(two, LINES, "/b"))

    assert made == ["/a", "/b"]


def test_what_is_refused_is_refused_again() -> None:
    """Nothing is known of lines that were not taken."""

    def refuse(_request: web.Request) -> str:
        raise ValueError

    heads, line = PerHead(refuse), Line()
    for _ in range(2):
        with pytest.raises(ValueError):
            heads.of(request_on(line, LINES))


def test_it_is_forgotten_with_the_connection() -> None:
    """The lines hold a pairing token."""

    class Thing:
        """What is made."""

    heads, line = PerHead(lambda _request: Thing()), Line()
    thing = weakref.ref(heads.of(request_on(line, LINES)))
    assert thing() is not None
    del line
    gc.collect()

    assert thing() is None


def ask(service: Service, sock: socket.socket, target: str, lines: dict[str, str]) -> Answer:
    """A request over a connection that stays."""
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    return exchange(sock, f"GET {target} HTTP/1.1\r\nHost: localhost:{service.port}\r\n{head}\r\n".encode())


@pytest.mark.parametrize("target", ["/v1/me", "/o/demo/services/data"])
def test_what_can_be_withdrawn_is_asked_about_each_time(service: Service, target: str) -> None:
    """On one connection, with the same lines: a client that was revoked is a stranger with its next request."""
    lines = {"Authorization": f"Bearer {service.pair({'connection': 'demo', 'mode': 'read'})}"}
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        assert [ask(service, sock, target, lines).status for _ in range(3)] == [200] * 3
        me = ask(service, sock, "/v1/me", lines).json()["id"]
        assert service.call("DELETE", f"/v1/clients/{me}", owner=True).status == 204

        assert ask(service, sock, target, lines).status == 401


@pytest.mark.parametrize(
    ("changed", "status"),
    [
        ({"Origin": "https://evil.example"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Authorization": "Bearer somebody"}, 401),
        ({"Authorization": ""}, 401),
        ({"X-HTTP-Method-Override": "DELETE"}, 400),
        ({"Transfer-Encoding": "gzip"}, 400),
    ],
)
def test_what_one_request_may_says_nothing_for_other_lines(
    service: Service, changed: dict[str, str], status: int
) -> None:
    """On one connection, after a request that was let in."""
    lines = {"Authorization": f"Bearer {service.pair({'connection': 'demo', 'mode': 'read'})}"}
    with socket.create_connection(("127.0.0.1", service.port)) as sock:
        assert [ask(service, sock, "/o/demo/services/data", lines).status for _ in range(2)] == [200] * 2

        assert ask(service, sock, "/o/demo/services/data", lines | changed).status == status
