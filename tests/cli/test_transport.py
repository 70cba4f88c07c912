"""The thin way to the service: doors, tokens, refusals."""

import socket
from pathlib import Path

import pytest

from meshmesh.exits import Exit
from meshmesh.failures import Failure, ProblemError, UnexpectedAnswer, Unreachable
from meshmesh.transport import TcpDoor, Transport, UnixDoor, from_environment, tcp_door
from support.far_end import FarEnd, problem, reply


@pytest.fixture
def transport(far_end: FarEnd) -> Transport:
    """The owner's way."""
    return Transport(UnixDoor(str(far_end.path)))


def test_a_call_sends_json_and_gives_json(far_end: FarEnd, transport: Transport) -> None:
    """Body, media type and waiting time arrive; the answer's members can be read."""
    far_end.on("POST /v1/things", reply(201, {"name": "acme", "count": 3, "list": [{"a": "b"}]}))

    answer = transport.request("POST", "/v1/things", {"name": "acme"}, wait=7)

    asked = far_end.asked[0]
    assert asked.json == {"name": "acme"}
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers["prefer"] == "wait=7"
    assert "authorization" not in asked.headers
    assert (answer.status, answer.json.text("name"), answer.json.number("count")) == (201, "acme", 3)
    assert [one.text("a") for one in answer.json.children("list")] == ["b"]


def test_both_doors_carry_the_token(far_end: FarEnd) -> None:
    """A pairing token goes along over either door, as a bearer token."""
    far_end.on("GET /v1/me", reply(200, {}))
    Transport(UnixDoor(str(far_end.path)), "mmp_x").request("GET", "/v1/me")
    Transport(TcpDoor(far_end.port), "mmp_x").request("GET", "/v1/me")

    assert [one.headers["authorization"] for one in far_end.asked] == ["Bearer mmp_x"] * 2
    assert [one.headers["host"] for one in far_end.asked] == ["localhost", f"localhost:{far_end.port}"]


def test_a_chunked_answer_is_read(far_end: FarEnd, transport: Transport) -> None:
    """The broker's answers come in chunks."""
    far_end.on("GET /x", b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{"\r\n6\r\na": 1}\r\n0\r\n\r\n')

    assert transport.request("GET", "/x").json.number("a") == 1


@pytest.mark.parametrize(
    ("raw", "code", "exit_code", "next_step"),
    [
        (
            problem(404, "not_found", "There is no connection 'x' here."),
            "not_found",
            Exit.NOT_FOUND,
            "meshmesh connections",
        ),
        (
            problem(
                409,
                "reconnect_required",
                "x needs you.",
                next={"label": "Reconnect", "command": "meshmesh reconnect x", "url": None},
            ),
            "reconnect_required",
            Exit.NOT_ALLOWED,
            "meshmesh reconnect x",
        ),
        (problem(423, "vault_locked", "Locked."), "vault_locked", Exit.TRY_AGAIN, "meshmesh unlock"),
        (
            problem(503, "offline", "The org is out."),
            "offline",
            Exit.TRY_AGAIN,
            "Wait a moment and run the command again.",
        ),
        (
            problem(
                422,
                "bad_field",
                "name: is too long.",
                next={"label": "Read", "command": None, "url": "http://localhost/docs"},
            ),
            "bad_field",
            Exit.USAGE,
            "Read: http://localhost/docs",
        ),
        (problem(500, "internal", "A bug."), "internal", Exit.BUG, "meshmesh status"),
        (reply(502, "<html>"), "", Exit.UNEXPECTED_ANSWER, "meshmesh status"),
    ],
)
def test_a_refusal_is_typed(
    far_end: FarEnd, transport: Transport, *, raw: bytes, code: str, exit_code: Exit, next_step: str
) -> None:
    """Code, detail, next step and exit code of a problem document; what is missing is made good."""
    far_end.on("GET /x", raw)

    with pytest.raises(ProblemError) as caught:
        transport.request("GET", "/x", attempt="look at 'x'")

    assert (caught.value.code, caught.value.exit_code, caught.value.next_step) == (code, exit_code, next_step)
    assert caught.value.what == "Could not look at 'x'."
    assert caught.value.why


def test_each_bad_field_is_kept(far_end: FarEnd, transport: Transport) -> None:
    """`errors` of a problem document come through with their fields."""
    errors = [{"field": "name", "detail": "is required."}, {"field": "app.flow", "detail": "must be one of: x."}]
    far_end.on("POST /x", problem(422, "bad_field", "name: is required.", errors=errors))

    with pytest.raises(ProblemError) as caught:
        transport.request("POST", "/x", {})

    assert caught.value.errors == (("name", "is required."), ("app.flow", "must be one of: x."))


def test_nobody_there_is_said_with_the_place(tmp_path: Path) -> None:
    """A missing socket names its path and how to start the service."""
    with pytest.raises(Unreachable) as caught:
        Transport(UnixDoor(str(tmp_path / "none"))).request("GET", "/status")

    assert caught.value.exit_code == Exit.UNREACHABLE
    assert str(tmp_path / "none") in caught.value.why
    assert caught.value.next_step.startswith("meshmeshd")


@pytest.mark.parametrize("raw", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}", b"HTTP/1.1 200 OK\r\n\r\n[1]"])
def test_a_cut_or_strange_answer_is_no_success(far_end: FarEnd, transport: Transport, raw: bytes) -> None:
    """A hang-up, a cut body and another JSON value are all said, never taken for an answer."""
    far_end.on("GET /x", raw)

    with pytest.raises(UnexpectedAnswer):
        _ = transport.request("GET", "/x").json


def test_a_token_with_a_line_break_is_not_sent(far_end: FarEnd) -> None:
    """Such a token could carry headers of its own."""
    with pytest.raises(Failure) as caught:
        Transport(UnixDoor(str(far_end.path)), "mmp_x\r\nX: y").request("GET", "/v1/me")

    assert caught.value.exit_code == Exit.SETTINGS
    assert far_end.asked == []


@pytest.mark.parametrize(
    "url",
    [
        "https://localhost:1717",
        "http://localhost",
        "http://localhost:0",
        "http://localhost:70000",
        "http://example.com:1717",
        "http://localhost.example.com:1717",
        "http://a@localhost:1717",
        "http://localhost:1717/x",
        "localhost:1717",
        "http://localhost:1717\r\nX",
    ],
)
def test_a_token_is_sent_to_this_machine_only(url: str) -> None:
    """Another host, another scheme, anything that is no bare origin is refused."""
    with pytest.raises(Failure) as caught:
        tcp_door(url)

    assert caught.value.exit_code == Exit.SETTINGS


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "[::1]"])
def test_the_loopback_has_three_names(name: str) -> None:
    """All names that the service answers to are taken."""
    assert tcp_door(f"http://{name}:1717/") == TcpDoor(1717, name)


def test_the_address_is_used_where_the_socket_is_not_reachable(far_end: FarEnd, tmp_path: Path) -> None:
    """A token and MESHMESH_URL: the socket comes first, TCP where it does not answer."""
    url = f"http://localhost:{far_end.port}"
    by_socket = from_environment({"MESHMESH_SOCKET": str(far_end.path), "MESHMESH_URL": url, "MESHMESH_TOKEN": "mmp_x"})
    by_tcp = from_environment({"MESHMESH_SOCKET": str(tmp_path / "no"), "MESHMESH_URL": url, "MESHMESH_TOKEN": "mmp_x"})
    without = from_environment({"MESHMESH_SOCKET": str(tmp_path / "no"), "MESHMESH_URL": url})

    assert by_socket.door == UnixDoor(str(far_end.path))
    assert (by_tcp.door, by_tcp.token) == (TcpDoor(far_end.port), "mmp_x")
    assert without.door == UnixDoor(str(tmp_path / "no"))


def test_localhost_is_tried_on_both_families() -> None:
    """A service on ::1 alone is found under the name localhost."""
    with socket.socket(socket.AF_INET6) as only_six:
        try:
            only_six.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
        only_six.listen(1)
        with TcpDoor(only_six.getsockname()[1]).open(5) as sock:
            assert sock.family == socket.AF_INET6
