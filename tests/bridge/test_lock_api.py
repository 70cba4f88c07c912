"""The laws of the lock: whatever was open is closed at once, says why, and opens for a person only."""

import socket
import threading
from collections.abc import Iterator

import pytest

from support.peer import Peer, connect, peer
from support.service import PIN, Service, start
from support.typist import at_terminal

HEADERS_OF_A_STREAM = (
    "GET /v1/events HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nConnection: close\r\n{more}\r\n"
)


@pytest.fixture(scope="module")
def org(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Peer]:
    """An org that is not the demo."""
    with peer(tmp_path_factory.mktemp("org")) as running:
        yield running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory, org: Peer) -> Iterator[Service]:
    """A service with the connection `acme`; the tests set its PIN."""
    running = start(tmp_path_factory.mktemp("home"), MESHMESH_EXTRA_LOGIN_ORIGINS=org.origin)
    try:
        connect(running, "acme", org.origin)
        yield running
    finally:
        running.stop()


@pytest.fixture(scope="module")
def token(service: Service) -> str:
    """A program's that may do everything with `acme`; to let it in, the PIN was set."""
    return service.pair({"connection": "acme", "mode": "build", "raw_token": True})


@pytest.fixture
def locked(service: Service, token: str) -> Iterator[Service]:
    """The service, locked; unlocked again afterwards."""
    service.call("POST", "/v1/lock", {}, owner=True)
    yield service
    unlock(service)


def unlock(service: Service) -> None:
    """As its owner does."""
    answer = service.call("POST", "/v1/unlock", {"pin": PIN}, owner=True)
    assert answer.status == 200, answer.body


def test_without_a_way_back_it_does_not_lock(service: Service) -> None:
    """Neither PIN nor notifications: then nobody could unlock it, so the PIN is asked for first. (It runs before all others.)"""
    refused = service.call("POST", "/v1/lock", {}, owner=True)

    assert (refused.status, refused.json()["code"], refused.json()["ways"]) == (403, "presence_required", [])
    assert refused.json()["next"]["command"] == "meshmesh pin"
    assert service.call("GET", "/status").json()["vault"] == "unlocked"


def test_a_locked_house_says_so_at_every_door(locked: Service, token: str) -> None:
    """The status names the state and the way out; callers get 423, Salesforce's clients 503 with Retry-After; no name is shown."""
    status = locked.call("GET", "/status", owner=True).json()
    asked = locked.call("GET", "/v1/connections/acme/token", token=token)
    brokered = locked.call("GET", "/o/acme/services/data", headers={"Authorization": f"Bearer {token}"})
    text = locked.call("GET", "/").body

    assert (status["vault"], status["connections"], status["key"]) == ("locked", [], "file")
    assert status["next"]["command"] == "meshmesh unlock"
    assert (asked.status, asked.json()["code"], asked.json()["next"]["command"]) == (
        423, "vault_locked", "meshmesh unlock",
    )  # fmt: skip
    assert (brokered.status, brokered.json()[0]["errorCode"]) == (503, "MESHMESH_VAULT_LOCKED")
    assert int(brokered.headers["retry-after"]) > 0
    assert b"vault locked" in text
    assert b"meshmesh unlock" in text
    assert locked.call("GET", "/readyz").status == 503
    assert locked.call("GET", "/healthz").status == 200
    for method, target in (("GET", "/v1/connections"), ("GET", "/v1/activity"), ("POST", "/v1/launch-codes")):
        assert locked.call(method, target, {} if method == "POST" else None, owner=True).status == 423


@pytest.mark.parametrize(
    ("body", "status", "ways"),
    [({}, 403, ["pin"]), ({"pin": "a wrong one"}, 403, ["pin"]), ({"passphrase": "no use here"}, 403, ["pin"])],
)
def test_a_stored_key_opens_for_a_person_only(
    body: dict[str, str], status: int, ways: list[str], locked: Service
) -> None:
    """A program that can call the API is no person; a wrong PIN leaves everything closed."""
    answer = locked.call("POST", "/v1/unlock", body, owner=True)

    assert (answer.status, answer.json()["code"], answer.json()["ways"]) == (status, "presence_required", ways)
    assert locked.call("GET", "/status").json()["vault"] == "locked"


def test_wrong_pins_are_counted_while_it_is_locked(locked: Service) -> None:
    """The count lies in the vault, as always, so locking gives no new tries."""
    answers = [locked.call("POST", "/v1/unlock", {"pin": f"wrong {n}"}, owner=True).status for n in range(3)]
    unlock(locked)  # a right one in between: the count begins anew
    locked.call("POST", "/v1/lock", {}, owner=True)

    assert answers == [403, 403, 403]


def test_who_can_wait_goes_on_when_it_is_unlocked(locked: Service, token: str) -> None:
    """`Prefer: wait` on a token: one call, answered when the person has unlocked it."""
    got: list[int] = []
    waits = {"Prefer": "wait=30"}
    waiting = threading.Thread(
        target=lambda: got.append(locked.call("GET", "/v1/connections/acme/token", token=token, headers=waits).status)
    )
    waiting.start()
    unlock(locked)
    waiting.join(20)

    assert got == [200]


def test_a_waiting_caller_is_told_when_it_is_locked(service: Service, token: str, org: Peer) -> None:
    """Whoever waits for a connection to be mended gets the lock's refusal, not silence."""
    org.play(400, {"error": "temporarily_unavailable"}, times=50)
    held = service.call("GET", "/v1/connections/acme/token", token=token).json()["access_token"]
    got: list[int] = []

    def wait() -> None:
        answer = service.call(
            "POST", "/v1/connections/acme/token", {"rejected": held}, token=token, headers={"Prefer": "wait=50"}
        )
        got.append(answer.status)

    waiting = threading.Thread(target=wait)
    waiting.start()
    service.eventually(lambda: service.call("GET", "/status").json()["counts"]["offline"] == 1)
    service.call("POST", "/v1/lock", {}, owner=True)
    waiting.join(20)
    org.play(200, times=0)
    unlock(service)

    assert got == [423]


def test_approval_sessions_end_with_the_lock(service: Service, token: str) -> None:
    """The dashboard must be opened anew, and the terminal's hours of trust are over."""
    code = service.call("POST", "/v1/launch-codes", {}, owner=True).json()["launch_code"]
    begun = service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}).json()
    session = {"MeshMesh-Session": str(begun["session"])}
    trusted = service.call("POST", "/v1/connections/acme/token", {"pin": PIN}, owner=True).status
    assert (service.call("GET", "/v1/me", headers=session).status, trusted) == (200, 200)

    service.call("POST", "/v1/lock", {}, owner=True)
    unlock(service)
    assert service.call("GET", "/v1/me", headers=session).status == 401
    assert service.call("GET", "/v1/connections/acme/token", owner=True).json()["code"] == "presence_required"


def read_stream(sock: socket.socket, until: str) -> str:
    """Read a stream up to a word, or its end."""
    sock.settimeout(10)
    text = ""
    while until not in text:
        piece = sock.recv(4096)
        if not piece:
            break
        text += piece.decode()
    return text


def test_listeners_are_told_and_go_on_after_it(service: Service, token: str) -> None:
    """`vault.locked` is the last event of a stream; after the unlock the next stream begins with `vault.unlocked`, without a reset."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(service.socket_path))
        sock.sendall(HEADERS_OF_A_STREAM.format(more="").encode())
        read_stream(sock, "id: ")
        service.call("POST", "/v1/lock", {}, owner=True)
        ended = read_stream(sock, "never")
    last = [line.removeprefix("id: ") for line in ended.splitlines() if line.startswith("id: ")][-1]
    unlock(service)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(str(service.socket_path))
        sock.sendall(HEADERS_OF_A_STREAM.format(more=f"Last-Event-ID: {last}\r\n").encode())
        begun = read_stream(sock, "vault.unlocked")

    assert "event: vault.locked" in ended
    assert "event: vault.unlocked" in begun
    assert "event: reset" not in begun


def test_no_key_and_no_name_is_left_on_disk(service: Service, token: str) -> None:
    """Locked, the vault is a file and its fingerprint, which open with its key only; locking twice is locking once."""
    for _ in range(2):
        assert service.call("POST", "/v1/lock", {}, owner=True).status == 200
    names = {path.name for path in (service.home / "data").iterdir()}
    unlock(service)

    assert names == {"vault.db", "vault.fingerprint", "activity.db", "demo"}
    assert service.call("POST", "/v1/unlock", {}, owner=True).status == 200  # it is open: nothing to prove
    told = service.call("GET", "/v1/activity?limit=500", owner=True).json()["activity"]
    assert {"vault.locked", "vault.unlocked"} <= {row["action"] for row in told}


def test_a_paired_program_cannot_lock_or_unlock(service: Service, token: str) -> None:
    """They are the owner's."""
    for target in ("/v1/lock", "/v1/unlock", "/v1/key", "/v1/key/rotate", "/v1/backup", "/v1/restore"):
        assert service.call("POST", target, {}, token=token).json()["code"] == "owner_only"


def test_the_command_line_locks_and_asks_for_the_pin(service: Service, token: str) -> None:
    """`meshmesh lock`, and `meshmesh unlock` at a terminal; without one it says how."""
    assert service.cli("lock").returncode == 0
    refused = service.cli("unlock")
    typed = at_terminal(service.environ, "unlock", types=("wrong", PIN))

    assert refused.returncode == 77
    assert "approval PIN" in refused.stderr
    assert (typed.code, "Unlocked." in typed.err) == (0, True)
    assert PIN not in typed.all


# --- Keys and backups ----------------------------------------------------------------------------------------------


def test_what_takes_all_of_it_elsewhere_needs_a_person(service: Service, token: str) -> None:
    """A backup under a passphrase of the caller's choice, or another place for the key, would give everything away."""
    backup = {"path": str(service.home / "stolen"), "passphrase": "of a program's choice"}
    move = {"source": "passphrase", "passphrase": "of a program's choice"}
    answers = [
        service.call("POST", target, body, owner=True) for target, body in (("/v1/backup", backup), ("/v1/key", move))
    ]

    assert [(answer.status, answer.json()["ways"]) for answer in answers] == [(403, ["pin"])] * 2
    assert not (service.home / "stolen").exists()


@pytest.mark.parametrize(
    ("path", "passphrase", "field"),
    [
        ("relative", "long enough", "path"),
        ("/nowhere/at/all", "long enough", "path"),
        ("/etc/hostname", "long enough", "path"),
        ("/tmp/fine", "short", "passphrase"),
    ],
)
def test_a_backup_that_cannot_be_is_refused_by_its_field(
    path: str, passphrase: str, field: str, service: Service, token: str
) -> None:
    """422, and the field that is at fault."""
    answer = service.call("POST", "/v1/backup", {"path": path, "passphrase": passphrase, "pin": PIN}, owner=True)

    assert (answer.status, answer.json()["errors"][0]["field"]) == (422, field)


def test_the_data_key_is_replaced_while_programs_work(service: Service, token: str) -> None:
    """A rotation is not noticed by anybody but the activity."""
    before = service.call("GET", "/v1/connections/acme/token", token=token).json()["access_token"]
    assert service.call("POST", "/v1/key/rotate", {}, owner=True).status == 200
    assert service.call("GET", "/v1/connections/acme/token", token=token).json()["access_token"] == before
