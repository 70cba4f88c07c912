"""The Python client against a far end from a table: what is sent, how answers are read, which error a refusal is."""

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import keyring
import pytest
from keyring.backend import KeyringBackend
from keyring.errors import KeyringLocked, PasswordDeleteError

import meshmesh
from meshmesh.client.keeping import FileKeeper, keeper
from meshmesh.client.line import Line, find_door
from meshmesh.client.pairing import Want
from meshmesh.client.refusals import of_broker
from meshmesh.transport import TcpDoor, UnixDoor
from support.far_end import FarEnd, problem, reply

TOKEN = "mmp_a-token-of-the-test"
CONNECTION = {
    "name": "acme",
    "status": "connected",
    "reason": None,
    "detail": "",
    "next": None,
    "kind": "sandbox",
    "org_id": "00D000000000001",
    "org_name": "Acme",
    "username": "ada@acme.example.com",
    "broker_url": "http://localhost:1717/o/acme",
    "mode": "plan",
    "raw_token": False,
    "api_version": "66.0",
}
NEEDS_YOU = CONNECTION | {
    "status": "needs_you",
    "reason": "idle_timeout",
    "detail": "It was not used for 30 days.",
    "next": {"label": "Reconnect", "command": "meshmesh reconnect acme", "url": "http://localhost:1717/r/abc"},
}
LIMITS = "/o/acme/services/data/v66.0/limits"
HELD = reply(403, [{"errorCode": "MESHMESH_APPROVAL_REQUIRED", "message": "Held at http://localhost:1717/plans/p1."}])


def plan(status: str, **members: object) -> bytes:
    """An answer with a plan of one item."""
    item: dict[str, object] = {
        "id": "i1",
        "method": "DELETE",
        "path": "/services",
        "summary": "Delete",
        "status": "held",
        "changes": [],
    }
    shape: dict[str, object] = {
        "id": "p1",
        "status": status,
        "connection": "acme",
        "url": "http://localhost:1717/plans/p1",
        "items": [item],
    }
    return reply(200, shape | members)


@dataclass(frozen=True)
class Ways:
    """Both twins, made alike: what is asked of an org, and a query of all its records."""

    ask: Callable[[str, str, int], meshmesh.Reply]
    all: Callable[[str], list[meshmesh.Record]]


def by_sockets() -> Ways:
    """The plain client."""

    def ask(method: str, path: str, wait: int) -> meshmesh.Reply:
        with meshmesh.connect("acme") as org:
            return org.request(method, path, wait=wait)

    def every(soql: str) -> list[meshmesh.Record]:
        with meshmesh.connect("acme") as org:
            return list(org.query(soql))

    return Ways(ask, every)


def by_streams() -> Ways:
    """The one on asyncio."""

    async def ask(method: str, path: str, wait: int) -> meshmesh.Reply:
        async with meshmesh.aio.connect("acme") as org:
            return await org.request(method, path, wait=wait)

    async def every(soql: str) -> list[meshmesh.Record]:
        async with meshmesh.aio.connect("acme") as org:
            return [record async for record in org.query(soql)]

    return Ways(lambda method, path, wait: asyncio.run(ask(method, path, wait)), lambda soql: asyncio.run(every(soql)))


@pytest.fixture
def acme(far_end: FarEnd, monkeypatch: pytest.MonkeyPatch) -> FarEnd:
    """A far end that knows `acme`, and this process with a token that it was lent."""
    monkeypatch.setenv("MESHMESH_TOKEN", TOKEN)
    far_end.on("GET /v1/connections/acme", reply(200, CONNECTION))
    return far_end


@pytest.fixture(params=[by_sockets, by_streams])
def ways(request: pytest.FixtureRequest, acme: FarEnd) -> Ways:
    """Either client, before that far end."""
    made: Ways = request.param()
    return made


def test_importing_the_package_imports_nothing_else() -> None:
    """`import meshmesh` costs what one small file costs; the client comes with the first name that is used."""
    script = "import sys; had = set(sys.modules); import meshmesh; print(sorted(set(sys.modules) - had)); meshmesh.pair"
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60, check=True)

    assert ran.stdout == "['meshmesh']\n"
    assert "pair" in dir(meshmesh)
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        _ = meshmesh.nope  # type: ignore[attr-defined]


def test_a_request_goes_through_the_broker(far_end: FarEnd, ways: Ways) -> None:
    """Under the connection's name, encoded, with the pairing token and no other credential."""
    far_end.on("GET /o/acme/services/data/v66.0/query?q=SELECT%20Id%20FROM%20A%26B", reply(200, {"done": True}))
    answer = ways.ask("GET", "query?q=SELECT%20Id%20FROM%20A%26B", 0)

    assert answer.json() == {"done": True}
    assert far_end.asked[-1].headers["authorization"] == f"Bearer {TOKEN}"
    assert "prefer" not in far_end.asked[-1].headers


def test_a_query_comes_in_pages(far_end: FarEnd, ways: Ways) -> None:
    """Each page is asked for at the address that the one before names."""
    base = "/o/acme/services/data/v66.0/query"
    pages = {
        f"GET {base}?q=SELECT%20Id%20FROM%20Lead": {
            "records": [{"Id": 1}],
            "nextRecordsUrl": "/services/data/v66.0/query/01g-2",
        },
        f"GET {base}/01g-2": {"records": [{"Id": 2}, {"Id": 3}], "nextRecordsUrl": "/services/data/v66.0/query/01g-4"},
        f"GET {base}/01g-4": {"records": [{"Id": 4}], "done": True},
    }
    for call, body in pages.items():
        far_end.on(call, reply(200, body))

    assert [record["Id"] for record in ways.all("SELECT Id FROM Lead")] == [1, 2, 3, 4]
    assert far_end.calls()[1:] == list(pages)


def test_what_needs_you_says_where(far_end: FarEnd, ways: Ways) -> None:
    """The broker's refusal is completed with the reason, and the page that mends it."""
    refused = [{"errorCode": "MESHMESH_RECONNECT_REQUIRED", "message": "acme needs you."}]
    far_end.on(f"GET {LIMITS}", reply(403, refused))
    far_end.on("GET /v1/connections/acme", reply(200, CONNECTION), reply(200, NEEDS_YOU))
    with pytest.raises(meshmesh.ReconnectRequired) as needed:
        ways.ask("GET", "limits", 0)

    assert (needed.value.reason, needed.value.url) == ("idle_timeout", "http://localhost:1717/r/abc")
    assert str(needed.value) == (
        "acme needs you. It was not used for 30 days.\nNext: meshmesh reconnect acme   (http://localhost:1717/r/abc)"
    )


def test_what_an_admin_must_mend_is_told_apart(far_end: FarEnd, ways: Ways) -> None:
    """A blocked connection is no matter of signing in again."""
    blocked = CONNECTION | {"status": "blocked", "reason": "user_inactive", "detail": "The user was switched off."}
    step = {"label": "Look at what blocks it", "command": "meshmesh test acme", "url": None}
    far_end.on(f"GET {LIMITS}", reply(403, [{"errorCode": "MESHMESH_RECONNECT_REQUIRED", "message": "No."}]))
    far_end.on("GET /v1/connections/acme", reply(200, CONNECTION), reply(200, blocked | {"next": step}))
    with pytest.raises(meshmesh.ReconnectRequired) as needed:
        ways.ask("GET", "limits", 0)

    assert str(needed.value) == "acme is blocked. The user was switched off.\nNext: meshmesh test acme"


def test_a_grant_that_is_gone_is_told_from_a_record_that_is(far_end: FarEnd, ways: Ways) -> None:
    """A 404 under the broker is Salesforce's, unless the connection is no longer there."""
    far_end.on(f"GET {LIMITS}", reply(404, [{"errorCode": "NOT_FOUND", "message": "No."}]))
    with pytest.raises(meshmesh.SalesforceError, match="NOT_FOUND"):
        ways.ask("GET", "limits", 0)
    far_end.on("GET /v1/connections/acme", reply(200, CONNECTION), problem(404, "not_found", "No."))
    far_end.on("GET /v1/connections", reply(200, {"connections": []}))
    with pytest.raises(meshmesh.NotGranted, match="no connection yet"):
        ways.ask("GET", "limits", 0)


def test_a_held_write_is_sent_again_as_it_was(far_end: FarEnd, ways: Ways) -> None:
    """While there is time the same request goes out again, which joins what is held, until its answer comes."""
    call = "DELETE /o/acme/services/data/v66.0/sobjects/Lead/00Q1"
    far_end.on(call, HELD, reply(204))

    assert ways.ask("DELETE", "sobjects/Lead/00Q1", 5).status == 204
    assert far_end.calls()[1:] == [call, call]
    assert [one.headers["prefer"] for one in far_end.asked[1:]] == ["wait=5", "wait=3"]


def test_without_waiting_it_is_held(far_end: FarEnd, ways: Ways) -> None:
    """The error holds the page where the owner decides."""
    far_end.on("DELETE /o/acme/services/data/v66.0/sobjects/Lead/00Q1", HELD)
    with pytest.raises(meshmesh.ApprovalRequired) as held:
        ways.ask("DELETE", "sobjects/Lead/00Q1", 0)

    assert held.value.url == "http://localhost:1717/plans/p1"


@pytest.mark.parametrize(
    ("raw", "error"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", meshmesh.NoAnswer),
        (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", meshmesh.NoAnswer),
        (reply(200, "not an object"), meshmesh.Unreadable),
    ],
)
def test_a_strange_answer_is_ours_to_tell(far_end: FarEnd, ways: Ways, raw: bytes, error: type[meshmesh.Error]) -> None:
    """Cut, of another protocol, or of another shape: never an error of a library below."""
    far_end.on("GET /v1/connections/acme", raw)
    with pytest.raises(error):
        ways.ask("GET", "limits", 0)


def test_a_plan_that_waits_is_asked_for_again(acme: FarEnd) -> None:
    """What is handed in is the collected requests; news that do not settle the plan are passed over."""
    acme.on("POST /v1/plans", plan("held"))
    acme.on("GET /v1/plans/p1", plan("running"), plan("partly_done"))
    with meshmesh.connect("acme") as org, org.plan("Tidy up") as draft:
        draft.upsert("Lead", "Key__c", "a/b", {"Rating": "Hot"})
        draft.request("POST", "/services/apexrest/tidy", params={"deep": True})
    done = draft.wait(30)

    (handed_in,) = [one.json for one in acme.asked if one.method == "POST"]
    assert handed_in["connection"] == "acme"
    assert handed_in["requests"] == [
        {"method": "PATCH", "path": "/services/data/v66.0/sobjects/Lead/Key__c/a%2Fb", "body": {"Rating": "Hot"}},
        {"method": "POST", "path": "/services/apexrest/tidy?deep=true"},
    ]
    assert (done.status, [item.id for item in done.failed]) == ("partly_done", ["i1"])


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        (401, "INVALID_SESSION_ID", meshmesh.NotPaired),
        (403, "MESHMESH_APPROVAL_REQUIRED", meshmesh.ApprovalRequired),
        (403, "MESHMESH_PLAN_REJECTED", meshmesh.PlanRejected),
        (403, "MESHMESH_PLAN_EXPIRED", meshmesh.PlanExpired),
        (403, "MESHMESH_PLAN_WITHDRAWN", meshmesh.PlanExpired),
        (403, "MESHMESH_PLAN_STALE", meshmesh.PlanStale),
        (403, "MESHMESH_PLAN_UNKNOWN", meshmesh.NoAnswer),
        (403, "MESHMESH_RECONNECT_REQUIRED", meshmesh.ReconnectRequired),
        (403, "MESHMESH_READ_ONLY", meshmesh.ReadOnly),
        (503, "MESHMESH_VAULT_LOCKED", meshmesh.VaultLocked),
        (503, "MESHMESH_OFFLINE", meshmesh.Unavailable),
        (429, "MESHMESH_RATE_LIMITED", meshmesh.Unavailable),
        (400, "MESHMESH_SOMETHING_NEW", meshmesh.Refused),
        (403, "INSUFFICIENT_ACCESS", meshmesh.SalesforceError),
        (401, "INVALID_AUTH_HEADER", meshmesh.SalesforceError),
        (500, "", meshmesh.SalesforceError),
    ],
)
def test_each_refusal_is_its_own_error(status: int, code: str, error: type[meshmesh.Error]) -> None:
    """By the code under the broker; what is not ours is Salesforce's."""
    refused = of_broker(status, {"retry-after": "7"}, ((code, "A sentence."),), name="acme")

    assert type(refused) is error
    assert "A sentence." in str(refused)
    assert getattr(refused, "retry_after", 7) == 7


@pytest.mark.parametrize(
    ("short", "want"),
    [
        ("acme", Want(connection="acme")),
        ("acme:plan", Want(connection="acme", mode="plan")),
        ("acme:build:token", Want(connection="acme", mode="build", raw_token=True)),
    ],
)
def test_a_want_has_a_short_form(short: str, want: Want) -> None:
    """As the command line spells a grant."""
    assert Want.of(short) == want == Want.of(want)


@pytest.mark.parametrize("short", ["acme:all", "acme:read:tokens", "acme:read:token:more", "acme:"])
def test_another_form_is_refused(short: str) -> None:
    """With the form that is taken."""
    with pytest.raises(ValueError, match="NAME:MODE"):
        Want.of(short)


@pytest.mark.parametrize("program", ["My tool", "../../etc/passwd", ".", "ä" * 80, "a/b"])
def test_a_kept_token_stays_in_its_folder(tmp_path_factory: pytest.TempPathFactory, program: str) -> None:
    """Whatever a program calls itself, its file lies below state/clients, and no other program's is found there."""
    home = tmp_path_factory.mktemp("home")
    kept, other = (keeper(name, {"MESHMESH_HOME": str(home)}) for name in (program, f"{program}2"))
    assert kept.load() is None
    kept.store("mmp_one")
    kept.store("mmp_two")
    (file,) = (home / "state" / "clients").iterdir()

    assert (kept.load(), other.load()) == ("mmp_two", None)
    assert file.stat().st_mode & 0o777 == 0o600
    kept.forget()
    kept.forget()
    assert kept.load() is None


class Ring(KeyringBackend):
    """A desktop's keyring."""

    priority: Any = 1

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.entries: dict[tuple[str, str], str] = {}
        self.locked = False

    def get_password(self, service: str, username: str) -> str | None:
        """As a desktop's."""
        if self.locked:
            raise KeyringLocked("locked")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """As a desktop's."""
        if self.locked:
            raise KeyringLocked("locked")
        self.entries[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        """As a desktop's."""
        if self.entries.pop((service, username), None) is None:
            raise PasswordDeleteError("not there")


@pytest.fixture
def ring(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ring]:
    """A desktop with a keyring."""
    monkeypatch.setattr(Ring, "__module__", "keyring.backends.SecretService")
    before, made = keyring.get_keyring(), Ring()
    keyring.set_keyring(made)
    yield made
    keyring.set_keyring(before)


def test_a_desktops_keyring_keeps_the_token(ring: Ring, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No file is written then; a locked one is as if none were kept, and does not take one in silence."""
    state = tmp_path_factory.mktemp("state")
    kept = keeper("tool", {"XDG_STATE_HOME": str(state), "HOME": str(state)})
    kept.store("mmp_one")

    assert kept.load() == "mmp_one"
    assert list(state.iterdir()) == []
    ring.locked = True
    assert kept.load() is None
    with pytest.raises(meshmesh.Error, match="could not be kept"):
        kept.store("mmp_two")
    ring.locked = False
    kept.forget()
    kept.forget()
    assert kept.load() is None


def test_a_home_of_its_own_uses_no_keyring(ring: Ring, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One keyring serves all homes of a user, and would mix them up."""
    keeper("tool", {"MESHMESH_HOME": str(tmp_path_factory.mktemp("home"))}).store("mmp_one")

    assert ring.entries == {}


def test_a_spoilt_file_is_no_token(tmp_path_factory: pytest.TempPathFactory) -> None:
    """It is as if none were kept, and the program is paired again."""
    kept = FileKeeper(str(tmp_path_factory.mktemp("clients")), "tool")
    for spoilt in ("", "[]", "{", json.dumps({"name": "tool"})):
        with open(kept.path, "w", encoding="utf-8") as file:
            file.write(spoilt)
        assert kept.load() is None


def test_the_token_goes_only_where_somebody_said(far_end: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """The socket where it answers, else the address that was named on this machine; never a port by habit."""
    socket = {"MESHMESH_SOCKET": str(far_end.path)}
    gone = {"MESHMESH_SOCKET": str(far_end.path.with_name("gone"))}
    url = {"MESHMESH_URL": f"http://localhost:{far_end.port}"}

    assert find_door(socket | url) == UnixDoor(str(far_end.path))
    assert find_door(gone | url) == TcpDoor(far_end.port)
    assert find_door(gone) == UnixDoor(gone["MESHMESH_SOCKET"])
    with pytest.raises(meshmesh.Error, match="MESHMESH_URL"):
        find_door(gone | {"MESHMESH_URL": "http://example.com:1717"})


def test_a_token_is_in_no_repr(far_end: FarEnd) -> None:
    """Neither of the line that carries it, nor of the org that uses it."""
    assert TOKEN not in repr(Line(UnixDoor(str(far_end.path)), TOKEN))


def test_over_tcp_it_is_the_same(far_end: FarEnd, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that cannot reach the socket, as in a container, is served at the address."""
    monkeypatch.setenv("MESHMESH_SOCKET", str(far_end.path.with_name("gone")))
    monkeypatch.setenv("MESHMESH_URL", f"http://127.0.0.1:{far_end.port}")
    monkeypatch.setenv("MESHMESH_TOKEN", TOKEN)
    far_end.on("GET /v1/connections", reply(200, {"connections": [CONNECTION]}))
    with meshmesh.connect() as org:
        assert org.name == "acme"
    assert far_end.asked[-1].headers["host"] == f"127.0.0.1:{far_end.port}"
