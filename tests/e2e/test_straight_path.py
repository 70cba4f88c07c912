"""The straight path, end to end, against `meshmeshd` as a process of its own: connect, keep, lend, refuse."""

import json
import re
import time
from pathlib import Path
from urllib.parse import quote

import pytest

from support.service import Service, StartService

BUILD = {"connection": "demo", "mode": "build", "raw_token": True}
QUERY = "/o/demo/services/data/v66.0/query?q=" + quote("SELECT Id, Name FROM Account ORDER BY Name LIMIT 3")


def test_the_demo_org_is_there_at_the_first_start(service: Service) -> None:
    """A fresh home has the ready connection `demo`, made through the real redirect."""
    listed = service.call("GET", "/v1/connections", owner=True).json()["connections"]

    assert [(one["name"], one["status"], one["kind"]) for one in listed] == [("demo", "connected", "demo")]
    assert re.fullmatch(r"00D\w{15}", listed[0]["org_id"])


def test_curl_prints_the_status_without_names(service: Service) -> None:
    """The open status gives counts; the owner's gives names."""
    anyone = service.call("GET", "/", headers={"Accept": "*/*"})
    owner = service.call("GET", "/", owner=True)

    assert anyone.headers["content-type"].startswith("text/plain")
    assert "vault unlocked" in anyone.body.decode()
    assert "demo" not in anyone.body.decode()
    assert "demo" in owner.body.decode()
    assert service.call("GET", "/status").json()["counts"]["connected"] == 1
    assert "connections" not in service.call("GET", "/status").json()
    assert service.call("GET", "/status", owner=True).json()["connections"][0]["name"] == "demo"


def test_a_paired_program_reads_records(service: Service) -> None:
    """Pair, list, read through the broker; the real token is in no answer."""
    token = service.pair({"connection": "demo", "mode": "read"})
    listed = service.call("GET", "/v1/connections", token=token).json()["connections"]
    records = service.call("GET", QUERY, token=token).json()

    assert [(one["name"], one["mode"], one["raw_token"]) for one in listed] == [("demo", "read", False)]
    assert records["totalSize"] == 3
    assert all(record["attributes"]["type"] == "Account" for record in records["records"])


def test_a_handle_works_as_an_access_token(service: Service) -> None:
    """`<org id>!<pairing token>` is taken under /o/, so that unmodified clients work."""
    token = service.pair({"connection": "demo", "mode": "read"})

    assert service.call("GET", QUERY, token=f"00D000000000001!{token}").status == 200
    assert service.call("GET", QUERY.replace("/o/demo/", "/o/demo//"), token=token).status == 200


def test_read_and_plan_refuse_writes_and_build_passes_them(service: Service) -> None:
    """A write in `read` is refused, in `plan` held, both a 403 that changes nothing; `build` lets it through."""
    target = "/o/demo/services/data/v66.0/sobjects/Account"
    for mode, code in (("read", "MESHMESH_READ_ONLY"), ("plan", "MESHMESH_APPROVAL_REQUIRED")):
        refused = service.call(
            "POST", target, {"Name": f"From {mode}"}, token=service.pair({"connection": "demo", "mode": mode})
        )
        assert refused.status == 403
        assert json.loads(refused.body)[0]["errorCode"] == code
    builder = service.pair(BUILD)
    made = service.call("POST", target, {"Name": "From build"}, token=builder)
    assert made.status == 201
    assert made.json()["success"] is True
    count = QUERY.replace(
        quote("SELECT Id, Name FROM Account ORDER BY Name LIMIT 3"),
        quote("SELECT COUNT() FROM Account WHERE Name LIKE 'From %'"),
    )
    assert service.call("GET", count, token=builder).json()["totalSize"] == 1


def test_the_token_is_for_those_who_were_granted_it(service: Service) -> None:
    """`raw_token` gives the token of the contract's shape; without it 403; `rejected` gives another."""
    narrow = service.pair({"connection": "demo", "mode": "read"})
    wide = service.pair(BUILD)
    refused = service.call("GET", "/v1/connections/demo/token", token=narrow)
    given = service.call("GET", "/v1/connections/demo/token?min_ttl=60", token=wide).json()
    again = service.call("POST", "/v1/connections/demo/token", {"rejected": given["access_token"]}, token=wide).json()

    assert refused.status == 403
    assert {
        "access_token",
        "token_type",
        "instance_url",
        "issued_at",
        "expires_at",
        "scope",
        "username",
        "org_id",
        "api_version",
    } == set(given)
    assert given["access_token"] != again["access_token"]


def test_what_was_not_granted_is_not_there(service: Service) -> None:
    """A name that was not granted and a name that is nowhere read the same."""
    token = service.pair()
    granted = service.call("GET", "/v1/connections/demo", token=token)
    absent = service.call("GET", "/v1/connections/nowhere", token=token)

    assert (granted.status, absent.status) == (404, 404)
    assert granted.json()["code"] == absent.json()["code"]
    assert service.call("GET", "/v1/connections", token=token).json()["connections"] == []
    assert service.call("GET", QUERY, token=token).status == 404


def test_a_revoked_client_is_out_at_once(service: Service) -> None:
    """After revoke the token is 401 on the API and INVALID_SESSION_ID under /o/."""
    token = service.pair(BUILD)
    client = str(service.call("GET", "/v1/me", token=token).json()["id"])
    assert service.call("DELETE", f"/v1/clients/{client}", owner=True).status in {200, 204}

    assert service.call("GET", "/v1/me", token=token).status == 401
    refused = service.call("GET", QUERY, token=token)
    assert refused.status == 401
    assert json.loads(refused.body)[0]["errorCode"] == "INVALID_SESSION_ID"


def test_an_expired_session_is_renewed_without_a_person(start_service: StartService) -> None:
    """The session dies at the org; the next call through the broker works, and the connection stays connected."""
    service = start_service()
    token = service.pair(BUILD)
    first = service.call("GET", "/v1/connections/demo/token", token=token).json()["access_token"]
    assert service.call("POST", "/v1/demo/expire-session", owner=True).status == 200

    assert service.call("GET", QUERY, token=token).status == 200
    assert service.call("GET", "/v1/connections/demo/token", token=token).json()["access_token"] != first
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "connected"


def test_a_revoked_grant_needs_the_person_and_says_so(start_service: StartService) -> None:
    """`invalid_grant` is definite: needs_you with its reason, 409 on the API, 403 under /o/, and reconnect mends it."""
    service = start_service()
    token = service.pair(BUILD)
    assert service.call("POST", "/v1/demo/revoke", owner=True).status == 200
    broker = service.call("GET", QUERY, token=token)
    refused = service.call("GET", "/v1/connections/demo/token", token=token)

    assert broker.status == 403
    assert json.loads(broker.body)[0]["errorCode"] == "MESHMESH_RECONNECT_REQUIRED"
    assert refused.status == 409
    assert refused.json()["code"] == "reconnect_required"
    assert refused.json()["reason"] == "refresh_token_revoked"
    seen = service.call("GET", "/v1/connections/demo", owner=True).json()
    assert (seen["status"], seen["reason"]) == ("needs_you", "refresh_token_revoked")
    assert seen["next"]["command"] == "meshmesh reconnect demo"


@pytest.mark.parametrize("kind", ["5xx", "reset"])
def test_an_outage_is_never_an_expiry(start_service: StartService, kind: str) -> None:
    """While the org is out the answer is 503 and the status offline; afterwards it mends itself."""
    service = start_service()
    token = service.pair(BUILD)
    service.call("POST", "/v1/demo/expire-session", owner=True)
    assert service.call("POST", "/v1/demo/outage", {"kind": kind, "seconds": 2}, owner=True).status == 200
    during = service.call("GET", "/v1/connections/demo/token?min_ttl=80000", token=token)
    broken = service.call("GET", QUERY, token=token)
    status = service.call("GET", "/v1/connections/demo", owner=True).json()["status"]

    assert during.status in {200, 503}  # an unexpired cached token may still be served
    assert broken.status >= 500
    assert status in {"connected", "offline", "refreshing"}
    deadline = time.monotonic() + 20
    while service.call("GET", QUERY, token=token).status != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert service.call("GET", "/v1/connections/demo", owner=True).json()["status"] == "connected"


def test_nothing_is_lost_by_kill_9(start_service: StartService, tmp_path: Path) -> None:
    """After SIGKILL and a new start the connection and the client are there and work, on the same demo origin."""
    service = start_service(tmp_path / "home")
    token = service.pair(BUILD)
    before = service.call("GET", "/v1/connections/demo", owner=True).json()
    service.kill()
    again = start_service(tmp_path / "home")
    after = again.call("GET", "/v1/connections/demo", owner=True).json()

    assert before["org_id"] == after["org_id"]
    assert after["status"] == "connected"
    assert again.call("GET", QUERY, token=token).status == 200


def test_nothing_can_be_read_from_the_disk(start_service: StartService, tmp_path: Path) -> None:
    """Every byte of the vault, WAL too, holds no token, user name, host or connection name; modes are private."""
    service = start_service(tmp_path / "home")
    renamed = service.call("PATCH", "/v1/connections/demo", {"name": "a-very-secret-name"}, owner=True)
    assert renamed.status == 200
    token = service.pair({"connection": "a-very-secret-name", "mode": "build", "raw_token": True}, name="Nightly Tool")
    answer = service.call("GET", "/v1/connections/a-very-secret-name/token", token=token)
    assert answer.status == 200, answer.body
    given = answer.json()
    secrets = [
        given["access_token"],
        str(given["access_token"]).split("!")[1],
        given["username"],
        token,
        "a-very-secret-name",
        "Nightly Tool",
        given["instance_url"],
        str(given["instance_url"]).removeprefix("http://"),
    ]
    vault = [path for path in (tmp_path / "home" / "data").rglob("*") if path.is_file() and "demo" not in path.parts]
    assert any(path.name.endswith("-wal") for path in vault)
    for path in [*vault, tmp_path / "home" / "stderr.log"]:
        content = path.read_bytes()
        assert not [secret for secret in secrets if str(secret).encode() in content], path
    for path in (tmp_path / "home").rglob("*"):
        if path.name != "stderr.log":
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_instance_names_the_first(service: Service) -> None:
    """A second `meshmeshd` in the same home refuses, naming the pid, and harms nothing."""
    with pytest.raises(RuntimeError, match=f"pid {service.process.pid}"):
        _start_beside(service)

    assert service.call("GET", "/healthz", owner=True).status == 200


def _start_beside(service: Service) -> None:
    import subprocess
    import sys

    program = str(Path(sys.executable).with_name("meshmeshd"))
    second = subprocess.run(
        [program], env=service.environ | {"MESHMESH_PORT": "0"}, capture_output=True, text=True, timeout=30, check=False
    )
    assert second.returncode == 73
    raise RuntimeError(second.stderr)


def test_a_busy_port_names_its_holder(service: Service, tmp_path: Path) -> None:
    """A home on a port that another program holds does not start, and says who holds it."""
    import subprocess
    import sys

    program = str(Path(sys.executable).with_name("meshmeshd"))
    environ = service.environ | {"MESHMESH_HOME": str(tmp_path / "other"), "MESHMESH_PORT": str(service.port)}
    second = subprocess.run([program], env=environ, capture_output=True, text=True, timeout=30, check=False)

    assert second.returncode == 73
    assert f"pid {service.process.pid}" in second.stderr


def test_sigterm_ends_with_zero_and_tidies_up(start_service: StartService, tmp_path: Path) -> None:
    """SIGTERM drains, exits 0, and takes the socket and endpoint.json away."""
    service = start_service(tmp_path / "home")
    assert service.stop() == 0
    assert not service.socket_path.exists()
    assert not (tmp_path / "home" / "runtime" / "endpoint.json").exists()
