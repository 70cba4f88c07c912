"""Fuzzing by the API document: as nobody, a client, the owner and their dashboard, every answer is one that it names.

No 5xx but a documented 503, no status, content type or shape that is not written down.
"""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.specs.openapi import checks

from meshmesh import wire
from meshmesh_bridge.api.documents import openapi_document
from meshmesh_bridge.wings import all_routes
from support.service import Service, start

# schemathesis's generic types have no defaults, so its values are Any here
DOCUMENT: Any = schemathesis.openapi.from_dict(openapi_document(all_routes(), 1717))
OPERATIONS: dict[str, Any] = {found.ok().label: found.ok() for found in DOCUMENT.get_all_operations()}
ENDLESS = {"GET /v1/events"}
CONFORMANCE: Any = checks
CHECKS = [
    CONFORMANCE.content_type_conformance,
    CONFORMANCE.response_headers_conformance,
    CONFORMANCE.response_schema_conformance,
    CONFORMANCE.status_code_conformance,
]
FALLS_AWAY = {"DELETE /v1/connections/{name}", "PATCH /v1/connections/{name}"}  # then there is nothing left to fuzz
REKEYS = {"POST /v1/key"}  # whoever may do it would give the vault a passphrase that nobody knows
# what would keep the calls after it from being answered
UNDONE: dict[str, tuple[str, str, object]] = {
    "POST /v1/demo/outage": ("POST", "/v1/demo/reset", None),
    "POST /v1/lend": ("DELETE", "/v1/lend", None),
    "POST /v1/lock": ("POST", "/v1/unlock", {}),
}
BUGS = {500, 501, 504}
EXAMPLES = {"open": 3, "client": 4, "owner": 4, "dashboard": 3}


class Forwarder:
    """A loopback port that leads to the owner's socket: who comes this way comes as this process's user."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        """Take no more."""
        self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _serve(self) -> None:
        while True:
            try:
                near, _ = self._door.accept()
            except OSError:
                return
            far = socket.socket(socket.AF_UNIX)
            far.connect(self._path)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_pump, args=(source, sink), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket) -> None:
    with suppress(OSError):
        while piece := source.recv(65536):
            sink.sendall(piece)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_RDWR)
    source.close()


class Callers:
    """Who calls: a base address and headers each."""

    def __init__(self, service: Service, forwarder: Forwarder) -> None:
        token = service.pair({"connection": "demo", "mode": "build", "raw_token": True})
        tcp = f"http://localhost:{service.port}"
        self.service = service
        self.by_name: dict[str, tuple[str, dict[str, str]]] = {
            "open": (tcp, {}),
            "client": (tcp, {"Authorization": f"Bearer {token}"}),
            "owner": (f"http://127.0.0.1:{forwarder.port}", {}),
            "dashboard": (tcp, {wire.HEADER_SESSION: ""}),
        }

    def call_as(self, name: str) -> tuple[str, dict[str, str]]:
        """The base address and the headers of a caller; the dashboard's session is a live one."""
        base, headers = self.by_name[name]
        if name == "dashboard" and self.service.call("GET", "/v1/me", headers=headers).status != HTTPStatus.OK:
            code = self.service.call("POST", "/v1/launch-codes", {}, owner=True).json()["launch_code"]
            begun = self.service.call("POST", "/v1/dashboard-sessions", {"launch_code": code}).json()
            headers[wire.HEADER_SESSION] = str(begun["session"])
        return base, headers


@pytest.fixture(scope="module")
def callers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callers]:
    """A service of its own, whose way to the real Salesforce ends at once."""
    service = start(tmp_path_factory.mktemp("home"), HTTPS_PROXY="http://127.0.0.1:9", https_proxy="http://127.0.0.1:9")
    forwarder = Forwarder(service.socket_path)
    yield Callers(service, forwarder)
    forwarder.close()
    service.stop()


@pytest.mark.parametrize("label", [label for label in OPERATIONS if label not in ENDLESS])
@pytest.mark.parametrize("caller", ["open", "client", "owner", "dashboard"])
def test_every_answer_is_documented(callers: Callers, caller: str, label: str) -> None:
    """Whatever fits the document, and a little that does not, is answered as the document says."""
    if label in REKEYS and caller in {"owner", "dashboard"}:
        pytest.skip("the vault would not open again")
    base, headers = callers.call_as(caller)
    operation = OPERATIONS[label]
    names = st.just("demo") if label not in FALLS_AWAY else st.just("nowhere")

    @settings(
        max_examples=EXAMPLES[caller],
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
    )
    @given(case=operation.as_strategy(), name=st.one_of(st.none(), names))
    def fuzz(case: Any, name: str | None) -> None:
        if name is not None and "name" in case.path_parameters:
            case.path_parameters["name"] = name
        case.headers.pop("Prefer", None)  # it would wait
        case.headers.pop("Authorization", None)
        with requests.Session() as session:
            session.trust_env = False
            answer = case.call(base_url=base, session=session, headers=headers, timeout=60)
        assert answer.status_code not in BUGS, answer.content
        case.validate_response(answer, checks=CHECKS)
        if label in UNDONE:
            callers.service.call(*UNDONE[label], owner=True)

    run: Callable[[], None] = fuzz
    run()


def test_the_log_names_no_bug(callers: Callers) -> None:
    """After all of it the log has no line of ours that says bug, and the service answers."""
    assert " bug: " not in callers.service.log
    assert callers.service.call("GET", "/healthz").status == 200
