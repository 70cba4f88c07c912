"""Pairing in the shape of RFC 8628: a program asks, a person compares a code and decides.

The program collects its token once.
"""

import asyncio

from aiohttp import web

from meshmesh_bridge.answers import NOTHING, Answer
from meshmesh_bridge.bodies import Fields, consent_of, idempotency_key
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.declared import Choice, Flag, Objects, Text, names, one_of, read_body
from meshmesh_bridge.errors import DeviceFlowError
from meshmesh_bridge.grants import GRANT, MAX_GRANTS, wanted_grants
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.heads import peer_of
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import Json, client_shape, moment
from meshmesh_daemon.adapters import peers
from meshmesh_daemon.core.presence import MAX_PIN
from meshmesh_daemon.core.problems import Problem
from meshmesh_daemon.usecases.pairings import Asking, NotYet, PairingView, Seen, Want
from meshmesh_storage.records import Mode, Refusal

MAX_WANTS = 16
MAX_LABEL = 80
MAX_PURPOSE = 500
KINDS = ("script", "app", "extension", "agent", "exec")
WANT = (
    Text("connection", max_length=MAX_LABEL),
    one_of("mode", Mode),
    Flag("raw_token"),
    Text("purpose", max_length=MAX_PURPOSE),
)
ASK = (
    Text("client_name", required=True, max_length=MAX_LABEL),
    Choice("client_kind", KINDS),
    Objects("wants", WANT, most=MAX_WANTS),
)
COLLECT = (Text("device_code", required=True, max_length=MAX_LABEL, secret=True), Text("grant_type"), Text("client_id"))
DENY = (Flag("always"),)
APPROVE = (Objects("grants", GRANT, most=MAX_GRANTS), Text("pin", max_length=MAX_PIN, secret=True))


async def ask(request: web.Request) -> web.Response:
    """`POST /v1/pair` (RFC 8628, section 3.1 and 3.2)."""
    fields = await read_body(request, ASK)
    name = fields.required_text("client_name", max_length=MAX_LABEL)
    kind = fields.word("client_kind", KINDS) or KINDS[0]
    wants = fields.objects("wants", names(WANT), most=MAX_WANTS) or []
    asking = Asking(name=name, kind=kind, wants=tuple(_want(want) for want in wants), seen=await _seen(request))
    house = house_of(request)
    begun = house.rooms.pairings.ask(asking, idempotency_key(request))
    address = f"http://localhost:{house.port}/pair"
    return web.json_response(
        {
            "device_code": begun.device_code,
            "user_code": begun.user_code,
            "verification_uri": address,
            "verification_uri_complete": f"{address}#{begun.user_code}",
            "expires_in": begun.expires_in,
            "interval": begun.interval,
        }
    )


def _want(fields: Fields) -> Want:
    return Want(
        connection=fields.text("connection", max_length=MAX_LABEL),
        mode=fields.choice("mode", Mode) or Mode.READ,
        raw_token=fields.flag("raw_token"),
        purpose=fields.text("purpose", max_length=MAX_PURPOSE),
    )


async def _seen(request: web.Request) -> Seen:
    caller = request[CALLER]
    pid = caller.pid
    if pid is None:
        pid = await asyncio.to_thread(peers.tcp_peer_pid, peer_of(request))
    program = await asyncio.to_thread(peers.program_of, pid) if pid is not None else None
    return Seen(
        uid=caller.uid,
        pid=pid,
        exe=program.exe if program else None,
        parent=program.parent if program else None,
        cwd=program.cwd if program else None,
        origin=caller.origin,
    )


async def collect(request: web.Request) -> web.Response:
    """`POST /v1/pair/token` (RFC 8628, section 3.4 and 3.5)."""
    fields = await read_body(request, COLLECT)
    device_code = fields.required_text("device_code", max_length=MAX_LABEL)
    rooms = house_of(request).rooms
    try:
        client, token = await rooms.pairings.collect(device_code)
    except NotYet as not_yet:
        raise DeviceFlowError(not_yet.error.value) from None
    shape = await client_shape(house_of(request), client)
    return web.json_response(
        {"access_token": token, "token_type": "Bearer", "client_id": client.id, "grants": shape["grants"]}
    )


def pairing_shape(view: PairingView) -> Json:
    """An open request, as the owner sees it: what is claimed and what is seen, apart."""
    asking, seen = view.asking, view.asking.seen
    return {
        "user_code": view.user_code,
        "client_name": asking.name,
        "client_kind": asking.kind,
        "wants": [
            {
                "connection": want.connection,
                "mode": want.mode.value,
                "raw_token": want.raw_token,
                "purpose": want.purpose,
            }
            for want in asking.wants
        ],
        "claimed": {"name": asking.name, "kind": asking.kind},
        "seen": {
            "exe": seen.exe,
            "pid": seen.pid,
            "parent": seen.parent,
            "cwd": seen.cwd,
            "uid": seen.uid,
            "origin": seen.origin,
        },
        "expires_at": moment(view.expires_at),
    }


async def list_pairings(request: web.Request) -> web.Response:
    """`GET /v1/pairings`: who waits, with what it claims and what we see kept apart."""
    views = house_of(request).rooms.pairings.waiting()
    return web.json_response({"pairings": [pairing_shape(view) for view in views], "next": None})


async def approve(request: web.Request) -> web.Response:
    """`POST /v1/pairings/{user_code}/approve`."""
    fields = await read_body(request, APPROVE)
    rooms = house_of(request).rooms
    client = await rooms.pairings.approve(
        request.match_info["user_code"], wanted_grants(fields), consent_of(request, fields)
    )
    return web.json_response(await client_shape(house_of(request), client))


async def deny(request: web.Request) -> web.Response:
    """`POST /v1/pairings/{user_code}/deny`; with `always` the program is not asked about again."""
    fields = await read_body(request, DENY)
    await house_of(request).rooms.pairings.deny(request.match_info["user_code"], always=fields.flag("always"))
    return web.Response(status=204)


async def list_refusals(request: web.Request) -> web.Response:
    """`GET /v1/refusals`: programs that are turned away without asking."""
    kept = house_of(request).rooms.refusals.all()
    return web.json_response({"refusals": [_refusal_shape(refusal) for refusal in kept], "next": None})


def _refusal_shape(refusal: Refusal) -> Json:
    return {
        "id": refusal.id,
        "client_name": refusal.name,
        "exe": refusal.exe,
        "origin": refusal.origin,
        "created_at": moment(refusal.created_at),
    }


async def lift_refusal(request: web.Request) -> web.Response:
    """`DELETE /v1/refusals/{id}`: the program may ask again."""
    if request.can_read_body:
        raise Problem(400, "bad_request", "A DELETE request has no body here.")
    await house_of(request).rooms.refusals.lift(request.match_info["id"])
    return web.Response(status=204)


ROUTES = (
    Route(
        method="POST",
        path="/v1/pair",
        need=Need.PAIR,
        handler=ask,
        body=ASK,
        answers={200: Answer("PairingBegun")},
        refuses=frozenset({429}),
    ),
    Route(
        method="POST",
        path="/v1/pair/token",
        need=Need.PAIR,
        handler=collect,
        body=COLLECT,
        answers={200: Answer("PairingToken"), 400: Answer("DeviceFlowError", "RFC 8628, section 3.5")},
        refuses=frozenset({429}),
    ),
    Route(method="GET", path="/v1/pairings", need=Need.OWNER, handler=list_pairings, answers={200: Answer("Pairings")}),
    Route(
        method="POST",
        path="/v1/pairings/{user_code}/approve",
        need=Need.OWNER,
        handler=approve,
        body=APPROVE,
        answers={200: Answer("Client")},
        refuses=frozenset({409, 410, 429}),
        waits=True,
    ),
    Route(
        method="POST",
        path="/v1/pairings/{user_code}/deny",
        need=Need.OWNER,
        handler=deny,
        body=DENY,
        answers={204: NOTHING},
        refuses=frozenset({409, 429}),
    ),
    Route(method="GET", path="/v1/refusals", need=Need.OWNER, handler=list_refusals, answers={200: Answer("Refusals")}),
    Route(method="DELETE", path="/v1/refusals/{id}", need=Need.OWNER, handler=lift_refusal, answers={204: NOTHING}),
)
