"""The demo org's levers, at the owner's door."""

from aiohttp import web

from meshmesh_bridge.bodies import read_fields
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_daemon.adapters.demo import DemoPeer
from meshmesh_daemon.core.problems import Problem, bad_field

KINDS = ("5xx", "hang", "reset")
MAX_OUTAGE = 3600


def _demo(request: web.Request) -> DemoPeer:
    demo = house_of(request).demo
    if demo is None:
        raise Problem(503, "offline", "The demo org is switched off ([demo] enabled in config.toml).")
    return demo


async def expire_session(request: web.Request) -> web.Response:
    """`POST /v1/demo/expire-session`: every access token dies, refresh tokens live."""
    await read_fields(request)
    return web.json_response(await _demo(request).lever("expire-session"))


async def revoke(request: web.Request) -> web.Response:
    """`POST /v1/demo/revoke`: every grant dies, as when an admin revokes it."""
    await read_fields(request)
    return web.json_response(await _demo(request).lever("revoke"))


async def outage(request: web.Request) -> web.Response:
    """`POST /v1/demo/outage`: the org answers 5xx, hangs or resets for a while."""
    fields = await read_fields(request, "kind", "seconds")
    kind = fields.required_text("kind")
    if kind not in KINDS:
        raise bad_field("kind", f"must be one of: {', '.join(KINDS)}.")
    seconds = fields.integer("seconds", low=1, high=MAX_OUTAGE)
    if seconds is None:
        raise bad_field("seconds", f"is required: a whole number from 1 to {MAX_OUTAGE}.")
    return web.json_response(await _demo(request).lever("outage", {"kind": kind, "seconds": seconds}))


async def reset(request: web.Request) -> web.Response:
    """`POST /v1/demo/reset`: the data as at the first start."""
    await read_fields(request)
    return web.json_response(await _demo(request).lever("reset"))


ROUTES = (
    Route(method="POST", path="/v1/demo/expire-session", need=Need.OWNER, handler=expire_session),
    Route(method="POST", path="/v1/demo/revoke", need=Need.OWNER, handler=revoke),
    Route(method="POST", path="/v1/demo/outage", need=Need.OWNER, handler=outage),
    Route(method="POST", path="/v1/demo/reset", need=Need.OWNER, handler=reset),
)
