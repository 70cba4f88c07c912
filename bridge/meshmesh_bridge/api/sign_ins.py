"""One attempt in a browser: look, wait, withdraw, or hand in the address by paste."""

from urllib.parse import parse_qs, urlsplit

from aiohttp import web

from meshmesh import wire
from meshmesh_bridge.bodies import prefer_wait, read_fields
from meshmesh_bridge.guard import Need, Route
from meshmesh_bridge.house import house_of
from meshmesh_bridge.shapes import sign_in_shape
from meshmesh_daemon.core.problems import Problem, bad_field


async def get_sign_in(request: web.Request) -> web.Response:
    """`GET /v1/sign-ins/{id}`; with `Prefer: wait=N` it answers when the attempt ends."""
    wait = prefer_wait(request)
    view = await house_of(request).rooms.sign_ins.wait(request.match_info["id"], wait)
    return web.json_response(sign_in_shape(view))


async def cancel_sign_in(request: web.Request) -> web.Response:
    """`DELETE /v1/sign-ins/{id}`: its state is dead at once."""
    view = await house_of(request).rooms.sign_ins.cancel(request.match_info["id"])
    return web.json_response(sign_in_shape(view))


async def paste_redirect(request: web.Request) -> web.Response:
    """`POST /v1/sign-ins/{id}/redirect`: the address that a browser on another machine ended at."""
    sign_ins = house_of(request).rooms.sign_ins
    view = sign_ins.get(request.match_info["id"])
    fields = await read_fields(request, "url")
    url = fields.required_text("url", max_length=16_384)
    try:
        parts = urlsplit(url.strip())
        query = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    except ValueError:
        raise bad_field("url", "is not an address.") from None
    if parts.path != wire.REDIRECT_PATH or "state" not in query:
        raise bad_field("url", f"must be the whole address that ended in {wire.REDIRECT_PATH}?...")
    ended = await sign_ins.finish(query)
    if ended is None or ended.id != view.id:
        raise Problem(410, wire.Code.EXPIRED, "This address belongs to another sign-in, or to one that ended.")
    return web.json_response(sign_in_shape(ended))


ROUTES = (
    Route(method="GET", path="/v1/sign-ins/{id}", need=Need.OWNER, handler=get_sign_in),
    Route(method="DELETE", path="/v1/sign-ins/{id}", need=Need.OWNER, handler=cancel_sign_in),
    Route(method="POST", path="/v1/sign-ins/{id}/redirect", need=Need.OWNER, handler=paste_redirect),
)
