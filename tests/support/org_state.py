"""What the service's own demo org has counted, asked for behind the broker's back."""

import socket
from typing import Any
from urllib.parse import urlsplit

from support.service import Service, exchange


def demo_state(service: Service) -> dict[str, Any]:
    """Writes, requests, token requests, grants."""
    origin = urlsplit(str(service.call("GET", "/v1/connections/demo", owner=True).json()["instance_url"]))
    key = (service.home / "data" / "demo" / "lever.key").read_text().strip()
    request = f"GET /demo/state HTTP/1.1\r\nHost: {origin.netloc}\r\nAuthorization: Lever {key}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", origin.port or 80)) as sock:
        state: dict[str, Any] = exchange(sock, request.encode()).json()
    return state


def writes(service: Service) -> int:
    """How many changes there were since the org began."""
    return int(demo_state(service)["writes"])
