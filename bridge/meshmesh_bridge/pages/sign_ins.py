"""A sign-in under way, as the dashboard shows it: where to go on, or how it ended."""

from aiohttp import web

from meshmesh_bridge.bodies import prefer_wait
from meshmesh_bridge.house import house_of
from meshmesh_bridge.pages.fragments import fragment, route
from meshmesh_bridge.shapes import next_for, sign_in_shape


async def get_sign_in(request: web.Request) -> web.Response:
    """`GET /dashboard/sign-ins/{id}`; with `Prefer: wait=N` it answers when the attempt ends."""
    wait = prefer_wait(request)
    house = house_of(request)
    view = await house.rooms.sign_ins.wait(request.match_info["id"], wait)
    connection = view.connection
    return fragment(
        request,
        "sign_in.html",
        one=sign_in_shape(view, house),
        connection=connection,
        next_step=next_for(connection, house.port) if connection else None,
    )


ROUTES = (route("/sign-ins/{id}", get_sign_in, waits=True),)
