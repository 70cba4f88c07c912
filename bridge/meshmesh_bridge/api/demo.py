"""The demo org's levers, at the owner's door."""

from aiohttp import web

from meshmesh_bridge.answers import Answer
from meshmesh_bridge.declared import Choice, Whole, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_daemon.adapters.demo import DemoPeer
from meshmesh_daemon.core.problems import Problem

KINDS = ("5xx", "hang", "reset")
MAX_OUTAGE = 3600

OUTAGE = (Choice("kind", KINDS, required=True), Whole("seconds", low=1, high=MAX_OUTAGE, required=True))


def _demo(request: web.Request) -> DemoPeer:
    demo = house_of(request).demo
    if demo is None:
        raise Problem(503, "offline", "The demo org is switched off ([demo] enabled in config.toml).")
    return demo


async def expire_session(request: web.Request) -> web.Response:
    """`POST /v1/demo/expire-session`: every access token dies, refresh tokens live."""
    await read_body(request, ())
    return web.json_response(await _demo(request).lever("expire-session"))


async def revoke(request: web.Request) -> web.Response:
    """`POST /v1/demo/revoke`: every grant dies, as when an admin revokes it."""
    await read_body(request, ())
    return web.json_response(await _demo(request).lever("revoke"))


async def outage(request: web.Request) -> web.Response:
    """`POST /v1/demo/outage`: the org answers 5xx, hangs or resets for a while."""
    fields = await read_body(request, OUTAGE)
    wanted = {"kind": fields.word("kind", KINDS), "seconds": fields.integer("seconds", low=1, high=MAX_OUTAGE)}
    return web.json_response(await _demo(request).lever("outage", wanted))


async def reset(request: web.Request) -> web.Response:
    """`POST /v1/demo/reset`: the data as at the first start."""
    await read_body(request, ())
    return web.json_response(await _demo(request).lever("reset"))


_PULLED = {200: Answer("Lever")}
ROUTES = tuple(
    Route(method="POST", path=f"/v1/demo/{name}", need=Need.OWNER, handler=handler, body=body, answers=_PULLED)
    for name, handler, body in (
        ("expire-session", expire_session, ()),
        ("revoke", revoke, ()),
        ("outage", outage, OUTAGE),
        ("reset", reset, ()),
    )
)
