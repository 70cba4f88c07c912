"""The activity over the API: what the service tells of itself, for the owner alone, and never a secret."""

import hashlib
import json
import sqlite3
import threading
from contextlib import closing
from typing import cast

import pytest

from support.service import Service, StartService

Row = dict[str, object]
BUILD = {"connection": "demo", "mode": "build", "raw_token": True}


def rows(service: Service, query: str = "after=0&limit=1000") -> list[Row]:
    """Rows of the activity."""
    answer = service.call("GET", f"/v1/activity?{query}", owner=True)
    assert answer.status == 200, answer.body
    return cast("list[Row]", answer.json()["activity"])


def since(service: Service, mark: int) -> list[tuple[str, str, str | None, str]]:
    """What was told since a row: who, what, which connection, how it went."""
    found = rows(service, f"after={mark}&limit=1000")
    return [
        (
            f"{cast('dict[str, str]', one['actor'])['kind']}:{cast('dict[str, str]', one['actor'])['name']}",
            str(one["action"]),
            cast("str | None", one["connection"]),
            str(one["outcome"]),
        )
        for one in found
    ]


def mark(service: Service) -> int:
    """The newest row."""
    return cast("int", rows(service, "last=1")[0]["seq"])


def test_the_first_start_is_told(service: Service) -> None:
    """The service, the sign-in to the demo org, and the connection that it made."""
    assert since(service, 0)[:4] == [
        ("service:meshmeshd", "service.started", None, "done"),
        ("owner:owner", "sign_in.begun", "demo", "begun"),
        ("owner:owner", "connection.connected", "demo", "done"),
        ("owner:owner", "sign_in.ended", "demo", "done"),
    ]


def test_a_row_has_the_members_of_the_contract(service: Service) -> None:
    """Nothing more, nothing less, and times with milliseconds in UTC."""
    (first,) = rows(service, "limit=1")

    assert set(first) == {"seq", "at", "actor", "action", "connection", "outcome", "detail", "hash"}
    assert first["seq"] == 1
    assert str(first["at"]).endswith("Z")
    assert len(str(first["hash"])) == 64


def test_pages_follow_each_other(service: Service) -> None:
    """`next` leads to the end and is null there; `last` gives the newest rows."""
    everything = rows(service)
    found: list[Row] = []
    after: object = 0
    while after is not None:
        page = service.call("GET", f"/v1/activity?after={after}&limit=2", owner=True).json()
        found += page["activity"]
        after = page["next"]

    assert found == everything
    assert rows(service, "last=2") == everything[-2:]
    assert rows(service, f"after={everything[-1]['seq']}") == []


def test_an_export_proves_itself(service: Service) -> None:
    """The hashes of the API can be reckoned again by anybody."""
    before = bytes(32)
    for row in rows(service):
        text = json.dumps({k: v for k, v in row.items() if k != "hash"}, sort_keys=True, separators=(",", ":"))
        before = hashlib.sha256(before + text.encode()).digest()
        assert row["hash"] == before.hex()


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1001",
        "limit=ten",
        "after=-1",
        "after=9999999999999",
        "limit=1&limit=2",
        "from=3",
        "last=0",
        "last=5&after=1",
        "last=5&limit=1",
        "last=1&last=2",
    ],
)
def test_bad_queries_are_refused(query: str, service: Service) -> None:
    """422 with the field named; an unknown name too."""
    answer = service.call("GET", f"/v1/activity?{query}", owner=True)

    assert answer.status == 422
    assert answer.json()["errors"][0]["field"] == query.partition("=")[0]
    assert service.call("GET", "/v1/activity/verify?all=1", owner=True).status == 422


def test_it_is_the_owners(service: Service) -> None:
    """No client, and nobody at the TCP port, reads or proves it."""
    token = service.pair(BUILD)
    for target in ("/v1/activity", "/v1/activity/verify"):
        assert service.call("GET", target, token=token).status == 403
        assert service.call("GET", target).status == 401


def test_each_token_leaves_its_row(service: Service) -> None:
    """A client's, the owner's own, and one that replaces a rejected one."""
    token = service.pair(BUILD, name="Claude Code")
    begun = mark(service)
    given = service.call("GET", "/v1/connections/demo/token", token=token).json()["access_token"]
    service.call("GET", "/v1/connections/demo/token", owner=True)
    service.call("POST", "/v1/connections/demo/token", {"rejected": given}, token=token)

    assert [one for one in since(service, begun) if one[1] == "token.given"] == [
        ("client:Claude Code", "token.given", "demo", "done"),
        ("client:terminal", "token.given", "demo", "done"),
        ("client:Claude Code", "token.given", "demo", "done"),
    ]


def test_writes_are_told_and_reads_are_not(service: Service) -> None:
    """Before a write goes out, and what came of it; a refused one too."""
    token = service.pair(BUILD, name="writer")
    begun = mark(service)
    base = "/o/demo/services/data/v66.0"
    assert service.call("GET", f"{base}/query?q=SELECT+Id+FROM+Account", token=token).status == 200
    assert service.call("POST", f"{base}/sobjects/Account", {"Name": "Told"}, token=token).status == 201
    assert service.call("POST", f"{base}/sobjects/Account", {"Nmae": "Told"}, token=token).status == 400

    assert since(service, begun) == [
        ("client:writer", "write.sent", "demo", "begun"),
        ("client:writer", "write.answered", "demo", "done"),
        ("client:writer", "write.sent", "demo", "begun"),
        ("client:writer", "write.answered", "demo", "failed"),
    ]
    assert rows(service)[-1]["detail"] == "POST /services/data/v66.0/sobjects/Account: Salesforce answered 400."


def test_what_the_owner_does_is_told(start_service: StartService) -> None:
    """Pairing, denial, grants, revocation, a name, a goodbye: each one row, in order."""
    service = start_service()
    service.call("GET", "/v1/connections/demo", owner=True)
    begun = mark(service)
    service.pair({"connection": "demo", "mode": "read"}, name="agent")
    asked = service.call("POST", "/v1/pair", {"client_name": "sneaky", "wants": [{"mode": "build"}]}).json()
    service.call("POST", f"/v1/pairings/{asked['user_code']}/deny", owner=True)
    (client,) = (one for one in service.call("GET", "/v1/clients", owner=True).json()["clients"])
    service.call("PATCH", f"/v1/clients/{client['id']}", {"grants": [BUILD]}, owner=True)
    service.call("DELETE", f"/v1/clients/{client['id']}", owner=True)
    service.call("PATCH", "/v1/connections/demo", {"name": "renamed"}, owner=True)
    service.call("DELETE", "/v1/connections/renamed", owner=True)

    assert since(service, begun) == [
        ("owner:owner", "pairing.approved", "demo", "done"),
        ("owner:owner", "pairing.denied", None, "done"),
        ("owner:owner", "client.granted", "demo", "done"),
        ("owner:owner", "client.revoked", None, "done"),
        ("owner:owner", "connection.renamed", "renamed", "done"),
        ("owner:owner", "connection.disconnected", "renamed", "done"),
    ]
    assert [row["detail"] for row in rows(service)][-6:] == [
        "agent may use demo:read.",
        "sneaky was turned away.",
        "agent may use demo:build:token.",
        "agent is out.",
        "Renamed; it was demo.",
        "Disconnected; its grants are gone.",
    ]


def test_a_stop_and_a_start_are_told(start_service: StartService) -> None:
    """One chain over restarts, a sudden end too."""
    service = start_service()
    service.call("GET", "/v1/connections/demo/token", owner=True)
    service.kill()
    service = start_service(service.home)
    assert service.stop() == 0
    service = start_service(service.home)
    actions = [row["action"] for row in rows(service)]

    assert actions[-4:] == ["token.given", "service.started", "service.stopped", "service.started"]
    assert service.call("GET", "/v1/activity/verify", owner=True).json()["whole"] is True


def test_a_reader_can_wait(service: Service) -> None:
    """`Prefer: wait=N` holds the answer until there is a row."""
    service.call("GET", "/v1/connections/demo/token", owner=True)  # with the first one comes the terminal's grant
    last = mark(service)
    threading.Timer(0.3, lambda: service.call("GET", "/v1/connections/demo/token", owner=True)).start()
    page = service.call("GET", f"/v1/activity?after={last}", owner=True, headers={"Prefer": "wait=20"}).json()

    assert [row["action"] for row in page["activity"]] == ["token.given"]


def test_damage_is_named_by_the_command_line(start_service: StartService) -> None:
    """A row changed and the tail cut off, behind the service's back: `activity --verify` says which row."""
    service = start_service()
    assert service.cli("activity", "--verify").returncode == 0
    last = mark(service)
    with closing(sqlite3.connect(service.home / "data" / "activity.db")) as db:
        db.execute("DELETE FROM activity WHERE seq = ?", (last,))
        db.commit()
    cut = service.cli("activity", "--verify")
    service.stop()
    with closing(sqlite3.connect(service.home / "data" / "activity.db")) as db:
        db.execute("UPDATE activity SET sealed = randomblob(200) WHERE seq = 2")
        db.commit()
    service = start_service(service.home)
    changed = service.cli("activity", "--verify", "--json")

    assert (cut.returncode, cut.stdout) == (77, f"Row {last} is missing. The end was cut off.\n")
    assert changed.returncode == 77
    assert json.loads(changed.stdout)["bad_row"] == 2
    assert rows(service)[1]["action"] == "unreadable"


def test_without_its_record_no_token_leaves(start_service: StartService) -> None:
    """Where the activity cannot be written the hand-out is refused; with the file free again it works; no row is missing."""
    service = start_service()
    db = sqlite3.connect(service.home / "data" / "activity.db", isolation_level=None)
    given = 0
    with closing(db):
        db.execute("BEGIN IMMEDIATE")
        while (refused := service.call("GET", "/v1/connections/demo/token", owner=True)).status == 200:
            given += 1  # its row is beside the database, until that is found to take nothing
        db.execute("ROLLBACK")

    assert refused.status == 503
    assert refused.json()["code"] == "vault_trouble"
    assert b"access_token" not in refused.body
    assert service.call("GET", "/v1/connections/demo/token", owner=True).status == 200
    assert sum(row["action"] == "token.given" for row in rows(service)) == given + 1


def test_no_secret_reaches_the_activity(start_service: StartService) -> None:
    """Tokens, pairing codes and queries of a whole life are neither in the file nor in the answers."""
    service = start_service()
    asked = service.call("POST", "/v1/pair", {"client_name": "CANARY-name"}).json()
    grants = {"grants": [BUILD]}
    assert service.call("POST", f"/v1/pairings/{asked['user_code']}/approve", grants, owner=True).status == 200
    pairing = service.call("POST", "/v1/pair/token", {"device_code": asked["device_code"]}).json()["access_token"]
    token = service.call("GET", "/v1/connections/demo/token", token=pairing).json()["access_token"]
    path = "/o/demo/services/data/v66.0/sobjects/Account?CANARY-query=1"
    service.call("POST", path, {"Name": "CANARY-body"}, token=pairing)
    view = service.call("POST", "/v1/connections", {"environment": "demo", "name": "again"}, owner=True).json()
    state = view["sign_in"]["authorize_url"].partition("state=")[2].partition("&")[0]
    service.call("DELETE", f"/v1/sign-ins/{view['sign_in']['id']}", owner=True)
    shown = json.dumps(rows(service)).encode()
    files = [path.read_bytes() for path in (service.home / "data").glob("activity.db*")]

    assert len(files) == 4
    for secret in (asked["device_code"], asked["user_code"], pairing, token, state, "CANARY-query", "CANARY-body"):
        for content in (shown, *files):
            assert secret.encode() not in content
    for content in files:
        assert b"CANARY" not in content
    assert b"CANARY-name" in shown
