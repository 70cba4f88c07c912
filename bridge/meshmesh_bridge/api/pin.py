"""The approval PIN, at the owner's door."""

from aiohttp import web

from meshmesh_bridge.answers import NOTHING
from meshmesh_bridge.declared import Text, read_body
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_daemon.core.presence import MAX_PIN

PUT = (Text("pin", required=True, max_length=MAX_PIN, secret=True), Text("current", max_length=MAX_PIN, secret=True))


async def put_pin(request: web.Request) -> web.Response:
    """`POST /v1/pin`: set the approval PIN, or change it."""
    fields = await read_body(request, PUT)
    pin = fields.required_text("pin", max_length=MAX_PIN)
    await house_of(request).rooms.pins.put(pin, fields.text("current", max_length=MAX_PIN))
    return web.Response(status=204)


ROUTES = (
    Route(
        method="POST",
        path="/v1/pin",
        need=Need.OWNER,
        handler=put_pin,
        body=PUT,
        answers={204: NOTHING},
        refuses=frozenset({429}),
    ),
)
