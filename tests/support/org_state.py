"""The service's own demo org behind the broker's back: what it has counted, and its levers."""

import json
import socket
from typing import Any
from urllib.parse import urlsplit

from support.service import Service, exchange


def demo_state(service: Service) -> dict[str, Any]:
    """Writes, requests, token requests, grants."""
    return _ask(service, "GET", "state", b"")


def pull(service: Service, lever: str, /, **document: object) -> None:
    """Pull one of the org's own levers, which must work: it has more of them than the owner's door."""
    told = _ask(service, "POST", lever, json.dumps(document).encode())
    assert "error" not in told, told


def _ask(service: Service, method: str, name: str, body: bytes) -> dict[str, Any]:
    origin = urlsplit(str(service.call("GET", "/v1/connections/demo", owner=True).json()["instance_url"]))
    key = (service.home / "data" / "demo" / "lever.key").read_text().strip()
    lines = f"Host: {origin.netloc}\r\nAuthorization: Lever {key}\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", origin.port or 80)) as sock:
        told: dict[str, Any] = exchange(sock, f"{method} /demo/{name} HTTP/1.1\r\n{lines}\r\n".encode() + body).json()
    return told


def writes(service: Service) -> int:
    """How many changes there were since the org began."""
    return int(demo_state(service)["writes"])
