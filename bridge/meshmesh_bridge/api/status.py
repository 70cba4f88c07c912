"""What anybody on this machine may see: that the service runs, and counts.

How many connections are well; never their names.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from aiohttp import web

from meshmesh_bridge import VERSION
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.dashboard import shell
from meshmesh_bridge.declared import Answer
from meshmesh_bridge.errors import next_document
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.shapes import Json, connection_shape, next_for
from meshmesh_daemon.core.loans import Hold, sentence
from meshmesh_daemon.core.problems import Next
from meshmesh_storage.records import Connection, Status


def _statuses(house: House) -> list[str]:
    return [status.value for status in house.rooms_if_open.connections.statuses] if house.rooms_if_open else []


async def all_connections(house: House) -> list[Connection]:
    """What the owner's status shows beside the counts."""
    return await house.rooms_if_open.connections.all() if house.rooms_if_open else []


def status_document(house: House, shown: Sequence[Connection] | None) -> Json:
    """The body of `GET /status`.

    Args:
        house: the house.
        shown: every connection, where the caller may see them; None where counts must do.
    """
    trouble, names = house.ill, shown is not None
    counts = Counter(_statuses(house))
    document: Json = {
        "version": VERSION,
        "pid": house.pid,
        "port": house.port,
        "vault": "trouble" if trouble else "unlocked" if house.rooms_if_open else "locked",
        "counts": {status.value: counts[status.value] for status in Status},
        "detail": trouble.detail if trouble else house.locked.detail if house.locked else _sentence(counts),
        "next": next_document(_next(house)),
    }
    document["notes"] = _notes(house, names=names)
    if shown is not None:
        document["key"] = house.keeping.source if house.keeping else None
        document["connections"] = [connection_shape(house, connection, None) for connection in shown]
        ill = [next_for(connection, house.port) for connection in shown if connection.reason]
        document["next"] = document["next"] or next_document(next(iter(ill), None))
    return document


def _next(house: House) -> Next | None:
    """What helps the vault, where it needs help."""
    if house.ill is not None:
        return Next(house.ill.next_step)
    return Next(house.locked.next_step, house.locked.command) if house.locked else None


def _notes(house: House, *, names: bool) -> list[str]:
    """What else there is to know: a port that is away, and settings that were not taken, which are the owner's."""
    view = house.lending.view if house.lending else None
    lent = sentence(view if names else replace(view, holder=None)) if view else None
    return [note for note in (lent, house.complaint if names else None) if note]


def status_line(house: House) -> str:
    """The open status in one line."""
    document = status_document(house, None)
    return " ".join([str(document["detail"]), *_notes(house, names=False)])


def _sentence(counts: Counter[str]) -> str:
    total = counts.total()
    needing = counts[Status.NEEDS_YOU.value] + counts[Status.BLOCKED.value]
    if not total:
        return "No connection yet."
    if needing:
        return f"{needing} of {total} connections need you." if total > 1 else "The one connection needs you."
    return f"{total} connections need nothing." if total > 1 else "1 connection needs nothing."


async def get_status(request: web.Request) -> web.Response:
    """`GET /status`."""
    house = house_of(request)
    return web.json_response(status_document(house, await _shown(request)))


async def _shown(request: web.Request) -> list[Connection] | None:
    return await all_connections(house_of(request)) if request[CALLER].is_owner else None


def status_text(house: House, shown: Sequence[Connection] | None) -> str:
    """What `curl localhost:1717` prints: the state in a few lines, and where to go on."""
    names = shown is not None
    document = status_document(house, shown)
    lines = [f"MeshMesh {document['version']} - vault {document['vault']}", "", f"  {document['detail']}"]
    lines += [f"  {note}" for note in _notes(house, names=names)]
    counts = Counter(_statuses(house))
    lines += [f"  {number:>3} {status.replace('_', ' ')}" for status, number in sorted(counts.items())]
    if shown:
        lines += ["", f"  {'NAME':<24}{'ORG KIND':<13}STATUS"]
        lines += [f"  {one.name:<24}{one.kind.value:<13}{one.status.value}" for one in shown]
    step = _next(house)
    if step is not None:
        lines += ["", f"Next:  {step.command or step.label}"]
    elif not names:
        lines += [
            "",
            f"Names: curl --unix-socket {house.socket_path} http://localhost/   or: meshmesh status",
        ]
    lines += [f"API:   http://localhost:{house.port}/.well-known/meshmesh   /openapi.json"]
    return "\n".join(lines) + "\n"


async def get_root(request: web.Request) -> web.Response:
    """`GET /`: the dashboard for a browser, plain text for anything else."""
    house = house_of(request)
    if "text/html" in request.headers.get("Accept", ""):
        return shell()
    return web.Response(text=status_text(house, await _shown(request)))


async def get_healthz(_request: web.Request) -> web.Response:
    """`GET /healthz`: alive."""
    return web.json_response({"status": "ok"})


async def get_readyz(request: web.Request) -> web.Response:
    """`GET /readyz`: the vault is open and the redirect port is ours."""
    house = house_of(request)
    owned = house.lending is not None and house.lending.view.hold is Hold.OURS
    ready = house.ready and owned and house.rooms_if_open is not None and house.ill is None
    return web.json_response({"status": "ready" if ready else "not ready"}, status=200 if ready else 503)


async def get_discovery(request: web.Request) -> web.Response:
    """`GET /.well-known/meshmesh`: what is here and where, without a secret or a name."""
    base = f"http://localhost:{house_of(request).port}"
    return web.json_response(
        {
            "name": "MeshMesh",
            "version": VERSION,
            "api": f"{base}/v1",
            "broker": f"{base}/o/{{name}}",
            "pairing": f"{base}/v1/pair",
            "status": f"{base}/status",
            "openapi": f"{base}/openapi.json",
        }
    )


_FRONT = Answer(
    description="The dashboard for a browser, plain text for others", content_types=("text/html", "text/plain")
)
_READY = {200: Answer("Health", "Ready"), 503: Answer("Health", "Not ready")}
ROUTES = (
    Route(method="GET", path="/", need=Need.PAGE, handler=get_root, answers={200: _FRONT}),
    Route(method="GET", path="/status", need=Need.OPEN, handler=get_status, answers={200: Answer("Status")}),
    Route(method="GET", path="/healthz", need=Need.OPEN, handler=get_healthz, answers={200: Answer("Health")}),
    Route(method="GET", path="/readyz", need=Need.OPEN, handler=get_readyz, answers=_READY),
    Route(
        method="GET",
        path="/.well-known/meshmesh",
        need=Need.OPEN,
        handler=get_discovery,
        answers={200: Answer("Discovery")},
    ),
)
