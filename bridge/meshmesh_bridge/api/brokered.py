"""The addresses of the broker."""

from aiohttp import web

from meshmesh_bridge.broker import Broker
from meshmesh_bridge.caller import CALLER
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of


async def pass_on(request: web.Request) -> web.StreamResponse:
    """Salesforce's own REST API, under a connection's name."""
    broker: Broker = house_of(request).rooms.broker
    return await broker.handle(request, request[CALLER])


ROUTES = (
    Route(method="*", path="/o/{name}/{tail:.*}", need=Need.BROKER, handler=pass_on),
    Route(method="*", path="/o/{name}", need=Need.BROKER, handler=pass_on),
)
