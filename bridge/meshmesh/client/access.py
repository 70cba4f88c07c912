"""A paired program asks for a connection that it has not: it says what for, and the owner picks which."""

from meshmesh.client.asking import LOOK_AGAIN_SECONDS, MAX_WAIT
from meshmesh.client.errors import AccessNotGiven
from meshmesh.client.pairing import Show
from meshmesh.client.refusals import of_api
from meshmesh.client.talk import Call, Pause, Reply, Talk, json_call
from meshmesh.documents import Document
from meshmesh.http1 import segment

_WHY = {
    "pending": "The owner has not decided yet.",
    "denied": "The owner denied it.",
    "expired": "Nobody decided in time.",
}


def ask(purpose: str, *, mode: str, raw_token: bool, wait: int, show: Show) -> Talk[str]:
    """Ask for a connection, and wait for the owner.

    Args:
        purpose: what for, in a sentence that the owner reads.
        mode: `read`, `plan` or `build`.
        raw_token: whether the access token itself is needed.
        wait: seconds to wait at most.
        show: is told what the owner must be shown.

    Returns:
        The name of the connection that was granted.

    Raises:
        AccessNotGiven: denied, or not decided.
    """
    body = {"purpose": purpose, "mode": mode, "raw_token": raw_token}
    asked = _read((yield json_call("POST", "/v1/access-requests", body)))
    request_id = asked.text("id")
    show(f"Asked for a connection, to {purpose!r}.\nGrant one: meshmesh approve {request_id} --grant NAME:{mode}\n")
    left = float(wait)
    while asked.text("status") == "pending" and left >= 1:
        seconds = int(min(left, MAX_WAIT))
        reply = yield Call(method="GET", target=f"/v1/access-requests/{segment(request_id)}", wait=seconds)
        asked = _read(reply)
        left -= reply.took + LOOK_AGAIN_SECONDS
        if asked.text("status") == "pending":
            yield Pause(LOOK_AGAIN_SECONDS)
    if asked.text("status") != "approved":
        raise AccessNotGiven(_WHY.get(asked.text("status"), "It was not granted."), request_id)
    return asked.text("connection")


def _read(reply: Reply) -> Document:
    if reply.refused:
        raise of_api(reply.status, reply.headers, reply.body, attempt="ask for a connection")
    return Document.parse(reply.body)
