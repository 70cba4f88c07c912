"""What anybody on this machine may see: that the service runs, and counts.

How many connections are well; never their names.
"""

from collections.abc import Sequence

from aiohttp import web

from meshmesh_bridge import VERSION
from meshmesh_bridge.answers import Answer
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.errors import next_document
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import House, house_of
from meshmesh_bridge.pages import shell
from meshmesh_bridge.shapes import Json, connection_shape, next_for
from meshmesh_bridge.standing import counts_of, detail_of, next_of, notes_of
from meshmesh_daemon.core.loans import Hold
from meshmesh_storage.records import Connection, Status


async def all_connections(house: House) -> list[Connection]:
    """What the owner's status shows beside the counts."""
    return await house.rooms_if_open.connections.all() if house.rooms_if_open else []


def status_document(house: House, shown: Sequence[Connection] | None) -> Json:
    """The body of `GET /status`.

    Args:
        house: the house.
        shown: every connection, where the caller may see them; None where counts must do.
    """
    counts = counts_of(house)
    document: Json = {
        "version": VERSION,
        "pid": house.pid,
        "port": house.port,
        "vault": "trouble" if house.ill else "unlocked" if house.rooms_if_open else "locked",
        "counts": {status.value: counts[status.value] for status in Status},
        "detail": detail_of(house, counts),
        "next": next_document(next_of(house)),
        "notes": notes_of(house, names=shown is not None),
    }
    if shown is not None:
        document["key"] = house.keeping.source if house.keeping else None
        document["connections"] = [connection_shape(house, connection, None) for connection in shown]
        ill = [next_for(connection, house.port) for connection in shown if connection.reason]
        document["next"] = document["next"] or next_document(next(iter(ill), None))
    return document


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
    lines += [f"  {note}" for note in notes_of(house, names=names)]
    counts = counts_of(house)
    lines += [f"  {number:>3} {status.replace('_', ' ')}" for status, number in sorted(counts.items())]
    if shown:
        lines += ["", f"  {'NAME':<24}{'ORG KIND':<13}STATUS"]
        lines += [f"  {one.name:<24}{one.kind.value:<13}{one.status.value}" for one in shown]
    step = next_of(house)
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
